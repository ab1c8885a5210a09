/* ternmark verify: every kernel against the plain one on a whole model. */
#include "engine/tokenizer.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/text_model.h"
#include "harness/measure/shapes.h"
#include "harness/measure/verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KERNELS_MAX   64
#define POSITIONS_MAX 4096

typedef struct request {
    const char *model, *kernels, *kv, *threads, *prompt, *file, *pre;
    int64_t positions, n_greedy, seed;
    bool oversubscribe;
} request;

/* The work, in a thread of its own. */
typedef struct job {
    const request *r;
    tm_call *call;
    tm_source source;
    tm_verify_request verify;
    tm_verify_result result;
    tm_token_ids ids; /* owned */
    const tm_kernel *kernels[KERNELS_MAX];
    tm_json *rows; /* owned array, for JSON */
    bool json;
    tm_status status;
    tm_error err;
} job;

static tm_status tokenize(job *j, tm_error *err)
{
    const request *r = j->r;
    tm_gguf *gguf;
    tm_tokenizer *tokenizer;
    char *text = NULL;
    size_t length;
    if (strncmp(r->model, "synth:", 6) == 0)
        return tm_fail(err, TM_ARG, "%s has no vocabulary for a text", r->model);
    tm_status status = tm_gguf_open(r->model, &gguf, err);
    if (status != TM_OK) return status;
    status = tm_tokenizer_open(gguf, r->pre, &tokenizer, err);
    if (status == TM_OK) {
        tm_encode_options options = {.bos = tm_tokenizer_adds_bos(tokenizer) &&
                                            tm_tokenizer_bos(tokenizer) >= 0};
        status = tm_text_read(r->prompt, r->file, &text, &length, err);
        if (status == TM_OK) {
            status = tm_tokenizer_encode(tokenizer, text, length, options, &j->ids, err);
            if (status != TM_OK) tm_fail_in(err, "%s", r->file ? r->file : "--prompt");
        }
        tm_tokenizer_close(tokenizer);
    }
    tm_gguf_close(gguf);
    free(text);
    if (status == TM_OK && j->ids.n == 0) return tm_fail(err, TM_ARG, "the text is empty");
    if (j->ids.n > (size_t)r->positions) j->ids.n = (size_t)r->positions;
    return status;
}

static tm_status draw_ids(job *j, tm_error *err)
{
    tm_rng rng = {(uint64_t)j->r->seed};
    tm_status status = TM_OK;
    for (int64_t i = 0; i < j->r->positions && status == TM_OK; i++)
        status = tm_token_ids_add(
            &j->ids, (int32_t)tm_rng_below(&rng, (uint64_t)j->source.config.n_vocab), err);
    return status;
}

static tm_status find_kernels(job *j, tm_error *err)
{
    char **names;
    int n;
    if (!j->r->kernels) return TM_OK;
    tm_status status = tm_split_texts(j->r->kernels, "--kernel", &names, &n, err);
    if (status != TM_OK) return status;
    if (n > KERNELS_MAX) status = tm_fail(err, TM_ARG, "more than %d kernels", KERNELS_MAX);
    for (int i = 0; status == TM_OK && i < n; i++)
        status = tm_kernel_resolve(names[i], &j->kernels[i], err);
    tm_free_texts(names, n);
    j->verify.kernels = j->kernels;
    j->verify.n_kernels = n;
    return status;
}

static tm_json *row_json(const job *j, const tm_verify_row *row)
{
    tm_json *json = tm_json_object(), *first = tm_json_object();
    bool skipped = row->status == TM_VERIFY_SKIPPED;
    tm_json_put_string(json, "name", row->kernel->name);
    tm_json_put_string(json, "reference", row->reference->name);
    tm_json_put_string(json, "status", tm_verify_status_name(row->status));
    tm_json_put_bool(json, "exact", row->kernel->tolerance == 0);
    if (skipped) {
        tm_json_put_missing(json, "equal", row->reason);
        tm_json_put_missing(json, "relative_distance", row->reason);
        tm_json_put_missing(json, "same_tokens", row->reason);
    } else {
        tm_json_put_bool(json, "equal", row->position < 0);
        tm_json_put_finite(json, "relative_distance", row->distance, "logits are not finite");
        tm_json_put_int(json, "same_tokens", row->n_same);
    }
    tm_json_put_number(json, "relative_distance_limit", row->limit);
    tm_json_put_int(json, "tokens", j->verify.n_greedy);
    if (skipped || row->position < 0) {
        tm_json_free(first);
        tm_json_set(json, "first_difference", tm_json_null());
        return json;
    }
    tm_json_put_int(first, "position", row->position);
    tm_json_put_int(first, "id", row->id);
    tm_json_put_finite(first, "logit", (double)row->value, "not finite");
    tm_json_put_finite(first, "reference_logit", (double)row->expected, "not finite");
    tm_json_set(json, "first_difference", first);
    return json;
}

