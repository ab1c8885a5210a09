/* What a source implements, and the probe that it fills. Only for files of this room, and for its
 * tests. */
#ifndef TM_HARNESS_PROBE_PROBE_SOURCE_H
#define TM_HARNESS_PROBE_PROBE_SOURCE_H

#include "harness/probe/probe.h"
#include "harness/probe/sources.def"

#include <pthread.h>
#include <string.h>

#define TM_PROBE_CHANNELS_MAX 1024
#define TM_SCOPE_PMIC         "power chip" /* of a Raspberry Pi 5 */
#define TM_PROBE_SAMPLES_MIN  10           /* values of power that a window needs */

typedef enum tm_channel_kind {
    TM_CHANNEL_COUNTER, /* only rises, modulo its range */
    TM_CHANNEL_POWER,   /* watts at the moment of the read: integrated over the window */
    TM_CHANNEL_SERIES,  /* samples with their own times: the source integrates them */
} tm_channel_kind;

typedef struct tm_channel {
    tm_probe_channel_info info;
    tm_channel_kind kind;
    double scale;    /* unit per raw count; POWER: watts per raw count */
    double digit;    /* raw counts of the last digit that the source reads; 1 unless it says so */
    uint64_t range;  /* the raw count wraps here; 0: never */
    bool may_rest;   /* a count that stays at 0 does not mean that the counter is stuck */
    bool is_foreign; /* of a device that is not known to be the processor or the machine */
    bool is_twin;    /* another channel of this name counts the same through another interface */
    bool is_timed;   /* opening measures refresh_seconds */
    /* Between two new values. POWER: the shortest seen; 0: unknown. COUNTER: 0: unknown, or at
       most a millisecond. */
    double refresh_seconds;
    double mean_seconds;  /* POWER: the value is a mean over this time; 0: it may be over any */
    char path[2][200];    /* files below the root; for the source */
    int fd, second_fd;    /* for the source; -1: none */
    int code;             /* for the source */
    tm_probe_state state; /* found on opening */
    char reason[240];
} tm_channel;

static inline bool tm_channel_is_energy(const tm_channel *c)
{
    return strcmp(c->info.unit, "joules") == 0;
}

/* A reading, or the reason why there is none. */
typedef struct tm_reading {
    uint64_t raw;
    uint64_t enabled_ns, running_ns; /* of events that share a counter; otherwise both are 0 */
    char reason[200];
} tm_reading;

typedef enum tm_probe_role {
    TM_PROBE_ROLE_ENERGY, /* measures joules; --energy=auto tries it */
    TM_PROBE_ROLE_EVENTS, /* counts events of this process */
    TM_PROBE_ROLE_FAKE,   /* generates joules for tests; chosen by its name only */
} tm_probe_role;

/* A source. Add one with a file probe_<name>.c that defines tm_probe_<name>, and a row in
 * sources.def. */
typedef struct tm_probe_source {
    const char *name;
    tm_probe_role role;
    size_t own_size;                /* of the struct of its own options; 0: it has none */
    const tm_probe_option *options; /* those that users set, ended by an empty row; NULL: none */
    /* ARG if its own options contradict each other; NULL: they cannot. */
    tm_status (*check)(const void *own, tm_error *err);
    /* False if its own options name nothing to open, so that the samples come after the run, from
       `ternmark import`. NULL: always true. */
    bool (*is_live)(const void *own);
    /* Adds channels. Errors: UNSUPPORTED with *health filled, NOMEM. */
    tm_status (*open)(tm_probe *probe, tm_probe_health *health, tm_error *err);
    /* From any thread, one call at a time. */
    tm_probe_state (*read)(tm_probe *probe, tm_channel *channel, tm_reading *out);
    /* SERIES: the amount between two times, both CLOCK_MONOTONIC; may be NULL. */
    void (*collect)(tm_probe *probe, tm_channel *channel, int64_t begin_ns, int64_t end_ns,
                    tm_probe_value *out);
    /* SERIES: the points of the window's trace, at most `room`. Returns their number. May be
     * NULL. */
    int (*trace)(tm_probe *probe, int64_t begin_ns, int64_t end_ns, tm_probe_point *out, int room);
    void (*close)(tm_probe *probe); /* also after a failed open; may be NULL */
} tm_probe_source;

#define TM_PROBE_SOURCE_EXTERN(name) extern const tm_probe_source tm_probe_##name;
TM_PROBE_SOURCES(TM_PROBE_SOURCE_EXTERN)
#undef TM_PROBE_SOURCE_EXTERN

/* Sources in the order of sources.def; NULL behind the last. */
const tm_probe_source *tm_probe_source_at(int index);

/* Sums over the samples of a window: seconds since it began, and watts. */
typedef struct tm_trend {
    double n, s, ss, w, ww, sw;
} tm_trend;

