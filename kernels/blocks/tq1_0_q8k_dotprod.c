/* tq1_0 with sdot: trits times int8. */
#define TM_BLOCK_WEIGHTS         TM_K_WEIGHTS
#define TM_BLOCK_BYTES           TM_TQ1_0_BYTES
#define TM_BLOCK_SCALE_AT        TM_TQ1_0_SCALE
#define TM_BLOCK_CODE_OFFSET     1
#define TM_BLOCK_CODE_MAX        2
#define TM_BLOCK_INNER_SCALES_AT -1
#define TM_BLOCK_CODES_16        codes_tq1_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon_template.h"

TM_BLOCK_KERNEL(tq1_0, q8k, dotprod, TM_ISA_NEON | TM_ISA_DOTPROD, TM_K_TOLERANCE,
                "llama.cpp TQ1_0 x Q8_K")
