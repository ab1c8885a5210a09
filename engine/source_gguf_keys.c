#include "engine/source_private.h"

#include <stdio.h>
#include <string.h>

/* The keys of one file that begin with its architecture. */
typedef struct keys {
    const tm_gguf *gguf;
    const char *arch;
    char text[96];
} keys;

static const char *key(keys *k, const char *rest)
{
    snprintf(k->text, sizeof k->text, "%s.%s", k->arch, rest);
    return k->text;
}

/* found NULL: required. */
static tm_status read_int(keys *k, const char *rest, int *out, bool *found, tm_error *err)
{
    uint32_t value = 0;
    tm_status status = tm_gguf_u32(k->gguf, key(k, rest), &value, found, err);
    if (status || (found && !*found)) return status;
    if (value > INT32_MAX)
        return tm_fail(err, TM_FORMAT, "key '%s' is %u; it must be 0 to %d", k->text, value,
                       INT32_MAX);
    *out = (int)value;
    return TM_OK;
}

static tm_status read_arch(const tm_gguf *gguf, tm_config *config, tm_error *err)
{
    tm_gguf_string text = {NULL, 0};
    char arch[sizeof config->arch];
    tm_status status = tm_gguf_str(gguf, "general.architecture", &text, NULL, err);
    if (status) return status;
    size_t n = text.length < sizeof arch ? text.length : sizeof arch - 1;
    for (size_t i = 0; i < n; i++)
        arch[i] = text.data[i] >= 32 && text.data[i] < 127 ? text.data[i] : '?';
    arch[n] = '\0';
    if (n == text.length && tm_config_set_arch(config, arch)) return TM_OK;
    char names[80];
    return tm_fail(err, TM_UNSUPPORTED, "architecture '%s' is not supported; supported are %s",
                   arch, tm_config_arch_names(names, sizeof names));
}

/* general.name, or the file's name; characters outside printable ASCII become '?'. */
static tm_status read_name(const tm_gguf *gguf, tm_config *config, tm_error *err)
{
    const char *path = tm_gguf_path(gguf), *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    tm_gguf_string text = {base, strlen(base)};
    bool found;
    tm_status status = tm_gguf_str(gguf, "general.name", &text, &found, err);
    if (status) return status;
    size_t n = text.length < sizeof config->name ? text.length : sizeof config->name - 1;
    for (size_t i = 0; i < n; i++)
        config->name[i] = text.data[i] >= 32 && text.data[i] < 127 ? text.data[i] : '?';
    config->name[n] = '\0';
    return TM_OK;
}

static tm_status read_heads(keys *k, tm_config *c, tm_error *err)
{
    bool found;
    int value_dim;
    tm_status status = read_int(k, "attention.head_count", &c->n_heads, NULL, err);
    if (status) return status;
    if (c->n_heads < 1)
        return tm_fail(err, TM_FORMAT, "key '%s' is 0; it must be at least 1", k->text);
    c->n_kv_heads = c->n_heads;
    if ((status = read_int(k, "attention.head_count_kv", &c->n_kv_heads, &found, err)))
        return status;
    if ((status = read_int(k, "attention.key_length", &c->head_dim, &found, err))) return status;
    if (!found && c->n_hidden % c->n_heads)
        return tm_fail(err, TM_FORMAT,
                       "%d heads do not divide the hidden size %d, and key '%s' is missing",
                       c->n_heads, c->n_hidden, k->text);
    if (!found) c->head_dim = c->n_hidden / c->n_heads;
    value_dim = c->head_dim;
    if ((status = read_int(k, "attention.value_length", &value_dim, &found, err))) return status;
    if (value_dim != c->head_dim)
        return tm_fail(err, TM_UNSUPPORTED,
                       "key '%s' is %d, but keys have %d; only equal sizes are supported", k->text,
                       value_dim, c->head_dim);
    c->n_rot = c->head_dim;
    return read_int(k, "rope.dimension_count", &c->n_rot, &found, err);
}

