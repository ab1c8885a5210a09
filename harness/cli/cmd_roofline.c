/* ternmark roofline: the bandwidth and arithmetic peaks of this machine. */
#include "engine/pool.h"
#include "harness/cli/commands.h"
#include "harness/machine/machine.h"
#include "harness/machine/roofline.h"
#include "harness/sweep/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_points(FILE *out, const char *title, const char *unit, const tm_roofline_point *p,
                         int n)
{
    for (int i = 0; i < n; i++) {
        char size[32] = "";
        if (p[i].bytes) snprintf(size, sizeof size, "%.0f KiB", (double)p[i].bytes / 1024);
        fprintf(out, "%-12s %3d thread%-2s %12s  %9.1f %-7s (median %.1f of %d)  %s\n", title,
                p[i].threads, tm_plural(p[i].threads), size, p[i].value, unit, p[i].median,
                p[i].n_trials, p[i].method);
    }
}

static void print_text(FILE *out, const tm_machine *machine, const tm_roofline *r)
{
    fprintf(out, "%s, %d cores\n", machine->cpu_model[0] ? machine->cpu_model : "unknown processor",
            machine->n_cores);
    print_points(out, "read", "GB/s", r->read, r->n_read);
    print_points(out, "read by size", "GB/s", r->by_size, r->n_by_size);
    print_points(out, "int8", "GMAC/s", r->int8, r->n_int8);
    print_points(out, "fp32", "GMAC/s", r->fp32, r->n_fp32);
    print_points(out, "barrier", "ns", r->barrier, r->n_barrier);
    print_points(out, "clock", "GHz", r->clock, r->n_clock);
}

/* Thread counts as a suite writes them, ascending, each once. */
static tm_status thread_counts(const char *text, const tm_machine *machine, int *out, int *n,
                               tm_error *err)
{
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) return tm_fail(err, TM_NOMEM, "no memory for the thread counts");
    tm_suite_init(suite);
    tm_status status = tm_suite_add_threads(suite, text, err);
    *n = 0;
    for (int i = 0; status == TM_OK && i < suite->n_threads; i++)
        tm_roofline_add_count(
            out, n, suite->threads[i] == TM_THREADS_ALL ? machine->n_cores : suite->threads[i]);
    free(suite);
    return status;
}

typedef struct settings {
    const char *threads;
    double seconds;
    bool no_sizes, oversubscribe;
} settings;

static tm_status measure(const settings *s, const tm_machine *machine, tm_roofline *out,
                         tm_error *err)
{
    int counts[TM_ROOFLINE_MAX], n = 0;
    tm_status status = thread_counts(s->threads, machine, counts, &n, err);
    if (status != TM_OK) return status;
    tm_roofline_options options = tm_roofline_options_for(machine, counts, n);
    options.seconds_each = s->seconds;
    options.sizes = !s->no_sizes;
    options.oversubscribe = s->oversubscribe;
    return tm_roofline_measure(&options, out, err);
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    tm_machine machine = {0};
    tm_roofline *roofline = calloc(1, sizeof *roofline);
    tm_status status = roofline ? TM_OK : tm_fail(err, TM_NOMEM, "no memory for the roofline");
    if (status == TM_OK) status = tm_machine_read("/", &machine, err);
    if (status == TM_OK) status = measure(arg, &machine, roofline, err);
    if (status == TM_OK && strcmp(call->format, "json") == 0)
        status = tm_print_json(call->out, tm_roofline_to_json(roofline), err);
    else if (status == TM_OK)
        print_text(call->out, &machine, roofline);
    free(roofline);
    return status;
}

static const tm_option rows[] = {
    {"threads", "t", TM_LIST(settings, threads), "N,...",
     .help = "measure at these thread counts (default 1,all)"},
    {"seconds", NULL, TM_NUMBER(settings, seconds), "SECONDS", .help = "time per point (default 1)",
     .low = 0.01, .high = 60},
    {"no-sizes", NULL, TM_FLAG(settings, no_sizes), NULL,
     .help = "skip the sweep over working-set sizes"},
    {"oversubscribe", NULL, TM_FLAG(settings, oversubscribe), NULL,
     .help = "allow more threads than CPUs", .group = "Threads"},
    {0},
};

const tm_command tm_command_roofline = {
    .name = "roofline",
    .synopsis = "[OPTIONS]",
    .summary = "measure memory bandwidth, arithmetic peaks, barrier cost and clock",
    .description = "Measures read bandwidth by size and thread count, the peaks of int8 and fp32 "
                   "multiply-accumulates, the cost of a barrier, and the clock.",
    .examples = "ternmark roofline --seconds 0.2\n"
                "ternmark roofline -t 1,2,4 --format json -o roofline.json",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.threads = "1,all", .seconds = 1},
    .run = run,
};
