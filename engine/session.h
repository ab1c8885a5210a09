/* Sequences of tokens evaluated by a model: KV caches, activations and logits, all in one arena.
 *
 * A session has one sequence unless options.n_sequences says otherwise. Several sequences are
 * decoded together, one token of each per pass, so that the weights are read once for all of them;
 * each gets the logits that it would get alone.
 *
 * Nothing is allocated, read from a file or locked between tm_session_open and tm_session_close, so
 * that calls can be timed. A session belongs to one caller; the threads of its pool do the work.
 */
#ifndef TM_ENGINE_SESSION_H
#define TM_ENGINE_SESSION_H

#include "engine/model.h"
#include "engine/stamps.h"

typedef struct tm_session tm_session;

typedef struct tm_session_options {
    int n_context; /* positions of the KV cache */
    /* Most tokens of a forward pass (llama-bench's -ub); 0: min(n_context, 512). */
    int n_batch;
    int n_sequences; /* at most; 0: 1 */
    /* Of all sequences together; 0: n_context for each. With fewer the session begins with one
     * sequence, see tm_session_divide. */
    int n_positions;
    bool f16_kv;     /* half-precision KV cache, else float */
    bool all_logits; /* room for the logits of every token of a batch, not only of the last */
} tm_session_options;

/* Bytes of the arena that tm_session_open will map, from config and kernels alone. */
size_t tm_session_bytes(const tm_config *config, const tm_kernel *kernel,
                        const tm_kernel *head_kernel, const tm_session_options *options,
                        int n_threads);

/* Opens a session and touches its arena. model and pool are borrowed and must outlive the session.
 * Errors: ARG (context or batch < 1), NOMEM. */
tm_status tm_session_open(const tm_model *model, tm_pool *pool, const tm_session_options *options,
                          tm_session **out, tm_error *err) TM_MUST_USE;
void tm_session_close(tm_session *session);

/* Divides the KV cache into n_sequences sequences of n_context positions and forgets all tokens.
 * Both are at most those of the options, and their product is at most n_positions. */
void tm_session_divide(tm_session *session, int n_sequences, int n_context);
/* Forgets all tokens: every sequence is at position 0, and the first is in use. */
void tm_session_reset(tm_session *session);
/* Selects the sequence that the functions below work on, 0 .. n_sequences-1. */
void tm_session_use(tm_session *session, int sequence);
/* Forgets all but the first `position` tokens of every sequence. position is at most that of the
 * sequence in use. */
void tm_session_rewind(tm_session *session, int position);
int tm_session_position(const tm_session *session);
/* Makes sequence `to` a copy of `from`, as if it had been given the same tokens. */
void tm_session_copy(tm_session *session, int from, int to);
/* From now on every pass writes its time stamps there while there is room; NULL: none. The stamps
 * are borrowed and were opened with the session's pool. */
void tm_session_set_stamps(tm_session *session, tm_stamps *stamps);

typedef enum tm_logits {
    TM_LOGITS_NONE, /* fill the KV cache only */
    TM_LOGITS_LAST,
    TM_LOGITS_ALL, /* needs options.all_logits */
} tm_logits;

/* Appends n_tokens tokens, in batches of n_batch, and computes the logits that `which` names.
 * *logits, if not NULL, receives [1 or n_tokens][n_vocab], valid until the next call. With
 * TM_LOGITS_ALL n_tokens is at most n_batch. Errors: ARG (token id out of range, context full). */
tm_status tm_session_eval(tm_session *session, const int32_t *tokens, int n_tokens, tm_logits which,
                          const float **logits, tm_error *err) TM_MUST_USE;

/* Appends tokens[i] to sequence i in one pass, for the first n_sequences sequences, which may be at
 * different positions. *logits, if not NULL, receives [n_sequences][n_vocab] unless `which` is
 * TM_LOGITS_NONE. Errors: ARG (token id out of range, context of a sequence full, not so many
 * sequences). */
tm_status tm_session_step(tm_session *session, const int32_t *tokens, int n_sequences,
                          tm_logits which, const float **logits, tm_error *err) TM_MUST_USE;

/* Index of the largest logit, the first on ties. */
int32_t tm_argmax(const float *logits, int n_vocab);

#endif
