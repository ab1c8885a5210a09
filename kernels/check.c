#include "kernels/check.h"

#include "kernels/blocks/blocks.h"
#include "kernels/guard_pages.h"
#include "kernels/half.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Distinct rows and tokens of a large shape: the others repeat them, so that the reference computes
 * at most 61 x 29 sums. They are primes, so that a row or token a power of two away differs. */
#define ROW_PERIOD   61
#define TOKEN_PERIOD 29
#define RANGES_MAX   40 /* beyond this many row steps, three ranges instead of single steps */
#define UNTOUCHED    0x7fc0deadu /* a NaN: the content of y before a kernel writes it */
#define SLACK        0xa5        /* fills the bytes around y and the scratch */
#define COLS_MAX     65536       /* up to here, sums fit int32 and tolerances hold */

typedef enum weight_fill { W_PLUS, W_MINUS, W_ALTERNATING, W_ONE, W_ZERO, W_RANDOM } weight_fill;
typedef enum act_fill { A_PLUS, A_MINUS, A_ALTERNATING, A_ONE, A_ZERO, A_RANDOM, A_SMALL } act_fill;

/* Sums of the first rows reach +-127 n_cols with every partial sum as large as it can be. */
static const struct fill {
    const char *name;
    weight_fill weight;
    act_fill act;
} fills[] = {
    {"all +1 x 127", W_PLUS, A_PLUS},      {"all +1 x -127", W_PLUS, A_MINUS},
    {"all -1 x 127", W_MINUS, A_PLUS},     {"alternating signs", W_ALTERNATING, A_ALTERNATING},
    {"one weight", W_ONE, A_RANDOM},       {"all zeros", W_ZERO, A_ZERO},
    {"one activation", W_RANDOM, A_ONE},   {"random x full range", W_RANDOM, A_RANDOM},
    {"random x small", W_RANDOM, A_SMALL},
};
#define N_FILLS ((int)(sizeof fills / sizeof *fills))
/* Inputs are read-only in this many fills: one with `prepare` and one with `prepare_part`. Where a
 * kernel writes does not depend on the values. */
#define N_PROTECTED 2

/* The state of one check, in one struct so that a crash can leave from any function. */
typedef struct check {
    const tm_kernel *kernel;
    tm_weight w;
    tm_act x;
    int n_rows, n_cols, n_tokens, n_row_kinds, n_token_kinds;
    size_t n_kinds; /* n_row_kinds * n_token_kinds */
    uint64_t seed;
    const char *fill;
    bool ternary;
    int block; /* weights that share a scale in the layout; its activations are in blocks then */
    int act_block; /* activations that do */
    tm_guard_pages weights, acts, scale, sum, scratch, y;
    int8_t *trits; /* [n_row_kinds][n_cols] */
    float *values; /* [n_row_kinds][n_cols] */
    float *x_f32;  /* [n_token_kinds][stride], values of int8 blocks */
    void *piece;   /* [row_group][n_cols] */
    float *exact;  /* [n_token_kinds][n_row_kinds] */
    double *expected, *magnitude;
} check;

static sigjmp_buf *volatile crash_jump;
static volatile sig_atomic_t crash_signal;

static void on_crash(int sig)
{
    if (!crash_jump) { /* not from a kernel: it recurs with the default action */
        signal(sig, SIG_DFL);
        return;
    }
    crash_signal = sig;
    siglongjmp(*crash_jump, 1);
}

static tm_status fail(const check *c, tm_error *err, const char *what)
{
    return tm_fail(err, TM_CHECK, "%s on %d x %d, %d tokens, fill '%s', seed %llu: %s",
                   c->kernel->name, c->n_rows, c->n_cols, c->n_tokens, c->fill,
                   (unsigned long long)c->seed, what);
}

