/* A temporary folder for a test program, and functions that read or write a whole file. */
#ifndef TM_TESTS_HARNESS_SCRATCH_H
#define TM_TESTS_HARNESS_SCRATCH_H

#include "tests/tm_test.h"

#include <ftw.h>
#include <string.h>

static char scratch_folder[64];

static inline int scratch_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static inline int scratch_make(void **state)
{
    (void)state;
    /* Prefer a folder in memory: stores sync every line, which is slow on a busy disk. */
    snprintf(scratch_folder, sizeof scratch_folder, "%s/tm_test_XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(scratch_folder) ? 0 : -1;
}

static inline int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch_folder, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder. It is overwritten by the fourth call after this one. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][128];
    static int turn;
    char *path = paths[turn++ & 3];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* The file's contents, NUL-terminated; the caller calls free(). */
static inline char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, *size, f), *size);
    text[*size] = 0;
    fclose(f);
    return text;
}

/* Path of the library built from tests/harness/probe/fake_papi.c. It is in the parent of the folder
 * of the running test program. */
static inline const char *fake_papi_path(void)
{
    static char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 32);
    assert_true(n > 0);
    path[n] = 0;
    *strrchr(path, '/') = 0;
    strcpy(strrchr(path, '/') + 1, "libfake_papi.so");
    return path;
}

#define assert_says(text, part)                                                                    \
    do {                                                                                           \
        if (!strstr((text), (part))) fail_msg("\"%s\" does not contain \"%s\"", (text), (part));   \
    } while (0)

#define assert_ok(call, err)                                                                       \
    do {                                                                                           \
        if ((call) != TM_OK) fail_msg("%s: %s", #call, (err).message);                             \
    } while (0)

#endif
