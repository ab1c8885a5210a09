/* Races with scripted times: what decides, and what noise must not decide. */
#include "harness/tune/race.h"
#include "tests/tm_test.h"

#include <math.h>
#include <unistd.h>

/* A scripted machine: true times, noise, drift, and what goes wrong. */
typedef struct machine {
    double ns[TM_RACE_MAX];    /* true time of each competitor */
    double noise;              /* standard deviation on the log scale */
    double drift;              /* factor from one run to the next */
    int fails_at[TM_RACE_MAX]; /* its run of this number fails, from 1; 0: never */
    int slow_at[TM_RACE_MAX];  /* its run of this number takes ten times as long */
    int runs[TM_RACE_MAX], n_runs;
    int interrupt_at, interrupt_fd;
    uint64_t state; /* of the random numbers */
} machine;

static double uniform(machine *m)
{
    m->state = m->state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(m->state >> 33) + 0.5) / 2147483648.0;
}

static double run(void *arg, int i)
{
    machine *m = arg;
    m->runs[i]++;
    m->n_runs++;
    if (m->n_runs == m->interrupt_at) assert_int_equal(write(m->interrupt_fd, "x", 1), 1);
    if (m->runs[i] == m->fails_at[i]) return NAN;
    double normal = sqrt(-2 * log(uniform(m))) * cos(2 * 3.14159265358979 * uniform(m));
    double ns = m->ns[i] * exp(m->noise * normal) * pow(m->drift > 0 ? m->drift : 1, m->n_runs);
    return m->runs[i] == m->slow_at[i] ? 10 * ns : ns;
}

static tm_race_place places[TM_RACE_MAX];

/* The winner; -1: none. */
static int decide(machine *m, const double *bytes, int n)
{
    const tm_race race = {.n = n, .bytes = bytes, .run = run, .arg = m};
    int winner = -2;
    tm_error err = {0};
    assert_int_equal(tm_race_decide(&race, places, &winner, &err), TM_OK);
    if (winner >= 0) {
        assert_int_equal(places[winner].end, TM_RACE_WON);
        assert_int_equal(places[winner].lost_to, -1);
    }
    for (int i = 0; i < n; i++)
        if (i != winner) assert_true(places[i].end != TM_RACE_WON);
    return winner;
}

static const double two_bits[] = {1.67, 2};

static void test_clear_difference_needs_few_pairs(void **state)
{
    (void)state;
    for (int faster = 0; faster < 2; faster++) {
        machine m = {.ns = {1e8, 1e8}, .noise = 0.01, .state = 1};
        m.ns[faster] = 0.9e8;
        assert_int_equal(decide(&m, two_bits, 2), faster);
        const tm_race_place *loser = &places[!faster];
        assert_int_equal(loser->end, TM_RACE_SLOWER);
        assert_int_equal(loser->lost_to, faster);
        assert_int_equal(loser->ratio.n, 8);
        assert_true(loser->ratio.low > 1 && loser->ratio.low < 1 / 0.9);
        assert_true(loser->ratio.high > 1 / 0.9 && fabs(loser->ratio.value - 1 / 0.9) < 0.03);
    }
}

/* Within 1 % the layout with fewer bytes wins, although the other one is faster; among equal
 * bytes the later one. */
static void test_small_difference_does_not_decide(void **state)
{
    (void)state;
    const double equal[] = {2, 2}, reversed[] = {2, 1.67};
    machine m = {.ns = {1e8, 0.998e8}, .noise = 0.001, .state = 2};
    machine a = m, b = m, c = m;
    assert_int_equal(decide(&a, two_bits, 2), 0);
    assert_int_equal(places[1].end, TM_RACE_EQUAL);
    assert_int_equal(places[1].lost_to, 0);
    assert_true(places[1].ratio.low > 0.99 && places[1].ratio.high < 1.01);
    assert_true(fabs(places[1].ratio.value - 0.998) < 0.001); /* its time over the winner's */
    assert_int_equal(decide(&b, reversed, 2), 1);
    assert_int_equal(decide(&c, equal, 2), 1);
}

static void test_noise_does_not_decide(void **state)
{
    (void)state;
    int n_wrong = 0, n_open = 0;
    for (int seed = 1; seed <= 300; seed++) {
        machine m = {.ns = {1e8, 1e8}, .noise = 0.1, .state = (uint64_t)seed};
        int winner = decide(&m, two_bits, 2);
        n_wrong += places[!winner].end == TM_RACE_SLOWER;
        n_open += places[!winner].end == TM_RACE_OPEN;
        if (places[!winner].end != TM_RACE_SLOWER) assert_int_equal(winner, 0);
        assert_true(places[!winner].ratio.n <= TM_RACE_PAIRS);
    }
    assert_true(n_wrong <= 20); /* 5 % promised: 15 expected at most */
    assert_true(n_open >= 250);
}

