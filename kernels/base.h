/* Used by every module: status and error messages, checked aligned memory, the monotonic clock, a
 * random number generator, suggestions for misspelt names.
 *
 * Nothing here prints, exits or aborts. A function that can fail returns tm_status and takes
 * `tm_error *err` last. Its message names the object, the value and the limit.
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

/* For function bodies shared by several instruction sets: every file that includes one compiles its
 * own copy. */
#define TM_ALWAYS_INLINE     static inline __attribute__((always_inline))
#define TM_MUST_USE          __attribute__((warn_unused_result))
#define TM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#if defined __x86_64__
/* Keeps a vector of sums where it is. gcc 12 otherwise copies the sums of an unrolled loop to other
 * registers, or to memory, in every iteration. */
#define TM_KEEP_IN_REGISTER(sum) __asm__("" : "+v"(sum))
#endif

typedef struct tm_error {
    tm_status status;
    char message[480]; /* one sentence without a newline */
} tm_error;

/* "OK", "ARG", ... */
const char *tm_status_name(tm_status status);

/* Fills *err, which may be NULL, and returns `status`: write `return tm_fail(err, TM_IO, ...)`. */
tm_status tm_fail(tm_error *err, tm_status status, const char *fmt, ...) TM_PRINTF(3, 4);

/* Prepends "prefix: " to the message in *err. Returns the status in *err. */
tm_status tm_fail_in(tm_error *err, const char *fmt, ...) TM_PRINTF(2, 3);

/* *out = a * b. Returns false if the product overflows. */
static inline bool tm_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
/* *out = a + b. Returns false if the sum overflows. */
static inline bool tm_add_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static inline size_t tm_round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* Allocates n items of `size` bytes, zeroed and aligned to 64 bytes. Free them with tm_free.
 * `what` names the memory in the message. Errors: NOMEM, also if n * size overflows. */
tm_status tm_alloc(void **out, size_t n, size_t size, const char *what, tm_error *err) TM_MUST_USE;
void tm_free(void *memory);

/* A large anonymous mapping, aligned to 2 MiB and backed by huge pages where the kernel allows
 * them. The pages are not touched. The thread that will use a range should be the first to write
 * it, so that its memory lies on that thread's NUMA node. */
typedef struct tm_pages {
    uint8_t *data;
    size_t bytes;
    bool huge_asked; /* madvise(MADV_HUGEPAGE) succeeded; see /proc/self/smaps for the result */
} tm_pages;
tm_status tm_pages_open(tm_pages *pages, size_t bytes, const char *what, tm_error *err) TM_MUST_USE;
void tm_pages_close(tm_pages *pages);

/* SplitMix64 (Steele, Lea, Flood 2014), a counter-based generator: element i of a stream is
 * tm_mix64(seed + i * TM_GOLDEN) and needs no element before it. */
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
/* Uniform in 0 .. n-1, with n > 0. The bias is below n / 2^64. */
static inline uint64_t tm_rng_below(tm_rng *rng, uint64_t n)
{
    return (uint64_t)(((unsigned __int128)tm_rng_next(rng) * n) >> 64);
}

/* Nanoseconds on CLOCK_MONOTONIC, which is never set back and is the same in all processes. */
int64_t tm_now_ns(void);

/* Returns the name in `names` (NULL-terminated) that is closest to `given` by edit distance, or
 * NULL if no name is close enough to suggest. */
const char *tm_nearest_name(const char *given, const char *const *names);

/* Fails with ARG and `unknown KIND "GOT"; did you mean "NAME"?`. If no name is close, the message
 * lists the names instead, as many as fit. names: NULL-terminated. */
tm_status tm_unknown_name(tm_error *err, const char *kind, const char *got,
                          const char *const *names);

/* The ending of a noun after a number: "" for 1, else "s". */
const char *tm_plural(int64_t n);

#endif
