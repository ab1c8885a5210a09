/* The definition, vec_scalar.c, against closed forms in double; exact operations in every row; and
 * one hash that every row must give on every machine. */
#include "tests/kernels/vec/vec_values.h"

#include "kernels/vec/vec_exp.h"

#define UNIT 0x1p-24 /* half an ulp of 1: the largest relative error of one rounding */

static void test_exp_is_within_one_ulp(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= 0x42b17217u; bits += 997) { /* 0 .. 88.7228 */
        for (int sign = 0; sign < 2; sign++) {
            float x = sign ? -tm_float_from_bits(bits) : tm_float_from_bits(bits);
            if (x < TM_EXP_LOW) continue;
            double exact = exp((double)x);
            int exponent;
            frexp(exact, &exponent);
            double ulps = fabs((double)tm_vec_exp(x) - exact) / ldexp(1, exponent - 24);
            if (!(ulps < 1)) fail_msg("exp(%a) is off by %.3f ulp", (double)x, ulps);
        }
    }
    assert_true(tm_vec_exp(0) == 1 && tm_vec_exp(-0.0f) == 1);
    assert_true(tm_vec_exp(-INFINITY) == 0 && tm_vec_exp(-FLT_MAX) == 0);
    assert_true(tm_vec_exp(TM_EXP_LOW) >= FLT_MIN);
    assert_true(tm_vec_exp(nextafterf(TM_EXP_LOW, -100)) == 0);
    assert_true(tm_vec_exp(0x1.62e42ep+6f) <= FLT_MAX); /* the last below 128 ln 2 */
    assert_true(isinf(tm_vec_exp(88.73f)) && isinf(tm_vec_exp(INFINITY)));
    assert_true(isnan(tm_vec_exp(NAN)));
}

static void assert_close(double got, double exact, double bound, const char *what)
{
    if (!(fabs(got - exact) <= bound))
        fail_msg("%s: %.9g, exactly %.17g, bound %.3g", what, got, exact, bound);
}

static void test_scalar_arrays_against_double(void **state)
{
    (void)state;
    const tm_vec *v = scalar();
    const int n = 1000;
    static float x[1000], z[1000], y[1000];
    fill_values(x, n, PLAIN, 1);
    fill_values(z, n, PLAIN, 2);
    for (int i = 0; i < n; i += 3) x[i] *= 20; /* gates of -80 .. 80 */

    double squares = 0;
    for (int i = 0; i < n; i++) squares += (double)x[i] * (double)x[i];
    /* A lane takes 16 roundings, the tree 6. */
    assert_close((double)v->sum_squares(x, n), squares, 22 * UNIT * squares, "sum_squares");

    v->scale_by(x, 0.37f, z, n, y);
    for (int i = 0; i < n; i++) {
        double exact = (double)x[i] * (double)0.37f * (double)z[i];
        assert_close((double)y[i], exact, 2.01 * UNIT * fabs(exact), "scale_by");
    }
    v->add(x, z, n, y);
    for (int i = 0; i < n; i++) assert_true(y[i] == (float)((double)x[i] + (double)z[i]));
    v->silu_mul(x, z, n, y);
    for (int i = 0; i < n; i++) {
        double exact = (double)x[i] / (1 + exp(-(double)x[i])) * (double)z[i];
        /* exp 2, one sum, one quotient, one product. */
        assert_close((double)y[i], exact, 5.01 * UNIT * fabs(exact), "silu_mul");
    }
    v->relu2_mul(x, z, n, y);
    for (int i = 0; i < n; i++) {
        double r = x[i] > 0 ? (double)x[i] : 0, exact = r * r * (double)z[i];
        assert_close((double)y[i], exact, 2.01 * UNIT * fabs(exact), "relu2_mul");
    }

    double max = -1e9, sum = 0;
    for (int i = 0; i < n; i++) max = (double)x[i] > max ? (double)x[i] : max;
    for (int i = 0; i < n; i++) sum += exp((double)x[i] - max);
    memcpy(y, x, (size_t)n * sizeof *x);
    float largest, total = v->exps(y, n, &largest);
    assert_true((double)largest == max);
    for (int i = 0; i < n; i++) {
        double t = (double)x[i] - max, exact = exp(t);
        /* x - max rounds by |t| UNIT; exp 2; below e^-87: 0. */
        assert_close((double)y[i], exact, (fabs(t) + 3) * UNIT * exact + 1e-37, "exps");
    }
    /* What rounds by |t| UNIT weighs e^t: at most 20 times a UNIT. exp 2, lanes 16, tree 6. */
    assert_close((double)total, sum, 44 * UNIT * sum, "exps' sum");
    float pair[2] = {-INFINITY, 3}, none[2] = {-INFINITY, -INFINITY}, bad[2] = {NAN, 1};
    assert_true(v->exps(pair, 2, &largest) == 1 && pair[0] == 0 && pair[1] == 1 && largest == 3);
    assert_true(v->exps(none, 2, &largest) == 0 && none[0] == 0 && largest == -FLT_MAX);
    assert_true(isnan(v->exps(bad, 2, &largest)) && largest == 1);

    memcpy(y, x, (size_t)n * sizeof *x);
    v->join(y, 0.37f, z, 0.61f, n);
    for (int i = 0; i < n; i++) {
        double kept = (double)x[i] * (double)0.37f, added = (double)z[i] * (double)0.61f;
        assert_close((double)y[i], kept + added, 2.01 * UNIT * (fabs(kept) + fabs(added)), "join");
    }
    v->scale(x, 0.37f, n, y);
    for (int i = 0; i < n; i++) assert_true(y[i] == (float)((double)x[i] * (double)0.37f));
}

