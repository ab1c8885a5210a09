/* Tensors of Hugging Face folders: packed trits, rows in another order, and float masters that are
 * rounded to trits. */
#include "engine/gguf_private.h"

#include <assert.h>
#include <math.h>

#define SMALLEST_SCALE 1e-5f

const char *tm_gguf_stored_type(const tm_gguf_tensor *tensor)
{
    const tm_gguf_view *v = tensor->view;
    return !v             ? tm_gguf_type_name(tensor->type)
           : v->is_packed ? "U8"
                          : tm_gguf_type_name(v->stored.type);
}

/* Llama's converters rotate neighbouring pairs, checkpoints pairs half a head apart: row 2j of a
 * head is row j there, row 2j + 1 is row d/2 + j. */
static int64_t stored_row(const tm_gguf_view *v, int64_t row)
{
    int64_t d = v->head_dim, in_head = d ? row % d : 0;
    return d ? row - in_head + in_head % 2 * (d / 2) + in_head / 2 : row;
}

/* Row p of the bytes holds rows p, p + R, p + 2R and p + 3R in its bits from the lowest on, with R
 * a quarter of the rows. Source: pack_weights of transformers' integrations/bitnet.py. */
static void packed_trits(const tm_gguf_tensor *tensor, int64_t row, int8_t *out)
{
    int64_t n = tensor->ne[0], quarter = tensor->ne[1] / 4;
    const uint8_t *bytes = tensor->data + row % quarter * n;
    int shift = (int)(row / quarter) * 2;
    for (int64_t i = 0; i < n; i++) out[i] = (int8_t)((bytes[i] >> shift & 3) - 1);
}

static int8_t rounded(float weight, float scale)
{
    float t = nearbyintf(weight / scale); /* ties to even */
    return (int8_t)(t > 1 ? 1 : t < -1 ? -1 : t);
}

void tm_gguf_view_trits(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                        int8_t *out)
{
    const tm_gguf_view *v = tensor->view;
    size_t n = (size_t)tensor->ne[0];
    for (int64_t row = row_begin; row < row_end; row++, out += n) {
        int64_t from = stored_row(v, row);
        if (v->is_packed) {
            packed_trits(tensor, from, out);
        } else if (!v->rounds) {
            tm_gguf_read_trits(&v->stored, from, from + 1, out);
        } else {
            float piece[256];
            for (size_t i = 0; i < n; i += 256) {
                size_t many = n - i < 256 ? n - i : 256;
                tm_gguf_tensor part = v->stored;
                size_t size = part.type == TM_GGUF_F32 ? 4 : 2;
                part.data += ((size_t)from * n + i) * size;
                part.ne[0] = (int64_t)many;
                part.ne[1] = 1;
                tm_gguf_read_floats(&part, 0, 1, piece);
                for (size_t k = 0; k < many; k++) out[i + k] = rounded(piece[k], v->scale);
            }
        }
    }
}

void tm_gguf_view_floats(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                         float *out)
{
    const tm_gguf_view *v = tensor->view;
    size_t n = (size_t)tensor->ne[0];
    for (int64_t row = row_begin; row < row_end; row++, out += n) {
        int64_t from = stored_row(v, row);
        if (v->is_packed) {
            /* The trits lie in the last quarter of the floats that replace them. */
            int8_t *trits = (int8_t *)out + 3 * n;
            packed_trits(tensor, from, trits);
            for (size_t i = 0; i < n; i++) out[i] = (float)trits[i] * v->scale;
        } else {
            tm_gguf_read_floats(&v->stored, from, from + 1, out);
            for (size_t i = 0; v->rounds && i < n; i++)
                out[i] = (float)rounded(out[i], v->scale) * v->scale;
        }
    }
}

void tm_gguf_view_release(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end)
{
    /* Reordered rows stay within a head, which is less than what is released at a time. */
    int64_t n_rows = tensor->view->is_packed ? tensor->ne[1] / 4 : tensor->ne[1];
    int64_t begin = row_begin % n_rows, end = begin + row_end - row_begin;
    size_t row = tensor->bytes / (size_t)n_rows;
    if (end > n_rows) begin = 0, end = n_rows;
    tm_gguf_release(tensor, (size_t)begin * row, (size_t)end * row);
}

tm_status tm_gguf_view_check(const tm_gguf_tensor *tensor, tm_error *err)
{
    const tm_gguf_view *v = tensor->view;
    return v->is_packed ? TM_OK : tm_gguf_check_finite(&v->stored, err);
}

static tm_status packed_scale(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    uint8_t others = 0; /* bits that differ from four zeros, over all bytes */
    for (size_t i = 0; i < tensor->bytes; i++) {
        uint8_t byte = tensor->data[i];
        others |= byte ^ 0x55;
        if (!(byte & byte >> 1 & 0x55)) continue;
        char quoted[TM_GGUF_QUOTED];
        return tm_fail(err, TM_FORMAT,
                       "tensor %s: byte %zu of row %zu has a code 3; a ternary code is 0, 1 or 2",
                       tm_gguf_quote(tensor->name, quoted), i % (size_t)tensor->ne[0],
                       i / (size_t)tensor->ne[0]);
    }
    *scale = others ? tensor->view->scale : 0;
    return TM_OK;
}

/* Mean of the magnitudes. */
static float mean_of(const tm_gguf_tensor *stored)
{
    float piece[256];
    double sum = 0;
    size_t size = stored->type == TM_GGUF_F32 ? 4 : 2, n = stored->bytes / size;
    for (size_t i = 0; i < n; i += 256) {
        tm_gguf_tensor part = *stored;
        size_t many = n - i < 256 ? n - i : 256;
        part.data += i * size;
        part.ne[0] = (int64_t)many;
        part.ne[1] = 1;
        tm_gguf_read_floats(&part, 0, 1, piece);
        for (size_t k = 0; k < many; k++) sum += fabs((double)piece[k]);
    }
    return (float)(sum / (double)n);
}

tm_status tm_gguf_view_scale(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    tm_gguf_view *v = tensor->view;
    if (v->is_packed) return packed_scale(tensor, scale, err);
    tm_status status = tm_gguf_ternary_scale(&v->stored, scale, err);
    if (status != TM_UNSUPPORTED || !v->may_round) return status;
    status = tm_gguf_check_finite(&v->stored, err);
    if (status != TM_OK) return status;
    float mean = mean_of(&v->stored);
    v->scale = mean > SMALLEST_SCALE ? mean : SMALLEST_SCALE;
    v->rounds = true;
    *scale = v->scale;
    return TM_OK;
}
