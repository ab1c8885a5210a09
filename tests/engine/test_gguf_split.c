/* Split models: any part opens all, and parts that do not fit are refused by name. */
#include "engine/gguf.h"
#include "tests/engine/gguf_bytes.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <unistd.h>

static char folder[64];

static const char *path_of(int number, int count)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/m-%05d-of-%05d.gguf", folder, number, count);
    return path;
}

/* What a part's keys say, and its tensors: F32 vectors of 8 named by letters. */
typedef struct part {
    int no, count, total; /* -1: no such key */
    const char *names;
} part;

static const part good[3] = {{0, 3, 3, ""}, {1, 3, 3, "ab"}, {2, 3, 3, "c"}};

static void write_bytes(const char *path, const gguf_bytes *b)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b->data, 1, b->n, file), b->n);
    assert_int_equal(fclose(file), 0);
}

static void make_part(gguf_bytes *b, const part *p)
{
    uint64_t n = strlen(p->names);
    uint16_t no = (uint16_t)p->no, count = (uint16_t)p->count;
    b->n = 0;
    add_header(b, n, 1 + (p->no >= 0) + (p->count >= 0) + (p->total >= 0));
    add_key_u32(b, "first", (uint32_t)p->no);
    if (p->no >= 0) add_key(b, "split.no", 2, &no, 2);
    if (p->count >= 0) add_key(b, "split.count", 2, &count, 2);
    if (p->total >= 0) add_key(b, "split.tensors.count", 5, &p->total, 4);
    for (uint64_t i = 0; i < n; i++) {
        const char name[2] = {p->names[i], 0};
        add_info(b, name, 8, 1, TM_GGUF_F32, 32 * i);
    }
    add_padding(b, 32);
    for (uint64_t i = 0; i < 8 * n; i++) {
        float value = (float)p->names[i / 8];
        add_bytes(b, &value, sizeof value);
    }
}

static void write_parts(const part *parts)
{
    for (int i = 0; i < 3; i++) {
        gguf_bytes b;
        make_part(&b, &parts[i]);
        write_bytes(path_of(i + 1, 3), &b);
    }
}

static void expect_refused(const char *path, tm_status status, const char *fragment)
{
    tm_gguf *g = NULL;
    tm_error err = {0};
    tm_status got = tm_gguf_open(path, &g, &err);
    if (got != status || !strstr(err.message, fragment))
        fail_msg("status %d, '%s' lacks '%s'", (int)got, err.message, fragment);
    assert_null(g);
}

static void any_part_opens_all(void **state)
{
    (void)state;
    write_parts(good);
    for (int number = 1; number <= 3; number++) {
        tm_gguf *g;
        tm_error err;
        uint32_t no = 9;
        if (tm_gguf_open(path_of(number, 3), &g, &err) != TM_OK) fail_msg("%s", err.message);
        assert_string_equal(tm_gguf_path(g), path_of(1, 3));
        assert_int_equal(tm_gguf_u32(g, "first", &no, NULL, &err), TM_OK);
        assert_int_equal(no, 0); /* the keys are the first part's */
        assert_int_equal(tm_gguf_n_tensors(g), 3);
        for (const char *name = "abc"; *name; name++) {
            const char text[2] = {*name, 0};
            float x[8];
            const tm_gguf_tensor *tensor = tm_gguf_find_tensor(g, text);
            assert_non_null(tensor);
            tm_gguf_read_floats(tensor, 0, 1, x);
            assert_true(x[0] == (float)*name && x[7] == (float)*name);
            tm_gguf_release(tensor, 0, tensor->bytes);
            tm_gguf_read_floats(tensor, 0, 1, x);
            assert_true(x[7] == (float)*name);
        }
        assert_null(tm_gguf_find_tensor(g, "d"));
        gguf_bytes b;
        size_t bytes = 0;
        for (int i = 0; i < 3; i++) make_part(&b, &good[i]), bytes += b.n;
        assert_int_equal(tm_gguf_file_bytes(g), bytes);
        tm_gguf_close(g);
    }
}

static void a_missing_part_is_named(void **state)
{
    (void)state;
    write_parts(good);
    assert_int_equal(unlink(path_of(2, 3)), 0);
    expect_refused(path_of(3, 3), TM_IO, "part 2 of 3, which must be in the same folder: ");
    expect_refused(path_of(1, 3), TM_IO, "m-00002-of-00003.gguf cannot be opened: No such file");
}

