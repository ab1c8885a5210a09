/* What a worker times: a model in a session, or a scripted fake without one.
 *
 * The fake ("null:NS", "null:NS:FAULT@TOKEN") spends NS nanoseconds per token. At the TOKENth token
 * since its start it fails as the script says: crash, die (SIGKILL), exit (with 3), hang, garbage
 * (a line that is not JSON), wrong (other greedy tokens), refuse (an error). It tests the harness
 * and measures its overhead.
 */
#ifndef TM_HARNESS_MEASURE_BACKEND_H
#define TM_HARNESS_MEASURE_BACKEND_H

#include "engine/model.h"
#include "engine/session.h"

#define TM_BACKEND_CPUS_MAX 256
#define TM_GREEDY_PROMPT    4 /* tokens that the greedy ones follow */

typedef struct tm_backend tm_backend;
struct tm_backend {
    void *self; /* owned; freed by close */
    int n_vocab;
    int n_batch; /* limit of tokens in one pass over the weights */
    int64_t load_ns;
    int64_t check_ns;      /* of its kernels, before timing; 0: not checked */
    tm_costs costs;        /* zeros for the fake */
    const tm_model *model; /* model, session and pool: NULL for the fake */
    tm_session *session;
    tm_pool *pool;
    bool f16_kv;                   /* of the KV cache */
    bool pinned;                   /* every thread is on its CPU */
    int cpus[TM_BACKEND_CPUS_MAX]; /* of the threads; of the first ones if there are more */
    int n_cpus;                    /* 0: not pinned, or no threads */
    /* As tm_session_eval. */
    tm_status (*eval)(tm_backend *backend, const int32_t *tokens, int n_tokens, tm_logits which,
                      const float **logits, tm_error *err);
    void (*reset)(tm_backend *backend);
    /* For tests with several sequences: divide is tm_session_divide, spread copies the first
     * sequence to all others, step is tm_session_step with logits. */
    void (*divide)(tm_backend *backend, int n_sequences, int n_context);
    void (*spread)(tm_backend *backend, int n_sequences);
    tm_status (*step)(tm_backend *backend, const int32_t *tokens, int n_sequences, tm_error *err);
    void (*rewind)(tm_backend *backend, int position); /* as tm_session_rewind */
    /* Checks every kernel of the model against the reference on its shapes. Call it before
     * timing. */
    tm_status (*check)(tm_backend *backend, tm_error *err);
    /* As tm_backend_greedy, with every exact kernel replaced by the scalar one of its layout on the
     * same weights. text: "" if no kernel would be replaced, or if it would take minutes. */
    tm_status (*reference)(tm_backend *backend, int n, char *text, size_t size, tm_error *err);
    void (*close)(tm_backend *backend);
};

typedef struct tm_backend_request {
    const char *model, *kernel, *head_kernel; /* names */
    int n_threads;
    const int *cpus; /* [n_threads] to pin to, or NULL: one thread per core first */
    bool oversubscribe;
    uint64_t seed;
    tm_session_options session; /* what the tests need */
    int garbage_fd;             /* the fake writes its garbage here */
} tm_backend_request;

/* Whether the name is that of a fake. */
bool tm_backend_is_null(const char *model);
/* Errors: ARG, and those of the engine. */
tm_status tm_backend_open(const tm_backend_request *request, tm_backend *out,
                          tm_error *err) TM_MUST_USE;
void tm_backend_close(tm_backend *backend);

/* Hash of n greedy tokens from a fixed prompt, in hex. Errors: those of eval. */
tm_status tm_backend_greedy(tm_backend *backend, int n, char *text, size_t size,
                            tm_error *err) TM_MUST_USE;

#endif
