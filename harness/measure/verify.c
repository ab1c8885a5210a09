#include "harness/measure/verify.h"

#include "engine/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Of engine/README.md. */
#define LIMIT_FLOAT  2e-3
#define LIMIT_BLOCKS 6e-2

/* What a model computes with a kernel: logits of the prompt and of the tokens after it. */
typedef struct outputs {
    float *logits; /* owned, [n_ids + n_greedy][n_vocab] */
    int32_t *ids;  /* owned, [n_greedy]: the most likely tokens */
} outputs;

typedef struct verification {
    const tm_verify_request *r;
    tm_pool *pool;
    outputs reference, other;
    int n_positions, n_vocab;
} verification;

const char *tm_verify_status_name(tm_verify_status status)
{
    static const char *const names[] = {"reference", "equal", "close", "different", "skipped"};
    return names[status];
}

double tm_verify_limit(const tm_kernel *kernel)
{
    if (kernel->tolerance == 0) return 0;
    if (kernel->format->act != TM_ACT_F32) return LIMIT_BLOCKS;
    double limit = 2 * (double)kernel->tolerance;
    return limit > LIMIT_FLOAT ? limit : LIMIT_FLOAT;
}

static tm_status open_outputs(const verification *v, outputs *out, tm_error *err)
{
    size_t n = (size_t)v->n_positions, n_greedy = (size_t)v->r->n_greedy;
    size_t row = (size_t)v->n_vocab * sizeof *out->logits;
    tm_status status = tm_alloc((void **)&out->logits, n, row, "logits", err);
    return status == TM_OK
               ? tm_alloc((void **)&out->ids, n_greedy + 1, sizeof *out->ids, "ids", err)
               : status;
}

static void close_outputs(outputs *out)
{
    tm_free(out->logits);
    tm_free(out->ids);
}

/* forced: tokens to continue with; NULL: the model's own. */
static tm_status evaluate(const verification *v, const tm_model *model, const int32_t *forced,
                          outputs *out, tm_error *err)
{
    const tm_verify_request *r = v->r;
    const tm_session_options options = {
        .n_context = v->n_positions, .n_batch = r->n_ids, .f16_kv = r->f16_kv, .all_logits = true};
    tm_session *session;
    const float *logits;
    size_t n_vocab = (size_t)v->n_vocab;
    tm_status status = tm_session_open(model, v->pool, &options, &session, err);
    if (status != TM_OK) return status;
    status = tm_session_eval(session, r->ids, r->n_ids, TM_LOGITS_ALL, &logits, err);
    float *at = out->logits;
    if (status == TM_OK) memcpy(at, logits, (size_t)r->n_ids * n_vocab * sizeof *at);
    at += (size_t)r->n_ids * n_vocab;
    for (int i = 0; status == TM_OK && i < r->n_greedy; i++, at += n_vocab) {
        out->ids[i] = tm_argmax(at - n_vocab, v->n_vocab);
        status = tm_session_eval(session, forced ? &forced[i] : &out->ids[i], 1, TM_LOGITS_LAST,
                                 &logits, err);
        if (status == TM_OK) memcpy(at, logits, n_vocab * sizeof *at);
    }
    tm_session_close(session);
    return status;
}

/* Opens the model with the kernel and evaluates. *skip: the reason why this kernel cannot. */
static tm_status compute(const verification *v, const tm_kernel *kernel, const int32_t *forced,
                         outputs *out, char *skip, size_t size, tm_error *err)
{
    const tm_verify_request *r = v->r;
    const tm_model_options options = {.kernel = kernel};
    tm_model model;
    tm_error why = {0};
    skip[0] = '\0';
    size_t bytes = tm_model_costs(&r->source->config, kernel, kernel, r->f16_kv).linear_bytes;
    tm_status status = TM_OK;
    if (r->available_bytes >= 0 && bytes > (size_t)r->available_bytes)
        status = tm_fail(&why, TM_NOMEM, "its weights take %.3g GB, but %.3g GB are available",
                         1e-9 * (double)bytes, 1e-9 * (double)r->available_bytes);
    if (status == TM_OK) status = tm_model_open(r->source, &options, v->pool, &model, &why);
    if (status == TM_UNSUPPORTED || status == TM_NOMEM) {
        snprintf(skip, size, "%s", why.message);
        return TM_OK;
    }
    if (status != TM_OK) {
        *err = why;
        return status;
    }
    status = evaluate(v, &model, forced, out, err);
    tm_model_close(&model);
    return status;
}

