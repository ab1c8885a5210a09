/* ternmark logits: a model's raw logits for given token ids, to compare with other programs. */
#include "engine/session.h"
#include "harness/base/atomic_file.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TOKENS 65536

typedef struct request {
    const char *model, *tokens, *kernel, *kv, *output, *threads;
    int64_t seed;
    int n_threads;
    bool one_by_one;
} request;

typedef struct evaluation {
    const request *r;
    const int *ids;
    int n;
    tm_atomic_file file;
    tm_status status;
    tm_error err;
} evaluation;

static tm_status evaluate(evaluation *e, tm_model *model, tm_pool *pool, tm_error *err)
{
    const request *r = e->r;
    int n = e->n;
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
        status = tm_session_eval(session, e->ids + i, step, TM_LOGITS_ALL, &logits, err);
        size_t n_bytes = (size_t)step * n_vocab * sizeof *logits;
        int why = status == TM_OK ? tm_write_all(e->file.fd, logits, n_bytes) : 0;
        if (why != 0)
            status =
                tm_fail(err, TM_IO, "%s: cannot write the logits: %s", r->output, strerror(why));
    }
    tm_session_close(session);
    return status;
}

static tm_status open_and_evaluate(evaluation *e, tm_error *err)
{
    const request *r = e->r;
    tm_source source;
    tm_pool *pool = NULL;
    tm_model model;
    tm_status status = tm_source_open_name(r->model, (uint64_t)r->seed, &source, err);
    if (status != TM_OK) return status;
    tm_pool_options po = {.n_threads = r->n_threads, .pin = true};
    tm_model_options mo = {0};
    if (r->kernel && strcmp(r->kernel, "auto") != 0)
        status = tm_kernel_resolve(r->kernel, &mo.kernel, err);
    if (status == TM_OK) status = tm_pool_open(&po, &pool, err);
    if (status == TM_OK) {
        status = tm_model_open(&source, &mo, pool, &model, err);
        if (status == TM_OK) {
            status = evaluate(e, &model, pool, err);
            tm_model_close(&model);
        }
    }
    tm_pool_close(pool);
    tm_source_close(&source);
    return status;
}

static void run_evaluation(void *arg)
{
    evaluation *e = arg;
    e->status = open_and_evaluate(e, &e->err);
}

/* Leaves the program on an interrupt: the thread that evaluates uses what would be freed. */
static tm_status write_logits(evaluation *e, tm_error *err)
{
    tm_status status = tm_atomic_file_open(e->r->output, &e->file, err);
    if (status != TM_OK) return status;
    tm_interrupt interrupt = tm_interrupt_open();
    if (!tm_interrupt_run(&interrupt, run_evaluation, e)) {
        tm_atomic_file_abandon(&e->file);
        fprintf(stderr, "ternmark logits: interrupted; %s is not written\n", e->r->output);
        _exit(tm_interrupt_exit_status(&interrupt));
    }
    if (e->status == TM_OK) return tm_atomic_file_commit(&e->file, err);
    tm_atomic_file_abandon(&e->file);
    *err = e->err;
    return e->status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    request *r = settings;
    tm_machine machine = {0};
    int *ids = NULL, n_ids;
    (void)call;
    tm_status status = tm_machine_read("/", &machine, err);
    if (status == TM_OK)
        status = tm_threads_of_text(r->threads, &machine, false, &r->n_threads, err);
    if (status != TM_OK) return status;
    status = tm_alloc((void **)&ids, MAX_TOKENS, sizeof *ids, "token ids", err);
    if (status == TM_OK)
        status = tm_parse_ints(r->tokens, "--tokens", 0, INT32_MAX, ids, MAX_TOKENS, &n_ids, err);
    if (status == TM_OK) {
        evaluation e = {.r = r, .ids = ids, .n = n_ids};
        status = write_logits(&e, err);
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
    TM_KV_OPTION(request, "f32"),
    {"threads", "t", TM_TEXT(request, threads), "N",
     .help = "number of threads, or all cores (default 1)"},
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
    .defaults = &(const request){.kv = "f32", .threads = "1", .seed = 1},
    .run = run,
};
