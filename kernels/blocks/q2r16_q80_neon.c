/* q2r16 with NEON alone: 2-bit codes times int8, in int16 for 32 columns. */
#include "kernels/blocks/q2_neon_template.h"

TM_Q2_KERNEL(neon, TM_ISA_NEON)
