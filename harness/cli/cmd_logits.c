/* ternmark logits: a model's logits for given token ids, raw, to hold against other programs. */
#include "engine/session.h"
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
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

static tm_status run(const request *r, const int *ids, int n, FILE *file, tm_error *err)
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

int tm_cmd_logits(int argc, char **argv)
{
    request r = {.kv = "f32", .threads = 1, .seed = 1};
    const tm_option options[] = {
        {"model", "m", TM_OPTION_TEXT, &r.model, 0, 0, "MODEL", "a GGUF file or synth:NAME"},
        {"tokens", NULL, TM_OPTION_TEXT, &r.tokens, 0, 0, "ID,...", "token ids, the whole prompt"},
        {"kernel", NULL, TM_OPTION_TEXT, &r.kernel, 0, 0, "NAME",
         "kernel or layout (default auto)"},
        {"kv", NULL, TM_OPTION_TEXT, &r.kv, 0, 0, "TYPE", "KV cache: f32 (default) or f16"},
        {"threads", "t", TM_OPTION_INT, &r.threads, 1, 4096, "N", "threads (default 1)"},
        {"seed", NULL, TM_OPTION_INT, &r.seed, 0, 9e15, "N", "of a synthetic model (default 1)"},
        {"one-by-one", NULL, TM_OPTION_FLAG, &r.one_by_one, 0, 0, NULL,
         "decode token by token, not as one batch"},
        {"output", "o", TM_OPTION_TEXT, &r.output, 0, 0, "FILE",
         "raw little-endian float32 [n_tokens][n_vocab]"},
        {0},
    };
    const tm_command command = {"logits",
                                "-m MODEL --tokens 1,5,9 -o OUT.f32 [options]",
                                "Writes the logits of every position.",
                                options,
                                0,
                                0};
    tm_error err = {0};
    const char *arguments[1];
    int n, n_ids;
    bool help;
    if (tm_options_parse(&command, argc, argv, arguments, &n, &help, &err) != TM_OK)
        return tm_report_error("logits", &err);
    if (help) return 0;
    tm_status status = TM_OK;
    if (!r.model || !r.tokens || !r.output)
        status = tm_fail(&err, TM_ARG, "%s is missing",
                         !r.model    ? "--model"
                         : !r.tokens ? "--tokens"
                                     : "--output");
    else if (strcmp(r.kv, "f16") != 0 && strcmp(r.kv, "f32") != 0)
        status = tm_fail(&err, TM_ARG, "--kv is \"%s\", not f16 or f32", r.kv);
    int *ids = NULL;
    if (status == TM_OK)
        status = tm_alloc((void **)&ids, MAX_TOKENS, sizeof *ids, "token ids", &err);
    if (status == TM_OK)
        status = tm_parse_ints(r.tokens, "--tokens", 0, INT32_MAX, ids, MAX_TOKENS, &n_ids, &err);
    if (status == TM_OK) {
        FILE *file = fopen(r.output, "wb");
        if (!file) {
            status = tm_fail(&err, TM_IO, "%s: cannot be written: %s", r.output, strerror(errno));
        } else {
            status = run(&r, ids, n_ids, file, &err);
            if (fclose(file) != 0 && status == TM_OK)
                status = tm_fail(&err, TM_IO, "%s: writing failed: %s", r.output, strerror(errno));
            if (status != TM_OK) unlink(r.output); /* no half-written file is left to be compared */
        }
    }
    tm_free(ids);
    return status == TM_OK ? 0 : tm_report_error("logits", &err);
}
