/* Where the time of a forward pass goes: a list of time stamps per thread, made before the pass.
 *
 * A stamp is the end of one piece of work and the beginning of the next, so the pieces of a thread
 * lie end to end: they cannot overlap, leave nothing out, and cost one reading of a counter each.
 * Waiting at a barrier is a piece of its own, named after the work before it. A session without a
 * stamps pays one branch per piece. Nothing is allocated or locked while passes run.
 */
#ifndef TM_ENGINE_STAMPS_H
#define TM_ENGINE_STAMPS_H

#include <time.h>

#include "engine/pool.h"

/* In the order of a pass. A norm makes the input of the matrices behind it: RMSNorm, int8. Preparing
 * is what their kernels build from it (tables, panels), if anything: each `prepare_` directly behind
 * its norm. */
#define TM_OPS(X)                                                                                  \
    X(EMBED, embed) /* rows of the embedding, angles of the positions */                           \
    X(ATTN_NORM, attn_norm)                                                                        \
    X(PREPARE_QKV, prepare_qkv)                                                                    \
    X(Q, q)                                                                                        \
    X(K, k)                                                                                        \
    X(V, v)                                                                                        \
    X(ROPE, rope)           /* rotation of queries and keys, keys and values into the cache */     \
    X(ATTENTION, attention) /* scores, softmax, mix of values */                                   \
    X(ATTN_SUB_NORM, attn_sub_norm)                                                                \
    X(PREPARE_O, prepare_o)                                                                        \
    X(O, o) /* with the residual */                                                                \
    X(FFN_NORM, ffn_norm)                                                                          \
    X(PREPARE_GATE_UP, prepare_gate_up)                                                            \
    X(GATE, gate)                                                                                  \
    X(UP, up)                                                                                      \
    X(ACTIVATION, activation) /* SiLU or squared ReLU of gate, times up */                         \
    X(FFN_SUB_NORM, ffn_sub_norm)                                                                  \
    X(PREPARE_DOWN, prepare_down)                                                                  \
    X(DOWN, down) /* with the residual */                                                          \
    X(OUTPUT_NORM, output_norm)                                                                    \
    X(PREPARE_HEAD, prepare_head)                                                                  \
    X(HEAD, head)

typedef enum tm_op {
#define TM_OP_ENUM(upper, lower) TM_OP_##upper,
    TM_OPS(TM_OP_ENUM)
#undef TM_OP_ENUM
        TM_OP_COUNT
} tm_op;

/* "attn_norm" */
const char *tm_op_name(tm_op op);

typedef enum tm_piece {
    TM_PIECE_ENTER, /* the thread began its part of the pass: `ticks` is when */
    TM_PIECE_WORK,
    TM_PIECE_WAIT, /* at the barrier behind `op` */
} tm_piece;

typedef struct tm_event {
    uint64_t ticks; /* when the piece ended; it began at the event before it */
    int32_t pass;   /* index into passes */
    int16_t layer;  /* -1: outside the layers */
    uint8_t op, piece;
} tm_event;

#define TM_STAMPS_LAPS 3 /* operations that take turns between two barriers, at most */

/* One thread's list, on cache lines of its own. */
typedef struct tm_stamps_thread {
    _Alignas(128) tm_event *events; /* [max_events] */
    int n_events, max_events;
    int64_t n_dropped; /* events that found no room */
    int32_t pass;
    uint8_t op;      /* of the last piece */
    tm_op lap_first; /* of the operations in turns, see tm_stamps_lap */
    uint64_t lap_ticks, lap_sums[TM_STAMPS_LAPS];
    bool by_clock; /* ticks are the clock's nanoseconds, not the processor's counter */
} tm_stamps_thread;

typedef struct tm_stamps_pass {
    uint64_t begin, end; /* ticks, read by the caller around the pass */
    int n_tokens, position, n_logits;
    bool is_step; /* a token each of as many sequences, all of them at `position` */
} tm_stamps_pass;

typedef struct tm_stamps {
    tm_stamps_thread *threads; /* [n_threads] */
    tm_stamps_pass *passes;    /* [max_passes] */
    int n_threads, n_passes, max_passes;
    int64_t n_dropped; /* passes that found no room */
    bool by_clock;
    uint64_t open_ticks; /* both clocks at opening: with a later reading they give the rate */
    int64_t open_ns;
    tm_pages memory;
} tm_stamps;

