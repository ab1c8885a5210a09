/* ternmark perplexity: how well a model predicts a text, as llama.cpp's llama-perplexity. */
#include "engine/perplexity.h"
#include "harness/base/clock.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/text_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES   (64 << 20) /* of logits: they are needed for every token of a batch */
#define BATCH_MAX     512
#define BATCH_MIN     8
#define SHOW_EVERY_NS 5000000000 /* between lines of progress */

typedef struct request {
    tm_text_settings text;
    const char *prompt, *file;
    int64_t context, windows;
    bool quiet;
} request;

/* The work, in a thread of its own. */
typedef struct job {
    const request *r;
    tm_call *call;
    char *text; /* owned */
    size_t length;
    tm_text_model model;
    tm_session *session;
    tm_token_ids ids;
    int32_t bos; /* -1: none */
    char rule[96];
    int n_windows;
    tm_perplexity result;
    int64_t shown_ns; /* the last line of progress */
    tm_json *running; /* owned array */
    tm_status status;
    tm_error err;
} job;

/* What splits the text into words: figures of different rules are not comparable. */
static tm_status name_rule(job *j, tm_error *err)
{
    tm_gguf_string model = {"", 0}, pre = {"default", strlen("default")};
    bool found;
    tm_status status = tm_gguf_str(j->model.gguf, "tokenizer.ggml.model", &model, &found, err);
    if (status == TM_OK)
        status = tm_gguf_str(j->model.gguf, "tokenizer.ggml.pre", &pre, &found, err);
    if (j->r->text.pre) pre = (tm_gguf_string){j->r->text.pre, strlen(j->r->text.pre)};
    if (model.length == 5 && memcmp(model.data, "llama", 5) == 0)
        snprintf(j->rule, sizeof j->rule, "SentencePiece");
    else
        snprintf(j->rule, sizeof j->rule, "%.*s", (int)pre.length, pre.data);
    return status;
}

static tm_status tokenize(job *j, tm_error *err)
{
    const tm_tokenizer *t = j->model.tokenizer;
    bool adds_eos = false, found;
    tm_status status =
        tm_gguf_bool(j->model.gguf, "tokenizer.ggml.add_eos_token", &adds_eos, &found, err);
    if (status != TM_OK) return status;
    if (adds_eos)
        return tm_fail(err, TM_UNSUPPORTED,
                       "%s: tokenizer.ggml.add_eos_token is true; such a model's texts end with a "
                       "token, and windows of a text do not",
                       j->r->text.model);
    j->bos = tm_tokenizer_adds_bos(t) ? tm_tokenizer_bos(t) : -1;
    if (j->length > 0 && j->text[j->length - 1] == '\n') j->length--; /* as llama.cpp does */
    tm_encode_options options = {.bos = j->bos >= 0};
    status = tm_tokenizer_encode(t, j->text, j->length, options, &j->ids, err);
    if (status != TM_OK) return tm_fail_in(err, "%s", j->r->file ? j->r->file : "--prompt");
    size_t n = j->ids.n / (size_t)j->r->context;
    j->n_windows = j->r->windows > 0 && n > (size_t)j->r->windows ? (int)j->r->windows : (int)n;
    return TM_OK;
}

static int choose_batch(const job *j)
{
    int64_t n = BATCH_BYTES / ((int64_t)sizeof(float) * j->model.source.config.n_vocab);
    if (n < BATCH_MIN) n = BATCH_MIN;
    if (n > BATCH_MAX) n = BATCH_MAX;
    return n < j->r->context ? (int)n : (int)j->r->context;
}

static void take_window(void *arg, const tm_perplexity *so_far)
{
    job *j = arg;
    tm_json_append(j->running, tm_json_number(so_far->value));
    const int64_t now = tm_clock_now(NULL);
    const bool is_end = so_far->n_windows == 1 || so_far->n_windows == j->n_windows;
    if (j->r->quiet || (!is_end && now - j->shown_ns < SHOW_EVERY_NS)) return;
    j->shown_ns = now;
    fprintf(stderr, "window %d of %d: perplexity so far %.4f\n", so_far->n_windows, j->n_windows,
            so_far->value);
}

static tm_status measure(job *j, tm_error *err)
{
    const request *r = j->r;
    const tm_perplexity_options options = {.n_context = (int)r->context,
                                           .n_windows = (int)r->windows,
                                           .n_batch = choose_batch(j),
                                           .bos = j->bos,
                                           .on_window = take_window,
                                           .arg = j};
    const tm_session_options session = {
        .n_context = options.n_context, .n_batch = options.n_batch, .all_logits = true};
    tm_status status = TM_OK;
    if (j->ids.n / (size_t)r->context >= 2) { /* else the next call says so before it loads */
        status = tm_text_model_load(&j->model, &r->text, err);
        if (status == TM_OK) status = tm_text_session_open(&j->model, session, &j->session, err);
    }
    return status == TM_OK ? tm_perplexity_measure(j->session, j->model.source.config.n_vocab,
                                                   j->ids.ids, j->ids.n, &options, &j->result, err)
                           : status;
}

