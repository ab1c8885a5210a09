/* The file of a store: torn lines, locks, full disks, files that are not stores. */
#include "harness/record/store.h"
#include "tests/harness/samples.h"
#include "tests/harness/scratch.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static tm_status append_to(const char *path, int process, int n, tm_error *err)
{
    tm_store *store;
    tm_status status = tm_store_open(path, &store, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n && status == TM_OK; i++) {
        tm_record r = make_sample(process, i, 3);
        status = tm_store_append(store, &r, err);
        tm_record_free(&r);
    }
    tm_store_close(store);
    return status;
}

static int count_records(const char *path, size_t *torn)
{
    tm_records records;
    tm_error err = {0};
    assert_ok(tm_records_read(path, &records, &err), err);
    int n = records.n;
    if (torn) *torn = records.torn_bytes;
    tm_records_free(&records);
    return n;
}

static void test_append_and_read(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_records records;
    const char *path = scratch_path("store.jsonl");
    assert_ok(append_to(path, 0, 2, &err), err);
    assert_ok(append_to(path, 1, 3, &err), err);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_int_equal(records.n, 5);
    assert_int_equal(records.torn_bytes, 0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(records.items[i].process, i >= 2);
        assert_int_equal(records.items[i].sample.repetition, i < 2 ? i : i - 2);
        assert_int_equal(records.items[i].sample.n_token_ns, 3);
    }
    tm_records_free(&records);
}

/* A store that is cut anywhere keeps every whole line, and appending continues after the last. */
static void test_torn_at_every_byte(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *whole = scratch_path("whole.jsonl"), *cut = scratch_path("cut.jsonl");
    size_t size;
    assert_ok(append_to(whole, 0, 2, &err), err);
    char *text = read_file(whole, &size);
    size_t first = strcspn(text, "\n") + 1;
    for (size_t keep = 0; keep < size; keep++) {
        size_t torn;
        int n = keep >= first;
        write_file(cut, text, keep);
        assert_int_equal(count_records(cut, &torn), n);
        assert_int_equal(torn, keep - (n ? first : 0));
        if (keep % 211 && keep != first - 1 && keep != size - 1)
            continue; /* opening syncs: slower */
        assert_ok(append_to(cut, 7, 1, &err), err);
        assert_int_equal(count_records(cut, &torn), n + 1);
        assert_int_equal(torn, 0);
    }
    free(text);
}

static void test_second_writer(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_store *first, *second;
    const char *path = scratch_path("locked.jsonl");
    assert_ok(tm_store_open(path, &first, &err), err);
    assert_int_equal(tm_store_open(path, &second, &err), TM_ARG);
    assert_null(second);
    assert_says(err.message, "locked.jsonl");
    assert_says(err.message, "another run");
    tm_store_close(first);
    assert_ok(tm_store_open(path, &second, &err), err);
    tm_store_close(second);
}

