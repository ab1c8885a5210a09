#include "engine/convert.h"

#include "engine/gguf_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FLOATS   65536 /* whole rows are converted in chunks of about this many */
#define SMALLEST_SCALE 1e-5f

typedef struct entry {
    tm_role role;
    int layer;
    tm_gguf_type type;
    int n_rows, n_cols;
    tm_tensor_info info;
    bool rounds;
    float scale; /* of trits */
} entry;

typedef struct plan {
    tm_source *source;
    const tm_convert_options *options;
    entry *entries; /* owned */
    int n_entries, n_f16;
    float *values, *back; /* owned, [rows of a chunk][n_cols] */
    int8_t *trits;        /* owned, as many */
} plan;

static bool is_float(tm_gguf_type type)
{
    return type == TM_GGUF_F32 || type == TM_GGUF_F16 || type == TM_GGUF_BF16;
}

static bool is_table(tm_role role)
{
    return role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD;
}

static tm_status check_options(const tm_convert_options *o, tm_error *err)
{
    if (!is_float(o->type) && !tm_gguf_is_ternary(o->type))
        return tm_fail(err, TM_ARG,
                       "matrices cannot be written as %s, only as F32, F16, BF16 or in a ternary "
                       "type",
                       tm_gguf_type_name(o->type));
    bool is_known = o->keeps_tables || is_float(o->table_type) || o->table_type == TM_GGUF_Q8_0 ||
                    o->table_type == TM_GGUF_Q6_K || o->table_type == TM_GGUF_Q4_0;
    if (is_known) return TM_OK;
    return tm_fail(err, TM_ARG,
                   "embedding and head cannot be written as %s, only as F32, F16, BF16, Q8_0, Q6_K "
                   "or Q4_0",
                   tm_gguf_type_name(o->table_type));
}

static tm_status cannot_hold(const entry *e, const char *why, tm_error *err)
{
    char name[64];
    tm_role_name(e->role, e->layer, name, sizeof name);
    return tm_fail(err, TM_ARG, "tensor %s cannot be written as %s: %s", name,
                   tm_gguf_type_name(e->type), why);
}

static bool packs_rows(const tm_convert_options *o)
{
    return o->i2_s_layout && strcmp(o->i2_s_layout, "rows") == 0;
}

static tm_status choose_type(plan *p, entry *e, tm_error *err)
{
    const tm_convert_options *o = p->options;
    e->type = is_table(e->role) ? o->keeps_tables ? e->info.type : o->table_type : TM_GGUF_F32;
    if (!tm_role_is_linear(e->role)) return TM_OK;
    int block = 1, n_bytes;
    if (o->type != TM_GGUF_I2_S) tm_gguf_block(o->type, &block, &n_bytes);
    e->type = e->n_cols % block ? TM_GGUF_F16 : o->type;
    p->n_f16 += e->type != o->type;
    e->scale = e->info.scale;
    if (is_float(o->type)) return TM_OK;
    if (e->type == TM_GGUF_I2_S && e->n_cols % 128) {
        char why[80];
        snprintf(why, sizeof why, "it has rows of %d weights, not of a multiple of 128", e->n_cols);
        return cannot_hold(e, why, err);
    }
    if (e->type == TM_GGUF_I2_S && packs_rows(o) && e->n_rows % 4) {
        char why[80];
        snprintf(why, sizeof why, "its %d rows are not a multiple of the four in a byte",
                 e->n_rows);
        return cannot_hold(e, why, err);
    }
    if (e->info.ternary) return TM_OK;
    e->rounds = o->rounds;
    /* Blocks may have scales of their own, which is checked when they are written. */
    if (e->rounds || e->type != TM_GGUF_I2_S) return TM_OK;
    return cannot_hold(e, e->info.why_not[0] ? e->info.why_not : "it is not ternary", err);
}

static tm_status add_entry(plan *p, tm_role role, int layer, tm_error *err)
{
    const tm_config *config = &p->source->config;
    entry *e = &p->entries[p->n_entries];
    if (!tm_role_present(config, role)) return TM_OK;
    *e = (entry){.role = role, .layer = layer};
    tm_role_shape(config, role, &e->n_rows, &e->n_cols);
    tm_status status = p->source->describe(p->source, role, layer, &e->info, err);
    if (status || !e->info.present) return status;
    status = choose_type(p, e, err);
    if (!status) p->n_entries++;
    return status;
}

