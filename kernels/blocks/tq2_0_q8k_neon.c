/* tq2_0 with NEON alone: 2-bit codes times int8, in int16 for a whole block. */
#define TM_BLOCK_WEIGHTS         TM_K_WEIGHTS
#define TM_BLOCK_BYTES           TM_TQ2_0_BYTES
#define TM_BLOCK_SCALE_AT        TM_TQ2_0_SCALE
#define TM_BLOCK_CODE_OFFSET     1
#define TM_BLOCK_CODE_MAX        3
#define TM_BLOCK_INNER_SCALES_AT -1
#define TM_BLOCK_CODES_16        codes_tq2_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon_template.h"

TM_BLOCK_KERNEL(tq2_0, q8k, neon, TM_ISA_NEON, TM_K_TOLERANCE, "llama.cpp TQ2_0 x Q8_K")