static bool equals(tm_gguf_string text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

static tm_status read_float(keys *k, const char *rest, float *out, tm_error *err)
{
    bool found;
    return tm_gguf_f32(k->gguf, key(k, rest), out, &found, err);
}

/* Defaults and the product of the two attention factors as in llama.cpp. */
static tm_status read_yarn(keys *k, const tm_config *c, tm_rope_scaling *s, tm_error *err)
{
    bool found;
    float factor = 1, log_multiplier = 0;
    s->yarn = true;
    s->n_context = c->n_context;
    s->ext = -1;
    s->attention = 1, s->beta_fast = 32, s->beta_slow = 1;
    tm_status status =
        read_int(k, "rope.scaling.original_context_length", &s->n_context, &found, err);
    if (!status) status = read_float(k, "rope.scaling.yarn_ext_factor", &s->ext, err);
    if (s->ext < 0) s->ext = 1;
    if (!status) status = read_float(k, "rope.scaling.attn_factor", &s->attention, err);
    if (!status) status = read_float(k, "rope.scaling.yarn_attn_factor", &factor, err);
    s->attention *= factor;
    if (!status) status = read_float(k, "rope.scaling.yarn_beta_fast", &s->beta_fast, err);
    if (!status) status = read_float(k, "rope.scaling.yarn_beta_slow", &s->beta_slow, err);
    if (!status) status = read_float(k, "rope.scaling.yarn_log_multiplier", &log_multiplier, err);
    if (!status && log_multiplier != 0)
        status = tm_fail(err, TM_UNSUPPORTED, "key '%s' is %g; only 0 is supported", k->text,
                         (double)log_multiplier);
    return status;
}

static tm_status read_long_rope(keys *k, const tm_config *c, tm_rope_scaling *s, tm_error *err)
{
    bool found;
    s->n_context = c->n_context;
    tm_status status =
        read_int(k, "rope.scaling.original_context_length", &s->n_context, &found, err);
    return status ? status : read_float(k, "rope.scaling.attn_factor", &s->attention, err);
}

/* Converted 1bitLLM models have type linear with factor 1, which changes nothing. */
static tm_status read_rope(keys *k, tm_config *c, tm_error *err)
{
    bool found;
    float factor = 1;
    tm_gguf_string type = {"linear", strlen("linear")};
    c->rope_base = 10000;
    tm_status status = read_float(k, "rope.freq_base", &c->rope_base, err);
    if (!status) status = tm_gguf_str(k->gguf, key(k, "rope.scaling.type"), &type, &found, err);
    if (status || equals(type, "none")) return status;
    bool yarn = equals(type, "yarn"), long_rope = equals(type, "longrope");
    if (!yarn && !long_rope && !equals(type, "linear"))
        return tm_fail(err, TM_UNSUPPORTED,
                       "key '%s' must be none, linear, yarn or longrope; other position scaling is "
                       "not supported",
                       k->text);
    status = tm_gguf_f32(k->gguf, key(k, "rope.scale_linear"), &factor, &found,
                         err); /* before 2023-11 */
    if (!status && !found) status = read_float(k, "rope.scaling.factor", &factor, err);
    if (factor == 0) factor = 1; /* as in llama.cpp */
    if (status || (factor == 1 && !yarn && !long_rope)) return status;
    if (factor != 1 || yarn) c->rope_scaling.factor = factor;
    if (yarn) return read_yarn(k, c, &c->rope_scaling, err);
    return long_rope ? read_long_rope(k, c, &c->rope_scaling, err) : TM_OK;
}

/* Models of minicpm that older converters wrote do not state their scales. */
static tm_status read_scales(keys *k, tm_config *c, tm_error *err)
{
    if (strcmp(c->arch, "minicpm") != 0) return TM_OK;
    tm_config_set_default_scales(c);
    tm_status status = read_float(k, "embedding_scale", &c->embedding_scale, err);
    if (!status) status = read_float(k, "residual_scale", &c->residual_scale, err);
    return status ? status : read_float(k, "logit_scale", &c->logit_scale, err);
}

/* bitnet stands for models with both gates; a key that some converters write tells which. */
static tm_status read_gate(keys *k, tm_config *c, tm_error *err)
{
    bool found;
    tm_gguf_string gate;
    tm_status status = tm_gguf_str(k->gguf, key(k, "hidden_activation"), &gate, &found, err);
    if (status || !found) return status;
    c->relu2 = equals(gate, "relu2");
    if (c->relu2 || equals(gate, "silu")) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "key '%s' must be silu or relu2", k->text);
}

