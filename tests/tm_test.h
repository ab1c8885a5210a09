/* What the test programs share: cmocka, the paths of fixtures, skipping with a reason. */
#ifndef TM_TESTS_TM_TEST_H
#define TM_TESTS_TM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Whether a sanitizer is compiled in: it has its own allocator, reserves terabytes of addresses and
 * makes system calls of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TM_SANITIZED 1
#endif
#endif
#ifndef TM_SANITIZED
#define TM_SANITIZED 0
#endif

/* Ends the running test as skipped; the runner lists the reason. */
#define TM_SKIP(...)                                                                               \
    do {                                                                                           \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        skip();                                                                                    \
    } while (0)

/* Path of a model's file that is part of the repository, tests/golden/name. Returns text, or NULL
 * when there is no such file. */
static inline const char *tm_golden(const char *name, char *text, size_t size)
{
    snprintf(text, size, "tests/golden/%s", name);
    return access(text, R_OK) == 0 ? text : NULL;
}

/* Path of a fixture: $TM_FIXTURES/name, else ../shared/fixtures/name, else for "models/NAME"
 * tests/golden/NAME. text: at least 512 bytes. Returns text, or NULL when there is no such file. */
static inline const char *tm_fixture(const char *name, char *text, size_t size)
{
    const char *const roots[] = {getenv("TM_FIXTURES"), "../shared/fixtures"};
    for (int i = 0; i < 2; i++) {
        if (!roots[i] || !*roots[i]) continue;
        snprintf(text, size, "%s/%s", roots[i], name);
        if (access(text, R_OK) == 0) return text;
    }
    bool is_model = strncmp(name, "models/", 7) == 0;
    return is_model ? tm_golden(name + 7, text, size) : NULL;
}

/* The same, but skips the test where the file is absent. */
#define TM_NEED_FIXTURE(name, text)                                                                \
    do {                                                                                           \
        if (!tm_fixture(name, text, sizeof(text)))                                                 \
            TM_SKIP("no fixture %s: set TM_FIXTURES", name);                                       \
    } while (0)

#endif
