/* Completion scripts for bash, zsh and fish, from the same rows as --help. */
#ifndef TM_HARNESS_CLI_COMPLETION_H
#define TM_HARNESS_CLI_COMPLETION_H

#include "harness/cli/command.h"

/* "bash", "zsh" and "fish", ended by NULL. */
extern const char *const tm_completion_shells[];

/* shell: one of them. */
void tm_completion_write(const char *shell, FILE *out);

#endif
