/* Where a model's weights come from: a GGUF file or a seeded generator, behind one vtable. model.c
 * packs the weights into the layout of the chosen kernel.
 */
#ifndef TM_ENGINE_SOURCE_H
#define TM_ENGINE_SOURCE_H

#include "engine/gguf.h"
#include "kernels/base.h"

/* role, GGUF name (%d: layer). Synthetic weights depend on a role's number: new ones go last. */
#define TM_ROLES(X)                                                                                \
    X(EMBEDDING, "token_embd.weight")                                                              \
    X(OUTPUT_NORM, "output_norm.weight")                                                           \
    X(HEAD, "output.weight")                                                                       \
    X(ROPE_FREQS, "rope_freqs.weight")                                                             \
    X(ATTN_NORM, "blk.%d.attn_norm.weight")                                                        \
    X(Q, "blk.%d.attn_q.weight")                                                                   \
    X(K, "blk.%d.attn_k.weight")                                                                   \
    X(V, "blk.%d.attn_v.weight")                                                                   \
    X(ATTN_SUB_NORM, "blk.%d.attn_sub_norm.weight")                                                \
    X(O, "blk.%d.attn_output.weight")                                                              \
    X(FFN_NORM, "blk.%d.ffn_norm.weight")                                                          \
    X(GATE, "blk.%d.ffn_gate.weight")                                                              \
    X(UP, "blk.%d.ffn_up.weight")                                                                  \
    X(FFN_SUB_NORM, "blk.%d.ffn_sub_norm.weight")                                                  \
    X(DOWN, "blk.%d.ffn_down.weight")                                                              \
    X(Q_NORM, "blk.%d.attn_q_norm.weight")                                                         \
    X(K_NORM, "blk.%d.attn_k_norm.weight")                                                         \
    X(ROPE_SHORT, "rope_factors_short.weight")                                                     \
    X(ROPE_LONG, "rope_factors_long.weight")

typedef enum tm_role {
#define TM_ROLE_ENUM(name, text) TM_ROLE_##name,
    TM_ROLES(TM_ROLE_ENUM) TM_ROLE_COUNT
#undef TM_ROLE_ENUM
} tm_role;

/* How the angles of a model's positions differ from position * base^(-2i / n_rot). A model of
 * minicpm may also have ROPE_SHORT and ROPE_LONG: factors by which the angles of each pair are
 * divided, in contexts of up to and above n_context positions. */
typedef struct tm_rope_scaling {
    float factor;  /* angles are divided by it; 0 and 1: not scaled */
    bool yarn;     /* only those of low frequencies, by the fields below. Source: YaRN (Peng et al.
                      2023), as in llama.cpp */
    int n_context; /* positions of the original training */
    float ext, attention;       /* share of the correction; factor of cos and sin, 0: 1 */
    float beta_fast, beta_slow; /* turns in n_context from which on, and up to which, a frequency is
                                   kept and scaled */
} tm_rope_scaling;

/* The sizes and constants of a model. */
typedef struct tm_config {
    char name[96];
    char arch[24]; /* bitnet, bitnet-25, bitnet-b1.58, llama, qwen3, minicpm */
    int n_layers, n_hidden, n_ffn;
    int n_heads, n_kv_heads, head_dim, n_rot; /* n_rot: rotated part of head_dim */
    int n_vocab, n_context;                   /* n_context: the training length, 0 unknown */
    float rope_base, rms_epsilon;
    tm_rope_scaling rope_scaling;
    bool rope_half_split; /* bitnet*, qwen3: pairs (i, i + n_rot/2); others: (2i, 2i + 1) */
    bool sub_norms;       /* RMSNorm before W_o and before W_down (bitnet*) */
    bool qk_norms;        /* RMSNorm of each head of q and k before the rotation (qwen3) */
    bool relu2;           /* max(g,0)^2 instead of SiLU (bitnet-25, bitnet-b1.58) */
    bool tied_head;       /* the head is the embedding */
    bool ternary_tables; /* synthetic: embedding and head are trits, and Q2_0 stores every matrix */
    /* minicpm; 0: 1. The embedding times embedding_scale, what a block adds to the residual stream
     * times residual_scale, logits divided by logit_scale. */
    float embedding_scale, residual_scale, logit_scale;
} tm_config;

/* Sets arch and what follows from it: rope_half_split, sub_norms, qk_norms, relu2. Returns false,
 * and sets nothing, for an architecture that the engine does not support. Source: forward passes of
 * llama.cpp and bitnet.cpp. */
bool tm_config_set_arch(tm_config *config, const char *arch);
/* The three scales of minicpm in models that do not state them; requires n_layers and n_hidden.
 * Nothing for other architectures. Source: MiniCPM 1 and 2, as in llama.cpp. */
