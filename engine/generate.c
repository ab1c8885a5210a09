#include "engine/generate.h"

#include <stdlib.h>
#include <string.h>

const char *tm_end_name(tm_end end)
{
    static const char *const names[] = {
#define TM_END_NAME(name, text) text,
        TM_ENDS(TM_END_NAME)
#undef TM_END_NAME
    };
    return names[end];
}

typedef struct generation {
    const tm_generate_options *options;
    tm_generated *out;
    tm_decoder decoder;
    tm_token_text text; /* owned: decoded, not yet given to the caller */
} generation;

/* Gives the first n bytes of the text to the caller. */
static void give(generation *g, int32_t id, size_t n)
{
    const tm_generate_options *o = g->options;
    if (o->on_token && (n > 0 || id >= 0)) o->on_token(o->arg, id, n > 0 ? g->text.data : "", n);
    g->text.length -= n;
    if (n > 0) memmove(g->text.data, g->text.data + n, g->text.length);
}

/* Where the first stop string begins in the text, or its length. */
static size_t find_stop(generation *g)
{
    size_t first = g->text.length;
    for (int i = 0; i < g->options->n_stops && g->text.length > 0; i++) {
        const char *stop = g->options->stops[i];
        const char *at = memmem(g->text.data, g->text.length, stop, strlen(stop));
        if (!at || (size_t)(at - g->text.data) >= first) continue;
        first = (size_t)(at - g->text.data);
        g->out->end_stop = i;
    }
    return first;
}

/* How many bytes at the end of the text may be the beginning of a stop string. */
static size_t count_open(const generation *g)
{
    size_t most = 0;
    for (int i = 0; i < g->options->n_stops; i++) {
        const char *stop = g->options->stops[i];
        size_t n = strlen(stop) - 1;
        if (n > g->text.length) n = g->text.length;
        while (n > most && memcmp(g->text.data + g->text.length - n, stop, n) != 0) n--;
        if (n > most) most = n;
    }
    return most;
}

/* Takes a token in. *ended: it completes a stop string. */
static tm_status add_token(generation *g, int32_t id, bool *ended, tm_error *err)
{
    tm_status status = tm_decoder_push(&g->decoder, id, &g->text, err);
    if (status != TM_OK) return status;
    size_t length = find_stop(g);
    *ended = length < g->text.length;
    give(g, id, *ended ? length : length - count_open(g));
    return TM_OK;
}

/* What was held back is text after all. */
static tm_status flush(generation *g, tm_error *err)
{
    tm_status status = tm_decoder_finish(&g->decoder, &g->text, err);
    if (status == TM_OK) give(g, -1, g->text.length);
    return status;
}

/* Whether the token that was just chosen is the last. */
static bool is_last(generation *g, const tm_session *session, const tm_tokenizer *tokenizer,
                    bool has_stop)
{
    tm_generated *out = g->out;
    bool is_full = tm_session_position(session) >= g->options->n_context;
    if (tm_tokenizer_ends(tokenizer, out->last))
        out->end = TM_END_TOKEN;
    else if (has_stop)
        out->end = TM_END_STRING;
    else if (out->n_tokens == g->options->n_tokens)
        out->end = TM_END_LENGTH;
    else if (is_full)
        out->end = TM_END_CONTEXT;
    else
        return false;
    return true;
}

/* One token: chosen, given to the caller, and *ended set if it is the last. */
static tm_status choose(generation *g, const tm_session *session, tm_sampler *sampler,
                        const float *logits, bool *ended, tm_error *err)
{
    const tm_tokenizer *tokenizer = g->decoder.tokenizer;
    int32_t id;
    bool has_stop = false;
    tm_status status = tm_sampler_next(sampler, logits, &id, err);
    if (status != TM_OK) return status;
    tm_sampler_accept(sampler, id);
    g->out->last = id;
    g->out->n_tokens++;
    if (tm_tokenizer_ends(tokenizer, id))
        give(g, id, 0);
    else
        status = add_token(g, id, &has_stop, err);
    *ended = is_last(g, session, tokenizer, has_stop);
    return status;
}

static tm_status run(generation *g, tm_session *session, tm_sampler *sampler,
                     const tm_token_ids *prompt, tm_error *err)
{
    tm_generated *out = g->out;
    const float *logits;
    bool ended;
    const int64_t begin_ns = tm_now_ns();
    tm_status status =
        tm_session_eval(session, prompt->ids, (int)prompt->n, TM_LOGITS_LAST, &logits, err);
    if (status != TM_OK) return status;
    out->prompt_ns = tm_now_ns() - begin_ns;
    for (size_t i = 0; i < prompt->n; i++) tm_sampler_accept(sampler, prompt->ids[i]);
    status = choose(g, session, sampler, logits, &ended, err);
    const int64_t first_ns = tm_now_ns();
    out->first_token_ns = first_ns - begin_ns;
    while (status == TM_OK && !ended) {
        status = tm_session_eval(session, &out->last, 1, TM_LOGITS_LAST, &logits, err);
        if (status != TM_OK) return status;
        status = choose(g, session, sampler, logits, &ended, err);
        out->n_steps++;
        out->steps_ns = tm_now_ns() - first_ns;
    }
    return status == TM_OK && out->end != TM_END_STRING ? flush(g, err) : status;
}

tm_status tm_generate(tm_session *session, const tm_tokenizer *tokenizer, tm_sampler *sampler,
                      const tm_token_ids *prompt, const tm_generate_options *options,
                      tm_generated *out, tm_error *err)
{
    generation g = {.options = options, .out = out};
    int left = options->n_context - tm_session_position(session);
    *out = (tm_generated){.n_prompt = (int)prompt->n};
    if (prompt->n == 0) return tm_fail(err, TM_ARG, "the prompt is empty");
    if (prompt->n > (size_t)left)
        return tm_fail(err, TM_ARG,
                       "the prompt has %zu tokens, but %d of the %d positions of the context are "
                       "left",
                       prompt->n, left, options->n_context);
    g.decoder = tm_decoder_start(tokenizer, false);
    /* After text, a space that begins the next token is a space. */
    tm_status status = tm_decoder_push(&g.decoder, prompt->ids[prompt->n - 1], &g.text, err);
    g.text.length = 0;
    if (status == TM_OK) status = run(&g, session, sampler, prompt, err);
    free(g.text.data);
    return status;
}
