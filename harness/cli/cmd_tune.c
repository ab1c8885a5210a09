/* ternmark tune: the kernels of a family against each other on one model, as `--kernel auto` does once
 * and remembers. */
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/options.h"
#include "harness/sweep/plan.h"
#include "harness/tune/prefetch.h"
#include "harness/machine/roofline.h"
#include "harness/measure/shapes.h"
#include "harness/tune/tune.h"

#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_interrupted(void *arg)
{
    struct pollfd fd = {.fd = *(const int *)arg, .events = POLLIN};
    return fd.fd >= 0 && poll(&fd, 1, 0) > 0;
}

static void print_text(const char *model, const tm_tune *tune)
{
    printf("%s, %d of %d layers, %d thread%s: %d prompt tokens, then %d generated\n\n", model,
           tune->n_layers, tune->of_layers, tune->n_threads, tune->n_threads == 1 ? "" : "s",
           TM_TUNE_TOKENS, TM_TUNE_TOKENS);
    printf("%-26s %16s %16s %12s\n", "kernel", "us/prompt token", "us/generated", "of the best");
    double best = tm_tune_request_ns(&tune->candidates[tune->best]);
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        printf("%-26s ", c->kernel->name);
        if (isfinite(c->decode_ns))
            printf("%16.1f %16.1f %11.2fx", c->prompt_ns * 1e-3, c->decode_ns * 1e-3,
                   tm_tune_request_ns(c) / best);
        else
            printf("%16s %16s %12s", "-", "-", "-");
        printf("%s%s\n",
               i == tune->best ? "  chosen"
               : c->reason[0]  ? "  "
                               : "",
               i == tune->best ? "" : c->reason);
    }
}

static void print_json(const tm_tune *tune)
{
    tm_json *json = tm_tune_to_json(tune);
    char *text = tm_json_print(json, true);
    puts(text ? text : "{}");
    free(text);
    tm_json_free(json);
}

static tm_status measure(const char *model, const char *family, int64_t threads, uint64_t seed,
                         bool oversubscribe, int *interrupt_fd, tm_tune *out, tm_error *err)
{
    tm_machine env = {0};
    tm_source source;
    tm_status status = tm_source_open_name(model, seed, &source, err);
    if (status != TM_OK) return status;
    tm_config config = source.config;
    tm_source_close(&source);
    char build[24];
    status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", &env, err);
    if (status != TM_OK) return status;
    tm_prefetch_choose(&(tm_tuner){.build = build, .env = &env, .measure = true});
    int n_threads = threads > 0 ? (int)threads : env.n_cores;
    tm_tune_options options = {.config = &config,
                               .family = family,
                               .n_threads = n_threads,
                               .oversubscribe = oversubscribe,
                               .seed = seed,
                               .cache_bytes =
                                   tm_roofline_options_for(&env, &n_threads, 1).cache_bytes,
                               .available_bytes = env.memory_available_bytes,
                               .interrupted = is_interrupted,
                               .interrupted_arg = interrupt_fd};
    status = tm_tune_measure(&options, out, err);
    tm_machine_free(&env);
    return status;
}

int tm_cmd_tune(int argc, char **argv)
{
    const char *model = NULL, *family = "ternary", *output = "text";
    int64_t threads = 0, seed = 1;
    bool oversubscribe = false;
    const tm_option options[] = {
        {"model", "m", TM_OPTION_TEXT, &model, 0, 0, "MODEL", "synth:SHAPE or a GGUF file"},
        {"family", NULL, TM_OPTION_TEXT, &family, 0, 0, "NAME",
         "ternary (default), or a layout: f16, f32, i2r16 ..."},
        {"threads", "t", TM_OPTION_INT, &threads, 0, 4096, "N", "threads (0: all cores; default)"},
        {"seed", NULL, TM_OPTION_INT, &seed, 0, 9007199254740991.0, "N",
         "of the slice's weights (default 1)"},
        {"oversubscribe", NULL, TM_OPTION_FLAG, &oversubscribe, 0, 0, NULL,
         "allow more threads than CPUs"},
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FORMAT", "text or json (default text)"},
        {0},
    };
    const tm_command command = {
        "tune",
        "-m MODEL [options]",
        "Compares the kernels of a family on a slice of a model, as --kernel auto does once per\n"
        "machine, build, shape and thread count. The choice is not remembered: see --retune of run "
        "and "
        "bench.",
        options,
        0,
        0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    tm_tune tune;
    tm_status status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK && !model) status = tm_fail(&err, TM_ARG, "--model is missing");
    bool json = strcmp(output, "json") == 0;
    if (status == TM_OK && !json && strcmp(output, "text") != 0)
        status = tm_fail(&err, TM_ARG, "--output is \"%s\", not text or json", output);
    int interrupt_fd = tm_interrupt_open();
    if (status == TM_OK)
        status = measure(model, family, threads, (uint64_t)seed, oversubscribe, &interrupt_fd,
                         &tune, &err);
    if (status == TM_INTERRUPTED) return tm_interrupt_exit_status(interrupt_fd);
    if (status != TM_OK) return tm_report_error("tune", &err);
    if (json)
        print_json(&tune);
    else
        print_text(model, &tune);
    return 0;
}