static tm_status make_plan(plan *p, tm_error *err)
{
    int n_layers = p->source->config.n_layers, widest = 1;
    tm_status status = tm_alloc((void **)&p->entries, (size_t)n_layers * TM_ROLE_COUNT,
                                sizeof *p->entries, "the list of tensors", err);
    for (int role = 0; role < TM_ROLE_COUNT && !status; role++)
        if (!tm_role_is_per_layer((tm_role)role)) status = add_entry(p, (tm_role)role, 0, err);
    for (int layer = 0; layer < n_layers && !status; layer++)
        for (int role = 0; role < TM_ROLE_COUNT && !status; role++)
            if (tm_role_is_per_layer((tm_role)role))
                status = add_entry(p, (tm_role)role, layer, err);
    if (status) return status;
    for (int i = 0; i < p->n_entries; i++)
        if (p->entries[i].n_cols > widest) widest = p->entries[i].n_cols;
    size_t n = 4 * (size_t)widest > CHUNK_FLOATS ? 4 * (size_t)widest : CHUNK_FLOATS;
    status = tm_alloc((void **)&p->values, n, sizeof *p->values, "rows to be converted", err);
    if (!status) status = tm_alloc((void **)&p->back, n, sizeof *p->back, "converted rows", err);
    return status ? status : tm_alloc((void **)&p->trits, n, 1, "rows to be converted", err);
}

/* Rows of at most a chunk. Returns the end. */
static int chunk_end(const entry *e, int row)
{
    int step = CHUNK_FLOATS / e->n_cols > 0 ? CHUNK_FLOATS / e->n_cols : 1;
    return e->n_rows - row < step ? e->n_rows : row + step;
}

static size_t read_floats(plan *p, const entry *e, int row_begin, int row_end)
{
    size_t n = (size_t)(row_end - row_begin) * (size_t)e->n_cols;
    p->source->floats(p->source, e->role, e->layer, row_begin, row_end, p->values);
    if (!e->info.ternary && e->info.post_scale != 1)
        for (size_t i = 0; i < n; i++) p->values[i] *= e->info.post_scale;
    return n;
}

static float mean_magnitude(plan *p, const entry *e)
{
    double sum = 0;
    for (int row = 0, end; row < e->n_rows; row = end) {
        end = chunk_end(e, row);
        size_t n = read_floats(p, e, row, end);
        for (size_t i = 0; i < n; i++) sum += fabs((double)p->values[i]);
    }
    float mean = (float)(sum / ((double)e->n_rows * e->n_cols));
    return mean > SMALLEST_SCALE ? mean : SMALLEST_SCALE;
}

/* I2_S codes are made from trits: made from floats they go by sign and lose magnitudes below
 * 1e-6. */
static size_t read_rows(plan *p, const entry *e, int row_begin, int row_end)
{
    size_t n = (size_t)(row_end - row_begin) * (size_t)e->n_cols;
    bool as_trits = e->type == TM_GGUF_I2_S;
    if (as_trits && !e->rounds) {
        p->source->trits(p->source, e->role, e->layer, row_begin, row_end, p->trits);
        for (size_t i = 0; i < n; i++) p->values[i] = p->trits[i];
        return n;
    }
    read_floats(p, e, row_begin, row_end);
    for (size_t i = 0; e->rounds && i < n; i++) {
        float t = nearbyintf(p->values[i] / e->scale); /* ties to even */
        p->values[i] = (t > 1 ? 1 : t < -1 ? -1 : t) * (as_trits ? 1 : e->scale);
    }
    return n;
}

/* Whether blocks hold what was to be written, but for the rounding of a scale to half. */
static tm_status check_blocks(plan *p, const entry *e, const tm_gguf_tensor *written, int row_begin,
                              int row_end, tm_error *err)
{
    size_t n = (size_t)(row_end - row_begin) * (size_t)e->n_cols;
    tm_gguf_read_floats(written, row_begin, row_end, p->back);
    for (size_t i = 0; i < n; i++) {
        char why[120];
        if (fabsf(p->back[i] - p->values[i]) <= 0x1p-10f * fabsf(p->values[i])) continue;
        snprintf(why, sizeof why, "weight %zu of row %zu is %g and would become %g",
                 i % (size_t)e->n_cols, (size_t)row_begin + i / (size_t)e->n_cols,
                 (double)p->values[i], (double)p->back[i]);
        return cannot_hold(e, why, err);
    }
    return TM_OK;
}

static tm_status fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    plan *p = arg;
    entry *e = &p->entries[index];
    const tm_source *source = p->source;
    char name[64];
    tm_role_name(e->role, e->layer, name, sizeof name);
    tm_gguf_tensor written = {.name = {name, strlen(name)},
                              .type = e->type,
                              .n_dims = 2,
                              .ne = {e->n_cols, e->n_rows, 1, 1},
                              .data = data,
                              .bytes = bytes};
    bool is_same = e->type == e->info.type && e->info.extra == 1 && e->type != TM_GGUF_I2_S;
    const uint8_t *stored =
        is_same && source->stored ? source->stored(source, e->role, e->layer) : NULL;
    tm_status status = TM_OK;
    if (e->rounds) e->scale = mean_magnitude(p, e);
    for (int row = 0, end; row < e->n_rows && !stored && !status; row = end) {
        end = chunk_end(e, row);
        read_rows(p, e, row, end);
        tm_gguf_write_floats(e->type, p->values, e->n_cols, e->n_rows, row, end, e->scale, data);
        if (source->release) source->release(source, e->role, e->layer, row, end);
        if (!is_float(e->type) && e->type != TM_GGUF_I2_S && !is_table(e->role))
            status = check_blocks(p, e, &written, row, end, err);
    }
    if (stored) {
        memcpy(data, stored, bytes);
        if (source->release) source->release(source, e->role, e->layer, 0, e->n_rows);
    }
    if (status) return status;
    status = tm_gguf_check_finite(&written, err); /* halves end at 65504 */
    if (status) return tm_fail_in(err, "as %s", tm_gguf_type_name(e->type));
    if (e->type == TM_GGUF_I2_S && p->options->i2_s_layout)
        tm_gguf_i2_s_pack(p->options->i2_s_layout, data, bytes - 32, e->n_cols, p->trits);
    return TM_OK;
}

