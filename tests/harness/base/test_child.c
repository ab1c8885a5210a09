/* Child processes: their lines, how they end, time-outs, and that none outlives its parent. */
#include "harness/base/child.h"

#include "tests/harness/fake_clock.h"
#include "tests/harness/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* Seconds within which a shell answers or a process ends, even on a machine that stalls. The
 * children of these tests run longer. */
#define PATIENCE 60
#define FOREVER  "600"

static tm_child *shell(const char *script)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    tm_child *child;
    tm_error err = {0};
    assert_ok(tm_child_open(argv, &child, &err), err);
    return child;
}

static const char *next_line(tm_child *child)
{
    const char *line;
    tm_error err = {0};
    assert_ok(tm_child_read_line(child, PATIENCE, NULL, &line, &err), err);
    return line;
}

static void test_lines_go_both_ways(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_child_end end;
    tm_child *child = shell("read a; echo \"got $a\"; printf '\\n'; printf 'no newline'");
    assert_ok(tm_child_write(child, "hello\n", 6, &err), err);
    assert_string_equal(next_line(child), "got hello");
    assert_string_equal(next_line(child), "");
    assert_string_equal(next_line(child), "no newline");
    assert_null(next_line(child));
    assert_null(next_line(child));
    tm_child_close(child, PATIENCE, &end);
    assert_true(end.ok);
    assert_int_equal(end.exit_code, 0);
    assert_string_equal(end.last_words, "");
    assert_true(end.max_rss_bytes > 0);
}

static void test_variables_replace_those_of_this_process(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_child *child;
    const char *argv[] = {"/bin/sh", "-c", "echo \"$TM_TEST_A|$TM_TEST_B|$TM_TEST_AB\"", NULL};
    const char *variables[] = {"TM_TEST_A=new one", "TM_TEST_B=", NULL};
    setenv("TM_TEST_A", "old", 1);
    setenv("TM_TEST_AB", "kept", 1);
    assert_ok(tm_child_open_with(argv, variables, &child, &err), err);
    assert_string_equal(next_line(child), "new one||kept");
    tm_child_close(child, PATIENCE, NULL);
    assert_string_equal(getenv("TM_TEST_A"), "old");
    unsetenv("TM_TEST_A");
    unsetenv("TM_TEST_AB");
}

static void test_long_line(void **state)
{
    (void)state;
    tm_child *child = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo short");
    const char *line = next_line(child);
    assert_int_equal(strlen(line), 3000000);
    assert_int_equal(strspn(line, "x"), 3000000);
    assert_string_equal(next_line(child), "short");
    tm_child_close(child, PATIENCE, NULL);
}

static void test_end_is_described(void **state)
{
    (void)state;
    static const struct {
        const char *script, *reason, *words;
        int code, signal;
    } cases[] = {
        {"exit 3", "exited with 3", "", 3, 0},
        {"kill -SEGV $$", "was killed by SIGSEGV", "", -1, SIGSEGV},
        {"echo one >&2; printf 'two \\001\\n\\n' >&2; kill -ABRT $$", "was killed by SIGABRT",
         "two ?", -1, SIGABRT},
        {"kill -KILL $$", "was killed by SIGKILL (perhaps the system ran out of memory)", "", -1,
         SIGKILL},
        {"i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1",
         "exited with 1", "line 2999", 1, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_child_end end;
        tm_child *child = shell(cases[i].script);
        assert_null(next_line(child));
        tm_child_close(child, PATIENCE, &end);
        assert_string_equal(end.reason, cases[i].reason);
        assert_string_equal(end.last_words, cases[i].words);
        assert_int_equal(end.exit_code, cases[i].code);
        assert_int_equal(end.signal, cases[i].signal);
        assert_false(end.ok);
    }
}

static void test_missing_program_is_an_error(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_child *child;
    const char *argv[] = {"/no/such/program", NULL};
    assert_int_equal(tm_child_open(argv, &child, &err), TM_CHILD);
    assert_null(child);
    assert_says(err.message, "/no/such/program");
    assert_says(err.message, "No such file");
}

static void test_silent_child_times_out(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    tm_child_end end;
    fake_clock fake;
    fake_clock_init(&fake);
    tm_child *child = shell("echo first; exec sleep " FOREVER);
    assert_string_equal(next_line(child), "first");
    tm_child_set_clock(child, &fake.clock);
    assert_int_equal(tm_child_read_line(child, 120, NULL, &line, &err), TM_TIMEOUT);
    assert_string_equal(err.message, "no answer for 120 s");
    assert_int_equal(fake.slept_ns, 120000000000);
    tm_child_close(child, 10, &end);
    assert_int_equal(end.signal, SIGKILL);
    assert_int_equal(fake.slept_ns, 130000000000);
}

static void interrupt_now(fake_clock *fake)
{
    assert_int_equal(write(*(int *)fake->arg, "x", 1), 1);
}

static void test_interrupt_ends_a_wait(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    int fds[2];
    fake_clock fake;
    fake_clock_init(&fake);
    assert_int_equal(pipe(fds), 0);
    fake.on_sleep = interrupt_now;
    fake.arg = &fds[1];
    tm_child *child = shell("exec sleep " FOREVER);
    tm_child_set_clock(child, &fake.clock);
    assert_int_equal(tm_child_read_line(child, 80, &(tm_interrupt){fds[0]}, &line, &err),
                     TM_INTERRUPTED);
    assert_int_equal(fake.n_sleeps, 1);
    assert_int_equal(fake.slept_ns, 10000000000);
    tm_child_close(child, 0, NULL);
    close(fds[0]);
    close(fds[1]);
}

/* A reading after each slice that jumps by far more: this process was stopped. */
static void stop_process(fake_clock *fake)
{
    fake->time_ns += 3600000000000;
}

static void test_time_stopped_is_no_silence(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    fake_clock fake;
    fake_clock_init(&fake);
    fake.on_sleep = stop_process;
    tm_child *child = shell("exec sleep " FOREVER);
    tm_child_set_clock(child, &fake.clock);
    assert_int_equal(tm_child_read_line(child, 80, NULL, &line, &err), TM_TIMEOUT);
    assert_int_equal(fake.n_sleeps, 8);
    tm_child_close(child, 0, NULL);
}

static void test_nul_byte_is_an_error(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    tm_child *child = shell("printf 'a\\000b\\n'");
    assert_int_equal(tm_child_read_line(child, PATIENCE, NULL, &line, &err), TM_CHILD);
    assert_says(err.message, "NUL");
    tm_child_close(child, PATIENCE, NULL);
}

/* An error, and no SIGPIPE in this process. */
static void test_write_to_closed_input_is_an_error(void **state)
{
    (void)state;
    tm_error err = {0};
    static char much[1 << 20];
    tm_child *child = shell("exec <&-; echo ready; exec sleep " FOREVER);
    assert_string_equal(next_line(child), "ready");
    memset(much, 'x', sizeof much);
    assert_int_equal(tm_child_write(child, much, sizeof much, &err), TM_CHILD);
    tm_child_close(child, 0, NULL);
}

static bool lives(pid_t pid)
{
    /* A zombie has ended; its parent has not reaped it yet. */
    char path[64], state_letter = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f) return false;
    if (fscanf(f, "%*d %*s %c", &state_letter) != 1) state_letter = 'Z';
    fclose(f);
    return state_letter != 'Z' && state_letter != 'X';
}

