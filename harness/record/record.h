/* Records: one repetition = one JSON line. The only place that knows their field names.
 *
 * A store is an append-only JSON Lines file. Lines are of five kinds:
 *   run     once per `ternmark run` on the store: suite as resolved, machine and its fingerprint,
 *           environment, engine build; other lines name it by its id
 *   sample  one timed repetition of one cell in one process
 *   cell    a cell without samples: skipped or failed, and why
 *   energy  one energy window of one cell in one process (energy.h)
 *   profile where the time of one cell went in one process (op_table.h), or why that is not known
 * Every line carries "schema". What could not be had is null with a `<key>_missing` sentence.
 *
 * What a program of one schema reads of a store that a newer one of the same schema wrote: lines of a
 * kind it does not know are left out and counted, keys it does not know are not looked at. So a new kind
 * or key leaves the number as it is; it is raised when something that older programs read comes to mean
 * something else, and they refuse the store.
 */
#ifndef TM_HARNESS_RECORD_RECORD_H
#define TM_HARNESS_RECORD_RECORD_H

#include "harness/record/record_energy.h"
#include "harness/record/measured.h"
#include "harness/record/record_profile.h"

#define TM_SCHEMA 1

/* One point of the sweep. */
typedef struct tm_cell {
    char engine[32]; /* "ternmark"; later: peers */
    char model[128]; /* as asked for: "synth:125M", "file.gguf" */
    char kernel[48]; /* resolved name, never "auto" */
    char head_kernel[48];
    /* As the suite wrote them ("auto", "ternary", a kernel), which is no part of the cell's identity;
     * "" in records of before */
    char kernel_asked[48], head_asked[48];
    int threads;
    int n_prompt, n_gen; /* tokens; one of them 0 unless pg */
    int depth;           /* tokens in the KV cache before the timing begins */
    int n_sequences;     /* decoded together, a token of each to a pass; 0 and 1: one */
    char test[48];       /* "pp512", "tg128", "pp512+tg128", with "@d1024", "@b8" */
    char role[16];       /* "baseline" (fp16), "ternary", or "" */
} tm_cell;

/* One counter over a region, or a metric made of several. */
#define TM_COUNTERS_MAX 40
typedef struct tm_counter {
    char name[48];
    char unit[24];   /* "count", "seconds", "ratio", "1/token" */
    char method[24]; /* "perf", "getrusage", "papi", with ", user mode" behind; "formula" of a
                        metric; "" nothing counted it */
    double share; /* of the region it was counted for; below 1 the value is scaled up from that */
    tm_measured figure;
} tm_counter;

typedef enum tm_record_kind {
    TM_RECORD_RUN,
    TM_RECORD_SAMPLE,
    TM_RECORD_CELL,
    TM_RECORD_ENERGY,
    TM_RECORD_PROFILE,
    TM_RECORD_UNKNOWN /* of a newer program: `reason` is the kind's name, nothing else was read */
} tm_record_kind;

