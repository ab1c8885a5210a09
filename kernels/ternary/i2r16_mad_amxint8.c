/* i2r16 with AMX: 16 tokens x 16 rows x 64 columns an instruction. Few tokens go the way of the
 * 512-bit dot products. Its arithmetic was run on emulated tiles only
 * (tests/kernels/ternary/test_amx.c), so it is chosen by name only; where the instructions exist,
 * `ternmark check` compares it first. */
#include "kernels/ternary/i2_amx.h"

#define TOKENS_MIN 8 /* below it most of a tile would be empty */

extern const tm_kernel tm_kernel_i2r16_mad_avx512vnni;
#define FEW tm_kernel_i2r16_mad_avx512vnni

static size_t scratch_size(int n_cols, int n_tokens)
{
    return n_tokens < TOKENS_MIN ? FEW.scratch_size(n_cols, n_tokens) : 0;
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    if (x->n_tokens < TOKENS_MIN) FEW.prepare_part(x, scratch, part, n_parts);
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens < TOKENS_MIN)
        FEW.rows(w, x, scratch, row_begin, row_end, y);
    else
        amx_rows(w, x, row_begin, row_end, y);
}

const tm_kernel tm_kernel_i2r16_mad_amxint8 = {
    .name = "i2r16_mad_amxint8",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AMXINT8,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .by_name_only = true,
    .source = "2-bit codes of bitnet.cpp's I2_S (2410.16144, 3.1), tdpbsud",
};
