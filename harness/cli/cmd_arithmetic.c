/* ternmark arithmetic: the published estimate of the energy of arithmetic. Nothing is measured. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/base/embedded.h"
#include "harness/measure/shapes.h"
#include "reports/published/arithmetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENERGIES   "results/published/energy_per_op.json"
#define PUBLISHED  "results/published/tables.jsonl"
#define SYNTH      "synth:"
#define MAX_MODELS 64

static tm_status find_data(const char *path, const tm_embedded **out, tm_error *err)
{
    *out = tm_embedded_find(path);
    if (*out) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "this build holds no %s: rebuild it from a whole checkout",
                   path);
}

/* What the formula needs of a shape, which is borrowed. */
static tm_arithmetic_shape view(const tm_shape *shape)
{
    return (tm_arithmetic_shape){.name = shape->name,
                                 .source = shape->source,
                                 .linear_weights = shape->linear_weights,
                                 .attention_width =
                                     (int64_t)shape->config.n_heads * shape->config.head_dim,
                                 .n_layers = shape->config.n_layers};
}

/* The shapes asked for by name, or all of them; names: [n]. out: room for all shapes and all names. */
static tm_status choose(const tm_shapes *shapes, const char *const *names, int n,
                        tm_arithmetic_shape *out, int *n_out, tm_error *err)
{
    *n_out = 0;
    for (int i = 0; n == 0 && i < shapes->n; i++) out[(*n_out)++] = view(&shapes->items[i]);
    for (int i = 0; i < n; i++) {
        const char *name =
            strncmp(names[i], SYNTH, strlen(SYNTH)) == 0 ? names[i] + strlen(SYNTH) : names[i];
        tm_config config; /* asked for its message, which names the nearest shape */
        tm_status status = tm_shape_config(name, &config, err);
        if (status != TM_OK) return status;
        out[(*n_out)++] = view(tm_shapes_find(shapes, name));
    }
    return TM_OK;
}

static tm_status read_data(tm_arithmetic *data, tm_published *published, tm_shapes *shapes,
                           tm_error *err)
{
    const tm_embedded *energies = NULL, *tables = NULL;
    tm_status status = find_data(ENERGIES, &energies, err);
    if (status == TM_OK) status = find_data(PUBLISHED, &tables, err);
    if (status == TM_OK)
        status = tm_arithmetic_parse(energies->text, energies->length, ENERGIES, data, err);
    if (status == TM_OK)
        status = tm_published_parse(tables->text, tables->length, PUBLISHED, published, err);
    if (status == TM_OK) status = tm_shapes_read(shapes, err);
    return status;
}

static tm_status write_estimates(const char *const *names, int n, tm_arithmetic_format format,
                                 tm_text *out, tm_error *err)
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
        status = chosen ? choose(&shapes, names, n, chosen, &n_chosen, err)
                        : tm_fail(err, TM_NOMEM, "no memory for %d shapes", shapes.n + n);
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

static tm_status read_format(const char *name, tm_arithmetic_format *out, tm_error *err)
{
    static const char *const names[] = {[TM_ARITHMETIC_TEXT] = "text",
                                        [TM_ARITHMETIC_MARKDOWN] = "md",
                                        [TM_ARITHMETIC_CSV] = "csv",
                                        [TM_ARITHMETIC_JSON] = "json",
                                        NULL};
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = (tm_arithmetic_format)i;
        return TM_OK;
    }
    return tm_fail(err, TM_ARG, "--output is \"%s\", not text, md, csv or json", name);
}

int tm_cmd_arithmetic(int argc, char **argv)
{
    const char *output = "text";
    const tm_option options[] = {
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FORMAT",
         "text, md, csv or json (default text)"},
        {0},
    };
    const tm_command command = {
        "arithmetic",
        "[options] [MODEL...]",
        "Estimates the energy of arithmetic as papers do: operations x energy per operation. "
        "Nothing\n"
        "is measured. Without MODEL: every estimate that was printed, beside the computed one.\n"
        "MODEL: a shape of `ternmark list models`.",
        options,
        0,
        MAX_MODELS};
    const char *names[MAX_MODELS];
    tm_arithmetic_format format = TM_ARITHMETIC_TEXT;
    tm_error err = {0};
    tm_text text = {0};
    int n;
    bool help;
    tm_status status = tm_options_parse(&command, argc, argv, names, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK) status = read_format(output, &format, &err);
    if (status == TM_OK) status = write_estimates(names, n, format, &text, &err);
    if (status == TM_OK) fputs(tm_text_string(&text), stdout);
    tm_text_free(&text);
    return status == TM_OK ? 0 : tm_report_error("arithmetic", &err);
}
