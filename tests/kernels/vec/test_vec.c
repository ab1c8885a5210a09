/* Every row of vec.h against vec_scalar.c, bit for bit, between canaries and guard pages.
 *
 * Natively: arrays of every length up to 300 with every fill, and every shape of attention. An
 * emulated run (TM_TESTED_ISA is set) takes a third of the lengths above 64 and of the shapes, a
 * different third for each fill and head size. */
#include "tests/kernels/vec/vec_values.h"

#include <sys/mman.h>

/* Slots of memory that end at an inaccessible page. */
enum { N_SLOTS = 6, SLOT_BYTES = 1 << 19, CANARY = 0xa5, MARGIN = 64 };
static uint8_t *slots[N_SLOTS];

static int open_slots(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < N_SLOTS; i++) {
        slots[i] = mmap(NULL, SLOT_BYTES + page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (slots[i] == MAP_FAILED) return -1;
        if (mprotect(slots[i] + SLOT_BYTES, page, PROT_NONE)) return -1;
    }
    return 0;
}

static int close_slots(void **state)
{
    (void)state;
    for (int i = 0; i < N_SLOTS; i++) munmap(slots[i], SLOT_BYTES + (size_t)sysconf(_SC_PAGESIZE));
    return 0;
}

/* `bytes` of a slot, `gap` before its guard page, canaries on both sides and inside. */
static void *take(int slot, size_t bytes, size_t gap)
{
    assert_true(bytes + gap + MARGIN <= SLOT_BYTES);
    uint8_t *p = slots[slot] + SLOT_BYTES - gap - bytes;
    memset(p - MARGIN, CANARY, MARGIN + bytes + gap);
    return p;
}

static void *take_copy(int slot, const void *from, size_t bytes, size_t gap)
{
    return memcpy(take(slot, bytes, gap), from, bytes);
}

static void check_around(const void *data, size_t bytes, size_t gap, const char *what)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < MARGIN; i++) {
        if ((p - MARGIN)[i] != CANARY) fail_msg("%s wrote before its output", what);
    }
    for (size_t i = 0; i < gap; i++) {
        if (p[bytes + i] != CANARY) fail_msg("%s wrote after its output", what);
    }
}

static void check_floats(const float *got, const float *want, size_t n, const char *row,
                         const char *op, int fill)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(got[i]) && isnan(want[i])) continue;
        if (tm_bits_from_float(got[i]) != tm_bits_from_float(want[i]))
            fail_msg("%s %s, fill %d, n %zu: [%zu] is %a, not %a", row, op, fill, n, i,
                     (double)got[i], (double)want[i]);
    }
}

/* Runs one of this many cases. */
static int thinning(void)
{
    return getenv("TM_TESTED_ISA") ? 3 : 1;
}

static void test_best_follows_the_machine(void **state)
{
    (void)state;
    unsigned all = tm_cpu_isa();
    assert_string_equal(scalar()->name, "vec_scalar");
    for (const tm_vec *const *v = tm_vecs(); *v; v++) {
        tm_cpu_limit((*v)->isa);
        if (((*v)->isa & ~all) == 0) assert_ptr_equal(tm_vec_best(), *v);
        assert_int_equal(tm_vec_best()->isa & ~(*v)->isa, 0);
    }
    tm_cpu_limit(TM_ISA_NONE);
    assert_ptr_equal(tm_vec_best(), scalar());
    tm_cpu_limit(~0u);
    for (const tm_vec *const *v = tm_vecs(); *v; v++)
        fprintf(stderr, "# %s: %s\n", (*v)->name,
                available(*v) ? "checked" : "not on this machine");
}

enum { MAX_N = 6912 };
static float a_values[MAX_N], b_values[MAX_N], want[MAX_N];

typedef void binary_fn(const float *x, const float *z, int n, float *y);

static void check_binary(const char *row, const char *op, binary_fn *fn, binary_fn *ref, int n,
                         size_t gap, int fill)
{
    size_t bytes = (size_t)n * sizeof(float);
    ref(a_values, b_values, n, want);
    for (int alias = 0; alias < 3; alias++) { /* y is separate, x or z */
        float *x = take_copy(0, a_values, bytes, gap), *z = take_copy(1, b_values, bytes, gap);
        float *y = alias == 0 ? take(2, bytes, gap) : alias == 1 ? x : z;
        fn(x, z, n, y);
        check_floats(y, want, (size_t)n, row, op, fill);
        check_around(y, bytes, gap, op);
    }
}

