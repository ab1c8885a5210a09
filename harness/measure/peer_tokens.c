/* Greedy tokens of a peer against ours. llama-bench prints none, so a program beside it does that
 * continues a text: what it prints after the text is compared with what our engine prints, token
 * by token, on the same file. */
#include "engine/session.h"
#include "engine/tokenizer.h"
#include "harness/base/child.h"
#include "harness/machine/machine.h"
#include "harness/measure/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT       "The capital of France is"
#define N_TOKENS   16
#define N_TEXT     "16"
#define CONTEXT    256
#define MAX_OUTPUT (1 << 20)
#define PATIENCE   600 /* seconds */
#define GRACE      5
/* Engines round differently. Two tokens whose logits are closer than this may change places. */
#define TIE     0.7f
#define N_CLOSE 8

/* Programs that print a text's greedy continuation, and how versions of them are asked; %s stands
 * for the model file. Those that know an argument less refuse it, and the next row is tried. */
static const struct continuer {
    const char *name;
    const char *arguments[12];
} continuers[] = {
    {"llama-simple", {"-m", "%s", "-n", N_TEXT, TEXT}},
    {"llama-completion", {"-m", "%s", "-n", N_TEXT, "-p", TEXT, "--temp", "0", "-no-cnv"}},
    {"llama-cli", {"-m", "%s", "-n", N_TEXT, "-p", TEXT, "--temp", "0", "-no-cnv"}},
    {"llama-cli", {"-m", "%s", "-n", N_TEXT, "-p", TEXT, "--temp", "0"}},
};
enum { N_CONTINUERS = sizeof continuers / sizeof *continuers };

/* Our tokens, as the text grows, and what those that were almost as likely would have added. */
typedef struct ours {
    tm_token_text text;
    size_t ends[N_TOKENS]; /* ends[i]: of the text that i + 1 tokens make certain */
    tm_token_text others[N_TOKENS][N_CLOSE];
    int n;
    bool ended; /* by a token that ends texts */
} ours;

static void free_ours(ours *o)
{
    free(o->text.data);
    for (int i = 0; i < N_TOKENS; i++)
        for (int k = 0; k < N_CLOSE; k++) free(o->others[i][k].data);
}

/* Adds the text of a token as other engines print it: a byte as it is, even if it is no UTF-8. */
static tm_status push(tm_decoder *decoder, int32_t id, tm_token_text *out, tm_error *err)
{
    unsigned byte;
    char token[8];
    const tm_gguf_string text = tm_tokenizer_text(decoder->tokenizer, id);
    if (text.length != 6) return tm_decoder_push(decoder, id, out, err);
    snprintf(token, sizeof token, "%.6s", text.data);
    if (sscanf(token, "<0x%2X>", &byte) != 1) return tm_decoder_push(decoder, id, out, err);
    char *more = realloc(out->data, out->length + 1);
    if (!more) return tm_fail(err, TM_NOMEM, "no memory for a text");
    more[out->length++] = (char)byte;
    out->data = more;
    out->capacity = out->length;
    decoder->at_start = false;
    return TM_OK;
}

/* Adds the most likely token. */
static tm_status add_token(const float *logits, int n_vocab, tm_decoder *decoder, ours *o,
                           int32_t *id, tm_error *err)
{
    tm_status status = TM_OK;
    int n_close = 0;
    *id = tm_argmax(logits, n_vocab);
    o->ended = tm_tokenizer_ends(decoder->tokenizer, *id);
    if (o->ended) return TM_OK;
    for (int32_t i = 0; i < n_vocab && n_close < N_CLOSE && status == TM_OK; i++) {
        tm_decoder other = *decoder;
        if (i == *id || logits[*id] - logits[i] > TIE) continue;
        status = push(&other, i, &o->others[o->n][n_close++], err);
    }
    if (status == TM_OK) status = push(decoder, *id, &o->text, err);
    o->ends[o->n++] = o->text.length;
    return status;
}

