#include "harness/cli/completion.h"

#include "harness/cli/commands.h"
#include "harness/cli/help.h"

#include <string.h>

const char *const tm_completion_shells[] = {"bash", "zsh", "fish", NULL};

/* Text between single quotes; `special` characters get a backslash. */
static void put_quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr(special, *text))
            fprintf(out, "\\%c", *text);
        else
            putc(*text, out);
    }
}

static void put_names(FILE *out, const char *const *names)
{
    for (int i = 0; names && names[i]; i++) fprintf(out, "%s%s", i ? " " : "", names[i]);
}

typedef void write_command(const tm_command *command, const tm_option *rows, int n, FILE *out);

static void for_each_command(write_command *write, FILE *out)
{
    for (const tm_command_entry *e = tm_commands(); e->group || e->command; e++) {
        tm_option rows[TM_COMMAND_OPTIONS_MAX];
        if (!e->command || e->command->is_internal) continue;
        write(e->command, rows, tm_command_options(e->command, rows), out);
    }
}

static bool takes_path(const tm_option *row)
{
    return row->kind == TM_OPTION_FILE || row->kind == TM_OPTION_DIR;
}

static void put_arguments(const tm_command *command, FILE *out)
{
    if (command->argument_names) put_names(out, command->argument_names());
}

static void bash_name(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    (void)rows;
    (void)n;
    fprintf(out, "%s ", command->name);
}

static void bash_values(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    for (int i = 0; i < n; i++) {
        const tm_option *row = &rows[i];
        if (row->kind == TM_OPTION_FLAG) continue;
        fprintf(out, "    '%s --%s'", command->name, row->name);
        if (row->letters) fprintf(out, " | '%s -%s'", command->name, row->letters);
        if (takes_path(row)) {
            fprintf(out, ") compopt -o filenames; COMPREPLY=($(compgen -%c -- \"$cur\")) ;;\n",
                    row->kind == TM_OPTION_DIR ? 'd' : 'f');
        } else {
            fputs(") words='", out);
            put_names(out, row->choices);
            fputs("' ;;\n", out);
        }
    }
}

static void bash_options(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    fprintf(out, "    %s)\n        options='", command->name);
    for (int i = 0; i < n; i++) fprintf(out, "--%s ", rows[i].name);
    fputs("--help'\n        words='", out);
    put_arguments(command, out);
    fprintf(out, "'%s ;;\n", command->argument_is_file ? " files=yes" : "");
}

static void write_bash(FILE *out)
{
    fputs("# bash completion for ternmark; written by `ternmark help --completion bash`\n"
          "_ternmark() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    local command=${COMP_WORDS[1]} words='' options='' files=no\n"
          "    COMPREPLY=()\n"
          "    if [ \"$prev\" = = ]; then # --option=value\n"
          "        prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    elif [ \"$cur\" = = ]; then\n"
          "        cur=''\n"
          "    fi\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W '",
          out);
    for_each_command(bash_name, out);
    fputs("--help --version' -- \"$cur\"))\n"
          "        return\n"
          "    fi\n"
          "    case \"$command $prev\" in\n",
          out);
    for_each_command(bash_values, out);
    fputs("    *) options=yes ;;\n"
          "    esac\n"
          "    if [ -z \"$options\" ]; then # the value of an option\n"
          "        local before='' # the items of a list before its last comma\n"
          "        case $cur in *,*) before=${cur%,*}, ;; esac\n"
          "        [ -z \"$words\" ] ||\n"
          "            COMPREPLY=($(compgen -P \"$before\" -W \"$words\" -- \"${cur##*,}\"))\n"
          "        return\n"
          "    fi\n"
          "    case $command in\n",
          out);
    for_each_command(bash_options, out);
    fputs("    *) return ;;\n"
          "    esac\n"
          "    case $cur in\n"
          "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\")) ;;\n"
          "    *)\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "        if [ $files = yes ]; then\n"
          "            compopt -o filenames\n"
          "            COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
          "        fi\n"
          "        ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _ternmark ternmark\n",
          out);
}

#define ZSH_SPECIAL "\\[]:"

static void zsh_description(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    (void)rows;
    (void)n;
    fprintf(out, "    '%s:", command->name);
    put_quoted(out, command->summary, ZSH_SPECIAL);
    fputs("'\n", out);
}

