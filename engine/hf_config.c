/* config.json of a Hugging Face checkpoint as the keys of a GGUF file. */
#include "engine/hf_private.h"

#include <math.h>
#include <stdio.h>

enum { MAX_INT = INT32_MAX };

#define MAX_MODULES 1000 /* every tensor's name is compared with each */

/* "LlamaForCausalLM" and what follows from it. */
static const struct row {
    const char *name;
    const char *arch; /* NULL: by hidden_act */
    bool is_bitnet;   /* weights are rounded to trits by the model itself */
    bool is_interleaved;
} architectures[] = {
    {"BitNetForCausalLM", NULL, true, false},
    {"BitnetForCausalLM", NULL, true, false}, /* 1bitLLM */
    {"LlamaForCausalLM", "llama", false, true},
    {"Qwen3ForCausalLM", "qwen3", false, false},
    {"MiniCPMForCausalLM", "minicpm", false, true},
};
enum { N_ARCHITECTURES = sizeof architectures / sizeof architectures[0] };

/* The keys being written, which begin with the architecture. */
typedef struct writing {
    tm_gguf_writer *w;
    tm_json_text config;
    char arch[24], key[96];
} writing;

static const char *key(writing *out, const char *rest)
{
    snprintf(out->key, sizeof out->key, "%s.%s", out->arch, rest);
    return out->key;
}

static tm_status need_int(tm_json_text config, const char *name, int64_t *out, tm_error *err)
{
    tm_json_text value = tm_json_text_get(config, name);
    if (tm_json_text_is_null(value)) return tm_fail(err, TM_FORMAT, "key '%s' is missing", name);
    if (tm_json_text_int(value, 1, MAX_INT, out)) return TM_OK;
    return tm_fail(err, TM_FORMAT, "key '%s' is not a whole number from 1 to %d", name, MAX_INT);
}

/* A missing value leaves *out as it is; *found may be NULL. */
static tm_status get_int(tm_json_text config, const char *name, int64_t *out, bool *found,
                         tm_error *err)
{
    bool has = !tm_json_text_is_null(tm_json_text_get(config, name));
    if (found) *found = has;
    return has ? need_int(config, name, out, err) : TM_OK;
}

static tm_status get_double(tm_json_text config, const char *name, double *out, tm_error *err)
{
    tm_json_text value = tm_json_text_get(config, name);
    if (tm_json_text_is_null(value) || tm_json_text_double(value, out)) return TM_OK;
    return tm_fail(err, TM_FORMAT, "key '%s' is not a number", name);
}

static tm_status put_int(writing *out, const char *name, const char *rest, int64_t *value,
                         tm_error *err)
{
    tm_status status = need_int(out->config, name, value, err);
    if (status == TM_OK) tm_gguf_put_u32(out->w, key(out, rest), (uint32_t)*value);
    return status;
}

static tm_status unsupported(const char *what, tm_json_text value, tm_error *err)
{
    char text[64] = "missing";
    if (value.length && !tm_json_text_copy(value, text, sizeof text))
        snprintf(text, sizeof text, "%.*s", value.length < 60 ? (int)value.length : 60, value.at);
    for (char *c = text; *c; c++)
        if (*c < 32 || *c > 126) *c = '?';
    return tm_fail(err, TM_UNSUPPORTED, "%s is %s, which is not supported", what, text);
}

static tm_status find_architecture(tm_json_text config, const struct row **out, tm_error *err)
{
    tm_json_text list = tm_json_text_get(config, "architectures"), name = {NULL, 0};
    size_t cursor = 0;
    if (!tm_json_text_next(list, &cursor, NULL, &name))
        return tm_fail(err, TM_FORMAT, "key 'architectures' is missing or empty");
    for (int i = 0; i < N_ARCHITECTURES; i++) {
        if (!tm_json_text_equals(name, architectures[i].name)) continue;
        *out = &architectures[i];
        return TM_OK;
    }
    return unsupported("the architecture", name, err);
}

/* The gate's activation, by which architectures of GGUF files differ. */
static tm_status choose_arch(writing *out, const struct row *row, tm_error *err)
{
    tm_json_text act = tm_json_text_get(out->config, "hidden_act");
    bool is_relu2 = tm_json_text_equals(act, "relu2");
    if (!is_relu2 && !tm_json_text_is_null(act) && !tm_json_text_equals(act, "silu"))
        return unsupported("key 'hidden_act'", act, err);
    if (is_relu2 && row->arch) return unsupported("key 'hidden_act'", act, err);
    snprintf(out->arch, sizeof out->arch, "%s",
             row->arch  ? row->arch
             : is_relu2 ? "bitnet-b1.58"
                        : "bitnet");
    return TM_OK;
}