void tm_config_set_default_scales(tm_config *config);
/* Factor of cos and sin, with YaRN's correction of the attention. */
float tm_rope_attention_factor(const tm_rope_scaling *scaling);
/* The angle of position 1 for pair i of n_rot / 2. */
double tm_rope_frequency(const tm_config *config, int i);
/* "bitnet, bitnet-25, ... and llama", for messages. Returns text. */
char *tm_config_arch_names(char *text, size_t size);
/* FORMAT for numbers that no model can have; the message has name, value and limit. */
tm_status tm_config_check(const tm_config *config, tm_error *err) TM_MUST_USE;
/* The tensor's GGUF name, with `layer` in the names of per-layer roles. */
void tm_role_name(tm_role role, int layer, char *out, size_t size);
bool tm_role_is_per_layer(tm_role role);
/* Rows and columns of a role in a model of this config (vectors: 1 row). */
void tm_role_shape(const tm_config *config, tm_role role, int *n_rows, int *n_cols);
bool tm_role_is_linear(tm_role role); /* Q K V O GATE UP DOWN */
/* Whether a model of this config has the tensor (sub-norms, separate head). Factors of the rotation
 * are optional where an architecture can have them: `describe` tells whether they are present. */
bool tm_role_present(const tm_config *config, tm_role role);
bool tm_role_is_optional(tm_role role);
/* Sum of n_rows * n_cols over the linear roles of all layers. */
int64_t tm_config_linear_weights(const tm_config *config);

typedef struct tm_tensor_info {
    bool present;
    bool ternary;     /* every weight in {-scale, 0, scale} */
    bool in_blocks;   /* not ternary, but every 64 weights of a row are, with a scale in half */
    float scale;      /* ternary: that scale, the optional .scale tensor multiplied in; else 1 */
    float post_scale; /* not ternary: the .scale tensor, to multiply y with; else 1 */
    float extra;      /* the .scale tensor, ternary or not: for users of the stored bytes; else 1 */
    tm_gguf_type type; /* as tm_source.type says */
    char why_not[160]; /* linear and not ternary: a sentence with the first offending value */
} tm_tensor_info;

typedef struct tm_source tm_source;
struct tm_source {
    tm_config config;
    void *self; /* owned; freed by close */
    /* The type in which a tensor is stored, without reading the tensor (synthetic: what `model
     * make` would write by default). The model must have the tensor. Any thread. */
    tm_gguf_type (*type)(const tm_source *source, tm_role role, int layer);
    /* Describes one tensor; layer is ignored for roles without one. Reads the whole tensor on the
     * first call. One thread at a time. Errors: FORMAT (also: NaN or Inf in weights or scales). */
    tm_status (*describe)(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                          tm_error *err);
    /* Rows as trits [n][n_cols] (ternary tensors only) or as floats (ternary: trit * info.scale;
     * else not multiplied by info.post_scale). Any thread, any range. */
    void (*trits)(const tm_source *source, tm_role role, int layer, int row_begin, int row_end,
                  int8_t *out);
    void (*floats)(const tm_source *source, tm_role role, int layer, int row_begin, int row_end,
                   float *out);
    /* The tensor's bytes as stored in its type, row after row; they live as long as the source.
     * NULL if it is stored otherwise (a checkpoint). The function is NULL if nothing is stored
     * (synthetic). Any thread. */
    const uint8_t *(*stored)(const tm_source *source, tm_role role, int layer);
    /* Releases rows that are not needed soon, as tm_gguf_release does, so that a file's pages do
     * not count in addition to the packed weights. NULL: nothing to release (synthetic). Any
     * thread. */
    void (*release)(const tm_source *source, tm_role role, int layer, int row_begin, int row_end);
    void (*close)(tm_source *source);
};

/* Opens a GGUF file as a model. Reads the keys and checks that heads divide, epsilon is finite,
 * every tensor is present with its shape and the lengths of the vocabulary agree.
 * Errors: IO, FORMAT, UNSUPPORTED (architecture, with the supported ones), NOMEM. */
tm_status tm_source_open_gguf(const char *path, tm_source *out, tm_error *err) TM_MUST_USE;
/* The same for a reader that is open; the source takes ownership of it, also on error. */
tm_status tm_source_from_gguf(tm_gguf *gguf, tm_source *out, tm_error *err) TM_MUST_USE;

/* A seeded model of any shape: uniform random trits, one log-uniform scale per matrix chosen so
 * that activations stay in range through all layers, normal embedding rounded to half (or trits,
 * see ternary_tables). Trit (row, col) of a tensor depends only on seed, role, layer, row and
 * column, so every layout holds the same model. Errors: UNSUPPORTED (an architecture that
 * tm_config_set_arch does not know), and those of tm_config_check. */
tm_status tm_source_open_synth(const tm_config *config, uint64_t seed, tm_source *out,
                               tm_error *err) TM_MUST_USE;

void tm_source_close(tm_source *source);

/* Writes a source as a GGUF file: linear weights in `type` (convert.h),
 * embedding and head F16, norms F32, with a byte-level vocabulary of n_vocab placeholder tokens so
 * that other programs load it. TQ types fall back to F16 where n_cols is not a multiple of 256; for
 * I2_S a column count that is not a multiple of 128 is an error. A ternary type needs ternary
 * matrices. fd, path: as of tm_gguf_create; nothing is written before the model is checked.
 * Errors: ARG, IO, NOMEM, those of the source. */
tm_status tm_source_write_gguf(tm_source *source, tm_gguf_type type, int fd, const char *path,
                               tm_error *err) TM_MUST_USE;

#endif
