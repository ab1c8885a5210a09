/* Chooses the next token from logits: the most likely one, or a random one of the most likely.
 *
 * The steps and their order are llama.cpp's: repetition penalty (CTRL, Keskar et al. 2019), top-k,
 * top-p (Holtzman et al. 2020), min-p (Nguyen et al. 2024), temperature. So the shares of top-p and
 * min-p do not depend on the temperature. The random numbers are SplitMix64's (kernels/base.h), one
 * for each token: equal logits and an equal seed give equal tokens.
 */
#ifndef TM_ENGINE_SAMPLER_H
#define TM_ENGINE_SAMPLER_H

#include "kernels/base.h"

typedef struct tm_sampling {
    double temperature;    /* divides the logits; 0: the most likely token, the first on ties */
    int top_k;             /* the most likely k tokens; 0: all */
    double top_p;          /* the fewest tokens with this share of the probability; 1: all */
    double min_p;          /* tokens at least this share as likely as the first; 0: all */
    double repeat_penalty; /* of the last tokens: positive logits are divided by it, others
                              multiplied; 1: none */
    int repeat_last;       /* how many tokens count as the last */
    uint64_t seed;
} tm_sampling;

typedef struct tm_sampler tm_sampler;

/* Requires temperature >= 0, top_k >= 0, 0 < top_p <= 1, 0 <= min_p <= 1, repeat_penalty > 0 and
 * repeat_last >= 0. Errors: NOMEM. */
tm_status tm_sampler_open(const tm_sampling *options, int n_vocab, tm_sampler **out,
                          tm_error *err) TM_MUST_USE;
void tm_sampler_close(tm_sampler *sampler);

/* Chooses from logits [n_vocab]. Allocates nothing. Errors: FORMAT (a NaN, or no finite logit: the
 * weights of the model are at fault). */
tm_status tm_sampler_next(tm_sampler *sampler, const float *logits, int32_t *id,
                          tm_error *err) TM_MUST_USE;
/* Makes id, 0 .. n_vocab-1, the last token. The tokens of the prompt count as well. */
void tm_sampler_accept(tm_sampler *sampler, int32_t id);

#endif
