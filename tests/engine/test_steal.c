/* Work stealing: each row is taken exactly once, a slow thread is helped, and results do not
 * change. */
#include "engine/forward.h"
#include "tests/engine/tiny.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_THREADS = 8, MAX_UNITS = 3000 };

static void sleep_us(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* Several threads simulated by one, which calls them in any order. */
typedef struct crowd {
    tm_steal_line lines[MAX_THREADS];
    tm_steal steals[MAX_THREADS];
    int taken[MAX_UNITS]; /* how often; 0 outside the window */
} crowd;

static void gather(crowd *c, int n_threads, bool is_cut)
{
    memset(c, 0, sizeof *c);
    for (int i = 0; i < n_threads; i++)
        c->steals[i] =
            (tm_steal){.lines = c->lines, .thread = i, .n_threads = n_threads, .is_cut = is_cut};
}

/* Takes one piece for a thread. Returns its size; 0: nothing remains. */
static int take(crowd *c, int thread, int *first)
{
    int begin = 0, end = 0;
    if (!tm_steal_next(&c->steals[thread], &begin, &end)) return 0;
    assert_true(begin < end);
    for (int i = begin; i < end; i++) c->taken[i]++;
    *first = begin;
    return end - begin;
}

static void expect_all_taken(const crowd *c, int total, int first, int last)
{
    for (int i = 0; i < total; i++) assert_int_equal(c->taken[i], i >= first && i < last);
}

static void test_a_thread_takes_its_share_from_the_front(void **state)
{
    /* 49 units are 25 grains of 2, the last of them short: 13, 6, 3, 2, 1 of them. */
    static const int sizes[] = {26, 12, 6, 4, 1};
    crowd c;
    int at = 0, first = -1;
    (void)state;
    gather(&c, 2, true);
    for (int i = 0; i < 2; i++) tm_steal_begin(&c.steals[i], 98, 0, 98, 2);
    for (int i = 0; i < 5; at += sizes[i++]) {
        assert_int_equal(take(&c, 0, &first), sizes[i]);
        assert_int_equal(first, at);
    }
    assert_int_equal(at, 49);
}

static void test_shares_stay_whole_while_threads_are_equal(void **state)
{
    crowd c;
    int first = -1;
    (void)state;
    gather(&c, 3, false);
    for (int i = 0; i < 3; i++) {
        int begin, end;
        tm_steal_begin(&c.steals[i], 100, 10, 95, 1);
        tm_split(100, 1, i, 3, &begin, &end);
        if (begin < 10) begin = 10;
        if (end > 95) end = 95;
        assert_int_equal(take(&c, i, &first), end - begin);
        assert_int_equal(first, begin);
        assert_int_equal(take(&c, i, &first), 0);
    }
    expect_all_taken(&c, 100, 10, 95);
}

/* One thread begins the phase alone and does all of it; late threads find nothing. */
static void test_shares_of_sleeping_threads_are_taken(void **state)
{
    crowd c;
    int first;
    (void)state;
    gather(&c, 4, true);
    for (int phase = 0; phase < 5; phase++) {
        memset(c.taken, 0, sizeof c.taken);
        int awake = phase % 4;
        tm_steal_begin(&c.steals[awake], 200, 0, 200, 3);
        while (take(&c, awake, &first) > 0) {
        }
        expect_all_taken(&c, 200, 0, 200);
        for (int i = 0; i < 4; i++) {
            if (i == awake) continue;
            tm_steal_begin(&c.steals[i], 200, 0, 200, 3);
            assert_int_equal(take(&c, i, &first), 0);
        }
    }
}

static void test_steals_from_the_back_of_the_largest_rest(void **state)
{
    crowd c;
    int first;
    (void)state;
    gather(&c, 3, true);
    for (int i = 0; i < 3; i++) tm_steal_begin(&c.steals[i], 300, 0, 300, 10);
    assert_int_equal(take(&c, 1, &first), 50); /* 1 has 50 units left, 2 has 100 */
    int own = 0;
    while (own < 100) own += take(&c, 0, &first);
    assert_int_equal(take(&c, 0, &first), 40); /* 4 grains of 10: a third, rounded up */
    assert_int_equal(first, 260);
    assert_int_equal(take(&c, 0, &first), 20); /* 2 has 60 left, 1 has 50 */
    assert_int_equal(first, 240);
    assert_int_equal(take(&c, 0, &first), 20);
    assert_int_equal(first, 180);
}

static void test_steals_from_its_own_node_first(void **state)
{
    crowd c;
    int first, seen = 100;
    (void)state;
    gather(&c, 3, true);
    c.lines[1].node = 1;
    for (int i = 0; i < 3; i++) tm_steal_begin(&c.steals[i], 300, 0, 300, 10);
    take(&c, 2, &first); /* less remains there than on the other node */
    while (take(&c, 0, &first) > 0) {
        bool far = first >= 100 && first < 200;
        if (far) seen = 200;
        assert_true(seen == 100 || far);
    }
    assert_int_equal(seen, 200);
    expect_all_taken(&c, 300, 0, 300);
}

/* Words of much earlier phases when the count wraps. */
static void test_phase_numbers_may_wrap(void **state)
{
    crowd c;
    int first;
    (void)state;
    gather(&c, 2, true);
    for (int i = 0; i < 2; i++) {
        c.lines[i].phase = UINT32_MAX - 2;
        c.lines[i].left = (uint64_t)(UINT32_MAX - 2) << 32;
    }
    for (int phase = 0; phase < 6; phase++) {
        memset(c.taken, 0, sizeof c.taken);
        for (int i = 0; i < 2; i++) tm_steal_begin(&c.steals[i], 64, 0, 64, 1);
        for (int left = 2; left > 0;) {
            left = 2;
            for (int i = 0; i < 2; i++) left -= take(&c, i, &first) == 0;
        }
        expect_all_taken(&c, 64, 0, 64);
    }
}

/* More grains than a word can count become larger grains. Shares may be empty. */
static void test_any_number_of_units(void **state)
{
    static const int totals[] = {0, 1, 2, 5, 65535, 65536, 1 << 20, 1 << 30, INT32_MAX};
    static const int grains[] = {1, 7, 1 << 28, INT32_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof totals / sizeof *totals; i++)
        for (size_t j = 0; j < sizeof grains / sizeof *grains; j++)
            for (int n = 2; n <= MAX_THREADS; n += 3) {
                crowd c;
                int64_t sum = 0;
                gather(&c, n, true);
                for (int t = 0; t < n; t++)
                    tm_steal_begin(&c.steals[t], totals[i], 0, totals[i], grains[j]);
                for (int t = 0; t < n; t++)
                    for (int begin, end; tm_steal_next(&c.steals[t], &begin, &end);) {
                        assert_true(begin >= 0 && begin < end && end <= totals[i]);
                        sum += end - begin;
                    }
                assert_int_equal(sum, totals[i]);
            }
}

/* Many phases of odd sizes by real threads, some of them slow. */
typedef struct race {
    tm_pool *pool;
    crowd c;
    atomic_int taken[MAX_UNITS];
    atomic_int n_wrong;
    int n_units[MAX_THREADS]; /* in the last phase */
    atomic_int n_taken;       /* units of the last phase */
    int n_phases;
    bool is_slow; /* thread 0 in the last phase: the others steal between its pieces */
} race;

/* Waits until everything is taken, with a limit in case no thread helps. */
static void dawdle(race *r, int n_units)
{
    for (int i = 0; i < 30000 && r->n_taken < n_units; i++) sleep_us(1000);
}

static void run_race(void *arg, int thread, int n_threads)
{
    race *r = arg;
    tm_steal *steal = &r->c.steals[thread];
    for (int phase = 0; phase < r->n_phases; phase++) {
        int total = (phase * 37 + 1) % MAX_UNITS, first = phase % 3 * total / 7;
        int last = total - phase % 2 * total / 5, grain = 1 + phase % 5, begin, end;
        tm_pool_barrier(r->pool);
        if (thread == phase % n_threads) sleep_us(phase % 4 == 0 ? 50 : 0);
        tm_steal_begin(steal, total, first, last, grain);
        r->n_units[thread] = 0;
        bool is_last = phase == r->n_phases - 1;
        while (tm_steal_next(steal, &begin, &end)) {
            r->n_units[thread] += end - begin;
            for (int i = begin; i < end; i++) atomic_fetch_add(&r->taken[i], 1);
            if (is_last) atomic_fetch_add(&r->n_taken, end - begin);
            if (is_last && thread == 0 && r->is_slow) dawdle(r, last - first);
        }
        tm_pool_barrier(r->pool);
        if (thread != 0) continue;
        for (int i = 0; i < total; i++) {
            if (r->taken[i] != (i >= first && i < last)) r->n_wrong++;
            r->taken[i] = 0;
        }
    }
}

static void test_threads_take_each_unit_once(void **state)
{
    (void)state;
    race *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (int n = 1; n <= MAX_THREADS; n++)
        for (int is_cut = 0; is_cut < 2; is_cut++) {
            gather(&r->c, n, is_cut && n > 1);
            r->pool = tiny_pool(n);
            r->n_phases = 150;
            tm_pool_run(r->pool, run_race, r);
            tm_pool_close(r->pool);
            assert_int_equal(r->n_wrong, 0);
        }
    free(r);
}

static void test_a_slow_thread_takes_less(void **state)
{
    (void)state;
    race *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        int total = 0;
        gather(&r->c, 3, is_cut);
        r->pool = tiny_pool(3);
        r->n_phases = 80; /* the last is of 2,924 units, of which 2,340 are taken */
        r->n_taken = 0;
        r->is_slow = true;
        tm_pool_run(r->pool, run_race, r);
        tm_pool_close(r->pool);
        for (int i = 0; i < 3; i++) total += r->n_units[i];
        assert_int_equal(r->n_wrong, 0);
        assert_true(total > 1000);
        /* Half of its share in its first piece, and then what others leave: nothing. Whole shares
         * are one piece, whatever the others could do. */
        if (is_cut)
            assert_true(r->n_units[0] < total / 4);
        else
            assert_true(r->n_units[0] > total / 4);
    }
    free(r);
}

