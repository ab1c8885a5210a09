/* Sweeps with a time budget, on a fake clock. */
#include "tests/harness/fake_clock.h"
#include "tests/harness/sweep/sweeps.h"

/* Every sample takes 100 ms of a fake clock, so a pair takes 0.2 s. */
static void advance_clock(void *arg, const tm_sweep_event *event)
{
    fake_clock *fake = arg;
    if (event->kind == TM_SWEEP_SAMPLE) fake->time_ns += 100000000;
}

static char last_note[512];
static int n_notes, n_cell_events;

static void test_budget(void **state)
{
    (void)state;
    run r;
    fake_clock fake;
    fake_clock_init(&fake);
    make_suite("null:1,null:2,null:3", "f16,auto", "tg8");
    suite.processes = 50;
    suite.repetitions = 1;
    suite.warmup = 0;
    suite.time_budget_seconds = 1.3; /* two rounds of three pairs, and no pair of the third */
    prepare(&r, NULL);
    r.options.clock = &fake.clock;
    r.options.on_event = advance_clock;
    r.options.on_event_arg = &fake;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_true(r.outcome.budget_spent);
    assert_int_equal(r.outcome.n_cells_ok, 6);
    assert_int_equal(r.outcome.n_new_samples, 12);
    assert_int_equal(r.outcome.rounds_min, 2);
    assert_int_equal(r.outcome.rounds_max, 2);
    finish(&r);

    /* A cell that never ran because of the budget is skipped with that reason. */
    suite.time_budget_seconds = 0.3;
    prepare(&r, NULL);
    r.options.clock = &fake.clock;
    r.options.on_event = advance_clock;
    r.options.on_event_arg = &fake;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_int_equal(r.outcome.n_cells_ok, 4);
    assert_int_equal(r.outcome.n_cells_skipped, 2);
    assert_says(find_cell(&r.outcome.records, "null:3", "tg8", "skipped")->reason, "time budget");
    finish(&r);
}

/* A fake clock on which a sample of the model "null:N" takes N hundredths of a second. */
static void advance_by_model(void *arg, const tm_sweep_event *event)
{
    fake_clock *fake = arg;
    if (event->kind == TM_SWEEP_SAMPLE)
        fake->time_ns += 10000000ll * atoi(event->record->cell.model + strlen("null:"));
    if (event->kind == TM_SWEEP_NOTE) {
        snprintf(last_note, sizeof last_note, "%s", event->text);
        n_notes++;
    }
    n_cell_events += event->kind == TM_SWEEP_CELL;
}

static void sweep_by_model(run *r, fake_clock *fake, const char *store, double budget)
{
    suite.processes = 10;
    suite.repetitions = 1;
    suite.warmup = 0;
    suite.min_pairs = 4;
    suite.time_budget_seconds = budget;
    prepare(r, store);
    /* The guess for a process, which the first model corrects. */
    for (int i = 0; i < r->plan.n_arms; i++)
        r->plan.arms[i].predicted_seconds = 0.5 * atoi(r->plan.arms[i].cells[0].model + 5);
    r->options.clock = &fake->clock;
    r->options.on_event = advance_by_model;
    r->options.on_event_arg = fake;
    n_notes = n_cell_events = 0;
    assert_ok(tm_sweep_run(&r->options, &r->outcome, &r->err), r->err);
}

/* Every model that starts gets four pairs; one whose four pairs do not fit never starts. */
static void test_models_are_left_out_for_min_pairs(void **state)
{
    (void)state;
    run r;
    fake_clock fake;
    fake_clock_init(&fake);
    make_suite("null:10,null:20,null:40", "f16,auto", "tg8");
    /* Four pairs take 0.8, 1.6 and 3.2 s. */
    sweep_by_model(&r, &fake, NULL, 3.9);
    assert_int_equal(r.outcome.n_models_left_out, 1);
    assert_true(r.outcome.budget_spent);
    assert_int_equal(n_notes, 1);
    assert_int_equal(n_cell_events, 0); /* not a line for each of its cells */
    assert_says(last_note, "null:40 left out: 4 pairs would take about 4 s");
    assert_says(find_cell(&r.outcome.records, "null:40", "tg8", "skipped")->reason, "4 pairs");
    assert_int_equal(r.outcome.n_cells_ok, 4);
    assert_int_equal(r.outcome.n_cells_skipped, 2);
    assert_int_equal(r.outcome.pairs_min, 6); /* the rest of the budget gives two more rounds */
    assert_int_equal(r.outcome.pairs_max, 7);
    finish(&r);
    /* All fit. */
    sweep_by_model(&r, &fake, NULL, 6.5);
    assert_int_equal(r.outcome.n_models_left_out, 0);
    assert_int_equal(r.outcome.pairs_min, 4);
    finish(&r);
    /* The first model runs its pairs whatever the budget. */
    sweep_by_model(&r, &fake, NULL, 0.01);
    assert_int_equal(r.outcome.n_models_left_out, 2);
    assert_int_equal(r.outcome.pairs_min, 4);
    assert_int_equal(r.outcome.n_cells_ok, 2);
    finish(&r);
    /* Seconds spent before count. */
    make_suite("null:10,null:20", "f16,auto", "tg8");
    suite.processes = 4;
    suite.min_pairs = 4;
    suite.time_budget_seconds = 100;
    prepare(&r, NULL);
    r.options.spent_seconds = 99;
    r.options.clock = &fake.clock;
    r.options.on_event = advance_by_model;
    r.options.on_event_arg = &fake;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    assert_int_equal(r.outcome.n_models_left_out, 1);
    finish(&r);
}

int main(int argc, char **argv)
{
    int code;
    if (is_worker(argc, argv, &code)) return code;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_budget),
                                       cmocka_unit_test(test_models_are_left_out_for_min_pairs)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
