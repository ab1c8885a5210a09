#include "harness/cli/cmd_kernels_bench.h"

#include "harness/cli/interrupt.h"
#include "harness/cli/progress.h"
#include "harness/measure/backend.h"
#include "harness/measure/kernel_matrix.h"
#include "harness/measure/shapes.h"
#include "harness/tune/prefetch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KERNELS 256
#define MAX_TOKENS  32
#define MAX_FLAGS   64

/* --- which rows --- */

static tm_status choose_kernels(const char *names, const tm_kernel **out, int *n, tm_error *err)
{
    *n = 0;
    if (!names) {
        for (const tm_kernel *const *k = tm_kernels(); *k && *n < MAX_KERNELS; k++)
            out[(*n)++] = *k;
        return TM_OK;
    }
    char **parts;
    int n_parts;
    tm_status status = tm_split_texts(names, "--kernel", &parts, &n_parts, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n_parts && status == TM_OK; i++) {
        /* A kernel that cannot run here stays in the list, with the reason. */
        const tm_kernel *kernel = tm_kernel_find(parts[i]);
        if (!kernel) status = tm_kernel_resolve(parts[i], &kernel, err);
        if (status != TM_OK) break;
        bool known = false;
        for (int k = 0; k < *n; k++) known = known || out[k] == kernel;
        if (!known && *n < MAX_KERNELS) out[(*n)++] = kernel;
    }
    tm_free_texts(parts, n_parts);
    return status;
}

/* "2B-4T" for "synth:2B-4T"; the last part of a path. */
static const char *short_name(const char *model)
{
    const char *slash = strrchr(model, '/'), *colon = strchr(model, ':');
    return slash ? slash + 1 : colon ? colon + 1 : model;
}

static tm_status add_model(const char *model, const tm_kernel *const *kernels, int n_kernels,
                           const int *tokens, int n_tokens, bool warm, bool cold,
                           tm_kernel_matrix *rows, tm_error *err)
{
    const char *name = short_name(model);
    for (int i = 0; i < rows->n; i++)
        if (strcmp(rows->items[i].model, name) == 0)
            return tm_fail(err, TM_ARG, "--model names %s twice", name);
    if (tm_backend_is_null(model))
        return tm_fail(err, TM_ARG, "%s has no matrices to time; name a shape, as synth:2B-4T",
                       model);
    tm_source source;
    tm_status status = tm_source_open_name(model, 1, &source, err);
    if (status != TM_OK) return status;
    status = tm_kernel_matrix_add(rows, name, &source.config, kernels, n_kernels, tokens, n_tokens,
                                  warm, cold, err);
    tm_source_close(&source);
    return status;
}

static tm_status choose_rows(const tm_kernels_request *request, tm_kernel_matrix *rows,
                             tm_error *err)
{
    const tm_kernel *kernels[MAX_KERNELS];
    int tokens[MAX_TOKENS], n_kernels, n_tokens, n_models;
    char **models;
    bool both = request->warm == request->cold;
    tm_status status = choose_kernels(request->kernels, kernels, &n_kernels, err);
    if (status != TM_OK) return status;
    status =
        tm_parse_ints(request->tokens, "--tokens", 1, 4096, tokens, MAX_TOKENS, &n_tokens, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n_tokens; i++)
        for (int k = 0; k < i; k++)
            if (tokens[i] == tokens[k])
                return tm_fail(err, TM_ARG, "--tokens names %d twice", tokens[i]);
    status = tm_split_texts(request->models, "--model", &models, &n_models, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n_models && status == TM_OK; i++)
        status = add_model(models[i], kernels, n_kernels, tokens, n_tokens, both || request->warm,
                           both || request->cold, rows, err);
    tm_free_texts(models, n_models);
    return status;
}

/* --- output --- */