static int8_t fill_trit(weight_fill fill, tm_rng *rng, int r, int c, int one)
{
    switch (fill) {
    case W_PLUS:
        return 1;
    case W_MINUS:
        return -1;
    case W_ALTERNATING:
        return (r + c) % 2 ? -1 : 1;
    case W_ONE:
        return c == one ? (r % 2 ? -1 : 1) : 0;
    case W_ZERO:
        return 0;
    case W_RANDOM:
        break;
    }
    return (int8_t)((int)tm_rng_below(rng, 3) - 1);
}

static int8_t fill_i8(act_fill fill, tm_rng *rng, int c, int one)
{
    switch (fill) {
    case A_PLUS:
        return 127;
    case A_MINUS:
        return -127;
    case A_ALTERNATING:
        return c % 2 ? -127 : 127;
    case A_ONE:
        return c == one ? 127 : 0;
    case A_ZERO:
        return 0;
    case A_SMALL:
        return (int8_t)((int)tm_rng_below(rng, 5) - 2);
    case A_RANDOM:
        break;
    }
    return (int8_t)((int)tm_rng_below(rng, 255) - 127);
}

/* A float that the layout represents exactly: a trit, or for random weights a bfloat16 or a half
 * between -1 and 1, or any of the four weights of q2r16. */
static float fill_value(const tm_format *format, weight_fill fill, tm_rng *rng, int r, int c,
                        int one)
{
    if (fill != W_RANDOM) return fill_trit(fill, rng, r, c, one);
    if (format == &tm_format_q2r16) return (float)((int)tm_rng_below(rng, 4) - 1);
    float value = (float)(2 * tm_rng_uniform(rng) - 1);
    if (format == &tm_format_bf16r16) return tm_bf16_to_float(tm_bf16_from_float(value));
    return tm_half_to_float(tm_half_from_float(value));
}

static float fill_float(act_fill fill, tm_rng *rng, int c, int one)
{
    if (fill == A_RANDOM) return (float)((2 * tm_rng_uniform(rng) - 1) * 127);
    return fill_i8(fill, rng, c, one);
}

static void fill_weights(check *c, weight_fill fill, tm_rng *rng)
{
    for (int r = 0; r < c->n_row_kinds; r++) {
        int one = (int)tm_rng_below(rng, (uint64_t)c->n_cols);
        for (int col = 0; col < c->n_cols; col++) {
            size_t i = (size_t)r * (size_t)c->n_cols + (size_t)col;
            if (c->ternary)
                c->trits[i] = fill_trit(fill, rng, r, col, one);
            else /* neighbouring blocks have different scales */
                c->values[i] = fill_value(c->w.format, fill, rng, r, col, one) *
                               (c->block != 0 ? 1.0f / (float)(1 + col / c->block % 3) : 1);
        }
    }
    c->w.scale = c->ternary ? (float)(0.01 + tm_rng_uniform(rng)) : 1;

    const tm_format *format = c->w.format;
    size_t item = c->ternary ? sizeof(int8_t) : sizeof(float), row_bytes = (size_t)c->n_cols * item;
    const uint8_t *kinds = c->ternary ? (const uint8_t *)c->trits : (const uint8_t *)c->values;
    for (int begin = 0; begin < c->n_rows; begin += format->row_group) {
        int end = begin + format->row_group < c->n_rows ? begin + format->row_group : c->n_rows;
        for (int r = begin; r < end; r++)
            memcpy((uint8_t *)c->piece + (size_t)(r - begin) * row_bytes,
                   kinds + (size_t)(r % c->n_row_kinds) * row_bytes, row_bytes);
        if (c->ternary)
            format->pack_trits(c->piece, begin, end, c->n_rows, c->n_cols, c->weights.data);
        else
            format->pack_floats(c->piece, begin, end, c->n_rows, c->n_cols, c->weights.data);
    }
}

/* A layout in blocks rounds its weights, so the reference uses the rounded rows. No rounding error
 * may exceed that of the coarsest layouts, TQ1_0 and TQ2_0: half of the largest weight of a
 * block. */
