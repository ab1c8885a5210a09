#include "engine/stamps.h"

#include <limits.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Events of a layer: its 17 operations; a wait after each norm and prepare (8) and after q/k/v,
 * rope, attention, W_o, gate/up and W_down (6); attention in two parts with a wait between (2); in
 * the last layer, a separate norm and prepare of the queries with three waits (5). There is as much
 * room for the events outside the layers. */
#define MAX_EVENTS_PER_LAYER 38

const char *tm_op_name(tm_op op)
{
    static const char *const names[] = {
#define OP_NAME(upper, lower) #lower,
        TM_OPS(OP_NAME)
#undef OP_NAME
    };
    return names[op];
}

/* Whether the processor's counter runs at the same rate on every core, whatever its frequency.
 * Source: Intel SDM volume 3, 18.17.1 (invariant TSC); Arm ARM D12 (the generic timer, always so).
 */
static bool has_steady_counter(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d = 0;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8) != 0;
#elif defined(__aarch64__)
    return true;
#else
    return false;
#endif
}

/* Reads both clocks at one moment: of five tries, the shortest counts. */
static void read_clocks(bool by_clock, uint64_t *ticks, int64_t *ns)
{
    uint64_t shortest = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t before = tm_stamps_ticks(by_clock);
        int64_t now = tm_now_ns();
        uint64_t took = tm_stamps_ticks(by_clock) - before;
        if (took >= shortest) continue;
        shortest = took;
        *ticks = before + took / 2;
        *ns = now;
    }
}

static void touch_events(void *arg, int thread, int n_threads)
{
    tm_stamps_thread *own = &((tm_stamps *)arg)->threads[thread];
    (void)n_threads;
    memset(own->events, 0, (size_t)own->max_events * sizeof *own->events);
}

/* Events of one thread's list. */
static size_t count_events(int n_layers, int n_passes)
{
    size_t per_pass = ((size_t)n_layers + 1) * MAX_EVENTS_PER_LAYER, n;
    return tm_mul_size(per_pass, (size_t)n_passes, &n) && n <= INT_MAX ? n : SIZE_MAX;
}

/* Bytes of one thread's list; n_events is at most INT_MAX. */
static size_t list_bytes(size_t n_events)
{
    return tm_round_up(n_events * sizeof(tm_event), 128);
}

size_t tm_stamps_bytes(int n_layers, int n_passes, int n_threads)
{
    size_t n_events = count_events(n_layers, n_passes), events, passes, all;
    if (n_events == SIZE_MAX || !tm_mul_size(list_bytes(n_events), (size_t)n_threads, &events) ||
        !tm_mul_size((size_t)n_passes, sizeof(tm_stamps_pass), &passes) ||
        !tm_add_size(events, passes, &all) ||
        !tm_add_size(all, (size_t)n_threads * sizeof(tm_stamps_thread) + 128, &all))
        return SIZE_MAX;
    return all;
}

tm_status tm_stamps_open(int n_layers, int n_passes, tm_pool *pool, tm_stamps *out, tm_error *err)
{
    *out = (tm_stamps){.n_threads = tm_pool_threads(pool), .max_passes = n_passes};
    if (n_layers < 1 || n_passes < 1)
        return tm_fail(err, TM_ARG, "stamps: %d layers, %d passes; at least 1 of each is needed",
                       n_layers, n_passes);
    size_t n_threads = (size_t)out->n_threads, n_events = count_events(n_layers, n_passes);
    size_t all = tm_stamps_bytes(n_layers, n_passes, out->n_threads);
    if (all == SIZE_MAX)
        return tm_fail(err, TM_NOMEM,
                       "stamps: %d passes of %d layers are more events than a list holds (%d)",
                       n_passes, n_layers, INT_MAX);
    tm_status status = tm_pages_open(&out->memory, all, "stamps", err);
    if (status != TM_OK) return status;
    out->threads = (tm_stamps_thread *)out->memory.data;
    uint8_t *at = out->memory.data + n_threads * sizeof(tm_stamps_thread);
    out->by_clock = !has_steady_counter();
    for (size_t i = 0; i < n_threads; i++) {
        out->threads[i] = (tm_stamps_thread){
            .events = (tm_event *)(at + i * list_bytes(n_events)),
            .max_events = (int)n_events,
            .by_clock = out->by_clock,
        };
    }
    out->passes = (tm_stamps_pass *)(at + n_threads * list_bytes(n_events));
    memset(out->passes, 0, (size_t)n_passes * sizeof *out->passes);
    tm_pool_run(pool, touch_events, out);
    read_clocks(out->by_clock, &out->open_ticks, &out->open_ns);
    return TM_OK;
}

void tm_stamps_close(tm_stamps *stamps)
{
    tm_pages_close(&stamps->memory);
    *stamps = (tm_stamps){0};
}

void tm_stamps_clear(tm_stamps *stamps)
{
    stamps->n_passes = 0;
    stamps->n_dropped = 0;
    for (int i = 0; i < stamps->n_threads; i++) {
        stamps->threads[i].n_events = 0;
        stamps->threads[i].n_dropped = 0;
    }
}

double tm_stamps_ticks_per_ns(const tm_stamps *stamps)
{
    if (stamps->by_clock) return 1;
    uint64_t ticks = 0;
    int64_t ns = 0;
    while (tm_now_ns() - stamps->open_ns < 2000000) {
    }
    read_clocks(false, &ticks, &ns);
    return (double)(ticks - stamps->open_ticks) / (double)(ns - stamps->open_ns);
}

const char *tm_stamps_clock(const tm_stamps *stamps)
{
    if (stamps->by_clock) return "CLOCK_MONOTONIC";
#if defined(__aarch64__)
    return "CNTVCT_EL0";
#else
    return "invariant TSC";
#endif
}

bool tm_stamps_begin(tm_stamps *stamps, const tm_stamps_pass *pass)
{
    if (stamps->n_passes == stamps->max_passes) {
        stamps->n_dropped++;
        return false;
    }
    tm_stamps_pass *own = &stamps->passes[stamps->n_passes++];
    *own = *pass;
    own->begin = tm_stamps_ticks(stamps->by_clock);
    own->end = 0;
    return true;
}

void tm_stamps_end(tm_stamps *stamps)
{
    stamps->passes[stamps->n_passes - 1].end = tm_stamps_ticks(stamps->by_clock);
}

tm_stamps_thread *tm_stamps_enter(tm_stamps *stamps, int thread)
{
    tm_stamps_thread *own = &stamps->threads[thread];
    own->pass = stamps->n_passes - 1;
    tm_stamps_add(own, TM_PIECE_ENTER, TM_OP_EMBED, -1);
    return own;
}
