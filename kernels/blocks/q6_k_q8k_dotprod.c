/* q6_k with sdot: 6-bit codes times int8, then times the scale of 16. */
#define TM_BLOCK_WEIGHTS         TM_K_WEIGHTS
#define TM_BLOCK_BYTES           TM_Q6_K_BYTES
#define TM_BLOCK_SCALE_AT        TM_Q6_K_SCALE
#define TM_BLOCK_CODE_OFFSET     0
#define TM_BLOCK_CODE_MAX        32
#define TM_BLOCK_INNER_SCALES_AT 192
#define TM_BLOCK_CODES_16        codes_q6_k
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon_template.h"

TM_BLOCK_KERNEL(q6_k, q8k, dotprod, TM_ISA_NEON | TM_ISA_DOTPROD, TM_K_TOLERANCE,
                "llama.cpp Q6_K x Q8_K")