static tm_status print_result(job *j, tm_error *err)
{
    const tm_perplexity *p = &j->result;
    const char *kernel = j->model.model.kernel->name;
    int n = tm_perplexity_scored((int)j->r->context);
    if (strcmp(j->call->format, "text") == 0) {
        fprintf(j->call->out,
                "perplexity  %.4f +- %.4f\n"
                "scored      %" PRId64 " tokens, %d in each of %d windows of %d\n"
                "text        %zu tokens, %s rule, %s\n"
                "model       %s, %s, KV cache %s\n",
                p->value, p->standard_error, p->n_scored, n, p->n_windows, (int)j->r->context,
                j->ids.n, j->rule, j->bos >= 0 ? "each window begins with BOS" : "no BOS",
                j->model.source.config.name, kernel, j->r->text.kv);
        return TM_OK;
    }
    tm_json *json = tm_json_object();
    tm_json_put_number(json, "perplexity", p->value);
    tm_json_put_finite(json, "standard_error", p->standard_error, "only one token was scored");
    tm_json_put_number(json, "mean_negative_log_likelihood_nats", p->mean_nll);
    tm_json_put_int(json, "scored_tokens", p->n_scored);
    tm_json_put_int(json, "windows", p->n_windows);
    tm_json_put_int(json, "context", j->r->context);
    tm_json_put_int(json, "text_tokens", (int64_t)j->ids.n);
    tm_json_put_string(json, "pre_tokenizer", j->rule);
    tm_json_put_bool(json, "bos", j->bos >= 0);
    tm_json_put_string(json, "model", j->r->text.model);
    tm_json_put_string(json, "kernel", kernel);
    tm_json_put_string(json, "kv", j->r->text.kv);
    tm_json_set(json, "running", j->running);
    j->running = NULL;
    return tm_print_json(j->call->out, json, err);
}

static tm_status work(job *j, tm_error *err)
{
    tm_status status = tm_text_model_open(&j->r->text, &j->model, err);
    if (status == TM_OK) status = name_rule(j, err);
    if (status == TM_OK) status = tokenize(j, err);
    if (status == TM_OK) status = measure(j, err);
    if (status == TM_OK) status = print_result(j, err);
    tm_session_close(j->session);
    tm_text_model_close(&j->model);
    return status;
}

static void run_job(void *arg)
{
    job *j = arg;
    j->status = work(j, &j->err);
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    job *j = calloc(1, sizeof *j);
    if (!j) return tm_fail(err, TM_NOMEM, "no memory to evaluate a text");
    *j = (job){.r = settings, .call = call, .bos = -1, .running = tm_json_array()};
    tm_status status = tm_text_read(j->r->prompt, j->r->file, &j->text, &j->length, err);
    if (status == TM_OK) {
        tm_interrupt_run_or_exit("perplexity", run_job, j, NULL);
        status = j->status;
        if (status != TM_OK) *err = j->err;
    }
    tm_json_free(j->running);
    tm_token_ids_free(&j->ids);
    free(j->text);
    free(j);
    return status;
}

static const tm_option rows[] = {
    {"file", "f", TM_FILE(request, file), "FILE",
     .help = "the text, without its last newline; - reads standard input"},
    {"prompt", "p", TM_TEXT(request, prompt), "TEXT", .help = "the text itself"},
    {"context", "c", TM_INTEGER(request, context), "N", .help = "tokens of a window (default 512)",
     .low = 4, .high = 1 << 20},
    {"windows", NULL, TM_INTEGER(request, windows), "N",
     .help = "evaluate the first N windows, 0: all (default 0)", .high = INT32_MAX},
    {"quiet", "q", TM_FLAG(request, quiet), NULL, .help = "print no progress"},
    {0},
};

const tm_command tm_command_perplexity = {
    .name = "perplexity",
    .synopsis = "-m FILE -f TEXT [OPTIONS]",
    .summary = "measure how well a model predicts a text",
    .description =
        "Computes perplexity and its standard error as llama.cpp's llama-perplexity does: windows "
        "of "
        "--context tokens that do not overlap, the first token of each replaced by BOS if the "
        "model "
        "uses it, and the second half of each window predicted token by token.\n\n"
        "Compare figures only with the same text, --context, word rule (--pre) and KV cache. Other "
        "programs score every token, use overlapping windows, or count words.",
    .examples = "ternmark perplexity -m model.gguf -f wiki.test.raw\n"
                "ternmark perplexity -m model.gguf -f text.txt -c 2048 --windows 8",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{tm_text_options, offsetof(request, text)}, {rows, 0}, {0}},
    .settings_size = sizeof(request),
    .defaults = &(const request){.text = TM_TEXT_DEFAULTS, .context = 512},
    .run = run,
};
