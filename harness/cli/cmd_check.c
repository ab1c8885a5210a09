/* ternmark check: every kernel against the reference, on shapes chosen to find errors. */
#include "harness/cli/commands.h"
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

static int check_one(FILE *out, const tm_kernel *kernel, const shape *list, int n, uint64_t seed,
                     int *n_checks)
{
    tm_error err = {0};
    if (tm_kernel_available(kernel, &err) != TM_OK) {
        fprintf(out, "%-26s  -       %s\n", kernel->name, err.message);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (tm_check_kernel(kernel, list[i].n_rows, list[i].n_cols, list[i].n_tokens, seed, &err) !=
            TM_OK) {
            fprintf(out, "%-26s  FAILED  %s\n", kernel->name, err.message);
            return 1;
        }
        (*n_checks)++;
    }
    fprintf(out, "%-26s  ok      %d shapes, %s\n", kernel->name, n,
            kernel->tolerance == 0.0f ? "bit for bit" : "within its tolerance");
    fflush(out);
    return 0;
}

typedef struct settings {
    const char *kernels;
    int64_t rows, cols, tokens, seed;
} settings;

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    if ((s->rows > 0) != (s->cols > 0))
        return tm_fail(err, TM_ARG, "--rows and --cols must be used together");
    shape one = {(int)s->rows, (int)s->cols, (int)s->tokens};
    const shape *list = s->rows ? &one : shapes;
    int n_shapes = s->rows ? 1 : (int)(sizeof shapes / sizeof shapes[0]);
    int failed = 0, n_checks = 0, n_names = 0;
    char **wanted = NULL;
    tm_status status =
        s->kernels ? tm_split_texts(s->kernels, "--kernel", &wanted, &n_names, err) : TM_OK;
    for (int i = 0; i < n_names && status == TM_OK; i++) {
        const tm_kernel *kernel;
        status = tm_kernel_resolve(wanted[i], &kernel, err);
        if (status == TM_OK)
            failed += check_one(call->out, kernel, list, n_shapes, (uint64_t)s->seed, &n_checks);
    }
    for (const tm_kernel *const *k = tm_kernels(); !s->kernels && *k; k++)
        failed += check_one(call->out, *k, list, n_shapes, (uint64_t)s->seed, &n_checks);
    tm_free_texts(wanted, n_names);
    if (status != TM_OK) return status;
    fprintf(call->out, "%d checks passed, %d kernels failed (seed %" PRId64 ")\n", n_checks, failed,
            s->seed);
    call->exit_status = failed ? 1 : 0;
    return TM_OK;
}

static const tm_option rows[] = {
    {"kernel", NULL, TM_LIST(settings, kernels), "NAME,...",
     .help = "only these kernels (default: all)"},
    {"rows", NULL, TM_INTEGER(settings, rows), "N", .help = "check one shape with N rows", .low = 1,
     .high = 1 << 20},
    {"cols", NULL, TM_INTEGER(settings, cols), "N", .help = "columns of that shape", .low = 1,
     .high = 1 << 17},
    {"tokens", NULL, TM_INTEGER(settings, tokens), "N", .help = "tokens of that shape (default 1)",
     .low = 1, .high = 4096},
    {"seed", NULL, TM_INTEGER(settings, seed), "N", .help = "seed for the random fills (default 1)",
     .high = TM_SEED_MAX},
    {0},
};

const tm_command tm_command_check = {
    .name = "check",
    .synopsis = "[OPTIONS]",
    .summary = "compare every kernel with the reference",
    .description =
        "Compares kernels with the reference on adversarial fills and odd shapes, with guard pages "
        "around every buffer.",
    .examples = "ternmark check --rows 64 --cols 256",
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.tokens = 1, .seed = 1},
    .run = run,
};
