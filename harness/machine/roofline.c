#include "harness/machine/roofline.h"

#include "engine/pool.h"
#include "harness/base/clock.h"
#include "harness/base/sysfs.h"
#include "harness/stats/stats.h"
#include "kernels/peak/peak.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_TRIALS 64
#define MIN_TRIALS 5

/* One timed run of all threads. Thread 0 reads the clock before and after it. */
typedef struct trial {
    tm_pool *pool;
    const tm_peak *peak;
    enum { READ, INT8, FP32, BARRIER, CLOCK } what;
    const uint8_t *data;
    size_t bytes; /* read by all threads together */
    int rounds;
    size_t ahead;
    uint64_t steps;
    int64_t elapsed_ns;
    uint64_t sink; /* uses the loops' results, so that the compiler keeps the loops */
} trial;

enum { CHAIN = 128 };
/* Steps of CHAIN additions, each of which waits for the one before it. x86-64 and AArch64 cores
 * take one cycle for an addition of two registers; the loop adds less than 1 %. */
static uint64_t add_in_chain(uint64_t steps, uint64_t addend)
{
    uint64_t x = 1;
    for (uint64_t i = 0; i < steps; i++)
        for (int k = 0; k < CHAIN; k++) {
            x += addend;
            __asm__ volatile("" : "+r"(x)); /* keeps every addition */
        }
    return x;
}

static void work(void *arg, int thread, int n_threads)
{
    trial *t = arg;
    /* The read loops need a multiple of 1 KiB per thread. */
    int begin = 0, end = 0;
    tm_split((int)(t->bytes / 1024), 1, thread, n_threads, &begin, &end);
    uint64_t result = 0;
    tm_pool_barrier(t->pool);
    int64_t start = thread == 0 ? tm_now_ns() : 0;
    if (t->what == READ) {
        for (int r = 0; r < t->rounds; r++)
            result ^= t->peak->read(t->data + (size_t)begin * 1024, (size_t)(end - begin) * 1024,
                                    t->ahead);
    } else if (t->what == INT8) {
        result = t->peak->int8(t->steps);
    } else if (t->what == CLOCK) {
        result = add_in_chain(t->steps, t->steps);
    } else if (t->what == BARRIER) {
        for (uint64_t i = 0; i < t->steps; i++) tm_pool_barrier(t->pool);
    } else {
        result = (uint64_t)t->peak->fp32(t->steps);
    }
    __atomic_fetch_xor(&t->sink, result, __ATOMIC_RELAXED);
    tm_pool_barrier(t->pool);
    if (thread == 0) t->elapsed_ns = tm_now_ns() - start;
}

static void touch(void *arg, int thread, int n_threads)
{
    trial *t = arg;
    int begin, end;
    tm_split((int)(t->bytes / 1024), 1, thread, n_threads, &begin, &end);
    memset((uint8_t *)t->data + (size_t)begin * 1024, 1 + thread % 100,
           (size_t)(end - begin) * 1024);
}

/* Repeats the trial for `seconds`, at least MIN_TRIALS times. units: bytes or MACs per trial. */
static void repeat(trial *t, double units, double seconds, const char *method,
                   tm_roofline_point *best)
{
    double rates[MAX_TRIALS];
    int n = 0;
    double spent = 0, top = 0;
    while (n < MAX_TRIALS && (n < MIN_TRIALS || spent < seconds)) {
        tm_pool_run(t->pool, work, t);
        spent += (double)t->elapsed_ns * 1e-9;
        rates[n] = units / (double)t->elapsed_ns; /* per ns = 10^9 per second */
        top = fmax(top, rates[n++]);
        if (n >= MIN_TRIALS && spent > 4 * seconds) break;
    }
    if (top <= best->value) return;
    best->value = top;
    best->median = tm_median(rates, n);
    best->n_trials = n;
    best->method = method;
}

