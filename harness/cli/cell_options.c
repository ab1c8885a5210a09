#include "harness/cli/cell_options.h"

void tm_cell_settings_init(tm_cell_settings *s)
{
    *s = (tm_cell_settings){
        .prompts = "512", .generated = "128", .threads = "all", .kernels = "auto", .seed = 1};
}

void tm_cell_add_options(tm_option *options, tm_cell_settings *s)
{
    const tm_option rows[TM_CELL_OPTIONS] = {
        {"model", "m", TM_OPTION_TEXT, &s->models, 0, 0, "MODEL,...", "GGUF files or synth:NAME"},
        {"prompt", "p", TM_OPTION_TEXT, &s->prompts, 0, 0, "N,...",
         "prompt tokens (default 512; 0: none)"},
        {"gen", "n", TM_OPTION_TEXT, &s->generated, 0, 0, "N,...",
         "generated tokens (default 128; 0: none)"},
        {"prompt-gen", "pg", TM_OPTION_TEXT, &s->both, 0, 0, "P,N;...",
         "a prompt and then generation, as one test"},
        {"depth", "d", TM_OPTION_TEXT, &s->depths, 0, 0, "N,...",
         "tokens in the KV cache before (default 0)"},
        {"sequences", NULL, TM_OPTION_TEXT, &s->sequences, 0, 0, "N,...",
         "decode so many together, tokens/s of all (default 1)"},
        {"threads", "t", TM_OPTION_TEXT, &s->threads, 0, 0, "N,...",
         "thread counts, ranges a-b*2, or all (default)"},
        {"kernel", NULL, TM_OPTION_TEXT, &s->kernels, 0, 0, "NAME,...",
         "kernels or layouts (default auto)"},
        {"head-kernel", NULL, TM_OPTION_TEXT, &s->head_kernels, 0, 0, "NAME,...",
         "of the output head: q6_k, q8_0, f16 (default auto: as stored)"},
        {"counters", NULL, TM_OPTION_TEXT, &s->counters, 0, 0, "GROUP",
         "also take counters: list counters, or a file"},
        {"seed", NULL, TM_OPTION_INT, &s->seed, 0, 9e15, "N",
         "of synthetic weights and tokens (default 1)"},
        {"oversubscribe", NULL, TM_OPTION_FLAG, &s->oversubscribe, 0, 0, NULL,
         "allow more threads than CPUs"},
        {"retune", NULL, TM_OPTION_FLAG, &s->retune, 0, 0, NULL,
         "compare kernels again where a name such as auto or f16 leaves a choice"},
        {"quiet", "q", TM_OPTION_FLAG, &s->quiet, 0, 0, NULL, "no progress"}};
    tm_options_append(options, rows, TM_CELL_OPTIONS);
}

tm_status tm_cell_fill_suite(const tm_cell_settings *s, tm_suite *suite, tm_error *err)
{
    if (!s->models) return tm_fail(err, TM_ARG, "--model is missing");
    tm_status status = tm_suite_add_models(suite, s->models, err);
    if (status == TM_OK) status = tm_suite_add_kernels(suite, s->kernels, err);
    if (status == TM_OK && s->head_kernels)
        status = tm_suite_add_head_kernels(suite, s->head_kernels, err);
    if (status == TM_OK) status = tm_suite_add_threads(suite, s->threads, err);
    if (status == TM_OK)
        status = tm_suite_add_lengths(suite, s->prompts, s->generated, s->both, s->depths,
                                      s->sequences, err);
    return status == TM_OK && s->counters ? tm_suite_set_counters(suite, s->counters, err) : status;
}

tm_tuner tm_cell_choice(const tm_cell_settings *s, const char *build, const tm_machine *env,
                        tm_progress *progress, int interrupt_fd)
{
    return (tm_tuner){.build = build,
                      .env = env,
                      .seed = (uint64_t)s->seed,
                      .oversubscribe = s->oversubscribe,
                      .retune = s->retune,
                      .measure = true,
                      .interrupt_fd = interrupt_fd,
                      .note = s->quiet ? NULL : tm_progress_note,
                      .note_arg = progress};
}
