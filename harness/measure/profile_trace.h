/* Stamps of a stamps as files for other programs: Chrome trace JSON, which Perfetto and chrome://tracing
 * open, and folded stacks, from which flame graphs are made.
 *
 * Sources: "Trace Event Format" (Google, 2016), complete and metadata events; Brendan Gregg's FlameGraph,
 * stackcollapse's output ("a;b;c 123").
 */
#ifndef TM_HARNESS_MEASURE_PROFILE_TRACE_H
#define TM_HARNESS_MEASURE_PROFILE_TRACE_H

#include <stdio.h>

#include "harness/measure/profile.h"

/* One trace of several cells, each a process of its own in the viewer. */
typedef struct tm_profile_trace {
    FILE *file;
    char path[1024];
    int n_cells;
} tm_profile_trace;

/* Errors: IO (path, reason). */
tm_status tm_profile_trace_open(const char *path, tm_profile_trace *out, tm_error *err) TM_MUST_USE;
/* The passes from first_pass on: per thread, passes hold layers, layers hold operations and waits.
 * Times begin at 0 with the first of them. */
void tm_profile_trace_add(tm_profile_trace *trace, const char *name, const tm_stamps *stamps,
                          int first_pass, double ticks_per_ns);
/* A cell that a worker traces: add_file writes its events to a file of its own, and splice appends
 * that file to the trace and removes it. number: of the cell, from 1. Errors: IO. */
tm_status tm_profile_trace_add_file(const char *path, int number, const char *name,
                                    const tm_stamps *stamps, int first_pass, double ticks_per_ns,
                                    tm_error *err) TM_MUST_USE;
tm_status tm_profile_trace_splice(tm_profile_trace *trace, const char *path,
                                  tm_error *err) TM_MUST_USE;
/* Errors: IO when something did not reach the file. Closes in any case; nothing open: OK. */
tm_status tm_profile_trace_close(tm_profile_trace *trace, tm_error *err) TM_MUST_USE;

/* Appends "NAME;layer 3;down 123" for every operation, in nanoseconds over all threads, with
 * "NAME;layer 3;down;barrier 45" for waiting behind it and "NAME;idle 6" for the rest. */
void tm_folded_add(FILE *file, const char *name, const tm_profile *profile);

#endif
