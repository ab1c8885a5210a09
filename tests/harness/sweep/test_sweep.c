/* Plans and sweeps with the fake engine: order of pairs, failures, budgets, interruption,
 * continuing. The program is its own worker: `test_sweep worker`; and `test_sweep sweep STORE` runs
 * one sweep, to be killed. */
#include "tests/harness/fake_clock.h"
#include "tests/harness/sweep/sweeps.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>

/* The records have every sample of the plan exactly once and no other. *n: their number. Unless
 * `once`, a process may be there again: one arm of a pair repeats if the other had no sample. */
static void assert_each(const tm_plan *plan, const tm_records *records, bool once, int *n)
{
    *n = 0;
    for (int i = 0; i < records->n; i++) *n += records->items[i].kind == TM_RECORD_SAMPLE;
    int wanted = 0, n_found = 0;
    for (int p = 0; p < plan->n_pairs; p++) {
        const int arms[] = {plan->pairs[p].a, plan->pairs[p].b};
        for (int side = 0; side < 2; side++) {
            if (arms[side] < 0) continue;
            const tm_arm *arm = &plan->arms[arms[side]];
            for (int c = 0; c < arm->n_cells; c++)
                for (int round = 0; round < suite.processes; round++)
                    for (int rep = 0; rep < suite.repetitions; rep++) {
                        int found = 0, process = round * plan->pairs[p].n + plan->pairs[p].index;
                        for (int i = 0; i < records->n; i++) {
                            const tm_record *r = &records->items[i];
                            found += r->kind == TM_RECORD_SAMPLE && r->process == process &&
                                     r->sample.repetition == rep &&
                                     strcmp(r->cell_id, arm->cell_ids[c]) == 0;
                        }
                        assert_true(found == 1 || (!once && found > 1));
                        n_found += found;
                        wanted++;
                    }
        }
    }
    assert_int_equal(*n, n_found);
    *n = wanted;
}

static void assert_each_once(const tm_plan *plan, const tm_records *records, int *n)
{
    assert_each(plan, records, true, n);
}

static int count_samples(const tm_records *records, const char *model, const char *test)
{
    int n = 0;
    for (int i = 0; i < records->n; i++)
        n += records->items[i].kind == TM_RECORD_SAMPLE &&
             strcmp(records->items[i].cell.model, model) == 0 &&
             (!test || strcmp(records->items[i].cell.test, test) == 0);
    return n;
}

static void test_pairs_alternate(void **state)
{
    (void)state;
    run r;
    int n;
    make_suite("null:1000,null:2000", "f16,auto", "pp8,tg4");
    suite.processes = 3;
    sweep(&r, NULL);
    assert_string_equal(r.order, "ftft"
                                 "tftf"
                                 "ftft"); /* two models; AB BA AB */
    assert_each_once(&r.plan, &r.outcome.records, &n);
    assert_int_equal(n, 2 * 2 * 2 * 3 * 2);
    assert_int_equal(r.outcome.n_new_samples, n);
    assert_int_equal(r.outcome.n_cells_ok, 8);
    assert_int_equal(r.outcome.rounds_min, 3);
    for (int i = 0; i < r.outcome.records.n; i++) {
        const tm_record *s = &r.outcome.records.items[i];
        if (s->kind != TM_RECORD_SAMPLE) continue;
        bool first = (strcmp(s->cell.role, "baseline") == 0) == (s->process % 2 == 0);
        assert_int_equal(s->slot, first ? 0 : 1);
        /* A sample may be marked for what others took of a busy machine. */
        bool expected = strcmp(s->marks, "not a release build") == 0 || strstr(s->marks, " took ");
        assert_string_equal(s->marks, expected ? s->marks : "");
        assert_int_equal(strlen(s->sample.tokens), 16);
    }
    assert_int_equal(r.outcome.records.items[0].kind, TM_RECORD_RUN);
    finish(&r);
}