static tm_status put_heads(writing *out, tm_hf_config *c, int64_t hidden, tm_error *err)
{
    int64_t heads = 0, kv = 0, dim = 0;
    bool has_dim = false;
    tm_status status = put_int(out, "num_attention_heads", "attention.head_count", &heads, err);
    kv = heads;
    if (status == TM_OK) status = get_int(out->config, "num_key_value_heads", &kv, NULL, err);
    if (status == TM_OK) status = get_int(out->config, "head_dim", &dim, &has_dim, err);
    if (status != TM_OK) return status;
    if (!has_dim && hidden % heads)
        return tm_fail(err, TM_FORMAT,
                       "%lld heads do not divide the hidden size %lld, and key 'head_dim' is "
                       "missing",
                       (long long)heads, (long long)hidden);
    if (!has_dim) dim = hidden / heads;
    tm_gguf_put_u32(out->w, key(out, "attention.head_count_kv"), (uint32_t)kv);
    if (has_dim) {
        tm_gguf_put_u32(out->w, key(out, "attention.key_length"), (uint32_t)dim);
        tm_gguf_put_u32(out->w, key(out, "attention.value_length"), (uint32_t)dim);
    }
    double rotated = 1;
    status = get_double(out->config, "partial_rotary_factor", &rotated, err);
    if (status != TM_OK) return status;
    if (!(rotated > 0 && rotated <= 1))
        return tm_fail(err, TM_FORMAT, "key 'partial_rotary_factor' is %g; it must be 0 to 1",
                       rotated);
    tm_gguf_put_u32(out->w, key(out, "rope.dimension_count"), (uint32_t)((double)dim * rotated));
    c->n_heads = (int)heads;
    c->n_kv_heads = (int)kv;
    return TM_OK;
}

/* How YaRN grows with the context. Source: YaRN (Peng et al. 2023), 3.4. */
static double yarn_scale(double factor, double weight)
{
    return factor > 1 ? 0.1 * weight * log(factor) + 1 : 1;
}

/* YaRN's own keys. attention_factor replaces the factor that GGUF's keys multiply. Source:
 * transformers, modeling_rope_utils.py. */
static tm_status put_yarn(writing *out, tm_json_text scaling, double factor, tm_error *err)
{
    double fast = 32, slow = 1, scale = 0, scale_all = 0;
    tm_status status = get_double(scaling, "beta_fast", &fast, err);
    if (status == TM_OK) status = get_double(scaling, "beta_slow", &slow, err);
    if (status == TM_OK) status = get_double(scaling, "mscale", &scale, err);
    if (status == TM_OK) status = get_double(scaling, "mscale_all_dim", &scale_all, err);
    double attention = scale != 0 && scale_all != 0
                           ? yarn_scale(factor, scale) / yarn_scale(factor, scale_all)
                           : yarn_scale(factor, 1);
    if (status == TM_OK) status = get_double(scaling, "attention_factor", &attention, err);
    if (status != TM_OK) return status;
    tm_gguf_put_f32(out->w, key(out, "rope.scaling.yarn_beta_fast"), (float)fast);
    tm_gguf_put_f32(out->w, key(out, "rope.scaling.yarn_beta_slow"), (float)slow);
    tm_gguf_put_f32(out->w, key(out, "rope.scaling.yarn_attn_factor"),
                    (float)(attention / yarn_scale(factor, 1)));
    return TM_OK;
}

/* rope_theta and rope_scaling; since 2025 both in rope_parameters. */
static tm_status put_rope(writing *out, tm_error *err)
{
    tm_json_text merged = tm_json_text_get(out->config, "rope_parameters");
    tm_json_text scaling = merged.length ? merged : tm_json_text_get(out->config, "rope_scaling");
    double base = 10000, factor = 1, original = 0;
    tm_status status = get_double(merged.length ? merged : out->config, "rope_theta", &base, err);
    if (status != TM_OK) return status;
    tm_gguf_put_f32(out->w, key(out, "rope.freq_base"), (float)base);
    tm_json_text type = tm_json_text_get(scaling, "rope_type");
    if (tm_json_text_is_null(type)) type = tm_json_text_get(scaling, "type");
    if (tm_json_text_is_null(type) || tm_json_text_equals(type, "default")) return TM_OK;
    bool is_yarn = tm_json_text_equals(type, "yarn");
    if (!is_yarn && !tm_json_text_equals(type, "linear"))
        return unsupported("the position scaling", type, err);
    status = get_double(scaling, "factor", &factor, err);
    if (status == TM_OK)
        status = get_double(scaling, "original_max_position_embeddings", &original, err);
    if (status != TM_OK) return status;
    tm_gguf_put_str(out->w, key(out, "rope.scaling.type"), is_yarn ? "yarn" : "linear");
    tm_gguf_put_f32(out->w, key(out, "rope.scaling.factor"), (float)factor);
    if (original >= 1 && original <= MAX_INT)
        tm_gguf_put_u32(out->w, key(out, "rope.scaling.original_context_length"),
                        (uint32_t)original);
    return is_yarn ? put_yarn(out, scaling, factor, err) : TM_OK;
}

