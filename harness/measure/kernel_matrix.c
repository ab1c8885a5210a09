#include "harness/measure/kernel_matrix.h"

#include "engine/pool.h"
#include "kernels/check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- which rows --- */

typedef struct shape {
    int n_rows, n_cols;
    bool head;
    char used_by[64];
} shape;

static const char *role_text(tm_role role)
{
    switch (role) {
    case TM_ROLE_Q:
        return "q";
    case TM_ROLE_K:
        return "k";
    case TM_ROLE_V:
        return "v";
    case TM_ROLE_O:
        return "o";
    case TM_ROLE_GATE:
        return "gate";
    case TM_ROLE_UP:
        return "up";
    case TM_ROLE_DOWN:
        return "down";
    default:
        return "head";
    }
}

/* The distinct shapes of a model's matrices; the head is always separate. */
static int model_shapes(const tm_config *config, shape *shapes)
{
    int n = 0;
    for (int role = 0; role < TM_ROLE_COUNT; role++) {
        bool head = role == TM_ROLE_HEAD;
        if (!head && !tm_role_is_linear((tm_role)role)) continue;
        shape s = {.head = head};
        tm_role_shape(config, (tm_role)role, &s.n_rows, &s.n_cols);
        int i = 0;
        while (i < n && (shapes[i].n_rows != s.n_rows || shapes[i].n_cols != s.n_cols ||
                         shapes[i].head != head))
            i++;
        if (i == n) shapes[n++] = s;
        size_t used = strlen(shapes[i].used_by);
        snprintf(shapes[i].used_by + used, sizeof shapes[i].used_by - used, "%s%s", used ? "," : "",
                 role_text((tm_role)role));
    }
    return n;
}

static tm_status append(tm_kernel_matrix *rows, const tm_kernel_matrix_row *row, tm_error *err)
{
    /* The capacity doubles when the count reaches a power of two. */
    if ((rows->n & (rows->n - 1)) == 0) {
        size_t room = rows->n ? 2 * (size_t)rows->n : 1;
        tm_kernel_matrix_row *more = realloc(rows->items, room * sizeof *more);
        if (!more) return tm_fail(err, TM_NOMEM, "no memory for %zu rows of kernels", room);
        rows->items = more;
    }
    rows->items[rows->n++] = *row;
    return TM_OK;
}

tm_status tm_kernel_matrix_add(tm_kernel_matrix *rows, const char *model, const tm_config *config,
                               const tm_kernel *const *kernels, int n_kernels, const int *tokens,
                               int n_tokens, bool warm, bool cold, tm_error *err)
{
    shape shapes[TM_ROLE_COUNT];
    int n_shapes = model_shapes(config, shapes);
    for (int s = 0; s < n_shapes; s++)
        for (int place = 0; place < 2; place++)
            for (int k = 0; k < n_kernels; k++)
                for (int t = 0; t < n_tokens; t++) {
                    if (place == 0 ? !warm : !cold) continue;
                    if (shapes[s].head && kernels[k]->format->ternary) continue;
                    tm_kernel_matrix_row row = {.kernel = kernels[k],
                                                .n_rows = shapes[s].n_rows,
                                                .n_cols = shapes[s].n_cols,
                                                .n_tokens = tokens[t],
                                                .cold = place == 1,
                                                .gbench_ns = NAN,
                                                .again_ns = NAN};
                    snprintf(row.model, sizeof row.model, "%s", model);
                    snprintf(row.used_by, sizeof row.used_by, "%s", shapes[s].used_by);
                    tm_status status = append(rows, &row, err);
                    if (status != TM_OK) return status;
                }
    return TM_OK;
}

void tm_kernel_matrix_free(tm_kernel_matrix *rows)
{
    free(rows->items);
    *rows = (tm_kernel_matrix){0};
}

