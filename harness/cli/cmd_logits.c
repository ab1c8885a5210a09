/* ternmark logits: a model's raw logits for given token ids, to compare with other programs. */
#include "engine/session.h"
#include "harness/cli/commands.h"
#include "harness/measure/shapes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKENS 65536

typedef struct request {
    const char *model, *tokens, *kernel, *kv, *output;
    int64_t threads, seed;
    bool one_by_one;
} request;

static tm_status write_rows(FILE *file, const float *logits, size_t n, const char *path,
                            tm_error *err)
{
    if (fwrite(logits, sizeof *logits, n, file) != n)
        return tm_fail(err, TM_IO, "%s: writing failed: %s", path, strerror(errno));
    return TM_OK;
}

static tm_status evaluate(const request *r, tm_model *model, tm_pool *pool, const int *ids, int n,
                          FILE *file, tm_error *err)
{
    tm_session *session = NULL;
    tm_session_options so = {.n_context = n,
                             .n_batch = r->one_by_one ? 1 : n,
                             .f16_kv = strcmp(r->kv, "f16") == 0,
                             .all_logits = true};
    tm_status status = tm_session_open(model, pool, &so, &session, err);
    size_t n_vocab = (size_t)model->config.n_vocab;
    int step = r->one_by_one ? 1 : n;
    for (int i = 0; status == TM_OK && i < n; i += step) {
        const float *logits = NULL;
        status = tm_session_eval(session, ids + i, step, TM_LOGITS_ALL, &logits, err);
        if (status == TM_OK)
            status = write_rows(file, logits, (size_t)step * n_vocab, r->output, err);
    }
    tm_session_close(session);
    return status;
}

static tm_status write_logits(const request *r, const int *ids, int n, FILE *file, tm_error *err)
{
    tm_source source;
    tm_pool *pool = NULL;
    tm_model model;
    tm_status status = tm_source_open_name(r->model, (uint64_t)r->seed, &source, err);
    if (status != TM_OK) return status;
    tm_pool_options po = {.n_threads = (int)r->threads, .pin = true};
    tm_model_options mo = {0};
    if (r->kernel && strcmp(r->kernel, "auto") != 0)
        status = tm_kernel_resolve(r->kernel, &mo.kernel, err);
    if (status == TM_OK) status = tm_pool_open(&po, &pool, err);
    if (status == TM_OK) {
        status = tm_model_open(&source, &mo, pool, &model, err);
        if (status == TM_OK) {
            status = evaluate(r, &model, pool, ids, n, file, err);
            tm_model_close(&model);
        }
    }
    tm_pool_close(pool);
    tm_source_close(&source);
    return status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const request *r = settings;
    int *ids = NULL, n_ids;
    (void)call;
    tm_status status = tm_alloc((void **)&ids, MAX_TOKENS, sizeof *ids, "token ids", err);
    if (status == TM_OK)
        status = tm_parse_ints(r->tokens, "--tokens", 0, INT32_MAX, ids, MAX_TOKENS, &n_ids, err);
    if (status == TM_OK) {
        FILE *file = fopen(r->output, "wb");
        if (!file) {
            status = tm_fail(err, TM_IO, "%s: cannot be written: %s", r->output, strerror(errno));
        } else {
            status = write_logits(r, ids, n_ids, file, err);
            if (fclose(file) != 0 && status == TM_OK)
                status = tm_fail(err, TM_IO, "%s: writing failed: %s", r->output, strerror(errno));
            if (status != TM_OK) unlink(r->output); /* leaves no incomplete file */
        }
    }
    tm_free(ids);
    return status;
}

static const tm_option rows[] = {
    {"model", "m", TM_FILE(request, model), "MODEL", .help = "a GGUF file or synth:NAME",
     .is_required = true},
    {"tokens", NULL, TM_LIST(request, tokens), "ID,...", .help = "token ids of the prompt",
     .is_required = true},
    {"output", "o", TM_FILE(request, output), "FILE",
     .help = "write little-endian float32 [n_tokens][n_vocab] to this file", .is_required = true},
    {"kernel", NULL, TM_TEXT(request, kernel), "NAME",
     .help = "kernel or layout of the linear weights (default auto)"},
    {"kv", NULL, TM_CHOICE(request, kv), "TYPE",
     .help = "element type of the KV cache (default f32)",
     .choices = (const char *const[]){"f32", "f16", NULL}},
    {"threads", "t", TM_INTEGER(request, threads), "N", .help = "number of threads (default 1)",
     .low = 1, .high = 4096},
    {"seed", NULL, TM_INTEGER(request, seed), "N", .help = "seed for synthetic weights (default 1)",
     .high = TM_SEED_MAX},
    {"one-by-one", NULL, TM_FLAG(request, one_by_one), NULL,
     .help = "evaluate token by token instead of in one batch"},
    {0},
};

const tm_command tm_command_logits = {
    .name = "logits",
    .synopsis = "-m MODEL --tokens 1,5,9 -o OUT.f32 [OPTIONS]",
    .summary = "write a model's logits for given tokens",
    .description =
        "Writes the logits of every position of a prompt, to compare with other programs.",
    .examples = "ternmark logits -m small.gguf --tokens 1,5,9 -o small.f32",
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(request),
    .defaults = &(const request){.kv = "f32", .threads = 1, .seed = 1},
    .run = run,
};
