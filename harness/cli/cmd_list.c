/* ternmark list: the names other commands take. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/probe/counter_group.h"
#include "harness/measure/shapes.h"
#include "harness/sweep/suite.h"
#include "kernels/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static tm_status list_models(tm_error *err)
{
    tm_shapes shapes;
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    printf("%-36s %14s %8s %6s %6s %10s  %s\n", "synth:NAME", "linear weights", "hidden", "ffn",
           "layers", "vocabulary", "shape printed in");
    for (int i = 0; i < shapes.n; i++) {
        const tm_shape *s = &shapes.items[i];
        char name[72];
        snprintf(name, sizeof name, "synth:%s", s->short_name[0] ? s->short_name : s->name);
        printf("%-36s %14" PRId64 " %8d %6d %6d %10d  %s\n", name, s->linear_weights,
               s->config.n_hidden, s->config.n_ffn, s->config.n_layers, s->config.n_vocab,
               s->source);
    }
    tm_shapes_free(&shapes);
    return TM_OK;
}

static tm_status list_suites(tm_error *err)
{
    for (const char *const *name = tm_suite_names(); *name; name++) {
        tm_suite suite;
        tm_status status = tm_suite_read(*name, &suite, err);
        if (status != TM_OK) return status;
        printf("%-10s %s\n", suite.name, suite.description);
    }
    return TM_OK;
}

static tm_status list_counters(tm_error *err)
{
    for (const char *const *name = tm_counter_group_names(); *name; name++) {
        tm_counter_group group;
        tm_status status = tm_counter_group_read(*name, &group, err);
        if (status != TM_OK) return status;
        printf("%-14s %s\n", group.name, group.about);
        for (int i = 0; i < group.n_events; i++)
            printf("    %-26s %s\n", group.events[i].name, group.events[i].papi);
        for (int i = 0; i < group.n_metrics; i++)
            printf("    %-26s = %s  [%s]\n", group.metrics[i].name, group.metrics[i].formula,
                   group.metrics[i].unit);
    }
    return TM_OK;
}

static void list_formats(void)
{
    printf("%-8s %8s  %-11s %s\n", "format", "bits/w", "activations", "source");
    for (const tm_format *const *f = tm_formats(); *f; f++) {
        const char *act = (*f)->act == TM_ACT_I8    ? "int8"
                          : (*f)->act == TM_ACT_F32 ? "float32"
                                                    : "int8 blocks";
        printf("%-8s %8.3f  %-11s %s\n", (*f)->name, (*f)->bits_per_weight, act, (*f)->source);
    }
}

int tm_cmd_list(int argc, char **argv)
{
    const tm_option options[] = {{0}};
    const tm_command command = {"list",
                                "models | suites | formats | counters",
                                "Lists the names other commands take.",
                                options,
                                1,
                                1};
    tm_error err = {0};
    const char *what = NULL;
    int n;
    bool help;
    tm_status status = tm_options_parse(&command, argc, argv, &what, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK) {
        if (strcmp(what, "models") == 0)
            status = list_models(&err);
        else if (strcmp(what, "suites") == 0)
            status = list_suites(&err);
        else if (strcmp(what, "formats") == 0)
            list_formats();
        else if (strcmp(what, "counters") == 0)
            status = list_counters(&err);
        else
            status =
                tm_fail(&err, TM_ARG, "\"%s\" is not models, suites, formats or counters", what);
    }
    return status == TM_OK ? 0 : tm_report_error("list", &err);
}
