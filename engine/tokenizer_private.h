/* Shared by tokenizer*.c only. */
#ifndef TM_ENGINE_TOKENIZER_PRIVATE_H
#define TM_ENGINE_TOKENIZER_PRIVATE_H

#include "engine/tokenizer.h"

#include <string.h>

/* Values of tokenizer.ggml.token_type. */
enum {
    TOKEN_UNDEFINED = 0,
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,
    TOKEN_USER_DEFINED = 4,
    TOKEN_UNUSED = 5,
    TOKEN_BYTE = 6,
};

/* Bits of tokenizer.added_strips: white space on that side of a special token belongs to it. Only
 * tokenizer.json has them; GGUF files do not. */
enum { TOKEN_STRIPS_LEFT = 1, TOKEN_STRIPS_RIGHT = 2 };
#define TM_TOKEN_STRIPS "tokenizer.added_strips"

/* One join of two tokens. rank < 0: an empty slot. */
typedef struct tm_merge {
    int32_t left, right, id, rank;
} tm_merge;

typedef struct tm_splitter tm_splitter;
typedef struct tm_specials tm_specials;

#define TM_TOKENIZER_ENDS 12

struct tm_tokenizer {
    bool is_bpe;
    int n_tokens;
    tm_gguf_string *texts; /* owned array; the texts are in the file */
    uint8_t *types;        /* owned */
    uint8_t *strips;       /* owned: TOKEN_STRIPS_*; NULL: no token strips anything */
    float *scores;         /* owned; NULL for BPE */
    uint32_t *slots;       /* owned hash table of 1 + id by text; 0: empty */
    size_t n_slots;        /* a power of 2 */
    tm_merge *merges;      /* owned hash table by (left, right); NULL for SentencePiece */
    size_t n_merges;       /* slots; a power of 2 */
    size_t longest;        /* bytes of the longest token */
    int32_t bytes[256];    /* the token of each byte, or -1 */
    tm_specials *specials; /* owned: tokens cut out of the text; NULL: none */
    tm_splitter *splitter; /* owned; NULL for SentencePiece */
    int32_t bos, eos, unknown;
    int32_t ends[TM_TOKENIZER_ENDS]; /* tokens that end a text, or -1 */
    bool adds_bos, adds_space, whole_words;
};

/* Finds control, unknown and user-defined tokens. *out: NULL if there are none. Errors: UNSUPPORTED
 * (more than 1 MiB of them), NOMEM. */
tm_status tm_specials_open(const tm_tokenizer *t, tm_specials **out, tm_error *err) TM_MUST_USE;
void tm_specials_close(tm_specials *specials);
/* Marks them in a text, the longest first and the leftmost of equal length: marks[i] is 1 + id
 * where one begins, -1 where it goes on. Without `control` only user-defined ones.
 * marks: [length], zeros. Errors: NOMEM. */
tm_status tm_specials_mark(const tm_specials *specials, const char *text, size_t length,
                           bool control, int32_t *marks, tm_error *err) TM_MUST_USE;

/* Fills texts to bytes from the keys of the file. Errors: FORMAT, NOMEM. */
tm_status tm_vocabulary_read(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err) TM_MUST_USE;
const tm_merge *tm_vocabulary_merge(const tm_tokenizer *t, int32_t left, int32_t right);

/* Bytes of the white space character (as Unicode defines it) that valid UTF-8 starts with, or 0. */
size_t tm_utf8_space(const char *text, size_t length);
/* The code point that byte-level BPE writes for a byte: printable, above 32. */
int tm_byte_to_code_point(uint8_t byte);
/* The byte of a code point, or -1. */
int tm_code_point_to_byte(int code_point);

/* The rule of a name of tokenizer.ggml.pre. Errors: UNSUPPORTED, NOMEM. */
typedef struct tm_pre_rule {
    bool whole_words; /* a word that is a token is taken without merging */
    bool adds_bos;    /* the default of tokenizer.ggml.add_bos_token */
} tm_pre_rule;
bool tm_splitter_knows(tm_gguf_string pre);
tm_status tm_splitter_open(tm_gguf_string pre, tm_pre_rule *rule, tm_splitter **out,
                           tm_error *err) TM_MUST_USE;
void tm_splitter_close(tm_splitter *splitter);

/* Gets the words of a text in order. */
typedef tm_status tm_word_fn(void *arg, const char *word, size_t length, tm_error *err);
/* text: valid UTF-8. Errors: those of the callback, NOMEM, UNSUPPORTED. */
tm_status tm_splitter_split(const tm_splitter *splitter, const char *text, size_t length,
                            tm_word_fn *word, void *arg, tm_error *err) TM_MUST_USE;

/* A piece of text while its tokens are joined. */
typedef struct tm_symbol {
    int32_t prev, next; /* -1: none */
    int32_t id;         /* -1: no token */
    uint32_t begin;
    uint32_t length; /* 0: joined to the symbol before */
} tm_symbol;

typedef struct tm_join {
    uint32_t cost; /* lowest first */
    int32_t left;
    uint32_t length; /* of both symbols together when this was found */
    int32_t id;
} tm_join;

typedef struct tm_merger {
    const tm_tokenizer *tokenizer;
    tm_token_ids *out;
    char *text; /* owned: a word as the vocabulary spells it, or a text with its spaces replaced */
    size_t text_capacity;
    tm_symbol *symbols; /* owned */
    size_t symbols_capacity;
    tm_join *heap; /* owned */
    size_t n_heap, heap_capacity;
} tm_merger;

/* Appends the ids of a word (BPE) or of a text between special tokens (SentencePiece). begins_text:
 * nothing or a special token precedes it. Errors: FORMAT, NOMEM. */
tm_status tm_merger_word(tm_merger *m, const char *word, size_t length, tm_error *err) TM_MUST_USE;
tm_status tm_merger_text(tm_merger *m, const char *text, size_t length, bool begins_text,
                         tm_error *err) TM_MUST_USE;
void tm_merger_free(tm_merger *m);

/* Makes room for n items of `size` bytes in *array, at least doubling it. */
tm_status tm_grow(void **array, size_t *capacity, size_t n, size_t size, tm_error *err) TM_MUST_USE;

#endif
