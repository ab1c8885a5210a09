#include "engine/source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 1024
#define MAX_HEADS  65536
#define MAX_DIM    (1 << 24) /* products of two, and their sums over layers, stay far below 2^63 */

static const struct {
    const char *name;
    bool rope_half_split, sub_norms, qk_norms, relu2;
} architectures[] = {
    {"bitnet", true, true, false, false},      {"bitnet-25", true, true, false, true},
    {"bitnet-b1.58", true, true, false, true}, {"llama", false, false, false, false},
    {"qwen3", true, false, true, false},       {"minicpm", false, false, false, false},
};

static const char *const names[TM_ROLE_COUNT] = {
#define ROLE_ROW(name, text) [TM_ROLE_##name] = text,
    TM_ROLES(ROLE_ROW)};

bool tm_config_set_arch(tm_config *config, const char *arch)
{
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (strcmp(architectures[i].name, arch) != 0) continue;
        snprintf(config->arch, sizeof config->arch, "%s", arch);
        config->rope_half_split = architectures[i].rope_half_split;
        config->sub_norms = architectures[i].sub_norms;
        config->qk_norms = architectures[i].qk_norms;
        config->relu2 = architectures[i].relu2;
        return true;
    }
    return false;
}

void tm_config_set_default_scales(tm_config *config)
{
    if (strcmp(config->arch, "minicpm") != 0) return;
    config->embedding_scale = 12;
    config->residual_scale = 1.4f / sqrtf((float)config->n_layers);
    config->logit_scale = (float)config->n_hidden / 256;
}

float tm_rope_attention_factor(const tm_rope_scaling *scaling)
{
    float factor = scaling->attention == 0 ? 1 : scaling->attention;
    return scaling->yarn && scaling->ext != 0 ? factor * (1 + 0.1f * logf(scaling->factor))
                                              : factor;
}

/* The pair that makes `turns` turns in the original context. */
static double pair_of_turns(const tm_config *c, double turns)
{
    const double two_pi = 6.283185307179586;
    return c->n_rot * log(c->rope_scaling.n_context / (turns * two_pi)) /
           (2 * log((double)c->rope_base));
}

double tm_rope_frequency(const tm_config *config, int i)
{
    const tm_rope_scaling *scaling = &config->rope_scaling;
    double kept = pow((double)config->rope_base, -2.0 * i / config->n_rot);
    if (scaling->factor == 0) return kept;
    double scaled = kept / (double)scaling->factor;
    if (!scaling->yarn) return scaled;
    double low = fmax(0, floor(pair_of_turns(config, (double)scaling->beta_fast)));
    double high = fmin(config->n_rot - 1, ceil(pair_of_turns(config, (double)scaling->beta_slow)));
    double place = (i - low) / fmax(0.001, high - low);
    double share = (1 - fmin(1, fmax(0, place))) * (double)scaling->ext;
    return scaled * (1 - share) + kept * share;
}

char *tm_config_arch_names(char *text, size_t size)
{
    size_t n = sizeof architectures / sizeof architectures[0], length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < n && length < size; i++) {
        const char *before = i == 0 ? "" : i + 1 == n ? " and " : ", ";
        length +=
            (size_t)snprintf(text + length, size - length, "%s%s", before, architectures[i].name);
    }
    return text;
}

static tm_status check_range(const char *name, int64_t value, int64_t low, int64_t high,
                             tm_error *err)
{
    if (value >= low && value <= high) return TM_OK;
    return tm_fail(err, TM_FORMAT, "%s is %lld; it must be %lld to %lld", name, (long long)value,
                   (long long)low, (long long)high);
}

static tm_status check_positive(const char *name, float value, tm_error *err)
{
    if (isfinite(value) && value > 0) return TM_OK;
    return tm_fail(err, TM_FORMAT, "%s is %g; it must be finite and above 0", name, (double)value);
}

/* A scale of 0: the model has no such scale. */
static tm_status check_scale(const char *name, float value, tm_error *err)
{
    return value == 0 ? TM_OK : check_positive(name, value, err);
}

static tm_status check_scaling(const tm_rope_scaling *s, tm_error *err)
{
    tm_status status = check_scale("the rope scaling factor", s->factor, err);
    if (!status) status = check_scale("the rope attention factor", s->attention, err);
    if (status || !s->yarn) return status;
    if ((status = check_positive("the rope scaling factor", s->factor, err))) return status;
    if ((status = check_positive("YaRN's beta_fast", s->beta_fast, err))) return status;
    if ((status = check_positive("YaRN's beta_slow", s->beta_slow, err))) return status;
    if ((status = check_scale("YaRN's ext_factor", s->ext, err))) return status;
    return check_range("YaRN's original context length", s->n_context, 1, INT32_MAX, err);
}

