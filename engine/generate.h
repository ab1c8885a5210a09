/* Generates text: a prompt in, tokens out until something ends them.
 *
 * Text comes in whole characters as soon as it is certain: what may be the beginning of a stop
 * string is held back until it is not. Nothing here prints; the caller does, in its callback.
 */
#ifndef TM_ENGINE_GENERATE_H
#define TM_ENGINE_GENERATE_H

#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/tokenizer.h"

/* name, text */
#define TM_ENDS(X)                                                                                 \
    X(LENGTH, "length")   /* n_tokens tokens were generated */                                     \
    X(TOKEN, "token")     /* a token that ends a text, see tm_tokenizer_ends */                    \
    X(STRING, "string")   /* a stop string */                                                      \
    X(CONTEXT, "context") /* the context is full */

typedef enum tm_end {
#define TM_END_ENUM(name, text) TM_END_##name,
    TM_ENDS(TM_END_ENUM)
#undef TM_END_ENUM
} tm_end;
/* "length", "token", ... */
const char *tm_end_name(tm_end end);

/* Gets each token with the text that it makes certain, which may be empty and is not
 * NUL-terminated. Text that was held back comes last, with id -1. */
typedef void tm_generate_fn(void *arg, int32_t id, const char *text, size_t length);

typedef struct tm_generate_options {
    int n_tokens;             /* at most; 0: until the context is full */
    int n_context;            /* that of the session */
    const char *const *stops; /* [n_stops], not empty, valid UTF-8; they end the text and are not
                                 part of it */
    int n_stops;
    tm_generate_fn *on_token;
    void *arg;
} tm_generate_options;

typedef struct tm_generated {
    tm_end end;
    int end_stop;           /* STRING: index of the stop string */
    int32_t last;           /* the last token; TOKEN: the one that ended the text */
    int n_prompt;           /* tokens */
    int n_tokens;           /* generated, the one that ended the text included */
    int n_steps;            /* passes after the prompt's: one for each token but the last */
    int64_t prompt_ns;      /* the prompt's passes */
    int64_t first_token_ns; /* from the beginning to the first token */
    int64_t steps_ns;       /* the other passes, with choosing and decoding their tokens */
} tm_generated;

/* Appends the prompt to the session's sequence in use, then one token after the other. The last
 * token is not appended. The vocabulary of the tokenizer and the model have the same size.
 * Errors: ARG (an empty prompt; one that does not fit the context, with both lengths), those of the
 * session, sampler and decoder. */
tm_status tm_generate(tm_session *session, const tm_tokenizer *tokenizer, tm_sampler *sampler,
                      const tm_token_ids *prompt, const tm_generate_options *options,
                      tm_generated *out, tm_error *err) TM_MUST_USE;

#endif
