/* bf16r16 with AVX2 and FMA: lanes are rows, 12 vectors of sums in registers for prompts. */
#define TM_FMA_WEIGHT TM_FMA_BF16
#include "kernels/floats/fma_avx2_template.h"

const tm_kernel tm_kernel_bf16r16_fma_avx2 = {
    .name = "bf16r16_fma_avx2",
    .format = &tm_format_bf16r16,
    .isa = TM_ISA_AVX2,
    .row_step = TM_GROUP,
    .tolerance = TM_FLOAT_TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015); bfloat16 by shift and mask",
};
