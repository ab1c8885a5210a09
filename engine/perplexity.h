/* Perplexity of a text, as llama.cpp's llama-perplexity computes it: windows of n_context tokens
 * that do not overlap, each from an empty cache and with its first token replaced by BOS. In the
 * second half of a window each token is predicted from those before it. The tail is dropped.
 * Source: llama.cpp, examples/perplexity (2025).
 */
#ifndef TM_ENGINE_PERPLEXITY_H
#define TM_ENGINE_PERPLEXITY_H

#include "engine/session.h"

typedef struct tm_perplexity {
    double value;          /* e to the mean of the negative log-likelihoods */
    double standard_error; /* of value, as if tokens were independent; NaN for one token */
    double mean_nll;       /* nats per token */
    int64_t n_scored;      /* tokens */
    int n_windows;
} tm_perplexity;

/* Gets the result so far after each window. */
typedef void tm_perplexity_fn(void *arg, const tm_perplexity *so_far);

typedef struct tm_perplexity_options {
    int n_context; /* tokens of a window, at least 4; the session has as many positions */
    int n_windows; /* at most; 0: all */
    int n_batch;   /* that of the session, which has room for all logits */
    int32_t bos;   /* -1: no token is replaced */
    tm_perplexity_fn *on_window; /* may be NULL */
    void *arg;
} tm_perplexity_options;

/* Tokens that are scored in a window. */
int tm_perplexity_scored(int n_context);

/* Errors: ARG (fewer than two windows of tokens), FORMAT (logits that are not finite), those of the
 * session. */
tm_status tm_perplexity_measure(tm_session *session, int n_vocab, const int32_t *ids, size_t n_ids,
                                const tm_perplexity_options *options, tm_perplexity *out,
                                tm_error *err) TM_MUST_USE;

#endif