/* Each ternary kernel is paired with the baseline; the two share a process number. */
static void test_several_kernels(void **state)
{
    (void)state;
    run r;
    int n;
    make_suite("null:1000", "i2r16_mad_scalar,trit_mad_scalar", "tg4");
    sweep(&r, NULL);
    assert_string_equal(r.order, "ftft"
                                 "tftf");
    assert_int_equal(r.plan.n_pairs, 2);
    for (int i = 0; i < r.outcome.records.n; i++) {
        const tm_record *s = &r.outcome.records.items[i];
        if (s->kind != TM_RECORD_SAMPLE || strcmp(s->cell.role, "ternary") != 0) continue;
        assert_int_equal(s->process % 2, strcmp(s->cell.kernel, "trit_mad_scalar") == 0);
    }
    int baseline = 0;
    for (int i = 0; i < r.outcome.records.n; i++)
        baseline += strcmp(r.outcome.records.items[i].cell.role, "baseline") == 0;
    assert_int_equal(baseline, 2 * 2 * 2);
    assert_each_once(&r.plan, &r.outcome.records, &n);
    finish(&r);
}

/* A record has the name in the suite. Of two names for one kernel the one that left a choice is
 * kept; a baseline keeps its own. */
static void test_requested_names_are_recorded(void **state)
{
    static const struct {
        const char *kernels, *asked[3];
        int n;
    } cases[] = {{"i2r16_mad_scalar,auto", {"f16", "auto"}, 2},
                 {"auto,i2r16_mad_scalar", {"f16", "auto"}, 2},
                 {"auto,trit_mad_scalar", {"f16", "auto", "trit_mad_scalar"}, 3}};
    const unsigned isa = tm_cpu_isa();
    run r;
    (void)state;
    tm_cpu_limit(0); /* so that "auto" is the scalar kernel */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        make_suite("null:1000", cases[i].kernels, "tg4");
        assert_ok(tm_suite_add_head_kernels(&suite, "q6_k", &r.err), r.err);
        prepare(&r, NULL);
        assert_int_equal(r.plan.n_arms, cases[i].n);
        for (int k = 0; k < cases[i].n; k++) {
            const tm_cell *cell = &r.plan.arms[k].cells[0];
            assert_string_equal(cell->kernel_asked, cases[i].asked[k]);
            assert_string_equal(cell->head_asked, k == 0 ? "auto" : "q6_k");
        }
        finish(&r);
    }
    tm_cpu_limit(isa);
}

/* Every kernel runs with every head, except the baseline, which keeps the head of its model. */
static void test_several_heads(void **state)
{
    (void)state;
    run r;
    make_suite("synth:125M", "f16,i2r16_mad_scalar", "tg4");
    assert_ok(tm_suite_add_head_kernels(&suite, "auto,f16,q6_k,q8_0_q80_scalar", &r.err), r.err);
    prepare(&r, NULL);
    assert_int_equal(r.plan.n_arms, 4); /* auto is f16 */
    static const char *const heads[] = {"f16r16", "f16r16", "q6_k", "q8_0_q80_scalar"};
    for (int i = 0; i < 4; i++) {
        const tm_arm *arm = &r.plan.arms[i];
        char label[512];
        assert_string_equal(arm->cells[0].role, i == 0 ? "baseline" : "ternary");
        assert_int_equal(strncmp(arm->cells[0].head_kernel, heads[i], strlen(heads[i])), 0);
        assert_true((strstr(tm_cell_label(&arm->cells[0], label, sizeof label), " head ") !=
                     NULL) == (i >= 2));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(arm->cell_ids[0], r.plan.arms[k].cell_ids[0]);
    }
    /* 32002 x 768 weights of 16, 6.5625 and 8.5 bits: a smaller head is less memory. */
    assert_true(r.plan.arms[1].predicted_bytes - r.plan.arms[2].predicted_bytes > 28000000);
    assert_true(r.plan.arms[3].predicted_bytes > r.plan.arms[2].predicted_bytes);
    assert_int_equal(r.plan.n_pairs, 3);
    finish(&r);

    make_suite("synth:125M", "i2r16_mad_scalar", "tg4");
    assert_ok(tm_suite_add_head_kernels(&suite, "q6_j", &r.err), r.err);
    tm_plan_options options = {.build = "build"};
    memset(&r, 0, sizeof r);
    assert_ok(tm_machine_read("/", &r.machine, &r.err), r.err);
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &r.plan, &r.err), TM_ARG);
    assert_non_null(strstr(r.err.message, "did you mean \"q6_k\"?"));
}