double tm_kernel_matrix_estimate(const tm_kernel_matrix *rows,
                                 const tm_kernel_timer_options *options)
{
    double seconds = 0;
    for (int i = 0; i < rows->n; i++) {
        const tm_kernel_matrix_row *row = &rows->items[i], *last = i > 0 ? row - 1 : NULL;
        if (tm_kernel_available(row->kernel, NULL) != TM_OK) continue;
        seconds += fmax(options->seconds, 0.06) + 0.08; /* and the warm-up */
        int k = 0;
        while (k < i &&
               (rows->items[k].kernel != row->kernel || rows->items[k].n_cols != row->n_cols ||
                rows->items[k].n_tokens != row->n_tokens))
            k++;
        if (k == i) /* rows with the same columns share a check */
            seconds += 0.01 + 0.003 * fmin(row->n_tokens, 32) + 0.0005 * row->n_tokens;
        if (row->cold && (!last || last->kernel->format != row->kernel->format || !last->cold ||
                          last->n_rows != row->n_rows || last->n_cols != row->n_cols))
            seconds += 20e-9 * row->n_rows * row->n_cols + 0.5e-9 * (double)options->far_bytes;
    }
    return seconds;
}

/* --- running them --- */

/* A check and its outcome, which shapes and places share. */
typedef struct done_check {
    const tm_kernel *kernel;
    int n_rows, n_cols, n_tokens;
    tm_status status;
    char message[480];
} done_check;

struct tm_kernel_runner {
    const tm_kernel_timer_options *options;
    tm_kernel_matrix *rows;
    tm_pool *pool; /* one thread, pinned */
    tm_kernel_weights weights;
    int weights_rows; /* of the shape they are for; 0: none */
    bool weights_cold;
    tm_kernel_job job;
    int current; /* row of the job; -1: none */
    done_check *checks;
    int n_checks;
};

tm_status tm_kernel_runner_open(const tm_kernel_timer_options *options, tm_kernel_matrix *rows,
                                tm_kernel_runner **out, tm_error *err)
{
    *out = NULL;
    tm_kernel_runner *runner = calloc(1, sizeof *runner);
    done_check *checks = calloc((size_t)rows->n + 1, sizeof *checks);
    tm_pool_options one = {.n_threads = 1, .pin = true};
    tm_status status = TM_NOMEM;
    if (!runner || !checks) {
        (void)tm_fail(err, TM_NOMEM, "no memory for the checks of %d rows", rows->n);
        goto fail;
    }
    *runner = (tm_kernel_runner){.options = options, .rows = rows, .current = -1, .checks = checks};
    status = tm_pool_open(&one, &runner->pool, err);
    if (status != TM_OK) goto fail;
    *out = runner;
    return TM_OK;
fail:
    free(runner);
    free(checks);
    return status;
}

static void drop_job(tm_kernel_runner *runner)
{
    if (runner->current >= 0) tm_kernel_job_close(&runner->job);
    runner->current = -1;
}

static void drop_weights(tm_kernel_runner *runner)
{
    if (runner->weights_rows > 0) tm_kernel_weights_close(&runner->weights);
    runner->weights_rows = 0;
}

void tm_kernel_runner_close(tm_kernel_runner *runner)
{
    if (!runner) return;
    drop_job(runner);
    drop_weights(runner);
    tm_pool_close(runner->pool);
    free(runner->checks);
    free(runner);
}

/* All columns and tokens, at most check_rows rows. */
static tm_status check(tm_kernel_runner *runner, tm_kernel_matrix_row *row, tm_error *err)
{
    done_check want = {.kernel = row->kernel,
                       .n_rows = row->n_rows < runner->options->check_rows
                                     ? row->n_rows
                                     : runner->options->check_rows,
                       .n_cols = row->n_cols,
                       .n_tokens = row->n_tokens};
    done_check *c = runner->checks, *end = c + runner->n_checks;
    while (c < end && (c->kernel != want.kernel || c->n_rows != want.n_rows ||
                       c->n_cols != want.n_cols || c->n_tokens != want.n_tokens))
        c++;
    if (c == end) {
        tm_error why = {0};
        *c = want;
        c->status = tm_check_kernel(want.kernel, want.n_rows, want.n_cols, want.n_tokens,
                                    runner->options->seed, &why);
        snprintf(c->message, sizeof c->message, "%s", why.message);
        runner->n_checks++;
    }
    if (c->status == TM_OK || c->status == TM_CHECK) row->n_rows_checked = want.n_rows;
    return c->status == TM_OK ? TM_OK : tm_fail(err, c->status, "%s", c->message);
}

