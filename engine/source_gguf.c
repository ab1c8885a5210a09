#include "engine/gguf_private.h"
#include "engine/source_private.h"

#include <math.h>
#include <stdio.h>

/* One tensor of the model and its description. */
typedef struct slot {
    const tm_gguf_tensor *tensor; /* NULL: not in the file */
    float extra;                  /* its .scale tensor; 1 if none */
    bool described;
    tm_tensor_info info;
} slot;

typedef struct file_source {
    tm_gguf *gguf; /* owned */
    bool *claimed; /* owned, [tensors of the file]: the tensor has a role */
    slot *slots;   /* owned, [n_layers][TM_ROLE_COUNT]; roles without a layer in the first */
} file_source;

static slot *find_slot(const tm_source *source, tm_role role, int layer)
{
    const file_source *self = source->self;
    return &self->slots[(tm_role_is_per_layer(role) ? layer : 0) * TM_ROLE_COUNT + (int)role];
}

/* NULL when the file has no such tensor. */
static const tm_gguf_tensor *claim(file_source *self, const char *name)
{
    const tm_gguf_tensor *tensor = tm_gguf_find_tensor(self->gguf, name);
    if (tensor) self->claimed[tensor - tm_gguf_tensor_at(self->gguf, 0)] = true;
    return tensor;
}

static tm_status check_shape(const tm_gguf_tensor *tensor, const char *name, int n_rows, int n_cols,
                             tm_error *err)
{
    const int64_t *ne = tensor->ne;
    if (ne[0] == n_cols && ne[1] == n_rows && ne[2] == 1 && ne[3] == 1) return TM_OK;
    return tm_fail(err, TM_FORMAT,
                   "tensor '%s' has the shape %lld x %lld x %lld x %lld; the keys say %d x %d",
                   name, (long long)ne[0], (long long)ne[1], (long long)ne[2], (long long)ne[3],
                   n_cols, n_rows);
}

/* Vectors are small, so their values are checked on opening. */
static tm_status check_vector(const tm_gguf_tensor *tensor, const char *name, bool positive,
                              tm_error *err)
{
    tm_status status = tm_gguf_check_finite(tensor, err);
    if (status || !positive) return status;
    for (int64_t row = 0; row < tensor->ne[0]; row++) {
        tm_gguf_tensor one = *tensor; /* a float type's elements are rows of one */
        float value;
        one.ne[0] = 1;
        one.ne[1] = tensor->ne[0];
        tm_gguf_read_floats(&one, row, row + 1, &value);
        if (!(value > 0))
            return tm_fail(err, TM_FORMAT, "tensor '%s': value %lld is %g; it must be above 0",
                           name, (long long)row, (double)value);
    }
    return TM_OK;
}

/* The optional one-element tensor by which a matrix's product is multiplied. */
static tm_status read_extra(file_source *self, const char *weight_name, slot *s, tm_error *err)
{
    char name[80];
    int stem = (int)(strlen(weight_name) - strlen(".weight"));
    snprintf(name, sizeof name, "%.*s.scale", stem, weight_name);
    const tm_gguf_tensor *tensor = claim(self, name);
    s->extra = 1;
    if (!tensor) return TM_OK;
    tm_status status = check_shape(tensor, name, 1, 1, err);
    if (status) return status;
    tm_gguf_read_floats(tensor, 0, 1, &s->extra);
    if (!isfinite(s->extra) || s->extra < 0)
        return tm_fail(err, TM_FORMAT, "tensor '%s' is %g; it must be finite and at least 0", name,
                       (double)s->extra);
    return TM_OK;
}

static bool is_float_type(tm_gguf_type type)
{
    return type == TM_GGUF_F32 || type == TM_GGUF_F16 || type == TM_GGUF_BF16;
}

