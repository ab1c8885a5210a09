/* t3r16 with tbl, as bitnet.cpp's TL2: a token becomes tables, weights look up their products in
 * them, and no weight is unpacked. Unpacked instead, 48 weights take 12 instructions before sdot
 * has its operands; looked up, they take 9 in all. Prompts unpack weights once for smlal, or for
 * sdot in a file that has it. Two kernel files include it; all its functions are static. */
#ifndef TM_KERNELS_TERNARY_T3_NEON_H
#define TM_KERNELS_TERNARY_T3_NEON_H

#include "kernels/panel.h"
#include "kernels/ternary/t3.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

/* Magnitudes of code k of 16 rows, and all ones where it is negative. */
TM_ALWAYS_INLINE uint8x16_t magnitudes(const uint8_t *block, int k)
{
    uint8x16_t v = vld1q_u8(block + 16 * (k % 4));
    return k < 4 ? vandq_u8(v, vdupq_n_u8(15)) : vshrq_n_u8(v, 4);
}

TM_ALWAYS_INLINE int8x16_t negatives(uint8x16_t signs, int k)
{
    return vreinterpretq_s8_u8(vtstq_u8(signs, vdupq_n_u8((uint8_t)(1 << tm_t3_sign_bit(k)))));
}

/* A look-up turns magnitudes into t0 + 4 t1 + 16 t2; after the sign is applied, adding 1 + 4 + 16
 * gives a code 0 .. 2 for each trit. st4 interleaves 4 columns of a row, as a tile has them. */
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    const int8x16_t fields = {0,      1,      4 - 1, 4,      4 + 1,  16 - 5, 16 - 4,
                              16 - 3, 16 - 1, 16,    16 + 1, 16 + 3, 16 + 4, 16 + 5};
    const uint8x16_t three = vdupq_n_u8(3);
    for (int u = 0; u < n_units; u += 6, packed += TM_T3_BLOCK) {
        uint8x16_t signs = vld1q_u8(packed + TM_T3_SIGNS);
#pragma GCC unroll 2
        for (int half = 0; half < TM_T3_CODES; half += 4, tile += 3 * 64) {
            uint8x16x4_t first, second, third;
#pragma GCC unroll 4
            for (int c = 0; c < 4; c++) {
                int8x16_t negative = negatives(signs, half + c);
                int8x16_t v = vqtbl1q_s8(fields, magnitudes(packed, half + c));
                v = vsubq_s8(veorq_s8(v, negative), negative);
                uint8x16_t codes = vreinterpretq_u8_s8(vaddq_s8(v, vdupq_n_s8(1 + 4 + 16)));
                first.val[c] = vandq_u8(codes, three);
                second.val[c] = vandq_u8(vshrq_n_u8(codes, 2), three);
                third.val[c] = vshrq_n_u8(codes, 4);
            }
            vst4q_u8(tile, first);
            vst4q_u8(tile + 64, second);
            vst4q_u8(tile + 128, third);
        }
    }
}

#define TM_MAD_BLOCK_UNITS     6
#define TM_MAD_BLOCK_BYTES     TM_T3_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 0
#ifdef __ARM_FEATURE_DOTPROD
#include "kernels/ternary/mad_dotprod_template.h"
#else
#include "kernels/ternary/mad_neon_template.h"
#endif

/* Tables of a token: the magnitude of a code looks up T = t0 q0 + t1 q1 + t2 q2, at most 381 in
 * size, as two bytes: T = 28 high + low, each at most 14 in size, so that a block's 8 of each still
 * add up in a byte, with one more for a sign: at most 120. [n_blocks][codes][low, high][TABLE] */
#define RADIX 28
/* A look-up in 32 bytes costs no more than one in 16 on the cores that have sdot (Cortex-A76 and
 * later), twice as much on those before. There the sign becomes bit 4 of the index, and the upper
 * half of a table has the negative products. */
