/* One timed repetition. The region holds only the work and the clock; the counters of the process
 * and the conditions of the machine are read around it.
 *
 * Tests mean what they mean in llama-bench: pp evaluates n_prompt tokens with the logits of the
 * last; tg evaluates n_gen tokens one by one; pp+tg does one after the other; @d fills the KV cache
 * first, which is not timed. @b decodes that many sequences together, each with a cache of its own
 * that holds the same tokens, and counts the tokens of all. Token ids come from the seed, so
 * sampling is not timed.
 */
#ifndef TM_HARNESS_MEASURE_BENCH_H
#define TM_HARNESS_MEASURE_BENCH_H

#include "harness/measure/backend.h"
#include "harness/measure/counters.h"
#include "harness/measure/sample_conditions.h"
#include "harness/record/cell_test.h"

/* Room for the token ids and times of the longest test, made before any timing. */
typedef struct tm_bench {
    tm_backend *backend; /* borrowed */
    int32_t *tokens;     /* [n_tokens] */
    int n_tokens;
    int64_t *stamps; /* [n_stamps] */
    int n_stamps;
    double harness_ns_per_token; /* measured on opening */
    tm_sample_conditions conditions;
    /* Borrowed; NULL: none. The caller opens them before the backend starts its threads. */
    tm_counters *counters;
    int n_threads; /* of the backend, for metrics of counters */
} tm_bench;

/* tests: [n_tests]. Errors: NOMEM. */
tm_status tm_bench_open(tm_backend *backend, const tm_test *tests, int n_tests, uint64_t seed,
                        tm_bench *out, tm_error *err) TM_MUST_USE;
void tm_bench_close(tm_bench *bench);

/* Fills the KV cache of every sequence to the test's depth, untimed. Errors: those of eval. */
tm_status tm_bench_fill(tm_bench *bench, const tm_test *test, tm_error *err) TM_MUST_USE;
/* Pass i of a generation: the next token of every sequence. generated: [n_gen][n_sequences]. */
tm_status tm_bench_decode(tm_backend *backend, const tm_test *test, const int32_t *generated, int i,
                          tm_error *err) TM_MUST_USE;
/* Runs the test once and fills the sample of *record. Errors: those of eval, NOMEM. */
tm_status tm_bench_once(tm_bench *bench, const tm_test *test, tm_record *record,
                        tm_error *err) TM_MUST_USE;

/* Bytes that the test reads and products that it computes, mean over its tokens: weights and head
 * once per pass, and the keys and values of every position that a sequence attends to. Only what is
 * computed counts: in the last layer only the last token of a prompt, whose logits are wanted, goes
 * beyond keys and values. */
void tm_bench_costs(const tm_costs *costs, int n_batch, const tm_test *test,
                    double *bytes_per_token, double *macs_per_token);

#endif
