/* What a run measures energy with: what was asked for, which source answers, and why others do not.
 *
 * "auto" takes the first source that is alive; "require" does and refuses to go on without one. Nothing
 * is ever estimated in the place of a source, and the made-up one is taken by its name only.
 */
#ifndef TM_HARNESS_PROBE_ENERGY_SOURCE_H
#define TM_HARNESS_PROBE_ENERGY_SOURCE_H

#include "harness/probe/probe.h"

#define TM_ENERGY_SECONDS_MIN 1 /* counters update each millisecond, and not together */
#define TM_ENERGY_SECONDS_MAX 3600
#define TM_METER_OFFSET_MAX   (366.0 * 86400)

typedef struct tm_energy_source_options {
    char source[16];           /* "none", "auto", or a source by name */
    bool required;             /* without it no work begins */
    double seconds;            /* of a window at least; the work is repeated to fill it */
    double idle_seconds;       /* measured before and after each window; 0: no net figures */
    char command[480];         /* source "meter": prints samples; "" none */
    char csv[240];             /* source "meter": a file it writes while the work runs; "" none */
    double csv_offset_seconds; /* added to the meter's times to get this machine's */
    bool marker; /* begin with a pattern of load that shows in the log of a meter read later */
    char
        root[240]; /* a tree that stands in for "/", for tests; "" none. Its joules count as fake */
} tm_energy_source_options;

/* "none", windows of 10 s, idle for 10 s. */
void tm_energy_source_init(tm_energy_source_options *options);
/* "auto", "none", "require", NAME or "require=NAME". Errors: ARG with the nearest. */
tm_status tm_energy_source_parse(const char *text, tm_energy_source_options *options,
                                 tm_error *err) TM_MUST_USE;
/* ARG when the options contradict each other: a meter that is not the source, two meters. */
tm_status tm_energy_source_check(const tm_energy_source_options *options,
                                 tm_error *err) TM_MUST_USE;

/* Everything but `root`, each default written out; and back over the defaults in *options.
 * Errors: FORMAT (`what` and the key), ARG. */
tm_json *tm_energy_source_to_json(const tm_energy_source_options *options);
tm_status tm_energy_source_from_json(const tm_json *json, const char *what,
                                     tm_energy_source_options *options, tm_error *err) TM_MUST_USE;

/* How one source answered. */
typedef struct tm_energy_source_answer {
    char name[16];
    tm_probe_health health;
} tm_energy_source_answer;

typedef struct tm_energy_source_choice {
    char source[16];   /* "" none: see missing */
    char scope[80];    /* it would quote */
    bool later;        /* its samples come after the run: the windows are timed only */
    char missing[480]; /* why there is none, one clause per source; "" when there is */
    tm_energy_source_answer
        tried[8]; /* [n_tried] in the order of trying; none when nothing was asked for */
    int n_tried;
} tm_energy_source_choice;

/* Opens sources in order until one is alive, a second for each that is not. Errors: those of
 * tm_energy_source_check; UNSUPPORTED when one is required and none is alive (the sentence of `missing`). */
tm_status tm_energy_source_choose(const tm_energy_source_options *options,
                                  tm_energy_source_choice *out, tm_error *err) TM_MUST_USE;
/* For the run line: asked, chosen, and what each source said. */
tm_json *tm_energy_source_choice_to_json(const tm_energy_source_options *options,
                                         const tm_energy_source_choice *choice);

/* What to open the chosen source with, options borrowed. trace_hz as a run wants it. */
tm_probe_options tm_energy_source_probe_options(const tm_energy_source_options *options);

/* Seconds that n windows on top of each other take, their idle times and openings included. */
double tm_energy_source_predict_seconds(const tm_energy_source_options *options, int n_windows);

#endif
