#include "harness/measure/bench.h"

#include "harness/base/clock.h"
#include "harness/base/sysfs.h"
#include "harness/machine/machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Tokens of the run that measures the overhead of timing: at 30 ns each it takes 0.03 ms. */
#define OVERHEAD_TOKENS 1024
/* Ticks of /proc/stat (10 ms each, over all CPUs) that a percentage needs at least. */
#define MIN_TICKS 20

/* With a backend that does nothing, all the time is overhead. */
static tm_status do_nothing(tm_backend *backend, const int32_t *tokens, int n_tokens,
                            tm_logits which, const float **logits, tm_error *err)
{
    (void)backend;
    (void)tokens;
    (void)n_tokens;
    (void)which;
    (void)logits;
    (void)err;
    return TM_OK;
}

tm_status tm_bench_decode(tm_backend *backend, const tm_test *test, const int32_t *generated, int i,
                          tm_error *err)
{
    int n = test->n_sequences;
    if (n > 1) return backend->step(backend, generated + (size_t)i * (size_t)n, n, err);
    return backend->eval(backend, generated + i, 1, TM_LOGITS_LAST, NULL, err);
}

tm_status tm_bench_fill(tm_bench *bench, const tm_test *test, tm_error *err)
{
    tm_backend *backend = bench->backend;
    int n_sequences = test->n_sequences > 1 ? test->n_sequences : 1;
    tm_status status = TM_OK;
    backend->divide(backend, n_sequences, tm_test_positions(test));
    if (test->depth > 0)
        status = backend->eval(backend, bench->tokens, test->depth, TM_LOGITS_NONE, NULL, err);
    if (status == TM_OK) backend->spread(backend, n_sequences);
    return status;
}

/* The timed region: only eval and the clock run between the first stamp and the last. stamps[0] is
 * the start, stamps[1] the end of the prompt (if any), then one per generated token. */
static tm_status region(tm_backend *backend, const int32_t *tokens, const tm_test *test,
                        int64_t *stamps, int *n_stamps, tm_error *err)
{
    int n = 0;
    tm_status status = TM_OK;
    const int32_t *generated = tokens + test->n_prompt;
    stamps[n++] = tm_now_ns();
    if (test->n_prompt > 0) {
        status = backend->eval(backend, tokens, test->n_prompt, TM_LOGITS_LAST, NULL, err);
        stamps[n++] = tm_now_ns();
    }
    for (int i = 0; i < test->n_gen && status == TM_OK; i++) {
        status = tm_bench_decode(backend, test, generated, i, err);
        stamps[n++] = tm_now_ns();
    }
    *n_stamps = n;
    return status;
}

static void measure_harness(tm_bench *bench)
{
    tm_backend nothing = {.eval = do_nothing, .n_vocab = 1, .n_batch = 1};
    tm_test test = {.n_gen = OVERHEAD_TOKENS};
    int n;
    double best = INFINITY;
    for (int i = 0; i < 3; i++) { /* the first one also touches the stamps */
        if (region(&nothing, bench->tokens, &test, bench->stamps, &n, NULL) != TM_OK) continue;
        double each = (double)(bench->stamps[n - 1] - bench->stamps[0]) / OVERHEAD_TOKENS;
        if (each < best) best = each;
    }
    bench->harness_ns_per_token = best;
}

tm_status tm_bench_open(tm_backend *backend, const tm_test *tests, int n_tests, uint64_t seed,
                        tm_bench *out, tm_error *err)
{
    int n_tokens = OVERHEAD_TOKENS, n_stamps = OVERHEAD_TOKENS;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n_tests; i++) {
        const tm_test *t = &tests[i];
        int most = tm_test_tokens(t) > t->depth ? tm_test_tokens(t) : t->depth;
        if (most > n_tokens) n_tokens = most;
        if (t->n_gen > n_stamps) n_stamps = t->n_gen;
    }
    n_stamps += 2;
    out->backend = backend;
    out->tokens = calloc((size_t)n_tokens, sizeof *out->tokens);
    out->stamps = calloc((size_t)n_stamps, sizeof *out->stamps);
    if (!out->tokens || !out->stamps) {
        tm_bench_close(out);
        return tm_fail(err, TM_NOMEM, "no memory for %d tokens of the tests", n_tokens);
    }
    out->n_tokens = n_tokens;
    out->n_stamps = n_stamps;
    tm_rng rng = {seed ^ 0x70726f6d7074ull}; /* "prompt": another stream than the weights */
    for (int i = 0; i < n_tokens; i++)
        out->tokens[i] = (int32_t)tm_rng_below(&rng, (uint64_t)backend->n_vocab);
    measure_harness(out);
    tm_sample_conditions_open("/", backend->cpus, backend->n_cpus, &out->conditions);
    return TM_OK;
}

