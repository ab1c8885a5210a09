/* What every module needs: status and error text, checked aligned memory, a small generator.
 *
 * Nothing here prints, exits or aborts. Anything that can fail returns tm_status and takes
 * `tm_error *err` last; the message names the object, the value and the limit.
 */
#ifndef TM_KERNELS_BASE_H
#define TM_KERNELS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TM_STATUSES(X)                                                                             \
    X(OK, "fine")                                                                                  \
    X(ARG, "bad argument or configuration")                                                        \
    X(IO, "reading or writing failed")                                                             \
    X(FORMAT, "malformed input")                                                                   \
    X(UNSUPPORTED, "not available here")                                                           \
    X(NOMEM, "not enough memory")                                                                  \
    X(CHECK, "a check failed")                                                                     \
    X(CHILD, "a child process failed")                                                             \
    X(TIMEOUT, "took too long")                                                                    \
    X(INTERRUPTED, "interrupted")

typedef enum tm_status {
#define TM_STATUS_ENUM(name, text) TM_##name,
    TM_STATUSES(TM_STATUS_ENUM)
#undef TM_STATUS_ENUM
} tm_status;

/* For bodies shared between instruction sets: compiled anew in every file that includes them. */
#define TM_ALWAYS_INLINE     static inline __attribute__((always_inline))
#define TM_MUST_USE          __attribute__((warn_unused_result))
#define TM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

typedef struct tm_error {
    tm_status status;
    char message[480]; /* one sentence, no final newline */
} tm_error;

/* "OK", "ARG", ... and back; an unknown name gives TM_CHECK. */
const char *tm_status_name(tm_status status);

/* Fills *err (may be NULL) and returns `status`, so that `return tm_fail(...)` reads well. */
tm_status tm_fail(tm_error *err, tm_status status, const char *fmt, ...) TM_PRINTF(3, 4);

/* Puts "prefix: " before the message already in *err; returns its status. */
tm_status tm_fail_in(tm_error *err, const char *fmt, ...) TM_PRINTF(2, 3);

/* *out = a * b; false when the product does not fit. */
static inline bool tm_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool tm_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline size_t tm_round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Zeroed memory for n items of `size` bytes, aligned to 64 bytes. Free with tm_free.
 * Errors: NOMEM (also when n * size overflows); `what` names it in the message. */
tm_status tm_alloc(void **out, size_t n, size_t size, const char *what, tm_error *err) TM_MUST_USE;
void tm_free(void *memory);

/* A large anonymous mapping, 2 MiB aligned and advised to use huge pages where the kernel has
 * them. Pages are not touched: the thread that will use a range should write it first. */
typedef struct tm_pages {
    uint8_t *data;
    size_t bytes;
    bool huge_asked; /* madvise(MADV_HUGEPAGE) was accepted; what was got: see /proc/self/smaps */
} tm_pages;
tm_status tm_pages_open(tm_pages *pages, size_t bytes, const char *what, tm_error *err) TM_MUST_USE;
void tm_pages_close(tm_pages *pages);

/* SplitMix64 (Steele, Lea, Flood 2014): a counter-based generator, so that any element of a
 * stream can be made alone: tm_mix64(seed + i * TM_GOLDEN). */
#define TM_GOLDEN 0x9e3779b97f4a7c15ull
static inline uint64_t tm_mix64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
typedef struct tm_rng {
    uint64_t state;
} tm_rng;
static inline uint64_t tm_rng_next(tm_rng *rng)
{
    return tm_mix64(rng->state += TM_GOLDEN);
}
/* Uniform in [0, 1). */
static inline double tm_rng_uniform(tm_rng *rng)
{
    return (double)(tm_rng_next(rng) >> 11) * 0x1p-53;
}
/* Uniform in 0 .. n-1 (n > 0); the bias is below n / 2^64. */
static inline uint64_t tm_rng_below(tm_rng *rng, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)tm_rng_next(rng) * n) >> 64);
}

/* The name in `names` (NULL-terminated) closest to `given` by edit distance, or NULL if none is
 * close enough to suggest. */
const char *tm_nearest_name(const char *given, const char *const *names);

#endif
