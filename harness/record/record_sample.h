/* Samples: the body of one timed repetition of one cell in one process. */
#ifndef TM_HARNESS_RECORD_RECORD_SAMPLE_H
#define TM_HARNESS_RECORD_RECORD_SAMPLE_H

#include "harness/record/measured.h"

/* One counter over the timed region, or a metric derived from several. */
#define TM_COUNTERS_MAX 40
typedef struct tm_counter {
    char name[48];
    char unit[24]; /* "count", "seconds", "ratio", "1/token" */
    /* "perf", "getrusage" or "papi", perhaps followed by ", user mode"; "formula" for a metric; ""
     * if nothing counted it. */
    char method[24];
    double share; /* of the region that was counted; below 1 the value is scaled up */
    tm_measured figure;
} tm_counter;

typedef struct tm_record_sample {
    int repetition;            /* inside the process, from 0 */
    double begin_unix_seconds; /* time of day when the timed region began; 0: not known */
    int64_t elapsed_ns;        /* the timed region */
    int n_tokens;              /* tokens the region made (prompt tokens for pp) */
    int64_t first_token_ns;    /* prompt through first token; 0 if the test has no prompt */
    int64_t *token_ns;         /* [n_token_ns] per generated token of a sequence; owned */
    int n_token_ns;
    int64_t load_ns;
    int64_t check_ns; /* of the kernels on the shapes of the model; 0: not known */
    int64_t spin_ns;  /* of a fixed loop just before (harness/measure/spin.h); 0: not measured */
    double bytes_per_token; /* read by the region: weights, head, KV; mean over its tokens */
    double macs_per_token;
    double bits_per_weight; /* linear weights, padding included */
    double head_bytes;      /* the output head in its kernel's layout */
    tm_measured peak_rss_bytes, rss_anonymous_bytes, rss_file_bytes;
    /* In the timed region, down to steal_percent, which is the machine's. */
    tm_measured minor_faults, major_faults;
    tm_measured voluntary_switches, involuntary_switches;
    tm_measured cpu_user_seconds, cpu_system_seconds;
    tm_measured steal_percent;
    /* Of the CPUs the threads are pinned to, just before and just after the region. */
    tm_measured frequency_before_hz, frequency_after_hz;
    tm_measured throttle_events; /* thermal, in the timed region */
    tm_measured temperature_before_celsius, temperature_after_celsius;
    tm_measured load_average;         /* of the last minute, before the region */
    tm_measured harness_ns_per_token; /* overhead of timing, measured with the null kernel */
    char counter_group[64];           /* the group that was counted; "": none was requested */
    tm_counter *counters;             /* [n_counters]; owned */
    int n_counters;
    char code_hash[24]; /* of engine and kernels (harness/measure/code_hash.h); "" not known */
    char tokens[24];    /* hash of this process's greedy tokens, made before timing; "" none */
} tm_record_sample;

struct tm_record;
/* Whether the body of a sample fits the test of its cell and itself. Errors: FORMAT (what does
 * not). */
tm_status tm_record_sample_check(const struct tm_record *record, tm_error *err) TM_MUST_USE;

/* Makes every figure missing for this reason. Use it when only few of them can be measured. */
void tm_record_sample_miss_figures(tm_record_sample *sample, const char *why);

#endif
