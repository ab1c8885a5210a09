#include "engine/model.h"

#include "engine/rows.h"

#include <string.h>

static const tm_role linear_roles[] = {TM_ROLE_Q,    TM_ROLE_K,  TM_ROLE_V,   TM_ROLE_O,
                                       TM_ROLE_GATE, TM_ROLE_UP, TM_ROLE_DOWN};
static const tm_role norm_roles[] = {TM_ROLE_ATTN_NORM,     TM_ROLE_Q_NORM,   TM_ROLE_K_NORM,
                                     TM_ROLE_ATTN_SUB_NORM, TM_ROLE_FFN_NORM, TM_ROLE_FFN_SUB_NORM};
static const tm_role rope_roles[] = {TM_ROLE_ROPE_FREQS, TM_ROLE_ROPE_SHORT, TM_ROLE_ROPE_LONG};
enum { N_LINEAR = 7, N_NORM = sizeof norm_roles / sizeof norm_roles[0], N_ROPE = 3 };

static tm_matrix *matrix_of(tm_layer *layer, tm_role role)
{
    switch (role) {
    case TM_ROLE_Q:
        return &layer->q;
    case TM_ROLE_K:
        return &layer->k;
    case TM_ROLE_V:
        return &layer->v;
    case TM_ROLE_O:
        return &layer->o;
    case TM_ROLE_GATE:
        return &layer->gate;
    case TM_ROLE_UP:
        return &layer->up;
    default:
        return &layer->down;
    }
}

static const float **norm_of(tm_layer *layer, tm_role role)
{
    switch (role) {
    case TM_ROLE_ATTN_NORM:
        return &layer->attn_norm;
    case TM_ROLE_Q_NORM:
        return &layer->q_norm;
    case TM_ROLE_K_NORM:
        return &layer->k_norm;
    case TM_ROLE_ATTN_SUB_NORM:
        return &layer->attn_sub_norm;
    case TM_ROLE_FFN_NORM:
        return &layer->ffn_norm;
    default:
        return &layer->ffn_sub_norm;
    }
}

static const float **rope_of(tm_model *model, int i)
{
    return i == 0 ? &model->rope_freqs : i == 1 ? &model->rope_short : &model->rope_long;
}

/* Sums and products that saturate at SIZE_MAX, a size that no memory holds. */
static size_t add_bytes(size_t a, size_t b)
{
    size_t sum;
    return tm_add_size(a, b, &sum) ? sum : SIZE_MAX;
}
static size_t mul_bytes(size_t a, size_t b)
{
    size_t product;
    return tm_mul_size(a, b, &product) ? product : SIZE_MAX;
}

static size_t matrix_bytes(const tm_config *config, tm_role role, const tm_format *format)
{
    int n_rows, n_cols;
    tm_role_shape(config, role, &n_rows, &n_cols);
    size_t bytes = format->size(n_rows, n_cols);
    return bytes != 0 ? bytes : SIZE_MAX;
}

static size_t vector_bytes(const tm_config *config, tm_role role)
{
    int n_rows, n_cols;
    if (!tm_role_present(config, role)) return 0;
    tm_role_shape(config, role, &n_rows, &n_cols);
    return tm_round_up((size_t)n_cols * 4, 64);
}

/* The layout of a separate embedding, whose rows are only looked up. */
static const tm_format *embedding_format(const tm_kernel *head_kernel)
{
    const tm_format *format = head_kernel->format;
    return format->block != 0 && format != &tm_format_q2r16 ? &tm_format_f16r16 : format;
}

static bool is_k_or_v(tm_role role)
{
    return role == TM_ROLE_K || role == TM_ROLE_V;
}

