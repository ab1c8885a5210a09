/* Whole files: replaced at once, never through a device, and whole again after an error. */
#include "harness/base/atomic_file.h"

#include "tests/harness/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void assert_content(const char *path, const char *wanted)
{
    size_t size;
    char *text = read_file(path, &size);
    assert_string_equal(text, wanted);
    free(text);
}

static void assert_writes(const char *path, const char *text)
{
    tm_error err = {0};
    assert_ok(tm_atomic_file_write(path, text, strlen(text), &err), err);
}

/* Entries of the scratch folder whose name holds ".part". */
static int n_partial_files(void)
{
    int n = 0;
    DIR *folder = opendir(scratch_folder);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) n += strstr(e->d_name, ".part") != NULL;
    closedir(folder);
    return n;
}

static void test_new_file_and_replacement(void **state)
{
    struct stat st;
    (void)state;
    const char *path = scratch_path("plain");
    assert_writes(path, "first");
    assert_content(path, "first");
    assert_int_equal(chmod(path, 0640), 0);
    assert_writes(path, "2");
    assert_content(path, "2");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_writes(path, "");
    assert_content(path, "");
    assert_int_equal(n_partial_files(), 0);
}

static void test_symbolic_link_is_followed(void **state)
{
    struct stat st;
    (void)state;
    const char *target = scratch_path("target"), *link = scratch_path("link");
    assert_writes(target, "old");
    assert_int_equal(symlink("target", link), 0);
    assert_writes(link, "new");
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_content(target, "new");
    assert_int_equal(unlink(target), 0);
    assert_writes(link, "again"); /* a link to nothing: its target is made */
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_content(target, "again");
}

static void test_link_to_itself_is_an_error(void **state)
{
    tm_error err = {0};
    (void)state;
    const char *link = scratch_path("loop");
    assert_int_equal(symlink("loop", link), 0);
    assert_int_equal(tm_atomic_file_write(link, "x", 1, &err), TM_IO);
    assert_says(err.message, "symbolic links");
}