static void test_quantizing_by_hand(void **state)
{
    (void)state;
    /* max 127, so s = 1: ties go to even. */
    static const float ties[] = {127,   0.5f,  1.5f,   2.5f,  -0.5f,
                                 -1.5f, -2.5f, 126.5f, -0.0f, -126.49f};
    static const int8_t q_ties[] = {127, 0, 2, 2, 0, -2, -2, 126, 0, -126, 0, 0};
    static const float zeros[3] = {0, -0.0f, 0}, odd[] = {NAN, -2, 1, INFINITY};
    for (const tm_vec *const *row = tm_vecs(); *row; row++) {
        const tm_vec *v = *row;
        if (!available(v)) continue;
        int8_t q[12];
        int32_t sum;
        assert_true(v->quantize_i8(ties, 10, 12, q, &sum) == 1);
        assert_memory_equal(q, q_ties, 12);
        assert_int_equal(sum, 127 + 126 - 126);
        assert_true(v->quantize_i8(zeros, 3, 8, q, &sum) == 1 / (float)(127.0 / 1e-5));
        for (int i = 0; i < 8; i++) assert_int_equal(q[i], 0);
        assert_int_equal(sum, 0);
        assert_true(v->quantize_i8(odd, 3, 3, q, &sum) == 1 / (float)(127.0 / 2));
        assert_true(q[0] == -127 && q[1] == -127 && q[2] == 64 && sum == -190);
        assert_true(isinf(v->quantize_i8(odd, 4, 4, q, &sum)));
        assert_true(q[0] == -127 && q[1] == 0 && q[2] == 0 && q[3] == -127);
    }
}

static void test_scalar_heads_against_double(void **state)
{
    (void)state;
    enum { DIM = 100, ROWS = 50 };
    const tm_vec *v = scalar();
    const int n_rows = ROWS;
    static float k[DIM * ROWS], groups[DIM * (ROWS + TM_VEC_KEYS)], score[ROWS], out[DIM];
    float q[DIM], cosines[DIM / 2], sines[DIM / 2];
    fill_values(q, DIM, PLAIN, 3);
    fill_values(k, DIM * ROWS, PLAIN, 4);
    for (int p = 0; p < ROWS; p++)
        for (int d = 0; d < DIM; d++) groups[tm_vec_key_at(DIM, p, d)] = k[p * DIM + d];
    v->scores_f32(q, 0, 1, groups, DIM, &n_rows, 0.1f, score, 0);
    for (int p = 0; p < ROWS; p++) {
        double exact = 0, size = 0;
        for (int d = 0; d < DIM; d++) {
            exact += (double)q[d] * (double)k[p * DIM + d];
            size += fabs((double)q[d] * (double)k[p * DIM + d]);
        }
        assert_close((double)score[p], exact * (double)0.1f, (DIM + 1) * UNIT * size * 0.1,
                     "scores_f32");
    }
    v->mix_f32(score, 0, 1, k, DIM, &n_rows, out, 0);
    for (int d = 0; d < DIM; d++) {
        double exact = 0, size = 0;
        for (int p = 0; p < ROWS; p++) {
            exact += (double)score[p] * (double)k[p * DIM + d];
            size += fabs((double)score[p] * (double)k[p * DIM + d]);
        }
        assert_close((double)out[d], exact, ROWS * UNIT * size, "mix_f32");
    }
    for (int i = 0; i < DIM / 2; i++) {
        cosines[i] = (float)cos(0.1 * i);
        sines[i] = (float)sin(0.1 * i);
    }
    for (int split = 0; split < 2; split++) {
        memcpy(out, q, sizeof out);
        v->rotate(out, DIM, cosines, sines, split);
        for (int i = 0; i < DIM / 2; i++) { /* as a product of complex numbers, by its angle */
            int at = split ? i : 2 * i, other = split ? i + DIM / 2 : 2 * i + 1;
            double r = hypot((double)q[at], (double)q[other]);
            double angle = atan2((double)q[other], (double)q[at]) + 0.1 * i;
            assert_close((double)out[at], r * cos(angle), 4 * UNIT * r, "rotate");
            assert_close((double)out[other], r * sin(angle), 4 * UNIT * r, "rotate");
        }
    }
}