static void zsh_option(const tm_option *row, FILE *out)
{
    char help[512];
    bool takes_value = row->kind != TM_OPTION_FLAG;
    fputs("      ", out);
    if (row->letters)
        fprintf(out, "'(-%s --%s)'{-%s,--%s%s}'[", row->letters, row->name, row->letters, row->name,
                takes_value ? "=" : "");
    else
        fprintf(out, "'--%s%s[", row->name, takes_value ? "=" : "");
    put_quoted(out, tm_help_of_option(row, help, sizeof help), ZSH_SPECIAL);
    putc(']', out);
    if (takes_value) {
        putc(':', out);
        put_quoted(out, row->value, ZSH_SPECIAL);
        putc(':', out);
        if (row->kind == TM_OPTION_DIR) {
            fputs("_files -/", out);
        } else if (row->kind == TM_OPTION_FILE) {
            fputs("_files", out);
        } else if (row->choices) {
            fputs(row->kind == TM_OPTION_CHOICE ? "(" : "_sequence compadd - ", out);
            put_names(out, row->choices);
            if (row->kind == TM_OPTION_CHOICE) putc(')', out);
        }
    }
    fputs("' \\\n", out);
}

static void zsh_command(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    fprintf(out, "  %s)\n    _arguments \\\n", command->name);
    for (int i = 0; i < n; i++) zsh_option(&rows[i], out);
    fputs("      '(-h --help)'{-h,--help}'[print help]'", out);
    if (command->argument_names) {
        fputs(" \\\n      '1:name:(", out);
        put_arguments(command, out);
        fputs(")'", out);
    }
    if (command->argument_is_file) fputs(" \\\n      '*:file:_files'", out);
    fputs("\n    ;;\n", out);
}

static void write_zsh(FILE *out)
{
    fputs("#compdef ternmark\n"
          "# zsh completion for ternmark; written by `ternmark help --completion zsh`\n"
          "_ternmark() {\n"
          "  local -a commands\n"
          "  commands=(\n",
          out);
    for_each_command(zsh_description, out);
    fputs("  )\n"
          "  if (( CURRENT == 2 )); then\n"
          "    _describe -t commands command commands\n"
          "    return\n"
          "  fi\n"
          "  local command=$words[2]\n"
          "  shift words\n"
          "  (( CURRENT-- ))\n"
          "  case $command in\n",
          out);
    for_each_command(zsh_command, out);
    fputs("  esac\n"
          "}\n"
          "if [ \"$funcstack[1]\" = _ternmark ]; then\n"
          "  _ternmark \"$@\"\n"
          "else\n"
          "  compdef _ternmark ternmark\n"
          "fi\n",
          out);
}

static void fish_option(const tm_command *command, const tm_option *row, FILE *out)
{
    char help[512];
    fprintf(out, "complete -c ternmark -n '__fish_seen_subcommand_from %s' -l %s", command->name,
            row->name);
    if (row->letters) fprintf(out, " -%c %s", strlen(row->letters) == 1 ? 's' : 'o', row->letters);
    if (row->kind == TM_OPTION_FILE)
        fputs(" -r -F", out);
    else if (row->kind == TM_OPTION_DIR)
        fputs(" -x -a '(__fish_complete_directories)'", out);
    else if (row->kind != TM_OPTION_FLAG)
        fputs(" -x", out);
    if (row->choices) {
        fputs(" -a '", out);
        put_names(out, row->choices);
        putc('\'', out);
    }
    fputs(" -d '", out);
    put_quoted(out, tm_help_of_option(row, help, sizeof help), "");
    fputs("'\n", out);
}

static void fish_command(const tm_command *command, const tm_option *rows, int n, FILE *out)
{
    fprintf(out, "complete -c ternmark -n __fish_use_subcommand -a %s -d '", command->name);
    put_quoted(out, command->summary, "");
    fputs("'\n", out);
    for (int i = 0; i < n; i++) fish_option(command, &rows[i], out);
    if (command->argument_names) {
        fprintf(out, "complete -c ternmark -n '__fish_seen_subcommand_from %s' -a '",
                command->name);
        put_arguments(command, out);
        fputs("'\n", out);
    }
    if (command->argument_is_file)
        fprintf(out, "complete -c ternmark -n '__fish_seen_subcommand_from %s' -F\n",
                command->name);
}

static void write_fish(FILE *out)
{
    fputs("# fish completion for ternmark; written by `ternmark help --completion fish`\n"
          "complete -c ternmark -f\n"
          "complete -c ternmark -l help -s h -d 'print help'\n"
          "complete -c ternmark -n __fish_use_subcommand -l version -s V -d 'print the version'\n",
          out);
    for_each_command(fish_command, out);
}

void tm_completion_write(const char *shell, FILE *out)
{
    if (strcmp(shell, "bash") == 0)
        write_bash(out);
    else if (strcmp(shell, "zsh") == 0)
        write_zsh(out);
    else
        write_fish(out);
}
