/* Words of a text for byte-level BPE: the expressions that tokenizer.ggml.pre names, as llama.cpp
 * has them. The only file that uses PCRE2. */
#include "engine/gguf_private.h"
#include "engine/tokenizer_private.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MAX_PASSES = 4, HEAP_LIMIT_KIB = 1024 };

/* White space as Unicode defines it: PCRE2's \s would add U+180E. */
#define SPACE                                                                                      \
    "\\t-\\r \\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"       \
    "\\x{3000}"
/* Llama 3: letters, the number of digits per word, and marks differ between the models. */
#define LLAMA3(digits, letter, mark)                                                               \
    "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|"                                       \
    "[^\\r\\n\\p{L}\\p{N}]?" letter "+|" digits "| ?[^" SPACE "\\p{L}" mark "\\p{N}]+[\\r\\n]*|"   \
    "[" SPACE "]*[\\r\\n]+|[" SPACE "]+(?![^" SPACE "])|[" SPACE "]+"
#define L3  LLAMA3("\\p{N}{1,3}", "\\p{L}", "")
#define Q2  LLAMA3("\\p{N}", "\\p{L}", "")
#define Q35 LLAMA3("\\p{N}", "[\\p{L}\\p{M}]", "\\p{M}")
#define G2                                                                                         \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+|"                     \
    "[" SPACE "]+(?![^" SPACE "])"
#define DIGIT      "\\p{N}"
#define DIGITS     "\\p{N}+"
#define THREE      "[0-9][0-9][0-9]"
#define MARKS      "[\\p{P}$+<=>^~|]+"
#define MARKS_TICK "[\\p{P}$+<=>^~|`]+"

/* Name, whether it is one of the Llama 3 kind (takes whole words, adds BOS), and expressions. Each
 * expression splits the pieces that the one before it left. Matches and what lies between them are
 * pieces. */
#define RULES(X)                                                                                   \
    X("default", 0, MARKS, G2, DIGITS, THREE)                                                      \
    X("llama-bpe", 1, L3)                                                                          \
    X("llama3", 1, L3)                                                                             \
    X("llama-v3", 1, L3)                                                                           \
    X("falcon3", 1, L3)                                                                            \
    X("falcon-h1", 1, L3)                                                                          \
    X("falcon_e", 1, L3)                                                                           \
    X("pixtral", 1, L3)                                                                            \
    X("lfm2", 1, L3)                                                                               \
    X("qwen2", 0, Q2)                                                                              \
    X("deepseek-r1-qwen", 0, Q2)                                                                   \
    X("qwen35", 0, Q35)                                                                            \
    X("smollm", 0, DIGIT, G2)                                                                      \
    X("starcoder", 0, DIGIT, G2)                                                                   \
    X("refact", 0, DIGIT, G2)                                                                      \
    X("command-r", 0, DIGIT, G2)                                                                   \
    X("gpt-2", 0, G2)                                                                              \
    X("mpt", 0, G2)                                                                                \
    X("olmo", 0, G2)                                                                               \
    X("falcon", 0, MARKS_TICK, G2, THREE)

static const struct rule {
    const char *name;
    bool like_llama3;
    const char *passes[MAX_PASSES];
} rules[] = {
#define RULE(name, like_llama3, ...) {name, like_llama3, {__VA_ARGS__}},
    RULES(RULE)
#undef RULE
};
static const char *const names[] = {
#define NAME(name, ...) name,
    RULES(NAME)
#undef NAME
        NULL,
};
enum { N_RULES = sizeof rules / sizeof *rules };

struct tm_splitter {
    int n_passes;
    pcre2_code *passes[MAX_PASSES];
};

/* A text being split. */
typedef struct splitting {
    const tm_splitter *splitter;
    pcre2_match_context *context;
    pcre2_match_data *matches[MAX_PASSES];
    tm_word_fn *word;
    void *arg;
} splitting;

const char *const *tm_tokenizer_pre_names(void)
{
    return names;
}

static const struct rule *find_rule(tm_gguf_string pre)
{
    for (const struct rule *r = rules; r < rules + N_RULES; r++)
        if (strlen(r->name) == pre.length && memcmp(r->name, pre.data, pre.length) == 0) return r;
    return NULL;
}

bool tm_splitter_knows(tm_gguf_string pre)
{
    return find_rule(pre);
}