uint32_t tm_convert_file_type(tm_gguf_type type)
{
    switch (type) {
    case TM_GGUF_F32:
        return 0;
    case TM_GGUF_BF16:
        return 32;
    case TM_GGUF_TQ1_0:
        return 36;
    case TM_GGUF_TQ2_0:
        return 37;
    case TM_GGUF_I2_S:
    case TM_GGUF_Q1_0:
        return 40; /* of I2_S in bitnet.cpp, of Q1_0 in llama.cpp */
    case TM_GGUF_Q2_0:
        return 41;
    case TM_GGUF_PQ2_0:
        return 128;
    case TM_GGUF_IQ1_BN:
        return 136;
    case TM_GGUF_IQ2_BN:
        return 137;
    case TM_GGUF_PTQ1_0:
        return 1024; /* llama.cpp's number for "not stated"; PrismML's is not known */
    default:
        return 1;
    }
}

static void declare(const plan *p, tm_gguf_writer *w)
{
    for (int i = 0; i < p->n_entries; i++) {
        const entry *e = &p->entries[i];
        char name[64];
        int64_t ne[2] = {e->n_cols, e->n_rows};
        tm_role_name(e->role, e->layer, name, sizeof name);
        tm_gguf_put_tensor(w, name, e->type, ne,
                           tm_role_is_linear(e->role) || is_table(e->role) ? 2 : 1);
    }
}

tm_status tm_convert_tensors(tm_source *source, const tm_convert_options *options,
                             tm_gguf_writer *w, int *n_f16, tm_error *err)
{
    plan p = {.source = source, .options = options};
    tm_status status = check_options(options, err);
    if (!status) status = make_plan(&p, err);
    if (status) {
        tm_gguf_abandon(w);
    } else {
        declare(&p, w);
        status = tm_gguf_finish(w, fill, &p, err);
    }
    if (n_f16) *n_f16 = p.n_f16;
    tm_free(p.trits);
    tm_free(p.back);
    tm_free(p.values);
    tm_free(p.entries);
    return status;
}

/* Keys of a file, not of a model. */
static bool is_of_file(const tm_gguf_key *key)
{
    static const char *const names[] = {
        "general.alignment", "general.file_type",   "general.quantization_version", "split.no",
        "split.count",       "split.tensors.count", TM_GGUF_TOKENIZER_MISSING};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (key->name.length == strlen(names[i]) &&
            memcmp(key->name.data, names[i], key->name.length) == 0)
            return true;
    return false;
}

static int compare_places(const void *a, const void *b)
{
    const tm_gguf_key *left = *(const tm_gguf_key *const *)a,
                      *right = *(const tm_gguf_key *const *)b;
    return (left->data > right->data) - (left->data < right->data);
}

/* In the order of the file. */
static tm_status put_keys(const tm_gguf *gguf, tm_gguf_writer *w, tm_error *err)
{
    size_t n = (size_t)tm_gguf_n_keys(gguf);
    const tm_gguf_key **keys = NULL;
    tm_status status = tm_alloc((void **)&keys, n + 1, sizeof *keys, "the list of keys", err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) keys[i] = tm_gguf_key_at(gguf, (int)i);
    qsort(keys, n, sizeof *keys, compare_places);
    for (size_t i = 0; i < n; i++)
        if (!is_of_file(keys[i])) tm_gguf_put_key(w, keys[i]);
    tm_free(keys);
    return TM_OK;
}

tm_status tm_convert_gguf(tm_source *source, const tm_gguf *gguf, const tm_convert_options *options,
                          int fd, const char *path, int *n_f16, tm_error *err)
{
    tm_gguf_writer *w;
    tm_status status = tm_gguf_create(fd, path, &w, err);
    if (status) return status;
    status = put_keys(gguf, w, err);
    if (status) {
        tm_gguf_abandon(w);
        return status;
    }
    tm_gguf_put_u32(w, "general.file_type", tm_convert_file_type(options->type));
    tm_gguf_put_u32(w, "general.quantization_version", 2);
    return tm_convert_tensors(source, options, w, n_f16, err);
}
