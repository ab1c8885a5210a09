/* q2r16 with sdot: 2-bit codes times int8. */
#include "kernels/blocks/q2_neon_template.h"

TM_Q2_KERNEL(dotprod, TM_ISA_NEON | TM_ISA_DOTPROD)
