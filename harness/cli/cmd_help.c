/* ternmark help: the list of commands, or one command with its options. */
#include "harness/cli/commands.h"
#include "harness/cli/help.h"

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const tm_command *command;
    (void)settings;
    if (call->n_arguments == 0) {
        tm_help_overview(call->out);
        return TM_OK;
    }
    tm_status status = tm_command_need(call->arguments[0], &command, err);
    if (status == TM_OK) tm_help_command(command, call->out);
    return status;
}

const tm_command tm_command_help = {
    .name = "help",
    .synopsis = "[COMMAND]",
    .summary = "list the commands, or the options of one",
    .description = "Lists the commands, or explains one of them.",
    .prints = true,
    .max_arguments = 1,
    .run = run,
};