/* linear_bytes and last_bytes are arguments, since they depend on each matrix's own kernel. */
static tm_costs costs_from(const tm_config *config, const tm_kernel *head_kernel, bool f16_kv,
                           size_t linear_bytes, size_t last_bytes)
{
    tm_costs costs = {
        .linear_bytes = linear_bytes, .last_bytes = last_bytes, .n_layers = config->n_layers};
    size_t norms = 0, kv_width = (size_t)config->n_kv_heads * (size_t)config->head_dim;
    costs.head_bytes = matrix_bytes(config, TM_ROLE_HEAD, head_kernel->format);
    if (!config->tied_head)
        costs.embedding_bytes =
            matrix_bytes(config, TM_ROLE_EMBEDDING, embedding_format(head_kernel));
    for (int i = 0; i < N_NORM; i++) norms = add_bytes(norms, vector_bytes(config, norm_roles[i]));
    norms = mul_bytes(norms, (size_t)config->n_layers);
    norms = add_bytes(norms, vector_bytes(config, TM_ROLE_OUTPUT_NORM));
    for (int i = 0; i < N_ROPE; i++) norms = add_bytes(norms, vector_bytes(config, rope_roles[i]));
    costs.norm_bytes = norms;
    costs.kv_bytes_per_position = (size_t)config->n_layers * kv_width * 2 * (f16_kv ? 2 : 4);
    costs.linear_macs = tm_config_linear_weights(config);
    costs.head_macs = (int64_t)config->n_vocab * config->n_hidden;
    costs.attention_macs_per_position =
        2 * (int64_t)config->n_layers * config->n_heads * config->head_dim;
    costs.linear_bits_per_weight = (double)linear_bytes * 8 / (double)costs.linear_macs;
    for (int i = 0; i < N_LINEAR; i++) {
        int n_rows, n_cols;
        tm_role_shape(config, linear_roles[i], &n_rows, &n_cols);
        if (!is_k_or_v(linear_roles[i])) costs.last_macs += (int64_t)n_rows * n_cols;
    }
    return costs;
}

tm_costs tm_model_costs(const tm_config *config, const tm_kernel *kernel,
                        const tm_kernel *head_kernel, bool f16_kv)
{
    size_t bytes = 0, last = 0;
    for (int i = 0; i < N_LINEAR; i++) {
        size_t matrix = matrix_bytes(config, linear_roles[i], kernel->format);
        bytes = add_bytes(bytes, matrix);
        if (!is_k_or_v(linear_roles[i])) last = add_bytes(last, matrix);
    }
    return costs_from(config, head_kernel, f16_kv, mul_bytes(bytes, (size_t)config->n_layers),
                      last);
}

/* State while a model is opened. */
typedef struct loading {
    tm_source *source;
    tm_model *model;
    tm_tensor_info *infos; /* [n_layers][N_LINEAR] */
    tm_tensor_info head, embedding, rope[N_ROPE];
    tm_role head_role; /* EMBEDDING when tied */
    uint8_t *buffer;   /* [n_threads][buffer_bytes] */
    size_t buffer_bytes;
    int step; /* shares are multiples of this many rows, and so many are unpacked at once */
} loading;

static const tm_tensor_info *info_of(const loading *load, int layer, int i)
{
    return &load->infos[(size_t)layer * N_LINEAR + (size_t)i];
}

static tm_status describe(tm_source *source, tm_role role, int layer, tm_tensor_info *info,
                          tm_error *err)
{
    char name[64];
    tm_status status = source->describe(source, role, layer, info, err);
    if (status != TM_OK) return status;
    if (!info->present && !tm_role_is_optional(role)) {
        tm_role_name(role, layer, name, sizeof name);
        return tm_fail(err, TM_FORMAT, "tensor %s is missing", name);
    }
    return TM_OK;
}

static tm_status describe_all(loading *load, tm_error *err)
{
    tm_source *source = load->source;
    load->head_role = source->config.tied_head ? TM_ROLE_EMBEDDING : TM_ROLE_HEAD;
    tm_status status = describe(source, TM_ROLE_EMBEDDING, 0, &load->embedding, err);
    if (status == TM_OK) status = describe(source, load->head_role, 0, &load->head, err);
    for (int i = 0; status == TM_OK && i < N_ROPE; i++)
        status = describe(source, rope_roles[i], 0, &load->rope[i], err);
    for (int l = 0; status == TM_OK && l < source->config.n_layers; l++)
        for (int i = 0; status == TM_OK && i < N_LINEAR; i++)
            status = describe(source, linear_roles[i], l,
                              &load->infos[(size_t)l * N_LINEAR + (size_t)i], err);
    return status;
}

static tm_status fail_not_ternary(tm_role role, int layer, const tm_tensor_info *info,
                                  const tm_kernel *kernel, tm_error *err)
{
    char name[64];
    tm_role_name(role, layer, name, sizeof name);
    return tm_fail(err, TM_UNSUPPORTED, "kernel %s needs ternary weights; tensor %s: %s",
                   kernel->name, name,
                   info->why_not[0] != 0 ? info->why_not : "its values are not ternary");
}