static tm_status take_rounded(check *c, tm_error *err)
{
    float *row = c->piece;
    for (int r = 0; r < c->n_row_kinds; r++) {
        float *values = c->values + (size_t)r * (size_t)c->n_cols;
        c->w.format->unpack_floats(c->weights.data, r, c->n_rows, c->n_cols, row);
        for (int begin = 0; begin < c->n_cols; begin += c->block) {
            int end = c->n_cols - begin < c->block ? c->n_cols : begin + c->block;
            float most = 0;
            for (int col = begin; col < end; col++) most = fmaxf(most, fabsf(values[col]));
            for (int col = begin; col < end; col++) {
                char what[80];
                if (fabsf(row[col] - values[col]) <= 0.501f * most) continue;
                snprintf(what, sizeof what, "row %d, column %d: %g was packed as %g", r, col,
                         (double)values[col], (double)row[col]);
                return fail(c, err, what);
            }
        }
        memcpy(values, row, (size_t)c->n_cols * sizeof *row);
    }
    return TM_OK;
}

/* unpack(pack(row)) must equal the row, for the first, the last and some other rows. */
static tm_status check_unpack(check *c, tm_error *err)
{
    const tm_format *format = c->w.format;
    size_t item = c->ternary ? sizeof(int8_t) : sizeof(float), row_bytes = (size_t)c->n_cols * item;
    const uint8_t *kinds = c->ternary ? (const uint8_t *)c->trits : (const uint8_t *)c->values;
    int step = c->n_rows / 48 + 1;
    for (int i = 0; i < c->n_rows + step - 1; i += step) {
        int r = i < c->n_rows ? i : c->n_rows - 1;
        if (c->ternary)
            format->unpack_trits(c->weights.data, r, c->n_rows, c->n_cols, c->piece);
        else
            format->unpack_floats(c->weights.data, r, c->n_rows, c->n_cols, c->piece);
        if (memcmp(c->piece, kinds + (size_t)(r % c->n_row_kinds) * row_bytes, row_bytes) != 0) {
            char what[80];
            snprintf(what, sizeof what, "row %d unpacked differs from the packed row", r);
            return fail(c, err, what);
        }
    }
    return TM_OK;
}

/* int8 in blocks, their scales and sums. */
static void fill_block_acts(check *c, act_fill fill, tm_rng *rng)
{
    size_t stride = (size_t)c->x.stride, n_scales = stride / (size_t)c->act_block,
           n_sums = stride / TM_ACT_SUM_STEP;
    memset(c->acts.data, 0, c->acts.data_bytes);
    memset(c->sum.data, 0, c->sum.data_bytes);
    for (size_t t = 0; t < (size_t)c->n_tokens; t++) {
        int8_t *q = (int8_t *)c->acts.data + t * stride;
        float *scale = (float *)(void *)c->scale.data + t * n_scales;
        int32_t *sum = (int32_t *)(void *)c->sum.data + t * n_sums;
        size_t back = (size_t)c->n_token_kinds;
        int one = (int)tm_rng_below(rng, (uint64_t)c->n_cols);
        if (t >= back) {
            memcpy(q, q - back * stride, stride);
            memcpy(scale, scale - back * n_scales, n_scales * sizeof *scale);
            memcpy(sum, sum - back * n_sums, n_sums * sizeof *sum);
            continue;
        }
        for (size_t i = 0; i < n_scales; i++) scale[i] = (float)(0.001 + tm_rng_uniform(rng));
        for (int col = 0; col < c->n_cols; col++) {
            q[col] = fill_i8(fill, rng, col, one);
            sum[col / TM_ACT_SUM_STEP] += q[col];
            c->x_f32[t * stride + (size_t)col] = (float)q[col] * scale[col / c->act_block];
        }
    }
}

