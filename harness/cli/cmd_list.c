/* ternmark list: the names that other commands take. */
#include "harness/base/embedded.h"
#include "harness/cli/commands.h"
#include "harness/measure/shapes.h"
#include "harness/probe/counter_group.h"
#include "harness/sweep/suite.h"
#include "kernels/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static tm_status list_models(FILE *out, tm_error *err)
{
    tm_shapes shapes;
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    fprintf(out, "%-36s %14s %8s %6s %6s %10s  %s\n", "synth:NAME", "linear weights", "hidden",
            "ffn", "layers", "vocabulary", "shape printed in");
    for (int i = 0; i < shapes.n; i++) {
        const tm_shape *s = &shapes.items[i];
        char name[72];
        snprintf(name, sizeof name, "synth:%s", s->short_name[0] ? s->short_name : s->name);
        fprintf(out, "%-36s %14" PRId64 " %8d %6d %6d %10d  %s", name, s->linear_weights,
                s->config.n_hidden, s->config.n_ffn, s->config.n_layers, s->config.n_vocab,
                s->source);
        if (!s->is_supported)
            fprintf(out, " (cannot run yet: architecture %s is not supported)", s->architecture);
        fprintf(out, "\n");
    }
    tm_shapes_free(&shapes);
    return TM_OK;
}

static tm_status list_suites(FILE *out, tm_error *err)
{
    for (const char *const *name = tm_suite_names(); *name; name++) {
        tm_suite suite;
        tm_status status = tm_suite_read(*name, &suite, err);
        if (status != TM_OK) return status;
        fprintf(out, "%-10s %s\n", suite.name, suite.description);
    }
    return TM_OK;
}

/* The file of a built-in suite, to copy and change. */
static tm_status print_suite(FILE *out, const char *name, tm_error *err)
{
    char path[128];
    snprintf(path, sizeof path, "workloads/suites/%s.json", name);
    const tm_embedded *file = tm_embedded_find(path);
    if (!file) return tm_unknown_name(err, "suite", name, tm_suite_names());
    fwrite(file->text, 1, file->length, out);
    return TM_OK;
}

static tm_status list_counters(FILE *out, tm_error *err)
{
    for (const char *const *name = tm_counter_group_names(); *name; name++) {
        tm_counter_group group;
        tm_status status = tm_counter_group_read(*name, &group, err);
        if (status != TM_OK) return status;
        fprintf(out, "%-14s %s\n", group.name, group.about);
        for (int i = 0; i < group.n_events; i++)
            fprintf(out, "    %-26s %s\n", group.events[i].name, group.events[i].papi);
        for (int i = 0; i < group.n_metrics; i++)
            fprintf(out, "    %-26s = %s  [%s]\n", group.metrics[i].name, group.metrics[i].formula,
                    group.metrics[i].unit);
    }
    return TM_OK;
}

static void list_formats(FILE *out)
{
    fprintf(out, "%-8s %8s  %-11s %s\n", "format", "bits/w", "activations", "source");
    for (const tm_format *const *f = tm_formats(); *f; f++) {
        const char *act = (*f)->act == TM_ACT_I8    ? "int8"
                          : (*f)->act == TM_ACT_F32 ? "float32"
                                                    : "int8 blocks";
        fprintf(out, "%-8s %8.3f  %-11s %s\n", (*f)->name, (*f)->bits_per_weight, act,
                (*f)->source);
    }
}

static const char *const *kinds(void)
{
    static const char *const names[] = {"models", "suites", "formats", "counters", NULL};
    return names;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const char *kind = call->arguments[0];
    char names[96];
    (void)settings;
    if (call->n_arguments > 1 && strcmp(kind, "suites") != 0)
        return tm_fail(err, TM_ARG, "list %s takes no name; only `list suites NAME` does", kind);
    if (call->n_arguments > 1) return print_suite(call->out, call->arguments[1], err);
    if (strcmp(kind, "models") == 0) return list_models(call->out, err);
    if (strcmp(kind, "suites") == 0) return list_suites(call->out, err);
    if (strcmp(kind, "counters") == 0) return list_counters(call->out, err);
    if (strcmp(kind, "formats") != 0)
        return tm_fail(err, TM_ARG, "cannot list \"%s\"; expected %s", kind,
                       tm_names_text(kinds(), names, sizeof names));
    list_formats(call->out);
    return TM_OK;
}

const tm_command tm_command_list = {
    .name = "list",
    .synopsis = "models | suites [NAME] | formats | counters",
    .summary = "list models, suites, weight formats or counter groups",
    .description =
        "Lists the names that other commands accept: built-in model shapes, suites, weight "
        "formats, or groups of hardware counters. `list suites NAME` prints the JSON of a built-in "
        "suite.",
    .examples = "ternmark list models\n"
                "ternmark list suites quick >mine.json",
    .prints = true,
    .argument_names = kinds,
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run,
};