/* A matrix's kernel, by the rules in the header; NULL: none can run it. */
static tm_status kernel_of(const loading *load, const tm_tensor_info *info, bool by_name,
                           const tm_kernel **out, tm_error *err)
{
    const tm_kernel *kernel = load->model->kernel, *head = load->model->head_kernel;
    const tm_format *format = kernel->format, *own = tm_model_own_format(load->source, info->type);
    bool float_head = !head->format->ternary && head->format->block == 0;
    bool trits = format->ternary || format->block_trits;
    *out = kernel;
    if (own == format) return TM_OK;
    if (!trits || info->ternary || (format == &tm_format_q2r16 && info->in_blocks)) {
        bool keep = by_name || !own || format->block == 0;
        return keep ? TM_OK : tm_kernel_pick(own->name, out, err);
    }
    *out = NULL;
    if (by_name && format->ternary) return TM_OK;
    /* Only the session of a model with a block layout has buffers for block activations. */
    if (own && (format->block != 0 || head->format->block != 0))
        return tm_kernel_pick(own->name, out, err);
    if (float_head) *out = head;
    return TM_OK;
}

/* Sets model->kernel and head_kernel, and every matrix's kernel. */
static tm_status choose_kernels(loading *load, const tm_model_options *options, tm_error *err)
{
    tm_model *model = load->model;
    tm_model_families families;
    model->kernel = options->kernel;
    model->head_kernel = options->head_kernel;
    tm_status status = tm_model_auto(load->source, options->kernel, false, &families, err);
    if (!model->kernel && status == TM_OK)
        status = tm_kernel_pick(families.linear, &model->kernel, err);
    if (!model->head_kernel && status == TM_OK)
        status = tm_kernel_pick(families.head, &model->head_kernel, err);
    if (status == TM_OK) status = tm_kernel_available(model->kernel, err);
    if (status == TM_OK) status = tm_kernel_available(model->head_kernel, err);
    if (status != TM_OK) return status;

    const tm_kernel *head = model->head_kernel;
    if (head->format->ternary && !load->head.ternary)
        return fail_not_ternary(load->head_role, 0, &load->head, head, err);
    if (head->format->ternary && !load->embedding.ternary)
        return fail_not_ternary(TM_ROLE_EMBEDDING, 0, &load->embedding, head, err);
    for (int l = 0; l < model->config.n_layers; l++) {
        for (int i = 0; i < N_LINEAR; i++) {
            const tm_tensor_info *info = info_of(load, l, i);
            tm_matrix *matrix = matrix_of(&model->layers[l], linear_roles[i]);
            status = kernel_of(load, info, options->kernel, &matrix->kernel, err);
            if (status != TM_OK) return status;
            if (!matrix->kernel)
                return fail_not_ternary(linear_roles[i], l, info, model->kernel, err);
        }
    }
    return TM_OK;
}

/* Takes `bytes` from the model's mapping. */
static void *take(uint8_t **cursor, size_t bytes)
{
    void *taken = *cursor;
    *cursor += bytes;
    return taken;
}

/* Whether the file's bytes are those of the layout. */
static bool is_copied(const loading *load, const tm_tensor_info *info, const tm_format *format)
{
    return tm_model_own_format(load->source, info->type) == format && format->row_group == 1;
}

/* What the model multiplies the product of a matrix by, apart from the matrix's own scale. */
static float model_scale(const tm_config *config, tm_role role)
{
    if ((role == TM_ROLE_O || role == TM_ROLE_DOWN) && config->residual_scale != 0)
        return config->residual_scale;
    if (role == TM_ROLE_HEAD && config->logit_scale != 0) return 1 / config->logit_scale;
    return 1;
}

static void place_matrix(const loading *load, tm_role role, const tm_tensor_info *info,
                         const tm_format *format, tm_matrix *matrix, uint8_t **cursor)
{
    const tm_config *config = &load->model->config;
    matrix->post_scale = info->ternary ? 1 : info->post_scale;
    if (is_copied(load, info, format)) matrix->post_scale = info->extra;
    matrix->post_scale *= model_scale(config, role);
    matrix->weight.format = format;
    matrix->weight.scale = format->ternary ? info->scale : 1;
    tm_role_shape(config, role, &matrix->weight.n_rows, &matrix->weight.n_cols);
    matrix->weight.data = take(cursor, matrix_bytes(config, role, format));
}