static void fill_acts(check *c, act_fill fill, tm_rng *rng)
{
    if (c->block != 0) {
        fill_block_acts(c, fill, rng);
        return;
    }
    float *f32 = c->ternary ? NULL : (float *)c->acts.data;
    int8_t *i8 = c->ternary ? (int8_t *)c->acts.data : NULL;
    float *scale = (float *)c->scale.data;
    int32_t *sum = (int32_t *)c->sum.data;
    memset(c->acts.data, 0, c->acts.data_bytes);
    for (int t = 0; t < c->n_tokens; t++) {
        size_t at = (size_t)t * (size_t)c->x.stride,
               kind = (size_t)(t % c->n_token_kinds) * (size_t)c->x.stride;
        int one = (int)tm_rng_below(rng, (uint64_t)c->n_cols);
        if (t >= c->n_token_kinds) {
            if (f32)
                memcpy(f32 + at, f32 + kind, (size_t)c->n_cols * sizeof *f32);
            else
                memcpy(i8 + at, i8 + kind, (size_t)c->n_cols);
            scale[t] = scale[t % c->n_token_kinds];
            sum[t] = sum[t % c->n_token_kinds];
            continue;
        }
        sum[t] = 0;
        scale[t] = (float)(0.001 + tm_rng_uniform(rng));
        for (int col = 0; col < c->n_cols; col++) {
            if (f32)
                f32[at + (size_t)col] = fill_float(fill, rng, col, one);
            else
                sum[t] += i8[at + (size_t)col] = fill_i8(fill, rng, col, one);
        }
    }
}

/* Whether y[token][row] equals the reference for that kind of row and token. */
static bool equals_reference(const check *c, float got, size_t kind)
{
    if (c->kernel->tolerance == 0)
        return tm_bits_from_float(got) == tm_bits_from_float(c->exact[kind]);
    double limit = (double)c->kernel->tolerance * c->magnitude[kind];
    return fabs((double)got - c->expected[kind]) <= limit; /* false for NaN */
}

/* Rows row_begin .. row_end-1 must equal the reference; every other cell must be untouched. */
static tm_status compare(check *c, int row_begin, int row_end, tm_error *err)
{
    char what[200];
    for (int t = 0; t < c->n_tokens; t++) {
        const float *y = (const float *)c->y.data + (size_t)t * (size_t)c->n_rows;
        size_t first_kind = (size_t)(t % c->n_token_kinds) * (size_t)c->n_row_kinds;
        int row_kind = 0;
        for (int r = 0; r < c->n_rows; r++) {
            size_t kind = first_kind + (size_t)row_kind;
            if (++row_kind == c->n_row_kinds) row_kind = 0;
            if (r >= row_begin && r < row_end) {
                if (equals_reference(c, y[r], kind)) continue;
                snprintf(what, sizeof what,
                         "rows %d..%d: row %d, token %d: got %.9g, expected %.9g within %.3g",
                         row_begin, row_end - 1, r, t, (double)y[r], c->expected[kind],
                         (double)c->kernel->tolerance * c->magnitude[kind]);
                return fail(c, err, what);
            }
            if (tm_bits_from_float(y[r]) == UNTOUCHED) continue;
            snprintf(what, sizeof what, "rows %d..%d: wrote row %d of token %d, outside the range",
                     row_begin, row_end - 1, r, t);
            return fail(c, err, what);
        }
    }
    return TM_OK;
}

static tm_status run_range(check *c, int row_begin, int row_end, tm_error *err)
{
    uint32_t *y = (uint32_t *)c->y.data;
    for (size_t i = 0; i < c->y.data_bytes / sizeof *y; i++) y[i] = UNTOUCHED;
    tm_guard_pages_fill_slack(&c->y, SLACK);
    c->kernel->rows(&c->w, &c->x, c->scratch.data, row_begin, row_end, (float *)c->y.data);
    if (!tm_guard_pages_slack_is(&c->y, SLACK)) return fail(c, err, "wrote before y");
    return compare(c, row_begin, row_end, err);
}

