/* ternmark help: explains the commands; also writes the man pages and completion scripts. */
#include "harness/base/atomic_file.h"
#include "harness/cli/commands.h"
#include "harness/cli/completion.h"
#include "harness/cli/help.h"
#include "harness/cli/manual.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *completion, *share;
    bool man;
} settings;

/* Where each of tm_completion_shells looks below PREFIX/share. */
static const char *const scripts[] = {"bash-completion/completions/ternmark",
                                      "zsh/site-functions/_ternmark",
                                      "fish/vendor_completions.d/ternmark.fish"};

static tm_status write_one(const char *folder, const char *name, const char *shell,
                           const tm_command *command, tm_error *err)
{
    char path[PATH_MAX], *text = NULL;
    size_t n = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return tm_fail(err, TM_ARG, "%.100s...: the path is too long", folder);
    FILE *file = open_memstream(&text, &n);
    if (!file) return tm_fail(err, TM_NOMEM, "%s: no memory", path);
    if (shell)
        tm_completion_write(shell, file);
    else
        tm_manual_write(command, file);
    tm_status status = fclose(file) == 0 ? TM_OK : tm_fail(err, TM_NOMEM, "%s: no memory", path);
    if (status == TM_OK) status = tm_make_folders_of_file(path, err);
    if (status == TM_OK) status = tm_atomic_file_write(path, text, n, err);
    free(text);
    return status;
}

static tm_status write_share(const char *folder, tm_error *err)
{
    char name[96];
    tm_status status = write_one(folder, "man/man1/ternmark.1", NULL, NULL, err);
    for (const tm_command_entry *e = tm_commands(); e->group || e->command; e++) {
        if (!e->command || status != TM_OK) continue;
        snprintf(name, sizeof name, "man/man1/ternmark-%s.1", e->command->name);
        status = write_one(folder, name, NULL, e->command, err);
    }
    for (int i = 0; tm_completion_shells[i] && status == TM_OK; i++)
        status = write_one(folder, scripts[i], tm_completion_shells[i], NULL, err);
    return status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const tm_command *command = NULL;
    if (call->n_arguments > 0 && strcmp(call->arguments[0], "suite") == 0 && !s->man) {
        tm_help_suite(call->out);
        return TM_OK;
    }
    tm_status status =
        call->n_arguments > 0 ? tm_command_need(call->arguments[0], &command, err) : TM_OK;
    if (status != TM_OK) return status;
    if (s->share) return write_share(s->share, err);
    if (s->completion)
        tm_completion_write(s->completion, call->out);
    else if (s->man)
        tm_manual_write(command, call->out);
    else if (command)
        tm_help_command(command, call->out);
    else
        tm_help_overview(call->out);
    return TM_OK;
}

static const tm_option rows[] = {
    {"man", NULL, TM_FLAG(settings, man), NULL,
     .help = "print the man page of COMMAND, or that of ternmark"},
    {"completion", NULL, TM_CHOICE(settings, completion), "SHELL",
     .help = "print the completion script for a shell", .choices = tm_completion_shells},
    {"share", NULL, TM_DIR(settings, share), "DIR",
     .help = "write all man pages and completion scripts below DIR, as in /usr/local/share"},
    {0},
};

const tm_command tm_command_help = {
    .name = "help",
    .synopsis = "[OPTIONS] [COMMAND | suite]",
    .summary = "list the commands, or the options of one",
    .description =
        "Lists the commands, explains one of them, or (`help suite`) the format of suite "
        "files. Also prints man pages and shell completion, which `make install` "
        "installs.",
    .examples = "ternmark help bench\n"
                "ternmark help suite\n"
                "ternmark help --man bench | man -l -\n"
                "source <(ternmark help --completion bash)",
    .prints = true,
    .argument_names = tm_command_names,
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .run = run,
};
