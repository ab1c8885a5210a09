/* The program: finds the subcommand and hands over. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/tune/prefetch.h"
#include "harness/base/version.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
#define TM_COMMAND(name, summary) {#name, summary, tm_cmd_##name},
#include "harness/cli/commands.def"
#undef TM_COMMAND
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void usage(FILE *to)
{
    fprintf(
        to,
        "usage: ternmark COMMAND [options]\n"
        "Measures ternary (1.58-bit) language models on this CPU against an fp16 baseline.\n\n");
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fprintf(to,
            "\n`ternmark COMMAND --help` says more. TERNMARK_ISA=avx2 (or none, avx2+avx512, ...) "
            "keeps a run "
            "to those\ninstruction sets. Exit status: 0 fine, 1 the answer is no, 2 usage or "
            "input, 3 not "
            "measurable here,\n4 a cell failed, 5 a required meter is missing, 130 or 143 "
            "interrupted.\n");
}

/* TERNMARK_ISA restricts the machine; workers inherit it through the environment. */
static tm_status limit_isa(tm_error *err)
{
    const char *text = getenv("TERNMARK_ISA");
    unsigned isa;
    if (!text || !*text) return TM_OK;
    tm_status status = tm_isa_parse(text, &isa, err);
    if (status != TM_OK) return tm_fail_in(err, "TERNMARK_ISA");
    tm_cpu_limit(isa);
    return TM_OK;
}

int main(int argc, char **argv)
{
    tm_error err = {0};
    if (limit_isa(&err) != TM_OK || tm_prefetch_from_environment(&err) != TM_OK)
        return tm_report_error("", &err);
    if (argc < 2) {
        usage(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0) {
        printf("ternmark %s (commit %s, %s)\n", tm_version(), tm_commit(), tm_compiler());
        return 0;
    }
    const char *names[N_COMMANDS + 1];
    for (int i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strcmp(name, names[i]) == 0) {
            int status = commands[i].run(argc - 1, argv + 1);
            /* Data that did not reach its reader (a full disk behind stdout) is a failure. */
            if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
                fprintf(stderr, "ternmark %s: writing to standard output failed\n", name);
                return 2;
            }
            return status;
        }
    }
    names[N_COMMANDS] = NULL;
    const char *nearest = tm_nearest_name(name, names);
    fprintf(stderr, "ternmark: unknown command \"%s\"%s%s%s; `ternmark --help` lists them\n", name,
            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return 2;
}
