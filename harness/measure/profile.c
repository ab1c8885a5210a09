#include "harness/measure/profile.h"

#include "harness/base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STAMPS_TIMED 4096 /* per loop that measures one stamp: about 40 us, run three times */

static tm_profile_op *op_of(const tm_profile *profile, int layer, int op)
{
    return &profile->ops[(size_t)(layer + 1) * TM_OP_COUNT + (size_t)op];
}

tm_profile_sum tm_profile_sum_of(const tm_profile *profile, const tm_profile_limits *limits,
                                 int layer, int op)
{
    tm_profile_sum sum = tm_profile_sum_none();
    for (int l = -1; l < profile->n_layers; l++)
        for (int o = 0; o < TM_OP_COUNT; o++)
            if ((layer == TM_PROFILE_ALL || l == layer) && (op == TM_PROFILE_ALL || o == op))
                tm_profile_sum_add(&sum, &op_of(profile, l, o)->part, limits);
    return sum;
}

double tm_profile_idle_ns(const tm_profile *p)
{
    double sum = 0;
    for (int t = 0; t < p->n_threads; t++) sum += p->threads[t].idle_ns;
    return sum / p->n_threads;
}

static bool same_cost(const tm_op_cost *a, const tm_op_cost *b)
{
    return a->memory_bytes == b->memory_bytes && a->activation_bytes == b->activation_bytes &&
           a->macs == b->macs && a->is_int8 == b->is_int8;
}

/* Adds layer l of an operation to the entry, from `first` on, whose layers have the same cost. */
static void put_entry(const tm_profile *p, int l, int o, int first, tm_record_profile *out)
{
    const tm_profile_part *part = &op_of(p, l, o)->part;
    if (!(part->work_ns > 0) && !(part->wait_ns > 0)) return;
    int i = first;
    for (; i < out->n_entries; i++) {
        const tm_op_cost *cost = &out->entries[i].part.cost;
        double n = out->entries[i].n_layers;
        const tm_op_cost each = {cost->memory_bytes / n, cost->activation_bytes / n, cost->macs / n,
                                 cost->is_int8};
        if (l >= 0 && n > 0 && same_cost(&each, &part->cost)) break;
    }
    tm_record_profile_row *e = &out->entries[i];
    if (i == out->n_entries) {
        *e = (tm_record_profile_row){.part.cost.is_int8 = part->cost.is_int8};
        snprintf(e->operation, sizeof e->operation, "%s", tm_op_name((tm_op)o));
        out->n_entries++;
    }
    e->n_layers += l >= 0;
    e->part.work_ns += part->work_ns;
    e->part.wait_ns += part->wait_ns;
    e->part.best_ns += part->best_ns;
    e->part.cost.memory_bytes += part->cost.memory_bytes;
    e->part.cost.activation_bytes += part->cost.activation_bytes;
    e->part.cost.macs += part->cost.macs;
}

tm_status tm_profile_to_table(const tm_profile *p, tm_record_profile *out, tm_error *err)
{
    *out = (tm_record_profile){.n_threads = p->n_threads,
                               .n_tokens = p->n_tokens,
                               .n_passes = p->n_passes,
                               .n_pairs = p->n_pairs,
                               .region_ns = p->region_ns,
                               .idle_ns = tm_profile_idle_ns(p),
                               .elapsed_ns = p->elapsed_ns,
                               .overhead = p->overhead.value,
                               .overhead_low = p->overhead.low,
                               .overhead_high = p->overhead.high,
                               .stamp_ns = p->stamp_ns,
                               .stamps_per_thread = p->stamps_per_thread};
    snprintf(out->clock, sizeof out->clock, "%s", p->clock);
    out->entries = calloc(((size_t)p->n_layers + 1) * TM_OP_COUNT, sizeof *out->entries);
    if (!out->entries)
        return tm_fail(err, TM_NOMEM, "profile: no memory for the table of %d layers", p->n_layers);
    for (int o = 0; o < TM_OP_COUNT; o++) {
        int first = out->n_entries;
        for (int l = -1; l < p->n_layers; l++) put_entry(p, l, o, first, out);
    }
    return TM_OK;
}

void tm_profile_free(tm_profile *profile)
{
    free(profile->ops);
    free(profile->threads);
    free(profile->with_ns);
    free(profile->without_ns);
    tm_record_free(&profile->record);
    *profile = (tm_profile){0};
}

/* The counters of two cores can differ by a few ticks, so a span can come out negative. */
static double span_ns(uint64_t begin, uint64_t end, double ticks_per_ns)
{
    return end > begin ? (double)(end - begin) / ticks_per_ns : 0;
}

/* Adds the stamps of one thread, from the first pass of the region on. work:
 * [n_layers + 1][TM_OP_COUNT], this thread's alone. */