void tm_bench_close(tm_bench *bench)
{
    free(bench->tokens);
    free(bench->stamps);
    memset(bench, 0, sizeof *bench);
}

static double seconds(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) * 1e-6;
}

static void put_usage(const struct rusage *a, const struct rusage *b, tm_record *record)
{
    tm_measured_set(&record->sample.minor_faults, (double)(b->ru_minflt - a->ru_minflt));
    tm_measured_set(&record->sample.major_faults, (double)(b->ru_majflt - a->ru_majflt));
    tm_measured_set(&record->sample.voluntary_switches, (double)(b->ru_nvcsw - a->ru_nvcsw));
    tm_measured_set(&record->sample.involuntary_switches, (double)(b->ru_nivcsw - a->ru_nivcsw));
    tm_measured_set(&record->sample.cpu_user_seconds, seconds(a->ru_utime, b->ru_utime));
    tm_measured_set(&record->sample.cpu_system_seconds, seconds(a->ru_stime, b->ru_stime));
}

static void put_memory(tm_record *record)
{
    static const char *const keys[] = {"VmHWM", "RssAnon", "RssFile"};
    tm_measured *const figures[] = {&record->sample.peak_rss_bytes,
                                    &record->sample.rss_anonymous_bytes,
                                    &record->sample.rss_file_bytes};
    for (int i = 0; i < 3; i++) {
        int64_t bytes;
        if (tm_sysfs_kb("/", "proc/self/status", keys[i], &bytes))
            tm_measured_set(figures[i], (double)bytes);
        else
            tm_measured_miss(figures[i], "/proc/self/status has no %s", keys[i]);
    }
}

typedef struct ticks {
    bool known;
    int64_t all, stolen;
} ticks;

static ticks read_ticks(void)
{
    ticks t = {0};
    t.known = tm_machine_cpu_ticks("/", &t.all, &t.stolen);
    return t;
}

static void put_steal(ticks a, ticks b, tm_record *record)
{
    int64_t all = b.all - a.all;
    if (!a.known || !b.known)
        tm_measured_miss(&record->sample.steal_percent, "/proc/stat is not readable");
    else if (all < MIN_TICKS)
        tm_measured_miss(&record->sample.steal_percent,
                         "the region lasted only %lld ticks of /proc/stat", (long long)all);
    else
        tm_measured_set(&record->sample.steal_percent,
                        100.0 * (double)(b.stolen - a.stolen) / (double)all);
}

static tm_status put_times(const tm_test *test, const int64_t *stamps, int n, tm_record *record,
                           tm_error *err)
{
    const int64_t *gen = stamps + (test->n_prompt > 0);
    record->sample.elapsed_ns = stamps[n - 1] - stamps[0];
    /* The resolution of the clock is 1 ns. */
    if (record->sample.elapsed_ns < 1) record->sample.elapsed_ns = 1;
    record->sample.n_tokens = tm_test_tokens(test);
    record->sample.first_token_ns = test->n_prompt > 0 ? stamps[1] - stamps[0] : 0;
    record->sample.n_token_ns = 0;
    record->sample.token_ns = NULL;
    if (test->n_gen == 0) return TM_OK;
    record->sample.token_ns = calloc((size_t)test->n_gen, sizeof *record->sample.token_ns);
    if (!record->sample.token_ns)
        return tm_fail(err, TM_NOMEM, "no memory for %d token times", test->n_gen);
    record->sample.n_token_ns = test->n_gen;
    for (int i = 0; i < test->n_gen; i++) record->sample.token_ns[i] = gen[i + 1] - gen[i];
    return TM_OK;
}

static void put_marks(const tm_backend *backend, tm_record *record)
{
    if (record->sample.steal_percent.value > 1)
        tm_record_mark(record, "the hypervisor took %.1f %% of the time",
                       record->sample.steal_percent.value);
    if (record->sample.major_faults.value > 0)
        tm_record_mark(record, "%.0f major page faults in the region",
                       record->sample.major_faults.value);
    if (!backend->pinned) tm_record_mark(record, "threads are not pinned");
}

