/* The energy windows of a worker: idle, one phase of a test repeated until the window is full,
 * idle.
 *
 * The windows come after the timed repetitions, so that no meter is read during a timing. A prompt
 * and the generation after it have separate windows. The KV cache that generation needs is filled
 * before its window and rewound between repetitions, so that its energy is not counted. Idle means
 * that the model is loaded and its threads sleep.
 */
#ifndef TM_HARNESS_MEASURE_ENERGY_WINDOW_H
#define TM_HARNESS_MEASURE_ENERGY_WINDOW_H

#include "harness/measure/bench.h"
#include "harness/probe/energy_source.h"
#include "harness/record/record_energy.h"

#include <sched.h>

#define TM_IDLE_POINTS 512

/* Mean power while the process is idle. */
typedef struct tm_idle {
    tm_probe_state state;
    char reason[240];
    double watts, seconds;                /* watts: NaN unless ok */
    double error_bound_watts;             /* of reading; NaN: unknown */
    int64_t begin_ns, end_ns;             /* CLOCK_MONOTONIC */
    tm_probe_point trace[TM_IDLE_POINTS]; /* [n_trace] */
    int n_trace;
} tm_idle;

/* Repeats a phase of a test for so many seconds or longer. *n_repeats: how often it ran. */
typedef tm_status tm_energy_repeat(void *arg, const tm_test *test, tm_phase phase, double seconds,
                                   int64_t *n_repeats, tm_error *err);

typedef struct tm_energy_window {
    tm_bench *bench;          /* borrowed; NULL: see repeat */
    tm_energy_repeat *repeat; /* set after opening: what runs in a window instead of the bench */
    void *repeat_arg;
    const tm_energy_source_options *options; /* borrowed; names one source */
    const tm_clock *clock;                   /* borrowed; NULL: the system's */
    bool later;                              /* no source: a meter's log is imported later */
    tm_probe *probe;                         /* NULL: see health */
    tm_probe_health health;
    tm_idle before, after;
    bool has_before; /* the idle time after the last window is the one before the next */
} tm_energy_window;

/* Opens the source. If it does not work, every window states the reason. cpus: where the meter may
 * run, which is the process's set before its threads were pinned. Errors: NOMEM. */
tm_status tm_energy_window_open(tm_energy_window *run, tm_bench *bench,
                                const tm_energy_source_options *options, bool later,
                                const cpu_set_t *cpus, const tm_clock *clock,
                                tm_error *err) TM_MUST_USE;
/* Measures one window. Free *out with tm_record_energy_free, also after an error. Errors: those of
 * eval, NOMEM. */
tm_status tm_energy_window_measure(tm_energy_window *run, const tm_test *test, tm_phase phase,
                                   tm_record_energy *out, tm_error *err) TM_MUST_USE;
void tm_energy_window_close(tm_energy_window *run);

#endif