/* ||got - wanted|| / ||wanted|| */
static double distance_of(const float *got, const float *wanted, int n)
{
    double difference = 0, length = 0;
    for (int i = 0; i < n; i++) {
        double d = (double)got[i] - (double)wanted[i];
        difference += d * d;
        length += (double)wanted[i] * (double)wanted[i];
    }
    return difference == 0 ? 0 : sqrt(difference / length);
}

void tm_verify_compare(const float *got, const float *wanted, int n_positions, int n_vocab,
                       tm_verify_row *row)
{
    bool is_exact = row->kernel->tolerance == 0;
    row->limit = tm_verify_limit(row->kernel);
    row->position = -1;
    row->distance = 0;
    for (int p = 0; p < n_positions; p++, got += n_vocab, wanted += n_vocab) {
        double distance = distance_of(got, wanted, n_vocab);
        if (isnan(distance) || distance > row->distance) row->distance = distance;
        for (int i = 0; row->position < 0 && i < n_vocab; i++)
            if (memcmp(&got[i], &wanted[i], sizeof *got) != 0) {
                row->position = p;
                row->id = i;
                row->value = got[i];
                row->expected = wanted[i];
            }
    }
    row->status = row->position < 0                          ? TM_VERIFY_EQUAL
                  : !is_exact && row->distance <= row->limit ? TM_VERIFY_CLOSE
                                                             : TM_VERIFY_DIFFERENT;
}

static void compare(const verification *v, tm_verify_row *row)
{
    tm_verify_compare(v->other.logits, v->reference.logits, v->n_positions, v->n_vocab, row);
    for (int i = 0; i < v->r->n_greedy; i++) row->n_same += v->other.ids[i] == v->reference.ids[i];
}

/* Kernels that are compared with each other. */
static bool is_alike(const tm_kernel *a, const tm_kernel *b)
{
    return a->format == b->format || (a->format->ternary && b->format->ternary);
}

static bool is_wanted(const tm_verify_request *r, const tm_kernel *kernel)
{
    for (int i = 0; i < r->n_kernels && r->kernels; i++)
        if (r->kernels[i] == kernel) return true;
    return !r->kernels;
}

/* The kernels that are compared with `first`, and itself. */
static tm_status verify_kind(verification *v, const tm_kernel *first, tm_verify_fn *on_row,
                             void *arg, tm_verify_result *out, tm_error *err)
{
    bool any = false;
    tm_error ignored;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++)
        any |= is_alike(*k, first) && is_wanted(v->r, *k) &&
               tm_kernel_available(*k, &ignored) == TM_OK;
    if (!any) return TM_OK;
    char skip[sizeof((tm_verify_row *)NULL)->reason];
    tm_status status = compute(v, first, NULL, &v->reference, skip, sizeof skip, err);
    if (status != TM_OK) return status;
    for (const tm_kernel *const *k = tm_kernels(); status == TM_OK && *k; k++) {
        if (!is_alike(*k, first) || !is_wanted(v->r, *k) ||
            tm_kernel_available(*k, &ignored) != TM_OK)
            continue;
        tm_verify_row row = {.kernel = *k, .reference = first};
        if (skip[0]) {
            memcpy(row.reason, skip, sizeof skip);
        } else if (*k == first) {
            row.status = TM_VERIFY_REFERENCE;
            row.position = -1;
            row.n_same = v->r->n_greedy;
        } else {
            status =
                compute(v, *k, v->reference.ids, &v->other, row.reason, sizeof row.reason, err);
            if (status == TM_OK && !row.reason[0]) compare(v, &row);
        }
        if (row.reason[0]) row.status = TM_VERIFY_SKIPPED;
        out->n_rows++;
        out->n_different += row.status == TM_VERIFY_DIFFERENT;
        out->n_skipped += row.status == TM_VERIFY_SKIPPED;
        if (status == TM_OK) on_row(arg, &row);
    }
    return status;
}

/* log of the sum of e^x, and the largest x. */
static double log_sum(const float *x, int n)
{
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < n; i++)
        if ((double)x[i] > max) max = (double)x[i];
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - max);
    return max + log(sum);
}

