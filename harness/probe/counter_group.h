/* A group of events to count together, and the metrics computed from them, read from a text file.
 * workloads/counters/README.md describes the format. The idea of text with formulas comes from
 * likwid's groups.
 */
#ifndef TM_HARNESS_PROBE_COUNTER_GROUP_H
#define TM_HARNESS_PROBE_COUNTER_GROUP_H

#include "kernels/base.h"

#define TM_COUNTER_EVENTS_MAX  16
#define TM_COUNTER_METRICS_MAX 24

typedef struct tm_counter_event {
    char name[48];
    char papi[96]; /* PAPI's name; "": PAPI has none */
} tm_counter_event;

typedef struct tm_counter_metric {
    char name[48], unit[24], formula[200];
} tm_counter_metric;

typedef struct tm_counter_group {
    char name[64];
    char about[200];
    tm_counter_event events[TM_COUNTER_EVENTS_MAX];
    int n_events;
    tm_counter_metric metrics[TM_COUNTER_METRICS_MAX];
    int n_metrics;
} tm_counter_group;

/* Returns PAPI's name of an event that this program knows ("": PAPI has none), or NULL. */
const char *tm_counter_known(const char *name);

/* what: for messages. Errors: FORMAT with the line. */
tm_status tm_counter_group_parse(const char *text, size_t length, const char *what,
                                 tm_counter_group *out, tm_error *err) TM_MUST_USE;
/* Reads a built-in group or a file. Errors: ARG (neither, with the nearest name), IO, FORMAT. */
tm_status tm_counter_group_read(const char *name_or_path, tm_counter_group *out,
                                tm_error *err) TM_MUST_USE;
/* Names of the built-in groups, ended by NULL. */
const char *const *tm_counter_group_names(void);

/* Gives the value of a word; if it has none, NaN and a sentence in *missing. False: unknown
 * word. */
typedef bool (*tm_counter_lookup)(void *arg, const char *word, double *value, const char **missing);

/* Evaluates a formula. If a value in it is missing or it divides by 0, *out is NaN and `missing`
 * holds the reason. Errors: FORMAT with the column. */
tm_status tm_counter_formula(const char *formula, tm_counter_lookup lookup, void *arg, double *out,
                             char *missing, size_t missing_size, tm_error *err) TM_MUST_USE;

#endif
