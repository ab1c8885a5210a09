#include "engine/convert.h"
#include "engine/source_private.h"

#include <stdio.h>
#include <string.h>

/* Checks that the config has what other programs assume for its architecture. */
static tm_status check_arch(const tm_config *config, tm_error *err)
{
    tm_config implied = *config;
    if (!tm_config_set_arch(&implied, config->arch))
        return tm_fail(err, TM_ARG, "architecture '%s' is not supported", config->arch);
    if (implied.rope_half_split != config->rope_half_split ||
        implied.sub_norms != config->sub_norms || implied.qk_norms != config->qk_norms ||
        implied.relu2 != config->relu2)
        return tm_fail(err, TM_ARG,
                       "model %s differs from architecture %s in its rotation, norms or gate",
                       config->name, config->arch);
    if (!config->tied_head && strcmp(config->arch, "bitnet") == 0)
        return tm_fail(
            err, TM_ARG,
            "model %s has a separate head, which other programs ignore for architecture bitnet",
            config->name);
    return TM_OK;
}

static void put_scales(tm_gguf_writer *w, const tm_config *c)
{
    const tm_rope_scaling *s = &c->rope_scaling;
    char key[96];
#define KEY(rest) (snprintf(key, sizeof key, "%s.%s", c->arch, rest), key)
    if (c->embedding_scale != 0) tm_gguf_put_f32(w, KEY("embedding_scale"), c->embedding_scale);
    if (c->residual_scale != 0) tm_gguf_put_f32(w, KEY("residual_scale"), c->residual_scale);
    if (c->logit_scale != 0) tm_gguf_put_f32(w, KEY("logit_scale"), c->logit_scale);
    bool long_rope = !s->yarn && s->n_context != 0;
    if (s->factor == 0 && !long_rope) return;
    tm_gguf_put_str(w, KEY("rope.scaling.type"),
                    s->yarn     ? "yarn"
                    : long_rope ? "longrope"
                                : "linear");
    if (s->factor != 0) tm_gguf_put_f32(w, KEY("rope.scaling.factor"), s->factor);
    if (s->n_context == 0) return;
    tm_gguf_put_u32(w, KEY("rope.scaling.original_context_length"), (uint32_t)s->n_context);
    if (long_rope && s->attention != 0)
        tm_gguf_put_f32(w, KEY("rope.scaling.attn_factor"), s->attention);
    if (long_rope) return;
    tm_gguf_put_f32(w, KEY("rope.scaling.yarn_ext_factor"), s->ext);
    tm_gguf_put_f32(w, KEY("rope.scaling.yarn_attn_factor"), s->attention);
    tm_gguf_put_f32(w, KEY("rope.scaling.yarn_beta_fast"), s->beta_fast);
    tm_gguf_put_f32(w, KEY("rope.scaling.yarn_beta_slow"), s->beta_slow);
#undef KEY
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
    put_scales(w, c);
    tm_gguf_put_u32(w, "general.file_type", tm_convert_file_type(type));
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

tm_status tm_source_write_gguf(tm_source *source, tm_gguf_type type, int fd, const char *path,
                               tm_error *err)
{
    tm_convert_options options = {.type = type,
                                  .keeps_tables =
                                      type == TM_GGUF_Q2_0 && source->config.ternary_tables,
                                  .table_type = type == TM_GGUF_BF16 ? TM_GGUF_BF16 : TM_GGUF_F16};
    tm_gguf_writer *w;
    tm_status status = tm_config_check(&source->config, err);
    if (!status) status = check_arch(&source->config, err);
    if (!status) status = tm_gguf_create(fd, path, &w, err);
    if (status) return status;
    put_config(w, &source->config, type);
    status = put_vocabulary(w, source->config.n_vocab, err);
    if (!status) return tm_convert_tensors(source, &options, w, NULL, err);
    tm_gguf_abandon(w);
    return status;
}
