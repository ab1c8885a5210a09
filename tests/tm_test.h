/* What the test programs share: cmocka, the fixtures' path, skipping with a reason. */
#ifndef TM_TESTS_TM_TEST_H
#define TM_TESTS_TM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* Leaves the running test as skipped; the runner lists the reason. */
#define TM_SKIP(...)                                                                               \
    do {                                                                                           \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        skip();                                                                                    \
    } while (0)

/* Path of a fixture, or of the folder for "": $TM_FIXTURES/name, else ../shared/fixtures/name.
 * text: at least 512 bytes. Returns text, or NULL when there is no such file. */
static inline const char *tm_fixture(const char *name, char *text, size_t size)
{
    const char *root = getenv("TM_FIXTURES");
    snprintf(text, size, "%s/%s", root && *root ? root : "../shared/fixtures", name);
    return access(text, R_OK) == 0 ? text : NULL;
}

/* The same, and skips the test where the file is absent. */
#define TM_NEED_FIXTURE(name, text)                                                                \
    do {                                                                                           \
        if (!tm_fixture(name, text, sizeof(text)))                                                 \
            TM_SKIP("no fixture %s: set TM_FIXTURES", text);                                       \
    } while (0)

#endif