static tm_status bind(tm_source *source, tm_role role, int layer, tm_error *err)
{
    file_source *self = source->self;
    slot *s = find_slot(source, role, layer);
    char name[64];
    int n_rows, n_cols;
    s->extra = 1;
    tm_role_name(role, layer, name, sizeof name);
    /* A head or frequencies that this architecture's programs do not read are claimed and ignored.
     */
    bool present = tm_role_present(&source->config, role);
    const tm_gguf_tensor *tensor =
        present || !tm_role_is_per_layer(role) ? claim(self, name) : NULL;
    if (!present) return TM_OK;
    if (!tensor) {
        if (tm_role_is_optional(role)) return TM_OK;
        return tm_fail(err, TM_FORMAT, "tensor '%s' is missing", name);
    }
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    tm_status status = check_shape(tensor, name, n_rows, n_cols, err);
    if (status) return status;
    s->tensor = tensor;
    if (tm_role_is_linear(role)) return read_extra(self, name, s, err);
    if (role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD) return TM_OK;
    if (!is_float_type(tensor->type))
        return tm_fail(err, TM_UNSUPPORTED,
                       "tensor '%s' is of type %s; a vector must be F32, F16 or BF16; convert the "
                       "checkpoint again",
                       name, tm_gguf_type_name(tensor->type));
    return check_vector(tensor, name, tm_role_is_optional(role), err);
}

/* A tensor without a role (a bias, an expert, one more layer) means a model of another kind. */
static tm_status check_strangers(const tm_source *source, tm_error *err)
{
    const file_source *self = source->self;
    for (int i = 0; i < tm_gguf_n_tensors(self->gguf); i++) {
        char quoted[TM_GGUF_QUOTED];
        if (self->claimed[i]) continue;
        return tm_fail(err, TM_UNSUPPORTED,
                       "tensor %s does not belong to a model of architecture %s with %d layers",
                       tm_gguf_quote(tm_gguf_tensor_at(self->gguf, i)->name, quoted),
                       source->config.arch, source->config.n_layers);
    }
    return TM_OK;
}

static tm_status examine(const slot *s, tm_role role, tm_tensor_info *out, tm_error *err)
{
    *out = (tm_tensor_info){.scale = 1, .post_scale = 1, .extra = s->extra};
    if (!s->tensor) return TM_OK;
    out->present = true;
    out->type = s->tensor->type;
    if (!tm_role_is_linear(role)) return tm_gguf_check_finite(s->tensor, err);
    tm_error local = {0};
    tm_status status = tm_gguf_ternary_scale(s->tensor, &out->scale, &local);
    if (status == TM_OK) {
        out->ternary = true;
        out->scale *= s->extra;
        if (isfinite(out->scale)) return TM_OK;
        return tm_fail(err, TM_FORMAT, "a scale times its .scale tensor %g is not finite",
                       (double)s->extra);
    }
    if (status != TM_UNSUPPORTED) return tm_fail(err, status, "%s", local.message);
    snprintf(out->why_not, sizeof out->why_not, "%.159s", local.message);
    out->scale = 1;
    out->post_scale = s->extra;
    out->in_blocks = tm_gguf_is_ternary_in_blocks(s->tensor);
    return tm_gguf_check_finite(s->tensor, err);
}

static tm_status describe_slot(slot *s, tm_role role, tm_error *err)
{
    tm_status status = examine(s, role, &s->info, err);
    s->described = status == TM_OK;
    if (s->tensor) tm_gguf_release(s->tensor, 0, s->tensor->bytes);
    return status;
}

static tm_gguf_type type(const tm_source *source, tm_role role, int layer)
{
    return find_slot(source, role, layer)->tensor->type;
}

static tm_status describe(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                          tm_error *err)
{
    const file_source *self = source->self;
    slot *s = find_slot(source, role, layer);
    if (!s->described) {
        tm_error local = {0};
        tm_status status = describe_slot(s, role, &local);
        if (status) return tm_fail(err, status, "%s: %s", tm_gguf_path(self->gguf), local.message);
    }
    *out = s->info;
    return TM_OK;
}