#ifdef __ARM_FEATURE_DOTPROD
#define TABLE      32
#define LOAD_TABLE vld1q_s8_x2
typedef int8x16x2_t table;
#else
#define TABLE      16
#define LOAD_TABLE vld1q_s8
typedef int8x16_t table;
#endif
#define TM_LOOKUP_TABLE_BYTES (TM_T3_CODES * 2 * TABLE) /* of a block */

/* T / 28, rounded: 1170 / 2^15 is 1 / 28.007, close enough that no remainder exceeds 14 for T up to
 * 381. */
static inline int16x8_t high_of(int16x8_t t)
{
    return vqrdmulhq_n_s16(t, 1170);
}

static inline int16x8_t products(const int8x8x3_t *trits, const int8_t *q)
{
    int16x8_t sum = vmull_s8(trits->val[0], vdup_n_s8(q[0]));
    sum = vmlal_s8(sum, trits->val[1], vdup_n_s8(q[4]));
    return vmlal_s8(sum, trits->val[2], vdup_n_s8(q[8]));
}

static inline void store_table(int8_t *to, int8x16_t products)
{
    vst1q_s8(to, products);
    if (TABLE == 32) vst1q_s8(to + 16, vnegq_s8(products));
}

static void make_tables(const tm_act *x, int8_t *to, int64_t block_begin, int64_t block_end)
{
    /* Trits of 0 .. 7 and of 8 .. 13. */
    const int8x8x3_t low_trits = {
        {{0, 1, -1, 0, 1, -1, 0, 1}, {0, 0, 1, 1, 1, -1, -1, -1}, {0, 0, 0, 0, 0, 1, 1, 1}}};
    const int8x8x3_t high_trits = {{{-1, 0, 1, -1, 0, 1}, {0, 0, 0, 1, 1, 1}, {1, 1, 1, 1, 1, 1}}};
    int64_t n_blocks = (int64_t)tm_t3_blocks(x->n_cols);
    int8_t last[TM_T3_COLS];
    tm_t3_last_columns(x, 0, last);
    to += block_begin * TM_LOOKUP_TABLE_BYTES;
    for (int64_t b = block_begin; b < block_end; b++) {
        const int8_t *q = b + 1 == n_blocks ? last : x->i8 + b * TM_T3_COLS;
        for (int k = 0; k < TM_T3_CODES; k++, to += 2 * TABLE) {
            int16x8_t a = products(&low_trits, q + tm_t3_column(k));
            int16x8_t c = products(&high_trits, q + tm_t3_column(k));
            int16x8_t a_high = high_of(a), c_high = high_of(c);
            store_table(to, vuzp1q_s8(vreinterpretq_s8_s16(vmlsq_n_s16(a, a_high, RADIX)),
                                      vreinterpretq_s8_s16(vmlsq_n_s16(c, c_high, RADIX))));
            store_table(to + TABLE,
                        vuzp1q_s8(vreinterpretq_s8_s16(a_high), vreinterpretq_s8_s16(c_high)));
        }
    }
}

static size_t n_blocks_of(int n_cols)
{
    return tm_t3_blocks(n_cols);
}

/* low, high, minus += code k of 16 rows. minus counts less one for each negative code, of which low
 * and high are short; with tables of 32 it stays 0. */
#ifdef __ARM_FEATURE_DOTPROD
/* `signs` come with the code's at the top and leave with the next one's there: a doubling runs on
 * every pipe, a shift on one of two. Shifted down to bit 4, a sign has zeros above, and the
 * magnitude replaces what is below. */