/* Places every tensor in the mapping, in the order in which a token reads them. */
static void place_all(loading *load)
{
    tm_model *model = load->model;
    const tm_config *config = &model->config;
    uint8_t *cursor = model->pages.data;
    tm_matrix embedding;
    for (int l = 0; l < config->n_layers; l++) {
        tm_layer *layer = &model->layers[l];
        for (int i = 0; i < N_LINEAR; i++) {
            tm_matrix *matrix = matrix_of(layer, linear_roles[i]);
            place_matrix(load, linear_roles[i], info_of(load, l, i), matrix->kernel->format, matrix,
                         &cursor);
        }
    }
    model->head.kernel = model->head_kernel;
    place_matrix(load, TM_ROLE_HEAD, &load->head, model->head_kernel->format, &model->head,
                 &cursor);
    model->embedding = model->head.weight;
    if (!config->tied_head) {
        place_matrix(load, TM_ROLE_EMBEDDING, &load->embedding,
                     embedding_format(model->head_kernel), &embedding, &cursor);
        model->embedding = embedding.weight;
    }
    for (int l = 0; l < config->n_layers; l++)
        for (int i = 0; i < N_NORM; i++)
            if (tm_role_present(config, norm_roles[i]))
                *norm_of(&model->layers[l], norm_roles[i]) =
                    take(&cursor, vector_bytes(config, norm_roles[i]));
    model->output_norm = take(&cursor, vector_bytes(config, TM_ROLE_OUTPUT_NORM));
    for (int i = 0; i < N_ROPE; i++)
        if (load->rope[i].present)
            *rope_of(model, i) = take(&cursor, vector_bytes(config, rope_roles[i]));
}

/* Weights of a file that are read before their pages are released: 4 MiB of F32 per thread. */
enum { RELEASE_WEIGHTS = 1 << 20 };

static void pack_rows(const loading *load, tm_role role, int layer, const tm_tensor_info *info,
                      const tm_weight *w, tm_rows rows, uint8_t *buffer)
{
    const tm_source *source = load->source;
    const tm_format *format = w->format;
    void *data = (void *)w->data; /* owned here; const only for users of the model */
    const uint8_t *stored =
        is_copied(load, info, format) ? source->stored(source, role, layer) : NULL;
    size_t row = stored ? tm_gguf_bytes(info->type, (const int64_t[]){w->n_cols}, 1) : 0;
    int held = rows.begin; /* rows from here on are not released yet */
    for (int begin = rows.begin; begin < rows.end; begin += load->step) {
        int end = begin + load->step < rows.end ? begin + load->step : rows.end;
        if (stored) {
            memcpy((uint8_t *)data + (size_t)begin * row, stored + (size_t)begin * row,
                   (size_t)(end - begin) * row);
        } else if (format->ternary) {
            source->trits(source, role, layer, begin, end, (int8_t *)buffer);
            format->pack_trits((int8_t *)buffer, begin, end, w->n_rows, w->n_cols, data);
        } else {
            source->floats(source, role, layer, begin, end, (float *)buffer);
            format->pack_floats((float *)buffer, begin, end, w->n_rows, w->n_cols, data);
        }
        if ((int64_t)(end - held) * w->n_cols < RELEASE_WEIGHTS && end < rows.end) continue;
        if (source->release) source->release(source, role, layer, held, end);
        held = end;
    }
}

static void pack_vector(const loading *load, tm_role role, int layer, const float *data)
{
    const tm_source *source = load->source;
    source->floats(source, role, layer, 0, 1, (float *)data);
    if (source->release) source->release(source, role, layer, 0, 1);
}

