/* Selects what a run measures energy with: what the user requested, which source works, and why the
 * others do not.
 *
 * "auto" takes the first source that works, and the run continues without joules if none does. With
 * "require", or if the source is named, the run ends before any work. No source is replaced by an
 * estimate, and the fake source is taken only if it is named.
 */
#ifndef TM_HARNESS_PROBE_ENERGY_SOURCE_H
#define TM_HARNESS_PROBE_ENERGY_SOURCE_H

#include "harness/probe/probe.h"

#define TM_ENERGY_SECONDS_MIN 1 /* counters update once per millisecond, and not all together */
#define TM_ENERGY_SECONDS_MAX 3600

#define TM_ENERGY_SETTINGS_MAX 8

/* The value of an option that users set (tm_probe_user_option). */
typedef struct tm_energy_setting {
    char text[480]; /* "": not set */
    double number;  /* 0: not set */
} tm_energy_setting;

typedef struct tm_energy_source_options {
    char source[16]; /* "none", "auto", or the name of a source */
    bool required;   /* without a source no work begins, and a window without joules is an error */
    double seconds;  /* least length of a window; the work is repeated to fill it */
    double idle_seconds; /* measured before and after each window; 0: no net energy */
    bool marker;         /* begin with a load pattern that can be found in a meter's log later */
    /* By the index of tm_probe_user_option. */
    tm_energy_setting settings[TM_ENERGY_SETTINGS_MAX];
    char root[240]; /* for tests: a tree in place of "/", whose joules count as fake; "": none */
    bool dry;       /* only a plan is wanted, so no meter's command may run */
} tm_energy_source_options;

/* "none", windows of 10 s, 10 s of idle time. */
void tm_energy_source_init(tm_energy_source_options *options);
/* "auto", "none", "require", NAME or "require=NAME". Errors: ARG with the nearest name. */
tm_status tm_energy_source_parse(const char *text, tm_energy_source_options *options,
                                 tm_error *err) TM_MUST_USE;
/* The setting of a key ("meter_csv"), which must exist. */
tm_energy_setting *tm_energy_source_setting(tm_energy_source_options *options, const char *key);
/* Overrides settings with the given ones, by the index of tm_probe_user_option: texts that are not
 * NULL, numbers that are not NaN. One that selects its source replaces all of that source's that
 * do. may_select: it also replaces the source "none". Errors: ARG (too long). */
tm_status tm_energy_source_override(tm_energy_source_options *options, const char *const *texts,
                                    const double *numbers, bool may_select,
                                    tm_error *err) TM_MUST_USE;
/* Errors: ARG if the options contradict each other, such as a meter next to another source. */
tm_status tm_energy_source_check(const tm_energy_source_options *options,
                                 tm_error *err) TM_MUST_USE;

/* Writes everything except `root`, defaults included, and reads it back over the defaults in
 * *options. Errors: FORMAT (`what` and the key), ARG. */
tm_json *tm_energy_source_to_json(const tm_energy_source_options *options);
tm_status tm_energy_source_from_json(const tm_json *json, const char *what,
                                     tm_energy_source_options *options, tm_error *err) TM_MUST_USE;

/* The result of opening one source. */
typedef struct tm_energy_source_answer {
    char name[16];
    tm_probe_health health;
} tm_energy_source_answer;

typedef struct tm_energy_source_choice {
    char source[16];   /* "": none */
    char scope[80];    /* that it will report */
    bool later;        /* samples come after the run; only the times are measured */
    char missing[480]; /* why there is no source, one clause per source; "": there is */
    tm_energy_source_answer tried[8]; /* [n_tried], in order; empty if no energy is requested */
    int n_tried;
} tm_energy_source_choice;

/* Opens sources in order until one works, which takes a second for each that does not. Errors:
 * those of tm_energy_source_check; UNSUPPORTED if a source is required or named and does not work
 * (the sentence of `missing`). */
tm_status tm_energy_source_choose(const tm_energy_source_options *options,
                                  tm_energy_source_choice *out, tm_error *err) TM_MUST_USE;
/* For the run record: the request, the choice, and the result of each source. */
tm_json *tm_energy_source_choice_to_json(const tm_energy_source_options *options,
                                         const tm_energy_source_choice *choice);

/* Opens the source that the options name, with the trace of a run. options: borrowed until the
 * probe is closed. clock: NULL for the system's. Errors: those of tm_probe_open. */
tm_status tm_energy_source_open(const tm_energy_source_options *options, const tm_clock *clock,
                                tm_probe **out, tm_probe_health *health, tm_error *err) TM_MUST_USE;

/* Predicts the seconds of n windows in one process, with their idle times and the opening. */
double tm_energy_source_predict_seconds(const tm_energy_source_options *options, int n_windows);

#endif
