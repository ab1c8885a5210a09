/* How the rows of a phase are shared out among threads. Internal to the engine: packing and running
 * use the same shares, so that a page of weights is first touched by the thread that reads it. */
#ifndef TM_ENGINE_ROWS_H
#define TM_ENGINE_ROWS_H

#include "engine/pool.h"
#include "engine/source.h"
#include "kernels/kernel.h"

typedef struct tm_rows {
    int begin, end; /* half open, may be empty */
} tm_rows;

/* Rows a share is a multiple of: the least common multiple of both kernels' row steps, their
 * layouts' row groups and 16, so that threads write to different lines of an output. */
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

/* Share `part` of n_parts of the rows of n matrices laid end to end: shares[i] are its rows of
 * matrix i. Balanced over the whole, so that small matrices do not leave threads idle. */
static inline void tm_rows_share(const int *n_rows, int n, int step, int part, int n_parts,
                                 tm_rows *shares)
{
    int begin, end, total = 0;
    for (int i = 0; i < n; i++) total += (n_rows[i] + step - 1) / step;
    tm_split(total, 1, part, n_parts, &begin, &end);
    for (int i = 0, first = 0; i < n; i++) {
        int units = (n_rows[i] + step - 1) / step;
        int from = begin - first, to = end - first; /* in units of this matrix */
        from = from < 0 ? 0 : from > units ? units : from;
        to = to < 0 ? 0 : to > units ? units : to;
        shares[i].begin = from * step < n_rows[i] ? from * step : n_rows[i];
        shares[i].end = to * step < n_rows[i] ? to * step : n_rows[i];
        first += units;
    }
}

/* The rows one thread owns of every matrix of a layer, and of the head. Gate and up are shared out
 * alike, so that each thread can apply the gate to what it has computed itself. */
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