static void print_head(FILE *out, bool gbench)
{
    fprintf(out, "%-10s %-13s %-24s %6s %-5s %6s %12s %6s %8s %9s %6s %10s %9s", "model", "shape",
            "kernel", "tokens", "from", "rows", "ns", "+-%", "GB/s", "GMAC/s", "bits/w",
            "prepare ns", "w/prep");
    fprintf(out, gbench ? " %12s %12s %7s\n" : "\n", "gbench ns", "ns again", "ratio");
}

static void print_row(FILE *out, const tm_kernel_matrix_row *row, bool gbench)
{
    const tm_kernel_times *t = &row->times;
    char shape[32];
    snprintf(shape, sizeof shape, "%dx%d", row->n_rows, row->n_cols);
    fprintf(out, "%-10s %-13s %-24s %6d %-5s ", row->model, shape, row->kernel->name, row->n_tokens,
            row->cold ? "dram" : "cache");
    if (row->status != TM_OK) {
        fprintf(out, "not timed: %s\n", row->reason);
        return;
    }
    double macs = (double)row->n_rows * row->n_cols * row->n_tokens;
    fprintf(out, "%6d %12.0f %6.1f %8.2f %9.2f %6.2f ", t->n_rows, t->ns,
            50 * (t->high_ns - t->low_ns) / t->ns, row->bytes / t->ns, row->macs / t->ns,
            8 * row->bytes * row->n_tokens / row->macs);
    if (isnan(t->prepare_ns))
        fprintf(out, "%10s", "-");
    else
        fprintf(out, "%10.0f", t->prepare_ns);
    fprintf(out, " %9.2f", macs / tm_kernel_matrix_row_matrix_ns(row));
    if (gbench && isnan(row->gbench_ns))
        fprintf(out, " %12s %12s %7s", "-", "-", "-");
    else if (gbench)
        fprintf(out, " %12.0f %12.0f %7.3f%s", row->gbench_ns, row->again_ns,
                tm_kernel_matrix_row_timer_ratio(row),
                tm_kernel_matrix_row_timers_agree(row) ? "" : "  differs");
    fputc('\n', out);
}

/* Kernels that cannot run here get one line in all, not one for each shape. */
static bool in_table(const tm_kernel_matrix_row *row)
{
    return row->done && (row->status == TM_OK || tm_kernel_available(row->kernel, NULL) == TM_OK);
}

static void print_unavailable(FILE *out, const tm_kernel_matrix *rows)
{
    for (int i = 0; i < rows->n; i++) {
        const tm_kernel_matrix_row *row = &rows->items[i];
        bool first = row->done && !in_table(row);
        for (int k = 0; k < i && first; k++) first = rows->items[k].kernel != row->kernel;
        if (first) fprintf(out, "not timed: %s\n", row->reason);
    }
}

static void print_foot(FILE *out, const tm_kernel_matrix *rows,
                       const tm_kernel_timer_options *options)
{
    int n = 0, agree = 0, moved = 0;
    print_unavailable(out, rows);
    fprintf(
        out,
        "ns: median time of one pass over `rows` rows; +-%%: half the interquartile range; w/prep: "
        "GMAC/s of the whole matrix, with prepare.\n"
        "Every row was checked against the reference first: all columns and tokens, at most %d "
        "rows. "
        "One thread. cache: at most %.2f MB of weights; dram: at least %.0f MB of copies.\n",
        options->check_rows, (double)options->near_bytes * 1e-6, (double)options->far_bytes * 1e-6);
    for (int i = 0; i < rows->n; i++) {
        const tm_kernel_matrix_row *row = &rows->items[i];
        if (isnan(tm_kernel_matrix_row_timer_ratio(row))) continue;
        n++;
        agree += tm_kernel_matrix_row_timers_agree(row);
        moved += !tm_kernel_matrix_row_timers_agree(row) &&
                 fabs(row->again_ns / row->times.ns - 1) > TM_TIMERS_LIMIT;
    }
    if (n == 0) return;
    fprintf(out, "The two timers agree within %.0f %% on %d of %d rows", 100 * TM_TIMERS_LIMIT,
            agree, n);
    if (agree < n)
        fprintf(out,
                "; %d differ, and on %d of these our own timings before and after differ as much",
                n - agree, moved);
    fprintf(out, ".\nratio: gbench ns divided by the mean of ns and ns again.\n");
}

