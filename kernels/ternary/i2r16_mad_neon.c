/* i2r16 with NEON alone: smlal into int16, widened before it can overflow. */
#include "kernels/ternary/i2_neon.h"

#define TM_MAD_BLOCK_UNITS     4
#define TM_MAD_BLOCK_BYTES     TM_I2_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 3
#include "kernels/ternary/mad_neon_template.h"

/* A code 0..2 times an int8 is at most 254 in size: 128 of them, at most 32,512, stay in int16. */
#define BLOCKS_A_FLUSH 32 /* with 4 products a lane and block */

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    size_t n_blocks = tm_i2_blocks(w->n_cols), ahead = (size_t)tm_kernel_ahead;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        int32x4_t pairs[8], total[4]; /* pairs: the two halves of a row's 4 columns, apart */
        const int8_t *q = x->i8;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) pairs[i] = vdupq_n_s32(0);
        for (size_t b = 0; b < n_blocks;) {
            size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
            int16x8_t acc[8];
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) acc[i] = vdupq_n_s16(0);
            for (; b < end; b++, data += TM_I2_BLOCK, q += 16) {
                int32x4_t values = vreinterpretq_s32_s8(vld1q_s8(q));
                int8x16_t v0 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 0));
                int8x16_t v1 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 1));
                int8x16_t v2 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 2));
                int8x16_t v3 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 3));
                __builtin_prefetch(data + ahead);
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) {
                    uint8x16_t bytes = vld1q_u8(data + 16 * i);
                    multiply_add(acc + 2 * i, code_plane(bytes, 0), v0);
                    multiply_add(acc + 2 * i, code_plane(bytes, 1), v1);
                    multiply_add(acc + 2 * i, code_plane(bytes, 2), v2);
                    multiply_add(acc + 2 * i, code_plane(bytes, 3), v3);
                }
            }
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) pairs[i] = vpadalq_s16(pairs[i], acc[i]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vpaddq_s32(pairs[2 * i], pairs[2 * i + 1]);
        store_rows(y + row, total, x->sum[0], w, x, row_end - row);
    }
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_neon = {
    .name = "i2r16_mad_neon",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NEON,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
