/* The options that say which cells to measure at once, without a suite: what `bench` and `profile` share,
 * with llama-bench's letters. */
#ifndef TM_HARNESS_CLI_CELL_OPTIONS_H
#define TM_HARNESS_CLI_CELL_OPTIONS_H

#include "harness/tune/tuner.h"
#include "harness/cli/options.h"
#include "harness/cli/progress.h"
#include "harness/sweep/suite.h"

/* As given; lists that were not are NULL where they have no default. */
typedef struct tm_cell_settings {
    const char *models, *prompts, *generated, *both, *depths, *sequences, *threads, *kernels,
        *head_kernels, *counters;
    int64_t seed;
    bool oversubscribe, retune, quiet;
} tm_cell_settings;

#define TM_CELL_OPTIONS 14

/* The defaults. */
void tm_cell_settings_init(tm_cell_settings *settings);
/* Puts the rows behind those of a command's table. */
void tm_cell_add_options(tm_option *options, tm_cell_settings *settings);

/* Adds the axes and the counters to a suite. Errors: ARG (no model; a part that is wrong). */
tm_status tm_cell_fill_suite(const tm_cell_settings *settings, tm_suite *suite,
                             tm_error *err) TM_MUST_USE;
/* How kernels are chosen where a name leaves several; build, env and progress are borrowed. */
tm_tuner tm_cell_choice(const tm_cell_settings *settings, const char *build, const tm_machine *env,
                        tm_progress *progress, int interrupt_fd);

#endif