/* MiniCPM's multipliers. Source: llama.cpp, convert_hf_to_gguf.py. */
static tm_status put_multipliers(writing *out, int64_t hidden, int n_layers, tm_error *err)
{
    double embedding = 12, depth = 1.4, base = 256;
    tm_status status = get_double(out->config, "scale_emb", &embedding, err);
    if (status == TM_OK) status = get_double(out->config, "scale_depth", &depth, err);
    if (status == TM_OK) status = get_double(out->config, "dim_model_base", &base, err);
    if (status != TM_OK) return status;
    tm_gguf_put_f32(out->w, key(out, "embedding_scale"), (float)embedding);
    tm_gguf_put_f32(out->w, key(out, "residual_scale"), (float)(depth / sqrt(n_layers)));
    tm_gguf_put_f32(out->w, key(out, "logit_scale"), (float)((double)hidden / base));
    return TM_OK;
}

/* How matrices are quantized. Source: transformers' integrations/bitnet.py. */
static tm_status read_quantization(tm_json_text config, bool is_bitnet, tm_hf_config *c,
                                   tm_error *err)
{
    tm_json_text q = tm_json_text_get(config, "quantization_config");
    tm_json_text class = tm_json_text_get(q, "linear_class");
    c->rounds = is_bitnet;
    if (tm_json_text_is_null(q)) return TM_OK;
    tm_json_text method = tm_json_text_get(q, "quant_method");
    if (!tm_json_text_equals(method, "bitnet"))
        return unsupported("key 'quantization_config.quant_method'", method, err);
    bool is_auto = tm_json_text_equals(class, "autobitlinear");
    if (!is_auto && !tm_json_text_is_null(class) && !tm_json_text_equals(class, "bitlinear"))
        return unsupported("key 'quantization_config.linear_class'", class, err);
    c->rounds = c->has_packing = true;
    c->divides = !is_auto;
    c->not_converted = tm_json_text_get(q, "modules_to_not_convert");
    size_t n = tm_json_text_count(c->not_converted);
    if (n <= MAX_MODULES) return TM_OK;
    return tm_fail(
        err, TM_FORMAT,
        "key 'quantization_config.modules_to_not_convert' has %zu items; the limit is %d", n,
        MAX_MODULES);
}

tm_status tm_hf_put_config(tm_gguf_writer *w, tm_json_text config, const char *name,
                           tm_hf_config *out, tm_error *err)
{
    writing k = {.w = w, .config = config};
    tm_hf_config c = {0};
    const struct row *row = NULL;
    int64_t layers = 0, hidden = 0, ffn = 0, context = 0, vocab = 0;
    double epsilon = 0;
    if (!tm_json_text_is_object(config)) return tm_fail(err, TM_FORMAT, "it is no JSON object");
    tm_status status = find_architecture(config, &row, err);
    if (status == TM_OK) status = choose_arch(&k, row, err);
    if (status != TM_OK) return status;
    tm_gguf_put_str(w, "general.architecture", k.arch);
    tm_gguf_put_str(w, "general.name", name);
    status = put_int(&k, "num_hidden_layers", "block_count", &layers, err);
    if (status == TM_OK) status = get_int(config, "max_position_embeddings", &context, NULL, err);
    if (status == TM_OK && context)
        tm_gguf_put_u32(w, key(&k, "context_length"), (uint32_t)context);
    if (status == TM_OK) status = put_int(&k, "hidden_size", "embedding_length", &hidden, err);
    if (status == TM_OK)
        status = put_int(&k, "intermediate_size", "feed_forward_length", &ffn, err);
    if (status == TM_OK) status = put_heads(&k, &c, hidden, err);
    if (status == TM_OK && tm_json_text_is_null(tm_json_text_get(config, "rms_norm_eps")))
        status = tm_fail(err, TM_FORMAT, "key 'rms_norm_eps' is missing");
    if (status == TM_OK) status = get_double(config, "rms_norm_eps", &epsilon, err);
    if (status == TM_OK) status = put_rope(&k, err);
    if (status == TM_OK) status = get_int(config, "vocab_size", &vocab, NULL, err);
    if (status == TM_OK && strcmp(k.arch, "minicpm") == 0)
        status = put_multipliers(&k, hidden, (int)layers, err);
    if (status == TM_OK) status = read_quantization(config, row->is_bitnet, &c, err);
    if (status != TM_OK) return status;
    tm_gguf_put_f32(w, key(&k, "attention.layer_norm_rms_epsilon"), (float)epsilon);
    if (vocab) tm_gguf_put_u32(w, key(&k, "vocab_size"), (uint32_t)vocab);
    c.n_layers = (int)layers;
    c.is_interleaved = row->is_interleaved;
    c.is_tied = tm_json_text_bool(tm_json_text_get(config, "tie_word_embeddings"), false);
    *out = c;
    return TM_OK;
}