static bool ends_within(pid_t pid, double seconds)
{
    int64_t end = tm_now_ns() + (int64_t)(seconds * 1e9);
    while (lives(pid) && tm_now_ns() < end) usleep(2000);
    return !lives(pid);
}

static void test_close_kills_the_group(void **state)
{
    (void)state;
    tm_child *child = shell("sleep " FOREVER " & echo $!; wait");
    pid_t grandchild = (pid_t)atoi(next_line(child));
    assert_true(grandchild > 1 && lives(grandchild));
    tm_child_close(child, 0, NULL);
    assert_true(ends_within(grandchild, PATIENCE));
}

/* The whole group may end in its own way: here a later part of a pipeline. */
static void test_stop_lets_the_group_end(void **state)
{
    (void)state;
    tm_child_end end;
    tm_child *child =
        shell("trap 'exit 3' TERM; "
              "(trap 'echo released >&2; exit' TERM; echo ready; while :; do sleep 0.01; done) & "
              "wait");
    assert_string_equal(next_line(child), "ready");
    tm_child_stop(child, PATIENCE, &end);
    assert_int_equal(end.exit_code, 3);
    assert_string_equal(end.last_words, "released");
}

static void test_stop_kills_what_ignores_it(void **state)
{
    (void)state;
    tm_child_end end;
    fake_clock fake;
    fake_clock_init(&fake);
    tm_child *child = shell("trap '' TERM; echo ready; while :; do sleep 1; done");
    assert_string_equal(next_line(child), "ready");
    tm_child_set_clock(child, &fake.clock);
    tm_child_stop(child, 10, &end);
    assert_int_equal(end.signal, SIGKILL);
    assert_int_equal(fake.slept_ns, 10000000000);
}

static void test_child_dies_with_its_parent(void **state)
{
    (void)state;
    int fds[2], how;
    pid_t grandchild = 0;
    assert_int_equal(pipe(fds), 0);
    pid_t parent = fork();
    assert_true(parent >= 0);
    if (parent == 0) {
        tm_child *child = shell("echo $$; exec sleep " FOREVER);
        pid_t pid = (pid_t)atoi(next_line(child));
        if (write(fds[1], &pid, sizeof pid) != sizeof pid) _exit(1);
        for (;;) pause();
    }
    assert_int_equal(read(fds[0], &grandchild, sizeof grandchild), sizeof grandchild);
    assert_true(lives(grandchild));
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, &how, 0), parent);
    assert_true(ends_within(grandchild, PATIENCE));
    close(fds[0]);
    close(fds[1]);
}

static void test_child_inherits_no_descriptor(void **state)
{
    (void)state;
    int secret = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tm_child *other = shell("exec sleep " FOREVER);   /* its pipes are not inherited either */
    tm_child *child = shell("exec ls /proc/self/fd"); /* 3: the folder it lists */
    for (int i = 0; i < 4; i++) assert_int_equal(atoi(next_line(child)), i);
    assert_null(next_line(child));
    tm_child_close(child, PATIENCE, NULL);
    tm_child_close(other, 0, NULL);
    close(secret);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_go_both_ways),
        cmocka_unit_test(test_variables_replace_those_of_this_process),
        cmocka_unit_test(test_long_line),
        cmocka_unit_test(test_end_is_described),
        cmocka_unit_test(test_missing_program_is_an_error),
        cmocka_unit_test(test_silent_child_times_out),
        cmocka_unit_test(test_time_stopped_is_no_silence),
        cmocka_unit_test(test_interrupt_ends_a_wait),
        cmocka_unit_test(test_nul_byte_is_an_error),
        cmocka_unit_test(test_write_to_closed_input_is_an_error),
        cmocka_unit_test(test_close_kills_the_group),
        cmocka_unit_test(test_stop_lets_the_group_end),
        cmocka_unit_test(test_stop_kills_what_ignores_it),
        cmocka_unit_test(test_child_dies_with_its_parent),
        cmocka_unit_test(test_child_inherits_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
