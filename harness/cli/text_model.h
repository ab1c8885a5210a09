/* A model that reads and writes text: a GGUF file with its vocabulary. Opened in two steps, so that
 * a wrong prompt is refused before the weights are loaded. Shared by `generate` and `perplexity`.
 */
#ifndef TM_HARNESS_CLI_TEXT_MODEL_H
#define TM_HARNESS_CLI_TEXT_MODEL_H

#include "engine/session.h"
#include "engine/tokenizer.h"
#include "harness/cli/options.h"

typedef struct tm_text_settings {
    const char *model, *kernel, *kv, *threads, *pre;
    bool oversubscribe;
} tm_text_settings;

#define TM_TEXT_DEFAULTS                                                                           \
    {                                                                                              \
        .kv = "f16", .threads = "all"                                                              \
    }

/* Offsets are those of tm_text_settings. The first row is the model, which is required. */
extern const tm_option tm_text_options[];

typedef struct tm_text_model {
    tm_source source; /* owns gguf */
    const tm_gguf *gguf;
    tm_tokenizer *tokenizer; /* points into gguf */
    int n_threads;
    int64_t available_bytes; /* of memory; -1: unknown */
    char memory_limit[96];   /* what sets it */
    bool f16_kv, loaded;
    tm_pool *pool;
    tm_model model;
} tm_text_model;

/* Opens the file, its vocabulary and its keys. Errors: ARG (a synthetic model), those of
 * tm_tokenizer_open and tm_source_open_gguf. */
tm_status tm_text_model_open(const tm_text_settings *settings, tm_text_model *out,
                             tm_error *err) TM_MUST_USE;
/* Loads the weights, if there is memory for them. The calling thread becomes the pool's first.
 * Errors: NOMEM with what they need, those of tm_model_open. */
tm_status tm_text_model_load(tm_text_model *model, const tm_text_settings *settings,
                             tm_error *err) TM_MUST_USE;
/* A session, if its memory is available. options->f16_kv is set here. Errors: NOMEM with what it
 * needs, and those of tm_session_open. */
tm_status tm_text_session_open(tm_text_model *model, tm_session_options options, tm_session **out,
                               tm_error *err) TM_MUST_USE;
void tm_text_model_close(tm_text_model *model);

/* The text of --prompt or --file, whichever is not NULL: all its bytes. FILE may be a pipe, and "-"
 * is standard input. *text: free it, also after an error. Errors: ARG (neither or both; a silent
 * pipe), IO, NOMEM. */
tm_status tm_text_read(const char *prompt, const char *file, char **text, size_t *length,
                       tm_error *err) TM_MUST_USE;

#endif
