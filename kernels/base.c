#include "kernels/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define HUGE_BYTES     ((size_t)2 << 20)
#define NAME_MAX_BYTES 64  /* longer names get no suggestion */
#define LIST_MAX_BYTES 240 /* of names in a message: a message holds 479 */

const char *tm_status_name(tm_status status)
{
    switch (status) {
#define STATUS_CASE(name, text)                                                                    \
    case TM_##name:                                                                                \
        return #name;
        TM_STATUSES(STATUS_CASE)
#undef STATUS_CASE
    }
    return "CHECK";
}

tm_status tm_fail(tm_error *err, tm_status status, const char *fmt, ...)
{
    if (!err) return status;
    va_list args;
    va_start(args, fmt);
    err->status = status;
    vsnprintf(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return status;
}

tm_status tm_fail_in(tm_error *err, const char *fmt, ...)
{
    if (!err) return TM_CHECK;
    char before[sizeof err->message], after[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    vsnprintf(before, sizeof before, fmt, args);
    va_end(args);
    memcpy(after, err->message, sizeof after);
    int n = snprintf(err->message, sizeof err->message, "%s: ", before);
    if (n >= 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, "%s", after);
    return err->status;
}

tm_status tm_alloc(void **out, size_t n, size_t size, const char *what, tm_error *err)
{
    size_t bytes;
    *out = NULL;
    if (!tm_mul_size(n, size, &bytes) || bytes > SIZE_MAX / 2)
        return tm_fail(err, TM_NOMEM, "%s: %zu x %zu bytes do not fit the address space", what, n,
                       size);
    bytes = tm_round_up(bytes ? bytes : 1, 64);
    void *memory = aligned_alloc(64, bytes);
    if (!memory) return tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", what, bytes);
    memset(memory, 0, bytes);
    *out = memory;
    return TM_OK;
}

void tm_free(void *memory)
{
    free(memory);
}

tm_status tm_pages_open(tm_pages *pages, size_t bytes, const char *what, tm_error *err)
{
    *pages = (tm_pages){0};
    if (bytes > SIZE_MAX / 2)
        return tm_fail(err, TM_NOMEM, "%s: %zu bytes do not fit the address space", what, bytes);
    size_t mapped = tm_round_up(bytes ? bytes : 1, HUGE_BYTES), reserved = mapped + HUGE_BYTES;
    uint8_t *start = mmap(NULL, reserved, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED)
        return tm_fail(err, TM_NOMEM, "%s: cannot map %zu bytes", what, reserved);
    /* Keep the aligned part of the reservation and unmap the rest. */
    size_t before = (HUGE_BYTES - (uintptr_t)start % HUGE_BYTES) % HUGE_BYTES;
    if (before) munmap(start, before);
    munmap(start + before + mapped, reserved - before - mapped);
    pages->data = start + before;
    pages->bytes = bytes;
    pages->huge_asked = madvise(pages->data, mapped, MADV_HUGEPAGE) == 0;
    return TM_OK;
}

void tm_pages_close(tm_pages *pages)
{
    if (pages->data) munmap(pages->data, tm_round_up(pages->bytes ? pages->bytes : 1, HUGE_BYTES));
    *pages = (tm_pages){0};
}

/* Levenshtein distance that ignores case. Both names have at most NAME_MAX_BYTES bytes. */
static int edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int row[NAME_MAX_BYTES + 1];
    for (size_t j = 0; j <= n_b; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n_a; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= n_b; j++) {
            int best = diagonal + ((a[i - 1] | 32) != (b[j - 1] | 32));
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n_b];
}

const char *tm_nearest_name(const char *given, const char *const *names)
{
    size_t n_given = strlen(given);
    const char *nearest = NULL;
    if (n_given == 0 || n_given > NAME_MAX_BYTES) return NULL;
    /* A third of the letters may differ. Short names may differ in two letters, unless that is the
     * whole name. */
    int limit = n_given / 3 > 2 ? (int)(n_given / 3) : n_given > 2 ? 2 : 1;
    for (; *names; names++) {
        size_t n = strlen(*names);
        if (n == 0 || n > NAME_MAX_BYTES) continue;
        int distance = edit_distance(given, n_given, *names, n);
        if (distance <= limit && distance < (int)n) {
            nearest = *names;
            limit = distance - 1;
        }
    }
    return nearest;
}

static void list_names(const char *const *names, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (int i = 0; names[i]; i++) {
        int n = snprintf(text + used, size - used, "%s%s", i > 0 ? ", " : "", names[i]);
        if (n >= 0 && (size_t)n + sizeof ", ..." < size - used) {
            used += (size_t)n;
            continue;
        }
        snprintf(text + used, size - used, "%s...", i > 0 ? ", " : "");
        return;
    }
}

tm_status tm_unknown_name(tm_error *err, const char *kind, const char *got,
                          const char *const *names)
{
    char list[LIST_MAX_BYTES];
    const char *nearest = tm_nearest_name(got, names);
    if (nearest)
        return tm_fail(err, TM_ARG, "unknown %s \"%.80s\"; did you mean \"%s\"?", kind, got,
                       nearest);
    list_names(names, list, sizeof list);
    return tm_fail(err, TM_ARG, "unknown %s \"%.80s\"%s%s", kind, got,
                   list[0] ? "; expected one of " : "", list);
}

const char *tm_plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

int64_t tm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
