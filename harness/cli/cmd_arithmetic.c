/* ternmark arithmetic: the published estimate of the energy of arithmetic. Nothing is measured. */
#include "harness/cli/commands.h"
#include "harness/measure/shapes.h"
#include "reports/output/table.h"
#include "reports/published/arithmetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYNTH      "synth:"
#define MAX_MODELS 64

/* The properties of a shape that the formula uses; borrows from it. */
static tm_arithmetic_shape shape_view(const tm_shape *shape)
{
    return (tm_arithmetic_shape){.name = shape->name,
                                 .source = shape->source,
                                 .linear_weights = shape->linear_weights,
                                 .attention_width =
                                     (int64_t)shape->config.n_heads * shape->config.head_dim,
                                 .n_layers = shape->config.n_layers};
}

/* Writes the shapes with the n names, or all shapes if n is 0, to `out`, which has room for
 * both. */
static tm_status choose_shapes(const tm_shapes *shapes, const char *const *names, int n,
                               tm_arithmetic_shape *out, int *n_out, tm_error *err)
{
    *n_out = 0;
    for (int i = 0; n == 0 && i < shapes->n; i++) out[(*n_out)++] = shape_view(&shapes->items[i]);
    for (int i = 0; i < n; i++) {
        const char *name =
            strncmp(names[i], SYNTH, strlen(SYNTH)) == 0 ? names[i] + strlen(SYNTH) : names[i];
        tm_config config; /* not used: the call fails with the nearest name */
        tm_status status = tm_shape_config(name, &config, err);
        if (status != TM_OK) return status;
        out[(*n_out)++] = shape_view(tm_shapes_find(shapes, name));
    }
    return TM_OK;
}

static tm_status read_data(tm_arithmetic *data, tm_published *published, tm_shapes *shapes,
                           tm_error *err)
{
    tm_status status = tm_arithmetic_load(data, err);
    if (status == TM_OK) status = tm_published_load(published, err);
    if (status == TM_OK) status = tm_shapes_read(shapes, err);
    return status;
}

static tm_status write_estimates(const char *const *names, int n, const char *format, tm_text *out,
                                 tm_error *err)
{
    tm_arithmetic data = {0};
    tm_published published = {0};
    tm_shapes shapes = {0};
    tm_arithmetic_rows rows = {0};
    tm_arithmetic_shape *chosen = NULL;
    int n_chosen = 0;
    tm_status status = read_data(&data, &published, &shapes, err);
    if (status == TM_OK) {
        chosen = calloc((size_t)shapes.n + (size_t)n, sizeof *chosen);
        status = chosen ? choose_shapes(&shapes, names, n, chosen, &n_chosen, err)
                        : tm_fail(err, TM_NOMEM, "out of memory for %d shapes", shapes.n + n);
    }
    if (status == TM_OK)
        status = n > 0 ? tm_arithmetic_estimate(&data, &published, chosen, n_chosen, &rows, err)
                       : tm_arithmetic_compare(&data, &published, chosen, n_chosen, &rows, err);
    if (status == TM_OK) status = tm_arithmetic_write(&data, &rows, format, out, err);
    tm_arithmetic_rows_free(&rows);
    free(chosen);
    tm_shapes_free(&shapes);
    tm_published_free(&published);
    tm_arithmetic_free(&data);
    return status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    tm_text text = {0};
    (void)settings;
    tm_status status =
        write_estimates(call->arguments, call->n_arguments, call->format, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    tm_text_free(&text);
    return status;
}

const tm_command tm_command_arithmetic = {
    .name = "arithmetic",
    .synopsis = "[OPTIONS] [MODEL...]",
    .summary = "estimate the energy of arithmetic as papers do (measures nothing)",
    .description =
        "Estimates the energy of a model's arithmetic as papers do: the number of operations times "
        "the energy of one. Nothing is measured.\n\n"
        "MODEL is a shape of `ternmark list models`. Without MODEL, every estimate that a paper "
        "printed is shown next to the computed one.",
    .examples = "ternmark arithmetic\n"
                "ternmark arithmetic synth:2B-4T --format json",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .max_arguments = MAX_MODELS,
    .run = run,
};
