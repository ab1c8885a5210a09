/* How threads share the rows of a phase. Internal to the engine. Packing and running use the same
 * shares, so that a page of weights is first touched by the thread that reads it, unless that
 * thread falls behind (engine/steal.h). */
#ifndef TM_ENGINE_ROWS_H
#define TM_ENGINE_ROWS_H

#include "engine/pool.h"
#include "engine/source.h"
#include "kernels/kernel.h"

typedef struct tm_rows {
    int begin, end; /* half open, may be empty */
} tm_rows;

/* A share is a multiple of this many rows: the least common multiple of both kernels' row steps,
 * their layouts' row groups and 16, so that threads write to different cache lines of an output. */
static inline int tm_rows_step(const tm_kernel *kernel, const tm_kernel *head_kernel)
{
    const int parts[4] = {kernel->row_step, kernel->format->row_group, head_kernel->row_step,
                          head_kernel->format->row_group};
    int step = 16;
    for (int i = 0; i < 4; i++) {
        int a = step, b = parts[i];
        while (b != 0) {
            int rest = a % b;
            a = b;
            b = rest;
        }
        step = step / a * parts[i];
    }
    return step;
}

/* Up to 3 matrices end to end, counted in units of `step` rows; the last unit of a matrix may be
 * short. */
typedef struct tm_rows_ends {
    int n_rows[3], first[4], step; /* first: first unit of each matrix; then the total */
} tm_rows_ends;

static inline tm_rows_ends tm_rows_end_to_end(const int *n_rows, int n, int step)
{
    tm_rows_ends ends = {.step = step};
    for (int i = 0; i < n; i++) {
        ends.n_rows[i] = n_rows[i];
        ends.first[i + 1] = ends.first[i] + (n_rows[i] + step - 1) / step;
    }
    return ends;
}

/* The rows of matrix i in units begin .. end-1 of all matrices. */
static inline tm_rows tm_rows_in(const tm_rows_ends *ends, int i, int begin, int end)
{
    int first = ends->first[i], last = ends->first[i + 1], n_rows = ends->n_rows[i];
    int from = ((begin < first ? first : begin > last ? last : begin) - first) * ends->step;
    int to = ((end < first ? first : end > last ? last : end) - first) * ends->step;
    return (tm_rows){from < n_rows ? from : n_rows, to < n_rows ? to : n_rows};
}

/* Share `part` of n_parts of the rows of n matrices end to end; shares[i]: its rows of matrix i.
 * The sum is balanced, so that small matrices do not leave threads idle. */
static inline void tm_rows_share(const int *n_rows, int n, int step, int part, int n_parts,
                                 tm_rows *shares)
{
    tm_rows_ends ends = tm_rows_end_to_end(n_rows, n, step);
    int begin, end;
    tm_split(ends.first[n], 1, part, n_parts, &begin, &end);
    for (int i = 0; i < n; i++) shares[i] = tm_rows_in(&ends, i, begin, end);
}

/* One thread's rows of every matrix of a layer and of the head. Gate and up have the same shares,
 * so that each thread can apply the gate to what it has computed. */
typedef struct tm_shares {
    tm_rows q, k, v, o, gate_up, down, head;
} tm_shares;

static inline tm_shares tm_rows_shares(const tm_config *config, int step, int part, int n_parts)
{
    int n_q = config->n_heads * config->head_dim;
    int n_kv = config->n_kv_heads * config->head_dim;
    tm_shares s;
    tm_rows qkv[3];
    tm_rows_share((const int[3]){n_q, n_kv, n_kv}, 3, step, part, n_parts, qkv);
    s.q = qkv[0];
    s.k = qkv[1];
    s.v = qkv[2];
    tm_rows_share(&config->n_hidden, 1, step, part, n_parts, &s.o);
    tm_rows_share(&config->n_ffn, 1, step, part, n_parts, &s.gate_up);
    s.down = s.o;
    tm_rows_share(&config->n_vocab, 1, step, part, n_parts, &s.head);
    return s;
}

#endif