static tm_status read_embedding(const tm_gguf *gguf, tm_config *c, tm_error *err)
{
    const tm_gguf_tensor *table = tm_gguf_find_tensor(gguf, "token_embd.weight");
    if (!table) return tm_fail(err, TM_FORMAT, "tensor 'token_embd.weight' is missing");
    if (table->ne[1] > INT32_MAX)
        return tm_fail(err, TM_FORMAT,
                       "tensor 'token_embd.weight' has %lld rows; it must have 1 to %d",
                       (long long)table->ne[1], INT32_MAX);
    c->n_vocab = (int)table->ne[1];
    /* For arch bitnet, bitnet.cpp and llama.cpp use the embedding as the head whatever the file
     * holds. */
    c->tied_head = strcmp(c->arch, "bitnet") == 0 || !tm_gguf_find_tensor(gguf, "output.weight");
    return TM_OK;
}

static tm_status check_length(const char *name, uint64_t n, int n_vocab, tm_error *err)
{
    if (n == (uint64_t)n_vocab) return TM_OK;
    return tm_fail(err, TM_FORMAT, "key '%s' has %llu items, but the embedding has %d rows", name,
                   (unsigned long long)n, n_vocab);
}

static tm_status check_vocabulary(const tm_gguf *gguf, const tm_config *c, tm_error *err)
{
    static const char *const per_token[] = {"tokenizer.ggml.scores", "tokenizer.ggml.token_type"};
    static const char *const ids[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"};
    bool found;
    uint64_t n = 0;
    tm_status status = tm_gguf_array_length(gguf, "tokenizer.ggml.tokens", &n, &found, err);
    if (!status && found) status = check_length("tokenizer.ggml.tokens", n, c->n_vocab, err);
    for (size_t i = 0; i < 2 && !status; i++) {
        tm_gguf_array array;
        status = tm_gguf_find_array(gguf, per_token[i], &array, &found, err);
        if (!status && found) status = check_length(per_token[i], array.n_items, c->n_vocab, err);
    }
    for (size_t i = 0; i < 2 && !status; i++) {
        uint32_t id = 0;
        status = tm_gguf_u32(gguf, ids[i], &id, &found, err);
        bool is_none = id == UINT32_MAX; /* -1 in llama.cpp: the vocabulary lacks this token */
        if (!status && found && !is_none && id >= (uint32_t)c->n_vocab)
            status =
                tm_fail(err, TM_FORMAT, "key '%s' is %u; it must be below the vocabulary size %d",
                        ids[i], id, c->n_vocab);
    }
    return status;
}

/* PrismML stores some weights in a rotated basis: without the rotation of the activations such a
 * model loads and answers nonsense. */
static tm_status refuse_rotation(const tm_gguf *gguf, tm_error *err)
{
    static const char key[] = "prism.hadamard.version";
    uint32_t version = 0;
    bool found;
    tm_status status = tm_gguf_u32(gguf, key, &version, &found, err);
    if (status || !found) return status;
    return tm_fail(err, TM_UNSUPPORTED,
                   "key '%s' is %u: the weights are rotated, which is not supported; use a file "
                   "without rotation",
                   key, version);
}

tm_status tm_source_read_config(const tm_gguf *gguf, tm_config *out, tm_error *err)
{
    tm_config c = {0};
    bool found;
    tm_status status = refuse_rotation(gguf, err);
    if (!status) status = read_arch(gguf, &c, err);
    if (status) return status;
    keys k = {.gguf = gguf, .arch = c.arch};
    status = read_name(gguf, &c, err);
    if (!status) status = read_int(&k, "block_count", &c.n_layers, NULL, err);
    if (!status) status = read_int(&k, "embedding_length", &c.n_hidden, NULL, err);
    if (!status) status = read_int(&k, "feed_forward_length", &c.n_ffn, NULL, err);
    if (!status) status = read_int(&k, "context_length", &c.n_context, &found, err);
    if (!status) status = read_heads(&k, &c, err);
    if (!status) status = read_rope(&k, &c, err);
    if (!status) status = read_scales(&k, &c, err);
    if (!status) status = read_gate(&k, &c, err);
    if (!status)
        status = tm_gguf_f32(gguf, key(&k, "attention.layer_norm_rms_epsilon"), &c.rms_epsilon,
                             NULL, err);
    if (!status) status = read_embedding(gguf, &c, err);
    if (!status) status = tm_config_check(&c, err);
    if (!status) status = check_vocabulary(gguf, &c, err);
    if (!status) *out = c;
    return status;
}
