/* Attention of some queries over the cache of one kv head, in chunks of positions. Internal to the
 * engine: forward.c says which queries, and shares them out.
 *
 * The softmax is taken chunk by chunk, each with a maximum of its own, and the chunks joined in the
 * order of positions. So scores never need more room than a chunk's, a chunk's keys and values stay
 * in a cache near the core while several queries read them, and chunks of one query can be computed
 * by different threads: where chunks begin depends on nothing but the position, and so the bits
 * depend neither on threads nor on how a prompt is cut into passes.
 * Source: Milakov and Gimelshein 2018 (online softmax); Dao et al. 2022 (FlashAttention), 3.1.
 */
#ifndef TM_ENGINE_ATTEND_H
#define TM_ENGINE_ATTEND_H

#include "kernels/vec/vec.h"

#define TM_ATTEND_CHUNK 256 /* positions; whole groups of keys */
#define TM_ATTEND_ROWS  12  /* queries at once */

/* Between the scores of two queries: an odd number of lines, so that they do not fall on each other
 * in a cache whose sets repeat every few KiB. */
#define TM_ATTEND_STRIDE (TM_ATTEND_CHUNK + 16)

/* A softmax over some positions: value = out / sum, at the scale of exp(max). */
typedef struct tm_softmax {
    float max, sum;
} tm_softmax;

/* The cache of one kv head, and room of the calling thread. */
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

/* One chunk. query: [n_queries][head_dim], n_queries <= TM_ATTEND_ROWS, each over its first
 * n_positions of all the cache, of which those in the chunk count. out: [n_queries][head_dim] and
 * softmax[n_queries] are written: zeros where a query has no position in the chunk. */
void tm_attend_chunk(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                     int chunk, float *out, tm_softmax *softmax);
/* Puts the chunk (part, from) behind those already in (out, into), of each query that has a position
 * in it: its sum is 0 else. n_queries <= TM_ATTEND_ROWS. */
void tm_attend_join(const tm_vec *vec, int head_dim, int n_queries, tm_softmax *into, float *out,
                    const tm_softmax *from, const float *part);
/* All chunks of n_queries queries, each with at least one position: out is the mix of values. */
void tm_attend_all(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                   float *out);

#endif