static tm_status open_job(tm_kernel_runner *runner, int index, tm_error *err)
{
    const tm_kernel_matrix_row *row = &runner->rows->items[index];
    if (runner->current == index) return TM_OK;
    drop_job(runner);
    const tm_kernel_weights *w = &runner->weights;
    if (runner->weights_rows != row->n_rows || runner->weights_cold != row->cold ||
        w->format != row->kernel->format || w->n_cols != row->n_cols) {
        drop_weights(runner);
        tm_status status =
            tm_kernel_weights_open(row->kernel->format, row->n_rows, row->n_cols, row->cold,
                                   runner->options, &runner->weights, err);
        if (status != TM_OK) return status;
        runner->weights_rows = row->n_rows;
        runner->weights_cold = row->cold;
    }
    tm_status status = tm_kernel_job_open(row->kernel, &runner->weights, row->n_tokens,
                                          runner->options->seed, &runner->job, err);
    if (status == TM_OK) runner->current = index;
    return status;
}

static tm_status first_time(tm_kernel_runner *runner, int index, tm_error *err)
{
    tm_kernel_matrix_row *row = &runner->rows->items[index];
    tm_status status = tm_kernel_available(row->kernel, err);
    if (status == TM_OK) status = check(runner, row, err);
    if (status == TM_OK) status = open_job(runner, index, err);
    if (status == TM_OK)
        status = tm_kernel_job_time(&runner->job, runner->options, &row->times, err);
    if (status != TM_OK) return status;
    row->bytes = tm_kernel_job_pass_bytes(&runner->job);
    row->macs = tm_kernel_job_pass_macs(&runner->job);
    row->weight_bytes = (double)runner->weights.copy_bytes * runner->weights.n_copies;
    return TM_OK;
}

tm_status tm_kernel_runner_ready(tm_kernel_runner *runner, int index, tm_error *err)
{
    tm_kernel_matrix_row *row = &runner->rows->items[index];
    if (!row->done) {
        tm_error why = {0};
        row->status = first_time(runner, index, &why);
        row->done = true;
        if (row->status != TM_OK) snprintf(row->reason, sizeof row->reason, "%s", why.message);
    }
    if (row->status != TM_OK) return tm_fail(err, row->status, "%s", row->reason);
    if (runner->current == index) return TM_OK;
    tm_status status = open_job(runner, index, err);
    if (status == TM_OK) runner->job.n_rows_pass = row->times.n_rows;
    return status;
}

/* --- Google Benchmark --- */

static void row_name(void *arg, int index, char *text, size_t size)
{
    const tm_kernel_runner *runner = arg;
    const tm_kernel_matrix_row *row = &runner->rows->items[index];
    if (tm_kernel_available(row->kernel, NULL) != TM_OK) {
        *text = 0;
        return;
    }
    /* The head is named: another matrix may have the same shape. */
    snprintf(text, size, "%s/%s%dx%d/%s/%d/%s", row->model,
             strcmp(row->used_by, "head") == 0 ? "head-" : "", row->n_rows, row->n_cols,
             row->kernel->name, row->n_tokens, row->cold ? "dram" : "cache");
}

static tm_status row_ready(void *arg, int index, tm_gbench_costs *costs, tm_error *err)
{
    tm_kernel_runner *runner = arg;
    const tm_kernel_matrix_row *row = &runner->rows->items[index];
    tm_status status = tm_kernel_runner_ready(runner, index, err);
    if (status == TM_OK) *costs = (tm_gbench_costs){.bytes = row->bytes, .items = row->macs};
    return status;
}

static void row_pass(void *arg)
{
    tm_kernel_job_pass(&((tm_kernel_runner *)arg)->job);
}

static void row_result(void *arg, int index, double ns)
{
    tm_kernel_runner *runner = arg;
    tm_kernel_matrix_row *row = &runner->rows->items[index];
    tm_error why = {0};
    row->gbench_ns = ns;
    if (tm_kernel_runner_ready(runner, index, &why) == TM_OK)
        row->again_ns = tm_kernel_job_time_again(&runner->job, runner->options, &row->times);
}

tm_status tm_kernel_runner_gbench(tm_kernel_runner *runner, tm_gbench_run *gbench,
                                  const char *const *flags, int n_flags, tm_gbench_display display,
                                  tm_error *err)
{
    const tm_gbench_rows rows = {.n = runner->rows->n,
                                 .arg = runner,
                                 .name = row_name,
                                 .ready = row_ready,
                                 .pass = row_pass,
                                 .result = row_result};
    for (int i = 0; i < rows.n; i++) { /* rows without a name need an outcome too */
        tm_error why = {0};
        if (tm_kernel_available(runner->rows->items[i].kernel, NULL) != TM_OK)
            (void)!tm_kernel_runner_ready(runner, i, &why);
    }
    return gbench(&rows, flags, n_flags, display, err);
}

