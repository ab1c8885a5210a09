/* A store in memory with cells of known values. */
#ifndef TM_TESTS_REPORTS_SAMPLE_STORE_H
#define TM_TESTS_REPORTS_SAMPLE_STORE_H

#include "harness/record/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample_store {
    tm_records records;
    int capacity;
} sample_store;

static inline tm_record *sample_add(sample_store *store)
{
    if (store->records.n == store->capacity) {
        store->capacity = store->capacity ? store->capacity * 2 : 64;
        store->records.items =
            realloc(store->records.items, (size_t)store->capacity * sizeof(tm_record));
        if (!store->records.items) abort();
    }
    tm_record *r = &store->records.items[store->records.n++];
    memset(r, 0, sizeof *r);
    snprintf(r->run_id, sizeof r->run_id, "run-1");
    return r;
}

static inline void sample_add_run(sample_store *store, const char *json)
{
    tm_error err = {0};
    tm_record *r = sample_add(store);
    r->kind = TM_RECORD_RUN;
    if (tm_json_parse(json, strlen(json), "run line", &r->run.document, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

static inline void sample_name(tm_record *r, const char *model, const char *kernel, int threads,
                               int n_prompt, int n_gen)
{
    bool is_baseline = strncmp(kernel, "f16", 3) == 0;
    tm_cell *c = &r->cell;
    snprintf(c->engine, sizeof c->engine, "ternmark");
    snprintf(c->model, sizeof c->model, "%s", model);
    snprintf(c->kernel, sizeof c->kernel, "%s", kernel);
    snprintf(c->head_kernel, sizeof c->head_kernel, "f16_x");
    snprintf(c->role, sizeof c->role, "%s", is_baseline ? "baseline" : "ternary");
    c->threads = threads;
    c->n_prompt = n_prompt;
    c->n_gen = n_gen;
    tm_test_name(n_prompt, n_gen, 0, 1, c->test, sizeof c->test);
    /* Any identifier that differs between cells will do. */
    unsigned hash = 5381;
    char text[512];
    snprintf(text, sizeof text, "%s|%s|%d|%s", model, kernel, threads, c->test);
    for (const char *p = text; *p; p++) hash = hash * 33 + (unsigned char)*p;
    snprintf(r->cell_id, sizeof r->cell_id, "%08x", hash);
}

/* Adds one process with two repetitions at a rate. */
static inline void sample_add_process(sample_store *store, const char *model, const char *kernel,
                                      int threads, int n_prompt, int n_gen, int process, int slot,
                                      double tokens_per_second, double bytes_per_token)
{
    for (int repetition = 0; repetition < 2; repetition++) {
        tm_record *r = sample_add(store);
        r->kind = TM_RECORD_SAMPLE;
        snprintf(r->status, sizeof r->status, "ok");
        sample_name(r, model, kernel, threads, n_prompt, n_gen);
        r->process = process;
        r->sample.repetition = repetition;
        r->slot = slot;
        r->sample.n_tokens = n_prompt + n_gen;
        r->sample.elapsed_ns = (int64_t)(r->sample.n_tokens * 1e9 / tokens_per_second);
        if (n_prompt) r->sample.first_token_ns = r->sample.elapsed_ns;
        r->sample.n_token_ns = n_gen;
        r->sample.token_ns = calloc((size_t)n_gen + 1, sizeof *r->sample.token_ns);
        if (!r->sample.token_ns) abort();
        for (int i = 0; i < n_gen; i++)
            r->sample.token_ns[i] = (int64_t)((1.0 + 0.001 * i) * 1e9 / tokens_per_second);
        r->sample.load_ns = 1500000000;
        r->sample.bytes_per_token = bytes_per_token;
        r->sample.macs_per_token = bytes_per_token * 2.0;
        r->sample.bits_per_weight = strncmp(kernel, "f16", 3) == 0 ? 16.0 : 2.0;
        r->predicted_bytes = (int64_t)(bytes_per_token * 1.2) + (64 << 20);
        tm_measured_set(&r->sample.peak_rss_bytes, bytes_per_token * 1.1 + (60 << 20));
        tm_measured_set(&r->sample.rss_anonymous_bytes, bytes_per_token * 1.1 + (50 << 20));
        tm_measured_set(&r->sample.rss_file_bytes, 10 << 20);
        tm_measured *const others[] = {
            &r->sample.minor_faults,       &r->sample.major_faults,
            &r->sample.voluntary_switches, &r->sample.involuntary_switches,
            &r->sample.cpu_user_seconds,   &r->sample.cpu_system_seconds,
            &r->sample.steal_percent,      &r->sample.harness_ns_per_token};
        for (size_t i = 0; i < sizeof others / sizeof *others; i++) tm_measured_set(others[i], 1.0);
        tm_measured *const conditions[] = {
            &r->sample.frequency_before_hz, &r->sample.frequency_after_hz,
            &r->sample.throttle_events, &r->sample.temperature_before_celsius,
            &r->sample.temperature_after_celsius};
        for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++)
            tm_measured_miss(conditions[i], "this machine does not show it");
        tm_measured_set(&r->sample.load_average, 0.25);
    }
}

/* Adds alternating pairs whose ratio varies slightly around `ratio`. */
static inline void sample_add_pairs(sample_store *store, const char *model, const char *ternary,
                                    int threads, int n_prompt, int n_gen, int n_pairs,
                                    double fp16_rate, double ratio, double fp16_bytes)
{
    for (int i = 0; i < n_pairs; i++) {
        double drift = 1.0 + 0.01 * ((i * 3) % 5 - 2), wobble = 1.0 + 0.008 * ((i * 2) % 5 - 2);
        sample_add_process(store, model, "f16_fma_x", threads, n_prompt, n_gen, i, i % 2,
                           fp16_rate * drift, fp16_bytes);
        sample_add_process(store, model, ternary, threads, n_prompt, n_gen, i, 1 - i % 2,
                           fp16_rate * ratio * drift * wobble, fp16_bytes / 6.0);
    }
}

static inline void sample_add_skipped(sample_store *store, const char *model, const char *kernel,
                                      int threads, int n_prompt, int n_gen, const char *reason)
{
    tm_record *r = sample_add(store);
    r->kind = TM_RECORD_CELL;
    snprintf(r->status, sizeof r->status, "skipped");
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    sample_name(r, model, kernel, threads, n_prompt, n_gen);
    r->predicted_bytes = 14000000000;
}

static inline void sample_free(sample_store *store)
{
    for (int i = 0; i < store->records.n; i++) tm_record_free(&store->records.items[i]);
    free(store->records.items);
    memset(store, 0, sizeof *store);
}

#define SAMPLE_RUN                                                                                 \
    "{\"schema\":1,\"kind\":\"run\",\"run\":\"run-1\",\"suite\":{\"name\":\"demo\"},"              \
    "\"machine\":{\"cpu_model\":\"Imaginary CPU 9000\",\"cores\":2,\"product\":null,"              \
    "\"product_missing\":\"/sys/class/dmi/id is not readable\",\"emulated\":false,"                \
    "\"caches\":[{\"level\":1,\"type\":\"Data\",\"size_bytes\":49152}]},"                          \
    "\"environment\":{\"usable_cores\":2,\"version\":\"0.1.0\",\"commit\":\"abc\","                \
    "\"compiler\":\"gcc 12\",\"governor\":null,\"governor_missing\":\"no cpufreq\"},"              \
    "\"roofline\":{\"read_gb_per_second\":[{\"threads\":1,\"value\":17.5},"                        \
    "{\"threads\":2,\"value\":31.6}],\"int8_gmac_per_second\":[{\"threads\":2,\"value\":660}]}}"

/* Like the demo suite: decode and prompts, one thread and both cores, one model that does not
 * fit. */
static inline void sample_demo(sample_store *store)
{
    static const struct {
        const char *model;
        double rate, ratio, bytes;
    } models[] = {{"synth:125M", 112.0, 2.7, 2.6e8},
                  {"synth:350M", 41.5, 3.4, 7.2e8},
                  {"synth:700M", 21.0, 4.2, 1.45e9},
                  {"synth:1.5B", 9.8, 4.9, 3.0e9},
                  {"synth:2B-4T", 6.1, 3.6, 4.8e9}};
    memset(store, 0, sizeof *store);
    sample_add_run(store, SAMPLE_RUN);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        for (int threads = 1; threads <= 2; threads++) {
            double scale = threads == 1 ? 0.55 : 1.0;
            sample_add_pairs(store, models[i].model, "i2_mad_x", threads, 0, 16, 7,
                             models[i].rate * scale, models[i].ratio, models[i].bytes);
            sample_add_pairs(store, models[i].model, "i2_mad_x", threads, 64, 0, 7,
                             models[i].rate * 9.0 * scale, 1.6, models[i].bytes / 64.0);
        }
    }
    sample_add_skipped(store, "synth:7B", "f16_fma_x", 2, 0, 16, "needs 14.2 GB, 7.8 GB available");
    sample_add_pairs(store, "synth:7B", "i2_mad_x", 2, 0, 16, 0, 1, 1, 1);
    for (int i = 0; i < 7; i++)
        sample_add_process(store, "synth:7B", "i2_mad_x", 2, 0, 16, i, 1, 9.0 + 0.1 * i, 1.9e9);
}

#endif
