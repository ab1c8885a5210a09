#include "engine/op_cost.h"

/* Weights are read once, the input as its kernel reads it; the output is floats. */
static tm_op_cost product(const tm_matrix *matrix, int n_tokens)
{
    const tm_weight *w = &matrix->weight;
    bool is_int8 = tm_kernel_arithmetic(matrix->kernel) == TM_ARITHMETIC_INT8;
    if (n_tokens == 0) return (tm_op_cost){.is_int8 = is_int8};
    return (tm_op_cost){
        .memory_bytes = (double)w->format->size(w->n_rows, w->n_cols),
        .activation_bytes =
            (double)n_tokens * (w->n_cols * (is_int8 ? 1.0 : 4.0) + w->n_rows * 4.0),
        .macs = (double)n_tokens * w->n_rows * w->n_cols,
        .is_int8 = is_int8,
    };
}

/* The same, and the residual stream is read and written. */
static tm_op_cost product_add(const tm_matrix *matrix, int n_tokens)
{
    tm_op_cost cost = product(matrix, n_tokens);
    cost.activation_bytes += 8.0 * n_tokens * matrix->weight.n_rows;
    return cost;
}

/* Reads floats; writes floats or int8, whichever the next matrix reads. */
static tm_op_cost norm(const tm_matrix *next, const float *weight, int n_tokens)
{
    double n_cols = next->weight.n_cols;
    if (n_tokens == 0) return (tm_op_cost){0};
    return (tm_op_cost){
        .memory_bytes = weight ? 4 * n_cols : 0,
        .activation_bytes =
            n_tokens * n_cols * (next->weight.format->act != TM_ACT_F32 ? 4 + 1 : 4 + 4),
    };
}

static tm_op_cost prepare(const tm_matrix *next, int n_tokens)
{
    const tm_kernel *kernel = next->kernel;
    double n_cols = next->weight.n_cols;
    if (n_tokens == 0 || !kernel->prepare) return (tm_op_cost){0};
    return (tm_op_cost){
        .activation_bytes = n_tokens * n_cols * (kernel->format->act != TM_ACT_F32 ? 1 : 4) +
                            (double)kernel->scratch_size(next->weight.n_cols, n_tokens),
    };
}

static tm_op_cost sum(tm_op_cost a, tm_op_cost b)
{
    return (tm_op_cost){
        .memory_bytes = a.memory_bytes + b.memory_bytes,
        .activation_bytes = a.activation_bytes + b.activation_bytes,
        .macs = a.macs + b.macs,
        .is_int8 = a.is_int8,
    };
}

static tm_op_cost embedding(const tm_weight *table, int n_tokens)
{
    double row = (double)table->format->size(table->n_rows, table->n_cols) / table->n_rows;
    return (tm_op_cost){.memory_bytes = row * n_tokens,
                        .activation_bytes = 4.0 * table->n_cols * n_tokens};
}

/* Rotates queries of n_needed tokens and keys of n_tokens in place; copies keys and values to the
 * cache. */
static tm_op_cost rope(const tm_config *config, double element, int n_tokens, int n_needed)
{
    double kv_width = (double)config->n_kv_heads * config->head_dim;
    return (tm_op_cost){
        .memory_bytes = 2 * kv_width * element * n_tokens,
        .activation_bytes =
            8.0 * n_needed * config->n_heads * config->head_dim + (8 + 4) * kv_width * n_tokens,
    };
}

/* Scores and mix for the last n_needed tokens of the pass, each over the positions up to its own.
 * Keys and values are read once, however many tokens share them; sequences share none. */
static tm_op_cost attention(const tm_config *config, double element, const tm_stamps_pass *pass,
                            int n_needed)
{
    double end = (double)pass->position + pass->n_tokens, n = n_needed;
    double width = (double)config->n_heads * config->head_dim;
    double kv_width = (double)config->n_kv_heads * config->head_dim;
    if (n_needed == 0) return (tm_op_cost){0};
    if (pass->is_step) {
        double positions = n * (pass->position + 1.0);
        return (tm_op_cost){.memory_bytes = 2 * kv_width * element * positions,
                            .activation_bytes = 8 * n * width,
                            .macs = 2 * width * positions};
    }
    return (tm_op_cost){
        .memory_bytes = 2 * kv_width * element * end,
        .activation_bytes = 8 * n * width,
        .macs = 2 * width * (n * end - n * (n - 1) / 2),
    };
}

tm_op_cost tm_op_cost_of(const tm_model *model, bool f16_kv, tm_op op, int layer,
                         const tm_stamps_pass *pass)
{
    const tm_config *config = &model->config;
    const tm_layer *l = &model->layers[layer < 0 ? 0 : layer];
    int n = pass->n_tokens;
    int needed = layer == config->n_layers - 1 ? pass->n_logits : n;
    int apart = needed < n ? needed : 0; /* queries whose norm is computed separately */
    double element = f16_kv ? 2 : 4;
    switch (op) {
    case TM_OP_EMBED:
        return embedding(&model->embedding, n);
    case TM_OP_ATTN_NORM:
        return sum(norm(&l->k, l->attn_norm, n), norm(&l->q, l->attn_norm, apart));
    case TM_OP_PREPARE_QKV:
        return sum(prepare(&l->k, n), prepare(&l->q, apart));
    case TM_OP_Q:
        return product(&l->q, needed);
    case TM_OP_K:
        return product(&l->k, n);
    case TM_OP_V:
        return product(&l->v, n);
    case TM_OP_ROPE:
        return rope(config, element, n, needed);
    case TM_OP_ATTENTION:
        return attention(config, element, pass, needed);
    case TM_OP_ATTN_SUB_NORM:
        return norm(&l->o, l->attn_sub_norm, needed);
    case TM_OP_PREPARE_O:
        return prepare(&l->o, needed);
    case TM_OP_O:
        return product_add(&l->o, needed);
    case TM_OP_FFN_NORM:
        return norm(&l->gate, l->ffn_norm, needed);
    case TM_OP_PREPARE_GATE_UP:
        return prepare(&l->gate, needed);
    case TM_OP_GATE:
        return product(&l->gate, needed);
    case TM_OP_UP:
        return product(&l->up, needed);
    case TM_OP_ACTIVATION:
        return (tm_op_cost){.activation_bytes = 12.0 * needed * config->n_ffn};
    case TM_OP_FFN_SUB_NORM:
        return norm(&l->down, l->ffn_sub_norm, needed);
    case TM_OP_PREPARE_DOWN:
        return prepare(&l->down, needed);
    case TM_OP_DOWN:
        return product_add(&l->down, needed);
    case TM_OP_OUTPUT_NORM:
        return norm(&model->head, model->output_norm, pass->n_logits);
    case TM_OP_PREPARE_HEAD:
        return prepare(&model->head, pass->n_logits);
    case TM_OP_HEAD:
        return product(&model->head, pass->n_logits);
    case TM_OP_COUNT:
        break;
    }
    return (tm_op_cost){0};
}
