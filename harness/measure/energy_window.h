/* The energy windows of a worker: idle, one phase of a test repeated to fill the window, idle.
 *
 * They come after the timed repetitions, so that no meter is read while a time is taken. A prompt and
 * the generation behind it are windows of their own; the KV cache that generation needs is filled
 * before its window and taken back to that point between repetitions, so that no joule of it is counted.
 * Idle means: the model loaded, its threads asleep.
 */
#ifndef TM_HARNESS_MEASURE_ENERGY_WINDOW_H
#define TM_HARNESS_MEASURE_ENERGY_WINDOW_H

#include <sched.h>

#include "harness/measure/bench.h"
#include "harness/record/record_energy.h"
#include "harness/probe/energy_source.h"

#define TM_IDLE_POINTS 512

/* Mean power while nothing runs. */
typedef struct tm_idle {
    tm_probe_state state;
    char reason[240];
    double watts, seconds;                /* watts: NaN unless ok */
    int64_t begin_ns, end_ns;             /* CLOCK_MONOTONIC */
    tm_probe_point trace[TM_IDLE_POINTS]; /* [n_trace] */
    int n_trace;
} tm_idle;

typedef struct tm_energy_window {
    tm_bench *bench;                         /* borrowed */
    const tm_energy_source_options *options; /* borrowed; source by name */
    bool later;                              /* no source: the windows are run for a meter's log */
    tm_probe *probe;                         /* NULL: see health */
    tm_probe_health health;
    tm_idle before, after;
    bool has_before; /* the idle behind the last window is the one before the next */
} tm_energy_window;

/* Opens the source and proves it alive; one that is not makes windows that say so. cpus: where the
 * meter may run, the process's set before its threads were pinned. Errors: NOMEM. */
tm_status tm_energy_window_open(tm_energy_window *run, tm_bench *bench,
                                const tm_energy_source_options *options, bool later,
                                const cpu_set_t *cpus, tm_error *err) TM_MUST_USE;
/* One window. *out is to be freed with tm_record_energy_free, also after an error. Errors: those of eval, NOMEM. */
tm_status tm_energy_window_window(tm_energy_window *run, const tm_test *test, tm_phase phase,
                                  tm_record_energy *out, tm_error *err) TM_MUST_USE;
void tm_energy_window_close(tm_energy_window *run);

#endif