void tm_verify_compare_activation(const float *got, const float *fp16, int n_positions, int n_vocab,
                                  tm_verify_activation *a)
{
    int n_same = 0;
    a->kl = a->kl_largest = a->difference = 0;
    for (int p = 0; p < n_positions; p++, got += n_vocab, fp16 += n_vocab) {
        double of_got = log_sum(got, n_vocab), of_fp16 = log_sum(fp16, n_vocab), kl = 0;
        for (int i = 0; i < n_vocab; i++) {
            double log_p = (double)fp16[i] - of_fp16, log_q = (double)got[i] - of_got;
            double difference = fabs((double)got[i] - (double)fp16[i]);
            kl += exp(log_p) * (log_p - log_q);
            if (difference > a->difference) a->difference = difference;
        }
        a->kl += kl / n_positions;
        if (kl > a->kl_largest) a->kl_largest = kl;
        n_same += tm_argmax(got, n_vocab) == tm_argmax(fp16, n_vocab);
    }
    a->top1_share = (double)n_same / n_positions;
}

static tm_status verify_activations(verification *v, tm_verify_result *out, tm_error *err)
{
    static const struct {
        const char *name, *family;
    } kinds[TM_VERIFY_ACTIVATIONS] = {{"int8 per block of 256", "tq2_0"},
                                      {"int8 per token", "ternary"}};
    const tm_kernel *kernel;
    tm_status status = tm_kernel_pick("f16", &kernel, err);
    if (status == TM_OK)
        status =
            compute(v, kernel, NULL, &v->reference, out->fp16_reason, sizeof out->fp16_reason, err);
    if (status != TM_OK) return status;
    if (!out->fp16_reason[0]) out->fp16 = kernel;
    for (int i = 0; i < TM_VERIFY_ACTIVATIONS && status == TM_OK; i++) {
        tm_verify_activation *a = &out->activations[i];
        a->name = kinds[i].name;
        memcpy(a->reason, out->fp16_reason, sizeof a->reason);
        if (a->reason[0]) continue;
        status = tm_kernel_pick(kinds[i].family, &kernel, err);
        if (status == TM_OK)
            status =
                compute(v, kernel, v->reference.ids, &v->other, a->reason, sizeof a->reason, err);
        if (status != TM_OK || a->reason[0]) continue;
        a->kernel = kernel;
        tm_verify_compare_activation(v->other.logits, v->reference.logits, v->n_positions,
                                     v->n_vocab, a);
    }
    return status;
}

tm_status tm_verify(const tm_verify_request *r, tm_verify_fn *on_row, void *arg,
                    tm_verify_result *out, tm_error *err)
{
    verification v = {
        .r = r, .n_positions = r->n_ids + r->n_greedy, .n_vocab = r->source->config.n_vocab};
    const tm_pool_options pool = {
        .n_threads = r->n_threads, .pin = true, .oversubscribe = r->oversubscribe};
    memset(out, 0, sizeof *out);
    double bytes = 3.0 * v.n_positions * v.n_vocab * sizeof(float); /* the session's as well */
    if (r->available_bytes >= 0 && bytes > (double)r->available_bytes)
        return tm_fail(err, TM_NOMEM,
                       "the logits of %d positions take %.3g GB, but %.3g GB are available",
                       v.n_positions, 1e-9 * bytes, 1e-9 * (double)r->available_bytes);
    tm_status status = tm_pool_open(&pool, &v.pool, err);
    if (status == TM_OK) status = open_outputs(&v, &v.reference, err);
    if (status == TM_OK) status = open_outputs(&v, &v.other, err);
    for (const tm_kernel *const *k = tm_kernels(); status == TM_OK && *k; k++) {
        bool is_first = (*k)->isa == TM_ISA_NONE;
        for (const tm_kernel *const *before = tm_kernels(); before < k; before++)
            is_first &= !is_alike(*before, *k) || (*before)->isa != TM_ISA_NONE;
        if (is_first) status = verify_kind(&v, *k, on_row, arg, out, err);
    }
    if (status == TM_OK && !r->kernels) status = verify_activations(&v, out, err);
    close_outputs(&v.reference);
    close_outputs(&v.other);
    if (v.pool) tm_pool_close(v.pool);
    return status;
}
