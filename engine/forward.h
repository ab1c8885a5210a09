/* What a session's arena holds, and the pass that runs on it. Internal to the engine: session.c
 * lays out the arena and checks arguments, forward.c computes. */
#ifndef TM_ENGINE_FORWARD_H
#define TM_ENGINE_FORWARD_H

#include "engine/attend.h"
#include "engine/rows.h"
#include "engine/session.h"
#include "engine/stamps.h"
#include "engine/steal.h"
#include "kernels/vec/vec.h"

/* int8 activations of one kind, shaped as in tm_act; NULL if no kernel of the model reads it. */
typedef struct tm_act_int8 {
    int8_t *i8;
    float *scale;
    int32_t *sum;
} tm_act_int8;

/* Activations of up to n_tokens tokens of any width in the model, and the kernels' scratch. */
typedef struct tm_act_buffers {
    float *f32; /* [n_tokens][stride of the widest] */
    tm_act_int8 int8[TM_ACT_KINDS];
    void *scratch[2]; /* of model->kernel and head_kernel; NULL: prepares nothing */
} tm_act_buffers;

/* What only one thread writes. */
typedef struct tm_thread_buffers {
    tm_act_buffers act;          /* of one token, without scratch */
    tm_half *half_key;           /* [head_dim] */
    float *score;                /* [TM_ATTEND_ROWS][TM_ATTEND_STRIDE] */
    float *query, *mixed, *part; /* [TM_ATTEND_ROWS][head_dim] */
} tm_thread_buffers;

struct tm_session {
    const tm_model *model; /* borrowed */
    tm_pool *pool;         /* borrowed */
    const tm_vec *vec;
    tm_session_options options; /* complete; as opened */
    int n_sequences, n_context; /* as the KV cache is divided */
    tm_pages arena;
    int n_threads, sequence; /* sequence: the one in use */
    tm_stamps *stamps;       /* borrowed; NULL: none */

    /* All in the arena. */
    float *x;           /* [n_batch][n_hidden], the residual stream */
    tm_act_buffers act; /* of n_batch tokens */
    float *q;           /* [n_batch][n_heads * head_dim] */
    float *k, *v;       /* [n_batch][n_kv_heads * head_dim] */
    float *mixed;       /* [n_batch][n_heads * head_dim], attention's output */
    float *gate, *up;   /* [n_batch][n_ffn] */
    float *y;           /* [n_batch][n_hidden], output of W_o and W_down */
    float *logits;      /* [n_sequences or n_batch][n_vocab] */
    int *positions;     /* [n_sequences] tokens of each */
    double *frequency;  /* [n_rot / 2], radians per position */
    float *cos, *sin;   /* [n_batch][n_rot / 2], times rope_factor */
    float rope_factor;
    /* keys: [n_sequences][n_layers][n_kv_heads], each whole groups of keys for n_context positions
     * (tm_vec_key_at), half or float. values: the same, each [positions][head_dim]. */
    void *keys, *values;
    float *parts;               /* [chunks of all sequences][n_heads][head_dim], of attention */
    tm_softmax *softmax;        /* [chunks of all sequences][n_heads] */
    tm_thread_buffers *threads; /* [n_threads] */
    tm_steal_line *steal_lines; /* [n_threads] */

    tm_steal_habit habit; /* whether shares are cut, learnt from the passes so far */
};

/* A batch of one sequence, at positions `position` .. `position + n_tokens - 1`; or a step, whose
 * token i is the next one of sequence i. */
typedef struct tm_pass {
    tm_session *session;
    const int32_t *tokens;            /* [n_tokens], n_tokens <= n_batch */
    int n_tokens, position, sequence; /* a step: position of the first token */
    bool is_step;
    tm_logits which;
    tm_stamps *stamps; /* NULL: no stamps */
} tm_pass;

/* Tokens at the end of a pass whose logits are computed. */
static inline int tm_pass_logits(const tm_pass *pass)
{
    if (pass->which == TM_LOGITS_NONE) return 0;
    return pass->which == TM_LOGITS_ALL || pass->is_step ? pass->n_tokens : 1;
}

/* A tm_pool_fn; arg is a tm_pass. Fills the KV cache and, as pass->which says, session->logits. */
void tm_forward(void *arg, int thread, int n_threads);

#endif
