/* Pinned threads that run one function together.
 *
 * The caller is thread 0. A whole token runs inside one tm_pool_run. Threads meet at
 * tm_pool_barrier, which spins for a while and then sleeps in the kernel, so that an oversubscribed
 * machine, or one whose CPUs are stolen by other guests, still makes progress.
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

/* Threads that should pack a model for n_threads threads to run: one per core, but only those
 * n_threads if memory has more than one node, since a page belongs to the node that writes it
 * first. */
int tm_pool_loading_threads(int n_threads);

typedef void tm_pool_fn(void *arg, int thread, int n_threads);

/* The caller becomes thread 0 and is pinned too; tm_pool_close restores its affinity, so a thread
 * can have one pinned pool at a time.
 * Errors: ARG (0 threads, more than the usable CPUs unless oversubscribe, a CPU in `cpus` that this
 * process may not use or, unless oversubscribe, that occurs twice), NOMEM, IO. */
tm_status tm_pool_open(const tm_pool_options *options, tm_pool **out, tm_error *err) TM_MUST_USE;
void tm_pool_close(tm_pool *pool);

int tm_pool_threads(const tm_pool *pool);
/* The CPU that a thread is pinned to; -1: not pinned (not requested, or refused by the system). */
int tm_pool_cpu(const tm_pool *pool, int thread);
/* The memory node of that CPU; 0: not pinned, or unknown. */
int tm_pool_node(const tm_pool *pool, int thread);
/* Whether the threads are pinned to cores of different kinds (hwloc): performance and efficiency
 * cores. */
bool tm_pool_cores_differ(const tm_pool *pool);
/* CPUs this process may run on (its affinity mask), and physical cores among them. */
int tm_usable_cpus(void);
int tm_usable_cores(void);

/* Runs fn(arg, thread, n_threads) on every thread, the caller included; returns when all are done.
 */
void tm_pool_run(tm_pool *pool, tm_pool_fn *fn, void *arg);
/* Inside fn: waits until every thread has arrived. What was written before is visible after. */
void tm_pool_barrier(tm_pool *pool);

/* Part `part` of n items, in multiples of `step`: half open; the parts cover 0 .. n in order. */
void tm_split(int n, int step, int part, int n_parts, int *begin, int *end);

#endif