/* A file that is not a store stays unchanged, with or without a last newline. */
static void test_other_files(void **state)
{
    (void)state;
    static const char *const texts[] = {"dear diary", "{\"name\": 1}\nmore", "\n\n\n"};
    const char *path = scratch_path("diary.txt");
    for (int i = 0; i < 3; i++) {
        tm_error err = {0};
        tm_store *store;
        size_t size;
        write_file(path, texts[i], strlen(texts[i]));
        assert_int_equal(tm_store_open(path, &store, &err), TM_ARG);
        assert_says(err.message, "not a ternmark store");
        char *text = read_file(path, &size);
        assert_string_equal(text, texts[i]);
        free(text);
    }
    tm_error err = {0};
    tm_store *store;
    assert_int_equal(tm_store_open("/dev/null", &store, &err), TM_ARG);
    assert_int_equal(tm_store_open(scratch_path("no/such/folder.jsonl"), &store, &err), TM_IO);
    assert_says(err.message, "No such file");
    assert_int_not_equal(tm_store_open(scratch_folder, &store, &err), TM_OK);
    /* Opening does not wait for a writer of a FIFO. */
    tm_records records;
    const char *fifo = scratch_path("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(tm_records_read(fifo, &records, &err), TM_ARG);
    assert_says(err.message, "not a regular file");
    assert_int_equal(tm_store_open(fifo, &store, &err), TM_ARG);
}

static void test_damaged_line(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_records records;
    size_t size;
    const char *path = scratch_path("damaged.jsonl");
    assert_ok(append_to(path, 0, 3, &err), err);
    char *text = read_file(path, &size);
    char *second = strchr(text, '\n') + 1;
    second[20] = '\x01';
    write_file(path, text, size);
    /* One bad line costs that line only. */
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_int_equal(records.n_refused, 1);
    assert_says(records.refused, "line 2");
    assert_int_equal(records.n, 2);
    tm_records_free(&records);
    memcpy(second, "{\"schema\":7", 11);
    second[20] = text[20];
    write_file(path, text, size);
    assert_int_equal(tm_records_read(path, &records, &err), TM_UNSUPPORTED);
    assert_says(err.message, "schema 7");
    free(text);
    assert_int_equal(tm_records_read(scratch_path("absent.jsonl"), &records, &err), TM_IO);
}

static void add_bad_lines(const char *path, int from, int to)
{
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    for (int i = from; i < to; i++)
        fprintf(out, "{\"schema\":1,\"kind\":\"sample\",\"x\":%d}\n", i);
    fclose(out);
}

/* The first three refused lines are named with the reason, ten more by number. */
static void test_refused_lines_are_named(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_records records;
    char sentence[960];
    const char *path = scratch_path("refused.jsonl");
    assert_ok(append_to(path, 0, 1, &err), err);
    add_bad_lines(path, 0, 5);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_int_equal(records.n, 1);
    assert_int_equal(records.n_refused, 5);
    assert_non_null(tm_records_left_out(&records, sentence, sizeof sentence));
    assert_says(sentence, "5 lines of the store were refused and left out: line 2: ");
    assert_says(sentence, "; line 3: ");
    assert_says(sentence, "; line 4: ");
    assert_says(sentence, "; also 5, 6");
    tm_records_free(&records);
    add_bad_lines(path, 5, 20);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_non_null(tm_records_left_out(&records, sentence, sizeof sentence));
    assert_says(sentence, "13, 14 and 7 more");
    tm_records_free(&records);
}

/* Lines of unknown kinds are left out and counted; the others are read, and appending continues
 * after them. A kind that is not a name is damage. */
static void test_unknown_kinds(void **state)
{
    (void)state;
    static const char newer[] = "{\"schema\":1,\"kind\":\"dream\",\"depth\":{\"of\":[1,2]}}\n";
    static const char other[] = "{\"schema\":1,\"kind\":\"later_still\"}\n";
    tm_error err = {0};
    tm_records records;
    size_t size;
    char sentence[200];
    const char *path = scratch_path("newer.jsonl"), *made = scratch_path("made.jsonl");
    assert_ok(append_to(made, 0, 2, &err), err);
    char *lines = read_file(made, &size), text[16384];
    size_t first = strcspn(lines, "\n") + 1;
    snprintf(text, sizeof text, "%s%.*s%s%s", newer, (int)first, lines, other, lines + first);
    write_file(path, text, strlen(text));
    assert_ok(append_to(path, 1, 1, &err), err);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_int_equal(records.n, 3);
    for (int i = 0; i < 3; i++) assert_int_equal(records.items[i].kind, TM_RECORD_SAMPLE);
    assert_int_equal(records.n_unknown, 2);
    assert_non_null(tm_records_left_out(&records, sentence, sizeof sentence));
    assert_says(sentence, "2, the first a \"dream\"");
    tm_records_free(&records);
    assert_ok(tm_records_read(made, &records, &err), err);
    assert_null(tm_records_left_out(&records, sentence, sizeof sentence));
    tm_records_free(&records);

    static const char *const damaged[] = {
        "{\"schema\":1,\"kind\":\"\"}\n",       "{\"schema\":1,\"kind\":\"\\u001b[2J\"}\n",
        "{\"schema\":1,\"kind\":7}\n",          "{\"schema\":1}\n",
        "{\"schema\":1,\"kind\":\"Sample\"}\n", "{\"schema\":2,\"kind\":\"dream\"}\n"};
    for (int i = 0; i < 6; i++) {
        write_file(path, damaged[i], strlen(damaged[i]));
        assert_int_equal(tm_records_read(path, &records, &err), i < 5 ? TM_FORMAT : TM_UNSUPPORTED);
    }
    free(lines);
}

/* At a limit of the file size, the line that does not fit is removed completely. */
static void test_full_disk(void **state)
{
    (void)state;
    const char *path = scratch_path("full.jsonl");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        tm_store *store;
        tm_error err = {0};
        struct rlimit limit = {5000, 5000};
        signal(SIGXFSZ, SIG_IGN); /* the write fails instead */
        setrlimit(RLIMIT_FSIZE, &limit);
        if (tm_store_open(path, &store, &err) != TM_OK) _exit(10);
        int n = 0;
        tm_status status = TM_OK;
        for (; n < 100 && status == TM_OK; n++) {
            tm_record r = make_sample(0, n, 3);
            status = tm_store_append(store, &r, &err);
            tm_record_free(&r);
        }
        bool said = strstr(err.message, "are intact") && strstr(err.message, "full.jsonl");
        _exit(status == TM_IO && n > 2 && said ? 0 : 11);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), 0);
    size_t torn;
    int n = count_records(path, &torn);
    assert_true(n >= 2);
    assert_int_equal(torn, 0);
    tm_error err = {0};
    assert_ok(append_to(path, 9, 1, &err), err); /* without the limit, appending continues */
    assert_int_equal(count_records(path, NULL), n + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_read),
        cmocka_unit_test(test_torn_at_every_byte),
        cmocka_unit_test(test_second_writer),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_damaged_line),
        cmocka_unit_test(test_unknown_kinds),
        cmocka_unit_test(test_refused_lines_are_named),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
