/* q4_0 with NEON alone: 4-bit codes times int8, in int16 for a whole block. */
#define WEIGHTS         TM_Q_WEIGHTS
#define BYTES           TM_Q4_0_BYTES
#define SCALE_AT        0
#define CODE_OFFSET     8
#define CODE_MAX        15
#define INNER_SCALES_AT -1
#define codes_16        codes_q4_0
#include "kernels/blocks/blocks_codes_neon.h"
#include "kernels/blocks/blocks_neon.h"

TM_BLOCK_KERNEL(q4_0, q80, neon, TM_ISA_NEON, TM_Q_TOLERANCE, "llama.cpp Q4_0 x Q8_0")
