/* ternmark tune: compares the kernels of a family on one model, as `--kernel auto` does once and
 * caches. */
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/machine/roofline.h"
#include "harness/measure/shapes.h"
#include "harness/sweep/plan.h"
#include "harness/tune/prefetch.h"
#include "harness/tune/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_text(FILE *out, const char *model, const tm_tune *tune)
{
    char text[640];
    fprintf(out,
            "%s, %d of %d layers, %d thread%s; a request has %d prompt and %d generated "
            "tokens\n\n",
            model, tune->n_layers, tune->of_layers, tune->n_threads, tm_plural(tune->n_threads),
            TM_TUNE_TOKENS, TM_TUNE_TOKENS);
    fprintf(out, "%-26s %16s %16s  %s\n", "kernel", "us/prompt token", "us/generated", "result");
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        fprintf(out, "%-26s ", c->kernel->name);
        if (isfinite(c->decode_ns))
            fprintf(out, "%16.1f %16.1f", c->prompt_ns * 1e-3, c->decode_ns * 1e-3);
        else
            fprintf(out, "%16s %16s", "-", "-");
        fprintf(out, "  %s\n", tm_tune_place_text(tune, i, text, sizeof text));
    }
    fprintf(out, "\nChosen: %s\n", tm_tune_why(tune, text, sizeof text));
}

typedef struct settings {
    const char *model, *family, *threads;
    int64_t seed;
    bool oversubscribe;
} settings;

static tm_status measure(const settings *s, tm_interrupt *interrupt, tm_tune *out, tm_error *err)
{
    tm_machine machine = {0};
    tm_source source;
    tm_status status = tm_source_open_name(s->model, (uint64_t)s->seed, &source, err);
    if (status != TM_OK) return status;
    tm_config config = source.config;
    tm_source_close(&source);
    char build[24];
    status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", &machine, err);
    if (status != TM_OK) return status;
    int n_threads;
    status = tm_threads_of_text(s->threads, &machine, s->oversubscribe, &n_threads, err);
    if (status != TM_OK) return status;
    tm_prefetch_choose(&(tm_tuner){.build = build, .machine = &machine, .measure = true},
                       &(tm_prefetch_choice){0});
    const tm_roofline_options limits = tm_roofline_options_for(&machine, &n_threads, 1);
    tm_tune_options options = {.config = &config,
                               .family = s->family,
                               .n_threads = n_threads,
                               .oversubscribe = s->oversubscribe,
                               .seed = (uint64_t)s->seed,
                               .cache_bytes = tm_roofline_caches(&limits, n_threads),
                               .available_bytes = machine.memory_available_bytes,
                               .interrupt = interrupt};
    status = tm_tune_measure(&options, out, err);
    return status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    tm_tune tune;
    tm_interrupt interrupt = tm_interrupt_open();
    tm_status status = measure(s, &interrupt, &tune, err);
    if (status == TM_INTERRUPTED) call->exit_status = tm_interrupt_exit_status(&interrupt);
    if (status != TM_OK) return status;
    if (strcmp(call->format, "json") == 0)
        return tm_print_json(call->out, tm_tune_to_json(&tune), err);
    print_text(call->out, s->model, &tune);
    return TM_OK;
}

static const tm_option rows[] = {
    {"model", "m", TM_FILE(settings, model), "MODEL", .help = "tune for a GGUF file or synth:SHAPE",
     .is_required = true},
    {"family", NULL, TM_TEXT(settings, family), "NAME",
     .help = "compare the kernels of a family or layout: ternary, f16, f32, i2r16 ... (default "
             "ternary)"},
    {"threads", "t", TM_TEXT(settings, threads), "N",
     .help = "run on N threads: a number, or all cores (default all)"},
    {"seed", NULL, TM_INTEGER(settings, seed), "N", .help = "seed for the weights (default 1)",
     .group = "Advanced", .high = TM_SEED_MAX},
    {"oversubscribe", NULL, TM_FLAG(settings, oversubscribe), NULL,
     .help = "allow more threads than CPUs", .group = "Advanced"},
    {0},
};

const tm_command tm_command_tune = {
    .name = "tune",
    .synopsis = "-m MODEL [OPTIONS]",
    .summary = "compare the kernels of a family on a model",
    .description =
        "Compares the kernels of a family on a few layers of a model, as --kernel auto does once "
        "per machine, build, shape and thread count. The outcome is not cached; `run --retune` and "
        "`bench --retune` renew the cached choice.",
    .examples = "ternmark tune -m synth:2B-4T -t 1",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.family = "ternary", .threads = "all", .seed = 1},
    .run = run,
};
