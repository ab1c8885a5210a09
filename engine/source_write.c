#include "engine/source_private.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_FLOATS 65536 /* whole rows are converted in chunks of about this many */

typedef struct entry {
    tm_role role;
    int layer;
    tm_gguf_type type;
    int n_rows, n_cols;
    tm_tensor_info info;
} entry;

typedef struct plan {
    tm_source *source;
    entry *entries; /* owned */
    int n_entries;
    float *values; /* owned, [rows of a chunk][n_cols] */
    int8_t *trits; /* owned, as many */
} plan;

/* Checks that the config has what other programs assume for its architecture. */
static tm_status check_arch(const tm_config *config, tm_error *err)
{
    tm_config implied = *config;
    if (!tm_config_set_arch(&implied, config->arch))
        return tm_fail(err, TM_ARG, "architecture '%s' is not supported", config->arch);
    if (implied.rope_half_split != config->rope_half_split ||
        implied.sub_norms != config->sub_norms || implied.relu2 != config->relu2)
        return tm_fail(err, TM_ARG,
                       "model %s differs from architecture %s in its rotation, sub-norms or gate",
                       config->name, config->arch);
    if (!config->tied_head && strcmp(config->arch, "bitnet") == 0)
        return tm_fail(
            err, TM_ARG,
            "model %s has a separate head, which other programs ignore for architecture bitnet",
            config->name);
    return TM_OK;
}

static tm_status choose_type(entry *e, tm_gguf_type type, tm_error *err)
{
    char name[64];
    tm_role_name(e->role, e->layer, name, sizeof name);
    bool is_table = e->role == TM_ROLE_EMBEDDING || e->role == TM_ROLE_HEAD;
    bool is_float = type == TM_GGUF_F32 || type == TM_GGUF_F16 || type == TM_GGUF_BF16;
    tm_gguf_type table = type == TM_GGUF_BF16 ? TM_GGUF_BF16 : TM_GGUF_F16;
    e->type = is_table ? table : TM_GGUF_F32;
    if (!tm_role_is_linear(e->role)) return TM_OK;
    int block = type == TM_GGUF_TQ1_0 || type == TM_GGUF_TQ2_0 ? 256
                : type == TM_GGUF_Q2_0                         ? 64
                                                               : 1;
    e->type = e->n_cols % block ? TM_GGUF_F16 : type;
    if (e->type == TM_GGUF_I2_S && e->n_cols % 128)
        return tm_fail(err, TM_ARG,
                       "tensor %s has rows of %d weights; I2_S needs a multiple of 128", name,
                       e->n_cols);
    if (!is_float && e->type != TM_GGUF_F16 && !e->info.ternary)
        return tm_fail(err, TM_ARG, "tensor %s cannot be written as %s: %s", name,
                       tm_gguf_type_name(e->type),
                       e->info.why_not[0] ? e->info.why_not : "it is not ternary");
    return TM_OK;
}

static tm_status add_entry(plan *p, tm_role role, int layer, tm_gguf_type type, tm_error *err)
{
    const tm_config *config = &p->source->config;
    entry *e = &p->entries[p->n_entries];
    if (!tm_role_present(config, role)) return TM_OK;
    *e = (entry){.role = role, .layer = layer};
    tm_role_shape(config, role, &e->n_rows, &e->n_cols);
    tm_status status = p->source->describe(p->source, role, layer, &e->info, err);
    if (status || !e->info.present) return status;
    status = choose_type(e, type, err);
    if (!status) p->n_entries++;
    return status;
}

static tm_status make_plan(plan *p, tm_gguf_type type, tm_error *err)
{
    int n_layers = p->source->config.n_layers, widest = 1;
    tm_status status = tm_alloc((void **)&p->entries, (size_t)n_layers * TM_ROLE_COUNT,
                                sizeof *p->entries, "the list of tensors", err);
    for (int role = 0; role < TM_ROLE_COUNT && !status; role++)
        if (!tm_role_is_per_layer(role)) status = add_entry(p, role, 0, type, err);
    for (int layer = 0; layer < n_layers && !status; layer++)
        for (int role = 0; role < TM_ROLE_COUNT && !status; role++)
            if (tm_role_is_per_layer(role)) status = add_entry(p, role, layer, type, err);
    if (status) return status;
    for (int i = 0; i < p->n_entries; i++)
        if (p->entries[i].n_cols > widest) widest = p->entries[i].n_cols;
    size_t n = widest > CHUNK_FLOATS ? (size_t)widest : CHUNK_FLOATS;
    status = tm_alloc((void **)&p->values, n, sizeof *p->values, "rows to be converted", err);
    return status ? status : tm_alloc((void **)&p->trits, n, 1, "rows to be converted", err);
}