static tm_status run_prepare(check *c, bool parts, tm_error *err)
{
    const tm_kernel *kernel = c->kernel;
    memset(c->scratch.data, 0xa5, c->scratch.data_bytes);
    tm_guard_pages_fill_slack(&c->scratch, SLACK);
    if (kernel->prepare_part && parts)
        for (int part = 2; part >= 0; part--) kernel->prepare_part(&c->x, c->scratch.data, part, 3);
    else if (kernel->prepare)
        kernel->prepare(&c->x, c->scratch.data);
    if (!tm_guard_pages_slack_is(&c->scratch, SLACK))
        return fail(c, err, "prepare wrote outside its scratch");
    return TM_OK;
}

/* Computes the expected results for the distinct rows and tokens. */
static void run_reference(check *c)
{
    tm_act x = c->x;
    x.n_tokens = c->n_token_kinds;
    if (!c->ternary) {
        if (c->block != 0) x.f32 = c->x_f32;
        tm_reference_floats(c->values, c->n_row_kinds, c->n_cols, &x, c->expected, c->magnitude);
        for (size_t i = 0; i < c->n_kinds; i++) c->exact[i] = (float)c->expected[i];
        return;
    }
    tm_reference_trits(c->trits, c->w.scale, c->n_row_kinds, c->n_cols, &x, c->exact);
    for (size_t i = 0; i < c->n_kinds; i++) c->expected[i] = (double)c->exact[i];
    if (c->kernel->tolerance == 0) return;
    for (size_t i = 0; i < c->n_kinds; i++) {
        size_t row = i % (size_t)c->n_row_kinds, token = i / (size_t)c->n_row_kinds;
        const int8_t *trits = c->trits + row * (size_t)c->n_cols,
                     *q = x.i8 + token * (size_t)x.stride;
        int64_t size = 0;
        for (int col = 0; col < c->n_cols; col++) size += abs(trits[col] * q[col]);
        c->magnitude[i] = (double)size * (double)x.scale[token] * (double)c->w.scale;
    }
}

/* Lets the kernel write its inputs, or makes that a crash. */
static void protect(const check *c, bool writable)
{
    const tm_guard_pages *inputs[] = {&c->weights, &c->acts, &c->scale, &c->sum, &c->scratch};
    int n = writable ? 5 : 4; /* prepare writes the scratch; it is protected after that */
    for (int i = 0; i < n; i++) tm_guard_pages_protect(inputs[i], writable);
}

static tm_status run_fill(check *c, int index, tm_error *err)
{
    tm_rng rng = {c->seed + (uint64_t)index};
    tm_status status;
    c->fill = fills[index].name;
    if (index > 0 && index <= N_PROTECTED) protect(c, true);
    if (index == 0 || fills[index].weight != fills[index - 1].weight) {
        fill_weights(c, fills[index].weight, &rng);
        if (c->block != 0 && (status = take_rounded(c, err)) != TM_OK) return status;
        if (c->block == 0 && (status = check_unpack(c, err)) != TM_OK) return status;
    }
    fill_acts(c, fills[index].act, &rng);
    run_reference(c);

    if (index < N_PROTECTED) protect(c, false);
    if ((status = run_prepare(c, index % 2, err)) != TM_OK) return status;
    if (index < N_PROTECTED) tm_guard_pages_protect(&c->scratch, false);
    if ((status = run_range(c, 0, c->n_rows, err)) != TM_OK) return status;

    /* Compute the rows a second time in ranges, as threads do. */
    int step = c->kernel->row_step, n_steps = (c->n_rows + step - 1) / step, n_ranges = n_steps;
    if (n_steps > RANGES_MAX || fills[index].act != A_RANDOM) n_ranges = n_steps < 3 ? n_steps : 3;
    for (int i = 0; i < n_ranges && n_ranges > 1; i++) {
        int begin = (int)((int64_t)n_steps * i / n_ranges) * step;
        int end = (int)((int64_t)n_steps * (i + 1) / n_ranges) * step;
        if ((status = run_range(c, begin, end < c->n_rows ? end : c->n_rows, err)) != TM_OK)
            return status;
    }
    return TM_OK;
}