static void test_unevenness_is_the_gain_of_even_shares(void **state)
{
    tm_steal_line lines[4] = {{.ticks = 100, .work = 50}, {.ticks = 100, .work = 50}};
    (void)state;
    assert_true(fabs(tm_steal_unevenness(lines, 2)) < 1e-12);
    lines[1].ticks = 150; /* as fast as the first they would both take 125 */
    assert_true(fabs(tm_steal_unevenness(lines, 2) - 0.2) < 1e-12);
    lines[1] = (tm_steal_line){.ticks = 100, .work = 25}; /* helped, but still slow */
    assert_true(fabs(tm_steal_unevenness(lines, 2) - 0.5) < 1e-12);
    lines[1] = (tm_steal_line){.ticks = 7}; /* did nothing: not slow */
    assert_true(fabs(tm_steal_unevenness(lines, 2)) < 1e-12);
    lines[1] = (tm_steal_line){.ticks = 1000000, .work = 1}; /* preempted all the time */
    assert_true(tm_steal_unevenness(lines, 2) <= 1);
    memset(lines, 0, sizeof lines);
    assert_true(tm_steal_unevenness(lines, 4) == 0);
}

/* Time during which a thread was preempted says nothing about its speed. */
static void test_preemption_does_not_count(void **state)
{
    crowd c;
    (void)state;
    gather(&c, 2, false);
    for (int phase = 0; phase < 20; phase++)
        for (int i = 0; i < 2; i++)
            tm_steal_end(&c.steals[i], i == 1 && phase % 5 == 1 ? 5000 : 100, 10);
    assert_true(c.lines[0].work == 200 && c.lines[0].ticks == 2000);
    assert_true(c.lines[1].work == 160 && c.lines[1].ticks == 1600);
    assert_true(tm_steal_unevenness(c.lines, 2) < 1e-12);
    /* A core that has become slow is recognised after some phases. */
    for (int phase = 0; phase < 30; phase++) tm_steal_end(&c.steals[1], 500, 10);
    assert_true(tm_steal_unevenness(c.lines, 2) > 0.1);
    tm_steal_end(&c.steals[1], 500, 0); /* found nothing to do */
    assert_true(c.lines[1].work > 0);
}