TM_ALWAYS_INLINE void look_up(const uint8_t *block, table l, table h, int k, uint8x16_t *signs,
                              int8x16_t *low, int8x16_t *high, int8x16_t *minus)
{
    uint8x16_t v = vld1q_u8(block + 16 * (k % 4)), sign = vshrq_n_u8(*signs, 3);
    uint8x16_t index = k < 4 ? vbslq_u8(vdupq_n_u8(15), v, sign) : vsriq_n_u8(sign, v, 4);
    (void)minus;
    *signs = vaddq_u8(*signs, *signs);
    *low = vaddq_s8(*low, vqtbl2q_s8(l, index));
    *high = vaddq_s8(*high, vqtbl2q_s8(h, index));
}
#else
TM_ALWAYS_INLINE void look_up(const uint8_t *block, table l, table h, int k, uint8x16_t *signs,
                              int8x16_t *low, int8x16_t *high, int8x16_t *minus)
{
    uint8x16_t index = magnitudes(block, k);
    int8x16_t negative = negatives(*signs, k);
    *low = vaddq_s8(*low, veorq_s8(vqtbl1q_s8(l, index), negative));
    *high = vaddq_s8(*high, veorq_s8(vqtbl1q_s8(h, index), negative));
    *minus = vaddq_s8(*minus, negative);
}
#endif

/* Sums of up to 2 row groups, which share each load of the tables: 32 or 64 bytes per code, against
 * 10 of a group's weights; gcc 12 runs out of registers with 4. A code of 16 rows is 9
 * instructions: one for its magnitudes and one for its signs, 2 tbl, 2 to complement negative
 * values (-v = ~v + 1), 2 additions, and one that counts negatives; with tables of 32 it is 7. A
 * block adds at most 8 x 381 = 3048 to an int16: 10 blocks reach 30,480. n_groups is a literal. */
#define BLOCKS_A_FLUSH       10
#define TM_LOOKUP_GROUPS_MAX 2

TM_ALWAYS_INLINE void decode_groups(const uint8_t *data, size_t group_bytes, const int8_t *tables,
                                    int32x4_t total[][4], const int n_groups)
{
    size_t n_blocks = group_bytes / TM_T3_BLOCK;
#pragma GCC unroll 8
    for (int i = 0; i < 4 * n_groups; i++) total[i / 4][i % 4] = vdupq_n_s32(0);
    for (size_t b = 0; b < n_blocks;) {
        size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
        int16x8_t sums[TM_LOOKUP_GROUPS_MAX][2];
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) sums[g][0] = sums[g][1] = vdupq_n_s16(0);
        for (; b < end; b++, data += TM_T3_BLOCK, tables += TM_LOOKUP_TABLE_BYTES) {
            int8x16_t low[TM_LOOKUP_GROUPS_MAX], high[TM_LOOKUP_GROUPS_MAX],
                minus[TM_LOOKUP_GROUPS_MAX];
            uint8x16_t signs[TM_LOOKUP_GROUPS_MAX];
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                const uint8_t *ahead =
                    data + (size_t)g * group_bytes + TM_PREFETCH_BYTES / n_groups;
                low[g] = high[g] = minus[g] = vdupq_n_s8(0);
                signs[g] = vld1q_u8(data + (size_t)g * group_bytes + TM_T3_SIGNS);
                __builtin_prefetch(ahead);
                __builtin_prefetch(ahead + TM_T3_BLOCK - 1);
            }
#pragma GCC unroll 8
            for (int i = 0; i < TM_T3_CODES; i++) {
                /* Codes in the order of their signs, two of the same bytes after each other. */
                const int k = i % 2 * 4 + i / 4 + i / 2 % 2 * 2;
                table low_table = LOAD_TABLE(tables + 2 * TABLE * k);
                table high_table = LOAD_TABLE(tables + 2 * TABLE * k + TABLE);
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++) {
                    look_up(data + (size_t)g * group_bytes, low_table, high_table, k, &signs[g],
                            &low[g], &high[g], &minus[g]);
                    TM_KEEP_LOADS_BELOW(low[g], high[g]);
                }
            }
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                const int8x16_t radix = vdupq_n_s8(RADIX);
                int8x16_t l = vsubq_s8(low[g], minus[g]), h = vsubq_s8(high[g], minus[g]);
                sums[g][0] = vaddw_s8(sums[g][0], vget_low_s8(l));
                sums[g][1] = vaddw_high_s8(sums[g][1], l);
                sums[g][0] = vmlal_s8(sums[g][0], vget_low_s8(h), vget_low_s8(radix));
                sums[g][1] = vmlal_high_s8(sums[g][1], h, radix);
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
