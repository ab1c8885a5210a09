/* Child processes: lines, ends, silence, and that nothing outlives its parent. */
#include "harness/base/clock.h"
#include "harness/base/child.h"
#include "tests/harness/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* Seconds in which a shell says a word or a process ends, also on a machine that stalls; what these tests
 * start would go on for longer. */
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
    assert_ok(tm_child_read_line(child, PATIENCE, -1, &line, &err), err);
    return line;
}

static void test_talks(void **state)
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

static void test_long_lines(void **state)
{
    (void)state;
    tm_child *child = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo short");
    const char *line = next_line(child);
    assert_int_equal(strlen(line), 3000000);
    assert_int_equal(strspn(line, "x"), 3000000);
    assert_string_equal(next_line(child), "short");
    tm_child_close(child, PATIENCE, NULL);
}

static void test_how_it_ended(void **state)
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

static void test_not_started(void **state)
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

static void test_silence(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    tm_child_end end;
    tm_child *child = shell("echo first; exec sleep " FOREVER);
    assert_string_equal(next_line(child), "first");
    int64_t begin = tm_now_ns();
    assert_int_equal(tm_child_read_line(child, 0.2, -1, &line, &err), TM_TIMEOUT);
    double seconds = (double)(tm_now_ns() - begin) * 1e-9;
    assert_true(seconds >= 0.2 && seconds < PATIENCE);
    assert_string_equal(err.message, "no answer for 0.2 s");
    begin = tm_now_ns();
    tm_child_close(child, 0, &end);
    assert_true((double)(tm_now_ns() - begin) * 1e-9 < PATIENCE);
    assert_int_equal(end.signal, SIGKILL);
}

/* In a process of its own, which is stopped for twice its patience. */
static _Noreturn void wait_while_stopped(double patience)
{
    char script[160];
    tm_error err = {0};
    const char *line = NULL;
    tm_child *child;
    snprintf(script, sizeof script,
             "sleep %g; kill -STOP $PPID; sleep %g; kill -CONT $PPID; sleep 0.05; echo late",
             patience / 4, 2 * patience);
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    if (tm_child_open(argv, &child, &err) != TM_OK) _exit(2);
    tm_status status = tm_child_read_line(child, patience, -1, &line, &err);
    _exit(status == TM_TIMEOUT ? 1 : status == TM_OK && strcmp(line, "late") == 0 ? 0 : 2);
}

/* Who stood still has not waited. After it goes on the child needs some time as well, which is more than
 * there is where it is held up again: so with more and more patience. */
static void test_standing_still_is_not_waiting(void **state)
{
    (void)state;
    int how = -1;
    for (double patience = 0.4; patience < 10 && how != 0; patience *= 2) {
        pid_t waiter = fork();
        assert_true(waiter >= 0);
        if (waiter == 0) wait_while_stopped(patience);
        assert_int_equal(waitpid(waiter, &how, 0), waiter);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) < 2);
    }
    assert_int_equal(how, 0);
}

static void test_interrupt(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    tm_child *child = shell("exec sleep " FOREVER);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(tm_child_read_line(child, PATIENCE, fds[0], &line, &err), TM_INTERRUPTED);
    tm_child_close(child, 0, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void test_bad_output(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *line;
    tm_child *child = shell("printf 'a\\000b\\n'");
    assert_int_equal(tm_child_read_line(child, PATIENCE, -1, &line, &err), TM_CHILD);
    assert_says(err.message, "NUL");
    tm_child_close(child, PATIENCE, NULL);
}

/* It reads nothing and is gone: an error, and no SIGPIPE for us. */
static void test_gone_reader(void **state)
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
    /* A zombie has ended; only its parent, init here, has not looked yet. */
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

static void test_kills_its_group(void **state)
{
    (void)state;
    tm_child *child = shell("sleep " FOREVER " & echo $!; wait");
    pid_t grandchild = (pid_t)atoi(next_line(child));
    assert_true(grandchild > 1 && lives(grandchild));
    tm_child_close(child, 0, NULL);
    assert_true(ends_within(grandchild, PATIENCE));
}

static void test_dies_with_its_parent(void **state)
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

/* Descriptors of ours are not the child's. */
static void test_inherits_nothing(void **state)
{
    (void)state;
    int secret = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tm_child *other = shell("exec sleep " FOREVER);   /* its pipes must not be seen either */
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
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_how_it_ended),
        cmocka_unit_test(test_not_started),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_standing_still_is_not_waiting),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_bad_output),
        cmocka_unit_test(test_gone_reader),
        cmocka_unit_test(test_kills_its_group),
        cmocka_unit_test(test_dies_with_its_parent),
        cmocka_unit_test(test_inherits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