static void read_thread(const tm_stamps *stamps, int thread, int first_pass, double rate,
                        tm_profile *out, double *work)
{
    const tm_stamps_thread *own = &stamps->threads[thread];
    tm_profile_thread *sums = &out->threads[thread];
    double share = 1.0 / stamps->n_threads;
    for (int i = 0; i < own->n_events; i++) {
        const tm_event *e = &own->events[i];
        const tm_stamps_pass *pass = &stamps->passes[e->pass];
        if (e->pass < first_pass) continue;
        if (e->piece == TM_PIECE_ENTER) {
            sums->idle_ns += span_ns(pass->begin, e->ticks, rate);
            if (e->pass > first_pass) sums->idle_ns += span_ns(pass[-1].end, pass->begin, rate);
            continue;
        }
        double ns = span_ns(e[-1].ticks, e->ticks, rate);
        tm_profile_op *op = op_of(out, e->layer, e->op);
        if (e->piece == TM_PIECE_WAIT) {
            op->part.wait_ns += ns * share;
            sums->wait_ns += ns;
            sums->n_waits++;
        } else {
            op->part.work_ns += ns * share;
            op->n_pieces++;
            work[(size_t)(e->layer + 1) * TM_OP_COUNT + e->op] += ns;
            sums->busy_ns += ns;
        }
        if (i + 1 < own->n_events && e[1].piece != TM_PIECE_ENTER) continue;
        /* The last piece of the pass; the pool's own barrier follows. */
        double left = span_ns(e->ticks, pass->end, rate);
        if (stamps->n_threads == 1) {
            sums->idle_ns += left;
            continue;
        }
        op->part.wait_ns += left * share;
        sums->wait_ns += left;
        sums->n_waits++;
    }
}

static void put_costs(const tm_stamps *stamps, int first_pass, const tm_model *model, bool f16_kv,
                      tm_profile *out)
{
    for (int p = first_pass; p < stamps->n_passes; p++)
        for (int l = -1; l < out->n_layers; l++)
            for (int o = 0; o < TM_OP_COUNT; o++) {
                if ((l == -1) != (o == TM_OP_EMBED || o >= TM_OP_OUTPUT_NORM)) continue;
                tm_op_cost one = tm_op_cost_of(model, f16_kv, (tm_op)o, l, &stamps->passes[p]);
                tm_op_cost *sum = &op_of(out, l, o)->part.cost;
                sum->memory_bytes += one.memory_bytes;
                sum->activation_bytes += one.activation_bytes;
                sum->macs += one.macs;
                sum->is_int8 = one.is_int8;
            }
}

static tm_status check_lost(const tm_stamps *stamps, tm_error *err)
{
    int64_t lost = stamps->n_dropped;
    for (int i = 0; i < stamps->n_threads; i++) lost += stamps->threads[i].n_dropped;
    if (lost == 0) return TM_OK;
    return tm_fail(err, TM_CHECK,
                   "profile: %lld passes or stamps were lost because the buffer was full",
                   (long long)lost);
}

tm_status tm_profile_read(const tm_stamps *stamps, int first_pass, double ticks_per_ns,
                          int n_layers, const tm_model *model, bool f16_kv, tm_profile *out,
                          tm_error *err)
{
    *out = (tm_profile){.n_layers = n_layers,
                        .n_threads = stamps->n_threads,
                        .n_passes = stamps->n_passes - first_pass};
    if (first_pass < 0 || out->n_passes < 1)
        return tm_fail(err, TM_ARG, "profile: %d passes were stamped; the region starts at pass %d",
                       stamps->n_passes, first_pass);
    tm_status status = check_lost(stamps, err);
    if (status != TM_OK) return status;
    size_t n_ops = ((size_t)n_layers + 1) * TM_OP_COUNT;
    double *work = calloc(n_ops, sizeof *work);
    out->ops = calloc(n_ops, sizeof *out->ops);
    out->threads = calloc((size_t)stamps->n_threads, sizeof *out->threads);
    if (!work || !out->ops || !out->threads) {
        free(work);
        tm_profile_free(out);
        return tm_fail(err, TM_NOMEM, "profile: no memory for %d layers", n_layers);
    }
    out->region_ns = span_ns(stamps->passes[first_pass].begin,
                             stamps->passes[stamps->n_passes - 1].end, ticks_per_ns);
    for (int p = first_pass; p < stamps->n_passes; p++) out->n_tokens += stamps->passes[p].n_tokens;
    int64_t n_events = 0;
    for (int t = 0; t < stamps->n_threads; t++) {
        memset(work, 0, n_ops * sizeof *work);
        read_thread(stamps, t, first_pass, ticks_per_ns, out, work);
        for (size_t i = 0; i < n_ops; i++)
            out->ops[i].longest_ns = fmax(out->ops[i].longest_ns, work[i]);
        for (int i = 0; i < stamps->threads[t].n_events; i++)
            n_events += stamps->threads[t].events[i].pass >= first_pass;
    }
    out->stamps_per_thread = (double)n_events / stamps->n_threads;
    snprintf(out->clock, sizeof out->clock, "%s", tm_stamps_clock(stamps));
    if (model) put_costs(stamps, first_pass, model, f16_kv, out);
    free(work);
    return TM_OK;
}

