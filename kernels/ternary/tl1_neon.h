/* tl1r16 with tbl: a token becomes tables, weights look up their products in them, and no weight is
 * unpacked. Prompts unpack weights for smlal, or for sdot in a file that has it: their tables, 16
 * bytes per column and token, would not stay in a cache. Two kernel files include it; all its
 * functions are static. */
#ifndef TM_KERNELS_TERNARY_TL1_NEON_H
#define TM_KERNELS_TERNARY_TL1_NEON_H

#include "kernels/panel.h"
#include "kernels/ternary/tl1.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

/* An index to its two trits + 1; bytes 4 columns of a row, as a tile wants them, by st4. */
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    const uint8x16_t first = {0, 0, 0, 1, 1, 1, 2, 2, 2}, second = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    for (int u = 0; u < n_units; u++, packed += 16, tile += 64) {
        uint8x16_t v = vld1q_u8(packed), low = vandq_u8(v, vdupq_n_u8(15)), high = vshrq_n_u8(v, 4);
        uint8x16x4_t columns = {{vqtbl1q_u8(first, low), vqtbl1q_u8(second, low),
                                 vqtbl1q_u8(first, high), vqtbl1q_u8(second, high)}};
        vst4q_u8(tile, columns);
    }
}

#define TM_MAD_BLOCK_UNITS     4
#define TM_MAD_BLOCK_BYTES     TM_TL1_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 0
#ifdef __ARM_FEATURE_DOTPROD
#include "kernels/ternary/mad_dotprod_template.h"
#else
#include "kernels/ternary/mad_neon_template.h"
#endif

/* Tables of a token: the index of a pair looks up T = t0 q0 + t1 q1, at most 254 in size, as two
 * bytes: T = 17 high + low, high at most 15 and low at most 8 in size, so that a block's 8 of each
 * still add up in a byte: at most 120 and 64. TL1 splits at 256 and widens every look-up instead.
 * [n_blocks][pairs][low, high][16 indices, 9 of them used] */
#define RADIX                 17
#define TM_LOOKUP_TABLE_BYTES (TM_TL1_PAIRS * 32) /* of a block */

/* T / 17, rounded: 1928 / 2^15 is 1 / 16.996, close enough for every T. */
static inline int16x8_t high_of(int16x8_t t)
{
    return vqrdmulhq_n_s16(t, 1928);
}

static void make_tables(const tm_act *x, int8_t *to, int64_t block_begin, int64_t block_end)
{
    const int8x8_t t0 = {-1, -1, -1, 0, 0, 0, 1, 1}, t1 = {-1, 0, 1, -1, 0, 1, -1, 0}, last = {1};
    const int8_t *q = x->i8 + block_begin * TM_TL1_COLS;
    to += block_begin * TM_LOOKUP_TABLE_BYTES;
    for (int64_t pair = (block_end - block_begin) * TM_TL1_PAIRS; pair > 0;
         pair--, q += 2, to += 32) {
        int8x8_t q0 = vld1_dup_s8(q), q1 = vld1_dup_s8(q + 1);
        int16x8_t a = vmlal_s8(vmull_s8(q0, t0), q1, t1);     /* indices 0 .. 7 */
        int16x8_t b = vmlal_s8(vmull_s8(q0, last), q1, last); /* 8; the others are not used */
        int16x8_t a_high = high_of(a), b_high = high_of(b);
        vst1q_s8(to, vuzp1q_s8(vreinterpretq_s8_s16(vmlsq_n_s16(a, a_high, RADIX)),
                               vreinterpretq_s8_s16(vmlsq_n_s16(b, b_high, RADIX))));
        vst1q_s8(to + 16, vuzp1q_s8(vreinterpretq_s8_s16(a_high), vreinterpretq_s8_s16(b_high)));
    }
}

static size_t n_blocks_of(int n_cols)
{
    return tm_tl1_blocks(n_cols);
}

/* Sums of up to 4 row groups, which share each load of the tables: 16 bytes per column, against 4
 * of a group's weights. A group's block is 4 loads, 8 to take halves of bytes, 16 tbl, 14 additions
 * and 4 that widen; and there are 16 loads for all groups. Registers: 16 for sums in bytes and
 * int16, 4 for tables. A block adds at most 8 x 254 = 2032 to an int16: 16 blocks reach 32,512.
 * n_groups is a literal. */
#define BLOCKS_A_FLUSH       16
#define TM_LOOKUP_GROUPS_MAX 4

TM_ALWAYS_INLINE void decode_groups(const uint8_t *data, size_t group_bytes, const int8_t *tables,
                                    int32x4_t total[][4], const int n_groups)
{
    size_t n_blocks = group_bytes / TM_TL1_BLOCK;
#pragma GCC unroll 16
    for (int i = 0; i < 4 * n_groups; i++) total[i / 4][i % 4] = vdupq_n_s32(0);
    for (size_t b = 0; b < n_blocks;) {
        size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
        int16x8_t sums[TM_LOOKUP_GROUPS_MAX][2];
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) sums[g][0] = sums[g][1] = vdupq_n_s16(0);
        for (; b < end; b++, data += TM_TL1_BLOCK, tables += TM_LOOKUP_TABLE_BYTES) {
            int8x16_t low[TM_LOOKUP_GROUPS_MAX], high[TM_LOOKUP_GROUPS_MAX];
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                low[g] = high[g] = vdupq_n_s8(0);
                __builtin_prefetch(data + (size_t)g * group_bytes + TM_PREFETCH_BYTES / n_groups);
            }
#pragma GCC unroll 4
            for (int i = 0; i < TM_TL1_PAIRS / 2; i++) {
                const int8_t *table = tables + 64 * i;
                int8x16_t low0 = vld1q_s8(table), high0 = vld1q_s8(table + 16);
                int8x16_t low1 = vld1q_s8(table + 32), high1 = vld1q_s8(table + 48);
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++) {
                    uint8x16_t v = vld1q_u8(data + (size_t)g * group_bytes + 16 * i);
                    uint8x16_t even = vandq_u8(v, vdupq_n_u8(15)), odd = vshrq_n_u8(v, 4);
                    low[g] = vaddq_s8(low[g], vqtbl1q_s8(low0, even));
                    high[g] = vaddq_s8(high[g], vqtbl1q_s8(high0, even));
                    low[g] = vaddq_s8(low[g], vqtbl1q_s8(low1, odd));
                    high[g] = vaddq_s8(high[g], vqtbl1q_s8(high1, odd));
                    TM_KEEP_LOADS_BELOW(low[g], high[g]);
                }
            }
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                const int8x16_t radix = vdupq_n_s8(RADIX);
                sums[g][0] = vaddw_s8(sums[g][0], vget_low_s8(low[g]));
                sums[g][1] = vaddw_high_s8(sums[g][1], low[g]);
                sums[g][0] = vmlal_s8(sums[g][0], vget_low_s8(high[g]), vget_low_s8(radix));
                sums[g][1] = vmlal_high_s8(sums[g][1], high[g], radix);
            }
        }
#pragma GCC unroll 8
        for (int i = 0; i < 2 * n_groups; i++) {
            int32x4_t *to = total[i / 2] + i % 2 * 2;
            int16x8_t sum = sums[i / 2][i % 2];
            to[0] = vaddw_s16(to[0], vget_low_s16(sum));
            to[1] = vaddw_high_s16(to[1], sum);
        }
    }
}

#include "kernels/ternary/lookup_neon_template.h"

#endif
