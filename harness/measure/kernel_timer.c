#include "harness/measure/kernel_timer.h"

#include "harness/base/clock.h"
#include "harness/stats/stats.h"
#include "kernels/vec/vec.h"

#include <math.h>
#include <string.h>

#define SAMPLE_NS   20e6
#define PREPARE_NS  2e6 /* a sample of `prepare` */
#define MAX_SAMPLES 64
#define MIN_SAMPLES 3
#define MAX_PASSES  ((int64_t)1 << 20)
#define PACK_ROWS   64 /* generated and packed at once */
#define SUM_STEP    16 /* least values per sum of activations in blocks */
#define MIB         ((size_t)1 << 20)

static size_t cache_bytes(const tm_machine *machine, int level, size_t otherwise)
{
    size_t largest = tm_machine_cache_bytes(machine, level);
    return largest > 0 ? largest : otherwise;
}

tm_kernel_timer_options tm_kernel_timer_options_for(const tm_machine *machine)
{
    tm_kernel_timer_options options = {.seconds = 0.1, .check_rows = 64, .seed = 1};
    options.near_bytes = cache_bytes(machine, 2, MIB / 4) / 2;
    options.last_cache_bytes = cache_bytes(machine, 0, 32 * MIB);
    size_t far = 4 * options.last_cache_bytes, most = 2048 * MIB;
    if (machine->memory_available_bytes >= 0 && (size_t)machine->memory_available_bytes / 4 < most)
        most = (size_t)machine->memory_available_bytes / 4;
    if (far < 128 * MIB) far = 128 * MIB;
    options.far_bytes = far < most ? far : most;
    return options;
}

/* --- weights --- */

/* As many rows of the shape as fit `limit` bytes: all of them, else a multiple of PACK_ROWS or, if
 * that is too large, of the row group. */
static int rows_within(const tm_format *format, int n_rows, int n_cols, size_t limit)
{
    size_t whole = format->size(n_rows, n_cols);
    if (whole != 0 && whole <= limit) return n_rows;
    int step = PACK_ROWS;
    while (step > format->row_group && format->size(step, n_cols) > limit) step /= 2;
    step = (int)tm_round_up((size_t)step, (size_t)format->row_group);
    size_t piece = format->size(step, n_cols);
    if (piece == 0 || step >= n_rows) return n_rows;
    size_t rows = limit / piece * (size_t)step;
    if (rows < (size_t)step) rows = (size_t)step;
    return rows < (size_t)n_rows ? (int)rows : n_rows;
}

/* Uniform trits, or halves between -1 and 1; four per number of the generator. */
static void fill_random(tm_rng *rng, size_t n, int8_t *trits, float *values)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++, bits >>= 16) {
        if (i % 4 == 0) bits = tm_rng_next(rng);
        unsigned part = (unsigned)(bits & 0xffff);
        if (trits)
            trits[i] = (int8_t)((int)(part * 3 >> 16) - 1);
        else
            values[i] = ((float)(part >> 5) - 1023.5f) / 1024;
    }
}

static tm_status pack_random(tm_kernel_weights *w, uint64_t seed, tm_error *err)
{
    const tm_format *format = w->format;
    int step = (int)tm_round_up(PACK_ROWS, (size_t)format->row_group);
    void *piece = NULL;
    size_t n;
    if (!tm_mul_size((size_t)step, (size_t)w->n_cols, &n)) n = SIZE_MAX;
    tm_status status = tm_alloc(&piece, n, format->ternary ? 1 : sizeof(float), "random rows", err);
    if (status != TM_OK) return status;
    tm_rng rng = {seed};
    for (int begin = 0; begin < w->n_rows; begin += step) {
        int end = w->n_rows - begin < step ? w->n_rows : begin + step;
        int8_t *trits = format->ternary ? piece : NULL;
        float *values = format->ternary ? NULL : piece;
        fill_random(&rng, (size_t)(end - begin) * (size_t)w->n_cols, trits, values);
        if (trits)
            format->pack_trits(trits, begin, end, w->n_rows, w->n_cols, w->pages.data);
        else
            format->pack_floats(values, begin, end, w->n_rows, w->n_cols, w->pages.data);
    }
    tm_free(piece);
    return TM_OK;
}

