/* External meters: commands that print samples, and files, against integrals in closed form. */
#include "tests/harness/energy_tree.h"

#include <time.h>

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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

static void measure(tm_probe *probe, unsigned milliseconds, tm_probe_window *window)
{
    tm_probe_start(probe);
    usleep(milliseconds * 1000);
    tm_probe_stop(probe, window);
}

static void test_a_command_that_prints_watts(void **state)
{
    (void)state;
    tm_probe_options options = {.meter =
                                    "echo '# a wall meter'; echo time watts; "
                                    "while :; do echo \"$(date +%s.%N) 40\"; sleep 0.05; done"};
    tm_probe *probe = open_meter(&options);
    tm_probe_window window;
    tm_probe_value sum;
    measure(probe, 1200, &window);
    const tm_probe_value *v = &window.values[0];
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    assert_string_equal(v->info->scope, "system");
    assert_string_equal(v->info->method, "imported");
    assert_true(fabs(v->value - 40 * window.seconds) < 0.01 * v->value);
    assert_true(v->n_samples >= 10 && v->rate_hz > 8 && v->largest_gap_seconds > 0.04);
    tm_probe_sum(&window, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING);
    tm_probe_close(probe);
}

static void test_a_command_that_prints_joules(void **state)
{
    (void)state;
    tm_probe_options options = {
        .meter = "echo time,joules; while :; do date +%s.%N | "
                 "awk '{ printf \"%s,%.6f\\n\", $1, ($1 - 1.7e9) * 25 }'; sleep 0.05; done"};
    tm_probe *probe = open_meter(&options);
    tm_probe_window window;
    measure(probe, 1300, &window);
    const tm_probe_value *v = &window.values[0];
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    assert_true(fabs(v->value - 25 * window.seconds) < 0.01 * v->value);
    tm_probe_close(probe);
}

/* n samples from `from` to `to` seconds from now, by a clock 100 s behind; watts rise by 2 a second
 * from 10 at time 0, or joules at 10 a second with one fall. */
static const char *write_csv(double base, double from, double to, int n, const char *unit)
{
    const char *path = scratch_path("meter.csv");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "time,%s\n", unit);
    for (int i = 0; i < n; i++) {
        double t = from + (to - from) * i / (n - 1);
        bool watts = strcmp(unit, "watts") == 0;
        fprintf(f, "%.6f,%.6f\n", base + t - 100, watts ? 10 + 2 * t : fmod(10 * (t + 50), 506));
    }
    fclose(f);
    return path;
}

static tm_probe_window window_of_csv(double from, double to, int n, const char *unit,
                                     tm_probe **probe, double *base)
{
    tm_probe_window window;
    *base = now_seconds();
    tm_probe_options options = {.meter_csv = write_csv(*base, from, to, n, unit),
                                .meter_offset_seconds = 100};
    *probe = open_meter(&options);
    measure(*probe, 1100, &window);
    return window;
}

static void test_a_file_with_an_offset(void **state)
{
    (void)state;
    tm_probe *probe;
    double base;
    tm_probe_window w = window_of_csv(-5, 20, 251, "watts", &probe, &base);
    const tm_probe_value *v = &w.values[0];
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    /* A line is integrated exactly, its edges too: 10 t + t^2. */
    double shift = now_seconds() - 1e-9 * (double)tm_now_ns() - base;
    double a = 1e-9 * (double)w.begin_ns + shift, b = 1e-9 * (double)w.end_ns + shift;
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
        {2, 20, 200, "watts", "of a window from 0 to"},   /* begins late */
        {-5, 0.5, 200, "watts", "of a window from 0 to"}, /* ends early */
        {-5, 20, 26, "watts", "are not a measurement"},   /* one a second */
        {-5, 20, 251, "joules", "fell from"},             /* set back at 0.6 s */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe *probe;
        double base;
        tm_probe_window w =
            window_of_csv(rows[i].from, rows[i].to, rows[i].n, rows[i].unit, &probe, &base);
        assert_int_equal(w.values[0].state, TM_PROBE_INVALID);
        assert_true(isnan(w.values[0].value) && isnan(w.values[0].error_bound));
        assert_says(w.values[0].reason, rows[i].says);
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

static void test_a_command_that_ends_or_repeats_a_time(void **state)
{
    (void)state;
    tm_probe_options ends = {.meter = "echo time watts; echo \"$(date +%s.%N) 40\""};
    tm_probe *probe = open_meter(&ends);
    tm_probe_window window;
    measure(probe, 1050, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "its output has ended");
    tm_probe_close(probe);
    tm_probe_options back = {.meter = "echo time watts; t=$(date +%s.%N); echo $t 40; echo $t 40; "
                                      "sleep 9"};
    probe = open_meter(&back);
    measure(probe, 1050, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "is not after the one before it");
    tm_probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_that_prints_watts),
        cmocka_unit_test(test_a_command_that_prints_joules),
        cmocka_unit_test(test_a_file_with_an_offset),
        cmocka_unit_test(test_windows_a_file_does_not_measure),
        cmocka_unit_test(test_what_is_no_meter),
        cmocka_unit_test(test_a_command_that_ends_or_repeats_a_time),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
