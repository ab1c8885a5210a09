/* Energy windows of known joules for a store in memory. */
#ifndef TM_TESTS_REPORTS_SAMPLE_WINDOWS_H
#define TM_TESTS_REPORTS_SAMPLE_WINDOWS_H

#include "tests/reports/sample_store.h"

typedef struct sample_meter {
    const char *source, *scope, *method;
    bool fake;
} sample_meter;

static const sample_meter sample_powercap = {"powercap", "package", "counter", false};
static const sample_meter sample_fake = {"fake", "fake package", "fake counter", true};

/* Adds a window of at least 10 s at `watts`, of which 4 W are idle. The test has n_prompt and n_gen
 * tokens. */
static inline tm_record_energy *sample_add_window(sample_store *store, const char *model,
                                                  const char *kernel, int threads, int n_prompt,
                                                  int n_gen, int process, int slot, tm_phase phase,
                                                  const sample_meter *meter,
                                                  double tokens_per_second, double watts)
{
    const int n = phase == TM_PHASE_PROMPT ? n_prompt : n_gen;
    tm_record *r = sample_add(store);
    tm_record_energy *e = &r->energy;
    r->kind = TM_RECORD_ENERGY;
    sample_name(r, model, kernel, threads, n_prompt, n_gen);
    r->process = process;
    r->slot = slot;
    tm_record_energy_init(e);
    e->phase = phase;
    snprintf(e->source, sizeof e->source, "%s", meter->source);
    snprintf(e->scope, sizeof e->scope, "%s", meter->scope);
    snprintf(e->method, sizeof e->method, "%s", meter->method);
    e->fake = meter->fake;
    e->state = TM_PROBE_OK;
    e->begin_unix_seconds = 1.75e9 + 60.0 * store->records.n;
    e->n_repeats = (int)ceil(10 * tokens_per_second / n);
    *(phase == TM_PHASE_PROMPT ? &e->n_prompt_tokens : &e->n_output_tokens) =
        (int64_t)e->n_repeats * n;
    e->window_seconds = (double)e->n_repeats * n / tokens_per_second;
    tm_measured_set(&e->gross_joules, watts * e->window_seconds);
    tm_measured_set(&e->error_bound_joules, 0.001 * watts * e->window_seconds);
    tm_measured_set(&e->idle_before_watts, 3.9);
    tm_measured_set(&e->idle_after_watts, 4.1);
    tm_measured_set(&e->idle_before_error_bound_watts, 0.01);
    tm_measured_set(&e->idle_after_error_bound_watts, 0.03);
    e->idle_seconds = 10;
    tm_record_energy_set_net(e);
    tm_measured_set(&e->rate_hz, 10);
    e->n_samples = 100;
    tm_measured_set(&e->largest_gap_seconds, 0.11);
    tm_measured_set(&e->sampler_cpu_percent, 0.01);
    /* 10 s of idle, a gap, the window, a gap, 10 s of idle; four points per second. */
    const int n_idle = 40, n_window = (int)(4 * e->window_seconds);
    e->trace = calloc((size_t)(2 * n_idle + n_window) + 3, sizeof *e->trace);
    if (!e->trace) abort();
    for (int part = 0; part < 3; part++) {
        const double begin = part == 0 ? -10.5 : part == 1 ? 0 : e->window_seconds + 0.5;
        const double mean = part == 0 ? 3.9 : part == 1 ? watts : 4.1;
        for (int i = 0; i <= (part == 1 ? n_window : n_idle); i++) {
            double wobble = 1 + 0.03 * ((i * 7) % 5 - 2);
            e->trace[e->n_trace++] =
                (tm_probe_point){begin + 0.25 * i, i == 0 ? NAN : mean * wobble};
        }
    }
    return e;
}

#define SAMPLE_ENERGY_RUN                                                                          \
    "{\"schema\":1,\"kind\":\"run\",\"run\":\"run-1\",\"suite\":{\"name\":\"energy\"},"            \
    "\"machine\":{\"cpu_model\":\"Imaginary CPU 9000\",\"cores\":2,\"architecture\":\"x86_64\","   \
    "\"emulated\":false},\"environment\":{\"usable_cores\":2,\"version\":\"0.1.0\","               \
    "\"commit\":\"abc\",\"compiler\":\"gcc 12\"},"                                                 \
    "\"energy\":{\"source\":\"auto\",\"chosen\":\"powercap\",\"scope\":\"package\"}}"
#define SAMPLE_NO_SOURCE                                                                           \
    "powercap: no RAPL zone under /sys/class/powercap; perf: no power events; hwmon: no channel"
#define SAMPLE_NO_ENERGY_RUN                                                                       \
    "{\"schema\":1,\"kind\":\"run\",\"run\":\"run-1\",\"suite\":{\"name\":\"energy\"},"            \
    "\"machine\":{\"cpu_model\":\"Imaginary CPU 9000\",\"cores\":2,\"architecture\":\"x86_64\","   \
    "\"emulated\":false},\"environment\":{\"usable_cores\":2,\"version\":\"0.1.0\","               \
    "\"commit\":\"abc\",\"compiler\":\"gcc 12\"},"                                                 \
    "\"energy\":{\"source\":\"auto\",\"chosen\":null,\"chosen_missing\":\"" SAMPLE_NO_SOURCE       \
    "\"}}"

/* Adds pairs of fp16 (20 W) and ternary (16 W) processes. meter NULL: without windows. */
static inline void sample_add_energy_pairs(sample_store *store, const char *model, int n_prompt,
                                           int n_gen, int n_pairs, double fp16_rate, double ratio,
                                           const sample_meter *meter)
{
    sample_add_pairs(store, model, "i2_mad_x", 2, n_prompt, n_gen, n_pairs, fp16_rate, ratio, 1e9);
    for (int i = 0; meter && i < n_pairs; i++) {
        double drift = 1.0 + 0.01 * ((i * 3) % 5 - 2);
        for (int phase = 0; phase < TM_PHASES; phase++) {
            if ((phase == TM_PHASE_PROMPT ? n_prompt : n_gen) == 0) continue;
            sample_add_window(store, model, "f16_fma_x", 2, n_prompt, n_gen, i, i % 2,
                              (tm_phase)phase, meter, fp16_rate * drift, 20 * drift);
            sample_add_window(store, model, "i2_mad_x", 2, n_prompt, n_gen, i, 1 - i % 2,
                              (tm_phase)phase, meter, fp16_rate * ratio * drift, 16);
        }
    }
}

/* Like the energy suite: 700M and 7B are measured; neither arm of 70B fits in memory. */
static inline void sample_energy_demo(sample_store *store, const sample_meter *meter)
{
    memset(store, 0, sizeof *store);
    sample_add_run(store, meter ? SAMPLE_ENERGY_RUN : SAMPLE_NO_ENERGY_RUN);
    sample_add_energy_pairs(store, "synth:700M", 0, 32, 7, 21, 4.2, meter);
    sample_add_energy_pairs(store, "synth:700M", 128, 0, 7, 180, 1.6, meter);
    sample_add_energy_pairs(store, "synth:7B", 0, 32, 7, 2.2, 5.5, meter);
    sample_add_energy_pairs(store, "synth:350M", 64, 16, 7, 40, 2.5, meter);
    sample_add_skipped(store, "synth:70B", "f16_fma_x", 2, 0, 32, "needs 139 GB, 7.8 GB available");
    sample_add_skipped(store, "synth:70B", "i2_mad_x", 2, 0, 32, "needs 18 GB, 7.8 GB available");
}

#endif