static void check_quantize(const tm_vec *v, int n, int n_padded, size_t gap, int fill)
{
    static int8_t q_want[MAX_N + 64];
    int32_t sum_want = 1, sum = 2;
    float *x = take_copy(0, a_values, (size_t)n * sizeof(float), 0);
    int8_t *q = take(1, (size_t)n_padded, gap);
    float scale_want = scalar()->quantize_i8(a_values, n, n_padded, q_want, &sum_want);
    float scale = v->quantize_i8(x, n, n_padded, q, &sum);
    check_floats(&scale, &scale_want, 1, v->name, "quantize_i8 scale", fill);
    if (memcmp(q, q_want, (size_t)n_padded) != 0 || sum != sum_want)
        fail_msg("%s quantize_i8 differs, fill %d, n %d", v->name, fill, n);
    check_around(q, (size_t)n_padded, gap, "quantize_i8");
}

static void check_halves(const tm_vec *v, int n, size_t gap, int fill)
{
    static tm_half h_want[MAX_N];
    size_t bytes = (size_t)n * sizeof(float), half_bytes = (size_t)n * sizeof(tm_half);
    float *x = take_copy(0, a_values, bytes, 0);
    tm_half *h = take(1, half_bytes, gap / 2);
    scalar()->to_half(a_values, n, h_want);
    v->to_half(x, n, h);
    for (int i = 0; i < n; i++) {
        bool both_nan = (h[i] & 0x7fff) > 0x7c00 && (h_want[i] & 0x7fff) > 0x7c00;
        if (h[i] != h_want[i] && !both_nan)
            fail_msg("%s to_half(%a) is %04x, not %04x", v->name, (double)a_values[i], h[i],
                     h_want[i]);
    }
    check_around(h, half_bytes, gap / 2, "to_half");
    scalar()->from_half(h_want, n, want);
    h = take_copy(1, h_want, half_bytes, 0);
    float *y = take(2, bytes, gap);
    v->from_half(h, n, y);
    check_floats(y, want, (size_t)n, v->name, "from_half", fill);
    check_around(y, bytes, gap, "from_half");
}

static void check_arrays(const tm_vec *v, int n, enum fill fill)
{
    const tm_vec *ref = scalar();
    size_t bytes = (size_t)n * sizeof(float), gap = (size_t)(n * 7 % 5) * 4;
    fill_values(a_values, n, fill, (uint64_t)n * 16 + fill);
    fill_values(b_values, n, fill == LARGE ? TINY : fill, (uint64_t)n * 16 + fill + 99);

    float *x = take_copy(0, a_values, bytes, 0);
    float got = v->sum_squares(x, n), expected = ref->sum_squares(a_values, n);
    check_floats(&got, &expected, 1, v->name, "sum_squares", fill);

    ref->scale_by(a_values, 1.7f, b_values, n, want);
    for (int alias = 0; alias < 2; alias++) {
        float *w = take_copy(1, b_values, bytes, 0), *y = take(2, bytes, gap);
        if (alias) y = take_copy(2, a_values, bytes, gap);
        v->scale_by(alias ? y : x, 1.7f, w, n, y);
        check_floats(y, want, (size_t)n, v->name, "scale_by", fill);
        check_around(y, bytes, gap, "scale_by");
    }
    check_binary(v->name, "add", v->add, ref->add, n, gap, fill);
    check_binary(v->name, "silu_mul", v->silu_mul, ref->silu_mul, n, gap, fill);
    check_binary(v->name, "relu2_mul", v->relu2_mul, ref->relu2_mul, n, gap, fill);

    float max, max_expected;
    memcpy(want, a_values, bytes);
    expected = ref->exps(want, n, &max_expected);
    x = take_copy(0, a_values, bytes, gap);
    got = v->exps(x, n, &max);
    check_floats(x, want, (size_t)n, v->name, "exps", fill);
    check_floats(&got, &expected, 1, v->name, "exps' sum", fill);
    if (max != max_expected) fail_msg("%s exps, fill %d, n %d: the maximum", v->name, fill, n);
    check_around(x, bytes, gap, "exps");

    memcpy(want, a_values, bytes);
    ref->join(want, 0.3f, b_values, 1.7f, n);
    x = take_copy(0, a_values, bytes, gap);
    v->join(x, 0.3f, take_copy(1, b_values, bytes, 0), 1.7f, n);
    check_floats(x, want, (size_t)n, v->name, "join", fill);
    check_around(x, bytes, gap, "join");

    ref->scale(a_values, 1.7f, n, want);
    for (int alias = 0; alias < 2; alias++) {
        x = take_copy(0, a_values, bytes, gap);
        float *y = alias ? x : take(1, bytes, gap);
        v->scale(x, 1.7f, n, y);
        check_floats(y, want, (size_t)n, v->name, "scale", fill);
        check_around(y, bytes, gap, "scale");
    }

    check_quantize(v, n, n, gap, fill);
    check_quantize(v, n, (n + 63) / 64 * 64, gap, fill);
    check_halves(v, n, gap, fill);
}