typedef struct tm_record {
    tm_record_kind kind;
    char run[24];     /* run id */
    char cell_id[24]; /* hash of the cell's fields, the engine build and the model's identity */
    tm_cell cell;
    char status[16];  /* "ok", "skipped", "failed" */
    char reason[480]; /* skipped, failed: one sentence */
    /* sample */
    /* Replicate: a fresh process each, from 0. The two arms of a pair share the number. Not every
     * number occurs: with several kernels per baseline they take turns. */
    int process;
    int repetition;         /* inside the process, from 0 */
    int slot;               /* 0: first arm of its pair, 1: second */
    int64_t elapsed_ns;     /* the timed region */
    int n_tokens;           /* tokens the region made (prompt tokens for pp) */
    int64_t first_token_ns; /* prompt through first token; 0 where the test has none */
    int64_t *token_ns;      /* [n_token_ns] per generated token of a sequence; owned */
    int n_token_ns;
    int64_t load_ns;
    double bytes_per_token; /* read by the region: weights, head, KV; mean over its tokens */
    double macs_per_token;
    double bits_per_weight;  /* linear weights, padding included */
    double head_bytes;       /* the output head in its kernel's layout */
    int64_t predicted_bytes; /* memory predicted before the start */
    tm_measured peak_rss_bytes, rss_anonymous_bytes, rss_file_bytes;
    tm_measured minor_faults, major_faults;               /* in the timed region */
    tm_measured voluntary_switches, involuntary_switches; /* in the timed region */
    tm_measured cpu_user_seconds, cpu_system_seconds;     /* in the timed region */
    tm_measured steal_percent;                            /* of the machine, in the timed region */
    /* Of the CPUs the threads are pinned to, just before and just after the region. */
    tm_measured frequency_before_hz, frequency_after_hz;
    tm_measured throttle_events; /* thermal, in the timed region */
    tm_measured temperature_before_celsius, temperature_after_celsius;
    tm_measured load_average;         /* of the last minute, before the region */
    tm_measured harness_ns_per_token; /* cost of timing itself, measured with the null kernel */
    char counter_group[64];           /* whose counters were taken; "" none were asked for */
    tm_counter *counters;             /* [n_counters]; owned */
    int n_counters;
    char marks[480]; /* "; "-separated reasons to distrust this sample; "" if none */
    char tokens[24]; /* hash of this process's greedy tokens, made before timing; "" none */
    /* energy; process and slot as of a sample, status and reason in here */
    tm_record_energy *energy; /* owned */
    /* profile; process, slot, status, reason and marks as of a sample */
    tm_record_profile *profile; /* owned; NULL unless status is ok */
    /* run */
    tm_json *document; /* the whole line as read (run lines: suite, machine, environment); owned */
} tm_record;

/* Hash of what makes a cell: its fields but the role and what was asked for, the worker's build, the model's identity. */
void tm_cell_id(const tm_cell *cell, const char *build, const char *model_identity, char id[24]);

/* Adds a reason to distrust the sample to its marks; what has no room is cut. */
void tm_record_mark(tm_record *record, const char *fmt, ...) TM_PRINTF(2, 3);

/* "pp512", "tg128", "pp512+tg128", "@d1024" behind when depth > 0, "@b8" when n_sequences > 1. */
void tm_test_name(int n_prompt, int n_gen, int depth, int n_sequences, char *text, size_t size);

/* Every figure of a sample is missing for this reason: where to begin when few of them can be had. */
void tm_record_miss_figures(tm_record *record, const char *why);

tm_json *tm_record_to_json(const tm_record *record);
/* Errors: FORMAT (a key missing or of the wrong type, its name), UNSUPPORTED (another schema). */
tm_status tm_record_from_json(const tm_json *json, tm_record *out, tm_error *err) TM_MUST_USE;
void tm_record_free(tm_record *record);

/* Tokens per second of a sample. */
double tm_record_rate(const tm_record *record);

/* A store read whole, without what had to be left out. */
typedef struct tm_records {
    tm_record *items;
    int n;
    size_t torn_bytes;     /* length of a torn last line */
    int n_unknown;         /* lines of kinds that this program does not know */
    char unknown_kind[32]; /* the first of these kinds */
} tm_records;
/* Errors: IO, FORMAT (line number), UNSUPPORTED (schema), NOMEM. */
tm_status tm_records_read(const char *path, tm_records *out, tm_error *err) TM_MUST_USE;
void tm_records_free(tm_records *records);
/* A sentence on the lines of unknown kinds; NULL where there were none. */
const char *tm_records_left_out(const tm_records *records, char *text, size_t size);

/* Appending. Opening makes the file if need be, refuses one that is not a store (ARG), cuts a torn
 * last line off and takes an exclusive lock (a second writer is an ARG error naming the store).
 * Every line is written with one write(2) and synced before return. */
typedef struct tm_store tm_store;
tm_status tm_store_open(const char *path, tm_store **out, tm_error *err) TM_MUST_USE;
/* Errors: IO (disk full: the line is taken back whole, so the store stays readable). */
tm_status tm_store_append(tm_store *store, const tm_record *record, tm_error *err) TM_MUST_USE;
void tm_store_close(tm_store *store);

#endif
