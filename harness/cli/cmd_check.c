/* ternmark check: every kernel against the reference, on shapes that find mistakes. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "kernels/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct shape {
    int n_rows, n_cols, n_tokens;
} shape;

/* Edges of row groups and column blocks, widths of published models, and a width at which int16
 * sums overflow; one token and several. */
static const shape shapes[] = {
    {1, 1, 1},      {15, 3, 2},    {16, 16, 1},    {17, 100, 3},   {33, 255, 5},
    {48, 257, 1},   {100, 768, 7}, {64, 5460, 1},  {32, 8640, 4},  {40, 3200, 13},
    {96, 2560, 33}, {32, 6912, 1}, {16, 13824, 2}, {16, 45568, 1}, {128, 1024, 130},
};

static int check_one(const tm_kernel *kernel, const shape *list, int n, uint64_t seed,
                     int *n_checks)
{
    tm_error err = {0};
    if (tm_kernel_available(kernel, &err) != TM_OK) {
        printf("%-26s  -       %s\n", kernel->name, err.message);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (tm_check_kernel(kernel, list[i].n_rows, list[i].n_cols, list[i].n_tokens, seed, &err) !=
            TM_OK) {
            printf("%-26s  FAILED  %s\n", kernel->name, err.message);
            return 1;
        }
        (*n_checks)++;
    }
    printf("%-26s  ok      %d shapes, %s\n", kernel->name, n,
           kernel->tolerance == 0.0f ? "bit for bit" : "within its tolerance");
    fflush(stdout);
    return 0;
}

int tm_cmd_check(int argc, char **argv)
{
    const char *names = NULL;
    int64_t seed = 1, rows = 0, cols = 0, tokens = 1;
    const tm_option options[] = {
        {"kernel", NULL, TM_OPTION_TEXT, &names, 0, 0, "NAME,...",
         "only these kernels (default: all)"},
        {"rows", NULL, TM_OPTION_INT, &rows, 1, 1 << 20, "N", "check one shape of N rows"},
        {"cols", NULL, TM_OPTION_INT, &cols, 1, 1 << 17, "N", "and N columns"},
        {"tokens", NULL, TM_OPTION_INT, &tokens, 1, 4096, "N", "and N tokens (default 1)"},
        {"seed", NULL, TM_OPTION_INT, &seed, 0, 9e15, "N", "of the random fills (default 1)"},
        {0},
    };
    const tm_command command = {
        "check",
        "[options]",
        "Compares kernels with the reference: adversarial fills, guard pages, row ranges.",
        options,
        0,
        0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    if (tm_options_parse(&command, argc, argv, arguments, &n, &help, &err) != TM_OK)
        return tm_report_error("check", &err);
    if (help) return 0;
    if ((rows > 0) != (cols > 0)) {
        (void)tm_fail(&err, TM_ARG, "--rows and --cols go together");
        return tm_report_error("check", &err);
    }
    shape one = {(int)rows, (int)cols, (int)tokens};
    const shape *list = rows ? &one : shapes;
    int n_shapes = rows ? 1 : (int)(sizeof shapes / sizeof shapes[0]);
    int failed = 0, n_checks = 0, n_names = 0;
    char **wanted = NULL;
    if (names && tm_split_texts(names, "--kernel", &wanted, &n_names, &err) != TM_OK)
        return tm_report_error("check", &err);
    for (int i = 0; i < n_names; i++) {
        const tm_kernel *kernel;
        if (tm_kernel_resolve(wanted[i], &kernel, &err) != TM_OK) {
            tm_free_texts(wanted, n_names);
            return tm_report_error("check", &err);
        }
        failed += check_one(kernel, list, n_shapes, (uint64_t)seed, &n_checks);
    }
    for (const tm_kernel *const *k = tm_kernels(); !names && *k; k++)
        failed += check_one(*k, list, n_shapes, (uint64_t)seed, &n_checks);
    tm_free_texts(wanted, n_names);
    printf("%d checks passed, %d kernels failed (seed %" PRId64 ")\n", n_checks, failed, seed);
    return failed ? 1 : 0;
}