static tm_status run_all(check *c, tm_error *err)
{
    for (int i = 0; i < N_FILLS; i++) {
        tm_status status = run_fill(c, i, err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

/* Turns a crash of the kernel into a failed check. */
static tm_status run_caught(check *c, tm_error *err)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction old[4], action = {.sa_handler = on_crash};
    sigjmp_buf jump;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < 4; i++) sigaction(signals[i], &action, &old[i]);
    tm_status status;
    if (sigsetjmp(jump, 1) == 0) {
        crash_jump = &jump;
        status = run_all(c, err);
    } else {
        char what[80];
        snprintf(what, sizeof what, "crashed with signal %d (%s)", (int)crash_signal,
                 crash_signal == SIGSEGV  ? "access outside its memory, or a write to its inputs"
                 : crash_signal == SIGILL ? "illegal instruction"
                                          : "see signal(7)");
        status = fail(c, err, what);
    }
    crash_jump = NULL;
    for (int i = 0; i < 4; i++) sigaction(signals[i], &old[i], NULL);
    return status;
}

static tm_status open_buffers(check *c, tm_error *err)
{
    const tm_kernel *kernel = c->kernel;
    tm_status status;
    size_t n_cols = (size_t)c->n_cols, n_tokens = (size_t)c->n_tokens,
           n_row_kinds = (size_t)c->n_row_kinds;
    size_t n_kinds = c->n_kinds, act_bytes, y_bytes;
    size_t weight_bytes = c->w.format->size(c->n_rows, c->n_cols),
           act_item = c->ternary || c->block != 0 ? 1 : sizeof(float);
    size_t scratch_bytes = kernel->scratch_size ? kernel->scratch_size(c->n_cols, c->n_tokens) : 0;
    size_t stride = (size_t)c->x.stride,
           n_scales = c->block != 0 ? stride / (size_t)c->act_block : 1,
           n_sums = c->block != 0 ? stride / TM_ACT_SUM_STEP : 1,
           n_x_f32 = c->block != 0 ? stride * (size_t)c->n_token_kinds : 1;
    size_t group_cells = (size_t)c->w.format->row_group * n_cols,
           item = c->ternary ? 1 : sizeof(float);
    if (weight_bytes == 0 || !tm_mul_size(n_tokens * sizeof(float), (size_t)c->n_rows, &y_bytes) ||
        !tm_mul_size(n_tokens * act_item, (size_t)c->x.stride, &act_bytes))
        return tm_fail(err, TM_NOMEM, "check: %d x %d, %d tokens do not fit the address space",
                       c->n_rows, c->n_cols, c->n_tokens);

    if ((status = tm_guard_pages_open(&c->weights, weight_bytes, 64, err)) != TM_OK ||
        (status = tm_guard_pages_open(&c->acts, act_bytes, 64, err)) != TM_OK ||
        (status = tm_guard_pages_open(&c->scale, n_tokens * n_scales * sizeof(float), 64, err)) !=
            TM_OK ||
        (status = tm_guard_pages_open(&c->sum, n_tokens * n_sums * sizeof(int32_t), 64, err)) !=
            TM_OK ||
        (status = tm_guard_pages_open(&c->scratch, scratch_bytes, 64, err)) != TM_OK ||
        (status = tm_guard_pages_open(&c->y, y_bytes, sizeof(float), err)) != TM_OK ||
        (status = tm_alloc(&c->piece, group_cells, item, "check: rows", err)) != TM_OK ||
        (status = tm_alloc((void **)(c->ternary ? (void *)&c->trits : (void *)&c->values),
                           n_row_kinds * n_cols, item, "check: weights", err)) != TM_OK ||
        (status = tm_alloc((void **)&c->x_f32, n_x_f32, sizeof *c->x_f32, "check: activations",
                           err)) != TM_OK ||
        (status = tm_alloc((void **)&c->exact, n_kinds, sizeof *c->exact, "check: reference",
                           err)) != TM_OK ||
        (status = tm_alloc((void **)&c->expected, n_kinds, sizeof *c->expected, "check: reference",
                           err)) != TM_OK ||
        (status = tm_alloc((void **)&c->magnitude, n_kinds, sizeof *c->magnitude,
                           "check: reference", err)) != TM_OK)
        return status;

    c->w.data = c->weights.data;
    bool int8 = c->ternary || c->block != 0;
    c->x.scale = int8 ? (const float *)c->scale.data : NULL;
    c->x.sum = int8 ? (const int32_t *)c->sum.data : NULL;
    c->x.i8 = int8 ? (const int8_t *)c->acts.data : NULL;
    c->x.f32 = int8 ? NULL : (const float *)c->acts.data;
    return TM_OK;
}

tm_status tm_check_kernel(const tm_kernel *kernel, int n_rows, int n_cols, int n_tokens,
                          uint64_t seed, tm_error *err)
{
    tm_status status = tm_kernel_available(kernel, err);
    if (status != TM_OK) return status;
    if (n_rows < 1 || n_cols < 1 || n_cols > COLS_MAX || n_tokens < 1)
        return tm_fail(err, TM_ARG,
                       "%s: %d x %d, %d tokens: rows and tokens must be positive, columns 1 to %d",
                       kernel->name, n_rows, n_cols, n_tokens, COLS_MAX);
    const tm_format *format = kernel->format;
    bool in_blocks = tm_act_block(format->act) != 0;
    if (in_blocks ? format->block % tm_act_block(format->act) != 0 || format->block == 0
                  : format->act != (format->ternary ? TM_ACT_I8 : TM_ACT_F32))
        return tm_fail(err, TM_UNSUPPORTED, "%s: no reference for its kind of activations",
                       kernel->name);

    check *c;
    if ((status = tm_alloc((void **)&c, 1, sizeof *c, "check", err)) != TM_OK) return status;
    c->kernel = kernel;
    c->w = (tm_weight){.format = kernel->format, .n_rows = n_rows, .n_cols = n_cols};
    c->x = (tm_act){.n_tokens = n_tokens, .n_cols = n_cols};
    c->x.stride = (int)tm_round_up((size_t)n_cols, TM_ACT_STRIDE_STEP);
    c->n_rows = n_rows;
    c->n_cols = n_cols;
    c->n_tokens = n_tokens;
    c->n_row_kinds = n_rows < ROW_PERIOD ? n_rows : ROW_PERIOD;
    c->n_token_kinds = n_tokens < TOKEN_PERIOD ? n_tokens : TOKEN_PERIOD;
    c->n_kinds = (size_t)c->n_row_kinds * (size_t)c->n_token_kinds;
    c->seed = seed;
    c->fill = "none";
    c->ternary = format->ternary;
    c->block = format->block;
    c->act_block = tm_act_block(format->act);
    status = open_buffers(c, err);
    if (status == TM_OK) status = run_caught(c, err);

    tm_guard_pages *maps[] = {&c->weights, &c->acts, &c->scale, &c->sum, &c->scratch, &c->y};
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) tm_guard_pages_close(maps[i]);
    tm_free(c->trits);
    tm_free(c->values);
    tm_free(c->x_f32);
    tm_free(c->piece);
    tm_free(c->exact);
    tm_free(c->expected);
    tm_free(c->magnitude);
    tm_free(c);
    return status;
}
