/* External meters: commands that print samples, and files, against integrals in closed form. */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

static double unix_seconds(int64_t monotonic_ns)
{
    return 1e-9 * (double)(monotonic_ns + tm_unix_offset_ns());
}

static tm_probe *open_meter(const tm_probe_options *options)
{
    tm_probe *probe = NULL;
    tm_probe_health health;
    tm_error err = {0};
    assert_ok(tm_probe_open("meter", options, &probe, &health, &err), err);
    assert_int_equal(health.state, TM_PROBE_OK);
    return probe;
}

static void measure(tm_probe *probe, double seconds, timed_window *t)
{
    timed_start(probe, t);
    timed_sleep(t, seconds);
    timed_stop(probe, t);
}

/* What a command has printed, by its own log, which it writes behind each sample: how many samples of
 * the window, and the longest time without one in and around it. */
static int read_log(const char *path, const timed_window *t, double *gap)
{
    char line[64];
    int n = 0;
    double begin = unix_seconds(t->w.begin_ns), end = unix_seconds(t->w.end_ns), last = 0, time;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    *gap = 0;
    while (last < end && fgets(line, sizeof line, f) && sscanf(line, "%lf", &time) == 1) {
        n += time > begin && time < end;
        if (time > begin && last > 0) *gap = fmax(*gap, time - last);
        last = time;
    }
    if (last < end) *gap = INFINITY; /* what would end it had not been printed */
    fclose(f);
    return n;
}

/* A window of the command's samples, which are as many as it printed. A machine that stands still leaves
 * too few or a gap, and a window is refused for that and nothing else: then a longer one. */
static void measure_printed(tm_probe *probe, const char *log, timed_window *t)
{
    for (int turn = 0; turn < 10; turn++) {
        double gap;
        measure(probe, turn < 4 ? 1.2 : 3, t);
        const tm_probe_value *v = &t->w.values[0];
        int n = read_log(log, t, &gap);
        if (v->state == TM_PROBE_OK) {
            assert_true(v->n_samples >= n - 1 && v->n_samples <= n + 1);
            assert_true(v->n_samples >= 10 && v->largest_gap_seconds > 0.04);
            return;
        }
        if (strstr(v->reason, "are not a measurement"))
            assert_true(n <= 10);
        else if (strstr(v->reason, "was silent for"))
            assert_true(gap > 1.99);
        else if (strstr(v->reason, "samples run from")) /* waited for the one behind the window */
            assert_true(call_seconds(t->stop) > 1.99);
        else
            fail_msg("%s", v->reason);
    }
    TM_SKIP("this machine stands still: %s", t->w.values[0].reason);
}

static void test_a_command_that_prints_watts(void **state)
{
    (void)state;
    char command[300];
    const char *log = scratch_path("watts.log");
    snprintf(command, sizeof command,
             "echo '# a wall meter'; echo time watts; "
             "while :; do t=$(date +%%s.%%N); echo \"$t 40\"; echo $t >> %s; sleep 0.05; done",
             log);
    tm_probe_options options = {.meter = command};
    tm_probe *probe = open_meter(&options);
    timed_window t;
    tm_probe_value sum;
    measure_printed(probe, log, &t);
    const tm_probe_value *v = &t.w.values[0];
    assert_string_equal(v->info->scope, "system");
    assert_string_equal(v->info->method, "imported");
    assert_true(fabs(v->value - 40 * t.w.seconds) < 1e-5 * v->value);
    tm_probe_sum(&t.w, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING);
    tm_probe_close(probe);
}

static void test_a_command_that_prints_joules(void **state)
{
    (void)state;
    char command[300];
    const char *log = scratch_path("joules.log");
    snprintf(command, sizeof command,
             "echo time,joules; while :; do t=$(date +%%s.%%N); echo $t | "
             "awk '{ printf \"%%s,%%.6f\\n\", $1, ($1 - 1.7e9) * 25 }'; echo $t >> %s; "
             "sleep 0.05; done",
             log);
    tm_probe_options options = {.meter = command};
    tm_probe *probe = open_meter(&options);
    timed_window t;
    measure_printed(probe, log, &t);
    const tm_probe_value *v = &t.w.values[0];
    assert_true(fabs(v->value - 25 * t.w.seconds) < 1e-4 * v->value);
    tm_probe_close(probe);
}

/* The offset between the two clocks lies between what they say before and after. */
static void test_the_clocks(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        struct timespec before, after;
        clock_gettime(CLOCK_REALTIME, &before);
        double now = unix_seconds(tm_now_ns());
        clock_gettime(CLOCK_REALTIME, &after);
        assert_true(now > (double)before.tv_sec + 1e-9 * (double)before.tv_nsec - 1e-3);
        assert_true(now < (double)after.tv_sec + 1e-9 * (double)after.tv_nsec + 1e-3);
    }
}

/* n samples from `from` to `to` seconds from now, by a clock 100 s behind; watts rise by 2 a second
 * from 10 at time 0, or joules at 10 a second that fall every 0.7 s. */
