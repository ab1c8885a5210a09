/* The subcommands: each is int tm_cmd_NAME(int argc, char **argv), argv[0] its name, and returns the
 * program's exit status. */
#ifndef TM_HARNESS_CLI_COMMANDS_H
#define TM_HARNESS_CLI_COMMANDS_H

#define TM_COMMAND(name, summary) int tm_cmd_##name(int argc, char **argv);
#include "harness/cli/commands.def"
#undef TM_COMMAND

#endif