static void test_continues(void **state)
{
    (void)state;
    run r;
    int n, fds[2];
    const char *store = scratch_path("continue.jsonl");
    /* Slow enough to interrupt a process in its middle, unless the machine stands still
     * meanwhile. */
    make_suite("null:500000,null:600000", "f16,auto", "pp8,tg4");
    bool cut = false;
    for (int stop = 1, i = 0; i < 4; i++, stop += 3) {
        assert_int_equal(pipe(fds), 0);
        prepare(&r, store);
        tm_interrupt interrupt = {fds[0]};
        r.options.interrupt = &interrupt;
        r.stop_fd = fds[1];
        r.stop_after = stop;
        assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
        assert_true(r.outcome.interrupted);
        assert_true(r.outcome.n_new_samples >= stop);
        assert_true(i > 0 || r.outcome.n_cells_unfinished > 0);
        int n_samples = 0;
        for (int k = 0; k < r.outcome.records.n; k++)
            n_samples += r.outcome.records.items[k].kind == TM_RECORD_SAMPLE;
        cut = cut || n_samples % 4 != 0; /* two tests, twice each, to a process */
        finish(&r);
        close(fds[0]);
        close(fds[1]);
    }
    sweep(&r, store);
    assert_false(r.outcome.interrupted);
    assert_true(r.outcome.n_new_samples < 32);
    assert_each(&r.plan, &r.outcome.records, false, &n);
    assert_int_equal(n, 32);
    /* Samples that complete an interrupted process are marked. */
    bool marked = false;
    for (int i = 0; i < r.outcome.records.n; i++)
        marked = marked || strstr(r.outcome.records.items[i].marks, "interrupted process");
    assert_int_equal(marked, cut);
    finish(&r);

    size_t before, after;
    free(read_file(store, &before));
    sweep(&r, store); /* nothing is left to do, so the store stays as it is */
    assert_int_equal(r.outcome.n_new_samples, 0);
    assert_string_equal(r.order, "");
    finish(&r);
    free(read_file(store, &after));
    assert_int_equal(before, after);

    suite.processes = 3; /* more processes continue the store as well */
    sweep(&r, store);
    assert_int_equal(r.outcome.n_new_samples, 16);
    assert_each(&r.plan, &r.outcome.records, false, &n);
    finish(&r);
}

