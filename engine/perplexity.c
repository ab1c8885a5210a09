#include "engine/perplexity.h"

#include <math.h>

typedef struct sums {
    double nll, squares;
    int64_t n;
} sums;

int tm_perplexity_scored(int n_context)
{
    return n_context - 1 - n_context / 2;
}

/* -log of the probability of a token; NaN if a logit is not finite. */
static double nll_of(const float *logits, int n_vocab, int32_t token)
{
    float max = logits[0];
    double sum = 0;
    for (int i = 1; i < n_vocab; i++)
        if (logits[i] > max) max = logits[i];
    for (int i = 0; i < n_vocab; i++) sum += (double)expf(logits[i] - max);
    return -((double)(logits[token] - max) - log(sum));
}

static tm_perplexity result_of(const sums *s, int n_windows)
{
    double mean = s->nll / (double)s->n, value = exp(mean);
    double variance = (s->squares / (double)s->n - mean * mean) / (double)(s->n - 1);
    return (tm_perplexity){.value = value,
                           .standard_error = s->n > 1 ? value * sqrt(fmax(variance, 0)) : NAN,
                           .mean_nll = mean,
                           .n_scored = s->n,
                           .n_windows = n_windows};
}

static tm_status measure_window(tm_session *session, int n_vocab, const int32_t *ids,
                                const tm_perplexity_options *o, sums *s, tm_error *err)
{
    int first = o->n_context / 2;
    const float *logits;
    tm_session_reset(session);
    tm_status status = TM_OK;
    if (o->bos >= 0) status = tm_session_eval(session, &o->bos, 1, TM_LOGITS_NONE, NULL, err);
    int begin = o->bos >= 0 ? 1 : 0;
    if (status == TM_OK && first > begin)
        status = tm_session_eval(session, ids + begin, first - begin, TM_LOGITS_NONE, NULL, err);
    for (int at = first; status == TM_OK && at < o->n_context - 1;) {
        int n = o->n_context - 1 - at < o->n_batch ? o->n_context - 1 - at : o->n_batch;
        status = tm_session_eval(session, ids + at, n, TM_LOGITS_ALL, &logits, err);
        for (int i = 0; status == TM_OK && i < n; i++) {
            double nll = nll_of(logits + (size_t)i * (size_t)n_vocab, n_vocab, ids[at + i + 1]);
            if (!isfinite(nll))
                return tm_fail(err, TM_FORMAT,
                               "the model computed logits that are not numbers: weights or scales "
                               "in the file are too large or damaged");
            s->nll += nll;
            s->squares += nll * nll;
            s->n++;
        }
        at += n;
    }
    return status;
}

tm_status tm_perplexity_measure(tm_session *session, int n_vocab, const int32_t *ids, size_t n_ids,
                                const tm_perplexity_options *o, tm_perplexity *out, tm_error *err)
{
    size_t n_context = (size_t)o->n_context, n_windows = n_ids / n_context;
    sums s = {0};
    if (n_windows < 2)
        return tm_fail(err, TM_ARG,
                       "the text has %zu tokens; two windows of %d need %zu: use a longer text or "
                       "a smaller --context",
                       n_ids, o->n_context, 2 * n_context);
    if (o->n_windows > 0 && n_windows > (size_t)o->n_windows) n_windows = (size_t)o->n_windows;
    for (size_t w = 0; w < n_windows; w++) {
        tm_status status = measure_window(session, n_vocab, ids + w * n_context, o, &s, err);
        if (status != TM_OK) return status;
        *out = result_of(&s, (int)w + 1);
        if (o->on_window) o->on_window(o->arg, out);
    }
    return TM_OK;
}