static void wrong_keys_are_refused(void **state)
{
    static const struct {
        part second;
        const char *message;
    } cases[] = {
        {{2, 3, 3, "ab"},
         "m-00002-of-00003.gguf: key 'split.no' is 2, but by its name it must be 1"},
        {{-1, 3, 3, "ab"}, "m-00002-of-00003.gguf: key 'split.no' is missing"},
        {{1, 4, 3, "ab"},
         "m-00002-of-00003.gguf: key 'split.count' is 4, but by its name it must be 3"},
        {{1, -1, 3, "ab"}, "m-00002-of-00003.gguf: key 'split.count' is missing"},
        {{1, 3, 4, "ab"},
         "m-00002-of-00003.gguf: key 'split.tensors.count' is 4, but in the first part it is 3"},
        {{1, 3, -1, "ab"}, "m-00002-of-00003.gguf: key 'split.tensors.count' is missing"},
        {{1, 3, 3, "abd"}, "key 'split.tensors.count' is 3, but the 3 parts have 4 tensors"},
        {{1, 3, 3, "a"}, "key 'split.tensors.count' is 3, but the 3 parts have 2 tensors"},
        {{1, 3, 3, "ac"}, "tensor 'c' is also in "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        part parts[3] = {good[0], cases[i].second, good[2]};
        write_parts(parts);
        expect_refused(path_of(1, 3), TM_FORMAT, cases[i].message);
    }
    part empty[3] = {{0, 3, 0, ""}, {1, 3, 0, ""}, {2, 3, 0, ""}};
    write_parts(empty);
    expect_refused(path_of(1, 3), TM_FORMAT, "the 3 parts have no tensors");
}

static void names_and_keys_agree(void **state)
{
    char path[128];
    gguf_bytes b;
    (void)state;
    write_parts(good);
    make_part(&b, &good[1]);
    snprintf(path, sizeof path, "%s/other.gguf", folder);
    write_bytes(path, &b);
    expect_refused(path, TM_FORMAT, "its name must end in -NNNNN-of-00003.gguf");

    part whole = {-1, -1, -1, "a"};
    make_part(&b, &whole);
    write_bytes(path_of(2, 3), &b);
    expect_refused(path_of(2, 3), TM_FORMAT, "key 'split.count' is missing; rename the file");
    whole.count = 2;
    make_part(&b, &whole);
    write_bytes(path_of(2, 3), &b);
    expect_refused(path_of(2, 3), TM_FORMAT, "its name says 3 parts, but key 'split.count' is 2");

    whole.count = 0; /* as llama-gguf-split --merge leaves it */
    make_part(&b, &whole);
    write_bytes(path, &b);
    tm_gguf *g;
    tm_error err;
    assert_int_equal(tm_gguf_open(path, &g, &err), TM_OK);
    tm_gguf_close(g);
}

static void names_tell_the_parts(void **state)
{
    static const char *const none[] = {"m.gguf",
                                       "-00001-of-00002.gguf",
                                       "m-00001-of-00001.gguf",
                                       "m-00003-of-00002.gguf",
                                       "m-00000-of-00002.gguf",
                                       "m-0000x-of-00002.gguf",
                                       "m-00001-of-00002.bin",
                                       "m_00001-of-00002.gguf",
                                       ""};
    int index;
    char other[32];
    (void)state;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(tm_gguf_name_parts(none[i], NULL), 1);
    assert_int_equal(tm_gguf_name_parts("m-00002-of-00012.gguf", &index), 12);
    assert_int_equal(index, 1);
    tm_gguf_name_part("m-00002-of-00012.gguf", 11, other);
    assert_string_equal(other, "m-00012-of-00012.gguf");
}

static int open_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/tm_split_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char path[128];
    (void)state;
    for (int i = 1; i <= 3; i++) unlink(path_of(i, 3));
    snprintf(path, sizeof path, "%s/other.gguf", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_part_opens_all),     cmocka_unit_test(a_missing_part_is_named),
        cmocka_unit_test(wrong_keys_are_refused), cmocka_unit_test(names_and_keys_agree),
        cmocka_unit_test(names_tell_the_parts),
    };
    return cmocka_run_group_tests_name("split models", tests, open_folder, remove_folder);
}