static void test_failure_affects_one_cell_only(void **state)
{
    (void)state;
    static const struct {
        const char *model, *says;
    } cases[] = {
        {"null:1000:crash@30", "was killed by SIGSEGV"},
        {"null:1000:exit@30", "exited with 3"},
        {"null:1000:die@30", "was killed by SIGKILL"},
        {"null:1000:garbage@30", "(it is not JSON): Segmentation fault (just kidding)"},
        {"null:1000:refuse@30", "the fake model refuses token 30"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run r;
        char models[128];
        snprintf(models, sizeof models, "%s,null:1000", cases[i].model);
        make_suite(models, "auto", "tg4,pp64,tg5");
        suite.baseline[0] = 0;
        suite.warmup = 0;
        sweep(&r, NULL);
        /* 7 tokens for the check and 8 for tg4: the fault is in pp64. tg5 has another process. */
        const tm_record *failed = find_cell(&r.outcome.records, cases[i].model, "pp64", "failed");
        assert_says(failed->reason, cases[i].says);
        assert_int_equal(count_samples(&r.outcome.records, cases[i].model, "tg4"), 4);
        assert_int_equal(count_samples(&r.outcome.records, cases[i].model, "tg5"), 4);
        assert_int_equal(count_samples(&r.outcome.records, cases[i].model, "pp64"), 0);
        assert_int_equal(count_samples(&r.outcome.records, "null:1000", NULL), 12);
        assert_int_equal(r.outcome.n_cells_failed, 1);
        assert_int_equal(r.outcome.n_cells_ok, 5);
        finish(&r);
    }
}

/* A hanging worker ends and the other cells are measured; a longer time-out if the machine delays
 * those as well. */
static void test_hang(void **state)
{
    (void)state;
    run r;
    int n_samples = 0;
    char wanted[64];
    make_suite("null:1000:hang@10,null:1000", "auto", "tg8");
    suite.processes = 1;
    for (double patience = 0.3; patience < 20 && n_samples < 2 * 2; patience *= 4) {
        prepare(&r, NULL);
        r.options.timeout_seconds = patience;
        assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
        const tm_record *failed =
            find_cell(&r.outcome.records, "null:1000:hang@10", "tg8", "failed");
        snprintf(wanted, sizeof wanted, "no answer for %g s", patience);
        assert_string_equal(failed->reason, wanted);
        n_samples = count_samples(&r.outcome.records, "null:1000", NULL);
        finish(&r);
    }
    assert_int_equal(n_samples, 2 * 2);
}

/* A kernel whose tokens differ from the others of its kind is a failed cell. */
static void test_wrong_tokens(void **state)
{
    (void)state;
    run r;
    make_suite("null:1000:wrong@0/i2r16_mad_scalar", "trit_mad_scalar,i2r16_mad_scalar", "tg4");
    suite.baseline[0] = 0;
    sweep(&r, NULL);
    const tm_record *failed =
        find_cell(&r.outcome.records, "null:1000:wrong@0/i2r16_mad_scalar", "tg4", "failed");
    assert_string_equal(failed->cell.kernel, "i2r16_mad_scalar");
    assert_says(failed->reason, "differ from those of trit_mad_scalar");
    assert_int_equal(r.outcome.n_cells_failed, 1);
    finish(&r);
    /* Also one that no other arm of the plan is compared with. */
    make_suite("null:1000:wrong@0", "i2r16_mad_scalar", "tg4");
    suite.baseline[0] = 0;
    sweep(&r, NULL);
    failed = find_cell(&r.outcome.records, "null:1000:wrong@0", "tg4", "failed");
    assert_says(failed->reason, "differ from those of scalar kernels");
    finish(&r);
}

static void test_skips(void **state)
{
    (void)state;
    run r;
    tm_plan plan;
    tm_error err = {0};
    const char *store = scratch_path("skips.jsonl");
    make_suite("synth:100B,/no/such.gguf,null:1000", "f16,auto", "tg4");
    prepare(&r, store);
    r.machine.memory_available_bytes = 11900000000;
    tm_plan_options options = {.seed = 1, .build = "build"};
    assert_ok(tm_plan_make(&suite, &r.machine, &options, &plan, &err), err);
    r.options.plan = &plan;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    const tm_record *big = find_cell(&r.outcome.records, "synth:100B", "tg4", "skipped");
    /* 99.96e9 weights x 2 bytes, the tied head of 262 M among them not counted. */
    assert_says(big->reason, "needs 200.");
    assert_says(big->reason, "11.9 GB available");
    assert_true(big->predicted_bytes > 200000000000);
    assert_string_equal(big->cell.model_shape, "100B");
    assert_says(find_cell(&r.outcome.records, "/no/such.gguf", "tg4", "skipped")->reason,
                "/no/such.gguf");
    assert_string_equal(
        find_cell(&r.outcome.records, "/no/such.gguf", "tg4", "skipped")->cell.model_shape, "");
    assert_int_equal(r.outcome.n_cells_skipped, 4);
    assert_int_equal(r.outcome.n_cells_ok, 2);
    tm_sweep_outcome_free(&r.outcome);
    /* A second run adds no line. */
    size_t before, after;
    free(read_file(store, &before));
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    free(read_file(store, &after));
    assert_int_equal(before, after);
    tm_plan_free(&plan);
    finish(&r);
}

static void expect_refusal(const char *store, const char *says)
{
    run r;
    prepare(&r, store);
    assert_int_equal(tm_sweep_run(&r.options, &r.outcome, &r.err), TM_ARG);
    assert_says(r.err.message, says);
    finish(&r);
}

static void test_other_stores(void **state)
{
    (void)state;
    run r;
    size_t size;
    const char *store = scratch_path("other.jsonl");
    make_suite("null:1000", "f16,auto", "tg4");
    sweep(&r, store);
    finish(&r);
    char *text = read_file(store, &size), *schema = strstr(text, "\"fingerprint\":\"");
    schema[15] = schema[15] == '0' ? '1' : '0';
    write_file(store, text, size);
    expect_refusal(store, "another machine");
    prepare(&r, store);
    r.options.allow_machine = true;
    assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
    /* The cells of another machine do not count as done here. */
    assert_int_equal(r.outcome.n_new_samples, 8);
    finish(&r);
    memcpy(text, "{\"schema\":8", 11);
    write_file(store, text, size);
    expect_refusal(store, "schema 8");
    free(text);
    tm_store *held;
    tm_error err = {0};
    assert_ok(tm_store_open(scratch_path("held.jsonl"), &held, &err), err);
    expect_refusal(scratch_path("held.jsonl"), "another run");
    tm_store_close(held);
}

static void test_bad_plans(void **state)
{
    (void)state;
    run r;
    tm_plan plan;
    tm_error err = {0};
    tm_plan_options options = {.seed = 1, .build = "b"};
    make_suite("null:1000", "f16,auto", "tg4");
    prepare(&r, NULL);
    suite.threads[0] = r.machine.n_cpus + 1;
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &plan, &err), TM_ARG);
    assert_says(err.message, "--oversubscribe");
    options.oversubscribe = true;
    assert_ok(tm_plan_make(&suite, &r.machine, &options, &plan, &err), err);
    tm_plan_free(&plan);
    suite.threads[0] = 1;
    options.only = "nothing has this name";
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &plan, &err), TM_ARG);
    assert_says(err.message, "empty");
    options.only = "tg4";
    assert_ok(tm_plan_make(&suite, &r.machine, &options, &plan, &err), err);
    assert_int_equal(plan.n_cells, 2);
    tm_plan_free(&plan);
    suite.n_excludes = 1;
    suite.excludes[0] = (tm_exclude){.test = "tg4", .threads = -1};
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &plan, &err), TM_ARG);
    suite.n_excludes = 0;
    strcpy(suite.kernels[1], "i2r16_mad_skalar");
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &plan, &err), TM_ARG);
    assert_says(err.message, "did you mean \"i2r16_mad_scalar\"?");
    strcpy(suite.models[0], "synth:126M");
    assert_int_equal(tm_plan_make(&suite, &r.machine, &options, &plan, &err), TM_ARG);
    assert_says(err.message, "did you mean \"125M\"?");
    finish(&r);
}

