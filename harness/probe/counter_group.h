/* A group of counters to take together, and the metrics made of them: a text file.
 *
 *   # remark
 *   about  one line saying what the group is for
 *   event  instructions                    an event this program knows (tm_counter_known)
 *   event  vector_ops = PAPI_VEC_SP        a name of one's own for an event that PAPI knows
 *   metric instructions_per_cycle ratio = instructions / cycles
 *
 * A metric has a name, a unit of one word and a formula of + - * / ( ), numbers, events, and of the
 * region: tokens, seconds, threads, bytes (that the model must read), macs (multiply-accumulates).
 * Words are of letters, digits and _; likwid's groups gave the idea of text with formulas.
 */
#ifndef TM_HARNESS_PROBE_COUNTER_GROUP_H
#define TM_HARNESS_PROBE_COUNTER_GROUP_H

#include "kernels/base.h"

#define TM_COUNTER_EVENTS_MAX  16
#define TM_COUNTER_METRICS_MAX 24

typedef struct tm_counter_event {
    char name[48];
    char papi[96]; /* what PAPI calls it; "": nothing */
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

/* An event by the name this program has for it: how PAPI calls it ("" not at all), or NULL. */
const char *tm_counter_known(const char *name);

/* what: for messages. Errors: FORMAT (line, and what is wrong there). */
tm_status tm_counter_group_parse(const char *text, size_t length, const char *what,
                                 tm_counter_group *out, tm_error *err) TM_MUST_USE;
/* A built-in group by name, else a file. Errors: ARG (neither; the nearest name), IO, FORMAT. */
tm_status tm_counter_group_read(const char *name_or_path, tm_counter_group *out,
                                tm_error *err) TM_MUST_USE;
/* Names of the built-in groups, ended by NULL. */
const char *const *tm_counter_group_names(void);

/* Gives a word's value; NaN with *missing, a sentence, when it has none. False: no such word. */
typedef bool (*tm_counter_lookup)(void *arg, const char *word, double *value, const char **missing);

/* The value of a formula; NaN with the reason when something in it is missing or 0 divides.
 * Errors: FORMAT (what is wrong with the formula). */
tm_status tm_counter_formula(const char *formula, tm_counter_lookup lookup, void *arg, double *out,
                             char *missing, size_t missing_size, tm_error *err) TM_MUST_USE;

#endif