static void test_fifo_is_written_in_place(void **state)
{
    char got[16] = {0};
    struct stat st;
    tm_error err = {0};
    (void)state;
    const char *path = scratch_path("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(tm_atomic_file_write(path, "x", 1, &err), TM_IO);
    assert_says(err.message, "no process reads this pipe");
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_writes(path, "through");
    assert_int_equal(read(reader, got, sizeof got), 7);
    assert_string_equal(got, "through");
    close(reader);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(n_partial_files(), 0);
}

static void test_device_is_written_in_place(void **state)
{
    struct stat st;
    tm_error err = {0};
    (void)state;
    const char *link = scratch_path("null");
    assert_int_equal(symlink("/dev/null", link), 0);
    assert_writes(link, "nothing stays");
    assert_writes("/dev/null", "nothing stays");
    assert_int_equal(lstat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(tm_atomic_file_write("/dev/full", "x", 1, &err), TM_IO);
    assert_says(err.message, "/dev/full: cannot write 1 bytes: No space left");
    assert_int_equal(lstat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
}

static void test_error_leaves_the_earlier_file(void **state)
{
    static char much[8192];
    tm_error err = {0};
    (void)state;
    const char *path = scratch_path("kept");
    assert_writes(path, "good");
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){4096, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    tm_status status = tm_atomic_file_write(path, much, sizeof much, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, TM_IO);
    assert_says(err.message, "File too large");
    assert_content(path, "good");
    assert_int_equal(n_partial_files(), 0);
}

/* Data in parts: the earlier file stays until commit, and abandoning leaves it and nothing else. */
static void test_file_in_parts(void **state)
{
    tm_atomic_file file;
    tm_error err = {0};
    (void)state;
    const char *target = scratch_path("large"), *link = scratch_path("large.link");
    assert_writes(target, "good");
    assert_int_equal(symlink("large", link), 0);
    for (int round = 0; round < 2; round++) {
        assert_ok(tm_atomic_file_open(link, &file, &err), err);
        assert_int_equal(tm_write_all(file.fd, "bet", 3), 0);
        assert_int_equal(tm_write_all(file.fd, "ter", 3), 0);
        assert_content(target, "good");
        if (round == 0) tm_atomic_file_abandon(&file);
    }
    assert_int_equal(n_partial_files(), 0); /* this file system has files without a name */
    assert_ok(tm_atomic_file_commit(&file, &err), err);
    assert_content(target, "better");
    assert_int_equal(file.fd, -1);
    tm_atomic_file_abandon(&file);
    assert_content(target, "better");
    assert_int_equal(n_partial_files(), 0);
}

static void test_check_changes_nothing(void **state)
{
    tm_error err = {0};
    (void)state;
    const char *path = scratch_path("checked"), *fifo = scratch_path("checked.fifo");
    assert_ok(tm_atomic_file_check(path, &err), err);
    assert_int_equal(access(path, F_OK), -1);
    assert_writes(path, "good");
    assert_ok(tm_atomic_file_check(path, &err), err);
    assert_content(path, "good");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_ok(tm_atomic_file_check(fifo, &err), err);
    assert_ok(tm_atomic_file_check("/dev/null", &err), err);
    assert_int_equal(tm_atomic_file_check(scratch_folder, &err), TM_ARG);
    assert_int_equal(tm_atomic_file_check(scratch_path("no/file"), &err), TM_IO);
    assert_says(err.message, "No such file or directory");
    assert_int_equal(n_partial_files(), 0);
}

static void test_folder_is_no_file(void **state)
{
    tm_error err = {0};
    (void)state;
    assert_int_equal(tm_atomic_file_write(scratch_folder, "x", 1, &err), TM_ARG);
    assert_says(err.message, "is a folder");
    assert_int_equal(tm_atomic_file_write(scratch_path("no/such/file"), "x", 1, &err), TM_IO);
    assert_says(err.message, "No such file or directory");
}

static void test_folders_are_made(void **state)
{
    char deep[160];
    struct stat st;
    tm_error err = {0};
    (void)state;
    snprintf(deep, sizeof deep, "%s/a//b/c/", scratch_folder);
    assert_ok(tm_make_folders(deep, &err), err);
    assert_ok(tm_make_folders(deep, &err), err);
    assert_int_equal(stat(deep, &st), 0);
    assert_ok(tm_make_folders("", &err), err);
    assert_ok(tm_make_folders("/", &err), err);
    snprintf(deep, sizeof deep, "%s/d/e/file", scratch_folder);
    assert_ok(tm_make_folders_of_file(deep, &err), err);
    assert_writes(deep, "x");
    assert_ok(tm_make_folders_of_file("file", &err), err);
    assert_int_equal(tm_make_folders(deep, &err), TM_IO);
    assert_says(err.message, "a file is in its place");
}

static void test_closed_pipe_is_an_error_and_no_signal(void **state)
{
    int fds[2];
    (void)state;
    assert_int_equal(pipe(fds), 0);
    close(fds[0]);
    assert_int_equal(tm_write_all(fds[1], "x", 1), EPIPE);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_file_and_replacement),
        cmocka_unit_test(test_symbolic_link_is_followed),
        cmocka_unit_test(test_link_to_itself_is_an_error),
        cmocka_unit_test(test_fifo_is_written_in_place),
        cmocka_unit_test(test_device_is_written_in_place),
        cmocka_unit_test(test_error_leaves_the_earlier_file),
        cmocka_unit_test(test_file_in_parts),
        cmocka_unit_test(test_check_changes_nothing),
        cmocka_unit_test(test_folder_is_no_file),
        cmocka_unit_test(test_folders_are_made),
        cmocka_unit_test(test_closed_pipe_is_an_error_and_no_signal),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