static void test_no_worker(void **state)
{
    (void)state;
    run r;
    make_suite("null:1000", "auto", "tg4");
    suite.processes = 1;
    static const struct {
        const char *path, *says;
    } cases[] = {{"/no/such/worker", "could not be started"},
                 {"/bin/echo", "cannot read a line of the worker"},
                 {"/bin/false", "exited with 1"}};
    for (int i = 0; i < 3; i++) {
        prepare(&r, NULL);
        r.options.worker_path = cases[i].path;
        assert_ok(tm_sweep_run(&r.options, &r.outcome, &r.err), r.err);
        assert_int_equal(r.outcome.n_cells_failed, 2);
        assert_says(find_cell(&r.outcome.records, "null:1000", "tg4", "failed")->reason,
                    cases[i].says);
        finish(&r);
    }
}

/* Runs for `test_sweep sweep STORE`. */
static void kill_suite(void)
{
    make_suite("null:200000,null:100000", "f16,auto", "pp4,tg6");
    suite.processes = 2;
}

/* A sweep that was killed may leave a child between fork and exec, and with it the lock: for longer
 * than a store is waited for, where that child is held up. */
static tm_status run_when_free(const tm_sweep_options *options, tm_sweep_outcome *outcome,
                               tm_error *err)
{
    for (int i = 0;; i++) {
        tm_status status = tm_sweep_run(options, outcome, err);
        if (status == TM_OK || i == 60 || !strstr(err->message, "another run")) return status;
        tm_sweep_outcome_free(outcome);
    }
}