tm_status tm_config_check(const tm_config *config, tm_error *err)
{
    const tm_config *c = config;
    tm_status status;
    if (!memchr(c->name, 0, sizeof c->name) || !memchr(c->arch, 0, sizeof c->arch))
        return tm_fail(err, TM_FORMAT, "the model's name or architecture is not terminated");
    if ((status = check_range("the number of layers", c->n_layers, 1, MAX_LAYERS, err)))
        return status;
    if ((status = check_range("the hidden size", c->n_hidden, 1, MAX_DIM, err))) return status;
    if ((status = check_range("the feed-forward size", c->n_ffn, 1, MAX_DIM, err))) return status;
    if ((status = check_range("the number of heads", c->n_heads, 1, MAX_HEADS, err))) return status;
    if ((status = check_range("the number of key-value heads", c->n_kv_heads, 1, c->n_heads, err)))
        return status;
    if (c->n_heads % c->n_kv_heads)
        return tm_fail(err, TM_FORMAT, "%d key-value heads do not divide %d heads", c->n_kv_heads,
                       c->n_heads);
    if ((status = check_range("the head size", c->head_dim, 2, MAX_DIM, err))) return status;
    if (c->head_dim % 2)
        return tm_fail(err, TM_FORMAT, "the head size is %d; it must be even", c->head_dim);
    if ((status = check_range("heads times head size", (int64_t)c->n_heads * c->head_dim, 2,
                              MAX_DIM, err)))
        return status;
    if ((status = check_range("the rotated part of a head", c->n_rot, 2, c->head_dim, err)))
        return status;
    if (c->n_rot % 2)
        return tm_fail(err, TM_FORMAT, "the rotated part of a head is %d; it must be even",
                       c->n_rot);
    if ((status = check_range("the vocabulary size", c->n_vocab, 1, MAX_DIM, err))) return status;
    if ((status = check_range("the context length", c->n_context, 0, INT32_MAX, err)))
        return status;
    if ((status = check_positive("the rope base", c->rope_base, err))) return status;
    if ((status = check_scaling(&c->rope_scaling, err))) return status;
    if ((status = check_scale("the embedding scale", c->embedding_scale, err))) return status;
    if ((status = check_scale("the residual scale", c->residual_scale, err))) return status;
    if ((status = check_scale("the logit scale", c->logit_scale, err))) return status;
    return check_positive("the norm epsilon", c->rms_epsilon, err);
}

void tm_role_name(tm_role role, int layer, char *out, size_t size)
{
    if (tm_role_is_per_layer(role))
        snprintf(out, size, "blk.%d%s", layer, names[role] + strlen("blk.%d"));
    else
        snprintf(out, size, "%s", names[role]);
}

bool tm_role_is_per_layer(tm_role role)
{
    return strncmp(names[role], "blk.", strlen("blk.")) == 0;
}

bool tm_role_is_optional(tm_role role)
{
    return role == TM_ROLE_ROPE_FREQS || role == TM_ROLE_ROPE_SHORT || role == TM_ROLE_ROPE_LONG;
}

void tm_role_shape(const tm_config *config, tm_role role, int *n_rows, int *n_cols)
{
    int heads = config->n_heads * config->head_dim, kv = config->n_kv_heads * config->head_dim;
    int rows = 1, cols = config->n_hidden;
    switch (role) {
    case TM_ROLE_EMBEDDING:
    case TM_ROLE_HEAD:
        rows = config->n_vocab;
        break;
    case TM_ROLE_OUTPUT_NORM:
    case TM_ROLE_ATTN_NORM:
    case TM_ROLE_FFN_NORM:
        break;
    case TM_ROLE_ROPE_FREQS:
    case TM_ROLE_ROPE_SHORT:
    case TM_ROLE_ROPE_LONG:
        cols = config->n_rot / 2;
        break;
    case TM_ROLE_Q:
        rows = heads;
        break;
    case TM_ROLE_K:
    case TM_ROLE_V:
        rows = kv;
        break;
    case TM_ROLE_ATTN_SUB_NORM:
        cols = heads;
        break;
    case TM_ROLE_O:
        rows = config->n_hidden, cols = heads;
        break;
    case TM_ROLE_GATE:
    case TM_ROLE_UP:
        rows = config->n_ffn;
        break;
    case TM_ROLE_FFN_SUB_NORM:
        cols = config->n_ffn;
        break;
    case TM_ROLE_DOWN:
        rows = config->n_hidden, cols = config->n_ffn;
        break;
    case TM_ROLE_Q_NORM:
    case TM_ROLE_K_NORM:
        cols = config->head_dim;
        break;
    case TM_ROLE_COUNT:
        break;
    }
    *n_rows = rows;
    *n_cols = cols;
}

bool tm_role_is_linear(tm_role role)
{
    switch (role) {
    case TM_ROLE_Q:
    case TM_ROLE_K:
    case TM_ROLE_V:
    case TM_ROLE_O:
    case TM_ROLE_GATE:
    case TM_ROLE_UP:
    case TM_ROLE_DOWN:
        return true;
    default:
        return false;
    }
}

bool tm_role_present(const tm_config *config, tm_role role)
{
    switch (role) {
    case TM_ROLE_ATTN_SUB_NORM:
    case TM_ROLE_FFN_SUB_NORM:
        return config->sub_norms;
    case TM_ROLE_Q_NORM:
    case TM_ROLE_K_NORM:
        return config->qk_norms;
    case TM_ROLE_HEAD:
        return !config->tied_head;
    case TM_ROLE_ROPE_FREQS:
        return strncmp(config->arch, "bitnet", strlen("bitnet")) != 0;
    case TM_ROLE_ROPE_SHORT:
    case TM_ROLE_ROPE_LONG:
        return strcmp(config->arch, "minicpm") == 0;
    default:
        return true;
    }
}

int64_t tm_config_linear_weights(const tm_config *config)
{
    int64_t per_layer = 0;
    for (int role = 0; role < TM_ROLE_COUNT; role++) {
        int n_rows, n_cols;
        if (!tm_role_is_linear(role)) continue;
        tm_role_shape(config, role, &n_rows, &n_cols);
        per_layer += (int64_t)n_rows * n_cols;
    }
    return per_layer * config->n_layers;
}

void tm_source_close(tm_source *source)
{
    if (source && source->close) source->close(source);
}