static void test_habit(void **state)
{
    int n = 0;
    (void)state;
    tm_steal_habit habit = tm_steal_habit_of(false);
    assert_false(habit.cut);
    for (int i = 0; i < 100; i++) tm_steal_learn(&habit, 0.08); /* as equal cores may differ */
    assert_false(habit.cut);
    for (; !habit.cut && n < 100; n++) tm_steal_learn(&habit, 0.3);
    assert_true(n >= 1 && n <= 3);
    for (n = 0; n < 100; n++) tm_steal_learn(&habit, 0.08); /* between the two limits: unchanged */
    assert_true(habit.cut);
    for (n = 0; habit.cut && n < 100; n++) tm_steal_learn(&habit, 0.01);
    assert_true(n >= 3 && n <= 20);
    habit = tm_steal_habit_of(true);
    assert_true(habit.cut);
    for (n = 0; habit.cut && n < 100; n++) tm_steal_learn(&habit, 0);
    assert_true(n >= 20 && n <= 40);
}

/* Whole passes. */

enum { N_PROMPT = 17, N_DECODE = 2, N_VOCAB = 503 };

/* Wide enough for several grains per share, with matrices of different sizes in a phase. */
static tm_config wide_config(const char *arch)
{
    tm_config config = tiny_config(arch);
    config.n_hidden = 512;
    config.n_heads = 8;
    config.n_kv_heads = 2;
    config.head_dim = 64;
    config.n_rot = 64;
    config.n_ffn = 1024;
    config.n_vocab = N_VOCAB;
    return config;
}

