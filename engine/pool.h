/* Pinned threads that run one function together: single program, many parts.
 *
 * The caller is thread 0. A whole token runs inside one tm_pool_run; parts meet at
 * tm_pool_barrier, which spins for a while and then sleeps in the kernel, so that an oversubscribed
 * or stolen-from machine still moves.
 */
#ifndef TM_ENGINE_POOL_H
#define TM_ENGINE_POOL_H

#include "kernels/base.h"

typedef struct tm_pool tm_pool;

typedef struct tm_pool_options {
    int n_threads;      /* >= 1 */
    bool pin;           /* one thread per physical core first, then hardware siblings (hwloc) */
    const int *cpus;    /* instead: pin thread i to cpus[i] (operating-system numbers); or NULL */
    bool oversubscribe; /* allow more threads than CPUs this process may use */
} tm_pool_options;

/* Threads to pack a model with that n_threads will run: every core, but only those n_threads where
 * memory has more than one node, since pages belong to the node that writes them first. */
int tm_pool_loading_threads(int n_threads);

typedef void tm_pool_fn(void *arg, int thread, int n_threads);

/* The caller becomes thread 0 and is pinned too; tm_pool_close gives it its old affinity back, so
 * one thread keeps one pinned pool at a time.
 * Errors: ARG (0 threads, more than the usable CPUs unless oversubscribe, a CPU in `cpus` that this
 * process may not use or, unless oversubscribe, that is there twice), NOMEM, IO. */
tm_status tm_pool_open(const tm_pool_options *options, tm_pool **out, tm_error *err) TM_MUST_USE;
void tm_pool_close(tm_pool *pool);

int tm_pool_threads(const tm_pool *pool);
/* The CPU thread i is pinned to; -1: not pinned (not asked, or refused by the system). */
int tm_pool_cpu(const tm_pool *pool, int thread);
/* The memory node next to that CPU; 0: not pinned, or not known. */
int tm_pool_node(const tm_pool *pool, int thread);
/* Whether its threads are pinned to cores of different kinds (hwloc), fast ones and frugal ones. */
bool tm_pool_cores_differ(const tm_pool *pool);
/* CPUs this process may run on (its affinity mask), and physical cores among them. */
int tm_usable_cpus(void);
int tm_usable_cores(void);

/* Runs fn(arg, thread, n_threads) on every thread, the caller included; returns when all have. */
void tm_pool_run(tm_pool *pool, tm_pool_fn *fn, void *arg);
/* Inside fn: waits until every thread is here. Memory written before is seen after. */
void tm_pool_barrier(tm_pool *pool);

/* Part `part` of n items in multiples of `step`: half open, the parts cover 0 .. n in order. */
void tm_split(int n, int step, int part, int n_parts, int *begin, int *end);

#endif
