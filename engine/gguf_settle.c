/* Type numbers that two programs gave to different types. The bytes from one tensor to the next
 * tell them apart: names and general.file_type do not. */
#include "engine/gguf_private.h"

#include <stdlib.h>

typedef enum fit { FITS_NONE, FITS_64, FITS_128, FITS_BOTH } fit;

/* What tensors of type 42 show: the first that fits only blocks of 64, only of 128, and both. */
typedef struct evidence {
    const tm_gguf_tensor *only[FITS_BOTH + 1];
} evidence;

static int compare_offsets(const void *a, const void *b)
{
    uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
    return (p > q) - (p < q);
}

/* Bytes from `offset` to the next larger of the n sorted offsets, or to the end of the data. */
static uint64_t span_at(const uint64_t *sorted, size_t n, uint64_t offset, size_t room, bool *last)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    *last = low == n;
    uint64_t end = *last || sorted[low] > room ? room : sorted[low];
    return end > offset ? end - offset : 0;
}

static fit fit_of(const tm_gguf_tensor *tensor, uint64_t span, uint32_t alignment)
{
    size_t n64 = tm_gguf_bytes(TM_GGUF_Q2_0, tensor->ne, tensor->n_dims),
           n128 = tm_gguf_bytes(TM_GGUF_PQ2_0, tensor->ne, tensor->n_dims);
    bool fits64 = n64 != 0 && span >= n64,
         fits128 = n128 != 0 && span >= n128 && span - n128 < alignment;
    return fits64 && fits128 ? FITS_BOTH : fits64 ? FITS_64 : fits128 ? FITS_128 : FITS_NONE;
}

static tm_status refuse(const tm_gguf_tensor *tensor, uint64_t span, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    return tm_fail(
        err, TM_UNSUPPORTED,
        "tensor %s has type 42 and room for %llu bytes; as Q2_0 it would have %zu, as "
        "PrismML's older Q2_0 %zu; if it is TL2 of bitnet.cpp, convert the checkpoint to "
        "I2_S",
        tm_gguf_quote(tensor->name, quoted), (unsigned long long)span,
        tm_gguf_bytes(TM_GGUF_Q2_0, tensor->ne, tensor->n_dims),
        tm_gguf_bytes(TM_GGUF_PQ2_0, tensor->ne, tensor->n_dims));
}

static tm_status decide(const evidence *e, tm_gguf_type *out, tm_error *err)
{
    char first[TM_GGUF_QUOTED], second[TM_GGUF_QUOTED];
    const tm_gguf_tensor *a = e->only[FITS_64], *b = e->only[FITS_128], *both = e->only[FITS_BOTH];
    *out = b ? TM_GGUF_PQ2_0 : TM_GGUF_Q2_0;
    if (a && b)
        return tm_fail(
            err, TM_FORMAT,
            "tensors %s and %s have type 42, but the first has the bytes of Q2_0 and the "
            "second those of PrismML's older Q2_0",
            tm_gguf_quote(a->name, first), tm_gguf_quote(b->name, second));
    if (!a && !b && both)
        return tm_fail(
            err, TM_UNSUPPORTED,
            "tensor %s has type 42, and its bytes fit both Q2_0 and PrismML's older Q2_0; "
            "convert the file to F16 with the program that wrote it",
            tm_gguf_quote(both->name, first));
    return TM_OK;
}

/* PQ2_0 and PTQ1_0, whose numbers were IQ2_TN and IQ1_TN in old files of ik_llama.cpp, which have
 * fewer bytes. */
static tm_status check_prism(const tm_gguf_tensor *tensor, uint64_t span, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    if (span >= tensor->bytes) return TM_OK;
    return tm_fail(
        err, TM_UNSUPPORTED,
        "tensor %s has type %d and room for %llu bytes; as %s it would have %zu; if it is "
        "%s of ik_llama.cpp, convert the checkpoint again",
        tm_gguf_quote(tensor->name, quoted), (int)tensor->type, (unsigned long long)span,
        tm_gguf_type_name(tensor->type), tensor->bytes,
        tensor->type == TM_GGUF_PQ2_0 ? "IQ2_TN" : "IQ1_TN");
}

/* The end of the file may be missing or followed by other bytes, so the tensor at the end decides
 * only if no other does. */
static tm_status look(const tm_gguf_tensor *tensors, const uint64_t *offsets,
                      const uint64_t *sorted, size_t n, size_t room, uint32_t alignment,
                      evidence *out, tm_error *err)
{
    const tm_gguf_tensor *at_end = NULL;
    fit end_fit = FITS_NONE;
    for (size_t i = 0; i < n; i++) {
        bool last;
        uint64_t span = span_at(sorted, n, offsets[i], room, &last);
        tm_status status = TM_OK;
        if (tensors[i].type == TM_GGUF_PQ2_0 || tensors[i].type == TM_GGUF_PTQ1_0) {
            if (!last) status = check_prism(&tensors[i], span, err);
        } else if (tensors[i].type == TM_GGUF_Q2_0) {
            fit found = fit_of(&tensors[i], span, alignment);
            if (last)
                at_end = &tensors[i], end_fit = found;
            else if (found == FITS_NONE)
                status = refuse(&tensors[i], span, err);
            else if (!out->only[found])
                out->only[found] = &tensors[i];
        }
        if (status) return status;
    }
    if (at_end && !out->only[FITS_64] && !out->only[FITS_128]) out->only[end_fit] = at_end;
    return TM_OK;
}

tm_status tm_gguf_settle_types(tm_gguf_tensor *tensors, const uint64_t *offsets, size_t n,
                               size_t room, uint32_t alignment, tm_error *err)
{
    uint64_t *sorted = NULL;
    evidence found = {{NULL}};
    tm_gguf_type type = TM_GGUF_Q2_0;
    bool any = false;
    for (size_t i = 0; i < n; i++)
        any |= tensors[i].type == TM_GGUF_Q2_0 || tensors[i].type == TM_GGUF_PQ2_0 ||
               tensors[i].type == TM_GGUF_PTQ1_0;
    if (!any) return TM_OK;
    tm_status status = tm_alloc((void **)&sorted, n, sizeof *sorted, "GGUF tensor offsets", err);
    if (status) return status;
    memcpy(sorted, offsets, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_offsets);
    status = look(tensors, offsets, sorted, n, room, alignment, &found, err);
    if (!status) status = decide(&found, &type, err);
    for (size_t i = 0; i < n && !status; i++) {
        if (tensors[i].type != TM_GGUF_Q2_0 || type == TM_GGUF_Q2_0) continue;
        tensors[i].type = type;
        tensors[i].bytes = tm_gguf_bytes(type, tensors[i].ne, tensors[i].n_dims);
        if (!tensors[i].bytes) status = refuse(&tensors[i], 0, err);
    }
    tm_free(sorted);
    return status;
}
