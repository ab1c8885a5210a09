/* Sweeps on a store that has some of their cells already, and within a time budget. */
#include "harness/sweep/meter_marker.h"

#include "tests/harness/fake_clock.h"
#include "tests/harness/sweep/sweeps.h"

#include <math.h>

/* A kernel that is added to a suite gets pairs of its own, and so does one whose partner was all
 * that an interrupted run measured. */
static void test_added_kernel_is_paired(void **state)
{
    (void)state;
    run r;
    const char *store = scratch_path("added.jsonl");
    make_suite("null:1000", "i2r16_mad_scalar", "tg4");
    sweep(&r, store);
    assert_string_equal(r.order, "fttf");
    finish(&r);
    make_suite("null:1000", "trit_mad_scalar", "tg4");
    sweep(&r, store);
    assert_string_equal(r.order, "fttf");
    for (int i = 0; i < r.outcome.records.n; i++) {
        const tm_record *s = &r.outcome.records.items[i];
        int n = 0;
        if (s->kind != TM_RECORD_SAMPLE) continue;
        assert_null(strstr(s->marks, "apart"));
        assert_true(s->sample.begin_unix_seconds > 1e9);
        for (int k = 0; k < r.outcome.records.n; k++) {
            const tm_record *other = &r.outcome.records.items[k];
            n += other->kind == TM_RECORD_SAMPLE && other->process == s->process &&
                 strcmp(other->run_id, s->run_id) == 0 &&
                 strcmp(other->cell.role, s->cell.role) != 0;
        }
        assert_true(n > 0);
    }
    finish(&r);
    sweep(&r, store);
    assert_string_equal(r.order, "");
    finish(&r);
}

/* With `again` everything is measured, and only the new records belong to the call. */
static void test_again_measures_everything(void **state)
{
    (void)state;
    run r;
    const char *store = scratch_path("again.jsonl");
    make_suite("null:1000", "f16", "tg4");
    for (int i = 0; i < 2; i++) {
        prepare(&r, store);
        r.options.again = true;
        assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
        assert_int_equal(r.outcome.n_new_samples, 4);
        assert_int_equal(r.outcome.first_new, i * 5); /* a run line and four samples each */
        finish(&r);
    }
}

static int n_ended[2]; /* of each test */
static bool is_early;  /* a column was said to have ended before its last sample */

static void on_ended(void *arg, const tm_sweep_event *event)
{
    (void)arg;
    if (event->kind != TM_SWEEP_SAMPLE || !event->column_ended) return;
    const tm_record *r = event->record;
    n_ended[strcmp(r->cell.test, "tg8") == 0]++;
    /* The second round runs the baseline last. */
    is_early |= r->cell.role[0] != 'b' || r->sample.repetition != 1 || r->process != 1;
}

/* The last sample of a test, over both kernels, says so; an arm of another test may still run. */
static void test_last_sample_of_a_column(void **state)
{
    (void)state;
    run r;
    make_suite("null:1000", "f16,i2r16_mad_scalar", "tg4,tg8");
    prepare(&r, NULL);
    r.options.on_event = on_ended;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_int_equal(n_ended[0], 1);
    assert_int_equal(n_ended[1], 1);
    assert_false(is_early);
    finish(&r);
}

static tm_json *slow_limits(void *arg)
{
    ((fake_clock *)arg)->time_ns += 2000000000;
    return NULL;
}

static void note_remaining(void *arg, const tm_sweep_event *event)
{
    if (event->kind == TM_SWEEP_ARM && isnan(*(double *)arg))
        *(double *)arg = event->remaining_seconds;
}

/* The first run of a cell is started even if it exceeds the budget, and the forecast says so. The
 * time for the limits counts. */
static void test_the_first_run_may_exceed_the_budget(void **state)
{
    (void)state;
    run r;
    double forecast = NAN;
    fake_clock fake;
    fake_clock_init(&fake);
    make_suite("null:1", "f16", "tg8");
    suite.processes = 3;
    suite.time_budget_seconds = 1e-3;
    prepare(&r, NULL);
    r.options.clock = &fake.clock;
    r.options.on_event = note_remaining;
    r.options.on_event_arg = &forecast;
    double first = r.plan.arms[0].predicted_seconds;
    assert_true(first > suite.time_budget_seconds);
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_true(forecast >= first);
    finish(&r);
    suite.time_budget_seconds = 1.5;
    prepare(&r, NULL);
    r.options.clock = &fake.clock;
    r.options.limits = slow_limits;
    r.options.limits_arg = &fake;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_int_equal(r.outcome.rounds_max, 1); /* the first pair, so that a run is never empty */
    assert_int_equal(r.outcome.n_new_samples, suite.repetitions);
    assert_true(r.outcome.budget_spent);
    finish(&r);
}

/* More threads than the quota of a control group would only wait for the next period. */
static void test_all_threads_stay_within_the_quota(void **state)
{
    (void)state;
    static const struct {
        double quota;
        int threads;
    } rows[] = {{0, 4}, {1, 1}, {1.5, 2}, {3, 3}, {16, 4}};
    run r;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        make_suite("null:1", "f16", "tg8");
        suite.n_threads = 0;
        assert_ok(tm_suite_add_threads(&suite, "all", &r.err), r.err);
        assert_ok(tm_machine_read("/", &r.machine, &r.err), r.err);
        r.machine.n_cpus = r.machine.n_cores = 4;
        r.machine.cgroup.cpu_limit = rows[i].quota;
        tm_plan_options options = {.seed = 1, .build = "build"};
        assert_ok(tm_plan_make(&suite, &r.machine, &options, &r.plan, &r.err), r.err);
        assert_int_equal(r.plan.arms[0].cells[0].threads, rows[i].threads);
        tm_plan_free(&r.plan);
    }
}

/* The run's record has the times of the load pattern that was shown before the first pair. */
static void test_marker_is_in_the_store(void **state)
{
    (void)state;
    run r;
    fake_clock fake;
    tm_energy_source_choice choice = {.source = "fake", .scope = "fake package"};
    tm_meter_marker marker;
    fake_clock_init(&fake);
    make_suite("null:1", "f16", "tg8");
    strcpy(suite.energy.source, "fake");
    suite.energy.seconds = 0.01;
    suite.energy.marker = true;
    prepare(&r, NULL);
    r.options.clock = &fake.clock;
    r.options.energy = &choice;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    const tm_record *first = &r.outcome.records.items[0];
    assert_int_equal(first->kind, TM_RECORD_RUN);
    const tm_json *json = tm_json_get(first->run.document, "meter_marker");
    assert_true(tm_meter_marker_from_json(json, &marker));
    double begin = marker.edge_unix_seconds[0];
    assert_true(marker.edge_unix_seconds[TM_METER_MARKER_PARTS] - begin > 10);
    finish(&r);
}

int main(int argc, char **argv)
{
    int code;
    if (is_worker(argc, argv, &code)) return code;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_added_kernel_is_paired),
                                       cmocka_unit_test(test_again_measures_everything),
                                       cmocka_unit_test(test_last_sample_of_a_column),
                                       cmocka_unit_test(test_the_first_run_may_exceed_the_budget),
                                       cmocka_unit_test(test_all_threads_stay_within_the_quota),
                                       cmocka_unit_test(test_marker_is_in_the_store)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
