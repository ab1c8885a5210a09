/* The table of commands, in the order of `ternmark help`. */
#ifndef TM_HARNESS_CLI_COMMANDS_H
#define TM_HARNESS_CLI_COMMANDS_H

#include "harness/cli/command.h"

#define TM_COMMAND_GROUP(title)
#define TM_COMMAND(name) extern const tm_command tm_command_##name;
#include "harness/cli/commands.def"
#undef TM_COMMAND
#undef TM_COMMAND_GROUP

/* One entry of the list: the heading of a group, or a command. */
typedef struct tm_command_entry {
    const char *group; /* NULL: `command` is set */
    const tm_command *command;
} tm_command_entry;

/* Ended by an entry that has neither. */
const tm_command_entry *tm_commands(void);
/* All names, ended by NULL. */
const char *const *tm_command_names(void);
/* Errors: ARG with the nearest name. */
tm_status tm_command_need(const char *name, const tm_command **out, tm_error *err) TM_MUST_USE;

#endif
