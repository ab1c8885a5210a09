/* t3r16 with tbl, and sdot for prompts. */
#include "kernels/ternary/t3_neon.h"

const tm_kernel tm_kernel_t3r16_tl2_dotprod = {
    .name = "t3r16_tl2_dotprod",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_NEON | TM_ISA_DOTPROD,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp TL2 (2502.11880, 3.1), lossless: tables of 14 sums of three activations "
              "in two int8; panels as in BLIS",
};