/* Every half, and both sides of every midpoint between two. */
static void test_halves_are_exact(void **state)
{
    (void)state;
    for (const tm_vec *const *row = tm_vecs(); *row; row++) {
        if (!available(*row)) continue;
        static tm_half all[0x7c00], back[4 * 0x7c00];
        static float value[0x7c00], near[4 * 0x7c00];
        for (int h = 0; h < 0x7c00; h++) all[h] = (tm_half)h;
        (*row)->from_half(all, 0x7c00, value);
        for (int h = 0; h < 0x7c00; h++) {
            int exponent = h >> 10, mantissa = h & 1023;
            double exact = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
            assert_true((double)value[h] == exact);
            float next =
                h == 0x7bff ? 65536 : (float)(exact + ldexp(1, exponent ? exponent - 25 : -24));
            float middle = (value[h] + next) / 2;
            near[4 * h] = -value[h];
            near[4 * h + 1] = nextafterf(middle, 0);
            near[4 * h + 2] = middle;
            near[4 * h + 3] = nextafterf(middle, 1e9f);
        }
        (*row)->to_half(near, 4 * 0x7c00, back);
        for (int h = 0; h < 0x7c00; h++) {
            assert_int_equal(back[4 * h], h | 0x8000);
            assert_int_equal(back[4 * h + 1], h);
            assert_int_equal(back[4 * h + 2], h + (h & 1));
            assert_int_equal(back[4 * h + 3], h + 1);
        }
    }
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t bytes) /* FNV-1a */
{
    const uint8_t *p = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3ull;
    return hash;
}

static uint64_t hash_row(const tm_vec *v)
{
    enum { N = 1603, DIM = 100, ROWS = 10 };
    static float x[N], z[N], y[N];
    static tm_half h[N]; /* 16 positions of 100 elements, of which 10 are read */
    const int n_rows = ROWS;
    int8_t q[N + 5];
    int32_t sum;
    float largest;
    uint64_t hash = 0xcbf29ce484222325ull;
    for (enum fill fill = 0; fill < WILD; fill++) {
        if (fill == LARGE) continue; /* overflows to NaN, whose bits are not guaranteed */
        fill_values(x, N, fill, 5);
        fill_values(z, N, PLAIN, 6);
        float one = v->sum_squares(x, N);
        hash = hash_bytes(hash, &one, sizeof one);
        v->scale_by(x, 0.7f, z, N, y);
        hash = hash_bytes(hash, y, sizeof y);
        v->silu_mul(x, z, N, y);
        hash = hash_bytes(hash, y, sizeof y);
        v->relu2_mul(x, z, N, y);
        hash = hash_bytes(hash, y, sizeof y);
        one = v->quantize_i8(x, N, N + 5, q, &sum);
        hash = hash_bytes(hash_bytes(hash, &one, sizeof one), q, sizeof q);
        v->to_half(z, N, h);
        hash = hash_bytes(hash, h, sizeof h);
        v->scores_f16(z, 0, 1, h, DIM, &n_rows, 0.1f, y, 0);
        hash = hash_bytes(hash, y, ROWS * sizeof *y);
        one = v->exps(y, ROWS, &largest);
        v->mix_f16(y, 0, 1, h, DIM, &n_rows, y + TM_VEC_KEYS, 0);
        v->scale(y + TM_VEC_KEYS, 1 / one, DIM, y + TM_VEC_KEYS);
        v->rotate(y + TM_VEC_KEYS, DIM, z, z + DIM, fill & 1);
        hash = hash_bytes(hash, y + TM_VEC_KEYS, DIM * sizeof *y);
        memcpy(y, x, sizeof y);
        one = v->exps(y, N, &largest);
        hash = hash_bytes(hash_bytes(hash, &one, sizeof one), y, sizeof y);
        v->join(y, 0.3f, z, 0.6f, N);
        hash = hash_bytes(hash, y, sizeof y);
    }
    return hash;
}

static void test_every_machine_gives_these_bits(void **state)
{
    (void)state;
    for (const tm_vec *const *v = tm_vecs(); *v; v++) {
        if (available(*v)) assert_int_equal(hash_row(*v), 0x47786571d8d21642ull);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp_is_within_one_ulp),
        cmocka_unit_test(test_scalar_arrays_against_double),
        cmocka_unit_test(test_quantizing_by_hand),
        cmocka_unit_test(test_scalar_heads_against_double),
        cmocka_unit_test(test_halves_are_exact),
        cmocka_unit_test(test_every_machine_gives_these_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