static bool runs_here(const tm_peak *peak)
{
    return (peak->isa & ~tm_cpu_isa()) == 0;
}

static const char *read_method(const tm_peak *peak, size_t ahead)
{
    static const struct {
        const char *row;
        const char *text[3];
    } names[] = {
        {"peak_avx512",
         {"512-bit loads", "512-bit loads, 4 KiB prefetch", "512-bit loads, 16 KiB prefetch"}},
        {"peak_avx2",
         {"256-bit loads", "256-bit loads, 4 KiB prefetch", "256-bit loads, 16 KiB prefetch"}},
        {"peak_neon",
         {"128-bit loads", "128-bit loads, 4 KiB prefetch", "128-bit loads, 16 KiB prefetch"}},
    };
    int which = ahead == 0 ? 0 : ahead == 4096 ? 1 : 2;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].row, peak->name) == 0) return names[i].text[which];
    return which == 0 ? "64-bit loads" : "64-bit loads, prefetch";
}

/* The fastest of all read loops that this CPU can run, each at three prefetch distances. */
static void measure_read(trial *t, int threads, size_t bytes, double seconds,
                         tm_roofline_point *point)
{
    static const size_t distances[] = {0, 4096, 16384};
    *point = (tm_roofline_point){.threads = threads, .bytes = bytes};
    int n_rows = 0;
    for (const tm_peak *const *p = tm_peaks(); *p; p++) n_rows += runs_here(*p) && (*p)->read;
    t->what = READ;
    t->bytes = bytes;
    /* Read at least 8 MiB per trial, so that the clock resolves it. */
    t->rounds = bytes >= (8u << 20) ? 1 : (int)((8u << 20) / bytes);
    for (const tm_peak *const *p = tm_peaks(); *p; p++) {
        if (!runs_here(*p) || !(*p)->read) continue;
        t->peak = *p;
        for (int d = 0; d < 3; d++) {
            t->ahead = distances[d];
            repeat(t, (double)bytes * t->rounds, seconds / (3 * n_rows),
                   read_method(*p, distances[d]), point);
        }
    }
}

static void measure_arithmetic(trial *t, int threads, double seconds, tm_roofline_point *int8,
                               tm_roofline_point *fp32)
{
    *int8 = (tm_roofline_point){.threads = threads};
    *fp32 = *int8;
    t->steps = 200000; /* about a millisecond */
    for (const tm_peak *const *p = tm_peaks(); *p; p++) {
        if (!runs_here(*p)) continue;
        t->peak = *p;
        double scale = (double)t->steps * threads;
        if ((*p)->int8) {
            t->what = INT8;
            repeat(t, scale * (*p)->int8_macs_per_step, seconds / 4, (*p)->int8_instruction, int8);
        }
        if ((*p)->fp32) {
            t->what = FP32;
            repeat(t, scale * (*p)->fp32_macs_per_step, seconds / 4, (*p)->fp32_instruction, fp32);
        }
    }
}

/* The threads do nothing but wait at barriers. If threads share a CPU, each barrier takes a time
 * slice, so a trial has only 200 barriers. */
static void measure_barrier(trial *t, int threads, double seconds, tm_roofline_point *point)
{
    *point = (tm_roofline_point){.threads = threads};
    t->what = BARRIER;
    t->steps = 200;
    repeat(t, (double)t->steps, seconds / 4, "empty barriers", point);
    point->value = 1 / point->value;
    point->median = 1 / point->median;
}

/* The clock of the slowest core, while all threads compute. It is measured because virtual machines
 * show none, and some systems show what they asked for. */
static void measure_clock(trial *t, int threads, double seconds, tm_roofline_point *point)
{
    *point = (tm_roofline_point){.threads = threads};
    t->what = CLOCK;
    t->steps = 20000; /* about a millisecond */
    repeat(t, (double)t->steps * CHAIN, seconds / 8, "dependent additions", point);
}

