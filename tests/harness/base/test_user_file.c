/* Opens files that a user names: regular files, pipes with and without a writer, other types. */
#include "harness/base/user_file.h"
#include "tests/harness/scratch.h"
#include "tests/tm_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LIMIT = 100000 };
static char text[LIMIT + 1];

static tm_status read_it(const char *path, size_t limit, size_t *length, tm_error *err)
{
    memset(text, '#', sizeof text);
    return tm_user_file_read(path, limit, text, length, err);
}

static void test_regular_files_and_other_types(void **state)
{
    (void)state;
    const char *path = scratch_path("file");
    tm_error err = {0};
    size_t n;
    int fd;
    write_file(path, "twelve bytes", 12);
    assert_ok(read_it(path, 12, &n, &err), err);
    assert_int_equal(n, 12);
    assert_string_equal(text, "twelve bytes");
    assert_int_equal(read_it(path, 11, &n, &err), TM_FORMAT);
    assert_says(err.message, "larger than 11 bytes");
    assert_ok(tm_user_file_open(path, 0, &fd, &err), err);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);
    write_file(path, "", 0);
    assert_ok(read_it(path, 12, &n, &err), err);
    assert_string_equal(text, "");
    assert_int_equal(read_it(scratch_path("none"), 12, &n, &err), TM_IO);
    assert_says(err.message, "No such file");
    assert_int_equal(read_it(scratch_path("."), 12, &n, &err), TM_ARG);
    assert_says(err.message, "is a folder, not a file");
    assert_int_equal(tm_user_file_open("/dev/null", 0, &fd, &err), TM_ARG);
    assert_says(err.message, "/dev/null: not a regular file");
    assert_int_equal(fd, -1);
    assert_int_equal(read_it("/dev/zero", 1000, &n, &err), TM_FORMAT);
}

/* A pipe without a writer is an error after the time-out, which the message states. It is an error
 * at once if only a regular file is accepted. */
static void test_silent_pipes_are_errors(void **state)
{
    (void)state;
    const char *fifo = scratch_path("silent");
    tm_error err = {0};
    int fd, ends[2];
    char name[32];
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(tm_user_file_open(fifo, 0, &fd, &err), TM_ARG);
    assert_says(err.message, "silent: not a regular file");
    assert_int_equal(tm_user_file_open(fifo, 50, &fd, &err), TM_ARG);
    assert_says(err.message, "silent: no data from the pipe within 0.05 s");
    /* A writer that sends nothing is the same error. A closed writer means end of file. */
    assert_int_equal(pipe(ends), 0);
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_int_equal(tm_user_file_open(name, 50, &fd, &err), TM_ARG);
    close(ends[1]);
    size_t n = 1;
    assert_ok(read_it(name, LIMIT, &n, &err), err);
    assert_int_equal(n, 0);
    close(ends[0]);
}

/* Starts late and writes more than a pipe holds, with a pause in between. */
static void *write_slowly(void *path)
{
    char half[LIMIT / 2];
    const struct timespec pause = {0, 20000000};
    memset(half, 'x', sizeof half);
    nanosleep(&pause, NULL);
    int fd = open(path, O_WRONLY);
    for (int i = 0; i < 2 && fd >= 0; i++) {
        for (size_t n = 0; n < sizeof half;) {
            ssize_t wrote = write(fd, half + n, sizeof half - n);
            if (wrote < 0) break;
            n += (size_t)wrote;
        }
        nanosleep(&pause, NULL);
    }
    if (fd >= 0) close(fd);
    return NULL;
}

static void test_pipe_is_read_to_its_end(void **state)
{
    (void)state;
    char fifo[128];
    tm_error err = {0};
    size_t n;
    pthread_t writer;
    snprintf(fifo, sizeof fifo, "%s", scratch_path("fifo"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, fifo), 0);
    tm_status status = read_it(fifo, LIMIT, &n, &err);
    pthread_join(writer, NULL);
    assert_ok(status, err);
    assert_int_equal(n, LIMIT);
    assert_int_equal(strspn(text, "x"), LIMIT);
}

static void test_whole_file(void **state)
{
    (void)state;
    tm_error err = {0};
    char *whole;
    size_t n;
    const char *path = scratch_path("whole"), *pipe = scratch_path("pipe");
    write_file(path, "any\0size", 8);
    assert_ok(tm_user_file_read_all(path, &whole, &n, &err), err);
    assert_int_equal(n, 8);
    assert_memory_equal(whole, "any\0size", 9);
    free(whole);
    assert_int_equal(tm_user_file_read_all(scratch_path("none"), &whole, &n, &err), TM_IO);
    assert_null(whole);
    assert_int_equal(tm_user_file_read_all(scratch_folder, &whole, &n, &err), TM_ARG);
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(tm_user_file_read_all(pipe, &whole, &n, &err), TM_ARG);
    assert_says(err.message, "not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regular_files_and_other_types),
        cmocka_unit_test(test_whole_file),
        cmocka_unit_test(test_silent_pipes_are_errors),
        cmocka_unit_test(test_pipe_is_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