static tm_status print_json(const tm_kernel_matrix *rows, FILE *out, tm_error *err)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < rows->n; i++)
        if (rows->items[i].done)
            tm_json_append(array, tm_kernel_matrix_row_to_json(&rows->items[i]));
    return tm_print_json(out, array, err);
}

/* The JSON members that every row has, with text quoted as in RFC 4180. */
static void print_csv(const tm_kernel_matrix *rows, FILE *out)
{
    static const char *const keys[] = {"model",
                                       "used_by",
                                       "n_rows",
                                       "n_cols",
                                       "kernel",
                                       "format",
                                       "tokens",
                                       "weights_in",
                                       "status",
                                       "rows_checked",
                                       "rows_timed",
                                       "ns",
                                       "ns_low",
                                       "ns_high",
                                       "n_samples",
                                       "passes_per_sample",
                                       "weight_bytes",
                                       "weight_gb_per_second",
                                       "gmac_per_second",
                                       "bits_per_weight",
                                       "prepare_ns",
                                       "matrix_ns",
                                       "matrix_gmac_per_second",
                                       "gbench_ns",
                                       "ns_again",
                                       "gbench_ratio",
                                       "ns_missing"};
    const int n_keys = sizeof keys / sizeof *keys;
    for (int k = 0; k < n_keys; k++) fprintf(out, "%s%s", keys[k], k < n_keys - 1 ? "," : "\n");
    for (int i = 0; i < rows->n; i++) {
        if (!rows->items[i].done) continue;
        tm_json *row = tm_kernel_matrix_row_to_json(&rows->items[i]);
        for (int k = 0; k < n_keys; k++) {
            const tm_json *value = tm_json_get(row, keys[k]);
            if (tm_json_is_string(value)) {
                putc('"', out);
                for (const char *c = tm_json_text(value, ""); *c; c++)
                    *c == '"' ? (void)fprintf(out, "\"\"") : (void)putc(*c, out);
                putc('"', out);
            } else if (tm_json_is_number(value)) {
                fprintf(out, "%.10g", tm_json_double(value, 0));
            }
            putc(k < n_keys - 1 ? ',' : '\n', out);
        }
        tm_json_free(row);
    }
}

/* --- running --- */

static void state_estimate(const tm_kernels_request *request, const tm_kernel_matrix *rows,
                           const tm_kernel_timer_options *options)
{
    char text[64];
    double seconds = tm_kernel_matrix_estimate(rows, options) * (request->gbench ? 3.5 : 1);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "%d rows, about %s; use --kernel, --tokens, --cold or --warm for fewer\n",
                rows->n, tm_duration_text(seconds, text, sizeof text));
}

/* Returns 0, or the exit status of an interrupt. */
static int run_rows(const tm_call *call, tm_kernel_runner *runner, tm_kernel_matrix *rows)
{
    bool text = strcmp(call->format, "text") == 0;
    bool progress = !text && isatty(STDERR_FILENO);
    tm_interrupt interrupt = tm_interrupt_open();
    int i = 0;
    if (text) print_head(call->out, false);
    for (; i < rows->n && !tm_interrupted(&interrupt); i++) {
        tm_error why = {0}; /* also stored in the row */
        if (progress)
            fprintf(stderr, "\r\033[K[%d/%d] %s", i + 1, rows->n, rows->items[i].kernel->name);
        (void)!tm_kernel_runner_ready(runner, i, &why);
        if (text && in_table(&rows->items[i])) {
            print_row(call->out, &rows->items[i], false);
            fflush(call->out);
        }
    }
    if (progress) fprintf(stderr, "\r\033[K");
    return i < rows->n ? tm_interrupt_exit_status(&interrupt) : 0;
}