tm_status tm_kernel_weights_open(const tm_format *format, int n_rows, int n_cols, bool cold,
                                 const tm_kernel_timer_options *options, tm_kernel_weights *out,
                                 tm_error *err)
{
    size_t limit = cold ? options->far_bytes : options->near_bytes, bytes;
    *out = (tm_kernel_weights){.format = format,
                               .n_rows = rows_within(format, n_rows, n_cols, limit),
                               .n_cols = n_cols,
                               .n_copies = 1,
                               .scale = format->ternary ? 0.02f : 1};
    if (cold && options->far_bytes < 2 * options->last_cache_bytes)
        return tm_fail(err, TM_UNSUPPORTED,
                       "%.0f MB of memory for copies of the weights is less than twice the "
                       "last-level cache of "
                       "%.0f MB",
                       (double)options->far_bytes * 1e-6, (double)options->last_cache_bytes * 1e-6);
    out->copy_bytes = format->size(out->n_rows, n_cols);
    if (out->copy_bytes == 0)
        return tm_fail(err, TM_NOMEM, "a matrix of %d x %d in %s does not fit memory", out->n_rows,
                       n_cols, format->name);
    if (cold) out->n_copies = (int)((limit + out->copy_bytes - 1) / out->copy_bytes);
    if (!tm_mul_size((size_t)out->n_copies, out->copy_bytes, &bytes))
        return tm_fail(err, TM_NOMEM, "%d copies of %zu bytes do not fit memory", out->n_copies,
                       out->copy_bytes);
    tm_status status = tm_pages_open(&out->pages, bytes, "weights to time", err);
    if (status == TM_OK) status = pack_random(out, options->seed, err);
    if (status != TM_OK) {
        tm_kernel_weights_close(out);
        return status;
    }
    for (int i = 1; i < out->n_copies; i++)
        memcpy(out->pages.data + (size_t)i * out->copy_bytes, out->pages.data, out->copy_bytes);
    return TM_OK;
}

void tm_kernel_weights_close(tm_kernel_weights *weights)
{
    tm_pages_close(&weights->pages);
}

/* --- jobs --- */

/* Fills activations of a kind. All blocks get the same scale, which suits blocks of any length. */
static void fill_acts(tm_act_kind kind, const tm_act *x, float *f32, int8_t *i8, float *scale,
                      int32_t *sum, uint64_t seed)
{
    tm_rng rng = {seed ^ TM_GOLDEN};
    for (int t = 0; t < x->n_tokens; t++) {
        float *row = f32 + (size_t)t * (size_t)x->stride;
        int8_t *q = i8 + (size_t)t * (size_t)x->stride;
        fill_random(&rng, (size_t)x->n_cols, NULL, row);
        if (kind == TM_ACT_F32) continue;
        int32_t *sums = kind == TM_ACT_I8 ? sum + t : sum + t * (x->stride / SUM_STEP), whole;
        scale[t] = tm_vec_best()->quantize_i8(row, x->n_cols, x->stride, q, &whole);
        if (kind == TM_ACT_I8) {
            *sums = whole;
            continue;
        }
        for (int i = 0; i < x->stride / SUM_STEP; i++) {
            sums[i] = 0;
            for (int k = 0; k < SUM_STEP; k++) sums[i] += q[i * SUM_STEP + k];
        }
    }
    if (kind != TM_ACT_F32 && kind != TM_ACT_I8)
        for (int i = 0; i < x->n_tokens * (x->stride / SUM_STEP); i++) scale[i] = 0x1p-7f;
}

