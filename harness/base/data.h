/* Files of workloads/ and results/published/ compiled into the program, so that it needs none of
 * them where it is installed. */
#ifndef TM_HARNESS_BASE_DATA_H
#define TM_HARNESS_BASE_DATA_H

#include <stddef.h>

typedef struct tm_data {
    const char *path; /* from the repository's root: "workloads/suites/demo.json" */
    const char *text; /* followed by a NUL that `length` does not count */
    size_t length;
} tm_data;

/* Every embedded file, ended by a row whose path is NULL. */
const tm_data *tm_data_files(void);
/* Names of the files in a folder ("workloads/suites/"), without their ends, ended by NULL; valid until the next
 * call in this thread. */
const char *const *tm_data_names(const char *folder);
/* NULL when there is none at that path. */
const tm_data *tm_data_find(const char *path);

#endif