void tm_roofline_add_count(int *counts, int *n, int threads)
{
    int at = 0;
    while (at < *n && counts[at] < threads) at++;
    if ((at < *n && counts[at] == threads) || *n == TM_ROOFLINE_MAX) return;
    memmove(counts + at + 1, counts + at, (size_t)(*n - at) * sizeof *counts);
    counts[at] = threads;
    (*n)++;
}

static const tm_machine_cache *last_cache(const tm_machine_caches *caches)
{
    const tm_machine_cache *last = NULL;
    for (int i = 0; i < caches->n; i++)
        if (!last || caches->items[i].size_bytes > last->size_bytes) last = &caches->items[i];
    return last;
}

/* Number of such caches that n CPUs have. */
static int count_caches(const tm_machine_cache *cache, int n_cpus)
{
    int cpus[1024];
    const int each = tm_sysfs_cpu_list(cache->shared_by_cpus, cpus, 1024);
    return each > 0 && n_cpus > each ? (n_cpus + each - 1) / each : 1;
}

/* Sets the largest last-level cache and how many of its size the machine has, rounded up. Two kinds
 * of cores may share one. */
static void set_caches(const tm_machine *m, tm_roofline_options *out)
{
    double total = 0, largest = 0;
    for (int k = 0; k < (m->n_core_kinds > 0 ? m->n_core_kinds : 1); k++) {
        const tm_machine_core_kind *kind = m->n_core_kinds > 0 ? &m->core_kinds[k] : NULL;
        const tm_machine_cache *own = last_cache(kind ? &kind->caches : &m->caches);
        bool is_shared = false;
        for (int i = 0; own && i < k; i++) {
            const tm_machine_cache *other = last_cache(&m->core_kinds[i].caches);
            is_shared |= other && own->shared_by_cpus[0] &&
                         strcmp(other->shared_by_cpus, own->shared_by_cpus) == 0;
        }
        if (!own || is_shared) continue;
        total += own->size_bytes * count_caches(own, kind ? kind->n_cpus : m->n_online_cpus);
        largest = fmax(largest, own->size_bytes);
    }
    out->cache_bytes = largest > 0 ? (size_t)largest : (size_t)32 << 20;
    out->n_caches = largest > 0 ? (int)ceil(total / largest) : 1;
}

tm_roofline_options tm_roofline_options_for(const tm_machine *machine, const int *threads,
                                            int n_threads)
{
    int64_t available = machine->memory_available_bytes;
    tm_roofline_options options = {.threads = threads,
                                   .n_threads = n_threads,
                                   .available_bytes =
                                       available >= 0 ? (size_t)available : (size_t)1 << 31,
                                   .seconds_each = 1};
    set_caches(machine, &options);
    return options;
}

size_t tm_roofline_caches(const tm_roofline_options *o, int threads)
{
    const int n = o->n_caches > 1 ? o->n_caches : 1;
    return o->cache_bytes * (size_t)(threads < n ? threads : n);
}

size_t tm_roofline_region(const tm_roofline_options *o, int threads)
{
    const size_t caches = tm_roofline_caches(o, threads), most = (size_t)1 << 31;
    size_t bytes = 8 * caches;
    if (bytes < (size_t)1 << 29) bytes = (size_t)1 << 29;
    if (bytes > most) bytes = 2 * caches > most ? 2 * caches : most;
    if (bytes > o->available_bytes / 2) bytes = o->available_bytes / 2;
    return bytes / 4096 * 4096;
}

/* All points of one thread count. The region is mapped again, so that each thread is the first to
 * touch what it reads. */