tm_status tm_bench_once(tm_bench *bench, const tm_test *test, tm_record *record, tm_error *err)
{
    tm_backend *backend = bench->backend;
    struct rusage before, after;
    tm_sample_condition condition_before, condition_after;
    int n_stamps;
    tm_status status = tm_bench_fill(bench, test, err);
    if (status != TM_OK) return status;
    tm_sample_conditions_read(&bench->conditions, &condition_before);
    ticks ticks_before = read_ticks();
    if (bench->counters) tm_counters_start(bench->counters);
    getrusage(RUSAGE_SELF, &before);
    status = region(backend, bench->tokens, test, bench->stamps, &n_stamps, err);
    getrusage(RUSAGE_SELF, &after);
    if (bench->counters) tm_counters_stop(bench->counters);
    ticks ticks_after = read_ticks();
    tm_sample_conditions_read(&bench->conditions, &condition_after);
    if (status != TM_OK) return status;
    record->kind = TM_RECORD_SAMPLE;
    strcpy(record->status, "ok");
    record->marks[0] = 0;
    record->sample.load_ns = backend->load_ns;
    record->sample.check_ns = backend->check_ns;
    record->sample.bits_per_weight = backend->costs.linear_bits_per_weight;
    record->sample.head_bytes = (double)backend->costs.head_bytes;
    tm_bench_costs(&backend->costs, backend->n_batch, test, &record->sample.bytes_per_token,
                   &record->sample.macs_per_token);
    put_usage(&before, &after, record);
    put_memory(record);
    put_steal(ticks_before, ticks_after, record);
    tm_measured_set(&record->sample.harness_ns_per_token, bench->harness_ns_per_token);
    put_marks(backend, record);
    tm_sample_conditions_put(&bench->conditions, &condition_before, &condition_after, record);
    status = put_times(test, bench->stamps, n_stamps, record, err);
    if (status == TM_OK && bench->counters)
        status = tm_counters_put(bench->counters, bench->n_threads, record, err);
    return status;
}

void tm_bench_costs(const tm_costs *costs, int n_batch, const tm_test *test,
                    double *bytes_per_token, double *macs_per_token)
{
    double weights = (double)costs->linear_bytes + (double)costs->norm_bytes, bytes = 0, macs = 0;
    double kv = (double)costs->kv_bytes_per_position;
    double attention = (double)costs->attention_macs_per_position;
    int position = test->depth, n = tm_test_tokens(test);
    double n_sequences = test->n_sequences > 1 ? test->n_sequences : 1;
    if (n < 1) {
        *bytes_per_token = *macs_per_token = 0;
        return;
    }
    /* The prompt reads the weights once per pass, and the head for its last token only. A pass
     * reads the keys and values up to its end once; its token i multiplies with those up to itself.
     * In the last layer only the last token goes beyond keys and values. */
    double last_layer = costs->n_layers > 0 ? 1.0 / (double)costs->n_layers : 0;
    for (int done = 0; done < test->n_prompt;) {
        int batch = test->n_prompt - done < n_batch ? test->n_prompt - done : n_batch;
        bool last = done + batch == test->n_prompt;
        double own = (double)batch * position + (double)batch * (batch + 1) / 2;
        double kept = last ? (double)position + batch : 0; /* of the last token in the last layer */
        bytes += weights + kv * (double)(position + batch);
        macs += (double)batch * (double)costs->linear_macs + attention * own;
        macs -= (double)(last ? batch - 1 : batch) * (double)costs->last_macs +
                attention * last_layer * (own - kept);
        if (!last) bytes -= (double)costs->last_bytes + kv * last_layer * (position + batch);
        done += batch;
        position += batch;
    }
    if (test->n_prompt > 0) {
        bytes += (double)costs->head_bytes;
        macs += (double)costs->head_macs;
    }
    /* A generating pass reads the weights once, and everything else for each of its tokens. Sum of
     * the positions position+1 .. position+n_gen. */
    double gen = test->n_gen, positions = gen * position + gen * (gen + 1) / 2;
    bytes += gen * (weights + (double)costs->head_bytes) + n_sequences * kv * positions;
    macs += n_sequences *
            (gen * (double)(costs->linear_macs + costs->head_macs) + attention * positions);
    *bytes_per_token = bytes / n;
    *macs_per_token = macs / n;
}
