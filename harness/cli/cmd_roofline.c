/* ternmark roofline: what this machine allows. */
#include "engine/pool.h"
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/machine/machine.h"
#include "harness/machine/roofline.h"
#include "harness/sweep/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_points(const char *title, const char *unit, const tm_roofline_point *p, int n)
{
    for (int i = 0; i < n; i++) {
        char size[32] = "";
        if (p[i].bytes) snprintf(size, sizeof size, "%.0f KiB", (double)p[i].bytes / 1024);
        printf("%-12s %3d thread%-2s %12s  %9.1f %-7s (median %.1f of %d)  %s\n", title,
               p[i].threads, p[i].threads == 1 ? "" : "s", size, p[i].value, unit, p[i].median,
               p[i].n_trials, p[i].method);
    }
}

static void print_text(const tm_machine *env, const tm_roofline *r)
{
    printf("%s, %d cores\n", env->cpu_model[0] ? env->cpu_model : "unknown processor",
           env->n_cores);
    print_points("read", "GB/s", r->read, r->n_read);
    print_points("read by size", "GB/s", r->by_size, r->n_by_size);
    print_points("int8", "GMAC/s", r->int8, r->n_int8);
    print_points("fp32", "GMAC/s", r->fp32, r->n_fp32);
    print_points("barrier", "ns", r->barrier, r->n_barrier);
}

/* Counts as a suite writes them, ascending and without repetition. */
static tm_status thread_counts(const char *text, const tm_machine *env, int *out, int *n,
                               tm_error *err)
{
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) return tm_fail(err, TM_NOMEM, "thread counts: no memory");
    tm_suite_init(suite);
    tm_status status = tm_suite_add_threads(suite, text, err);
    *n = 0;
    for (int i = 0; status == TM_OK && i < suite->n_threads; i++)
        tm_roofline_add_count(
            out, n, suite->threads[i] == TM_THREADS_ALL ? env->n_cores : suite->threads[i]);
    free(suite);
    return status;
}

static tm_status measure(const char *threads, double seconds, bool sizes, bool oversubscribe,
                         tm_machine *env, tm_roofline *out, tm_error *err)
{
    int counts[TM_ROOFLINE_MAX], n = 0;
    tm_status status = thread_counts(threads, env, counts, &n, err);
    if (status != TM_OK) return status;
    tm_roofline_options options = tm_roofline_options_for(env, counts, n);
    options.seconds_each = seconds;
    options.sizes = sizes;
    options.oversubscribe = oversubscribe;
    return tm_roofline_measure(&options, out, err);
}

int tm_cmd_roofline(int argc, char **argv)
{
    const char *threads = "1,all", *output = "text";
    double seconds = 1;
    bool no_sizes = false, oversubscribe = false;
    const tm_option options[] = {
        {"threads", "t", TM_OPTION_TEXT, &threads, 0, 0, "N,...", "thread counts (default 1,all)"},
        {"seconds", NULL, TM_OPTION_REAL, &seconds, 0.01, 60, "S",
         "time spent on each point (default 1)"},
        {"no-sizes", NULL, TM_OPTION_FLAG, &no_sizes, 0, 0, NULL, "leave the sweep over sizes out"},
        {"oversubscribe", NULL, TM_OPTION_FLAG, &oversubscribe, 0, 0, NULL,
         "allow more threads than CPUs"},
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FORMAT", "text or json (default text)"},
        {0},
    };
    const tm_command command = {
        "roofline",
        "[options]",
        "Measures read bandwidth and the peaks of int8 and float multiply-accumulates.",
        options,
        0,
        0};
    tm_error err = {0};
    tm_machine env = {0};
    const char *arguments[1];
    int n;
    bool help, json = false;
    tm_roofline *roofline = calloc(1, sizeof *roofline);
    tm_status status = roofline ? TM_OK : tm_fail(&err, TM_NOMEM, "no memory");
    if (status == TM_OK)
        status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) {
        free(roofline);
        return 0;
    }
    if (status == TM_OK) {
        json = strcmp(output, "json") == 0;
        if (!json && strcmp(output, "text") != 0)
            status = tm_fail(&err, TM_ARG, "--output is \"%s\", not text or json", output);
    }
    if (status == TM_OK) status = tm_machine_read("/", &env, &err);
    if (status == TM_OK)
        status = measure(threads, seconds, !no_sizes, oversubscribe, &env, roofline, &err);
    if (status == TM_OK && json) {
        tm_json *object = tm_roofline_to_json(roofline);
        char *text = tm_json_print(object, true);
        puts(text ? text : "{}");
        free(text);
        tm_json_free(object);
    } else if (status == TM_OK) {
        print_text(&env, roofline);
    }
    tm_machine_free(&env);
    free(roofline);
    return status == TM_OK ? 0 : tm_report_error("roofline", &err);
}
