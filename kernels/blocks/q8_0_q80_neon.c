/* q8_0 with NEON alone: int8 times int8, two products in int16, then widened. */
#define TM_BLOCK_WEIGHTS         TM_Q_WEIGHTS
#define TM_BLOCK_BYTES           TM_Q8_0_BYTES
#define TM_BLOCK_SCALE_AT        0
#define TM_BLOCK_CODE_OFFSET     0
#define TM_BLOCK_CODE_MAX        128
#define TM_BLOCK_INNER_SCALES_AT -1
#define TM_BLOCK_CODES_16        codes_q8_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon_template.h"

TM_BLOCK_KERNEL(q8_0, q80, neon, TM_ISA_NEON, TM_Q_TOLERANCE, "llama.cpp Q8_0 x Q8_0")