/* I2_S codes are made from the trits: made from floats they go by sign and lose magnitudes below
 * 1e-6. */
static void read_rows(plan *p, const entry *e, int row_begin, int row_end)
{
    const tm_source *source = p->source;
    size_t n = (size_t)(row_end - row_begin) * (size_t)e->n_cols;
    if (e->type == TM_GGUF_I2_S) {
        source->trits(source, e->role, e->layer, row_begin, row_end, p->trits);
        for (size_t i = 0; i < n; i++) p->values[i] = p->trits[i];
        return;
    }
    source->floats(source, e->role, e->layer, row_begin, row_end, p->values);
    if (e->info.ternary || e->info.post_scale == 1) return;
    for (size_t i = 0; i < n; i++) p->values[i] *= e->info.post_scale;
}

static tm_status fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    plan *p = arg;
    const entry *e = &p->entries[index];
    char name[64];
    int step = CHUNK_FLOATS / e->n_cols > 0 ? CHUNK_FLOATS / e->n_cols : 1;
    for (int row = 0; row < e->n_rows; row += step) {
        int end = e->n_rows - row < step ? e->n_rows : row + step;
        read_rows(p, e, row, end);
        tm_gguf_write_floats(e->type, p->values, e->n_cols, e->n_rows, row, end, e->info.scale,
                             data);
    }
    tm_role_name(e->role, e->layer, name, sizeof name);
    tm_gguf_tensor written = {.name = {name, strlen(name)},
                              .type = e->type,
                              .n_dims = 2,
                              .ne = {e->n_cols, e->n_rows, 1, 1},
                              .data = data,
                              .bytes = bytes};
    tm_status status = tm_gguf_check_finite(&written, err); /* halves end at 65504 */
    return status ? tm_fail_in(err, "as %s", tm_gguf_type_name(e->type)) : TM_OK;
}

static uint32_t file_type(tm_gguf_type type)
{
    switch (type) {
    case TM_GGUF_F32:
        return 0;
    case TM_GGUF_TQ1_0:
        return 36;
    case TM_GGUF_TQ2_0:
        return 37;
    case TM_GGUF_I2_S:
        return 40; /* bitnet.cpp's number; llama.cpp lacks the type */
    case TM_GGUF_Q2_0:
        return 41;
    default:
        return 1;
    }
}

static void put_config(tm_gguf_writer *w, const tm_config *c, tm_gguf_type type)
{
    char key[96];
#define KEY(rest) (snprintf(key, sizeof key, "%s.%s", c->arch, rest), key)
    tm_gguf_put_str(w, "general.architecture", c->arch);
    tm_gguf_put_str(w, "general.name", c->name);
    tm_gguf_put_u32(w, KEY("block_count"), (uint32_t)c->n_layers);
    /* Other programs require it; 2048 if the length is unknown. */
    tm_gguf_put_u32(w, KEY("context_length"), c->n_context ? (uint32_t)c->n_context : 2048);
    tm_gguf_put_u32(w, KEY("embedding_length"), (uint32_t)c->n_hidden);
    tm_gguf_put_u32(w, KEY("feed_forward_length"), (uint32_t)c->n_ffn);
    tm_gguf_put_u32(w, KEY("attention.head_count"), (uint32_t)c->n_heads);
    tm_gguf_put_u32(w, KEY("attention.head_count_kv"), (uint32_t)c->n_kv_heads);
    if (c->n_hidden % c->n_heads || c->n_hidden / c->n_heads != c->head_dim) {
        tm_gguf_put_u32(w, KEY("attention.key_length"), (uint32_t)c->head_dim);
        tm_gguf_put_u32(w, KEY("attention.value_length"), (uint32_t)c->head_dim);
    }
    tm_gguf_put_f32(w, KEY("attention.layer_norm_rms_epsilon"), c->rms_epsilon);
    tm_gguf_put_f32(w, KEY("rope.freq_base"), c->rope_base);
    tm_gguf_put_u32(w, KEY("rope.dimension_count"), (uint32_t)c->n_rot);
    tm_gguf_put_u32(w, KEY("vocab_size"), (uint32_t)c->n_vocab);
#undef KEY
    tm_gguf_put_u32(w, "general.file_type", file_type(type));
    tm_gguf_put_u32(w, "general.quantization_version", 2);
}

/* Token types of tokenizer.ggml.token_type. */
enum { TOKEN_NORMAL = 1, TOKEN_UNKNOWN = 2, TOKEN_CONTROL = 3, TOKEN_BYTE = 6 };

