#include "harness/cli/cell_options.h"

#include <string.h>

#define S tm_cell_settings

const char *const tm_cell_kernel_names[] = {"auto", "ternary", "f16", "f32", "bf16",
#define TM_KERNEL(name) #name,
#if defined __x86_64__
#define TM_KERNEL_X86(name) #name,
#define TM_KERNEL_ARM(name)
#else
#define TM_KERNEL_X86(name)
#define TM_KERNEL_ARM(name) #name,
#endif
#include "kernels/kernels.def"
#undef TM_KERNEL
#undef TM_KERNEL_X86
#undef TM_KERNEL_ARM
                                            NULL};

const char *const tm_cell_kv_types[] = {"f16", "f32", NULL};

const char *const tm_cell_core_names[] = {TM_CORES_PERFORMANCE, TM_CORES_EFFICIENCY, TM_CORES_ALL,
                                          NULL};

const tm_option tm_cell_options[] = {
    {"model", "m", TM_LIST(S, models), "MODEL,...", .help = "measure GGUF files or synth:NAME",
     .is_required = true},
    {"prompt", "p", TM_LIST(S, prompts), "N,...",
     .help = "prompt tokens (default 512; 0: no prompt test)"},
    {"gen", "n", TM_LIST(S, generated), "N,...",
     .help = "generated tokens (default 128; 0: no generation test)"},
    {"threads", "t", TM_LIST(S, threads), "N,...",
     .help = "thread counts: numbers, ranges as 1-8*2, or all (default all)"},
    {"kernel", NULL, TM_LIST(S, kernels), "NAME,...",
     .help = "kernels, families or layouts (default auto)", .choices = tm_cell_kernel_names},
    {"quiet", "q", TM_FLAG(S, quiet), NULL, .help = TM_QUIET_HELP},
    {"threads-batch", "tb", TM_LIST(S, threads_batch), "N,...", .help = TM_THREADS_BATCH_HELP,
     .group = TM_CELLS_GROUP},
    {"cpus", NULL, TM_LIST(S, cpus), "LIST", .help = TM_CPUS_HELP, .group = TM_CELLS_GROUP},
    {"cores", NULL, TM_LIST(S, cores), "KIND,...", .help = TM_CORES_HELP,
     .choices = tm_cell_core_names, .group = TM_CELLS_GROUP},
    {"prompt-gen", "pg", TM_TEXT(S, both), "P,N;...",
     .help = "one test of P prompt and N generated tokens", .group = TM_CELLS_GROUP},
    {"depth", "d", TM_LIST(S, depths), "N,...",
     .help = "tokens in the KV cache before the test (default 0)", .group = TM_CELLS_GROUP},
    {"sequences", NULL, TM_LIST(S, sequences), "N,...",
     .help = "sequences to decode together; tokens/s are those of all (default 1)",
     .group = TM_CELLS_GROUP},
    {"head-kernel", NULL, TM_LIST(S, head_kernels), "NAME,...",
     .help = "kernels of the output head: q6_k, q8_0, f16 (default auto: as stored)",
     .group = TM_CELLS_GROUP},
    {"seed", NULL, TM_INTEGER(S, seed), "N", .help = TM_SEED_HELP, .group = TM_CELLS_GROUP,
     .high = TM_SEED_MAX},
    {"retune", NULL, TM_FLAG(S, retune), NULL, .help = TM_RETUNE_HELP, .group = TM_EXECUTION_GROUP},
    {"oversubscribe", NULL, TM_FLAG(S, oversubscribe), NULL, .help = TM_OVERSUBSCRIBE_HELP,
     .group = TM_EXECUTION_GROUP},
    {"counters", NULL, TM_TEXT(S, counters), "GROUP", .help = TM_COUNTERS_HELP,
     .group = TM_MORE_GROUP},
    {0},
};

tm_status tm_cell_add_cpus(const char *cpus, const char *cores, tm_suite *suite, tm_error *err)
{
    tm_status status = cores ? tm_suite_add_cores(suite, cores, err) : TM_OK;
    return status == TM_OK && cpus ? tm_suite_add_cpus(suite, cpus, err) : status;
}

tm_status tm_cell_fill_suite(const tm_cell_settings *s, tm_suite *suite, tm_error *err)
{
    tm_status status = tm_suite_add_models(suite, s->models, err);
    if (status == TM_OK) status = tm_suite_add_kernels(suite, s->kernels, err);
    if (status == TM_OK && s->head_kernels)
        status = tm_suite_add_head_kernels(suite, s->head_kernels, err);
    if (status == TM_OK) status = tm_suite_add_threads(suite, s->threads, err);
    if (status == TM_OK && s->threads_batch)
        status = tm_suite_add_threads_batch(suite, s->threads_batch, err);
    if (status == TM_OK) status = tm_cell_add_cpus(s->cpus, s->cores, suite, err);
    if (status == TM_OK)
        status = tm_suite_add_lengths(suite, s->prompts, s->generated, s->both, s->depths,
                                      s->sequences, err);
    return status == TM_OK && s->counters ? tm_suite_set_counters(suite, s->counters, err) : status;
}

tm_tuner tm_cell_choice(const tm_cell_settings *s, const char *build, const tm_machine *machine,
                        tm_progress *progress, const tm_interrupt *interrupt)
{
    return (tm_tuner){.build = build,
                      .machine = machine,
                      .seed = (uint64_t)s->seed,
                      .oversubscribe = s->oversubscribe,
                      .retune = s->retune,
                      .measure = true,
                      .interrupt = interrupt,
                      .note = s->quiet ? NULL : tm_progress_note,
                      .note_arg = progress};
}

tm_status tm_threads_of_text(const char *text, const tm_machine *machine, bool oversubscribe,
                             int *out, tm_error *err)
{
    int written = TM_THREADS_ALL, n;
    tm_error ignored;
    if (strcmp(text, "all") != 0 &&
        tm_parse_ints(text, "threads", 1, 4096, &written, 1, &n, &ignored) != TM_OK)
        return tm_fail(err, TM_ARG,
                       "--threads is \"%s\"; expected all or a whole number from 1 to 4096", text);
    return tm_plan_threads(written, machine, oversubscribe, out, err);
}
