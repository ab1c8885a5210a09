/* Small synthetic models for the engine's tests. */
#ifndef TM_TESTS_ENGINE_TINY_H
#define TM_TESTS_ENGINE_TINY_H

#include "engine/session.h"
#include "tests/tm_test.h"

#include <string.h>

#define TINY_OK(call)                                                                              \
    do {                                                                                           \
        tm_error err = {0};                                                                        \
        if ((call) != TM_OK) fail_msg("%s: %s", #call, err.message);                               \
    } while (0)

/* A small model of an architecture; the sizes may be changed before use. */
static inline tm_config tiny_config(const char *arch)
{
    tm_config config = {
        .name = "tiny",
        .n_layers = 2,
        .n_hidden = 128,
        .n_ffn = 256,
        .n_heads = 4,
        .n_kv_heads = 2,
        .head_dim = 32,
        .n_rot = 32,
        .n_vocab = 100,
        .n_context = 64,
        .rope_base = 10000,
        .rms_epsilon = 1e-5f,
        .tied_head = true,
    };
    if (!tm_config_set_arch(&config, arch)) fail_msg("architecture %s is unknown", arch);
    return config;
}

static inline tm_pool *tiny_pool(int n_threads)
{
    tm_pool *pool = NULL;
    tm_pool_options options = {.n_threads = n_threads, .oversubscribe = true};
    TINY_OK(tm_pool_open(&options, &pool, &err));
    return pool;
}

/* A synthetic model with kernels by name (NULL: the engine's choice). */
static inline tm_model tiny_model(const tm_config *config, const char *kernel, const char *head,
                                  tm_pool *pool)
{
    tm_source source;
    tm_model model;
    tm_model_options options = {0};
    if (kernel) TINY_OK(tm_kernel_resolve(kernel, &options.kernel, &err));
    if (head) TINY_OK(tm_kernel_resolve(head, &options.head_kernel, &err));
    TINY_OK(tm_source_open_synth(config, 7, &source, &err));
    TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
    tm_source_close(&source);
    return model;
}

static inline tm_session *tiny_session(const tm_model *model, tm_pool *pool,
                                       tm_session_options options)
{
    tm_session *session = NULL;
    TINY_OK(tm_session_open(model, pool, &options, &session, &err));
    return session;
}

#endif
