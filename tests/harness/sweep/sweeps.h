/* Sweeps with the test program as its own worker: `test_... worker`. */
#ifndef TM_TESTS_HARNESS_SWEEP_SWEEPS_H
#define TM_TESTS_HARNESS_SWEEP_SWEEPS_H

#include "harness/measure/worker.h"
#include "harness/sweep/sweep.h"
#include "tests/harness/scratch.h"

#include <stdlib.h>

static tm_suite suite; /* large: not on the stack */

typedef struct run {
    tm_machine machine;
    tm_plan plan;
    tm_sweep_options options;
    tm_sweep_outcome outcome;
    tm_error err;
    int stop_after; /* samples until interruption; 0: never */
    int n_samples, stop_fd;
    char order[512]; /* a letter per started arm: f baseline, t ternary */
} run;

static inline void on_event(void *arg, const tm_sweep_event *event)
{
    run *r = arg;
    if (event->kind == TM_SWEEP_ARM && strlen(r->order) + 1 < sizeof r->order)
        strcat(r->order, event->arm->cells[0].role[0] == 'b' ? "f" : "t");
    if (event->kind != TM_SWEEP_SAMPLE) return;
    r->n_samples++;
    if (r->stop_after && r->n_samples == r->stop_after)
        assert_int_equal(write(r->stop_fd, "x", 1), 1);
}

static inline void make_suite(const char *models, const char *kernels, const char *tests)
{
    tm_error err = {0};
    tm_suite_init(&suite);
    strcpy(suite.name, "test");
    assert_ok(tm_suite_add_models(&suite, models, &err), err);
    assert_ok(tm_suite_add_kernels(&suite, kernels, &err), err);
    assert_ok(tm_suite_add_threads(&suite, "1", &err), err);
    assert_ok(tm_suite_add_tests(&suite, tests, &err), err);
    strcpy(suite.baseline, "f16");
    suite.processes = 2;
    suite.repetitions = 2;
    suite.warmup = 1;
}

static inline void prepare(run *r, const char *store)
{
    memset(r, 0, sizeof *r);
    assert_ok(tm_machine_read("/", &r->machine, &r->err), r->err);
    r->machine.load_average = 0; /* a busy machine would mark every sample */
    tm_plan_options plan = {.seed = 1, .build = "build"};
    assert_ok(tm_plan_make(&suite, &r->machine, &plan, &r->plan, &r->err), r->err);
    r->options = (tm_sweep_options){.suite = &suite,
                                    .machine = &r->machine,
                                    .plan = &r->plan,
                                    .store_path = store,
                                    .build = "build",
                                    .seed = 1,
                                    .timeout_seconds = 60,
                                    .on_event = on_event,
                                    .on_event_arg = r};
}

static inline void finish(run *r)
{
    tm_sweep_outcome_free(&r->outcome);
    tm_plan_free(&r->plan);
}

static inline void sweep(run *r, const char *store)
{
    prepare(r, store);
    assert_ok(tm_sweep_run(&r->options, &r->outcome, &r->err), r->err);
}

static inline const tm_record *find_cell(const tm_records *records, const char *model,
                                         const char *test, const char *status)
{
    for (int i = 0; i < records->n; i++) {
        const tm_record *r = &records->items[i];
        if (r->kind == TM_RECORD_CELL && strcmp(r->cell.model, model) == 0 &&
            strcmp(r->cell.test, test) == 0 && strcmp(r->status, status) == 0)
            return r;
    }
    fail_msg("no %s cell of %s %s", status, model, test);
    abort(); /* not reached; the compiler does not know that */
}

/* For main: acts as a worker and returns true if the program was started as one. */
static inline bool is_worker(int argc, char **argv, int *code)
{
    tm_error err = {0};
    if (argc != 2 || strcmp(argv[1], "worker") != 0) return false;
    *code = tm_worker_serve(tm_worker_answer_engine, NULL, 0, 1, &err) == TM_OK ? 0 : 1;
    return true;
}

#endif
