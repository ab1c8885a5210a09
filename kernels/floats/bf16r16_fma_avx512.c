/* bf16r16 with AVX-512: lanes are rows, 24 sums in registers for prompts. */
#define TM_FMA_WEIGHT TM_FMA_BF16
#include "kernels/floats/fma_avx512_template.h"

const tm_kernel tm_kernel_bf16r16_fma_avx512 = {
    .name = "bf16r16_fma_avx512",
    .format = &tm_format_bf16r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512,
    .row_step = TM_GROUP,
    .tolerance = TM_FLOAT_TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015); bfloat16 by shift and mask",
};
