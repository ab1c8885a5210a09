/* Any bytes as two parts of a split model: a little-endian length of the first, then both. */
#include "engine/gguf.h"
#include "tests/fuzz/replay.h"

#include <string.h>

static void read_all(const tm_gguf *gguf)
{
    for (int i = 0; i < tm_gguf_n_tensors(gguf); i++) {
        tm_error err = {0};
        const tm_gguf_tensor *tensor = tm_gguf_tensor_at(gguf, i);
        char name[128];
        if (tm_gguf_check_finite(tensor, &err) != TM_OK && !err.message[0]) abort();
        snprintf(name, sizeof name, "%.*s", (int)tensor->name.length, tensor->name.data);
        if (tm_gguf_find_tensor(gguf, name) != tensor) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t length;
    tm_gguf *parts[2];
    tm_error err = {0};
    if (size < sizeof length) return 0;
    memcpy(&length, data, sizeof length);
    data += sizeof length;
    size -= sizeof length;
    if (length > size) length = (uint32_t)size;
    if (tm_gguf_open_memory(data, length, &parts[0], &err) != TM_OK) return 0;
    if (tm_gguf_open_memory(data + length, size - length, &parts[1], &err) != TM_OK) {
        tm_gguf_close(parts[0]);
        return 0;
    }
    if (tm_gguf_join(parts, 2, &err) == TM_OK) {
        read_all(parts[0]);
    } else {
        if (!err.message[0]) abort(); /* a refusal says why */
        read_all(parts[0]);           /* and changes nothing */
        tm_gguf_close(parts[1]);
    }
    tm_gguf_close(parts[0]);
    return 0;
}