static void trits(const tm_source *source, tm_role role, int layer, int row_begin, int row_end,
                  int8_t *out)
{
    tm_gguf_read_trits(find_slot(source, role, layer)->tensor, row_begin, row_end, out);
}

static void floats(const tm_source *source, tm_role role, int layer, int row_begin, int row_end,
                   float *out)
{
    const slot *s = find_slot(source, role, layer);
    tm_gguf_read_floats(s->tensor, row_begin, row_end, out);
    if (s->extra == 1 || !s->info.ternary) return; /* described on opening if extra is not 1 */
    size_t n = (size_t)(row_end - row_begin) * (size_t)s->tensor->ne[0];
    for (size_t i = 0; i < n; i++) out[i] *= s->extra;
}

static const uint8_t *stored(const tm_source *source, tm_role role, int layer)
{
    const tm_gguf_tensor *tensor = find_slot(source, role, layer)->tensor;
    return tensor && !tensor->view ? tensor->data : NULL;
}

static void release(const tm_source *source, tm_role role, int layer, int row_begin, int row_end)
{
    const tm_gguf_tensor *tensor = find_slot(source, role, layer)->tensor;
    if (!tensor) return;
    if (tensor->view) {
        tm_gguf_view_release(tensor, row_begin, row_end);
        return;
    }
    size_t row = tm_gguf_row_bytes(tensor);
    bool is_last = row_end == tm_gguf_rows(tensor); /* I2_S has its scale after the rows */
    tm_gguf_release(tensor, (size_t)row_begin * row,
                    is_last ? tensor->bytes : (size_t)row_end * row);
}

static void close_source(tm_source *source)
{
    file_source *self = source->self;
    if (!self) return;
    tm_gguf_close(self->gguf);
    tm_free(self->slots);
    tm_free(self->claimed);
    tm_free(self);
    *source = (tm_source){0};
}

static tm_status bind_all(tm_source *source, tm_error *err)
{
    tm_status status = TM_OK;
    for (int layer = 0; layer < source->config.n_layers && !status; layer++)
        for (int role = 0; role < TM_ROLE_COUNT && !status; role++) {
            if (layer && !tm_role_is_per_layer(role)) continue;
            status = bind(source, role, layer, err);
            slot *s = find_slot(source, role, layer);
            if (status || s->extra == 1) continue;
            /* floats() must know whether to apply the .scale, even if describe is never called. */
            status = describe_slot(s, role, err);
        }
    return status ? status : check_strangers(source, err);
}

tm_status tm_source_from_gguf(tm_gguf *gguf, tm_source *out, tm_error *err)
{
    tm_error local = {0};
    file_source *self = NULL;
    tm_source source = {.type = type,
                        .describe = describe,
                        .trits = trits,
                        .floats = floats,
                        .stored = stored,
                        .release = release,
                        .close = close_source};
    tm_status status = tm_alloc((void **)&self, 1, sizeof *self, "a model source", &local);
    if (status) {
        tm_gguf_close(gguf);
        return tm_fail(err, status, "%s", local.message);
    }
    self->gguf = gguf;
    source.self = self;
    status = tm_source_read_config(gguf, &source.config, &local);
    if (!status)
        status = tm_alloc((void **)&self->slots, (size_t)source.config.n_layers * TM_ROLE_COUNT,
                          sizeof *self->slots, "the model's tensors", &local);
    if (!status)
        status = tm_alloc((void **)&self->claimed, (size_t)tm_gguf_n_tensors(gguf),
                          sizeof *self->claimed, "the file's tensors", &local);
    if (!status) status = bind_all(&source, &local);
    if (status) {
        tm_fail(err, status, "%s: %s", tm_gguf_path(gguf), local.message);
        close_source(&source);
        return status;
    }
    *out = source;
    return TM_OK;
}

tm_status tm_source_open_gguf(const char *path, tm_source *out, tm_error *err)
{
    tm_gguf *gguf;
    tm_status status = tm_gguf_open(path, &gguf, err);
    return status ? status : tm_source_from_gguf(gguf, out, err);
}
