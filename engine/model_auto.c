#include "engine/model.h"

const tm_format *tm_model_own_format(const tm_source *source, tm_gguf_type type)
{
    switch (type) {
    case TM_GGUF_Q1_0:
    case TM_GGUF_Q2_0:
    case TM_GGUF_PQ2_0:
    case TM_GGUF_PTQ1_0:
        return &tm_format_q2r16;
    default:
        break;
    }
    if (!source->stored) return NULL;
    switch (type) {
    case TM_GGUF_TQ1_0:
        return &tm_format_tq1_0;
    case TM_GGUF_TQ2_0:
        return &tm_format_tq2_0;
    case TM_GGUF_Q4_0:
        return &tm_format_q4_0;
    case TM_GGUF_Q8_0:
        return &tm_format_q8_0;
    case TM_GGUF_Q6_K:
        return &tm_format_q6_k;
    default:
        return NULL;
    }
}

/* In which types the linear weights are stored. */
typedef struct types {
    bool any_rows; /* a type whose activations have one scale per token */
    bool any_tq, all_f32, all_bf16;
    const tm_format *own; /* of the first TQ tensor, else of the first tensor if all have one */
} types;

static types types_of(const tm_source *source)
{
    types t = {.all_f32 = true, .all_bf16 = true};
    bool all_own = true;
    for (int layer = 0; layer < source->config.n_layers; layer++) {
        for (tm_role role = 0; role < TM_ROLE_COUNT; role++) {
            if (!tm_role_is_linear(role)) continue;
            tm_gguf_type type = source->type(source, role, layer);
            const tm_format *own = tm_model_own_format(source, type);
            if (own && (!t.own || (own->block_trits && !t.own->block_trits))) t.own = own;
            t.any_rows |= type == TM_GGUF_I2_S || type == TM_GGUF_IQ1_BN || type == TM_GGUF_IQ2_BN;
            t.any_tq |= type == TM_GGUF_TQ1_0 || type == TM_GGUF_TQ2_0;
            t.all_f32 &= type == TM_GGUF_F32;
            t.all_bf16 &= type == TM_GGUF_BF16;
            all_own &= !!own;
        }
    }
    if (t.own && !t.own->block_trits && !all_own) t.own = NULL;
    return t;
}

/* Whether some linear weight is neither ternary nor stored in a layout of its own. */
static tm_status find_plain(tm_source *source, bool *out, tm_error *err)
{
    *out = false;
    for (int layer = 0; layer < source->config.n_layers && !*out; layer++) {
        for (tm_role role = 0; role < TM_ROLE_COUNT && !*out; role++) {
            tm_tensor_info info;
            if (!tm_role_is_linear(role)) continue;
            if (tm_model_own_format(source, source->type(source, role, layer))) continue;
            tm_status status = source->describe(source, role, layer, &info, err);
            if (status != TM_OK) return status;
            *out = !info.ternary;
        }
    }
    return TM_OK;
}

tm_status tm_model_auto(tm_source *source, const tm_kernel *kernel, bool pack,
                        tm_model_families *out, tm_error *err)
{
    types t = types_of(source);
    bool ternary = t.any_rows || (!t.own && t.any_tq), plain = false, in_blocks = false;
    if (pack && !ternary && !t.own) {
        tm_tensor_info info;
        tm_status status = source->describe(source, TM_ROLE_Q, 0, &info, err);
        if (status != TM_OK) return status;
        ternary = info.ternary;
        in_blocks = info.in_blocks;
    }
    out->linear = ternary      ? "ternary"
                  : t.own      ? t.own->name
                  : in_blocks  ? tm_format_q2r16.name
                  : t.all_f32  ? "f32"
                  : t.all_bf16 ? "bf16"
                               : "f16";

    tm_gguf_type embedding = source->type(source, TM_ROLE_EMBEDDING, 0);
    tm_gguf_type head =
        source->config.tied_head ? embedding : source->type(source, TM_ROLE_HEAD, 0);
    const tm_format *own = tm_model_own_format(source, head);
    bool alike = head == embedding; /* both tables take the head's layout */
    out->head = alike && head == TM_GGUF_F32    ? "f32"
                : alike && head == TM_GGUF_BF16 ? "bf16"
                                                : "f16";
    if (!own || (own == &tm_format_q2r16 && !alike)) return TM_OK;
    bool trits = ternary || (t.own && t.own->block_trits);
    if (kernel) trits = kernel->format->ternary || kernel->format->block_trits;
    if (trits) {
        tm_status status = find_plain(source, &plain, err);
        if (status != TM_OK) return status;
    }
    if (!plain) out->head = own->name; /* else a float head kernel must run the plain weight */
    return TM_OK;
}
