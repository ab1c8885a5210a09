/* Where the time of a forward pass goes: a list of time stamps per thread, allocated before the
 * pass.
 *
 * A stamp ends one piece of work and begins the next, so the pieces of a thread lie end to end:
 * they cannot overlap, leave nothing out, and cost one reading of a counter each. A wait at a
 * barrier is a piece of its own, named after the work before it. Without stamps a session pays one
 * branch per piece. Nothing is allocated or locked while passes run.
 */
#ifndef TM_ENGINE_STAMPS_H
#define TM_ENGINE_STAMPS_H

#include "engine/pool.h"

/* In the order of a pass. A norm makes the input of the matrices after it: RMSNorm and int8.
 * PREPARE_ is what their kernels build from that input, if anything (tables, panels). */
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
    TM_PIECE_WAIT, /* at the barrier after op */
} tm_piece;

typedef struct tm_event {
    uint64_t ticks; /* when the piece ended; it began at the event before it */
    int32_t pass;   /* index into passes */
    int16_t layer;  /* -1: outside the layers */
    uint8_t op, piece;
} tm_event;

#define TM_STAMPS_LAPS 3 /* most operations that take turns between two barriers */

/* One thread's list, on cache lines of its own. */
typedef struct tm_stamps_thread {
    _Alignas(128) tm_event *events; /* [max_events] */
    int n_events, max_events;
    int64_t n_dropped; /* events that found no room */
    int32_t pass;
    uint8_t op;                                   /* of the last piece */
    uint64_t lap_ticks, lap_sums[TM_STAMPS_LAPS]; /* see tm_stamps_lap */
    bool by_clock; /* ticks are the clock's nanoseconds, not the processor's counter */
} tm_stamps_thread;

typedef struct tm_stamps_pass {
    uint64_t begin, end; /* ticks, read by the caller around the pass */
    int n_tokens, position, n_logits;
    bool is_step; /* one token of each of n_tokens sequences, all at `position` */
} tm_stamps_pass;

typedef struct tm_stamps {
    tm_stamps_thread *threads; /* [n_threads] */
    tm_stamps_pass *passes;    /* [max_passes] */
    int n_threads, n_passes, max_passes;
    int64_t n_dropped; /* passes that found no room */
    bool by_clock;
    uint64_t open_ticks; /* both clocks at opening; a later reading of both gives the rate */
    int64_t open_ns;
    tm_pages memory;
} tm_stamps;

/* Memory that stamps take; SIZE_MAX if a list would hold more events than an int counts. */
size_t tm_stamps_bytes(int n_layers, int n_passes, int n_threads);
/* Makes room for n_passes passes of a model with n_layers layers, on the threads of a pool, each of
 * which touches its part. Errors: ARG, NOMEM. */
tm_status tm_stamps_open(int n_layers, int n_passes, tm_pool *pool, tm_stamps *out,
                         tm_error *err) TM_MUST_USE;
void tm_stamps_close(tm_stamps *stamps);
/* Forgets what was written. Not while a pass runs. */
void tm_stamps_clear(tm_stamps *stamps);

/* Ticks per nanosecond, from both clocks since tm_stamps_open: exact to about 50 ns in the time
 * passed. Waits until 2 ms have passed. */
double tm_stamps_ticks_per_ns(const tm_stamps *stamps);
/* What the stamps are read from: "invariant TSC", "CNTVCT_EL0" or "CLOCK_MONOTONIC". */
const char *tm_stamps_clock(const tm_stamps *stamps);

/* Reading the processor's counter takes about 10 ns, reading the clock 20 to 50. Neither is ordered
 * with the loads and stores around it, so a stamp is exact to the depth of the pipeline, about
 * 100 ns. */
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
    return (uint64_t)tm_now_ns();
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

/* A piece ends now. */
static inline void tm_stamps_add(tm_stamps_thread *thread, tm_piece piece, tm_op op, int layer)
{
    tm_stamps_add_at(thread, piece, op, layer, tm_stamps_ticks(thread->by_clock));
}

/* Operations that take turns, as often and in whatever order a thread takes their rows. Their laps
 * are summed by slot and written as one piece each, so that every pass has the same events. The
 * pieces still lie end to end, but where operations took turns only their lengths are true. */
static inline void tm_stamps_lap_begin(tm_stamps_thread *thread)
{
    for (int i = 0; i < TM_STAMPS_LAPS; i++) thread->lap_sums[i] = 0;
    thread->lap_ticks = thread->events[thread->n_events - 1].ticks;
}
static inline void tm_stamps_lap(tm_stamps_thread *thread, int slot)
{
    uint64_t now = tm_stamps_ticks(thread->by_clock);
    thread->lap_sums[slot] += now - thread->lap_ticks;
    thread->lap_ticks = now;
}
/* ops: [n], of each slot. */
static inline void tm_stamps_lap_end(tm_stamps_thread *thread, const tm_op *ops, int n, int layer)
{
    uint64_t at = thread->lap_ticks;
    for (int i = 0; i < n; i++) at -= thread->lap_sums[i];
    for (int i = 0; i < n; i++)
        tm_stamps_add_at(thread, TM_PIECE_WORK, ops[i], layer, at += thread->lap_sums[i]);
}

/* The caller of a pass calls these around it. False: there is no room and the pass must run without
 * stamps. Only what describes the pass is read from *pass. */
bool tm_stamps_begin(tm_stamps *stamps, const tm_stamps_pass *pass);
void tm_stamps_end(tm_stamps *stamps);
/* A thread's first call in a pass. Returns the thread's list. */
tm_stamps_thread *tm_stamps_enter(tm_stamps *stamps, int thread);

#endif