static tm_status generate(const tm_model *model, tm_pool *pool, const tm_tokenizer *tokenizer,
                          ours *o, tm_error *err)
{
    tm_token_ids prompt = {0};
    tm_session *session = NULL;
    const float *logits;
    int32_t id;
    const int n_vocab = model->config.n_vocab;
    const tm_session_options wanted = {.n_context = CONTEXT, .f16_kv = true};
    const tm_encode_options encode = {.bos = tm_tokenizer_adds_bos(tokenizer)};
    tm_decoder decoder = tm_decoder_start(tokenizer, false);
    tm_status status = tm_tokenizer_encode(tokenizer, TEXT, strlen(TEXT), encode, &prompt, err);
    /* After text, a space that begins the next token is a space. */
    if (status == TM_OK)
        status = tm_decoder_push(&decoder, prompt.ids[prompt.n - 1], &o->text, err);
    o->text.length = 0;
    if (status == TM_OK) status = tm_session_open(model, pool, &wanted, &session, err);
    if (status == TM_OK)
        status = tm_session_eval(session, prompt.ids, (int)prompt.n, TM_LOGITS_LAST, &logits, err);
    if (status == TM_OK) status = add_token(logits, n_vocab, &decoder, o, &id, err);
    while (status == TM_OK && o->n < N_TOKENS && !o->ended) {
        status = tm_session_eval(session, &id, 1, TM_LOGITS_LAST, &logits, err);
        if (status == TM_OK) status = add_token(logits, n_vocab, &decoder, o, &id, err);
    }
    tm_session_close(session);
    tm_token_ids_free(&prompt);
    return status;
}

/* Loads the file with our engine, if there is memory for it. */
static tm_status generate_ours(const char *path, int n_threads, ours *out, tm_error *err)
{
    tm_gguf *gguf;
    tm_source source = {0};
    tm_tokenizer *tokenizer = NULL;
    tm_pool *pool = NULL;
    tm_model model = {0};
    tm_machine machine = {0};
    struct stat st;
    const tm_pool_options threads = {.n_threads = n_threads, .oversubscribe = true};
    const tm_model_options as_stored = {0};
    tm_status status = tm_machine_read("/", &machine, err);
    if (status == TM_OK && stat(path, &st) == 0 && machine.memory_available_bytes >= 0 &&
        2 * st.st_size > machine.memory_available_bytes)
        status = tm_fail(err, TM_NOMEM, "%s may not fit into memory", path);
    if (status == TM_OK) status = tm_gguf_open(path, &gguf, err);
    if (status != TM_OK) return status;
    status = tm_source_from_gguf(gguf, &source, err);
    if (status != TM_OK) return status;
    status = tm_tokenizer_open(gguf, NULL, &tokenizer, err);
    if (status == TM_OK) status = tm_pool_open(&threads, &pool, err);
    if (status == TM_OK) status = tm_model_open(&source, &as_stored, pool, &model, err);
    bool loaded = status == TM_OK;
    if (loaded) status = generate(&model, pool, tokenizer, out, err);
    if (loaded) tm_model_close(&model);
    if (pool) tm_pool_close(pool);
    tm_tokenizer_close(tokenizer);
    tm_source_close(&source);
    return status;
}

/* The programs lie beside llama-bench; bitnet.cpp's script is in utils/, they are in build/bin/. */
static bool find_beside(const char *path, const char *name, char *out, size_t size)
{
    static const char *const folders[] = {"", "../build/bin/"};
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; i < sizeof folders / sizeof *folders && slash; i++) {
        int n = snprintf(out, size, "%.*s/%s%s", (int)(slash - path), path, folders[i], name);
        if (n > 0 && (size_t)n < size && access(out, X_OK) == 0) return true;
    }
    return false;
}

static bool find_continuer(const tm_peer *peer, const char *name, char *out, size_t size)
{
    if (find_beside(peer->program, name, out, size)) return true;
    for (int i = 0; i < peer->n_arguments; i++)
        if (find_beside(peer->arguments[i], name, out, size)) return true;
    return false;
}