static void test_arrays_equal_scalar(void **state)
{
    (void)state;
    static const int typical[] = {512, 1536, 2560, 3200, 6912};
    for (const tm_vec *const *v = tm_vecs() + 1; *v; v++) {
        if (!available(*v)) continue;
        for (enum fill fill = 0; fill < N_FILLS; fill++) {
            for (int n = 1; n <= 300; n++)
                if (n <= 64 || (n + (int)fill) % thinning() == 0) check_arrays(*v, n, fill);
        }
        for (size_t i = 0; i < sizeof typical / sizeof *typical; i++)
            check_arrays(*v, typical[i], i % 2 ? PLAIN : EDGES);
    }
}

static void test_rotations_equal_scalar(void **state)
{
    (void)state;
    for (const tm_vec *const *v = tm_vecs() + 1; *v; v++) {
        if (!available(*v)) continue;
        for (int n = 2; n <= 300; n += 2) {
            for (int split = 0; split < 2; split++) {
                enum fill fill = (enum fill)(n / 2 % N_FILLS);
                size_t bytes = (size_t)n * sizeof(float), gap = (size_t)(n % 3) * 4;
                fill_values(a_values, n, fill, (uint64_t)n);
                fill_values(b_values, n, PLAIN, (uint64_t)n + 1);
                memcpy(want, a_values, bytes);
                scalar()->rotate(want, n, b_values, b_values + n / 2, split);
                float *x = take_copy(0, a_values, bytes, gap);
                (*v)->rotate(x, n, take_copy(1, b_values, bytes / 2, 0),
                             take_copy(2, b_values + n / 2, bytes / 2, 0), split);
                check_floats(x, want, (size_t)n, (*v)->name, "rotate", fill);
                check_around(x, bytes, gap, "rotate");
            }
        }
    }
}

/* One shape of attention: query i sees n_positions[i] rows. */
typedef struct shape {
    int n_queries, head_dim;
    const int *n_positions;
} shape;

enum { MAX_QUERIES = 13, MAX_ROWS = 144, MAX_DIM = 256, SCORE_STRIDE = MAX_ROWS + 3 };

