/* i2r16 with sdot: 4 rows x 4 columns a vector, one register of activations serves 16 columns. */
#include "kernels/ternary/i2_dotprod.h"

#define TM_MAD_BLOCK_UNITS     4
#define TM_MAD_BLOCK_BYTES     TM_I2_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 3
#include "kernels/ternary/mad_dotprod_template.h"

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_dotprod = {
    .name = "i2r16_mad_dotprod",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NEON | TM_ISA_DOTPROD,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
