/* One thread's view of a pass, shared by the parts of the forward pass. Internal to forward*.c. */
#ifndef TM_ENGINE_FORWARD_THREAD_H
#define TM_ENGINE_FORWARD_THREAD_H

#include "engine/forward.h"

/* What one thread knows of the pass. */
typedef struct tm_thread_pass {
    const tm_pass *pass;
    tm_session *s;
    const tm_model *model;
    const tm_config *config;
    const tm_vec *vec;
    int thread, n_threads;
    int step; /* rows of a unit: tm_rows_step */
    tm_steal steal;
    int first;                 /* first token of the pass for which this layer's output is needed */
    int n_tokens;              /* of the input of the matrices being multiplied */
    tm_act acts[TM_ACT_KINDS]; /* that input, in the kinds that their kernels read */
    const void *scratch[2];    /* prepared from it */
    tm_thread_buffers *own;
    tm_stamps_thread *stamps; /* NULL: time is not stamped */
    int layer;                /* -1: outside the layers */
} tm_thread_pass;

/* Operation op ends here; what follows is timed as the next one. */
static inline void tm_thread_done(const tm_thread_pass *self, tm_op op)
{
    if (self->stamps) tm_stamps_add(self->stamps, TM_PIECE_WORK, op, self->layer);
}

/* Waits for the other threads of the pass. */
static inline void tm_thread_barrier(const tm_thread_pass *self)
{
    if (self->n_threads == 1) return;
    tm_pool_barrier(self->s->pool);
    if (self->stamps) tm_stamps_add(self->stamps, TM_PIECE_WAIT, self->stamps->op, self->layer);
}

/* A token's position in its sequence. */
static inline int tm_thread_position(const tm_thread_pass *self, int token)
{
    return self->pass->is_step ? self->s->positions[token] : self->pass->position + token;
}

/* Writes every token's key and value of a layer to the cache, and s->mixed for the tokens from
 * self->first on. */
void tm_forward_attention(const tm_thread_pass *self, int layer);

#endif
