/* Checks one kernel against the reference on one shape. No kernel is timed before that.
 *
 * Adversarial fills, ranges against the whole, output filled with NaN first, inaccessible pages
 * after every buffer, pack/unpack identity. A crash in the kernel becomes a failed check. The fills
 * matter: int16 accumulation overflows only in the worst case.
 */
#ifndef TM_KERNELS_CHECK_H
#define TM_KERNELS_CHECK_H

#include "kernels/kernel.h"

/* Runs every fill on (n_rows, n_cols, n_tokens). Errors: CHECK with the fill, seed, row, token,
 * result and expected value; UNSUPPORTED when the machine lacks the instructions; NOMEM. Threads:
 * one check at a time in a process (it handles SIGSEGV, SIGBUS, SIGILL and SIGFPE). */
tm_status tm_check_kernel(const tm_kernel *kernel, int n_rows, int n_cols, int n_tokens,
                          uint64_t seed, tm_error *err) TM_MUST_USE;

#endif