static void print_row(void *arg, const tm_verify_row *row)
{
    job *j = arg;
    if (j->json) {
        tm_json_append(j->rows, row_json(j, row));
        return;
    }
    FILE *out = j->call->out;
    fprintf(out, "%-24s ", row->kernel->name);
    switch (row->status) {
    case TM_VERIFY_REFERENCE:
        fprintf(out, "reference of the following");
        break;
    case TM_VERIFY_SKIPPED:
        fprintf(out, "skipped: %s", row->reason);
        break;
    case TM_VERIFY_EQUAL:
        fprintf(out, "equal to %s, bit for bit", row->reference->name);
        break;
    case TM_VERIFY_CLOSE:
        fprintf(out, "close to %s: distance %.2g, limit %.2g; %d of %d tokens equal",
                row->reference->name, row->distance, row->limit, row->n_same, j->verify.n_greedy);
        break;
    case TM_VERIFY_DIFFERENT:
        fprintf(out,
                "DIFFERS from %s: distance %.2g, limit %.2g; %d of %d tokens equal; first at "
                "position %d, token %d: %.9g instead of %.9g",
                row->reference->name, row->distance, row->limit, row->n_same, j->verify.n_greedy,
                row->position, row->id, (double)row->value, (double)row->expected);
        break;
    }
    fputc('\n', out);
    fflush(out);
}

