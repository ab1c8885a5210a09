/* What a run measures energy with: what was asked for, which source answers, and why others do not.
 *
 * "auto" takes the first source that is alive; "require" does and refuses to go on without one. Nothing
 * is ever estimated in the place of a source, and the made-up one is taken by its name only.
 */
#ifndef TM_HARNESS_PROBE_METER_H
#define TM_HARNESS_PROBE_METER_H

#include "harness/probe/probe.h"

#define TM_METER_SECONDS_MIN 1 /* counters update each millisecond, and not together */
#define TM_METER_SECONDS_MAX 3600
#define TM_METER_OFFSET_MAX  (366.0 * 86400)

typedef struct tm_meter_options {
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
} tm_meter_options;

/* "none", windows of 10 s, idle for 10 s. */
void tm_meter_init(tm_meter_options *options);
/* "auto", "none", "require", NAME or "require=NAME". Errors: ARG with the nearest. */
tm_status tm_meter_parse(const char *text, tm_meter_options *options, tm_error *err) TM_MUST_USE;
/* ARG when the options contradict each other: a meter that is not the source, two meters. */
tm_status tm_meter_check(const tm_meter_options *options, tm_error *err) TM_MUST_USE;

/* Everything but `root`, each default written out; and back over the defaults in *options.
 * Errors: FORMAT (`what` and the key), ARG. */
tm_json *tm_meter_to_json(const tm_meter_options *options);
tm_status tm_meter_from_json(const tm_json *json, const char *what, tm_meter_options *options,
                             tm_error *err) TM_MUST_USE;

/* How one source answered. */
typedef struct tm_meter_answer {
    char name[16];
    tm_probe_health health;
} tm_meter_answer;

typedef struct tm_meter_choice {
    char source[16];   /* "" none: see missing */
    char scope[80];    /* it would quote */
    bool later;        /* its samples come after the run: the windows are timed only */
    char missing[480]; /* why there is none, one clause per source; "" when there is */
    tm_meter_answer
        tried[8]; /* [n_tried] in the order of trying; none when nothing was asked for */
    int n_tried;
} tm_meter_choice;

/* Opens sources in order until one is alive, a second for each that is not. Errors: those of
 * tm_meter_check; UNSUPPORTED when one is required and none is alive (the sentence of `missing`). */
tm_status tm_meter_choose(const tm_meter_options *options, tm_meter_choice *out,
                          tm_error *err) TM_MUST_USE;
/* For the run line: asked, chosen, and what each source said. */
tm_json *tm_meter_choice_to_json(const tm_meter_options *options, const tm_meter_choice *choice);

/* What to open the chosen source with, options borrowed. trace_hz as a run wants it. */
tm_probe_options tm_meter_probe_options(const tm_meter_options *options);

/* Seconds that n windows on top of each other take, their idle times and openings included. */
double tm_meter_predict_seconds(const tm_meter_options *options, int n_windows);

#endif
