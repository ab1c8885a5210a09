/* The options that choose which cells to measure without a suite, shared by `bench` and `profile`.
 * Their short forms are llama-bench's. */
#ifndef TM_HARNESS_CLI_CELL_OPTIONS_H
#define TM_HARNESS_CLI_CELL_OPTIONS_H

#include "harness/base/interrupt.h"
#include "harness/cli/options.h"
#include "harness/cli/progress.h"
#include "harness/sweep/suite.h"
#include "harness/tune/tuner.h"

/* As given on the command line; lists that were not given and have no default are NULL. */
typedef struct tm_cell_settings {
    const char *models, *prompts, *generated, *both, *depths, *sequences, *threads, *kernels,
        *head_kernels, *counters, *threads_batch, *cpus, *cores;
    int64_t seed;
    bool oversubscribe, retune, quiet;
} tm_cell_settings;

#define TM_CELL_DEFAULTS                                                                           \
    {                                                                                              \
        .prompts = "512", .generated = "128", .threads = "all", .kernels = "auto", .seed = 1       \
    }

/* Offsets are those of tm_cell_settings. The first row is the model, which is required. */
extern const tm_option tm_cell_options[];

/* Kernels, families and layouts, to complete. */
extern const char *const tm_cell_kernel_names[];

/* Help and group of rows that `run` has too. */
#define TM_CELLS_GROUP        "Cells"
#define TM_EXECUTION_GROUP    "Execution"
#define TM_MORE_GROUP         "More to measure"
#define TM_THREADS_BATCH_HELP "thread counts of tests without generation (default: those of -t)"
#define TM_CPUS_HELP          "use only these CPUs, e.g. 0-3,8"
#define TM_CORES_HELP         "use only cores of a kind; several kinds are measured one by one"
#define TM_COUNTERS_HELP      "count the events of a group (see `list counters`) or file"
#define TM_PROFILE_HELP       "also profile every test after its repetitions (see `profile`)"
#define TM_RETUNE_HELP        "re-run kernel autotuning instead of using the cached choice"
#define TM_SEED_HELP          "seed for synthetic weights and token ids (default 1)"
#define TM_OVERSUBSCRIBE_HELP "allow more threads than CPUs"
#define TM_QUIET_HELP         "print no progress"

/* The row of --kv in a command's struct `type`; text: the default, as help prints it. */
#define TM_KV_OPTION(type, text)                                                                   \
    {                                                                                              \
        "kv", NULL, TM_CHOICE(type, kv), "TYPE",                                                   \
            .help = "element type of the KV cache (default " text ")", .choices = tm_cell_kv_types \
    }

/* Element types of the KV cache. */
extern const char *const tm_cell_kv_types[];

/* Kinds of cores, to complete. */
extern const char *const tm_cell_core_names[];

/* Adds the choices of --cpus and --cores, which may be NULL, to a suite. */
tm_status tm_cell_add_cpus(const char *cpus, const char *cores, tm_suite *suite,
                           tm_error *err) TM_MUST_USE;
/* Adds the axes and the counters to a suite. Errors: ARG (the part of a list that is wrong). */
tm_status tm_cell_fill_suite(const tm_cell_settings *settings, tm_suite *suite,
                             tm_error *err) TM_MUST_USE;
/* The tuner that picks a kernel where a name leaves several; build, machine and progress are
 * borrowed. */
tm_tuner tm_cell_choice(const tm_cell_settings *settings, const char *build,
                        const tm_machine *machine, tm_progress *progress,
                        const tm_interrupt *interrupt);

/* One number of threads: "all", or a number that this machine has. Errors: ARG. */
tm_status tm_threads_of_text(const char *text, const tm_machine *machine, bool oversubscribe,
                             int *out, tm_error *err) TM_MUST_USE;

#endif
