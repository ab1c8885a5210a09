/* q4_0 with NEON alone: 4-bit codes times int8, in int16 for a whole block. */
#define TM_BLOCK_WEIGHTS         TM_Q_WEIGHTS
#define TM_BLOCK_BYTES           TM_Q4_0_BYTES
#define TM_BLOCK_SCALE_AT        0
#define TM_BLOCK_CODE_OFFSET     8
#define TM_BLOCK_CODE_MAX        15
#define TM_BLOCK_INNER_SCALES_AT -1
#define TM_BLOCK_CODES_16        codes_q4_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon_template.h"

TM_BLOCK_KERNEL(q4_0, q80, neon, TM_ISA_NEON, TM_Q_TOLERANCE, "llama.cpp Q4_0 x Q8_0")
