/* Any bytes as a safetensors file: what is accepted covers the data exactly once. */
#include "engine/safetensors.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_safetensors file;
    tm_error err = {0};
    size_t bytes = 0;
    if (tm_safetensors_read(data, size, &file, &err) != TM_OK) {
        if (!err.message[0] || file.tensors) abort(); /* a refusal says why, and leaves nothing */
        return 0;
    }
    for (int i = 0; i < file.n_tensors; i++) {
        const tm_safetensor *t = &file.tensors[i];
        if (t->offset > size || t->bytes > size - t->offset || t->n_dims > 4) abort();
        bytes += t->bytes;
    }
    if (file.n_tensors && file.tensors[0].offset + bytes != size) abort();
    tm_safetensors_free(&file);
    return 0;
}
