/* An energy window with every field set, for tests of what stores and shows it: 40 s of generation
 * at 30 W above 12 W of idle. */
#ifndef TM_TESTS_HARNESS_RECORD_WINDOWS_H
#define TM_TESTS_HARNESS_RECORD_WINDOWS_H

#include "harness/record/record_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline tm_record_energy make_window(void)
{
    tm_record_energy e;
    tm_record_energy_init(&e);
    e.phase = TM_PHASE_GENERATION;
    strcpy(e.source, "powercap");
    strcpy(e.scope, "package+dram");
    strcpy(e.method, "counter");
    e.state = TM_PROBE_OK;
    e.begin_unix_seconds = 1.75e9 + 0.125;
    e.window_seconds = 40;
    e.n_repeats = 5;
    e.n_output_tokens = 5 * 128;
    tm_measured_set(&e.gross_joules, 1200);
    tm_measured_set(&e.error_bound_joules, 0.06);
    tm_measured_set(&e.idle_before_watts, 11.9);
    tm_measured_set(&e.idle_after_watts, 12.1);
    tm_measured_set(&e.idle_before_error_bound_watts, 0.02);
    tm_measured_set(&e.idle_after_error_bound_watts, 0.04);
    e.idle_seconds = 10;
    tm_record_energy_set_net(&e);
    tm_measured_set(&e.rate_hz, 10);
    e.wraps = 1;
    e.n_samples = 402;
    tm_measured_set(&e.largest_gap_seconds, 0.11);
    tm_measured_miss(&e.sampler_cpu_percent, "the clock of the thread was not readable");
    e.n_domains = 3;
    e.domains = calloc(3, sizeof *e.domains);
    e.n_trace = 4;
    e.trace = calloc(4, sizeof *e.trace);
    if (!e.domains || !e.trace) abort();
    e.domains[0] = (tm_energy_domain){"package-0", "package", TM_PROBE_OK, "", 1000};
    e.domains[1] = (tm_energy_domain){"dram", "dram", TM_PROBE_OK, "", 200};
    e.domains[2] = (tm_energy_domain){"psys", "psys", TM_PROBE_STUCK, "stayed at 7", NAN};
    e.trace[0] = (tm_probe_point){-10, NAN};
    e.trace[1] = (tm_probe_point){-0.25, 11.9};
    e.trace[2] = (tm_probe_point){0, NAN};
    e.trace[3] = (tm_probe_point){40, 30};
    strcpy(e.marks, "the package throttled");
    return e;
}

#endif
