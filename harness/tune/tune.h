/* Measures which kernel of a family is the fastest here: every candidate runs the same slice of the
 * model, with as many threads, in the reference engine.
 *
 * A run is a prompt in one pass, then tokens generated one by one; it counts as a request of
 * TM_TUNE_TOKENS prompt tokens and as many generated ones. The slice has layers of the model,
 * enough to exceed the caches (or all of them), and a small vocabulary, since another kernel
 * computes the head.
 */
#ifndef TM_HARNESS_TUNE_TUNE_H
#define TM_HARNESS_TUNE_TUNE_H

#include "engine/source.h"
#include "harness/base/json.h"
#include "harness/tune/race.h"
#include "kernels/kernel.h"

#define TM_TUNE_MAX    TM_RACE_MAX /* candidates */
#define TM_TUNE_TOKENS 64

typedef struct tm_tune_candidate {
    const tm_kernel *kernel;
    tm_race_place place;
    char failure[480]; /* why it could not run; "" otherwise */
    int n_runs;        /* with the warm-up */
    double prompt_ns;  /* of the slice, per prompt token; median of the runs; NaN: none */
    double decode_ns;  /* of the slice, per generated token; likewise */
} tm_tune_candidate;

typedef struct tm_tune {
    char family[48];
    int n_threads;
    int n_layers, of_layers; /* of the slice, of the model */
    tm_tune_candidate candidates[TM_TUNE_MAX];
    int n;
    int best;            /* index */
    double unix_seconds; /* when it was measured */
} tm_tune;

typedef struct tm_tune_options {
    const tm_config *config;
    const char *family; /* as for tm_kernel_pick */
    int n_threads;
    bool oversubscribe;
    uint64_t seed;
    size_t cache_bytes;            /* all that the threads can use of the last level */
    int64_t available_bytes;       /* of memory; below 0: not known */
    const tm_interrupt *interrupt; /* checked between rounds; NULL: never */
} tm_tune_options;

/* The kernels of a family that are worth measuring here: those for the vector instructions of this
 * machine, if there are any, and only those as exact as the most exact of the family, so that a
 * choice never costs accuracy. Layouts with blocks have none, since their order is fixed. Returns
 * the number. */
int tm_tune_candidates(const char *family, const tm_kernel *out[TM_TUNE_MAX]);

/* Errors: ARG (unknown family), UNSUPPORTED (no candidate, or none passed), NOMEM (also if two
 * slices do not fit), those of the pool. */
tm_status tm_tune_measure(const tm_tune_options *options, tm_tune *out, tm_error *err) TM_MUST_USE;

/* One sentence on why the best was chosen, without the model: "i2r16_mad_avx2, 1.08 [1.06, 1.11]
 * times as fast as t3r16_tl2_avx2 (8 pairs)". */
char *tm_tune_why(const tm_tune *tune, char *out, size_t size);
/* How the race ended for a candidate: "1.08 [1.06, 1.11] times the time of ... (8 pairs)". */
char *tm_tune_place_text(const tm_tune *tune, int i, char *out, size_t size);

tm_json *tm_tune_to_json(const tm_tune *tune);
/* Errors: FORMAT (a key, an unknown kernel, a best kernel that was not measured). */
tm_status tm_tune_from_json(const tm_json *json, tm_tune *out, tm_error *err) TM_MUST_USE;

#endif
