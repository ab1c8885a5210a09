/* A prompt and shapes of models for the tests of sessions. */
#ifndef TM_TESTS_ENGINE_SESSION_SHAPES_H
#define TM_TESTS_ENGINE_SESSION_SHAPES_H

#include "engine/attend.h"
#include "tests/engine/tiny.h"

enum { MAX_TOKENS = 24, LONGEST = 2 * TM_ATTEND_CHUNK + 30 };

/* A prompt of MAX_TOKENS tokens, then the same tokens in another order, for long contexts. */
static int32_t prompt[LONGEST] = {1,  17, 60, 42, 99, 7,  23, 5,  88, 64, 3,  50,
                                  71, 20, 33, 9,  22, 10, 80, 61, 54, 12, 77, 91};

static inline void fill_prompt(void)
{
    for (int i = MAX_TOKENS; i < LONGEST; i++) prompt[i] = prompt[i * 7 % MAX_TOKENS];
}

static inline tm_config shaped(const char *arch, int n_hidden, int n_ffn, int n_heads, int n_kv,
                               int head_dim)
{
    tm_config config = tiny_config(arch);
    config.n_hidden = n_hidden;
    config.n_ffn = n_ffn;
    config.n_heads = n_heads;
    config.n_kv_heads = n_kv;
    config.head_dim = head_dim;
    config.n_rot = head_dim;
    return config;
}

/* Widths and head sizes of published models, small otherwise, and some odd ones. The wide ones have
 * one layer, which costs half the time. */
static inline int odd_shapes(tm_config *out)
{
    int n = 0;
    out[n++] = tiny_config("bitnet");
    out[n++] = tiny_config("bitnet-b1.58");
    out[n++] = tiny_config("llama");
    out[n] = shaped("bitnet", 192, 5460, 4, 2, 48);
    out[n++].n_layers = 1;
    out[n++] = shaped("bitnet-25", 100, 300, 3, 3, 100);
    out[n] = shaped("llama", 96, 8640, 6, 2, 120);
    out[n++].n_layers = 1;
    out[n++] = shaped("bitnet", 96, 90, 5, 1, 96);
    out[n++] = shaped("llama", 33, 1, 1, 1, 2);
    out[n] = shaped("llama", 64, 100, 2, 1, 64);
    out[n].n_rot = 16; /* the rest of a head is not rotated */
    out[n++].tied_head = false;
    out[n++] = shaped("qwen3", 64, 100, 4, 2, 48);
    out[n] = shaped("qwen3", 64, 100, 2, 2, 64);
    out[n++].rope_scaling = (tm_rope_scaling){4, true, 16, 1, 1, 8, 1};
    out[n] = shaped("minicpm", 128, 100, 2, 2, 64);
    tm_config_set_default_scales(&out[n]);
    out[n++].rope_scaling.factor = 3;
    return n;
}

#endif