static void pack_part(void *arg, int thread, int n_threads)
{
    const loading *load = arg;
    tm_model *model = load->model;
    const tm_config *config = &model->config;
    uint8_t *buffer = load->buffer + (size_t)thread * load->buffer_bytes;
    tm_shares shares = tm_rows_shares(config, load->step, thread, n_threads);
    const tm_rows of_role[N_LINEAR] = {shares.q,       shares.k,       shares.v,   shares.o,
                                       shares.gate_up, shares.gate_up, shares.down};
    for (int l = 0; l < config->n_layers; l++) {
        for (int i = 0; i < N_LINEAR; i++)
            pack_rows(load, linear_roles[i], l, info_of(load, l, i),
                      &matrix_of(&model->layers[l], linear_roles[i])->weight, of_role[i], buffer);
        for (int i = 0; thread == 0 && i < N_NORM; i++)
            if (tm_role_present(config, norm_roles[i]))
                pack_vector(load, norm_roles[i], l, *norm_of(&model->layers[l], norm_roles[i]));
    }
    pack_rows(load, load->head_role, 0, &load->head, &model->head.weight, shares.head, buffer);
    if (!config->tied_head)
        pack_rows(load, TM_ROLE_EMBEDDING, 0, &load->embedding, &model->embedding, shares.head,
                  buffer);
    if (thread != 0) return;
    pack_vector(load, TM_ROLE_OUTPUT_NORM, 0, model->output_norm);
    for (int i = 0; i < N_ROPE; i++)
        if (*rope_of(model, i)) pack_vector(load, rope_roles[i], 0, *rope_of(model, i));
}

/* Bytes of all matrices of layers l_begin and later, each in the layout of its own kernel. */
static size_t linear_bytes(tm_model *model, int l_begin, bool with_k_and_v)
{
    size_t bytes = 0;
    for (int l = l_begin; l < model->config.n_layers; l++)
        for (int i = 0; i < N_LINEAR; i++) {
            const tm_matrix *matrix = matrix_of(&model->layers[l], linear_roles[i]);
            if (with_k_and_v || !is_k_or_v(linear_roles[i]))
                bytes = add_bytes(
                    bytes, matrix_bytes(&model->config, linear_roles[i], matrix->kernel->format));
        }
    return bytes;
}

static tm_status open_buffers(loading *load, int n_threads, tm_error *err)
{
    const tm_config *config = &load->source->config;
    void *memory;
    int widest = config->n_hidden, n_rows, n_cols;
    for (int i = 0; i < N_LINEAR; i++) {
        tm_role_shape(config, linear_roles[i], &n_rows, &n_cols);
        if (n_cols > widest) widest = n_cols;
    }
    load->step = tm_rows_step(load->model->kernel, load->model->head_kernel);
    load->buffer_bytes = tm_round_up((size_t)load->step * (size_t)widest * sizeof(float), 64);
    tm_status status =
        tm_alloc(&memory, (size_t)n_threads, load->buffer_bytes, "packing buffers", err);
    if (status == TM_OK) load->buffer = memory;
    return status;
}

tm_status tm_model_open(tm_source *source, const tm_model_options *options, tm_pool *pool,
                        tm_model *out, tm_error *err)
{
    const tm_config *config = &source->config;
    int64_t start_ns = tm_now_ns();
    void *memory;
    loading load = {.source = source, .model = out};
    memset(out, 0, sizeof *out);
    out->config = *config;

    tm_status status = tm_config_check(config, err);
    if (status != TM_OK) return status;
    status = tm_alloc(&memory, (size_t)config->n_layers, sizeof(tm_layer), "list of layers", err);
    if (status != TM_OK) goto fail;
    out->layers = memory;
    status = tm_alloc(&memory, (size_t)config->n_layers, N_LINEAR * sizeof(tm_tensor_info),
                      "list of tensors", err);
    if (status != TM_OK) goto fail;
    load.infos = memory;
    status = describe_all(&load, err);
    if (status != TM_OK) goto fail;
    status = choose_kernels(&load, options, err);
    if (status != TM_OK) goto fail;

    out->costs = costs_from(config, out->head_kernel, true, linear_bytes(out, 0, true),
                            linear_bytes(out, config->n_layers - 1, false));
    size_t bytes = add_bytes(add_bytes(out->costs.linear_bytes, out->costs.head_bytes),
                             add_bytes(out->costs.embedding_bytes, out->costs.norm_bytes));
    status = open_buffers(&load, tm_pool_threads(pool), err);
    if (status != TM_OK) goto fail;
    status = tm_pages_open(&out->pages, bytes, "weights", err);
    if (status != TM_OK) goto fail;
    place_all(&load);
    tm_pool_run(pool, pack_part, &load);
    tm_free(load.buffer);
    tm_free(load.infos);
    out->load_ns = (uint64_t)(tm_now_ns() - start_ns);
    return TM_OK;

fail:
    tm_free(load.buffer);
    tm_free(load.infos);
    tm_model_close(out);
    return status;
}

void tm_model_close(tm_model *model)
{
    tm_pages_close(&model->pages);
    tm_free(model->layers);
    memset(model, 0, sizeof *model);
}
