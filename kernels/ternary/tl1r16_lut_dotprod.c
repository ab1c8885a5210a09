/* tl1r16 with tbl, and sdot for prompts. */
#include "kernels/ternary/tl1_neon.h"

const tm_kernel tm_kernel_tl1r16_lut_dotprod = {
    .name = "tl1r16_lut_dotprod",
    .format = &tm_format_tl1r16,
    .isa = TM_ISA_NEON | TM_ISA_DOTPROD,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp TL1 (2502.11880, 3.1), lossless: tables of 9 sums of two activations in "
              "two int8; panels as in BLIS",
};