tm_status tm_kernel_job_open(const tm_kernel *kernel, const tm_kernel_weights *weights,
                             int n_tokens, uint64_t seed, tm_kernel_job *out, tm_error *err)
{
    int stride = (int)tm_round_up((size_t)weights->n_cols, TM_ACT_STRIDE_STEP);
    size_t values, results, scratch = 0, tokens = (size_t)n_tokens;
    *out = (tm_kernel_job){.kernel = kernel, .weights = weights, .n_rows_pass = weights->n_rows};
    if (!tm_mul_size(tokens, (size_t)stride, &values) ||
        !tm_mul_size(tokens, (size_t)weights->n_rows, &results) || values > INT32_MAX)
        return tm_fail(err, TM_NOMEM, "%d tokens of %d values do not fit memory", n_tokens, stride);
    if (kernel->scratch_size) scratch = kernel->scratch_size(weights->n_cols, n_tokens);
    const struct {
        size_t n, size;
        const char *what;
    } needs[5] = {
        {values, sizeof(float), "activations"},
        {values, 1, "int8 activations"},
        {values / SUM_STEP + tokens, 2 * sizeof(float), "scales and sums of activations"},
        {scratch + 64, 1, "the kernel's scratch"},
        {results, sizeof(float), "results"},
    };
    for (int i = 0; i < 5; i++) {
        tm_status status = tm_alloc(&out->memory[i], needs[i].n, needs[i].size, needs[i].what, err);
        if (status != TM_OK) {
            tm_kernel_job_close(out);
            return status;
        }
    }
    float *scale = out->memory[2];
    /* Sums begin on a multiple of 64 bytes: a stride holds at least 16 of them. */
    int32_t *sum = (int32_t *)(scale + values / SUM_STEP);
    out->x = (tm_act){.n_tokens = n_tokens, .n_cols = weights->n_cols, .stride = stride};
    fill_acts(weights->format->act, &out->x, out->memory[0], out->memory[1], scale, sum, seed);
    if (weights->format->act == TM_ACT_F32) {
        out->x.f32 = out->memory[0];
    } else {
        out->x.i8 = out->memory[1];
        out->x.scale = scale;
        out->x.sum = sum;
    }
    out->scratch = out->memory[3];
    out->y = out->memory[4];
    tm_kernel_job_prepare(out);
    return TM_OK;
}

void tm_kernel_job_close(tm_kernel_job *job)
{
    for (int i = 0; i < 5; i++) tm_free(job->memory[i]);
    *job = (tm_kernel_job){0};
}

void tm_kernel_job_prepare(tm_kernel_job *job)
{
    if (job->kernel->prepare) job->kernel->prepare(&job->x, job->scratch);
}

void tm_kernel_job_pass(tm_kernel_job *job)
{
    const tm_kernel_weights *w = job->weights;
    tm_weight weight = {.format = w->format,
                        .n_rows = w->n_rows,
                        .n_cols = w->n_cols,
                        .scale = w->scale,
                        .data = w->pages.data + (size_t)job->next_copy * w->copy_bytes};
    int end = job->next_row + job->n_rows_pass;
    job->kernel->rows(&weight, &job->x, job->scratch, job->next_row, end, job->y);
    job->next_row = end;
    if (w->n_copies == 1 || w->n_rows - end < job->n_rows_pass) { /* remaining rows are not timed */
        job->next_row = 0;
        if (++job->next_copy == w->n_copies) job->next_copy = 0;
    }
}

double tm_kernel_job_pass_bytes(const tm_kernel_job *job)
{
    return (double)job->weights->copy_bytes * job->n_rows_pass / job->weights->n_rows;
}

double tm_kernel_job_pass_macs(const tm_kernel_job *job)
{
    return (double)job->n_rows_pass * job->weights->n_cols * job->x.n_tokens;
}

/* --- timing --- */

static int64_t now(const tm_kernel_timer_options *options)
{
    return options->now_ns ? options->now_ns(options->clock) : tm_now_ns();
}

