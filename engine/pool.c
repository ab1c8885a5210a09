#include "engine/pool.h"

#include "engine/topology.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long a thread spins before it sleeps. A phase of a large model takes about 300 us, and
 * threads finish it within a fraction of that of each other; waking a sleeper costs 5 to 50 us.
 * Threads that share a CPU must not spin, or the one they wait for could not run. */
#define SPIN_NS          500000
#define CROWDED_SPIN_NS  0
#define PAUSES_PER_CLOCK 64

/* A counter that others wait for, 128 bytes from the next: cache lines are fetched in pairs. */
typedef struct gate {
    _Alignas(64) atomic_uint count; /* the futex word */
    atomic_uint sleepers;
    char apart[120];
} gate;

typedef struct pool_thread {
    tm_pool *pool;
    int index, cpu;   /* cpu: -1 not pinned */
    int node;         /* of that CPU; 0 not known */
    pthread_t thread; /* for index > 0 */
} pool_thread;

struct tm_pool {
    gate jobs;    /* counts functions to run, and the stop */
    gate phases;  /* counts barriers that all threads have reached */
    gate arrived; /* its count: threads at the barrier */
    int n_threads;
    int64_t spin_ns;
    bool stop, busy, cores_differ;
    tm_pool_fn *fn;
    void *arg;
    int n_started;        /* threads to join */
    pool_thread *threads; /* [n_threads]; 0 is the caller */
};

static inline void pause_cpu(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::
                         : "memory"); /* `yield` is a no-op on most cores; isb takes about 10 ns */
#endif
}

/* Waits until the gate's count is no longer `seen`. */
static void gate_wait(gate *g, unsigned seen, int64_t spin_ns)
{
    int64_t deadline = 0;
    while (spin_ns > 0) {
        for (int i = 0; i < PAUSES_PER_CLOCK; i++) {
            if (atomic_load_explicit(&g->count, memory_order_acquire) != seen) return;
            pause_cpu();
        }
        int64_t now = tm_now_ns();
        if (deadline == 0) deadline = now + spin_ns;
        if (now >= deadline) break;
    }
    /* Sequentially consistent on both sides: either the opener sees this sleeper and wakes it, or
     * the kernel sees the new count and does not put it to sleep. */
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->count) == seen)
        syscall(SYS_futex, &g->count, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&g->sleepers, 1);
}

