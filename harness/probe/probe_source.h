/* What a source of amounts implements, and the probe it fills: for probe.c and probe_*.c only. */
#ifndef TM_HARNESS_PROBE_PROBE_SOURCE_H
#define TM_HARNESS_PROBE_PROBE_SOURCE_H

#include <pthread.h>
#include <string.h>

#include "harness/probe/probe.h"

#define TM_PROBE_CHANNELS_MAX 1024

typedef enum tm_channel_kind {
    TM_CHANNEL_COUNTER, /* rises only, modulo its range */
    TM_CHANNEL_POWER,   /* watts at the moment of reading: integrated over the window */
    TM_CHANNEL_SERIES,  /* samples with times of their own: the source answers for the window */
} tm_channel_kind;

typedef struct tm_channel {
    tm_probe_channel_info info;
    tm_channel_kind kind;
    double scale;         /* unit per step of the raw count; POWER: watts per step */
    uint64_t range;       /* raw counts wrap here; 0: never */
    bool may_rest;        /* staying at 0 is no sign of a dead counter */
    char path[2][200];    /* files below the root; of the source */
    int fd, second_fd;    /* of the source; -1 none */
    int code;             /* of the source */
    tm_probe_state state; /* found on opening */
    char reason[240];
} tm_channel;

static inline bool tm_channel_is_energy(const tm_channel *c)
{
    return strcmp(c->info.unit, "joules") == 0;
}

/* A reading, or why there is none. */
typedef struct tm_reading {
    uint64_t raw;
    uint64_t enabled_ns, running_ns; /* of shared counters; both 0: not shared */
    char reason[200];
} tm_reading;

/* A source: names in the order in which --energy=auto tries them. */
typedef struct tm_probe_source {
    const char *name;
    /* Adds channels. Errors: UNSUPPORTED with *health filled, NOMEM. */
    tm_status (*open)(tm_probe *probe, tm_probe_health *health, tm_error *err);
    /* Any thread, one at a time. */
    tm_probe_state (*read)(tm_probe *probe, tm_channel *channel, tm_reading *out);
    /* SERIES: the amount between two times, both CLOCK_MONOTONIC; may be NULL. */
    void (*collect)(tm_probe *probe, tm_channel *channel, int64_t begin_ns, int64_t end_ns,
                    tm_probe_value *out);
    /* SERIES: the points of the window's trace, at most `room`; returns how many. May be NULL. */
    int (*trace)(tm_probe *probe, int64_t begin_ns, int64_t end_ns, tm_probe_point *out, int room);
    void (*close)(tm_probe *probe); /* also after a failed open; may be NULL */
} tm_probe_source;

extern const tm_probe_source tm_probe_powercap, tm_probe_perf, tm_probe_hwmon, tm_probe_meter,
    tm_probe_counters, tm_probe_papi, tm_probe_fake;

/* What a window has gathered of one channel so far. */
typedef struct tm_tally {
    tm_probe_state state;
    char reason[240];
    uint64_t last, total;                     /* raw; total since the window began */
    double last_watts, joules, wobble_joules; /* POWER: trapezoids, and their largest error */
    uint64_t enabled_ns, running_ns;          /* at the window's beginning */
    uint64_t last_enabled_ns, last_running_ns;
    int64_t last_ns, n_samples, wraps;
    double last_slack_seconds; /* the last reading was taken this long before or after last_ns */
    double edge_seconds;       /* how far both edges may be from the window's, together */
    double largest_gap_seconds;
} tm_tally;

/* Joules of the scope since the window began, at some moments of it. When the room is used up every
 * second point goes and the stride doubles: any length of window fits, the ends stay. */
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
    tm_channel *channels;     /* [n_channels] */
    tm_tally *tallies;        /* [n_channels] */
    tm_probe_value *values;   /* [n_channels] */
    int n_channels, room;
    char scope[80]; /* to quote and to trace */
    tm_probe_trace trace;
    void *private;         /* of the source */
    double period_seconds; /* between reads in the background; 0: none needed */
    int64_t begin_ns;
    int64_t quickest_ns, n_edges; /* of reading all channels at an edge; how often that was done */
    double sampler_begin_seconds; /* its CPU time when the window began */
    pthread_t thread;
    pthread_mutex_t lock; /* of everything below, the tallies and reading */
    pthread_cond_t wake;
    bool threaded, running, ending;
};

/* Chooses the period, allocates the tallies and starts the sampler where one is needed.
 * Errors: NOMEM, IO. */
tm_status tm_probe_window_open(tm_probe *probe, tm_error *err) TM_MUST_USE;
void tm_probe_window_close(tm_probe *probe);

/* Fills probe->scope and makes room for the trace. Errors: NOMEM. */
tm_status tm_probe_trace_open(tm_probe *probe, tm_error *err) TM_MUST_USE;
void tm_probe_trace_close(tm_probe *probe);
/* Under the lock: a point from the tallies as they stand, read at `ns` on average; `edge` when it must be
 * kept. */
void tm_probe_trace_take(tm_probe *probe, int64_t ns, bool edge);
/* After the window: the points as watts. */
void tm_probe_trace_finish(tm_probe *probe, tm_probe_window *window);

/* A channel, zeroed but for its descriptors -1 and scale 1. Errors: NOMEM, UNSUPPORTED (too many). */
tm_status tm_probe_add(tm_probe *probe, tm_channel **out, tm_error *err) TM_MUST_USE;
/* Fills *health and *err with the same sentence; returns UNSUPPORTED. */
tm_status tm_probe_refuse(tm_probe_health *health, tm_error *err, tm_probe_state state,
                          const char *fix, const char *fmt, ...) TM_PRINTF(5, 6);

/* A file with one unsigned decimal number; fills out->raw or out->reason. kept: a descriptor that stays
 * open between reads, -1 at first; NULL: none does. */
tm_probe_state tm_probe_read_file(const char *root, const char *path, int *kept, tm_reading *out);

#endif
