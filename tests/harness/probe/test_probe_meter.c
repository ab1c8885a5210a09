/* External meters: commands that print samples, and files, compared with integrals in closed
 * form. */
#include "harness/probe/meter_series.h"
#include "harness/probe/probe_meter.h"
#include "tests/harness/probe/fake_machine.h"

#define OFFSET 100.001 /* of the clock of the meter that writes files */

static fake_machine machine;

static double unix_seconds(int64_t monotonic_ns)
{
    return 1e-9 * (double)(monotonic_ns + tm_unix_offset_ns());
}

/* Measures a window of the system's clock with a command that prints 100 samples per second. */
static void measure_command(const char *command, double watts)
{
    const tm_probe_meter_options meter = {.command = command};
    const tm_probe_options options = {.own = &meter, .min_seconds = 0.2};
    tm_probe *probe;
    tm_probe_health health;
    tm_probe_window w;
    tm_probe_value sum;
    tm_error err = {0};
    assert_ok(tm_probe_open("meter", &options, &probe, &health, &err), err);
    assert_int_equal(health.state, TM_PROBE_OK);
    const tm_probe_value *v = NULL;
    for (int i = 0; i < 5; i++) {
        tm_probe_start(probe);
        usleep(300000u << i);
        tm_probe_stop(probe, &w);
        v = &w.values[0];
        if (v->state == TM_PROBE_OK) break;
    }
    if (v->state != TM_PROBE_OK) TM_SKIP("this machine is too busy: %s", v->reason);
    assert_string_equal(v->info->scope, "system");
    assert_string_equal(v->info->method, "imported");
    assert_true(v->n_samples >= 10 && v->largest_gap_seconds > 0);
    if (!(fabs(v->value - watts * w.seconds) < 1e-4 * v->value))
        fail_msg("%g J in %g s at %g W", v->value, w.seconds, watts);
    tm_probe_sum(&w, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING);
    tm_probe_close(probe);
}

static void test_a_command_that_prints_watts(void **state)
{
    (void)state;
    measure_command("echo '# a wall meter'; echo time watts; "
                    "while :; do echo \"$(date +%s.%N) 40\"; sleep 0.01; done",
                    40);
}

static void test_a_command_that_prints_joules(void **state)
{
    (void)state;
    measure_command("echo time,joules; while :; do date +%s.%N | "
                    "awk '{ printf \"%s,%.6f\\n\", $1, ($1 - 1.7e9) * 25 }'; sleep 0.01; done",
                    25);
}

/* Writes n samples from `from` to `to` seconds after `base`, with a clock that is OFFSET seconds
 * behind. Watts rise by 2 per second from 10 at `base`. Joules rise by 10 per second and fall every
 * 0.7 s. */
static const char *write_csv(double base, double from, double to, int n, const char *unit)
{
    const char *path = scratch_path("meter.csv");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "time,%s\n", unit);
    for (int i = 0; i < n; i++) {
        double t = from + (to - from) * i / (n - 1);
        bool watts = strcmp(unit, "watts") == 0;
        fprintf(f, "%.6f,%.6f\n", base + t - OFFSET, watts ? 10 + 2 * t : fmod(10 * (t + 50), 7));
    }
    fclose(f);
    return path;
}

/* Measures a window of 1.05 s that begins at `base`. */
static void measure_csv(double from, double to, int n, const char *unit, tm_probe_window *w)
{
    machine_init(&machine);
    double base = unix_seconds(machine.fake.time_ns);
    const tm_probe_meter_options meter = {.csv = write_csv(base, from, to, n, unit),
                                          .offset_seconds = OFFSET};
    machine_open(&machine, "meter", &(tm_probe_options){.own = &meter, .trace_hz = 4});
    machine_measure(&machine, 1.05, w);
}

static void test_a_file_with_an_offset(void **state)
{
    (void)state;
    tm_probe_window w;
    measure_csv(-5, 60, 651, "watts", &w);
    const tm_probe_value *v = &w.values[0];
    assert_measured(v);
    /* Trapezoids integrate a straight line exactly, edges included: 10 t + t^2. */
    double truth = 10 * 1.05 + 1.05 * 1.05;
    if (fabs(v->value - truth) > 1e-4 * truth) fail_msg("%g J, truth %g J", v->value, truth);
    assert_true(fabs(v->largest_gap_seconds - 0.1) < 1e-4);
    assert_true(v->error_bound > 0 && v->error_bound < 0.03 * truth);
    assert_true(w.n_trace >= 10);
    machine_close(&machine);
}