static const char *write_csv(double base, double from, double to, int n, const char *unit)
{
    const char *path = scratch_path("meter.csv");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "time,%s\n", unit);
    for (int i = 0; i < n; i++) {
        double t = from + (to - from) * i / (n - 1);
        bool watts = strcmp(unit, "watts") == 0;
        fprintf(f, "%.6f,%.6f\n", base + t - 100, watts ? 10 + 2 * t : fmod(10 * (t + 50), 7));
    }
    fclose(f);
    return path;
}

static timed_window window_of_csv(double from, double to, int n, const char *unit, tm_probe **probe,
                                  double *base)
{
    timed_window t;
    *base = unix_seconds(tm_now_ns());
    tm_probe_options options = {.meter_csv = write_csv(*base, from, to, n, unit),
                                .meter_offset_seconds = 100};
    *probe = open_meter(&options);
    measure(*probe, 1.05, &t);
    return t;
}

static void test_a_file_with_an_offset(void **state)
{
    (void)state;
    tm_probe *probe;
    double base;
    timed_window t = window_of_csv(-5, 60, 651, "watts", &probe, &base);
    const tm_probe_value *v = &t.w.values[0];
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    /* A line is integrated exactly, its edges too: 10 t + t^2. */
    double a = unix_seconds(t.w.begin_ns) - base, b = unix_seconds(t.w.end_ns) - base;
    double truth = 10 * (b - a) + b * b - a * a;
    if (fabs(v->value - truth) > 1e-3 * truth) fail_msg("%g J, truth %g J", v->value, truth);
    assert_true(fabs(v->largest_gap_seconds - 0.1) < 1e-4);
    assert_true(v->error_bound > 0 && v->error_bound < 0.02 * truth);
    tm_probe_close(probe);
}

static void test_windows_a_file_does_not_measure(void **state)
{
    (void)state;
    static const struct {
        double from, to;
        int n;
        const char *unit, *says;
    } rows[] = {
        {30, 60, 300, "watts", "of a window from 0 to"},  /* begins late */
        {-5, 0.5, 200, "watts", "of a window from 0 to"}, /* ends early */
        {-5, 60, 66, "watts", "are not a measurement"},   /* one a second */
        {-5, 60, 651, "joules", "fell from"},             /* set back again and again */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe *probe;
        double base;
        timed_window t =
            window_of_csv(rows[i].from, rows[i].to, rows[i].n, rows[i].unit, &probe, &base);
        assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
        assert_true(isnan(t.w.values[0].value) && isnan(t.w.values[0].error_bound));
        assert_says(t.w.values[0].reason, rows[i].says);
        tm_probe_close(probe);
    }
}

static void refused(const tm_probe_options *options, const char *says)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    assert_int_equal(tm_probe_open("meter", options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_null(probe);
    assert_says(err.message, says);
}

static void test_what_is_no_meter(void **state)
{
    (void)state;
    tm_probe_options none = {0};
    refused(&none, "none was named");
    tm_probe_options fails = {.meter = "exit 3"};
    refused(&fails, "its output has ended");
    tm_probe_options unnamed = {.meter = "echo '1700000000 40'; sleep 5"};
    refused(&unnamed, "not \"time watts\"");
    tm_probe_options words = {.meter = "echo time watts; echo 1700000000 many; sleep 5"};
    refused(&words, "not a time and watts");
    tm_probe_options absent = {.meter_csv = scratch_path("absent.csv")};
    refused(&absent, "No such file");
    write_file(scratch_path("empty.csv"), "", 0);
    tm_probe_options empty = {.meter_csv = scratch_path("empty.csv")};
    refused(&empty, "no whole line");
}

/* No window of it is measured; why, is told as soon as its output has been read. */
static void never_measured(const char *command, const char *says)
{
    tm_probe_options options = {.meter = command};
    tm_probe *probe = open_meter(&options);
    timed_window t;
    for (int turn = 0; turn < 5; turn++) {
        measure(probe, 1.05, &t);
        assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
        if (strstr(t.w.values[0].reason, says)) break;
        /* It was waited for, and whoever reads it stood still. */
        assert_true(call_seconds(t.stop) > 1.99);
    }
    assert_says(t.w.values[0].reason, says);
    tm_probe_close(probe);
}

static void test_a_command_that_ends_or_repeats_a_time(void **state)
{
    (void)state;
    never_measured("echo time watts; echo \"$(date +%s.%N) 40\"", "its output has ended");
    never_measured("echo time watts; t=$(date +%s.%N); echo $t 40; echo $t 40; sleep 60",
                   "is not after the one before it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_that_prints_watts),
        cmocka_unit_test(test_a_command_that_prints_joules),
        cmocka_unit_test(test_the_clocks),
        cmocka_unit_test(test_a_file_with_an_offset),
        cmocka_unit_test(test_windows_a_file_does_not_measure),
        cmocka_unit_test(test_what_is_no_meter),
        cmocka_unit_test(test_a_command_that_ends_or_repeats_a_time),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
