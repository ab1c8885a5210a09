/* A shared library that is opened at run time, so that the program starts on machines without
 * it. Its functions and variables are looked up by name, and their addresses stored in members of
 * a struct. It is never unloaded: libraries keep memory for their next start. */
#ifndef TM_HARNESS_BASE_DYNLIB_H
#define TM_HARNESS_BASE_DYNLIB_H

#include "kernels/base.h"

typedef struct tm_dynlib_function {
    const char *symbol;
    size_t offset; /* of the member that receives its address */
} tm_dynlib_function;

/* Whether this program is linked statically and so cannot open shared libraries. */
bool tm_is_static_program(void);

/* name: the file. product: its name in messages. members: the struct. Errors: UNSUPPORTED (not
 * installed, a symbol is missing, or this is a static program). */
tm_status tm_dynlib_open(const char *name, const char *product, const tm_dynlib_function *functions,
                         int n_functions, void *members, tm_error *err) TM_MUST_USE;

#endif