static void evaluate(const tm_model *model, tm_pool *pool, bool cut, float *logits)
{
    const float *out = NULL;
    int32_t tokens[N_PROMPT];
    for (int i = 0; i < N_PROMPT; i++) tokens[i] = i * 7 % N_VOCAB;
    tm_session *s = tiny_session(model, pool, (tm_session_options){.n_context = 64, .n_batch = 12});
    /* So uneven that shares stay cut whatever these passes take. */
    s->habit = (tm_steal_habit){.unevenness = cut ? 1e9 : -1e9, .cut = cut};
    TINY_OK(tm_session_eval(s, tokens, N_PROMPT, TM_LOGITS_LAST, &out, &err));
    memcpy(logits, out, N_VOCAB * sizeof *logits);
    for (int i = 0; i < N_DECODE; i++)
        TINY_OK(tm_session_eval(s, &tokens[i], 1, TM_LOGITS_LAST, &out, &err));
    memcpy(logits + N_VOCAB, out, N_VOCAB * sizeof *logits);
    assert_int_equal(s->habit.cut, cut);
    tm_session_close(s);
}

static void test_cut_shares_give_the_same_bits(void **state)
{
    static const char *const archs[] = {"bitnet-b1.58", "llama"};
    static const char *const kernels[] = {"ternary", "f32r16"};
    static float wanted[2 * N_VOCAB], logits[2 * N_VOCAB];
    (void)state;
    for (int k = 0; k < 2; k++) {
        tm_config config = wide_config(archs[k]);
        for (int n = 1; n <= MAX_THREADS; n += n < 3 ? 1 : 5) {
            tm_pool *pool = tiny_pool(n);
            tm_model model = tiny_model(&config, kernels[k], NULL, pool);
            if (n == 1) evaluate(&model, pool, false, wanted);
            for (int repeat = 0; repeat < 2; repeat++) {
                memset(logits, 0xff, sizeof logits);
                evaluate(&model, pool, repeat > 0, logits);
                assert_memory_equal(logits, wanted, sizeof logits);
            }
            tm_model_close(&model);
            tm_pool_close(pool);
        }
    }
}

/* A kernel that counts its rows and is slow on the thread that opened the pool. */
enum { MAX_MATRICES = 14, MAX_ROWS = 1024 };
static const tm_kernel *real;
static pthread_t slow_thread;
static const void *matrices[MAX_MATRICES];
static atomic_int rows_taken[MAX_MATRICES][MAX_ROWS];
static atomic_int n_slow_rows, n_rows_all, n_strange;