static void gate_open(gate *g)
{
    atomic_fetch_add(&g->count, 1);
    if (atomic_load(&g->sleepers) != 0)
        syscall(SYS_futex, &g->count, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void tm_pool_barrier(tm_pool *pool)
{
    if (pool->n_threads == 1) return;
    /* The count cannot change before this thread has arrived. */
    unsigned seen = atomic_load_explicit(&pool->phases.count, memory_order_relaxed);
    unsigned last = (unsigned)pool->n_threads - 1;
    if (atomic_fetch_add_explicit(&pool->arrived.count, 1, memory_order_acq_rel) == last) {
        atomic_store_explicit(&pool->arrived.count, 0, memory_order_relaxed);
        gate_open(&pool->phases);
    } else {
        gate_wait(&pool->phases, seen, pool->spin_ns);
    }
}

static void *work(void *arg)
{
    pool_thread *self = arg;
    tm_pool *pool = self->pool;
    if (self->cpu >= 0 && !tm_thread_pin(self->cpu)) self->cpu = -1;
    for (unsigned seen = 0;; seen++) {
        gate_wait(&pool->jobs, seen, pool->spin_ns);
        if (pool->stop) break;
        pool->fn(pool->arg, self->index, pool->n_threads);
        tm_pool_barrier(pool);
    }
    tm_thread_release();
    return NULL;
}

void tm_pool_run(tm_pool *pool, tm_pool_fn *fn, void *arg)
{
    assert(!pool->busy && "tm_pool_run inside tm_pool_run");
    pool->busy = true;
    pool->fn = fn;
    pool->arg = arg;
    if (pool->n_threads > 1) gate_open(&pool->jobs);
    fn(arg, 0, pool->n_threads);
    tm_pool_barrier(pool);
    pool->busy = false;
}

static void run_nothing(void *arg, int thread, int n_threads)
{
    (void)arg, (void)thread, (void)n_threads;
}

/* ARG if a list names a CPU that this process may not use or, unless oversubscribed, the same CPU
 * twice. */
static tm_status check_cpus(const tm_pool_options *options, const tm_topology *topology,
                            bool *crowded, tm_error *err)
{
    for (int i = 0; i < options->n_threads; i++) {
        int cpu = options->cpus[i];
        bool usable = false;
        for (int j = 0; j < topology->n_cpus; j++) usable |= topology->cpus[j] == cpu;
        if (!usable)
            return tm_fail(err, TM_ARG,
                           "thread %d: CPU %d is not one of the %d this process may use", i, cpu,
                           topology->n_cpus);
        for (int j = 0; j < i; j++) {
            if (options->cpus[j] != cpu) continue;
            if (!options->oversubscribe)
                return tm_fail(err, TM_ARG, "threads %d and %d are both pinned to CPU %d", j, i,
                               cpu);
            *crowded = true;
        }
    }
    return TM_OK;
}

tm_status tm_pool_open(const tm_pool_options *options, tm_pool **out, tm_error *err)
{
    int n = options->n_threads;
    tm_topology topology;
    tm_pool *pool = NULL;
    void *memory = NULL;
    *out = NULL;
    if (n < 1) return tm_fail(err, TM_ARG, "threads: %d; at least 1 is needed", n);
    tm_status status = tm_topology_open(&topology, err);
    if (status != TM_OK) return status;
    bool crowded = n > topology.n_cpus;
    if (crowded && !options->oversubscribe) {
        status = tm_fail(err, TM_ARG, "threads: %d; this process may use %d CPU%s", n,
                         topology.n_cpus, tm_plural(topology.n_cpus));
        goto fail;
    }
    if (options->cpus) {
        status = check_cpus(options, &topology, &crowded, err);
        if (status != TM_OK) goto fail;
    }
    status = tm_alloc(&memory, 1, sizeof *pool, "thread pool", err);
    if (status != TM_OK) goto fail;
    pool = memory;
    status = tm_alloc(&memory, (size_t)n, sizeof(pool_thread), "threads of the pool", err);
    if (status != TM_OK) goto fail;
    pool->threads = memory;
    pool->n_threads = n;
    pool->spin_ns = crowded ? CROWDED_SPIN_NS : SPIN_NS;

    int kind = INT_MIN; /* of the previous thread */
    for (int i = 0; i < n; i++) {
        int cpu = -1;
        if (options->cpus)
            cpu = options->cpus[i];
        else if (options->pin)
            cpu = topology.cpus[i % topology.n_cpus];
        int at = cpu < 0 ? -1 : tm_topology_find(&topology, cpu);
        pool->threads[i] = (pool_thread){
            .pool = pool, .index = i, .cpu = cpu, .node = at < 0 ? 0 : topology.nodes[at]};
        if (at < 0) continue;
        if (kind != INT_MIN && topology.kinds[at] != kind) pool->cores_differ = true;
        kind = topology.kinds[at];
    }
    for (int i = 1; i < n; i++) {
        int code = pthread_create(&pool->threads[i].thread, NULL, work, &pool->threads[i]);
        if (code != 0) {
            status = tm_fail(err, code == EAGAIN ? TM_NOMEM : TM_IO, "starting thread %d of %d: %s",
                             i, n, strerror(code));
            goto fail;
        }
        pool->n_started++;
    }
    if (pool->threads[0].cpu >= 0 && !tm_thread_pin(pool->threads[0].cpu))
        pool->threads[0].cpu = -1;
    tm_pool_run(pool, run_nothing, NULL); /* afterwards every thread is pinned */
    tm_topology_close(&topology);
    *out = pool;
    return TM_OK;

fail:
    tm_topology_close(&topology);
    tm_pool_close(pool);
    return status;
}

void tm_pool_close(tm_pool *pool)
{
    if (!pool) return;
    if (pool->n_started > 0) {
        pool->stop = true;
        gate_open(&pool->jobs);
        for (int i = 1; i <= pool->n_started; i++) pthread_join(pool->threads[i].thread, NULL);
    }
    if (pool->threads && pool->threads[0].cpu >= 0) tm_thread_release();
    tm_free(pool->threads);
    tm_free(pool);
}

int tm_pool_loading_threads(int n_threads)
{
    int cores = tm_usable_cores();
    bool one_node = access("/sys/devices/system/node/node1", F_OK) != 0;
    return one_node && cores > n_threads ? cores : n_threads;
}

int tm_pool_threads(const tm_pool *pool)
{
    return pool->n_threads;
}

int tm_pool_cpu(const tm_pool *pool, int thread)
{
    return pool->threads[thread].cpu;
}

bool tm_pool_cores_differ(const tm_pool *pool)
{
    return pool->cores_differ;
}

int tm_pool_node(const tm_pool *pool, int thread)
{
    return pool->threads[thread].node;
}

int tm_usable_cpus(void)
{
    tm_topology topology;
    if (tm_topology_open(&topology, NULL) != TM_OK) return 1;
    int n = topology.n_cpus;
    tm_topology_close(&topology);
    return n;
}

int tm_usable_cores(void)
{
    tm_topology topology;
    if (tm_topology_open(&topology, NULL) != TM_OK) return 1;
    int n = topology.n_cores;
    tm_topology_close(&topology);
    return n;
}

void tm_split(int n, int step, int part, int n_parts, int *begin, int *end)
{
    int64_t units = ((int64_t)n + step - 1) / step;
    int64_t from = units * part / n_parts * step, to = units * (part + 1) / n_parts * step;
    *begin = (int)(from < n ? from : n);
    *end = (int)(to < n ? to : n);
}
