/* A model ready to run: config, weights packed for the chosen kernels, and what a token costs.
 *
 * The weights lie in one 2 MiB-aligned mapping; each range of rows is first written by the thread
 * that reads it. The model is read-only after opening and can serve several sessions.
 */
#ifndef TM_ENGINE_MODEL_H
#define TM_ENGINE_MODEL_H

#include "engine/pool.h"
#include "engine/source.h"
#include "kernels/kernel.h"

typedef struct tm_matrix {
    tm_weight weight;
    const tm_kernel *kernel; /* its format is weight.format */
    float post_scale;        /* y is multiplied by it, the model's scales included; 1 if none */
} tm_matrix;

typedef struct tm_layer {
    tm_matrix q, k, v, o, gate, up, down;
    const float *attn_norm, *ffn_norm;         /* [n_hidden] */
    const float *attn_sub_norm, *ffn_sub_norm; /* [n_heads * head_dim], [n_ffn]; NULL: none */
    const float *q_norm, *k_norm;              /* [head_dim]; NULL: none */
} tm_layer;

#define TM_LAYER_MATRICES 7
/* All matrices of a layer, in the order of their fields. */
static inline void tm_layer_matrices(tm_layer *layer, tm_matrix *out[TM_LAYER_MATRICES])
{
    tm_matrix *const all[] = {&layer->q,    &layer->k,  &layer->v,   &layer->o,
                              &layer->gate, &layer->up, &layer->down};
    for (int i = 0; i < TM_LAYER_MATRICES; i++) out[i] = all[i];
}

/* NULL: the kernel that runs the weights as stored, see tm_model_auto. */
typedef struct tm_model_options {
    const tm_kernel *kernel;      /* of the linear weights */
    const tm_kernel *head_kernel; /* of the output head and the embedding */
} tm_model_options;

/* What "auto" means for a model: two names that tm_kernel_pick and tm_kernel_resolve take. */
typedef struct tm_model_families {
    const char *linear; /* of the linear weights */
    const char *head;   /* of the output head and the embedding */
} tm_model_families;

/* Decides by the types in which all the linear weights are stored:
 * linear: "ternary" if any is I2_S, IQ1_BN or IQ2_BN; else the layout of the first tensor in
 * ternary blocks (TQ, Q2_0 and their kind); else the layout of the first tensor if every tensor is
 * stored in blocks; else "f32" if all are F32, "bf16" if all are BF16; else "f16". With pack,
 * floats become "ternary" if the first matrix holds trits, or "q2r16" if it does with several
 * scales: a benchmark times those kernels on them. Without, they run as stored.
 * head:   the head's own layout if it is stored in blocks (q2r16 only if the embedding is stored
 * alike), unless some linear weight needs a float kernel in addition to a ternary one; else "f32"
 * or "bf16" if the embedding and the head are both stored so; else "f16". kernel: the caller's
 * choice for the linear weights, NULL for "auto".
 * Errors: those of source->describe, which is called only where a type alone does not decide. */
tm_status tm_model_auto(tm_source *source, const tm_kernel *kernel, bool pack,
                        tm_model_families *out, tm_error *err) TM_MUST_USE;

/* Some layouts cannot hold every matrix: a layout of trits cannot hold a float matrix. If the
 * caller left the kernel open, or named one with a layout of ternary blocks, such a matrix runs in
 * its own layout if it is stored in blocks, else with the head's kernel if that is a float kernel.
 * Otherwise the model is refused. Blocks of a file whose type is the layout are copied, not
 * repacked, by the threads that read them. */

/* The layout that holds the weights of a stored type without change, and multiplies them with
 * activations as the owner of the type does: q2r16, which is packed, or the blocks of a file, byte
 * for byte, if the source stores any. NULL if no layout does. */
const tm_format *tm_model_own_format(const tm_source *source, tm_gguf_type type);

/* What a model takes and computes, from config and kernels alone: known before anything is loaded.
 */
typedef struct tm_costs {
    size_t linear_bytes;    /* linear weights in their layout, padding included */
    size_t head_bytes;      /* output head in its layout; a tied embedding is this same memory */
    size_t embedding_bytes; /* separate embedding table, 0 if tied: in the head's layout, or in
                               halves if that layout has the blocks of a file */
    size_t norm_bytes;      /* norms and rotation frequencies, each rounded up to 64 bytes */
    size_t kv_bytes_per_position;
    int64_t linear_macs;                 /* per token */
    int64_t head_macs;                   /* per token with logits */
    int64_t attention_macs_per_position; /* per token and cached position: both products */
    double linear_bits_per_weight;       /* linear_bytes * 8 / weights, padding included */
    /* Of the last layer without K and V. A pass computes these, and the layer's attention, only for
     * tokens with logits, and reads the weights only if there are such tokens. */
    size_t last_bytes;
    int64_t last_macs, n_layers;
} tm_costs;

typedef struct tm_model {
    tm_config config;
    const tm_kernel *kernel, *head_kernel;
    tm_costs costs;      /* kv_bytes_per_position: of a half-precision cache */
    tm_layer *layers;    /* [n_layers] */
    tm_matrix head;      /* [n_vocab][n_hidden] */
    tm_weight embedding; /* the same memory as head.weight if tied */
    const float *output_norm;
    /* Factors of the rotation, [n_rot / 2] each or NULL. */
    const float *rope_freqs, *rope_short, *rope_long;
    tm_pages pages;
    uint64_t load_ns;
} tm_model;

/* f16_kv: elements of the KV cache are halves, else floats. */
tm_costs tm_model_costs(const tm_config *config, const tm_kernel *kernel,
                        const tm_kernel *head_kernel, bool f16_kv);

/* Packs everything with all threads of the pool. Errors: UNSUPPORTED (a tensor that is not ternary
 * for a ternary kernel, with its name and first such value; a kernel that this machine cannot run),
 * FORMAT, NOMEM. */
tm_status tm_model_open(tm_source *source, const tm_model_options *options, tm_pool *pool,
                        tm_model *out, tm_error *err) TM_MUST_USE;
void tm_model_close(tm_model *model);

#endif