static tm_status unknown_rule(tm_gguf_string pre, tm_error *err)
{
    char list[400] = "", quoted[TM_GGUF_QUOTED];
    for (int i = 0; i < N_RULES; i++) {
        size_t n = strlen(list);
        snprintf(list + n, sizeof list - n, "%s%s",
                 i == 0            ? ""
                 : i + 1 < N_RULES ? ", "
                                   : " and ",
                 names[i]);
    }
    return tm_fail(err, TM_UNSUPPORTED,
                   "key 'tokenizer.ggml.pre' is %s; supported are %s; use --pre "
                   "to choose one",
                   tm_gguf_quote(pre, quoted), list);
}

tm_status tm_splitter_open(tm_gguf_string pre, tm_pre_rule *rule, tm_splitter **out, tm_error *err)
{
    const struct rule *r = find_rule(pre);
    if (!r) return unknown_rule(pre, err);
    tm_splitter *s = calloc(1, sizeof *s);
    if (!s) return tm_fail(err, TM_NOMEM, "no memory for the tokenizer");
    for (; s->n_passes < MAX_PASSES && r->passes[s->n_passes]; s->n_passes++) {
        int code;
        PCRE2_SIZE at;
        s->passes[s->n_passes] =
            pcre2_compile((PCRE2_SPTR)r->passes[s->n_passes], PCRE2_ZERO_TERMINATED,
                          PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
        if (s->passes[s->n_passes]) continue;
        tm_splitter_close(s);
        return tm_fail(err, TM_UNSUPPORTED,
                       "PCRE2 cannot compile the rule \"%s\" at %zu (error %d); it must be built "
                       "with Unicode support",
                       r->name, (size_t)at, code);
    }
    *rule = (tm_pre_rule){.whole_words = r->like_llama3, .adds_bos = r->like_llama3};
    *out = s;
    return TM_OK;
}

void tm_splitter_close(tm_splitter *s)
{
    for (int i = 0; s && i < s->n_passes; i++) pcre2_code_free(s->passes[i]);
    free(s);
}

static tm_status split(splitting *s, int pass, const char *text, size_t length, tm_error *err)
{
    if (length == 0) return TM_OK;
    if (pass == s->splitter->n_passes) return s->word(s->arg, text, length, err);
    size_t done = 0;
    tm_status status = TM_OK;
    while (status == TM_OK && done < length) {
        /* The text was checked once; a check per match would make the work quadratic. */
        int n = pcre2_match(s->splitter->passes[pass], (PCRE2_SPTR)text, length, done,
                            PCRE2_NO_UTF_CHECK, s->matches[pass], s->context);
        if (n == PCRE2_ERROR_NOMATCH) break;
        if (n == PCRE2_ERROR_NOMEMORY || n == PCRE2_ERROR_HEAPLIMIT)
            return tm_fail(err, TM_NOMEM, "no memory for splitting the text into words");
        if (n < 0)
            return tm_fail(err, TM_UNSUPPORTED, "PCRE2 cannot split the text into words: error %d",
                           n);
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(s->matches[pass]);
        status = split(s, pass + 1, text + done, at[0] - done, err);
        if (status == TM_OK) status = split(s, pass + 1, text + at[0], at[1] - at[0], err);
        done = at[1];
    }
    return status != TM_OK ? status : split(s, pass + 1, text + done, length - done, err);
}

tm_status tm_splitter_split(const tm_splitter *splitter, const char *text, size_t length,
                            tm_word_fn *word, void *arg, tm_error *err)
{
    splitting s = {.splitter = splitter, .word = word, .arg = arg};
    bool complete = (s.context = pcre2_match_context_create(NULL));
    for (int i = 0; i < splitter->n_passes; i++)
        complete &= (s.matches[i] = pcre2_match_data_create(1, NULL)) != 0;
    tm_status status = TM_OK;
    if (complete) {
        /* No rule backtracks over more than the text a few times: the default limit of 10^7 is too
         * low for long runs of white space, and this one ends what would be quadratic. Repeats of
         * one character need no memory for backtracking. */
        pcre2_set_heap_limit(s.context, HEAP_LIMIT_KIB);
        pcre2_set_match_limit(s.context,
                              (uint32_t)(length < 1u << 27 ? length * 16 + 10000 : UINT32_MAX));
        status = split(&s, 0, text, length, err);
    } else {
        status = tm_fail(err, TM_NOMEM, "no memory for splitting the text into words");
    }
    for (int i = 0; i < splitter->n_passes; i++) pcre2_match_data_free(s.matches[i]);
    pcre2_match_context_free(s.context);
    return status;
}
