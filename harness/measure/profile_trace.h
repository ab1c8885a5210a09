/* Time stamps as files for other programs: Chrome trace JSON for Perfetto and chrome://tracing, and
 * folded stacks for flame graphs.
 *
 * Sources: "Trace Event Format" (Google, 2016), complete and metadata events; the output of
 * stackcollapse ("a;b;c 123") in Brendan Gregg's FlameGraph.
 */
#ifndef TM_HARNESS_MEASURE_PROFILE_TRACE_H
#define TM_HARNESS_MEASURE_PROFILE_TRACE_H

#include "harness/base/atomic_file.h"
#include "harness/measure/profile.h"

#include <stdio.h>

/* One trace of several cells; the viewer shows each as a process. */
typedef struct tm_profile_trace {
    FILE *file; /* NULL: no trace is open */
    tm_atomic_file output;
    int n_cells;
} tm_profile_trace;

/* An earlier file is replaced when the trace is closed. Errors: those of tm_atomic_file_open. */
tm_status tm_profile_trace_open(const char *path, tm_profile_trace *out, tm_error *err) TM_MUST_USE;
/* Adds a cell: its passes from first_pass on. On each thread, passes contain layers, and layers
 * contain operations and waits. Times start at 0 with the first pass. */
void tm_profile_trace_add(tm_profile_trace *trace, const char *name, const tm_stamps *stamps,
                          int first_pass, double ticks_per_ns);
/* Adds a cell that a worker traces: add_file writes its events to a separate file, and splice
 * appends that file to the trace and removes it. number: the number of the cell, from 1. Errors:
 * IO. */
tm_status tm_profile_trace_add_file(const char *path, int number, const char *name,
                                    const tm_stamps *stamps, int first_pass, double ticks_per_ns,
                                    tm_error *err) TM_MUST_USE;
tm_status tm_profile_trace_splice(tm_profile_trace *trace, const char *path,
                                  tm_error *err) TM_MUST_USE;
/* Closes the trace even after an error. Errors: IO (the file is not written). */
tm_status tm_profile_trace_close(tm_profile_trace *trace, tm_error *err) TM_MUST_USE;
/* Leaves an earlier file as it was. */
void tm_profile_trace_abandon(tm_profile_trace *trace);

/* Appends "NAME;layer 3;down 123" for every operation, in nanoseconds over all threads,
 * "NAME;layer 3;down;barrier 45" for the wait after it, and "NAME;idle 6" for the rest. */
void tm_folded_add(FILE *file, const char *name, const tm_profile *profile);

#endif