/* The time of one stamp by itself: the best of three loops over a list of its own. */
static double measure_stamp(bool by_clock)
{
    static tm_event events[STAMPS_TIMED];
    double best = INFINITY;
    for (int i = 0; i < 3; i++) {
        tm_stamps_thread list = {
            .events = events, .max_events = STAMPS_TIMED, .by_clock = by_clock};
        int64_t begin = tm_now_ns();
        for (int k = 0; k < STAMPS_TIMED; k++)
            tm_stamps_add(&list, TM_PIECE_WORK, (tm_op)(k % TM_OP_COUNT), k);
        best = fmin(best, (double)(tm_now_ns() - begin) / STAMPS_TIMED);
    }
    return best;
}

/* The runs of one test. */
typedef struct pairs {
    tm_bench *bench;
    const tm_test *test;
    const tm_profile_options *options;
    tm_stamps stamps;
    int n_region_passes;    /* the passes before them fill the cache */
    double *with, *without; /* [n] ns, with and without stamps */
    tm_profile *seen;       /* [n], of the runs with stamps */
    tm_record last;         /* of the last run without stamps */
    /* [max_events] the shortest time of each piece over the runs with stamps, mean over threads */
    double *best_ns;
    bool best_known;
} pairs;

/* Every thread writes the same pieces in the same order, whichever rows it computes. */
static bool same_pieces(const tm_stamps *stamps)
{
    const tm_stamps_thread *first = &stamps->threads[0];
    for (int t = 1; t < stamps->n_threads; t++) {
        const tm_stamps_thread *own = &stamps->threads[t];
        if (own->n_events != first->n_events) return false;
        for (int i = 0; i < own->n_events; i++)
            if (own->events[i].op != first->events[i].op ||
                own->events[i].piece != first->events[i].piece)
                return false;
    }
    return true;
}

/* Keeps the shortest time of each piece, which is the same in every run of a test. The mean over
 * threads is compared, since work stealing moves rows between threads from run to run. */
static void keep_best(pairs *p, double rate)
{
    const tm_stamps *stamps = &p->stamps;
    if (!same_pieces(stamps)) {
        p->best_known = false;
        return;
    }
    for (int i = 1; i < stamps->threads[0].n_events; i++) {
        double ns = 0;
        for (int t = 0; t < stamps->n_threads; t++) {
            const tm_event *events = stamps->threads[t].events;
            ns += span_ns(events[i - 1].ticks, events[i].ticks, rate);
        }
        p->best_ns[i] = fmin(p->best_ns[i], ns / stamps->n_threads);
    }
}

/* Adds the best times of the region's work to the profile. The stamps are those of the last run. */
static void put_best(const pairs *p, tm_profile *out)
{
    const tm_stamps_thread *first = &p->stamps.threads[0];
    int first_pass = p->stamps.n_passes - p->n_region_passes;
    for (int i = 1; i < first->n_events && p->best_known; i++) {
        const tm_event *e = &first->events[i];
        if (e->pass < first_pass || e->piece != TM_PIECE_WORK) continue;
        op_of(out, e->layer, e->op)->part.best_ns += p->best_ns[i];
    }
}

static tm_status run(pairs *p, bool stamped, int pair, tm_error *err)
{
    tm_session *session = p->bench->backend->session;
    tm_record record = {0};
    if (stamped) tm_stamps_clear(&p->stamps);
    tm_session_set_stamps(session, stamped ? &p->stamps : NULL);
    tm_status status = tm_bench_once(p->bench, p->test, &record, err);
    tm_session_set_stamps(session, NULL);
    double ns = (double)record.sample.elapsed_ns;
    if (status != TM_OK || pair < 0 || stamped) {
        tm_record_free(&record);
    } else {
        tm_record_free(&p->last);
        p->last = record;
    }
    if (status != TM_OK || pair < 0) return status;
    if (!stamped) {
        p->without[pair] = ns;
        return TM_OK;
    }
    const tm_backend *backend = p->bench->backend;
    p->with[pair] = ns;
    keep_best(p, tm_stamps_ticks_per_ns(&p->stamps));
    status = tm_profile_read(&p->stamps, p->stamps.n_passes - p->n_region_passes,
                             tm_stamps_ticks_per_ns(&p->stamps), backend->model->config.n_layers,
                             backend->model, backend->f16_kv, &p->seen[pair], err);
    p->seen[pair].elapsed_ns = (int64_t)ns;
    return status;
}

