/* Any bytes as a GGUF file, and as a model: every tensor is read, none outside the bytes. */
#include "engine/source.h"
#include "tests/fuzz/replay.h"

#include <math.h>

static int64_t count_rows(const tm_gguf_tensor *tensor)
{
    return tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
}

static void read_tensor(const tm_gguf_tensor *tensor)
{
    /* A block type's data holds at most 5 weights a byte, so this is bounded by the input. */
    float *floats = malloc((size_t)tensor->ne[0] * sizeof *floats);
    int8_t *trits = malloc((size_t)tensor->ne[0]);
    int64_t rows[2] = {0, count_rows(tensor) - 1};
    float scale = NAN;
    tm_error err = {0};
    tm_status finite = tm_gguf_check_finite(tensor, &err);
    tm_status ternary = tm_gguf_ternary_scale(tensor, &scale, &err);
    if (ternary == TM_OK && (finite != TM_OK || !isfinite(scale) || scale < 0)) abort();
    if (ternary != TM_OK && !err.message[0]) abort();
    for (int i = 0; i < 2 && floats && trits; i++) {
        tm_gguf_read_floats(tensor, rows[i], rows[i] + 1, floats);
        if (ternary != TM_OK) continue;
        tm_gguf_read_trits(tensor, rows[i], rows[i] + 1, trits);
        for (int64_t c = 0; c < tensor->ne[0]; c++)
            if ((float)trits[c] * scale != floats[c]) abort();
    }
    free(floats);
    free(trits);
}

static void read_role(tm_source *source, tm_role role, int layer)
{
    tm_tensor_info info;
    tm_error err = {0};
    int n_rows, n_cols;
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    if (source->describe(source, role, layer, &info, &err) != TM_OK) {
        if (!err.message[0]) abort();
        return;
    }
    if (!info.present) return;
    float *floats = malloc((size_t)n_cols * sizeof *floats);
    int8_t *trits = malloc((size_t)n_cols);
    if (floats && trits) {
        source->floats(source, role, layer, n_rows - 1, n_rows, floats);
        if (info.ternary) source->trits(source, role, layer, n_rows - 1, n_rows, trits);
    }
    free(floats);
    free(trits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_gguf *gguf;
    tm_source source;
    tm_error err = {0};
    if (tm_gguf_open_memory(data, size, &gguf, &err) != TM_OK) {
        if (!err.message[0]) abort(); /* a refusal says why */
        return 0;
    }
    for (int i = 0; i < tm_gguf_n_tensors(gguf); i++) read_tensor(tm_gguf_tensor_at(gguf, i));
    if (tm_source_from_gguf(gguf, &source, &err) != TM_OK) {
        if (!err.message[0]) abort();
        return 0;
    }
    if (tm_config_check(&source.config, &err) != TM_OK) abort();
    for (int layer = 0; layer < source.config.n_layers; layer++)
        for (int role = 0; role < TM_ROLE_COUNT; role++)
            if (layer == 0 || tm_role_is_per_layer(role)) read_role(&source, role, layer);
    tm_source_close(&source);
    return 0;
}
