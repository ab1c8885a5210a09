#include "harness/cli/commands.h"

#include <string.h>

static const tm_command_entry entries[] = {
#define TM_COMMAND_GROUP(title) {title, NULL},
#define TM_COMMAND(name)        {NULL, &tm_command_##name},
#include "harness/cli/commands.def"
#undef TM_COMMAND
#undef TM_COMMAND_GROUP
    {NULL, NULL}};
enum { N_ENTRIES = sizeof entries / sizeof entries[0] - 1 };

const tm_command_entry *tm_commands(void)
{
    return entries;
}

const char *const *tm_command_names(void)
{
    static const char *const names[] = {
#define TM_COMMAND_GROUP(title)
#define TM_COMMAND(name) #name,
#include "harness/cli/commands.def"
#undef TM_COMMAND
#undef TM_COMMAND_GROUP
        NULL};
    return names;
}

tm_status tm_command_need(const char *name, const tm_command **out, tm_error *err)
{
    for (int i = 0; i < N_ENTRIES; i++)
        if (entries[i].command && strcmp(entries[i].command->name, name) == 0) {
            *out = entries[i].command;
            return TM_OK;
        }
    return tm_unknown_name(err, "command", name, tm_command_names());
}