/* The index of the run that is `rank`th in time, from 0. */
static int run_of_rank(const double *ns, int n, int rank)
{
    for (int i = 0; i < n; i++) {
        int below = 0;
        for (int k = 0; k < n; k++) below += ns[k] < ns[i] || (ns[k] == ns[i] && k < i);
        if (below == rank) return i;
    }
    return 0;
}

void tm_profile_compare(tm_profile *p)
{
    const double *with = p->with_ns, *without = p->without_ns;
    int n = p->n_pairs;
    p->overhead = tm_pairs_ratio(with, without, n, TM_CONFIDENCE);
    p->fastest_ratio = with[run_of_rank(with, n, 0)] / without[run_of_rank(without, n, 0)];
    p->plain_ns = tm_processes_interval(without, n);
}

static tm_status run_pairs(pairs *p, tm_profile *out, tm_error *err)
{
    const tm_profile_options *options = p->options;
    int n = options->n_pairs;
    tm_status status = run(p, true, -1, err); /* warm-up, which touches the stamps' pages too */
    if (status == TM_OK) status = run(p, false, -1, err);
    for (int i = 0; i < n && status == TM_OK; i++)
        for (int k = 0; k < 2 && status == TM_OK; k++) {
            bool stamped = (i + k) % 2 == 0;
            status = run(p, stamped, i, err);
            if (status == TM_OK && stamped && i == n - 1 && options->see)
                options->see(options->see_arg, &p->stamps, p->stamps.n_passes - p->n_region_passes,
                             tm_stamps_ticks_per_ns(&p->stamps));
        }
    if (status != TM_OK) return status;
    /* The median; of an even number, the faster of the two in the middle. */
    int shown = run_of_rank(p->with, n, options->fastest ? 0 : (n - 1) / 2);
    *out = p->seen[shown];
    p->seen[shown] = (tm_profile){0};
    put_best(p, out);
    out->n_pairs = n;
    out->with_ns = p->with;
    out->without_ns = p->without;
    p->with = p->without = NULL;
    tm_profile_compare(out);
    out->stamp_ns = measure_stamp(p->stamps.by_clock);
    out->record = p->last;
    p->last = (tm_record){0};
    return TM_OK;
}

tm_status tm_profile_measure(tm_bench *bench, const tm_test *test,
                             const tm_profile_options *options, tm_profile *out, tm_error *err)
{
    const tm_backend *backend = bench->backend;
    *out = (tm_profile){0};
    if (!backend->model)
        return tm_fail(err, TM_ARG, "profile: the fake engine has no operations to time");
    if (options->n_pairs < 1)
        return tm_fail(err, TM_ARG, "profile: %d pairs of runs; at least 1 is required",
                       options->n_pairs);
    int batch = backend->n_batch, n = options->n_pairs;
    pairs p = {.bench = bench, .test = test, .options = options, .best_known = true};
    p.n_region_passes = (test->n_prompt + batch - 1) / batch + test->n_gen;
    int n_passes = p.n_region_passes + (test->depth + batch - 1) / batch;
    int n_layers = backend->model->config.n_layers, n_threads = tm_pool_threads(backend->pool);
    /* The stamps, and the best time of each piece. */
    double needs = (double)tm_stamps_bytes(n_layers, n_passes, n_threads) *
                   (1 + (double)sizeof *p.best_ns / sizeof(tm_event) / n_threads);
    if (options->available_bytes > 0 && needs > (double)options->available_bytes)
        return tm_fail(err, TM_NOMEM,
                       "profile: stamps of %d passes, %d layers and %d threads need %.2f GB; %.2f "
                       "GB are available",
                       n_passes, n_layers, n_threads, needs * 1e-9,
                       (double)options->available_bytes * 1e-9);
    tm_status status = tm_stamps_open(n_layers, n_passes, backend->pool, &p.stamps, err);
    if (status != TM_OK) return status;
    p.with = calloc((size_t)n, sizeof *p.with);
    p.without = calloc((size_t)n, sizeof *p.without);
    p.seen = calloc((size_t)n, sizeof *p.seen);
    int max_events = p.stamps.threads[0].max_events;
    p.best_ns = calloc((size_t)max_events, sizeof *p.best_ns);
    if (!p.with || !p.without || !p.seen || !p.best_ns)
        status = tm_fail(err, TM_NOMEM, "profile: no memory for %d pairs", n);
    for (int i = 0; i < max_events && p.best_ns; i++) p.best_ns[i] = INFINITY;
    if (status == TM_OK) status = run_pairs(&p, out, err);
    for (int i = 0; i < n && p.seen; i++) tm_profile_free(&p.seen[i]);
    free(p.best_ns);
    free(p.seen);
    free(p.without);
    free(p.with);
    tm_record_free(&p.last);
    tm_stamps_close(&p.stamps);
    return status;
}
