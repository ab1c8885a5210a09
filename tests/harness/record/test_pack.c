/* Packs: what goes in comes out, and what was damaged, cut, edited or made up is refused. */
#include "harness/record/pack.h"
#include "tests/harness/samples.h"
#include "tests/harness/scratch.h"

#include "harness/base/hash.h"

#include <sys/resource.h>

#define RAW 0 /* types of block */
#define RLE 1

/* A frame of Zstandard, written by hand. */
typedef struct frame {
    uint8_t data[1 << 17];
    size_t size;
} frame;

/* Neither checksum nor size of the content; a window of 1 KiB << log. */
static void begin(frame *f, int log)
{
    static const uint8_t magic[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00};
    memcpy(f->data, magic, sizeof magic);
    f->data[sizeof magic] = (uint8_t)(log << 3);
    f->size = sizeof magic + 1;
}

static void add_block(frame *f, bool is_last, int type, const char *text, size_t length)
{
    const size_t n = type == RLE ? 1 : length;
    const uint32_t head = (uint32_t)is_last | (uint32_t)type << 1 | (uint32_t)length << 3;
    assert_true(f->size + 3 + n <= sizeof f->data);
    for (int i = 0; i < 3; i++) f->data[f->size++] = (uint8_t)(head >> 8 * i);
    memcpy(f->data + f->size, text, n);
    f->size += n;
}

/* A frame of one raw block. */
static void make_frame(frame *f, const char *text)
{
    begin(f, 10);
    add_block(f, true, RAW, text, strlen(text));
}

/* As a pack: with the header's keys of the test, NULL for those that are right. */
static void make_pack(frame *f, const char *version, const char *bytes, const char *lines,
                      const char *hash, const char *store)
{
    char text[8192], right[3][32];
    size_t n = 0;
    for (const char *c = store; *c; c++) n += *c == '\n';
    snprintf(right[0], sizeof right[0], "%zu", strlen(store));
    snprintf(right[1], sizeof right[1], "%zu", n);
    snprintf(right[2], sizeof right[2], "%016llx",
             (unsigned long long)tm_hash(TM_HASH_START, store, strlen(store)));
    snprintf(text, sizeof text,
             "{\"schema\":1,\"kind\":\"pack\",\"version\":%s,\"bytes\":%s,\"lines\":%s,"
             "\"fnv1a_64\":\"%s\"}\n%s",
             version ? version : "1", bytes ? bytes : right[0], lines ? lines : right[1],
             hash ? hash : right[2], store);
    make_frame(f, text);
}

static void assert_refused(const frame *f, tm_status wanted, const char *says)
{
    char *text;
    size_t length;
    tm_error err = {0};
    tm_status status = tm_pack_open("a.zst", f->data, f->size, &text, &length, &err);
    if (status != wanted || !strstr(err.message, says) || strncmp(err.message, "a.zst", 5) != 0)
        fail_msg("status %s, \"%s\"; wanted \"%s\"", tm_status_name(status), err.message, says);
    assert_null(text);
}

static void append_samples(const char *path, int n)
{
    tm_error err = {0};
    tm_store *store;
    assert_ok(tm_store_open(path, &store, &err), err);
    for (int i = 0; i < n; i++) {
        tm_record r = make_sample(0, i, 3);
        assert_ok(tm_store_append(store, &r, &err), err);
        tm_record_free(&r);
    }
    tm_store_close(store);
}

/* The pack of a store of two samples; free *store and *data. */
static void pack_samples(char **store, size_t *length, void **data, size_t *size)
{
    const char *path = scratch_path("samples.jsonl");
    tm_records records;
    tm_error err = {0};
    if (access(path, F_OK) != 0) append_samples(path, 2);
    *store = read_file(path, length);
    assert_ok(tm_records_parse(path, *store, *length, &records, &err), err);
    assert_ok(tm_pack_make(path, *store, *length, &records, data, size, &err), err);
    tm_records_free(&records);
}

static void test_comes_out_as_it_went_in(void **state)
{
    (void)state;
    char *store, *text;
    void *data;
    size_t length, size, n;
    tm_error err = {0};
    tm_records records;
    const char *path = scratch_path("samples.jsonl.zst");
    pack_samples(&store, &length, &data, &size);
    assert_true(size < length / 2);
    assert_true(tm_pack_is(data, size));
    assert_false(tm_pack_is(store, length));
    assert_false(tm_pack_is(data, 3));
    assert_ok(tm_pack_open("a.zst", data, size, &text, &n, &err), err);
    assert_int_equal(n, length);
    assert_memory_equal(text, store, length + 1);
    write_file(path, data, size);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_true(records.is_packed);
    assert_int_equal(records.n, 2);
    tm_records_free(&records);
    free(text);
    free(store);
    free(data);
}

/* No run continues a pack, and it is not written. */
static void test_is_no_store_to_write(void **state)
{
    (void)state;
    char *store, *after;
    void *data;
    size_t length, size, n;
    tm_error err = {0};
    tm_store *opened;
    const char *path = scratch_path("not_to_write.zst");
    pack_samples(&store, &length, &data, &size);
    write_file(path, data, size);
    assert_int_equal(tm_store_open(path, &opened, &err), TM_ARG);
    assert_says(err.message, "a pack cannot be continued");
    after = read_file(path, &n);
    assert_int_equal(n, size);
    assert_memory_equal(after, data, size);
    free(after);
    free(store);
    free(data);
}

