#include "harness/measure/model_check.h"

#include "kernels/check.h"

/* Multiply-accumulates of one fill of one check. The scalar reference computes about 10^9 per
 * second and a check has about ten fills, so all shapes of a model together take less than a
 * second. */
#define CHECK_MACS   2000000
#define CHECK_TOKENS 5 /* not a multiple of any kernel's token block */
#define MIN_ROWS     67
#define CHECKED_MAX  32 /* pairs that are remembered; further ones may be checked twice */

/* Rows for a check: all of a small matrix, else as many as CHECK_MACS allows, with the same
 * remainder by 32, so that the last, partial row group is checked too. */
static int check_rows(int n_rows, int n_cols, int n_tokens)
{
    int64_t rows = CHECK_MACS / ((int64_t)n_cols * n_tokens);
    if (rows < MIN_ROWS) rows = MIN_ROWS;
    if (rows >= n_rows) return n_rows;
    return (int)rows / 32 * 32 + n_rows % 32;
}

static tm_status check_shape(const tm_kernel *kernel, int n_rows, int n_cols, uint64_t seed,
                             tm_error *err)
{
    static const int tokens[] = {1, CHECK_TOKENS};
    for (int i = 0; i < 2; i++) {
        tm_status status = tm_check_kernel(kernel, check_rows(n_rows, n_cols, tokens[i]), n_cols,
                                           tokens[i], seed, err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

/* A kernel and a shape on which the model uses it. */
typedef struct checked {
    const tm_kernel *kernel;
    int n_rows, n_cols;
} checked;

static tm_status check_matrix(const tm_matrix *matrix, uint64_t seed, checked *seen, int *n_seen,
                              tm_error *err)
{
    checked one = {matrix->kernel, matrix->weight.n_rows, matrix->weight.n_cols};
    for (int k = 0; k < *n_seen; k++)
        if (seen[k].kernel == one.kernel && seen[k].n_rows == one.n_rows &&
            seen[k].n_cols == one.n_cols)
            return TM_OK;
    if (*n_seen < CHECKED_MAX) seen[(*n_seen)++] = one;
    return check_shape(one.kernel, one.n_rows, one.n_cols, seed, err);
}

tm_status tm_model_check(const tm_model *model, uint64_t seed, tm_error *err)
{
    checked seen[CHECKED_MAX];
    int n_seen = 0;
    for (int l = 0; l < model->config.n_layers; l++) {
        tm_matrix *matrices[TM_LAYER_MATRICES];
        tm_layer_matrices(&model->layers[l], matrices);
        for (int i = 0; i < TM_LAYER_MATRICES; i++) {
            tm_status status = check_matrix(matrices[i], seed, seen, &n_seen, err);
            if (status != TM_OK) return status;
        }
    }
    return check_matrix(&model->head, seed, seen, &n_seen, err);
}
