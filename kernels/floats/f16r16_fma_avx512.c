/* f16r16 with AVX-512: lanes are rows, 24 sums in registers for prompts. AVX512-FP16 has no row:
 * its FMA sums in halves, whose 2^-11 a sum would have to be taken to floats every few products to
 * stay near TM_FLOAT_TOLERANCE, which gives its double rate back; and one token is bound by
 * memory. */
#define TM_FMA_WEIGHT TM_FMA_F16
#include "kernels/floats/fma_avx512_template.h"

const tm_kernel tm_kernel_f16r16_fma_avx512 = {
    .name = "f16r16_fma_avx512",
    .format = &tm_format_f16r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512,
    .row_step = TM_GROUP,
    .tolerance = TM_FLOAT_TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015), vcvtph2ps",
};