static void test_a_file_that_does_not_cover_the_window(void **state)
{
    (void)state;
    static const struct {
        double from, to;
        int n;
        const char *unit, *says;
    } rows[] = {
        {6, 60, 540, "watts", "extends outside the samples"},   /* begins late */
        {-5, 0.5, 200, "watts", "extends outside the samples"}, /* ends early */
        {-5, 60, 66, "watts", "at least 10 are required"},      /* one per second */
        {-5, 60, 651, "joules", "fell from"},                   /* reset again and again */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe_window w;
        measure_csv(rows[i].from, rows[i].to, rows[i].n, rows[i].unit, &w);
        assert_not_measured(&w.values[0], TM_PROBE_INVALID, rows[i].says);
        machine_close(&machine);
    }
}

/* The sample after the window arrives late: stopping waits for it, for 2 s at most. */
static void append_sample(fake_clock *fake)
{
    double now = unix_seconds(fake->time_ns);
    FILE *f = fopen(scratch_path("meter.csv"), "a");
    assert_non_null(f);
    fprintf(f, "%.6f,10\n", now - OFFSET);
    fclose(f);
}

static void test_a_late_sample_is_waited_for(void **state)
{
    (void)state;
    tm_probe_window w;
    machine_init(&machine);
    double base = unix_seconds(machine.fake.time_ns);
    const tm_probe_meter_options meter = {.csv = write_csv(base, -5, 1, 600, "watts"),
                                          .offset_seconds = OFFSET};
    machine_open(&machine, "meter", &(tm_probe_options){.own = &meter});
    tm_probe_start(machine.probe);
    machine_sleep(&machine, 1.05);
    machine.fake.on_sleep = append_sample;
    int64_t before = machine.fake.time_ns;
    tm_probe_stop(machine.probe, &w);
    assert_measured(&w.values[0]);
    assert_true(machine.fake.time_ns - before <= 100000000);
    machine.fake.on_sleep = NULL;
    machine_measure(&machine, 1.05, &w);
    assert_not_measured(&w.values[0], TM_PROBE_INVALID, "extends outside the samples");
    assert_true(machine.fake.time_ns - w.end_ns >= 2000000000);
    machine_close(&machine);
}

