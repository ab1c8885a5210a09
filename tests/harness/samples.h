/* A record with every field set, for tests of the code that stores records. */
#ifndef TM_TESTS_HARNESS_SAMPLES_H
#define TM_TESTS_HARNESS_SAMPLES_H

#include "harness/record/record.h"
#include "tests/tm_test.h"

#include <stdlib.h>
#include <string.h>

static inline tm_record make_sample(int process, int repetition, int n_gen)
{
    tm_record r = {.kind = TM_RECORD_SAMPLE,
                   .run_id = "20250101-000000-abcdef",
                   .cell_id = "0123456789abcdef",
                   .cell = {.engine = "ternmark",
                            .model = "synth:125M",
                            .kernel = "i2r16_mad_avx2",
                            .head_kernel = "f16r16_fma_avx2",
                            .kernel_asked = "auto",
                            .head_asked = "f16",
                            .threads = 2,
                            .n_prompt = 8,
                            .depth = 32,
                            .n_sequences = 1,
                            .role = "ternary"},
                   .status = "ok",
                   .process = process,
                   .sample.repetition = repetition,
                   .slot = 1,
                   .sample.elapsed_ns = 123456789012345,
                   .sample.first_token_ns = 777,
                   .sample.load_ns = 42,
                   .sample.check_ns = 43,
                   .sample.bytes_per_token = 1.5e9,
                   .sample.macs_per_token = 2.25e9,
                   .sample.bits_per_weight = 2.0078125,
                   .sample.head_bytes = 65540096,
                   .predicted_bytes = 3000000001,
                   .marks = "one; \"two\"",
                   .sample.tokens = "fedcba9876543210"};
    r.cell.n_gen = n_gen;
    r.sample.n_tokens = 8 + n_gen;
    tm_test_name(8, n_gen, 32, 1, r.cell.test, sizeof r.cell.test);
    r.sample.token_ns = n_gen ? calloc((size_t)n_gen, sizeof *r.sample.token_ns) : NULL;
    r.sample.n_token_ns = n_gen;
    for (int i = 0; i < n_gen; i++) r.sample.token_ns[i] = 1000000 + i;
    tm_measured_set(&r.sample.peak_rss_bytes, 1e9);
    tm_measured_set(&r.sample.rss_anonymous_bytes, 9e8);
    tm_measured_set(&r.sample.rss_file_bytes, 1e8);
    tm_measured_set(&r.sample.minor_faults, 0);
    tm_measured_set(&r.sample.major_faults, 0);
    tm_measured_set(&r.sample.voluntary_switches, 3);
    tm_measured_set(&r.sample.involuntary_switches, 4);
    tm_measured_set(&r.sample.cpu_user_seconds, 0.25);
    tm_measured_set(&r.sample.cpu_system_seconds, 0.125);
    tm_measured_miss(&r.sample.steal_percent, "too %s", "short");
    tm_measured_set(&r.sample.frequency_before_hz, 3.1e9);
    tm_measured_set(&r.sample.frequency_after_hz, 3.0e9);
    tm_measured_set(&r.sample.throttle_events, 0);
    tm_measured_set(&r.sample.temperature_before_celsius, 48);
    tm_measured_miss(&r.sample.temperature_after_celsius, "no sensor");
    tm_measured_set(&r.sample.load_average, 0.5);
    tm_measured_set(&r.sample.harness_ns_per_token, 23.5);
    return r;
}

/* A record of another kind for the same cell and process. It has no tokens. */
static inline tm_record make_line_of_kind(tm_record_kind kind)
{
    tm_record r = make_sample(3, 0, 128);
    free(r.sample.token_ns);
    r.sample.token_ns = NULL;
    r.sample.n_token_ns = 0;
    r.kind = kind;
    return r;
}

/* Writes the record as a line and parses the line again. */
static inline tm_json *parsed_record(const tm_record *record)
{
    tm_error err = {0};
    tm_json *json = tm_record_to_json(record), *again;
    char *text = tm_json_print(json, false);
    assert_int_equal(tm_json_parse(text, strlen(text), "line", &again, &err), TM_OK);
    free(text);
    tm_json_free(json);
    return again;
}

#endif
