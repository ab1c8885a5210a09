/* A control quantity: the time of a fixed arithmetic loop that depends on the clock of the core and
 * on who else runs there, but on no kernel and no model. If it differs between two arms, the
 * machine changed and not the code. */
#ifndef TM_HARNESS_MEASURE_SPIN_H
#define TM_HARNESS_MEASURE_SPIN_H

#include "kernels/base.h"

/* The shortest of a few runs of about 2 ms each, in ns. */
int64_t tm_spin_ns(void);

#endif