/* A run that is killed at random moments and started again ends with every sample once. */
static void test_kill_and_continue(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)tm_now_ns();
    print_message("# seed %llu\n", (unsigned long long)seed);
    tm_rng rng = {seed};
    int kills = 0, n;
    for (int store_number = 0; store_number < 40 && kills < 24; store_number++) {
        char name[32], path[128];
        snprintf(name, sizeof name, "kill%d.jsonl", store_number);
        snprintf(path, sizeof path, "%s", scratch_path(name));
        for (bool killed = true; killed;) {
            int how;
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                execl("/proc/self/exe", "test_sweep", "sweep", path, (char *)NULL);
                _exit(127);
            }
            usleep((useconds_t)tm_rng_below(&rng, 120000));
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, &how, 0), pid);
            killed = WIFSIGNALED(how);
            kills += killed;
            if (kills >= 24) break;
            if (!killed) assert_int_equal(WEXITSTATUS(how), 0);
        }
        run r;
        kill_suite();
        prepare(&r, path);
        assert_ok(run_when_free(&r.options, &r.outcome, &r.err), r.err);
        assert_each(&r.plan, &r.outcome.records, false, &n);
        assert_int_equal(n, 32);
        finish(&r);
    }
    assert_true(kills >= 20);
}

static int run_killable(const char *store)
{
    run r;
    tm_error err = {0};
    kill_suite();
    memset(&r, 0, sizeof r);
    tm_plan_options plan = {.seed = 1, .build = "build"};
    tm_status status = tm_machine_read("/", &r.machine, &err);
    if (status == TM_OK) status = tm_plan_make(&suite, &r.machine, &plan, &r.plan, &err);
    tm_sweep_options options = {.suite = &suite,
                                .machine = &r.machine,
                                .plan = &r.plan,
                                .store_path = store,
                                .build = "build",
                                .seed = 1,
                                .timeout_seconds = 60};
    if (status == TM_OK) status = run_when_free(&options, &r.outcome, &err);
    if (status != TM_OK) fprintf(stderr, "# %s\n", err.message);
    finish(&r);
    return status == TM_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    int code;
    if (is_worker(argc, argv, &code)) return code;
    if (argc == 3 && strcmp(argv[1], "sweep") == 0) return run_killable(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_alternate),
        cmocka_unit_test(test_several_kernels),
        cmocka_unit_test(test_requested_names_are_recorded),
        cmocka_unit_test(test_several_heads),
        cmocka_unit_test(test_continues),
        cmocka_unit_test(test_failure_affects_one_cell_only),
        cmocka_unit_test(test_hang),
        cmocka_unit_test(test_wrong_tokens),
        cmocka_unit_test(test_skips),
        cmocka_unit_test(test_other_stores),
        cmocka_unit_test(test_bad_plans),
        cmocka_unit_test(test_no_worker),
        cmocka_unit_test(test_kill_and_continue),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
