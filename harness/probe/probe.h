/* Energy and counters over a region, behind one door: a source has named channels, and a window
 * over the region gives each channel's amount, or why there is none.
 *
 * A channel is what one domain of one source measures: a processor package, its memory, a rail of a
 * board, an event of the process. Amounts of different scopes are never added by anything here but
 * tm_probe_sum, which knows the one sum that is right: packages, and packages with their memory.
 * No amount is ever estimated, and a failed read spoils its window; it is not 0.
 */
#ifndef TM_HARNESS_PROBE_PROBE_H
#define TM_HARNESS_PROBE_PROBE_H

#include "harness/base/json.h"

#define TM_PROBE_STATES(X)                                                                         \
    X(OK, "ok")                                                                                    \
    X(STUCK, "stuck")     /* reads, and does not advance while a core works */                     \
    X(DENIED, "denied")   /* there, and this user may not read it */                               \
    X(INVALID, "invalid") /* a read failed or made no sense within the window */                   \
    X(MISSING, "missing") /* not there */

typedef enum tm_probe_state {
#define TM_PROBE_STATE_ENUM(name, text) TM_PROBE_##name,
    TM_PROBE_STATES(TM_PROBE_STATE_ENUM)
#undef TM_PROBE_STATE_ENUM
} tm_probe_state;

const char *tm_probe_state_text(tm_probe_state state);

typedef struct tm_probe tm_probe;

/* What of a source does not depend on a window. */
typedef struct tm_probe_channel_info {
    char name[64];      /* "package-0", "dram-0", "VDD_IN", "cycles" */
    char scope[80];     /* "package", "dram", "core", "psys", "socket" (a package with its memory),
                           "rail VDD_IN", "system", "process" */
    char unit[12];      /* "joules", "count", "seconds", "bytes" */
    const char *method; /* energy: "counter", "integrated", "imported"; else "perf", "getrusage",
                           "papi"; "fake ..." of the fake source */
} tm_probe_channel_info;

typedef struct tm_probe_value {
    const tm_probe_channel_info *info; /* borrowed from the probe */
    tm_probe_state state;
    char reason[240];   /* "" when ok */
    double value;       /* in the unit; NaN unless ok */
    double error_bound; /* in the unit; of reading, not of the instrument; NaN: not known */
    int64_t n_samples;  /* reads inside the window, its edges included */
    int64_t wraps;      /* of the counter, inside the window */
    double rate_hz;     /* reads per second */
    double largest_gap_seconds;
    double counted_share; /* of the window, for events that shared a counter; else 1 */
} tm_probe_value;

/* Of a trace: the mean watts of the scope from the point before (the window's begin) to this one. */
typedef struct tm_probe_point {
    double seconds; /* since the window's begin */
    double watts;
} tm_probe_point;

typedef struct tm_probe_window {
    const char *source;
    bool fake; /* made by the fake source: no output may show it as measured */
    double seconds;
    int64_t begin_ns, end_ns;     /* CLOCK_MONOTONIC */
    double sampler_cpu_seconds;   /* what reading in the background cost inside the window */
    const tm_probe_value *values; /* [n_values], borrowed until the next start or close */
    int n_values;
    const tm_probe_point *trace; /* [n_trace], of tm_probe_scope; borrowed as the values */
    int n_trace;
} tm_probe_window;

/* An event to count, by our name and by PAPI's ("": PAPI has none). */
typedef struct tm_probe_event {
    const char *name, *papi;
} tm_probe_event;

typedef struct tm_probe_options {
    const char *root;      /* NULL: "/"; else a folder holding sys/ */
    double max_watts;      /* no domain draws more; bounds the time between reads. 0: 1000 */
    double min_seconds;    /* energy windows below this are invalid. 0: 1 (counters update each
                               millisecond, and not together) */
    double rate_hz;        /* of power samples. 0: 10 */
    double trace_hz;       /* of a window's trace of watts. 0: no trace */
    double spin_seconds;   /* longest spin that probes for life. 0: 0.5; below 0: none */
    const char *meter;     /* meter source: a command for /bin/sh, or NULL */
    const char *meter_csv; /* meter source: a file, or NULL */
    double meter_offset_seconds;  /* added to the meter's times to get this machine's */
    double fake_watts;            /* fake source; 0: 10 */
    const tm_probe_event *events; /* [n_events] of counters and papi, read on opening only; counters
                                     without any counts all it knows */
    int n_events;
    bool user_mode_only;      /* counters: of the processor's events, as papi counts them */
    const char *papi_library; /* a file; NULL: the system's */
} tm_probe_options;

/* How opening went, also when it failed. */
typedef struct tm_probe_health {
    tm_probe_state state;
    char reason[400]; /* one sentence; what was found when ok */
    char fix[400];    /* the command that would mend it, with the least privilege; "" none */
} tm_probe_health;

/* Names of the energy sources in order of preference, ended by NULL: "powercap", "perf", "hwmon",
 * "meter". The others are "counters", "papi" and "fake". */
const char *const *tm_probe_energy_sources(void);

/* Opens a source and probes it for life: reads, spins, reads again. *health is always filled.
 * Errors: ARG (unknown source, with the nearest), UNSUPPORTED (the sentence of *health), NOMEM, IO
 * (no thread). Threads: events of "counters" and "papi" follow threads that start
 * after this call. */
tm_status tm_probe_open(const char *source, const tm_probe_options *options, tm_probe **out,
                        tm_probe_health *health, tm_error *err) TM_MUST_USE;
void tm_probe_close(tm_probe *probe);

int tm_probe_n_channels(const tm_probe *probe);
const tm_probe_channel_info *tm_probe_channel(const tm_probe *probe, int index);
/* What opening found of one channel; reason: why not OK, borrowed. */
tm_probe_state tm_probe_channel_state(const tm_probe *probe, int index, const char **reason);

/* The scope to quote of an energy source: "package+dram", else "package", "system", "socket", a board's
 * input rail, its processor's rail, another rail, "psys"; of those the first all of whose channels are alive.
 * "" when there is none. Borrowed. */
const char *tm_probe_scope(const tm_probe *probe);

/* One window at a time, from one thread. What fails shows in the window's values. */
void tm_probe_start(tm_probe *probe);
void tm_probe_stop(tm_probe *probe, tm_probe_window *out);

/* Whether the joules of a channel belong to a scope: its own, or "package+dram". */
bool tm_probe_in_scope(const tm_probe_channel_info *info, const char *scope);
/* Sum of the joules of a scope ("package", "dram", "psys", "rail VDD_IN") or of "package+dram", with
 * the largest gap and the sum of bounds; not ok when one of them is not, missing when there is none.
 * out->info is NULL. */
void tm_probe_sum(const tm_probe_window *window, const char *scope, tm_probe_value *out);

/* An object with source, fake, seconds and channels; a value's key is its unit. NULL: no memory. */
tm_json *tm_probe_window_to_json(const tm_probe_window *window);

#endif