static double sample(tm_kernel_job *job, void (*work)(tm_kernel_job *), int64_t n,
                     const tm_kernel_timer_options *options)
{
    int64_t start = now(options);
    for (int64_t i = 0; i < n; i++) work(job);
    return (double)(now(options) - start);
}

/* How often to run `work` for `wanted` ns: doubles the number until it takes a quarter of that,
 * then scales. 0: the clock does not advance. */
static int64_t passes_for(tm_kernel_job *job, void (*work)(tm_kernel_job *), double wanted,
                          const tm_kernel_timer_options *options)
{
    double took = 0;
    int64_t n = 1;
    while ((took = sample(job, work, n, options)) < wanted / 4 && n < MAX_PASSES) n *= 2;
    if (!(took > 0)) return 0;
    double needed = ceil(wanted * (double)n / took);
    return needed < 1 ? 1 : needed > (double)MAX_PASSES ? MAX_PASSES : (int64_t)needed;
}

/* Reduces the rows of a pass if all of them would take longer than a sample, as the first step of
 * rows predicts. */
static void shorten_pass(tm_kernel_job *job, const tm_kernel_timer_options *options)
{
    int step = (int)tm_round_up(16, (size_t)job->kernel->row_step), all = job->n_rows_pass;
    if (step >= all) return;
    job->n_rows_pass = step;
    sample(job, tm_kernel_job_pass, 1, options);
    double took = sample(job, tm_kernel_job_pass, 1, options);
    double rows = took > 0 ? SAMPLE_NS / took * step : all;
    job->n_rows_pass = rows >= all ? all : rows <= step ? step : (int)rows / step * step;
    job->next_row = 0;
}

tm_status tm_kernel_job_time(tm_kernel_job *job, const tm_kernel_timer_options *options,
                             tm_kernel_times *out, tm_error *err)
{
    double samples[MAX_SAMPLES];
    *out = (tm_kernel_times){.ns = NAN, .low_ns = NAN, .high_ns = NAN, .prepare_ns = NAN};
    if (job->kernel->prepare) {
        int64_t n = passes_for(job, tm_kernel_job_prepare, PREPARE_NS, options);
        for (int i = 0; i < MIN_SAMPLES; i++)
            samples[i] = sample(job, tm_kernel_job_prepare, n, options) / (double)n;
        if (n > 0) out->prepare_ns = tm_median(samples, MIN_SAMPLES);
    }
    shorten_pass(job, options);
    out->n_rows = job->n_rows_pass;
    out->n_passes = passes_for(job, tm_kernel_job_pass, SAMPLE_NS, options);
    double first = sample(job, tm_kernel_job_pass, out->n_passes, options);
    if (out->n_passes == 0 || !(first > 0))
        return tm_fail(err, TM_UNSUPPORTED, "%s: the clock did not advance while it ran",
                       job->kernel->name);
    double wanted = floor(options->seconds * 1e9 / first);
    int n = wanted < MIN_SAMPLES ? MIN_SAMPLES : wanted > MAX_SAMPLES ? MAX_SAMPLES : (int)wanted;
    for (int i = 0; i < n; i++)
        samples[i] =
            sample(job, tm_kernel_job_pass, out->n_passes, options) / (double)out->n_passes;
    out->n_samples = n;
    out->ns = tm_median(samples, n);
    out->low_ns = tm_quantile(samples, n, 0.25);
    out->high_ns = tm_quantile(samples, n, 0.75);
    return TM_OK;
}

double tm_kernel_job_time_again(tm_kernel_job *job, const tm_kernel_timer_options *options,
                                const tm_kernel_times *times)
{
    double samples[MAX_SAMPLES];
    int n = times->n_samples;
    for (int i = 0; i < n; i++)
        samples[i] =
            sample(job, tm_kernel_job_pass, times->n_passes, options) / (double)times->n_passes;
    return tm_median(samples, n);
}