static void count_rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                       int row_end, float *y)
{
    int m = 0;
    while (m < MAX_MATRICES && matrices[m] != w->data) m++;
    if (m == MAX_MATRICES) n_strange++;
    for (int r = row_begin; m < MAX_MATRICES && r < row_end; r++) rows_taken[m][r]++;
    n_rows_all += row_end - row_begin;
    real->rows(w, x, scratch, row_begin, row_end, y);
    if (!pthread_equal(pthread_self(), slow_thread)) return;
    n_slow_rows += row_end - row_begin;
    sleep_us(4L * (row_end - row_begin));
}

static void test_a_slow_core_gets_fewer_rows(void **state)
{
    tm_model model;
    tm_source source;
    tm_config config = wide_config("bitnet-b1.58");
    (void)state;
    TINY_OK(tm_kernel_pick("ternary", &real, &err));
    tm_kernel counting = *real;
    counting.rows = count_rows;
    slow_thread = pthread_self();
    tm_pool *pool = tiny_pool(2);
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    TINY_OK(tm_model_open(&source, &(tm_model_options){.kernel = &counting}, pool, &model, &err));
    tm_source_close(&source);
    for (int l = 0, m = 0; l < config.n_layers; l++) {
        tm_matrix *of[TM_LAYER_MATRICES];
        tm_layer_matrices(&model.layers[l], of);
        for (int i = 0; i < TM_LAYER_MATRICES; i++) matrices[m++] = of[i]->weight.data;
    }
    tm_session *s = tiny_session(&model, pool, (tm_session_options){.n_context = 64});
    assert_false(s->habit.cut);
    int half = 0;
    for (int pass = 0; pass < 14; pass++) {
        int32_t token = pass % 100;
        if (pass == 6) n_slow_rows = n_rows_all = 0; /* the habit is learnt by now */
        TINY_OK(tm_session_eval(s, &token, 1, TM_LOGITS_LAST, NULL, &err));
        if (pass == 0) half = n_slow_rows;
        for (int m = 0; m < MAX_MATRICES; m++) {
            int n_rows = m % 7 == 1 || m % 7 == 2 ? 128 : m % 7 == 4 || m % 7 == 5 ? 1024 : 512;
            for (int r = 0; r < MAX_ROWS; r++) {
                assert_int_equal(rows_taken[m][r], r < n_rows);
                rows_taken[m][r] = 0;
            }
        }
    }
    assert_int_equal(n_strange, 0);
    assert_int_equal(n_rows_all, 8 * 2 * (512 + 128 + 128 + 512 + 1024 + 1024 + 512));
    assert_int_equal(half, n_rows_all / 8 / 2);
    assert_true(s->habit.cut);
    assert_true(n_slow_rows > 0);
    if (n_slow_rows > n_rows_all * 9 / 20)
        fail_msg("the slow thread did %d of %d rows", n_slow_rows, n_rows_all);
    tm_session_close(s);
    tm_model_close(&model);
    tm_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_takes_its_share_from_the_front),
        cmocka_unit_test(test_shares_stay_whole_while_threads_are_equal),
        cmocka_unit_test(test_shares_of_sleeping_threads_are_taken),
        cmocka_unit_test(test_steals_from_the_back_of_the_largest_rest),
        cmocka_unit_test(test_steals_from_its_own_node_first),
        cmocka_unit_test(test_phase_numbers_may_wrap),
        cmocka_unit_test(test_any_number_of_units),
        cmocka_unit_test(test_threads_take_each_unit_once),
        cmocka_unit_test(test_a_slow_thread_takes_less),
        cmocka_unit_test(test_unevenness_is_the_gain_of_even_shares),
        cmocka_unit_test(test_preemption_does_not_count),
        cmocka_unit_test(test_habit),
        cmocka_unit_test(test_cut_shares_give_the_same_bits),
        cmocka_unit_test(test_a_slow_core_gets_fewer_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
