/* Files of workloads/ and results/published/, and what pages need, compiled into the program, so
 * that the installed program needs no data files. */
#ifndef TM_HARNESS_BASE_EMBEDDED_H
#define TM_HARNESS_BASE_EMBEDDED_H

#include <stddef.h>

typedef struct tm_embedded {
    const char *path; /* from the repository's root: "workloads/suites/demo.json" */
    const char *text; /* followed by a NUL, which `length` does not count */
    size_t length;
} tm_embedded;

/* All embedded files. The last row has a NULL path. */
const tm_embedded *tm_embedded_files(void);
/* Names of the files in a folder ("workloads/suites/") without their extensions,
 * NULL-terminated. Valid until the next call in this thread. */
const char *const *tm_embedded_names(const char *folder);
/* NULL if no file has that path. */
const tm_embedded *tm_embedded_find(const char *path);

#endif
