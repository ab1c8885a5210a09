/* q6_k with sdot: 6-bit codes times int8, then times the scale of 16. */
#define WEIGHTS         TM_K_WEIGHTS
#define BYTES           TM_Q6_K_BYTES
#define SCALE_AT        TM_Q6_K_SCALE
#define CODE_OFFSET     0
#define CODE_MAX        32
#define INNER_SCALES_AT 192
#define codes_16        codes_q6_k
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon.h"

TM_BLOCK_KERNEL(q6_k, q8k, dotprod, TM_ISA_NEON | TM_ISA_DOTPROD, TM_K_TOLERANCE,
                "llama.cpp Q6_K x Q8_K")
