/* Attention of several queries over the cache of one kv head, in chunks of positions. Internal to
 * the engine: forward_attention.c chooses the queries and shares them among threads.
 *
 * The softmax of each chunk has a maximum of its own, and chunks are joined in order of positions.
 * So scores need room for one chunk only, a chunk's keys and values stay in a near cache while
 * several queries read them, and different threads can compute chunks of one query. Where a chunk
 * begins depends only on the position, so the bits depend neither on the number of threads nor on
 * how a prompt is divided into passes.
 * Source: Milakov and Gimelshein 2018 (online softmax); Dao et al. 2022 (FlashAttention), 3.1.
 */
#ifndef TM_ENGINE_ATTEND_H
#define TM_ENGINE_ATTEND_H

#include "kernels/vec/vec.h"

#define TM_ATTEND_CHUNK 256 /* positions; whole groups of keys */
#define TM_ATTEND_ROWS  12  /* queries at once */

/* Floats between the scores of two queries: an odd number of cache lines, so that the scores of
 * several queries do not compete for the same cache sets. */
#define TM_ATTEND_STRIDE (TM_ATTEND_CHUNK + 16)

/* A softmax over some positions: value = out / sum, at the scale of exp(max). */
typedef struct tm_softmax {
    float max, sum;
} tm_softmax;

/* The cache of one kv head, and buffers of the calling thread. */
typedef struct tm_attend {
    const tm_vec *vec;
    bool f16_kv; /* keys and values are halves, else floats */
    int head_dim;
    const void *keys;   /* in groups, tm_vec_key_at */
    const void *values; /* [positions][head_dim] */
    float *score;       /* [TM_ATTEND_ROWS][TM_ATTEND_STRIDE] */
    float *part;        /* [TM_ATTEND_ROWS][head_dim] */
} tm_attend;

static inline int tm_attend_chunks(int n_positions)
{
    return (n_positions + TM_ATTEND_CHUNK - 1) / TM_ATTEND_CHUNK;
}

/* Computes one chunk. query: [n_queries][head_dim], n_queries <= TM_ATTEND_ROWS; query i attends to
 * those of its first n_positions[i] positions that lie in the chunk. Writes out
 * [n_queries][head_dim] and softmax [n_queries], with zeros for a query that has no position in the
 * chunk. */
void tm_attend_chunk(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                     int chunk, float *out, tm_softmax *softmax);
/* Joins the chunk (part, from) to those already in (out, into), for each query that has a position
 * in it, which is a query whose sum is not 0. n_queries <= TM_ATTEND_ROWS. */
void tm_attend_join(const tm_vec *vec, int head_dim, int n_queries, tm_softmax *into, float *out,
                    const tm_softmax *from, const float *part);
/* All chunks of n_queries queries, each of at least one position. out: the mix of values. */
void tm_attend_all(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                   float *out);

#endif
