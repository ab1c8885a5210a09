/* ternmark kernels: every variant this build knows, why one cannot run here, and how fast each is. */
#include "harness/cli/commands.h"
#include "harness/cli/cmd_kernels_bench.h"
#include "harness/cli/options.h"
#include "harness/base/json.h"
#include "kernels/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGUMENTS 64

static void print_json(void)
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
    char *text = tm_json_print(array, true);
    puts(text ? text : "[]");
    free(text);
    tm_json_free(array);
}

static void print_text(void)
{
    printf("%-26s %-8s %-28s %8s  %s\n", "name", "format", "isa", "bits/w", "here");
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error why = {0};
        char isa[96];
        bool available = tm_kernel_available(*k, &why) == TM_OK;
        printf("%-26s %-8s %-28s %8.2f  %s\n", (*k)->name, (*k)->format->name,
               tm_isa_text((*k)->isa, isa, sizeof isa), (*k)->format->bits_per_weight,
               available ? "yes" : why.message);
    }
}

int tm_cmd_kernels(int argc, char **argv)
{
    bool bench = false;
    const char *arguments[MAX_ARGUMENTS];
    tm_kernels_request request = {.models = "synth:2B-4T",
                                  .tokens = "1,8,32,128,512",
                                  .seconds = 0.1,
                                  .flags = arguments,
                                  .output = "text"};
    const tm_option options[] = {
        {"bench", NULL, TM_OPTION_FLAG, &bench, 0, 0, NULL,
         "check, then time every kernel on the shapes of models, on one thread"},
        {"gbench", NULL, TM_OPTION_FLAG, &request.gbench, 0, 0, NULL,
         "the same under Google Benchmark too, and whether the two timers agree"},
        {"model", "m", TM_OPTION_TEXT, &request.models, 0, 0, "MODEL,...",
         "synth:SHAPE or a GGUF file (default synth:2B-4T)"},
        {"tokens", NULL, TM_OPTION_TEXT, &request.tokens, 0, 0, "N,...",
         "tokens at once (default 1,8,32,128,512)"},
        {"kernel", NULL, TM_OPTION_TEXT, &request.kernels, 0, 0, "KERNEL,...",
         "only these kernels or families (default: all)"},
        {"seconds", NULL, TM_OPTION_REAL, &request.seconds, 1e-3, 3600, "S",
         "timing of one row (default 0.1)"},
        {"cold", NULL, TM_OPTION_FLAG, &request.cold, 0, 0, NULL, "only from memory"},
        {"warm", NULL, TM_OPTION_FLAG, &request.warm, 0, 0, NULL, "only in cache"},
        {"output", "o", TM_OPTION_TEXT, &request.output, 0, 0, "FORMAT",
         "text or json, with --bench and --gbench also csv (default text)"},
        {0},
    };
    const tm_command command = {
        "kernels",
        "[-o text|json] [--bench | --gbench] [options] [-- FLAGS of --gbench]",
        "Lists every kernel with its weight layout and instruction set, or "
        "times them.",
        options,
        0,
        MAX_ARGUMENTS};
    tm_error err = {0};
    bool help;
    if (tm_options_parse(&command, argc, argv, arguments, &request.n_flags, &help, &err) != TM_OK)
        return tm_report_error("kernels", &err);
    if (help) return 0;
    bool timing = bench || request.gbench, json = strcmp(request.output, "json") == 0;
    if (!json && strcmp(request.output, "text") != 0 &&
        !(timing && strcmp(request.output, "csv") == 0)) {
        (void)tm_fail(&err, TM_ARG, "--output is \"%s\", not text or json%s", request.output,
                      timing ? ", or csv" : "");
        return tm_report_error("kernels", &err);
    }
    if (request.n_flags > 0 && !request.gbench) {
        (void)tm_fail(&err, TM_ARG, "unexpected argument \"%s\"; flags belong to --gbench",
                      arguments[0]);
        return tm_report_error("kernels", &err);
    }
    if (timing) return tm_kernels_bench(&request);
    if (json)
        print_json();
    else
        print_text();
    return 0;
}
