/* Energy and event counts over a time window, through one interface for all sources.
 *
 * A source has named channels. A channel is what one domain of one source measures: a processor
 * package, its memory, a rail of a board, an event of this process. A window over a region of the
 * program gives each channel's amount, or the reason why there is none.
 *
 * Amounts of different scopes are never added, except by tm_probe_sum, which adds packages, or
 * packages and their memory. Nothing is estimated. A failed read invalidates its window instead of
 * counting as 0.
 */
#ifndef TM_HARNESS_PROBE_PROBE_H
#define TM_HARNESS_PROBE_PROBE_H

#include "harness/base/clock.h"
#include "harness/base/json.h"

#include <stddef.h>

#define TM_PROBE_STATES(X)                                                                         \
    X(OK, "ok")                                                                                    \
    X(STUCK, "stuck")     /* readable, but does not advance while a core works */                  \
    X(DENIED, "denied")   /* present, but this user may not read it */                             \
    X(INVALID, "invalid") /* a read failed or made no sense during the window */                   \
    X(MISSING, "missing") /* not present */

typedef enum tm_probe_state {
#define TM_PROBE_STATE_ENUM(name, text) TM_PROBE_##name,
    TM_PROBE_STATES(TM_PROBE_STATE_ENUM)
#undef TM_PROBE_STATE_ENUM
} tm_probe_state;

const char *tm_probe_state_text(tm_probe_state state);

typedef struct tm_probe tm_probe;

/* The properties of a channel that do not depend on a window. */
typedef struct tm_probe_channel_info {
    char name[64];      /* "package-0", "dram-0", "VDD_IN", "cycles" */
    char scope[80];     /* "package", "dram", "core", "psys", "socket" (a package with its memory),
                           "rail VDD_IN", "system", "process" */
    char unit[12];      /* "joules", "count", "seconds", "bytes" */
    const char *method; /* of energy: "counter", "integrated", "imported"; of events: "perf",
                           "getrusage", "papi"; of the fake source: "fake ..." */
} tm_probe_channel_info;

typedef struct tm_probe_value {
    const tm_probe_channel_info *info; /* borrowed from the probe */
    tm_probe_state state;
    char reason[240];   /* "" if ok */
    double value;       /* in the unit; NaN unless ok */
    double error_bound; /* in the unit, of the reading, not of the instrument; NaN: unknown */
    int64_t n_samples;  /* reads during the window, both edges included */
    int64_t wraps;      /* of the counter, during the window */
    double rate_hz;     /* reads per second */
    double largest_gap_seconds;
    double counted_share; /* of the window, for events that shared a counter; otherwise 1 */
} tm_probe_value;

/* A point of a trace: the mean power of the scope since the point before, or since the window
 * began. */
typedef struct tm_probe_point {
    double seconds; /* since the window began */
    double watts;
} tm_probe_point;

typedef struct tm_probe_window {
    const char *source;
    bool fake; /* from the fake source: no output may present it as measured */
    double seconds;
    int64_t begin_ns, end_ns;     /* CLOCK_MONOTONIC */
    double sampler_cpu_seconds;   /* CPU time of the background reads during the window */
    const tm_probe_value *values; /* [n_values], borrowed until the next start or close */
    int n_values;
    const tm_probe_point *trace; /* [n_trace], of tm_probe_scope; borrowed like the values */
    int n_trace;
} tm_probe_window;

/* An event to count, for the sources "counters" and "papi". */
typedef struct tm_probe_event {
    const char *name;
    const char *papi; /* PAPI's name; "": PAPI has none */
} tm_probe_event;

/* What every source takes. A source's own options are a struct in its header (probe_meter.h,
 * probe_counters.h, probe_papi.h). */
typedef struct tm_probe_options {
    const char *root;      /* NULL: "/"; otherwise a folder that holds sys/ */
    const tm_clock *clock; /* NULL: the system's. With another clock no thread samples: its owner
                              calls tm_probe_step (probe_source.h) */
    double max_watts;   /* the most that a domain draws; bounds the time between reads. 0: 1000 */
    double min_seconds; /* shorter energy windows are invalid. 0: 1 (counters update once per
                              millisecond, and not all at the same time) */
    double window_seconds; /* of the windows to come; a meter that is too slow for them is refused.
                              0: unknown */
    double rate_hz;        /* of power samples. 0: 10 */
    double trace_hz;       /* of a window's power trace. 0: no trace */
    double spin_seconds;   /* longest spin while waiting for counters to advance. 0: 0.5; negative:
                              do not test whether they advance */
    const void *own;       /* the source's own options, copied on opening; texts in it are borrowed.
                              NULL: all 0 */
} tm_probe_options;