/* Memory that a stamps takes; SIZE_MAX where its lists would hold more than an int counts. */
size_t tm_stamps_bytes(int n_layers, int n_passes, int n_threads);
/* Room for `n_passes` passes of a model with n_layers layers, on the threads of a pool, each of which
 * touches its part. Errors: ARG, NOMEM. */
tm_status tm_stamps_open(int n_layers, int n_passes, tm_pool *pool, tm_stamps *out,
                         tm_error *err) TM_MUST_USE;
void tm_stamps_close(tm_stamps *stamps);
/* Forgets what was written. Not while a pass runs. */
void tm_stamps_clear(tm_stamps *stamps);

/* Ticks per nanosecond, from both clocks since the stamps was opened: exact to about 50 ns in the time
 * passed. Waits until 2 ms have passed. */
double tm_stamps_ticks_per_ns(const tm_stamps *stamps);
/* "invariant TSC", "CNTVCT_EL0" or "CLOCK_MONOTONIC": what the stamps are read from. */
const char *tm_stamps_clock(const tm_stamps *stamps);

/* The processor's counter is read in some 10 ns where the clock takes 20 to 50. Neither is ordered
 * with the loads and stores around it: a stamp is exact to the depth of the pipeline, some 100 ns. */
static inline uint64_t tm_stamps_ticks(bool by_clock)
{
    if (!by_clock) {
#if defined(__x86_64__)
        return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
        uint64_t ticks;
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
        return ticks;
#endif
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void tm_stamps_add_at(tm_stamps_thread *thread, tm_piece piece, tm_op op, int layer,
                                    uint64_t ticks)
{
    thread->op = (uint8_t)op;
    if (thread->n_events == thread->max_events) {
        thread->n_dropped++;
        return;
    }
    thread->events[thread->n_events++] = (tm_event){
        .ticks = ticks,
        .pass = thread->pass,
        .layer = (int16_t)layer,
        .op = (uint8_t)op,
        .piece = (uint8_t)piece,
    };
}

/* The end of a piece, now. */
static inline void tm_stamps_add(tm_stamps_thread *thread, tm_piece piece, tm_op op, int layer)
{
    tm_stamps_add_at(thread, piece, op, layer, tm_stamps_ticks(thread->by_clock));
}

/* n operations from `first` on in turns, as often and in whatever order a thread takes their
 * rows: laps, summed and written down as one piece of each, so that a pass has the same events every
 * time. The pieces still lie end to end; where there were turns only their lengths are true. */
static inline void tm_stamps_lap_begin(tm_stamps_thread *thread, tm_op first)
{
    thread->lap_first = first;
    for (int i = 0; i < TM_STAMPS_LAPS; i++) thread->lap_sums[i] = 0;
    thread->lap_ticks = thread->events[thread->n_events - 1].ticks;
}
static inline void tm_stamps_lap(tm_stamps_thread *thread, tm_op op)
{
    uint64_t now = tm_stamps_ticks(thread->by_clock);
    thread->lap_sums[op - thread->lap_first] += now - thread->lap_ticks;
    thread->lap_ticks = now;
}
static inline void tm_stamps_lap_end(tm_stamps_thread *thread, int n, int layer)
{
    uint64_t at = thread->lap_ticks;
    for (int i = 0; i < n; i++) at -= thread->lap_sums[i];
    for (int i = 0; i < n; i++)
        tm_stamps_add_at(thread, TM_PIECE_WORK, (tm_op)(thread->lap_first + (tm_op)i), layer,
                         at += thread->lap_sums[i]);
}

/* Around a pass, by its caller; false: no room, the pass must run without the stamps. Of the pass only what
 * describes it is looked at. */
bool tm_stamps_begin(tm_stamps *stamps, const tm_stamps_pass *pass);
void tm_stamps_end(tm_stamps *stamps);
/* First thing a thread does in a pass; gives it its list. */
tm_stamps_thread *tm_stamps_enter(tm_stamps *stamps, int thread);

#endif