static void refuse(const tm_probe_meter_options *meter, const char *says)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    const tm_probe_options options = {.own = meter};
    assert_int_equal(tm_probe_open("meter", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_null(probe);
    assert_says(err.message, says);
}

static void test_commands_and_files_without_samples(void **state)
{
    (void)state;
    refuse(&(tm_probe_meter_options){0}, "neither a command nor a file");
    refuse(&(tm_probe_meter_options){.command = "exit 3"}, "the command exited with status 3");
    refuse(&(tm_probe_meter_options){.command = "nosuchcommand"}, "exited with status 127");
    refuse(&(tm_probe_meter_options){.command = "nosuchcommand"}, "nosuchcommand: not found");
    refuse(&(tm_probe_meter_options){.command = "kill -TERM $$"}, "was killed by SIGTERM");
    refuse(&(tm_probe_meter_options){.command = "echo '1700000000 40'; sleep 5"},
           "not \"time watts\"");
    refuse(&(tm_probe_meter_options){.command = "echo time watts; echo 1700000000 many; sleep 5"},
           "not a time and watts");
    refuse(&(tm_probe_meter_options){.csv = scratch_path("absent.csv")}, "No such file");
    write_file(scratch_path("empty.csv"), "", 0);
    refuse(&(tm_probe_meter_options){.csv = scratch_path("empty.csv")}, "no complete line");
    write_file(scratch_path("header.csv"), "time,watts\n", 11);
    refuse(&(tm_probe_meter_options){.csv = scratch_path("header.csv")}, "has no sample");
    refuse(&(tm_probe_meter_options){.command = "echo time watts; echo 1700000000 40; sleep 5"},
           "behind this machine's clock; the limit is 10 s");
    write_file(scratch_path("ahead.csv"), "time,watts\n99999999999,5\n", 25);
    refuse(&(tm_probe_meter_options){.csv = scratch_path("ahead.csv")}, "ahead of this machine's");
}

/* A line of a file under the first line of that file. */
static void read_line(const char *first, const char *line, double time, double value,
                      const char *broken)
{
    tm_meter_series s = {0};
    tm_meter_series_add_line(&s, first, 0);
    if (!s.named) fail_msg("\"%s\": %s", first, s.broken);
    tm_meter_series_add_line(&s, line, 0);
    if (broken) {
        if (s.n != 0) fail_msg("\"%s\" under \"%s\": %g W", line, first, s.value[0]);
        assert_says(s.broken, broken);
    } else {
        if (s.n != 1) fail_msg("\"%s\" under \"%s\": %s", line, first, s.broken);
        assert_true(s.time[0] == time && s.value[0] == value);
    }
    tm_meter_series_free(&s);
}

static void test_a_decimal_comma_is_never_a_separator(void **state)
{
    (void)state;
    const char *comma = "decimal comma";
    read_line("time;watts", "1796063082,385;45,60", 0, 0, comma);
    read_line("time;watts", "1796063082.385;45,60", 0, 0, comma);
    read_line("time;watts", "1796063082.385;45,60;1", 0, 0, comma);
    read_line("time watts", "1796063082.385 7,90", 0, 0, comma);
    read_line("time watts", "1796063082,385 7.90", 0, 0, comma);
    read_line("time watts", "1796063082 7,90", 0, 0, comma);
    read_line("time watts volts", "1796063082 7,90 230,1", 0, 0, comma);
    read_line("time\twatts", "1796063082,5\t7,90", 0, 0, comma);
    read_line("time\twatts", "1796063082\t7,90", 0, 0, comma);
    read_line("time,watts", "1796063082,385,45,60", 0, 0, comma);
    read_line("time,watts", "1796063082,45,60", 0, 0, comma);
    read_line("time,watts", "1796063082,385;45,60", 0, 0, comma);
    read_line("time;watts", "1796063082.5 45,60", 0, 0, comma);
    read_line("time joules", "1796063082 45,6", 0, 0, comma);
    read_line("time;watts", "1796063082.5;45.5;9", 0, 0, "3 columns, but the first line has 2");
    read_line("time watts", "1796063082.5", 0, 0, "1 columns, but the first line has 2");
}

static void test_columns_of_the_first_line(void **state)
{
    (void)state;
    read_line("time watts", "1796063082.5 45.25", 1796063082.5, 45.25, NULL);
    read_line("time watts", "  1796063082.5 \t 45.25 \r", 1796063082.5, 45.25, NULL);
    read_line("time, watts", "1796063082.5,45.25", 1796063082.5, 45.25, NULL);
    read_line("time,watts,", "1796063082.5 , 45.25,", 1796063082.5, 45.25, NULL);
    read_line("Time;Watts;Volts\r", "1796063082.5; 45.25;230,1\r", 1796063082.5, 45.25, NULL);
    read_line("time,watts,note", "1796063082.5,45.25,on the bench", 1796063082.5, 45.25, NULL);
    read_line("time,watts", "1796063082.5 45.25", 1796063082.5, 45.25, NULL);
    read_line("time joules", "1796063082 4e3", 1796063082, 4000, NULL);
}

/* Ten samples of 40 W a second; the lines at 2 s and 2.55 s cannot be read. */
static void make_garbled(tm_meter_series *s)
{
    char line[64];
    memset(s, 0, sizeof *s);
    tm_meter_series_add_line(s, "time watts", 0);
    for (int i = 0; i <= 60; i++) {
        snprintf(line, sizeof line, "%.1f 40.0", 0.1 * i);
        tm_meter_series_add_line(s, i == 20 ? "2\xff.0 4" : line, 0);
        if (i == 25) tm_meter_series_add_line(s, "2.5 40.0", 0); /* the same time again */
    }
}

static void test_a_garbled_line_spoils_only_its_window(void **state)
{
    (void)state;
    static const struct {
        double begin, end;
        const char *reason; /* NULL: measured */
    } rows[] = {{0.15, 1.85, NULL},
                {2.65, 5.55, NULL},
                {0.15, 1.95, "is not a time and watts"},
                {1.85, 3.05, "is not a time and watts"},
                {2.15, 3.35, "is not after the sample before it"}};
    tm_meter_series s;
    make_garbled(&s);
    assert_string_equal(s.broken, "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe_value v = {.value = NAN};
        tm_meter_series_integrate(&s, rows[i].begin, rows[i].end, &v);
        if (rows[i].reason) {
            assert_int_equal(v.state, TM_PROBE_INVALID);
            assert_says(v.reason, rows[i].reason);
        } else {
            assert_measured(&v);
            assert_close(v.value, 40 * (rows[i].end - rows[i].begin));
            /* Its last digit. */
            assert_close(v.error_bound, 0.1 * (rows[i].end - rows[i].begin));
        }
    }
    for (int i = 0; i <= TM_METER_SERIES_BAD_MAX; i++) tm_meter_series_add_line(&s, "?", 0);
    assert_says(s.broken, "too many lines before it");
    tm_meter_series_free(&s);
}

/* A file is read on where the last reading ended, and from its begin if it became shorter. */
static void test_a_file_that_grows(void **state)
{
    (void)state;
    const char *path = scratch_path("grows.csv");
    static const char first[] = "time watts\n1 10\n2 10\n3 1", then[] = "time watts\n1 10\n";
    tm_meter_series s = {0};
    write_file(path, first, sizeof first - 1);
    assert_true(tm_meter_series_read(path, 0, &s));
    assert_true(s.n == 2 && s.consumed == (int64_t)strlen(first) - 3);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fprintf(f, "2\n4 11\n");
    assert_int_equal(fclose(f), 0);
    assert_true(tm_meter_series_read(path, 0, &s));
    assert_true(s.n == 4 && s.value[2] == 12 && s.value[3] == 11);
    write_file(path, then, sizeof then - 1);
    assert_true(tm_meter_series_read(path, 0, &s));
    assert_true(s.n == 1 && s.time[0] == 1);
    tm_meter_series_free(&s);
}

static void test_a_given_offset_is_as_exact_as_its_last_digit(void **state)
{
    (void)state;
    assert_close(tm_meter_offset_error(3600), 0.5);
    assert_close(tm_meter_offset_error(-37.2), 0.05);
    assert_close(tm_meter_offset_error(37.25), 0.005);
    assert_true(tm_meter_offset_error(0) == 0);
}

/* Silence for 10 s of the fake clock. */
static void test_a_silent_command_is_refused(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    machine_init(&machine);
    const tm_probe_meter_options meter = {.command = "sleep 60"};
    const tm_probe_options options = {.own = &meter, .clock = &machine.clock};
    assert_int_equal(tm_probe_open("meter", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_says(err.message, "printed no sample within 10 s");
    assert_true(machine.fake.slept_ns >= 10000000000);
}

/* No window is measured, and the reason is known as soon as the output has been read. */
static void never_measure(const char *command, const char *says)
{
    const tm_probe_meter_options meter = {.command = command};
    const tm_probe_options options = {.own = &meter, .min_seconds = 0.05};
    tm_probe *probe;
    tm_probe_health health;
    tm_probe_window w;
    tm_error err = {0};
    assert_ok(tm_probe_open("meter", &options, &probe, &health, &err), err);
    for (int i = 0; i < 5; i++) {
        tm_probe_start(probe);
        usleep(100000);
        tm_probe_stop(probe, &w);
        assert_int_equal(w.values[0].state, TM_PROBE_INVALID);
        if (strstr(w.values[0].reason, says)) break;
    }
    assert_says(w.values[0].reason, says);
    tm_probe_close(probe);
}

static void test_a_command_that_ends(void **state)
{
    (void)state;
    never_measure("echo time watts; echo \"$(date +%s.%N) 40\"",
                  "the command exited with status 0");
}

/* Closing terminates the command, which can then release what it holds. */
static void test_a_command_is_terminated_before_it_is_killed(void **state)
{
    (void)state;
    char command[300];
    const char *released = scratch_path("released");
    snprintf(command, sizeof command,
             "trap 'echo yes >%s; exit' TERM; echo time watts; "
             "while :; do echo $(date +%%s.%%N) 40; sleep 0.01; done",
             released);
    const tm_probe_meter_options meter = {.command = command};
    const tm_probe_options options = {.own = &meter};
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    assert_ok(tm_probe_open("meter", &options, &probe, &health, &err), err);
    assert_int_not_equal(access(released, F_OK), 0);
    tm_probe_close(probe);
    assert_int_equal(access(released, F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_command_that_prints_watts),
        cmocka_unit_test(test_a_command_that_prints_joules),
        cmocka_unit_test(test_a_file_with_an_offset),
        cmocka_unit_test(test_a_file_that_does_not_cover_the_window),
        cmocka_unit_test(test_a_late_sample_is_waited_for),
        cmocka_unit_test(test_commands_and_files_without_samples),
        cmocka_unit_test(test_a_decimal_comma_is_never_a_separator),
        cmocka_unit_test(test_columns_of_the_first_line),
        cmocka_unit_test(test_a_garbled_line_spoils_only_its_window),
        cmocka_unit_test(test_a_file_that_grows),
        cmocka_unit_test(test_a_given_offset_is_as_exact_as_its_last_digit),
        cmocka_unit_test(test_a_silent_command_is_refused),
        cmocka_unit_test(test_a_command_that_ends),
        cmocka_unit_test(test_a_command_is_terminated_before_it_is_killed),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
