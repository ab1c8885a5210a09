/* tq2_0 with sdot: 2-bit codes times int8. */
#define WEIGHTS         TM_K_WEIGHTS
#define BYTES           TM_TQ2_0_BYTES
#define SCALE_AT        TM_TQ2_0_SCALE
#define CODE_OFFSET     1
#define CODE_MAX        3
#define INNER_SCALES_AT -1
#define codes_16        codes_tq2_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon.h"

TM_BLOCK_KERNEL(tq2_0, q8k, dotprod, TM_ISA_NEON | TM_ISA_DOTPROD, TM_K_TOLERANCE,
                "llama.cpp TQ2_0 x Q8_K")
