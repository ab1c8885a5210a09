/* The man pages, from the same rows as --help: ternmark(1) and one page per command, in man(7)
 * macros. */
#ifndef TM_HARNESS_CLI_MANUAL_H
#define TM_HARNESS_CLI_MANUAL_H

#include "harness/cli/command.h"

/* command NULL: the page of the program itself. */
void tm_manual_write(const tm_command *command, FILE *out);

#endif
