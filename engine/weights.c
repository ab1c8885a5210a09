#include "engine/weights.h"

#include <math.h>
#include <string.h>

#define CHUNK_FLOATS 65536 /* whole rows are read in chunks of about this many */

/* A tensor being read in chunks. */
typedef struct reading {
    tm_source *source;
    tm_role role;
    int layer, n_rows, n_cols, step;
    float post_scale;
    float *values; /* owned, [step][n_cols] */
} reading;

static tm_status start(tm_source *source, tm_role role, int layer, reading *out, tm_error *err)
{
    tm_tensor_info info;
    reading r = {.source = source, .role = role, .layer = layer};
    tm_status status = source->describe(source, role, layer, &info, err);
    if (status != TM_OK) return status;
    tm_role_shape(&source->config, role, &r.n_rows, &r.n_cols);
    r.step = CHUNK_FLOATS / r.n_cols > 0 ? CHUNK_FLOATS / r.n_cols : 1;
    r.post_scale = info.ternary ? 1 : info.post_scale;
    status = tm_alloc((void **)&r.values, (size_t)r.step, (size_t)r.n_cols * sizeof *r.values,
                      "rows of a tensor", err);
    *out = r;
    return status;
}

/* Returns the number of weights of the rows from `row` on. */
static size_t read_rows(const reading *r, int row)
{
    int end = r->n_rows - row < r->step ? r->n_rows : row + r->step;
    size_t n = (size_t)(end - row) * (size_t)r->n_cols;
    r->source->floats(r->source, r->role, r->layer, row, end, r->values);
    if (r->source->release) r->source->release(r->source, r->role, r->layer, row, end);
    for (size_t i = 0; r->post_scale != 1 && i < n; i++) r->values[i] *= r->post_scale;
    return n;
}

static void add(tm_weights *w, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float value = values[i] + 0.0f; /* -0 becomes 0 */
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        w->n_zero += bits == 0;
        /* TM_GOLDEN is odd, so below 2^32 weights no two (index, bits) are mixed alike. */
        w->hash += tm_mix64((uint64_t)(w->n + (int64_t)i) * TM_GOLDEN + ((uint64_t)bits << 32));
    }
    w->n += (int64_t)n;
}

tm_status tm_weights_read(tm_source *source, tm_role role, int layer, tm_weights *out,
                          tm_error *err)
{
    reading r;
    tm_weights w = {0};
    tm_status status = start(source, role, layer, &r, err);
    if (status != TM_OK) return status;
    w.hash = tm_mix64((uint64_t)r.n_rows << 32 | (uint32_t)r.n_cols);
    for (int row = 0; row < r.n_rows; row += r.step) add(&w, r.values, read_rows(&r, row));
    tm_free(r.values);
    *out = w;
    return TM_OK;
}

tm_status tm_weights_compare(tm_source *a, tm_source *b, tm_role role, int layer,
                             tm_weights_difference *out, tm_error *err)
{
    reading left, right = {0};
    tm_weights_difference d = {0};
    tm_status status = start(a, role, layer, &left, err);
    if (status == TM_OK) {
        status = start(b, role, layer, &right, err);
        for (int row = 0; status == TM_OK && row < left.n_rows; row += left.step) {
            size_t n = read_rows(&left, row);
            read_rows(&right, row);
            for (size_t i = 0; i < n; i++) {
                double distance = fabs((double)left.values[i] - (double)right.values[i]);
                d.n_different += distance != 0;
                if (distance > d.largest) d.largest = distance;
            }
        }
        tm_free(right.values);
        tm_free(left.values);
    }
    if (status == TM_OK) *out = d;
    return status;
}