static tm_status measure_count(const tm_roofline_options *o, int threads, bool sizes,
                               tm_roofline *out, tm_error *err)
{
    tm_pool *pool = NULL;
    tm_pages pages = {0};
    tm_pool_options po = {.n_threads = threads, .pin = true, .oversubscribe = o->oversubscribe};
    tm_status status = tm_pool_open(&po, &pool, err);
    if (status != TM_OK) return status;
    size_t bytes = tm_roofline_region(o, threads);
    status =
        tm_pages_open(&pages, bytes + 65536, "the region to read", err); /* + room to prefetch */
    if (status != TM_OK) goto done;
    trial t = {.pool = pool, .data = pages.data, .bytes = bytes};
    tm_pool_run(pool, touch, &t);
    measure_read(&t, threads, bytes, o->seconds_each, &out->read[out->n_read]);
    out->read[out->n_read++].caches_bytes = tm_roofline_caches(o, threads);
    if (!o->no_arithmetic)
        measure_arithmetic(&t, threads, o->seconds_each, &out->int8[out->n_int8++],
                           &out->fp32[out->n_fp32++]);
    if (!o->no_arithmetic) measure_clock(&t, threads, o->seconds_each, &out->clock[out->n_clock++]);
    if (!o->no_arithmetic && threads > 1)
        measure_barrier(&t, threads, o->seconds_each, &out->barrier[out->n_barrier++]);
    /* Powers of four from 16 KiB per thread: inside L1, L2, L3 and beyond. */
    for (size_t s = (size_t)threads << 14; sizes && s <= bytes && out->n_by_size < TM_ROOFLINE_MAX;
         s *= 4)
        measure_read(&t, threads, s / 4096 * 4096, o->seconds_each / 4,
                     &out->by_size[out->n_by_size++]);
done:
    tm_pages_close(&pages);
    tm_pool_close(pool);
    return status;
}

tm_status tm_roofline_measure(const tm_roofline_options *options, tm_roofline *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    if (options->n_threads < 1 || options->n_threads > TM_ROOFLINE_MAX)
        return tm_fail(err, TM_ARG, "roofline: %d thread counts; expected 1 to %d",
                       options->n_threads, TM_ROOFLINE_MAX);
    if (tm_roofline_region(options, 1) < (size_t)1 << 20)
        return tm_fail(err, TM_NOMEM,
                       "roofline: %.1f MB of available memory is too little to measure bandwidth",
                       (double)options->available_bytes * 1e-6);
    for (int i = 0; i < options->n_threads; i++) {
        if (tm_interrupted(options->interrupt))
            return tm_fail(err, TM_INTERRUPTED, "interrupted while the roofline was measured");
        tm_status status = measure_count(options, options->threads[i],
                                         options->sizes && i == options->n_threads - 1, out, err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

static tm_json *points(const tm_roofline_point *p, int n)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < n; i++) {
        tm_json *point = tm_json_object();
        tm_json_put_int(point, "threads", p[i].threads);
        tm_json_put_number(point, "value", p[i].value);
        tm_json_put_number(point, "median", p[i].median);
        tm_json_put_int(point, "n", p[i].n_trials);
        if (p[i].bytes) tm_json_put_int(point, "bytes", (int64_t)p[i].bytes);
        if (p[i].caches_bytes) tm_json_put_int(point, "caches_bytes", (int64_t)p[i].caches_bytes);
        tm_json_put_string(point, "method", p[i].method);
        tm_json_append(array, point);
    }
    return array;
}

tm_json *tm_roofline_to_json(const tm_roofline *r)
{
    tm_json *json = tm_json_object();
    tm_json_set(json, "read_gb_per_second", points(r->read, r->n_read));
    if (r->n_by_size)
        tm_json_set(json, "read_gb_per_second_by_size", points(r->by_size, r->n_by_size));
    tm_json_set(json, "int8_gmac_per_second", points(r->int8, r->n_int8));
    tm_json_set(json, "fp32_gmac_per_second", points(r->fp32, r->n_fp32));
    tm_json_set(json, "barrier_ns", points(r->barrier, r->n_barrier));
    tm_json_set(json, "clock_ghz", points(r->clock, r->n_clock));
    return json;
}
