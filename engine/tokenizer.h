/* Text to token ids and back, with the vocabulary of a GGUF file: byte-level BPE
 * (tokenizer.ggml.model "gpt2") and SentencePiece ("llama").
 *
 * Texts and pieces are UTF-8. A tokenizer does not change after opening: any thread may use it.
 */
#ifndef TM_ENGINE_TOKENIZER_H
#define TM_ENGINE_TOKENIZER_H

#include "engine/gguf.h"

typedef struct tm_tokenizer tm_tokenizer;

/* How many bytes at the start of text belong to one UTF-8 character, 0 to 4; *complete: they are
 * the whole character. 0: no character begins so. */
int tm_utf8_scan(const char *text, size_t length, bool *complete);

/* Reads the keys tokenizer.ggml.*. `pre` replaces tokenizer.ggml.pre, the name of the rule that
 * splits text into words before BPE; NULL: the file's, or "default" where the file has none. The
 * tokenizer points into the file, so close it before `gguf`. It takes at most 8 times the memory of
 * the vocabulary in the file, and 64 MiB for control and user-defined tokens. Errors: FORMAT (the
 * key, and the token or merge in question), UNSUPPORTED (a model or rule that is unknown, with the
 * known ones), NOMEM. */
tm_status tm_tokenizer_open(const tm_gguf *gguf, const char *pre, tm_tokenizer **out,
                            tm_error *err) TM_MUST_USE;
void tm_tokenizer_close(tm_tokenizer *tokenizer);

int tm_tokenizer_n_tokens(const tm_tokenizer *tokenizer);
/* Ids of special tokens; -1 where the file names none. */
int32_t tm_tokenizer_bos(const tm_tokenizer *tokenizer);
int32_t tm_tokenizer_eos(const tm_tokenizer *tokenizer);
/* Whether a token ends a text or a reply: eos_token_id, eot_token_id, eom_token_id, and tokens with
 * a name that chat models end their replies with, such as <|eot_id|>. */
bool tm_tokenizer_ends(const tm_tokenizer *tokenizer, int32_t id);
/* A token's text as stored in the file. */
tm_gguf_string tm_tokenizer_text(const tm_tokenizer *tokenizer, int32_t id);
/* Whether prompts of this model begin with BOS: tokenizer.ggml.add_bos_token, or the rule's
 * default. */
bool tm_tokenizer_adds_bos(const tm_tokenizer *tokenizer);
/* The id of the token that the file stores with this text, or -1. */
int32_t tm_tokenizer_find(const tm_tokenizer *tokenizer, const char *text, size_t length);
/* Names that tokenizer.ggml.pre may have, ended by NULL. */
const char *const *tm_tokenizer_pre_names(void);

/* Start with {0}; free with tm_token_ids_free. */
typedef struct tm_token_ids {
    int32_t *ids;
    size_t n, capacity;
    uint64_t n_steps; /* joins considered, for tests: at most 3 per byte of text */
} tm_token_ids;

typedef struct tm_encode_options {
    bool bos;     /* begin with BOS */
    bool special; /* recognise control tokens, such as <|eot_id|>, in the text */
} tm_encode_options;

/* Appends the ids of a text. User-defined tokens are always recognised. Takes memory of at most 144
 * times the length of the text. Errors: FORMAT (text that is not UTF-8, with its offset; a
 * character that the vocabulary has no token for; `bos` without tokenizer.ggml.bos_token_id), ARG
 * (a text of 1 GiB or more), NOMEM. */
tm_status tm_tokenizer_encode(const tm_tokenizer *tokenizer, const char *text, size_t length,
                              tm_encode_options options, tm_token_ids *out,
                              tm_error *err) TM_MUST_USE;
/* Appends an id. Errors: NOMEM. */
tm_status tm_token_ids_add(tm_token_ids *out, int32_t id, tm_error *err) TM_MUST_USE;
void tm_token_ids_free(tm_token_ids *ids);

/* Start with {0}; free `data`. */
typedef struct tm_token_text {
    char *data; /* not NUL-terminated */
    size_t length, capacity;
} tm_token_text;

/* Turns ids into text as they come. A character may be spread over several tokens: its bytes are
 * kept until it is complete, so that each piece is UTF-8. Bytes that are not UTF-8 become
 * U+FFFD. */
typedef struct tm_decoder {
    const tm_tokenizer *tokenizer;
    bool special;       /* show control tokens */
    bool at_start;      /* the next piece loses the space that SentencePiece puts before a text */
    uint8_t pending[4]; /* the first bytes of a character */
    int n_pending;
} tm_decoder;

tm_decoder tm_decoder_start(const tm_tokenizer *tokenizer, bool special);
/* Appends what id completes. Errors: ARG (an id outside the vocabulary), NOMEM. */
tm_status tm_decoder_push(tm_decoder *decoder, int32_t id, tm_token_text *out,
                          tm_error *err) TM_MUST_USE;
/* Appends U+FFFD for a character that was not completed. Errors: NOMEM. */
tm_status tm_decoder_finish(tm_decoder *decoder, tm_token_text *out, tm_error *err) TM_MUST_USE;

#endif
