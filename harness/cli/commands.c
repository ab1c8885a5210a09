#include "harness/cli/commands.h"

#include <string.h>

static const tm_command_entry entries[] = {
#define TM_GROUP(title)  {title, NULL},
#define TM_COMMAND(name) {NULL, &tm_command_##name},
#include "harness/cli/commands.def"
#undef TM_COMMAND
#undef TM_GROUP
    {NULL, NULL}};
enum { N_ENTRIES = sizeof entries / sizeof entries[0] - 1 };

const tm_command_entry *tm_commands(void)
{
    return entries;
}

const tm_command *tm_command_find(const char *name)
{
    for (int i = 0; i < N_ENTRIES; i++)
        if (entries[i].command && strcmp(entries[i].command->name, name) == 0)
            return entries[i].command;
    return NULL;
}

tm_status tm_command_need(const char *name, const tm_command **out, tm_error *err)
{
    const char *names[N_ENTRIES + 1];
    int n = 0;
    *out = tm_command_find(name);
    if (*out) return TM_OK;
    for (int i = 0; i < N_ENTRIES; i++)
        if (entries[i].command) names[n++] = entries[i].command->name;
    names[n] = NULL;
    const char *nearest = tm_nearest_name(name, names);
    return tm_fail(err, TM_ARG, "unknown command \"%s\"%s%s%s; use --help to list the commands",
                   name, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                   nearest ? "\"?" : "");
}
