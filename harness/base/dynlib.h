/* A library that is opened while the program runs, so that machines without it need none: its functions are
 * found by name and kept in members of a struct. */
#ifndef TM_HARNESS_BASE_DYNLIB_H
#define TM_HARNESS_BASE_DYNLIB_H

#include "kernels/base.h"

typedef struct tm_dynlib_function {
    const char *symbol;
    size_t offset; /* of the member that takes its address */
} tm_dynlib_function;

/* name: of the file; product: for messages. members: the struct. *library: to dlclose, NULL where it could
 * not be opened. Errors: UNSUPPORTED (not installed, and what the system says; a function is lacking). */
tm_status tm_dynlib_open(const char *name, const char *product, const tm_dynlib_function *functions,
                         int n_functions, void *members, void **library, tm_error *err) TM_MUST_USE;

#endif