/* --- results --- */

static bool timed(const tm_kernel_matrix_row *row)
{
    return row->done && row->status == TM_OK;
}

double tm_kernel_matrix_row_matrix_ns(const tm_kernel_matrix_row *row)
{
    if (!timed(row)) return NAN;
    double prepare = isnan(row->times.prepare_ns) ? 0 : row->times.prepare_ns;
    return row->times.ns * row->n_rows / row->times.n_rows + prepare;
}

double tm_kernel_matrix_row_timer_ratio(const tm_kernel_matrix_row *row)
{
    return timed(row) ? 2 * row->gbench_ns / (row->times.ns + row->again_ns) : NAN;
}

bool tm_kernel_matrix_row_timers_agree(const tm_kernel_matrix_row *row)
{
    return fabs(tm_kernel_matrix_row_timer_ratio(row) - 1) <= TM_TIMERS_LIMIT; /* false for NaN */
}

tm_json *tm_kernel_matrix_row_to_json(const tm_kernel_matrix_row *row)
{
    tm_json *json = tm_json_object();
    const tm_kernel_times *t = &row->times;
    bool ok = timed(row);
    const char *why = row->done ? row->reason : "not run";
    double macs_matrix = (double)row->n_rows * row->n_cols * row->n_tokens;
    tm_json_put_string(json, "model", row->model);
    tm_json_put_string(json, "used_by", row->used_by);
    tm_json_put_int(json, "n_rows", row->n_rows);
    tm_json_put_int(json, "n_cols", row->n_cols);
    tm_json_put_string(json, "kernel", row->kernel->name);
    tm_json_put_string(json, "format", row->kernel->format->name);
    tm_json_put_int(json, "tokens", row->n_tokens);
    tm_json_put_string(json, "weights_in", row->cold ? "dram" : "cache");
    tm_json_put_string(json, "status", row->done ? tm_status_name(row->status) : "not run");
    if (row->n_rows_checked > 0)
        tm_json_put_int(json, "rows_checked", row->n_rows_checked);
    else
        tm_json_put_missing(json, "rows_checked", why);
    tm_json_put_finite(json, "rows_timed", ok ? t->n_rows : NAN, why);
    tm_json_put_finite(json, "ns", ok ? t->ns : NAN, why);
    tm_json_put_finite(json, "ns_low", ok ? t->low_ns : NAN, why);
    tm_json_put_finite(json, "ns_high", ok ? t->high_ns : NAN, why);
    tm_json_put_int(json, "n_samples", ok ? t->n_samples : 0);
    tm_json_put_int(json, "passes_per_sample", ok ? t->n_passes : 0);
    tm_json_put_finite(json, "weight_bytes", ok ? row->weight_bytes : NAN, why);
    tm_json_put_finite(json, "weight_gb_per_second", ok ? row->bytes / t->ns : NAN, why);
    tm_json_put_finite(json, "gmac_per_second", ok ? row->macs / t->ns : NAN, why);
    tm_json_put_finite(json, "bits_per_weight",
                       ok ? 8 * row->bytes * row->n_tokens / row->macs : NAN, why);
    tm_json_put_finite(json, "prepare_ns", ok ? t->prepare_ns : NAN,
                       ok && !row->kernel->prepare ? "the kernel prepares nothing" : why);
    tm_json_put_finite(json, "matrix_ns", tm_kernel_matrix_row_matrix_ns(row), why);
    tm_json_put_finite(json, "matrix_gmac_per_second",
                       macs_matrix / tm_kernel_matrix_row_matrix_ns(row), why);
    if (ok && !isnan(row->gbench_ns)) {
        tm_json_put_number(json, "ns_again", row->again_ns);
        tm_json_put_number(json, "gbench_ns", row->gbench_ns);
        tm_json_put_number(json, "gbench_ratio", tm_kernel_matrix_row_timer_ratio(row));
        tm_json_put_bool(json, "timers_agree", tm_kernel_matrix_row_timers_agree(row));
    } else {
        tm_json_put_missing(json, "gbench_ns", ok ? "not timed by Google Benchmark" : why);
    }
    return json;
}
