/* Conversations with a model: a KV cache of each, activations, logits, all in one arena.
 *
 * A session has one sequence unless more are asked for. Those are decoded together, a token of each
 * to a pass, so that the weights are read once for all of them; each is what it would be alone.
 *
 * Nothing is allocated, read or locked between tm_session_open and tm_session_close, so calls can
 * be timed. A session belongs to one caller; its pool's threads do the work.
 */
#ifndef TM_ENGINE_SESSION_H
#define TM_ENGINE_SESSION_H

#include "engine/stamps.h"
#include "engine/model.h"

typedef struct tm_session tm_session;

typedef struct tm_session_options {
    int n_context; /* positions the KV cache holds */
    int n_batch; /* tokens of a forward pass at most (llama-bench's -ub); 0: min(n_context, 512) */
    int n_sequences; /* at most; 0: 1 */
    int n_positions; /* of all sequences together; 0: n_context for each. With fewer the session begins
                        as one sequence: see tm_session_divide */
    bool f16_kv;     /* half-precision KV cache; else float */
    bool all_logits; /* room for logits of every token of a batch, not only its last */
} tm_session_options;

/* Bytes of the arena, from the config alone; what tm_session_open will map. */
size_t tm_session_bytes(const tm_config *config, const tm_kernel *kernel,
                        const tm_kernel *head_kernel, const tm_session_options *options,
                        int n_threads);

/* model and pool are borrowed and must stay where they are until the session is closed.
 * Errors: ARG (context or batch < 1), NOMEM. The arena is touched before it returns. */
tm_status tm_session_open(const tm_model *model, tm_pool *pool, const tm_session_options *options,
                          tm_session **out, tm_error *err) TM_MUST_USE;
void tm_session_close(tm_session *session);

/* Parts the KV cache anew, for n_sequences of n_context positions each, and forgets everything. Both
 * at most as in the options, and their product at most n_positions. */
void tm_session_divide(tm_session *session, int n_sequences, int n_context);
/* Forgets everything: the next token of every sequence is at position 0; the first is in use. */
void tm_session_reset(tm_session *session);
/* The sequence that the functions below work on, 0 .. n_sequences-1. */
void tm_session_use(tm_session *session, int sequence);
/* Forgets all but the first `position` tokens of every sequence; what is there stays. position: at most
 * that of the sequence in use. */
void tm_session_rewind(tm_session *session, int position);
int tm_session_position(const tm_session *session);
/* Makes sequence `to` a copy of `from`: as if it had been given the same tokens. */
void tm_session_copy(tm_session *session, int from, int to);
/* From now on every pass leaves its time stamps there while it has room; NULL: none. The stamps is
 * borrowed and was opened with the session's pool. */
void tm_session_set_ledger(tm_session *session, tm_stamps *stamps);

typedef enum tm_logits {
    TM_LOGITS_NONE, /* fill the KV cache only */
    TM_LOGITS_LAST,
    TM_LOGITS_ALL, /* needs options.all_logits */
} tm_logits;

/* Appends n_tokens tokens (prompt: in batches of n_batch; decode: 1) and computes logits as asked.
 * *logits, if not NULL, receives [1 or n_tokens][n_vocab], valid until the next call
 * (TM_LOGITS_ALL: n_tokens must not exceed n_batch). Errors: ARG (token id out of range, context
 * full). */
tm_status tm_session_eval(tm_session *session, const int32_t *tokens, int n_tokens, tm_logits which,
                          const float **logits, tm_error *err) TM_MUST_USE;

/* Appends tokens[i] to sequence i in one pass, for the first n_sequences sequences, which may be at
 * different positions. TM_LOGITS_NONE, else *logits, if not NULL, receives [n_sequences][n_vocab].
 * Errors: ARG (token id out of range, the context of a sequence full, fewer sequences). */
tm_status tm_session_step(tm_session *session, const int32_t *tokens, int n_sequences,
                          tm_logits which, const float **logits, tm_error *err) TM_MUST_USE;

/* Index of the largest logit, the first on ties. */
int32_t tm_argmax(const float *logits, int n_vocab);

#endif
