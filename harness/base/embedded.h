/* Files of workloads/ and results/published/ compiled into the program, so that it needs none of
 * them where it is installed. */
#ifndef TM_HARNESS_BASE_EMBEDDED_H
#define TM_HARNESS_BASE_EMBEDDED_H

#include <stddef.h>

typedef struct tm_embedded {
    const char *path; /* from the repository's root: "workloads/suites/demo.json" */
    const char *text; /* followed by a NUL that `length` does not count */
    size_t length;
} tm_embedded;

/* Every embedded file, ended by a row whose path is NULL. */
const tm_embedded *tm_embedded_files(void);
/* Names of the files in a folder ("workloads/suites/"), without their ends, ended by NULL; valid until the next
 * call in this thread. */
const char *const *tm_embedded_names(const char *folder);
/* NULL when there is none at that path. */
const tm_embedded *tm_embedded_find(const char *path);

#endif