/* A machine that slows down all the time favours neither side. */
static void test_drift_does_not_decide(void **state)
{
    (void)state;
    machine m = {.ns = {1e8, 1e8}, .noise = 0.02, .drift = 1.005, .state = 3};
    (void)decide(&m, two_bits, 2);
    assert_true(places[1].end != TM_RACE_SLOWER && places[0].end != TM_RACE_SLOWER);
}

static void test_real_difference_is_found_in_noise(void **state)
{
    (void)state;
    int n_right = 0;
    for (int seed = 1; seed <= 100; seed++) {
        machine m = {.ns = {1e8, 0.9e8}, .noise = 0.05, .state = (uint64_t)seed};
        n_right += decide(&m, two_bits, 2) == 1;
    }
    assert_true(n_right >= 95);
}

static void test_slow_ones_leave_early(void **state)
{
    (void)state;
    const double bytes[] = {2, 2, 2};
    machine m = {.ns = {1e8, 3e8, 1.2e8}, .noise = 0.01, .state = 4};
    m.slow_at[2] = 2; /* one of its first two runs is preempted: no reason to leave */
    assert_int_equal(decide(&m, bytes, 3), 0);
    assert_int_equal(places[1].end, TM_RACE_BEHIND);
    assert_int_equal(places[1].lost_to, 0);
    assert_true(fabs(places[1].ratio.value - 3) < 0.2 && isnan(places[1].ratio.low));
    assert_int_equal(m.runs[1], 3);
    assert_int_equal(places[2].end, TM_RACE_SLOWER);
}

/* The first rounds only order the duels: who looked best in them is measured anew. */
static void test_winner_is_measured_on_other_runs(void **state)
{
    (void)state;
    const double bytes[] = {2, 2, 2};
    machine m = {.ns = {1e8, 0.97e8, 0.9e8}, .noise = 0.001, .state = 5};
    m.slow_at[2] = 2;
    assert_int_equal(decide(&m, bytes, 3), 2);
    assert_true(places[0].lost_to == 2 || places[0].lost_to == 1);
    assert_int_equal(places[1].end, TM_RACE_SLOWER);
}

static void test_failures(void **state)
{
    (void)state;
    machine first = {.ns = {1e8, 1e8}, .noise = 0.01, .fails_at = {1, 0}, .state = 6};
    assert_int_equal(decide(&first, two_bits, 2), 1);
    assert_int_equal(places[0].end, TM_RACE_FAILED);
    for (int i = 0; i < 2; i++) { /* in a duel */
        machine later = {.ns = {1e8, 1e8}, .noise = 0.01, .state = 7};
        later.fails_at[i] = 6;
        assert_int_equal(decide(&later, two_bits, 2), !i);
        assert_int_equal(places[i].end, TM_RACE_FAILED);
    }
    machine all = {.ns = {1e8, 1e8}, .fails_at = {1, 2}, .state = 8};
    assert_int_equal(decide(&all, two_bits, 2), -1);
}

static void test_long_runs_end_by_the_limit_of_time(void **state)
{
    (void)state;
    machine m = {.ns = {3e9, 3e9}, .noise = 0.01, .state = 9};
    assert_int_equal(decide(&m, two_bits, 2), 0);
    assert_int_equal(places[1].end, TM_RACE_OPEN);
    assert_int_equal(places[1].ratio.n, 2); /* 6 s each; an even number, so both orders count */
    assert_true(isnan(places[1].ratio.low) && isnan(places[1].ratio.high));
}

static void test_interrupt(void **state)
{
    (void)state;
    for (int at = 1; at < 12; at += 5) { /* in the first rounds and in a duel */
        int fds[2], winner;
        tm_error err = {0};
        assert_int_equal(pipe(fds), 0);
        machine m = {.ns = {1e8, 1e8}, .interrupt_at = at, .interrupt_fd = fds[1], .state = 10};
        const tm_interrupt interrupt = {fds[0]};
        const tm_race race = {
            .n = 2, .bytes = two_bits, .run = run, .arg = &m, .interrupt = &interrupt};
        assert_int_equal(tm_race_decide(&race, places, &winner, &err), TM_INTERRUPTED);
        assert_int_equal(m.n_runs, at);
        close(fds[0]);
        close(fds[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear_difference_needs_few_pairs),
        cmocka_unit_test(test_small_difference_does_not_decide),
        cmocka_unit_test(test_noise_does_not_decide),
        cmocka_unit_test(test_drift_does_not_decide),
        cmocka_unit_test(test_real_difference_is_found_in_noise),
        cmocka_unit_test(test_slow_ones_leave_early),
        cmocka_unit_test(test_winner_is_measured_on_other_runs),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_long_runs_end_by_the_limit_of_time),
        cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
