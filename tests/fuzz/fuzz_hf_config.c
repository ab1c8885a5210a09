/* Any bytes as config.json: keys that a GGUF reader accepts, or a sentence. */
#include "engine/hf_private.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_json_text config;
    tm_hf_config out = {0};
    tm_gguf_writer *w;
    tm_gguf *gguf;
    tm_error err = {0};
    if (tm_json_text_check((const char *)data, size, &config, &err) != TM_OK) {
        if (!err.message[0]) abort();
        return 0;
    }
    if (tm_gguf_create(-1, "fuzz", &w, &err) != TM_OK) return 0;
    if (tm_hf_put_config(w, config, "fuzz", &out, &err) != TM_OK) {
        if (!err.message[0]) abort();
        tm_gguf_abandon(w);
        return 0;
    }
    if (out.n_layers < 1 || out.n_heads < 1 || out.n_kv_heads < 1) abort();
    if (tm_gguf_finish_in_memory(w, &gguf, &err) != TM_OK) abort();
    tm_gguf_close(gguf);
    return 0;
}