typedef enum tm_probe_option_kind {
    TM_PROBE_OPTION_TEXT,   /* a const char *; NULL: not set */
    TM_PROBE_OPTION_FILE,   /* the same, a path */
    TM_PROBE_OPTION_NUMBER, /* a double */
} tm_probe_option_kind;

/* An option of a source that users set: a member of its own options. One row drives the key in a
 * suite's "energy" object and the option of the command line. */
typedef struct tm_probe_option {
    const char *key;  /* "meter_csv", in JSON */
    const char *name; /* "meter-csv", on the command line */
    tm_probe_option_kind kind;
    bool selects;     /* setting it selects the source */
    size_t offset;    /* of the member */
    double low, high; /* NUMBER */
    const char *placeholder, *help;
} tm_probe_option;

/* The options that users set, of all sources one after the other; NULL after the last. source: the
 * name of its source, if not NULL. */
const tm_probe_option *tm_probe_user_option(int index, const char **source);

/* The result of opening a source, also if that failed. */
typedef struct tm_probe_health {
    tm_probe_state state;
    char reason[400]; /* one sentence; if ok, what was found */
    char fix[400];    /* the command that fixes it with the least privilege; "": none */
} tm_probe_health;

/* Names of the energy sources in order of preference, ended by NULL. Neither the fake source nor
 * the counters of events are among them. */
const char *const *tm_probe_energy_sources(void);

/* Opens a source and tests whether its counters advance: reads them, spins, reads them again.
 * *health is always filled. Errors: ARG (unknown source, with the nearest name), UNSUPPORTED (the
 * sentence of *health), NOMEM, IO (no thread). Threads: events of "counters" and "papi" include
 * the threads that start after this call. */
tm_status tm_probe_open(const char *source, const tm_probe_options *options, tm_probe **out,
                        tm_probe_health *health, tm_error *err) TM_MUST_USE;
void tm_probe_close(tm_probe *probe);

int tm_probe_n_channels(const tm_probe *probe);
const tm_probe_channel_info *tm_probe_channel(const tm_probe *probe, int index);
/* What opening found about one channel. reason: why it is not OK; borrowed. */
tm_probe_state tm_probe_channel_state(const tm_probe *probe, int index, const char **reason);

/* The scope to report for an energy source. The first of these whose channels all work:
 * "package+dram", "package", "system", "socket", a board's input rail, its processor's rail,
 * another rail, "psys". "" if there is none. Borrowed. */
const char *tm_probe_scope(const tm_probe *probe);

/* Whether the scope belongs to a device that is not known to be the processor or the machine, such
 * as a pump. The user may name such a source; auto does not take it. */
bool tm_probe_is_foreign(const tm_probe *probe);

/* How long the scope's power takes to show a change in full: the time over which the meter takes
 * its mean, and the time between two values, or a second if that is not known yet; two seconds for
 * an external meter. 0: no time. */
double tm_probe_lag_seconds(const tm_probe *probe);

/* One window at a time, from one thread. Failures show in the window's values. */
void tm_probe_start(tm_probe *probe);
void tm_probe_stop(tm_probe *probe, tm_probe_window *out);

/* Whether the joules of a channel belong to a scope: its own, or "package+dram". */
bool tm_probe_in_scope(const tm_probe_channel_info *info, const char *scope);
/* What a scope covers and what it leaves out, as a part of a sentence. */
const char *tm_probe_scope_covers(const char *scope);
/* Sums the joules of a scope ("package", "dram", "psys", "rail VDD_IN" or "package+dram"), with the
 * largest gap and the sum of the bounds. Not ok if a channel is not ok; MISSING if the scope has no
 * channel. out->info is NULL. */
void tm_probe_sum(const tm_probe_window *window, const char *scope, tm_probe_value *out);

/* An object with source, fake, seconds and channels; a value's key is its unit. NULL: no memory. */
tm_json *tm_probe_window_to_json(const tm_probe_window *window);

#endif