static tm_json *activation_json(const tm_verify_activation *a)
{
    tm_json *json = tm_json_object();
    tm_json_put_string(json, "name", a->name);
    if (a->kernel)
        tm_json_put_string(json, "kernel", a->kernel->name);
    else
        tm_json_put_missing(json, "kernel", a->reason);
    const struct {
        const char *key;
        double value;
    } values[] = {{"kl_divergence_nats", a->kl},
                  {"largest_kl_divergence_nats", a->kl_largest},
                  {"top1_share", a->top1_share},
                  {"largest_logit_difference", a->difference}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (a->kernel)
            tm_json_put_finite(json, values[i].key, values[i].value, "logits are not finite");
        else
            tm_json_put_missing(json, values[i].key, a->reason);
    return json;
}

static void print_activations(const job *j)
{
    const tm_verify_result *v = &j->result;
    FILE *out = j->call->out;
    if (!v->fp16) {
        fprintf(out, "\nactivations: not compared: %s\n", v->fp16_reason);
        return;
    }
    fprintf(out, "\n%-24s %12s %12s %12s %12s\n", "activations", "mean KL", "largest KL",
            "top-1 equal", "logit diff");
    fprintf(out, "fp16, %s: the others are compared with it\n", v->fp16->name);
    for (int i = 0; i < TM_VERIFY_ACTIVATIONS; i++) {
        const tm_verify_activation *a = &v->activations[i];
        if (a->kernel)
            fprintf(out, "%-24s %12.3g %12.3g %10.1f %% %12.3g\n", a->name, a->kl, a->kl_largest,
                    100 * a->top1_share, a->difference);
        else
            fprintf(out, "%-24s not compared: %s\n", a->name, a->reason);
    }
}

static tm_status print_result(job *j, tm_error *err)
{
    const tm_verify_result *v = &j->result;
    if (!j->json) {
        if (!j->verify.kernels) print_activations(j);
        fprintf(j->call->out, "\n%d kernel%s, %d positions: %d different, %d skipped\n", v->n_rows,
                tm_plural(v->n_rows), j->verify.n_ids + j->verify.n_greedy, v->n_different,
                v->n_skipped);
        return TM_OK;
    }
    tm_json *json = tm_json_object(), *activations = tm_json_array();
    tm_json_put_string(json, "model", j->r->model);
    tm_json_put_int(json, "positions", j->verify.n_ids + j->verify.n_greedy);
    tm_json_put_int(json, "threads", j->verify.n_threads);
    tm_json_put_string(json, "kv", j->r->kv);
    tm_json_put_bool(json, "equal", v->n_different == 0);
    tm_json_set(json, "kernels", j->rows);
    j->rows = NULL;
    if (v->fp16) tm_json_put_string(json, "activations_compared_with", v->fp16->name);
    for (int i = 0; i < TM_VERIFY_ACTIVATIONS && !j->verify.kernels; i++)
        tm_json_append(activations, activation_json(&v->activations[i]));
    tm_json_set(json, "activations", activations);
    return tm_print_json(j->call->out, json, err);
}

static tm_status work(job *j, tm_error *err)
{
    const request *r = j->r;
    tm_machine machine = {0};
    tm_status status = tm_machine_read("/", &machine, err);
    if (status == TM_OK)
        status =
            tm_threads_of_text(r->threads, &machine, r->oversubscribe, &j->verify.n_threads, err);
    if (status == TM_OK) status = find_kernels(j, err);
    if (status == TM_OK) status = tm_source_open_name(r->model, (uint64_t)r->seed, &j->source, err);
    if (status != TM_OK) return status;
    status = r->prompt || r->file ? tokenize(j, err) : draw_ids(j, err);
    if (status == TM_OK) {
        j->verify.source = &j->source;
        j->verify.ids = j->ids.ids;
        j->verify.oversubscribe = r->oversubscribe;
        j->verify.n_ids = (int)j->ids.n;
        j->verify.n_greedy = (int)r->n_greedy;
        j->verify.f16_kv = strcmp(r->kv, "f16") == 0;
        j->verify.available_bytes = machine.memory_available_bytes;
        status = tm_verify(&j->verify, print_row, j, &j->result, err);
    }
    if (status == TM_OK) status = print_result(j, err);
    tm_source_close(&j->source);
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
    if (!j) return tm_fail(err, TM_NOMEM, "no memory to verify a model");
    *j = (job){.r = settings,
               .call = call,
               .json = strcmp(call->format, "json") == 0,
               .rows = tm_json_array()};
    tm_interrupt_run_or_exit("verify", run_job, j, NULL);
    tm_status status = j->status;
    if (status != TM_OK) *err = j->err;
    if (j->result.n_different > 0) call->exit_status = 1;
    tm_json_free(j->rows);
    tm_token_ids_free(&j->ids);
    free(j);
    return status;
}

static const tm_option rows[] = {
    {"model", "m", TM_FILE(request, model), "MODEL", .help = "a GGUF file or synth:NAME",
     .is_required = true},
    {"prompt", "p", TM_TEXT(request, prompt), "TEXT", .help = "evaluate TEXT"},
    {"file", "f", TM_FILE(request, file), "FILE",
     .help = "evaluate the text of FILE (default: random tokens)"},
    {"positions", NULL, TM_INTEGER(request, positions), "N",
     .help = "evaluate at most N tokens of the text, or N random ones (default 16)", .low = 1,
     .high = POSITIONS_MAX},
    {"gen", "n", TM_INTEGER(request, n_greedy), "N",
     .help = "then generate N tokens one by one (default 8)", .high = POSITIONS_MAX},
    {"threads", "t", TM_TEXT(request, threads), "N",
     .help = "number of threads, or all (default all)"},
    {"oversubscribe", NULL, TM_FLAG(request, oversubscribe), NULL, .help = TM_OVERSUBSCRIBE_HELP},
    {"kernel", NULL, TM_LIST(request, kernels), "NAME,...",
     .help = "verify only these kernels (default: all that run here)",
     .choices = tm_cell_kernel_names},
    TM_KV_OPTION(request, "f32"),
    {"pre", NULL, TM_TEXT(request, pre), "NAME",
     .help = "split text into words as NAME (default: as the file says)"},
    {"seed", NULL, TM_INTEGER(request, seed), "N",
     .help = "seed for synthetic weights and random tokens (default 1)", .high = TM_SEED_MAX},
    {0},
};

const tm_command tm_command_verify = {
    .name = "verify",
    .synopsis = "-m MODEL [-p TEXT | -f FILE] [OPTIONS]",
    .summary = "compare every kernel's logits with the scalar one's",
    .description =
        "Runs a model with every kernel of this machine and compares logits and greedy tokens with "
        "those of the scalar kernel of the same kind. Exact kernels must give the same bits, "
        "others "
        "may differ by their rounding. Exit status 1: a kernel differs.\n\n"
        "Then it compares int8 activations, per block of 256 and per token, with fp16: "
        "Kullback-Leibler divergence of the probabilities, positions with the same most likely "
        "token, largest difference of a logit. Use a text with -f for figures that mean something: "
        "random tokens say less about a trained model.\n\n"
        "Every kernel loads the model anew, and scalar kernels are slow.",
    .examples = "ternmark verify -m model.gguf -f text.txt --positions 64\n"
                "ternmark verify -m synth:125M --kernel i2r16_mad_avx2 --positions 4 -n 2",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(request),
    .defaults =
        &(const request){.kv = "f32", .threads = "all", .positions = 16, .n_greedy = 8, .seed = 1},
    .run = run,
};
