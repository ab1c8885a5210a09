/* One timed repetition: nothing but the work and the clock in the region, the process's counters and
 * the machine's condition around it.
 *
 * Tests mean what llama-bench's do: pp evaluates n_prompt tokens with logits of the last; tg
 * evaluates n_gen tokens one by one; pp+tg one after the other; @d fills the KV cache first,
 * untimed. @b decodes that many sequences together, each after the same cached tokens in a cache of
 * its own, and counts the tokens of all. Token ids are seeded, so sampling is not part of the time.
 */
#ifndef TM_HARNESS_MEASURE_BENCH_H
#define TM_HARNESS_MEASURE_BENCH_H

#include "harness/measure/sample_conditions.h"
#include "harness/measure/counters.h"
#include "harness/measure/backend.h"
#include "harness/record/test.h"

/* Room for the token ids and times of the longest test, made before any timing. */
typedef struct tm_bench {
    tm_backend *backend; /* borrowed */
    int32_t *tokens;     /* [n_tokens] */
    int n_tokens;
    int64_t *stamps; /* [n_stamps] */
    int n_stamps;
    double harness_ns_per_token; /* measured on opening */
    tm_sample_conditions conditions;
    tm_counters
        *counters; /* borrowed; NULL: none are taken. Set by the caller, who opened them before
                              the backend's threads started */
    int n_threads; /* of the backend, for the counters' metrics */
} tm_bench;

/* tests: [n_tests]. Errors: NOMEM. */
tm_status tm_bench_open(tm_backend *backend, const tm_test *tests, int n_tests, uint64_t seed,
                        tm_bench *out, tm_error *err) TM_MUST_USE;
void tm_bench_close(tm_bench *bench);

/* Fills the KV cache of every sequence to the test's depth, untimed. Errors: those of eval. */
tm_status tm_bench_fill(tm_bench *bench, const tm_test *test, tm_error *err) TM_MUST_USE;
/* Pass number i of a generation: the next token of every sequence. generated: [n_gen][n_sequences]. */
tm_status tm_bench_decode(tm_backend *backend, const tm_test *test, const int32_t *generated, int i,
                          tm_error *err) TM_MUST_USE;
/* Runs the test once and fills the sample's part of *record (token_ns is owned by it). Errors:
 * those of eval, NOMEM. */
tm_status tm_bench_once(tm_bench *bench, const tm_test *test, tm_record *record,
                        tm_error *err) TM_MUST_USE;

/* What the test reads and multiplies, mean over its tokens: weights and head once per pass, keys
 * and values of every position attended to, by each sequence its own. What is not computed is not counted: of the last layer
 * a prompt's tokens have only keys and values, but for the last token, whose logits are wanted. */
void tm_bench_costs(const tm_costs *costs, int n_batch, const tm_test *test,
                    double *bytes_per_token, double *macs_per_token);

#endif
