/* ternmark kernels: every variant this build knows, why one cannot run here, and how fast each
 * is. */
#include "harness/cli/commands.h"
#include "harness/cli/cmd_kernels_bench.h"
#include "harness/base/json.h"
#include "kernels/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_status print_json(FILE *out, tm_error *err)
{
    tm_json *array = tm_json_array();
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error why = {0};
        char isa[96];
        bool available = tm_kernel_available(*k, &why) == TM_OK;
        tm_json *row = tm_json_object();
        tm_json_put_string(row, "name", (*k)->name);
        tm_json_put_string(row, "format", (*k)->format->name);
        tm_json_put_string(row, "isa", tm_isa_text((*k)->isa, isa, sizeof isa));
        tm_json_put_number(row, "bits_per_weight", (*k)->format->bits_per_weight);
        tm_json_put_bool(row, "exact", (*k)->tolerance == 0.0f);
        tm_json_put_number(row, "tolerance", (double)(*k)->tolerance);
        tm_json_put_bool(row, "available", available);
        tm_json_put_string(row, "reason", available ? "" : why.message);
        tm_json_put_string(row, "source", (*k)->source);
        tm_json_append(array, row);
    }
    return tm_print_json(out, array, err);
}

static void print_text(FILE *out)
{
    fprintf(out, "%-26s %-8s %-28s %8s  %s\n", "name", "format", "isa", "bits/w", "here");
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error why = {0};
        char isa[96];
        bool available = tm_kernel_available(*k, &why) == TM_OK;
        fprintf(out, "%-26s %-8s %-28s %8.2f  %s\n", (*k)->name, (*k)->format->name,
                tm_isa_text((*k)->isa, isa, sizeof isa), (*k)->format->bits_per_weight,
                available ? "yes" : why.message);
    }
}

typedef struct settings {
    bool bench;
    tm_kernels_request request;
} settings;

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    settings *s = arg;
    bool timing = s->bench || s->request.gbench;
    s->request.flags = call->arguments;
    s->request.n_flags = call->n_arguments;
    if (!timing && strcmp(call->format, "csv") == 0)
        return tm_fail(err, TM_ARG, "--format csv needs --bench or --gbench");
    if (call->n_arguments > 0 && !s->request.gbench)
        return tm_fail(err, TM_ARG,
                       "unexpected argument \"%s\"; only --gbench takes flags after --",
                       call->arguments[0]);
    if (timing) return tm_kernels_bench(&s->request, call, err);
    if (strcmp(call->format, "json") == 0) return print_json(call->out, err);
    print_text(call->out);
    return TM_OK;
}

static const tm_option rows[] = {
    {"bench", NULL, TM_FLAG(settings, bench), NULL,
     .help = "check, then time every kernel on the shapes of models, on one thread"},
    {"gbench", NULL, TM_FLAG(settings, request.gbench), NULL,
     .help = "also time with Google Benchmark, and compare the two timers"},
    {"model", "m", TM_LIST(settings, request.models), "MODEL,...",
     .help = "synth:SHAPE or a GGUF file (default synth:2B-4T)"},
    {"tokens", NULL, TM_LIST(settings, request.tokens), "N,...",
     .help = "batch sizes in tokens (default 1,8,32,128,512)"},
    {"kernel", NULL, TM_LIST(settings, request.kernels), "KERNEL,...",
     .help = "only these kernels or families (default: all)"},
    {"seconds", NULL, TM_NUMBER(settings, request.seconds), "SECONDS",
     .help = "timing per row (default 0.1)", .low = 1e-3, .high = 3600},
    {"cold", NULL, TM_FLAG(settings, request.cold), NULL,
     .help = "time only with weights in memory"},
    {"warm", NULL, TM_FLAG(settings, request.warm), NULL,
     .help = "time only with weights in cache"},
    {0},
};

const tm_command tm_command_kernels = {
    .name = "kernels",
    .synopsis = "[--bench | --gbench] [OPTIONS] [-- FLAGS of --gbench]",
    .summary = "list the kernels, or time them",
    .description = "Lists every kernel with its weight layout, its instruction set and the reason "
                   "if it cannot run "
                   "here. With --bench or --gbench, checks the kernels and times them.",
    .examples = "ternmark kernels\n"
                "ternmark kernels --bench --kernel i2r16,f16 --tokens 1",
    .formats = (const char *const[]){"text", "json", "csv", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .max_arguments = TM_COMMAND_ARGUMENTS_MAX,
    .settings_size = sizeof(settings),
    .defaults =
        &(const settings){
            .request = {.models = "synth:2B-4T", .tokens = "1,8,32,128,512", .seconds = 0.1}},
    .run = run,
};