#define TOKEN_TEXT 16 /* bytes kept for a token's text, the longest being "[16777215]" */

static int32_t make_token(int id, char text[TOKEN_TEXT])
{
    static const char *const special[] = {"<unk>", "<s>", "</s>"};
    if (id < 3) {
        snprintf(text, TOKEN_TEXT, "%s", special[id]);
        return id == 0 ? TOKEN_UNKNOWN : TOKEN_CONTROL;
    }
    if (id < 3 + 256) {
        snprintf(text, TOKEN_TEXT, "<0x%02X>", (unsigned)(id - 3) & 255);
        return TOKEN_BYTE;
    }
    snprintf(text, TOKEN_TEXT, "[%d]", id);
    return TOKEN_NORMAL;
}

/* A SentencePiece vocabulary, because it needs no merges: every text is tokenized to its bytes, and
 * the tokens after those print as their number. */
static tm_status put_vocabulary(tm_gguf_writer *w, int n_vocab, tm_error *err)
{
    size_t n = (size_t)n_vocab;
    char *texts = NULL;
    const char **items = NULL;
    float *scores = NULL;
    int32_t *types = NULL;
    tm_status status = tm_alloc((void **)&texts, n, TOKEN_TEXT, "the vocabulary's texts", err);
    if (!status) status = tm_alloc((void **)&items, n, sizeof *items, "the vocabulary", err);
    if (!status)
        status = tm_alloc((void **)&scores, n, sizeof *scores, "the vocabulary's scores", err);
    if (!status)
        status = tm_alloc((void **)&types, n, sizeof *types, "the vocabulary's types", err);
    for (size_t i = 0; i < n && !status; i++) {
        types[i] = make_token((int)i, texts + i * TOKEN_TEXT);
        items[i] = texts + i * TOKEN_TEXT;
        scores[i] = types[i] == TOKEN_NORMAL ? -1e6f : 0;
    }
    if (!status) {
        tm_gguf_put_str(w, "tokenizer.ggml.model", "llama");
        tm_gguf_put_str_array(w, "tokenizer.ggml.tokens", items, n);
        tm_gguf_put_f32_array(w, "tokenizer.ggml.scores", scores, n);
        tm_gguf_put_i32_array(w, "tokenizer.ggml.token_type", types, n);
        tm_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", 0);
        if (n > 1) tm_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", 1);
        if (n > 2) tm_gguf_put_u32(w, "tokenizer.ggml.eos_token_id", 2);
    }
    tm_free(types);
    tm_free(scores);
    tm_free(items);
    tm_free(texts);
    return status;
}

static tm_status write_plan(plan *p, tm_gguf_type type, int fd, const char *path, tm_error *err)
{
    tm_gguf_writer *w;
    tm_status status = tm_gguf_create(fd, path, &w, err);
    if (status) return status;
    put_config(w, &p->source->config, type);
    status = put_vocabulary(w, p->source->config.n_vocab, err);
    if (status) {
        tm_gguf_abandon(w);
        return status;
    }
    for (int i = 0; i < p->n_entries; i++) {
        const entry *e = &p->entries[i];
        char name[64];
        int64_t ne[2] = {e->n_cols, e->n_rows};
        bool is_matrix =
            tm_role_is_linear(e->role) || e->role == TM_ROLE_EMBEDDING || e->role == TM_ROLE_HEAD;
        tm_role_name(e->role, e->layer, name, sizeof name);
        tm_gguf_put_tensor(w, name, e->type, ne, is_matrix ? 2 : 1);
    }
    return tm_gguf_finish(w, fill, p, err);
}

tm_status tm_source_write_gguf(tm_source *source, tm_gguf_type type, int fd, const char *path,
                               tm_error *err)
{
    plan p = {.source = source};
    if (type != TM_GGUF_F32 && type != TM_GGUF_F16 && type != TM_GGUF_BF16 &&
        type != TM_GGUF_TQ1_0 && type != TM_GGUF_TQ2_0 && type != TM_GGUF_Q2_0 &&
        type != TM_GGUF_I2_S)
        return tm_fail(
            err, TM_ARG,
            "%s: linear weights can be written as F32, F16, BF16, TQ1_0, TQ2_0, Q2_0 or I2_S",
            path);
    tm_status status = tm_config_check(&source->config, err);
    if (!status) status = check_arch(&source->config, err);
    if (!status) status = make_plan(&p, type, err);
    if (!status) status = write_plan(&p, type, fd, path, err);
    tm_free(p.trits);
    tm_free(p.values);
    tm_free(p.entries);
    return status;
}