static void check_attention(const tm_vec *v, const shape *s, enum fill fill, bool half)
{
    static float q[MAX_QUERIES * (MAX_DIM + 3)], rows[MAX_ROWS * MAX_DIM];
    static float score[MAX_QUERIES * SCORE_STRIDE], mixed[MAX_QUERIES * MAX_DIM];
    static tm_half rows_half[MAX_ROWS * MAX_DIM];
    const tm_vec *ref = scalar();
    size_t dim = (size_t)s->head_dim, q_stride = dim + 3, f = sizeof(float);
    size_t n_queries = (size_t)s->n_queries, n_q = (n_queries - 1) * q_stride + dim;
    uint64_t seed = (uint64_t)s->head_dim * 100 + fill;
    int most = 0;
    for (size_t i = 0; i < n_queries; i++)
        most = s->n_positions[i] > most ? s->n_positions[i] : most;
    size_t groups = ((size_t)most + TM_VEC_KEYS - 1) / TM_VEC_KEYS * TM_VEC_KEYS;
    size_t n_k = groups * dim, n_v = (size_t)most * dim;
    size_t n_scores = (n_queries - 1) * SCORE_STRIDE + groups, n_mixed = n_queries * dim;
    fill_values(q, (int)n_q, fill, seed);
    fill_values(rows, (int)n_k, fill, seed + 1);
    if (fill == TINY) { /* every product rounds to -0; a chain that begins with 0 stays 0 */
        for (size_t i = 0; i < n_q; i++) q[i] = fabsf(q[i]);
        for (size_t i = 0; i < n_k; i++) rows[i] = -fabsf(rows[i]);
    }
    for (size_t i = 0; i < n_k; i++) rows_half[i] = tm_half_from_float(rows[i]);

    /* The expected results: one query at a time with the scalar row. */
    for (size_t i = 0; i < n_queries; i++) {
        float *row = score + i * SCORE_STRIDE;
        const int *n = s->n_positions + i;
        if (half) {
            ref->scores_f16(q + i * q_stride, 0, 1, rows_half, s->head_dim, n, 0.3f, row, 0);
            ref->mix_f16(row, 0, 1, rows_half, s->head_dim, n, mixed + i * dim, 0);
        } else {
            ref->scores_f32(q + i * q_stride, 0, 1, rows, s->head_dim, n, 0.3f, row, 0);
            ref->mix_f32(row, 0, 1, rows, s->head_dim, n, mixed + i * dim, 0);
        }
    }
    float *qs = take_copy(0, q, n_q * f, 0), *scores = take(1, n_scores * f, 8);
    if (half)
        v->scores_f16(qs, q_stride, s->n_queries, take_copy(2, rows_half, n_k * sizeof(tm_half), 0),
                      s->head_dim, s->n_positions, 0.3f, scores, SCORE_STRIDE);
    else
        v->scores_f32(qs, q_stride, s->n_queries, take_copy(2, rows, n_k * f, 0), s->head_dim,
                      s->n_positions, 0.3f, scores, SCORE_STRIDE);
    check_around(scores, n_scores * f, 8, "scores");
    for (size_t i = 0; i < n_queries; i++) {
        check_floats(scores + i * SCORE_STRIDE, score + i * SCORE_STRIDE, (size_t)s->n_positions[i],
                     v->name, half ? "scores_f16" : "scores_f32", fill);
        for (size_t p = groups; p < SCORE_STRIDE && i + 1 < n_queries; p++)
            assert_int_equal(tm_bits_from_float(scores[i * SCORE_STRIDE + p]), 0xa5a5a5a5);
    }

    /* Scores after a query's own positions are undefined: NaN here would show in every sum. */
    for (size_t i = 0; i < n_queries; i++)
        for (size_t p = (size_t)s->n_positions[i]; p < groups; p++)
            scores[i * SCORE_STRIDE + p] = NAN;
    float *out = take(3, n_mixed * f, 8);
    if (half)
        v->mix_f16(scores, SCORE_STRIDE, s->n_queries,
                   take_copy(2, rows_half, n_v * sizeof(tm_half), 0), s->head_dim, s->n_positions,
                   out, dim);
    else
        v->mix_f32(scores, SCORE_STRIDE, s->n_queries, take_copy(2, rows, n_v * f, 0), s->head_dim,
                   s->n_positions, out, dim);
    check_floats(out, mixed, n_mixed, v->name, half ? "mix_f16" : "mix_f32", fill);
    check_around(out, n_mixed * f, 8, "mix");
}

static void test_attention_equals_scalar(void **state)
{
    (void)state;
    static const int dims[] = {1,  2,  5,  7,  8,   9,   15,  16,  17,  23,  31,  33, 48,
                               64, 72, 80, 96, 100, 112, 120, 127, 128, 144, 200, 256};
    static const int causal[] = {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
                     odd[] = {0, 3, 1, 140, 2, 17, 139, 0, 4, 0, 33, 0, 144};
    static const int same[] = {131, 131, 131, 131, 131, 131, 131, 131, 131, 131, 131, 131, 131};
    const int *const lengths[] = {causal, odd, same};
    for (const tm_vec *const *v = tm_vecs(); *v; v++) {
        if (!available(*v)) continue;
        for (size_t d = 0; d < sizeof dims / sizeof *dims; d++) {
            for (int i = 0; i < 2 * MAX_QUERIES; i++) {
                if ((i / 2 + (int)d) % thinning() != 0) continue;
                enum fill fill = (enum fill)((i + (int)d) % N_FILLS);
                shape s = {1 + i / 2, dims[d], lengths[(i + (int)d + (int)d / 3) % 3]};
                check_attention(*v, &s, fill, i & 1);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_best_follows_the_machine),
        cmocka_unit_test(test_arrays_equal_scalar),
        cmocka_unit_test(test_rotations_equal_scalar),
        cmocka_unit_test(test_attention_equals_scalar),
    };
    return cmocka_run_group_tests(tests, open_slots, close_slots);
}