/* The user's flags come last, so that they override these defaults. */
static tm_status run_gbench(const tm_kernels_request *request, const tm_call *call,
                            tm_gbench_run *gbench, tm_kernel_runner *runner, tm_error *err)
{
    char min_time[64];
    const char *flags[MAX_FLAGS + 3] = {"--benchmark_repetitions=5",
                                        "--benchmark_display_aggregates_only=true", min_time};
    snprintf(min_time, sizeof min_time, "--benchmark_min_time=%.6f", request->seconds / 5);
    for (int i = 0; i < request->n_flags && i < MAX_FLAGS; i++) flags[3 + i] = request->flags[i];
    return tm_kernel_runner_gbench(
        runner, gbench, flags, 3 + request->n_flags,
        strcmp(call->format, "text") == 0 ? TM_GBENCH_STDOUT : TM_GBENCH_STDERR, err);
}

/* stderr if Google Benchmark itself writes JSON or CSV to stdout. */
static FILE *table_stream(const tm_kernels_request *request, FILE *data)
{
    FILE *out = data;
    for (int i = 0; i < request->n_flags; i++) {
        const char *flag = request->flags[i], *name = "--benchmark_format=";
        if (strncmp(flag, name, strlen(name)) == 0)
            out = strcmp(flag + strlen(name), "console") == 0 ? data : stderr;
    }
    return out;
}

static int outcome(const tm_kernel_matrix *rows)
{
    int n_done = 0, n_timed = 0;
    bool failed = false;
    for (int i = 0; i < rows->n; i++) {
        n_done += rows->items[i].done;
        n_timed += rows->items[i].done && rows->items[i].status == TM_OK;
        failed = failed || rows->items[i].status == TM_CHECK;
    }
    return failed ? 1 : n_done > 0 && n_timed == 0 ? 3 : 0;
}

tm_status tm_kernels_bench(const tm_kernels_request *request, tm_call *call, tm_error *err)
{
    tm_kernel_matrix rows = {0};
    tm_kernel_runner *runner = NULL;
    tm_gbench_run *gbench = NULL;
    tm_machine machine = {0};
    char build[24];
    if (request->n_flags > MAX_FLAGS)
        return tm_fail(err, TM_ARG, "%d flags for Google Benchmark exceed the limit of %d",
                       request->n_flags, MAX_FLAGS);
    tm_status status = choose_rows(request, &rows, err);
    if (status == TM_OK && request->gbench) status = tm_gbench_open(&gbench, err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", &machine, err);
    tm_kernel_timer_options options = {0};
    if (status == TM_OK) {
        tm_prefetch_choose(&(tm_tuner){.build = build, .machine = &machine, .measure = true},
                           &(tm_prefetch_choice){0});
        options = tm_kernel_timer_options_for(&machine);
        options.seconds = request->seconds;
        status = tm_kernel_runner_open(&options, &rows, &runner, err);
    }
    if (status != TM_OK) goto done;
    if (machine.emulated)
        fprintf(stderr, "ternmark kernels: warning: times under emulation are meaningless\n");
    state_estimate(request, &rows, &options);
    if (request->gbench)
        status = run_gbench(request, call, gbench, runner, err);
    else
        call->exit_status = run_rows(call, runner, &rows);
    if (status != TM_OK) goto done;
    if (call->exit_status == 0) call->exit_status = outcome(&rows);
    if (strcmp(call->format, "json") == 0) {
        status = print_json(&rows, call->out, err);
    } else if (strcmp(call->format, "csv") == 0) {
        print_csv(&rows, call->out);
    } else {
        FILE *out = request->gbench ? table_stream(request, call->out) : call->out;
        bool any = false;
        for (int i = 0; i < rows.n && request->gbench; i++) {
            if (!in_table(&rows.items[i])) continue;
            if (!any) print_head(out, true);
            any = true;
            print_row(out, &rows.items[i], true);
        }
        if (any || !request->gbench) print_foot(out, &rows, &options);
    }
done:
    tm_kernel_runner_close(runner);
    tm_kernel_matrix_free(&rows);
    return status;
}