/* What a window has gathered from one channel so far. */
typedef struct tm_tally {
    tm_probe_state state;
    char reason[240];
    uint64_t last, total; /* raw; total since the window began */
    double last_watts;
    double joules, wobble_joules;    /* POWER: sum of trapezoids, and its largest error */
    uint64_t enabled_ns, running_ns; /* when the window began */
    uint64_t last_enabled_ns, last_running_ns;
    int64_t last_ns, n_samples, wraps;
    double last_slack_seconds; /* the last reading is at most this far from last_ns */
    double edge_seconds;       /* the same for both edges of the window, added up */
    double largest_gap_seconds;
    int64_t changed_ns; /* when the last value was read first */
    int64_t n_changes;
    double longest_still_seconds;   /* between the first and the last reading of one value */
    uint64_t still;                 /* that value */
    double first_change_seconds;    /* POWER: after the window began */
    double quickest_change_seconds; /* POWER: between two changes; 0: there were fewer */
    double low_watts, high_watts, step_watts; /* POWER; the last one is the sum of all steps */
    tm_trend trend;                           /* POWER */
    /* COUNTER of energy, between two readings: the highest, where it wrapped, and elsewhere */
    double high_joules_per_second, wrap_joules_per_second, plain_joules_per_second;
} tm_tally;

/* Joules of the scope since the window began, at some moments of it. When the room is used up,
 * every second point is dropped and the stride doubles, so that a window of any length fits. */
typedef struct tm_probe_trace {
    struct tm_trace_point {
        int64_t ns;
        double joules;
    } * points;          /* [room]; NULL: no trace is kept */
    tm_probe_point *out; /* [room] */
    int n, room, stride, skipped;
} tm_probe_trace;

struct tm_probe {
    const tm_probe_source *source;
    tm_probe_options options; /* defaults filled in; texts borrowed */
    void *own;                /* [source->own_size], a copy of options.own or zeros; NULL: none */
    tm_channel *channels;     /* [n_channels] */
    tm_tally *tallies;        /* [n_channels] */
    tm_probe_value *values;   /* [n_channels] */
    int n_channels, room;
    char scope[80]; /* to report and to trace */
    tm_probe_trace trace;
    void *private;         /* for the source */
    double period_seconds; /* between reads in the background; 0: none are needed */
    int64_t begin_ns;
    int64_t due_ns; /* of the next read in the background */
    int64_t quickest_ns,
        n_edges; /* shortest time to read all channels at an edge; number of edges */
    double sampler_begin_seconds; /* CPU time of the thread when the window began */
    pthread_t thread;
    pthread_mutex_t lock; /* guards everything below, the tallies and reading */
    pthread_cond_t wake;
    bool threaded, running, ending;
};

/* Chooses the period, allocates the tallies and starts the sampling thread if one is needed.
 * Errors: NOMEM, IO. */
tm_status tm_probe_window_open(tm_probe *probe, tm_error *err) TM_MUST_USE;
void tm_probe_window_close(tm_probe *probe);

/* Reads all channels if that is due in the open window. Returns when it is due next, INT64_MAX:
 * never. The sampling thread does nothing else; the owner of a replaced clock calls it instead. */
int64_t tm_probe_step(tm_probe *probe);

/* Makes the window invalid, unless it already is. */
void tm_tally_invalidate(tm_tally *tally, const char *fmt, ...) TM_PRINTF(2, 3);

/* Adds a sample to the trend of a window. */
void tm_power_note(tm_trend *trend, double seconds, double watts);
/* POWER, after the window: adds what the meter may hide to v->error_bound, and fills the value, or
 * the tally's state and reason. */
void tm_power_finish(const tm_probe *probe, const tm_channel *channel, tm_tally *tally,
                     double seconds, tm_probe_value *v);

/* Fills probe->scope and makes room for the trace. Errors: NOMEM. */
tm_status tm_probe_trace_open(tm_probe *probe, tm_error *err) TM_MUST_USE;
void tm_probe_trace_close(tm_probe *probe);
/* With the lock held: adds a point from the current tallies, which were read at `ns` on average. An
 * `edge` is always kept. */
void tm_probe_trace_add(tm_probe *probe, int64_t ns, bool edge);
/* After the window: converts the points to watts. */
void tm_probe_trace_finish(tm_probe *probe, tm_probe_window *window);

/* Adds a channel, zeroed except for its descriptors (-1) and its scale (1). Errors: NOMEM,
 * UNSUPPORTED (too many). */
tm_status tm_probe_add(tm_probe *probe, tm_channel **out, tm_error *err) TM_MUST_USE;
/* Fills *health and *err with the same sentence. Returns UNSUPPORTED. */
tm_status tm_probe_refuse(tm_probe_health *health, tm_error *err, tm_probe_state state,
                          const char *fix, const char *fmt, ...) TM_PRINTF(5, 6);

/* Reads a file with one unsigned decimal number into out->raw, or fills out->reason. kept: a
 * descriptor that stays open between reads, -1 at first; NULL: do not keep one. */
tm_probe_state tm_probe_read_file(const char *root, const char *path, int *kept, tm_reading *out);

#endif