/* A damaged byte either does no harm or is found. */
static void test_every_damaged_byte(void **state)
{
    (void)state;
    static const uint8_t flips[] = {0x01, 0x10, 0x80, 0xff};
    char *store;
    void *data;
    size_t length, size;
    int n_refused = 0;
    pack_samples(&store, &length, &data, &size);
    uint8_t *bytes = data;
    for (size_t i = 0; i < size * 4; i++) {
        char *text;
        size_t n;
        tm_error err = {0};
        bytes[i / 4] ^= flips[i % 4];
        if (tm_pack_open("a.zst", bytes, size, &text, &n, &err) == TM_OK) {
            assert_int_equal(n, length);
            assert_memory_equal(text, store, n);
            free(text);
        } else {
            assert_true(err.status == TM_FORMAT && err.message[0]);
            n_refused++;
        }
        bytes[i / 4] ^= flips[i % 4];
    }
    /* Few bits of a frame have no meaning, such as those that fill up a byte. */
    assert_true(n_refused > (int)size * 4 * 95 / 100);
    for (size_t keep = 0; keep < size; keep++) {
        char *text;
        size_t n;
        tm_error err = {0};
        assert_int_equal(tm_pack_open("a.zst", bytes, keep, &text, &n, &err), TM_FORMAT);
        assert_says(err.message, "this pack is cut short");
    }
    free(store);
    free(data);
}

/* Packs that were unpacked, edited and compressed again. */
static void test_edited(void **state)
{
    (void)state;
    static const char store[] = "{\"schema\":1}\n{\"schema\":1,\"b\":2}\n";
    static frame f;
    char *text;
    size_t n;
    tm_error err = {0};
    make_pack(&f, NULL, NULL, NULL, NULL, store);
    assert_ok(tm_pack_open("a.zst", f.data, f.size, &text, &n, &err), err);
    assert_string_equal(text, store);
    free(text);
    make_pack(&f, NULL, NULL, NULL, "0123456789abcdef", store);
    assert_refused(&f, TM_FORMAT, "does not have the hash");
    make_pack(&f, NULL, NULL, "3", NULL, store);
    assert_refused(&f, TM_FORMAT, "it holds 2 lines, and its header names 3");
    make_pack(&f, NULL, "30", NULL, NULL, store);
    assert_refused(&f, TM_FORMAT, "more bytes than the 30 that");
    make_pack(&f, NULL, "1073741824", NULL, NULL, store);
    assert_refused(&f, TM_FORMAT, "fewer bytes than the 1073741824 that");
    make_pack(&f, NULL, "1073741825", NULL, NULL, store);
    assert_refused(&f, TM_FORMAT, "\"bytes\"");
    make_pack(&f, NULL, "-1", NULL, NULL, store);
    assert_refused(&f, TM_FORMAT, "\"bytes\"");
    make_pack(&f, NULL, NULL, NULL, "", "");
    assert_refused(&f, TM_FORMAT, "does not have the hash");
    make_pack(&f, "2", "\"many\"", NULL, NULL, store);
    assert_refused(&f, TM_UNSUPPORTED, "a pack of version 2; this program reads version 1");
    make_pack(&f, NULL, NULL, NULL, NULL, store);
    f.data[f.size++] = 0;
    assert_refused(&f, TM_FORMAT, "1 byte after the end of this pack");
}

static void test_other_frames(void **state)
{
    (void)state;
    static frame f;
    static char line[70000];
    static const struct {
        const char *text, *says;
    } all[] = {
        {"", "no header"},
        {"{\"kind\":\"pack\"", "no header"},
        {"\n", "not a pack of ternmark"},
        {"diary\n", "not a pack of ternmark"},
        {"[]\n", "\"kind\""},
        {"{\"schema\":1,\"kind\":\"run\"}\n", "not a pack's header"},
        {"{\"schema\":1,\"kind\":\"pack\"}\n", "\"version\""},
        {"{\"kind\":\"pack\",\"version\":1,\"bytes\":0}\n", "\"lines\""},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        make_frame(&f, all[i].text);
        assert_refused(&f, TM_FORMAT, all[i].says);
    }
    memset(line, 'x', sizeof line - 1);
    make_frame(&f, line);
    assert_refused(&f, TM_FORMAT, "its first 65536 bytes hold no header");
    begin(&f, 20); /* a window of 1 GiB */
    add_block(&f, true, RAW, "{}\n", 3);
    assert_refused(&f, TM_FORMAT, "too much memory");
}

/* 128 KiB from 4 bytes each: 4 GB that the header does not name, or 3 GB that it does not reach. */
static void test_bombs(void **state)
{
    (void)state;
    static frame f;
    static const char header[] = "{\"kind\":\"pack\",\"version\":1,\"bytes\":1000,\"lines\":1,"
                                 "\"fnv1a_64\":\"0123456789abcdef\"}\n";
    struct rlimit old, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    begin(&f, 7);
    add_block(&f, false, RAW, header, sizeof header - 1);
    for (int i = 0; i < 30000; i++) add_block(&f, false, RLE, "\n", 128 << 10);
    add_block(&f, true, RAW, "\n", 1);
    limit = (struct rlimit){.rlim_cur = 256u << 20, .rlim_max = old.rlim_max};
    if (!TM_SANITIZED) assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_refused(&f, TM_FORMAT, "more bytes than the 1000 that");
    /* A header that claims the most costs nothing until the bytes come. */
    make_pack(&f, NULL, "1073741824", "1", NULL, "x\n");
    assert_refused(&f, TM_FORMAT, "fewer bytes than the 1073741824");
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_out_as_it_went_in),
        cmocka_unit_test(test_is_no_store_to_write),
        cmocka_unit_test(test_every_damaged_byte),
        cmocka_unit_test(test_edited),
        cmocka_unit_test(test_other_frames),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