/* SentencePiece writes blanks as U+2581, which older versions print where a vocabulary has no token
 * for it, as in a file of `model make`. */
static void restore_blanks(char *text)
{
    char *to = text;
    for (const char *at = text; *at;) {
        const bool is_blank = strncmp(at, "\xe2\x96\x81", 3) == 0;
        *to++ = is_blank ? ' ' : *at;
        at += is_blank ? 3 : 1;
    }
    *to = 0;
}

/* What the program prints; free() it. Its exit status does not matter if the text is there. */
static tm_status run(const struct continuer *c, const char *program, const tm_peer *peer,
                     char **text, tm_error *err)
{
    const char *argv[16] = {program};
    size_t length;
    tm_child *child;
    tm_child_end end;
    for (int i = 0; i < 12 && c->arguments[i]; i++)
        argv[i + 1] = strcmp(c->arguments[i], "%s") == 0 ? peer->file : c->arguments[i];
    *text = NULL;
    tm_status status = tm_child_open(argv, &child, err);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, MAX_OUTPUT, PATIENCE, peer->interrupt, text, &length, err);
    tm_child_close(child, status == TM_OK ? GRACE : 0, &end);
    if (status != TM_OK) return status;
    (*text)[length ? length - 1 : 0] = 0; /* the last newline */
    restore_blanks(*text);
    if (strstr(*text, TEXT)) return TM_OK;
    free(*text);
    *text = NULL;
    return tm_fail(err, TM_CHILD, "%s did not continue a text: it %s", c->name, end.reason);
}

/* Whether their text goes on with a token that was almost as likely as ours. */
static bool is_tie(const ours *o, int i, const char *theirs)
{
    const char *at = theirs + (i > 0 ? o->ends[i - 1] : 0);
    for (const tm_token_text *t = o->others[i]; t < o->others[i] + N_CLOSE; t++)
        if (t->length > 0 && strncmp(at, t->data, t->length) == 0) return true;
    return false;
}

/* How many of our tokens their text begins with. Characters that our decoder replaced (U+FFFD) end
 * the comparison: they print bytes there. */
static void compare(const ours *o, const char *theirs, tm_peer_tokens *out)
{
    size_t same = 0;
    const char *replaced = memmem(o->text.data, o->text.length, "\xef\xbf\xbd", 3);
    size_t limit = replaced ? (size_t)(replaced - o->text.data) : o->text.length;
    while (theirs[same] && same < limit && o->text.data[same] == theirs[same]) same++;
    for (int i = 0; i < o->n && o->ends[i] <= limit; i++) {
        out->n_compared = i + 1;
        if (o->ends[i] <= same) out->n_same = i + 1;
    }
    if (out->n_same < out->n_compared) out->is_tie = is_tie(o, out->n_same, theirs);
}

void tm_peer_compare_tokens(const tm_peer *peer, int n_threads, tm_peer_tokens *out)
{
    char program[1024], *text = NULL;
    ours o = {0};
    tm_error err = {0};
    memset(out, 0, sizeof *out);
    snprintf(out->missing, sizeof out->missing,
             "no llama-simple, llama-completion or llama-cli beside it");
    for (int i = 0; i < N_CONTINUERS && !text; i++) {
        if (!find_continuer(peer, continuers[i].name, program, sizeof program)) continue;
        if (run(&continuers[i], program, peer, &text, &err) != TM_OK)
            snprintf(out->missing, sizeof out->missing, "%.200s", err.message);
    }
    if (text && generate_ours(peer->file, n_threads, &o, &err) != TM_OK) {
        snprintf(out->missing, sizeof out->missing, "%.200s", err.message);
    } else if (text) {
        compare(&o, strstr(text, TEXT) + strlen(TEXT), out);
        snprintf(out->missing, sizeof out->missing, "%s",
                 out->n_compared ? "" : "its text cannot be compared");
    }
    free(text);
    free_ours(&o);
}
