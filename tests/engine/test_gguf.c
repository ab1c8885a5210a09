/* The GGUF reader on files assembled in memory: values and errors. */
#include "engine/gguf.h"
#include "tests/engine/gguf_bytes.h"
#include "tests/tm_test.h"

#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Opens a copy of exactly n bytes, so that a sanitizer detects a read past the end. */
static tm_status open_exactly(const uint8_t *data, size_t n, uint8_t **copy, tm_gguf **gguf,
                              tm_error *err)
{
    *copy = malloc(n ? n : 1);
    assert_non_null(*copy);
    memcpy(*copy, data, n);
    *gguf = NULL;
    *err = (tm_error){0};
    return tm_gguf_open_memory(*copy, n, gguf, err);
}

static void expect_error(const gguf_bytes *b, tm_status status, const char *fragment)
{
    uint8_t *copy;
    tm_gguf *gguf;
    tm_error err;
    tm_status got = open_exactly(b->data, b->n, &copy, &gguf, &err);
    if (got != status || !strstr(err.message, fragment) || !strstr(err.message, "(memory): "))
        fail_msg("status %d, '%s' lacks '%s'", (int)got, err.message, fragment);
    assert_null(gguf);
    free(copy);
}

static void expect_opened(const gguf_bytes *b, int n_tensors)
{
    uint8_t *copy;
    tm_gguf *gguf;
    tm_error err;
    if (open_exactly(b->data, b->n, &copy, &gguf, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(tm_gguf_n_tensors(gguf), n_tensors);
    tm_gguf_close(gguf);
    free(copy);
}

/* Keys of all kinds and two tensors: a: 8 x 2 F32 at 0, b: 32 x 1 Q8_0 at 64. */
static void make_sample(gguf_bytes *b)
{
    static const uint8_t yes = 1, byte = 200;
    static const int8_t minus = -1;
    static const int16_t i16 = 300;
    static const int64_t i64 = 4000000000, far = (int64_t)1 << 40;
    static const double f64 = 0.25, huge = 1e300;
    static const float f32 = 1e-5f, nan = NAN;
    b->n = 0;
    add_header(b, 2, 13);
    add_key(b, "bool", 7, &yes, 1);
    add_key(b, "u8", 0, &byte, 1);
    add_key(b, "i8", 1, &minus, 1);
    add_key(b, "i16", 3, &i16, 2);
    add_key(b, "i64", 11, &i64, 8);
    add_key(b, "far", 11, &far, 8);
    add_key(b, "f32", 6, &f32, 4);
    add_key(b, "f64", 12, &f64, 8);
    add_key(b, "huge", 12, &huge, 8);
    add_key(b, "nan", 6, &nan, 4);
    add_text(b, "string"), add_u32(b, 8), add_text(b, "text");
    add_text(b, "words"), add_u32(b, 9), add_u32(b, 8), add_u64(b, 2), add_text(b, "one"),
        add_text(b, "three");
    add_text(b, "floats"), add_u32(b, 9), add_u32(b, 6), add_u64(b, 1), add_bytes(b, &f32, 4);
    add_info(b, "a", 8, 2, TM_GGUF_F32, 0);
    add_info(b, "b", 32, 1, TM_GGUF_Q8_0, 64);
    add_padding(b, 32);
    add_zeros(b, 64 + 34);
}

static void values_are_read(void **state)
{
    (void)state;
    gguf_bytes b;
    uint8_t *copy;
    tm_gguf *g;
    tm_error err;
    make_sample(&b);
    assert_int_equal(open_exactly(b.data, b.n, &copy, &g, &err), TM_OK);
    assert_int_equal(tm_gguf_file_bytes(g), b.n);
    assert_string_equal(tm_gguf_path(g), "(memory)");

    bool found = false, yes = false;
    uint32_t n = 0;
    float x = 0;
    tm_gguf_string text;
    uint64_t length;
    tm_gguf_array array;
    assert_int_equal(tm_gguf_bool(g, "bool", &yes, NULL, &err), TM_OK);
    assert_true(yes);
    assert_int_equal(tm_gguf_u32(g, "u8", &n, &found, &err), TM_OK);
    assert_true(found && n == 200);
    assert_int_equal(tm_gguf_u32(g, "i16", &n, NULL, &err), TM_OK);
    assert_int_equal(n, 300);
    assert_int_equal(tm_gguf_u32(g, "i64", &n, NULL, &err), TM_OK);
    assert_true(n == 4000000000u);
    assert_int_equal(tm_gguf_f32(g, "f32", &x, NULL, &err), TM_OK);
    assert_true(x == 1e-5f);
    assert_int_equal(tm_gguf_f32(g, "f64", &x, NULL, &err), TM_OK);
    assert_true(x == 0.25f);
    assert_int_equal(tm_gguf_str(g, "string", &text, NULL, &err), TM_OK);
    assert_int_equal(text.length, 4);
    assert_memory_equal(text.data, "text", 4);
    assert_int_equal(tm_gguf_array_length(g, "words", &length, NULL, &err), TM_OK);
    assert_int_equal(length, 2);
    assert_int_equal(tm_gguf_find_array(g, "words", &array, NULL, &err), TM_OK);
    assert_int_equal(array.bytes, 8 + 3 + 8 + 5);
    assert_memory_equal(array.data + 8, "one", 3);
    assert_int_equal(tm_gguf_find_array(g, "floats", &array, NULL, &err), TM_OK);
    assert_true(array.item_type == 6 && array.n_items == 1 && array.bytes == 4);

    const tm_gguf_tensor *tensor = tm_gguf_find_tensor(g, "b");
    assert_ptr_equal(tensor, tm_gguf_tensor_at(g, 1));
    assert_true(tensor->type == TM_GGUF_Q8_0 && tensor->n_dims == 2 && tensor->bytes == 34);
    assert_true(tensor->ne[0] == 32 && tensor->ne[1] == 1 && tensor->ne[2] == 1 &&
                tensor->ne[3] == 1);
    assert_ptr_equal(tensor->data, copy + b.n - 34);
    assert_null(tm_gguf_find_tensor(g, "c"));
    assert_null(tm_gguf_find_tensor(g, ""));
    tm_gguf_close(g);
    free(copy);
}

static void getters_check_type_and_range(void **state)
{
    (void)state;
    gguf_bytes b;
    uint8_t *copy;
    tm_gguf *g;
    tm_error err;
    bool found = true, yes;
    uint32_t n = 77;
    float x;
    tm_gguf_string text;
    uint64_t length;
    tm_gguf_array array;
    make_sample(&b);
    assert_int_equal(open_exactly(b.data, b.n, &copy, &g, &err), TM_OK);
    assert_int_equal(tm_gguf_u32(g, "none", &n, &found, &err), TM_OK);
    assert_true(!found && n == 77);
#define EXPECT_ERROR(call, fragment)                                                               \
    do {                                                                                           \
        assert_int_equal(call, TM_FORMAT);                                                         \
        if (!strstr(err.message, fragment)) fail_msg("'%s' lacks '%s'", err.message, fragment);    \
    } while (0)
    EXPECT_ERROR(tm_gguf_u32(g, "none", &n, NULL, &err), "'none' is missing");
    EXPECT_ERROR(tm_gguf_u32(g, "i8", &n, NULL, &err), "'i8' is -1; it must be 0 to 2^32 - 1");
    EXPECT_ERROR(tm_gguf_u32(g, "far", &n, NULL, &err), "1099511627776");
    EXPECT_ERROR(tm_gguf_u32(g, "string", &n, &found, &err), "type string; it must be an integer");
    EXPECT_ERROR(tm_gguf_u32(g, "bool", &n, NULL, &err), "type bool");
    EXPECT_ERROR(tm_gguf_f32(g, "u8", &x, NULL, &err), "type u8; it must be f32");
    EXPECT_ERROR(tm_gguf_f32(g, "nan", &x, NULL, &err), "must be finite");
    EXPECT_ERROR(tm_gguf_f32(g, "huge", &x, NULL, &err), "1e+300");
    EXPECT_ERROR(tm_gguf_bool(g, "u8", &yes, NULL, &err), "must be bool");
    EXPECT_ERROR(tm_gguf_str(g, "words", &text, NULL, &err),
                 "array of string; it must be a string");
    EXPECT_ERROR(tm_gguf_array_length(g, "floats", &length, NULL, &err),
                 "must be an array of strings");
    EXPECT_ERROR(tm_gguf_find_array(g, "u8", &array, NULL, &err), "must be an array");
    tm_gguf_close(g);
    free(copy);
}

/* The last byte is needed too, so every shorter file is an error, and none is read past its end. */
static void every_truncated_file_is_an_error(void **state)
{
    (void)state;
    gguf_bytes b;
    make_sample(&b);
    for (size_t n = 0; n < b.n; n++) {
        uint8_t *copy;
        tm_gguf *g;
        tm_error err;
        tm_status status = open_exactly(b.data, n, &copy, &g, &err);
        if (status != TM_FORMAT || !err.message[0])
            fail_msg("%zu of %zu bytes: status %d", n, b.n, (int)status);
        free(copy);
    }
}

/* Replaces every 8 bytes by false lengths and counts: whether the file opens or not, nothing
 * outside it is read. */
static void forged_counts_read_nothing_outside(void **state)
{
    (void)state;
    static const uint64_t lies[] = {
        0, 1, 1ull << 31, 1ull << 40, 1ull << 62, (1ull << 63) - 1, 1ull << 63, ~0ull, ~0ull - 31};
    gguf_bytes good, b;
    int n_opened = 0;
    make_sample(&good);
    for (size_t at = 0; at + 8 <= good.n; at++)
        for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
            uint8_t *copy;
            tm_gguf *g;
            tm_error err;
            b = good;
            memcpy(b.data + at, &lies[i], 8);
            if (open_exactly(b.data, b.n, &copy, &g, &err) == TM_OK) {
                for (int t = 0; t < tm_gguf_n_tensors(g); t++) {
                    const tm_gguf_tensor *tensor = tm_gguf_tensor_at(g, t);
                    assert_true(tensor->data >= copy &&
                                tensor->bytes <= (size_t)(copy + b.n - tensor->data));
                }
                tm_gguf_close(g);
                n_opened++;
            } else {
                assert_true(err.message[0]);
            }
            free(copy);
        }
    assert_true(n_opened > 0); /* false values and data do no harm */
}

static void headers_are_checked(void **state)
{
    (void)state;
    gguf_bytes b;
#define PATCHED(at, byte, status, fragment)                                                        \
    do {                                                                                           \
        make_sample(&b);                                                                           \
        b.data[at] = byte;                                                                         \
        expect_error(&b, status, fragment);                                                        \
    } while (0)
    PATCHED(3, 'G', TM_FORMAT, "begins with 47 47 55 47");
    PATCHED(4, 1, TM_UNSUPPORTED, "version 1; versions 2 and 3");
    PATCHED(4, 4, TM_UNSUPPORTED, "version 4");
    PATCHED(14, 1, TM_FORMAT, "states 281474976710658 tensors");
    PATCHED(22, 1, TM_FORMAT, "states 281474976710669 keys");
    make_sample(&b);
    b.data[4] = 0, b.data[7] = 3;
    expect_error(&b, TM_UNSUPPORTED, "big-endian");
    make_sample(&b);
    b.data[4] = 2;
    expect_opened(&b, 2);
}

/* A file of one key of four bytes of type u32 and one tensor x of 8 x 1 F32 at `offset`. */
static void make_small(gguf_bytes *b, const char *key, uint32_t value, uint64_t offset)
{
    b->n = 0;
    add_header(b, 1, 1);
    add_key_u32(b, key, value);
    add_info(b, "x", 8, 1, TM_GGUF_F32, offset);
    add_padding(b, 64);
    add_zeros(b, 128);
}

static void alignment_is_checked(void **state)
{
    (void)state;
    gguf_bytes b;
    static const struct {
        uint32_t alignment;
        const char *fragment; /* NULL: accepted */
    } cases[] = {
        {0, "general.alignment is 0; it must be a power of two"},
        {24, "is 24"},
        {1u << 31, "is 2147483648"},
        {1u << 22, "would begin at offset 4194304"},
        {64, NULL},
        {8, NULL},
        {1, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_small(&b, "general.alignment", cases[i].alignment, 0);
        if (cases[i].fragment)
            expect_error(&b, TM_FORMAT, cases[i].fragment);
        else
            expect_opened(&b, 1);
    }
    make_small(&b, "general.alignment", 64, 32);
    expect_error(&b, TM_FORMAT, "begins at offset 32, not a multiple of the alignment 64");
    make_small(&b, "other", 64, 32); /* the default is 32, and gaps before tensors are allowed */
    expect_opened(&b, 1);
    make_small(&b, "other", 64, 96);
    expect_opened(&b, 1);
    make_small(&b, "other", 64, 160);
    expect_error(&b, TM_FORMAT, "has 32 bytes at offset 160 of the data");
    make_small(&b, "other", 64, UINT64_MAX - 31);
    expect_error(&b, TM_FORMAT, "at offset 18446744073709551584");
}

static void keys_are_checked(void **state)
{
    (void)state;
    gguf_bytes b = {.n = 0};
    static const uint8_t two = 2;
    add_header(&b, 0, 2);
    add_key_u32(&b, "same", 1);
    add_key_u32(&b, "same", 2);
    expect_error(&b, TM_FORMAT, "key 'same' occurs twice");
    b.n = 0, add_header(&b, 0, 1), add_key_u32(&b, "", 1);
    expect_error(&b, TM_FORMAT, "is empty");
    b.n = 0, add_header(&b, 0, 1), add_key(&b, "flag", 7, &two, 1);
    expect_error(&b, TM_FORMAT, "key 'flag': a bool of value 2; it must be 0 or 1");
    b.n = 0, add_header(&b, 0, 1), add_text(&b, "odd"), add_u32(&b, 13), add_u64(&b, 0);
    expect_error(&b, TM_FORMAT, "key 'odd': value type 13; types are 0 to 12");
    b.n = 0, add_header(&b, 0, 1), add_text(&b, "nest"), add_u32(&b, 9), add_u32(&b, 9),
    add_u64(&b, 0);
    expect_error(&b, TM_FORMAT, "key 'nest': arrays of arrays are not supported");
    b.n = 0, add_header(&b, 0, 1), add_text(&b, "odd"), add_u32(&b, 9), add_u32(&b, 99),
    add_u64(&b, 0);
    expect_error(&b, TM_FORMAT, "an array of type 99");
    b.n = 0, add_header(&b, 0, 1), add_text(&b, "long"), add_u32(&b, 9), add_u32(&b, 10),
    add_u64(&b, 1ull << 61);
    expect_error(&b, TM_FORMAT,
                 "an array of 2305843009213693952 items, but the file has room for 0");
    b.n = 0, add_header(&b, 0, 1), add_key_u32(&b, "no\x1b[2Jcontrol", 1), add_key_u32(&b, "x", 1);
    expect_opened(&b, 0); /* bytes after the last key are not read */
}

static void tensors_are_checked(void **state)
{
    (void)state;
    gguf_bytes b;
    char longest[65] = {0};
    memset(longest, 'n', 64);
#define INFO(name, ne0, ne1, type, offset)                                                         \
    (b.n = 0, add_header(&b, 1, 0), add_info(&b, name, ne0, ne1, type, offset),                    \
     add_padding(&b, 32), add_zeros(&b, 512))
    INFO("ok", 8, 4, TM_GGUF_F32, 0);
    expect_opened(&b, 1);
    INFO(longest, 8, 1, TM_GGUF_F32, 0);
    expect_error(&b, TM_FORMAT, "has 64 bytes; it must have 1 to 63");
    longest[63] = 0;
    INFO(longest, 8, 1, TM_GGUF_F32, 0);
    expect_opened(&b, 1);
    INFO("", 8, 1, TM_GGUF_F32, 0);
    expect_error(&b, TM_FORMAT, "has 0 bytes");
    INFO("zero", 8, 0, TM_GGUF_F32, 0);
    expect_error(&b, TM_FORMAT, "tensor 'zero' has 0 as dimension 1");
    INFO("neg", 1ull << 63, 1, TM_GGUF_F32, 0);
    expect_error(&b, TM_FORMAT, "has 9223372036854775808 as dimension 0");
    INFO("wrap", 1ull << 32, 1ull << 32, TM_GGUF_F32, 0);
    expect_error(&b, TM_FORMAT, "more than can be counted");
    INFO("odd", 200, 1, TM_GGUF_TQ2_0, 0);
    expect_error(&b, TM_FORMAT, "rows of 200 weights; type TQ2_0 needs a multiple of 256");
    INFO("k", 256, 1, 38, 0);
    expect_error(&b, TM_UNSUPPORTED,
                 "tensor 'k' has type 38 (TL1), which this build does not read");
    INFO("m", 256, 1, 39, 0);
    expect_error(&b, TM_UNSUPPORTED, "type 39 (MXFP4 of llama.cpp or TL2 of bitnet.cpp)");
    expect_error(&b, TM_UNSUPPORTED, "OUT.gguf F16` of the program that wrote it");
    INFO("what", 256, 1, 9999, 0);
    expect_error(&b, TM_UNSUPPORTED, "type 9999 (unknown); this build reads F32 F16");
    INFO("nul", 8, 1, TM_GGUF_F32, 0);
    b.data[24 + 8 + 1] = 0;
    expect_error(&b, TM_FORMAT, "contains a zero byte");
    INFO("five", 8, 1, TM_GGUF_F32, 0);
    b.data[24 + 8 + 4] = 5;
    expect_error(&b, TM_FORMAT, "has 5 dimensions; it must have 1 to 4");

    for (uint64_t second = 0; second <= 128; second += 32) { /* the first has 128 bytes at 32 */
        b.n = 0;
        add_header(&b, 2, 0);
        add_info(&b, "first", 8, 4, TM_GGUF_F32, 32);
        add_info(&b, "second", 8, 1, TM_GGUF_F32, second);
        add_padding(&b, 32);
        add_zeros(&b, 512);
        if (second == 0)
            expect_opened(&b, 2); /* tensors may be in any order */
        else
            expect_error(&b, TM_FORMAT, "overlap");
    }
    b.n = 0;
    add_header(&b, 2, 0);
    add_info(&b, "twin", 8, 1, TM_GGUF_F32, 0);
    add_info(&b, "twin", 8, 1, TM_GGUF_F32, 32);
    add_padding(&b, 32);
    add_zeros(&b, 64);
    expect_error(&b, TM_FORMAT, "tensor 'twin' occurs twice");
}

static void many_names_are_found_quickly(void **state)
{
    (void)state;
    enum { N = 60000 };
    uint8_t *data = calloc(1, 24 + (size_t)N * 64 + 32 + (size_t)N * 32), *p = data;
    uint64_t n_tensors = N, n_keys = 0, one = 1;
    uint32_t version = 3, n_dims = 1, type = TM_GGUF_F32;
    assert_non_null(data);
    memcpy(p, "GGUF", 4), memcpy(p + 4, &version, 4), memcpy(p + 8, &n_tensors, 8),
        memcpy(p + 16, &n_keys, 8);
    p += 24;
    for (uint64_t i = 0; i < N; i++) {
        char name[32];
        uint64_t length =
            (uint64_t)snprintf(name, sizeof name, "blk.%05d.weight", (int)(i * 7919 % N));
        uint64_t offset = 32 * i;
        memcpy(p, &length, 8), memcpy(p + 8, name, length);
        p += 8 + length;
        memcpy(p, &n_dims, 4), memcpy(p + 4, &one, 8), memcpy(p + 12, &type, 4),
            memcpy(p + 16, &offset, 8);
        p += 24;
    }
    size_t size = ((size_t)(p - data) + 31) / 32 * 32 + (size_t)N * 32;
    tm_gguf *g;
    tm_error err;
    clock_t begin = clock();
    if (tm_gguf_open_memory(data, size, &g, &err) != TM_OK) fail_msg("%s", err.message);
    for (int i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "blk.%05d.weight", i);
        const tm_gguf_tensor *tensor = tm_gguf_find_tensor(g, name);
        assert_non_null(tensor);
        assert_memory_equal(tensor->name.data, name, 16);
    }
    /* 60000^2 comparisons of names would take half a minute. */
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 5);
    tm_gguf_close(g);
    free(data);
}

static void paths_are_checked(void **state)
{
    (void)state;
    tm_gguf *g;
    tm_error err;
    char path[] = "/tmp/tm_gguf_XXXXXX";
    assert_int_equal(tm_gguf_open("/nonexistent/model.gguf", &g, &err), TM_IO);
    assert_non_null(strstr(err.message, "/nonexistent/model.gguf cannot be opened"));
    assert_int_equal(tm_gguf_open("/", &g, &err), TM_IO);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(tm_gguf_open("/dev/null", &g, &err), TM_IO);
    assert_non_null(strstr(err.message, "not a regular file"));
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(tm_gguf_open(path, &g, &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "has 0 bytes; a GGUF header has 24"));
    gguf_bytes b;
    make_sample(&b);
    assert_int_equal(write(fd, b.data, b.n), b.n);
    assert_int_equal(tm_gguf_open(path, &g, &err), TM_OK);
    assert_string_equal(tm_gguf_path(g), path);
    assert_int_equal(tm_gguf_file_bytes(g), b.n);
    tm_gguf_close(g);
    close(fd);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(tm_gguf_open(path, &g, &err), TM_IO); /* without waiting for a writer */
    unlink(path);
    tm_gguf_close(NULL);
}

static void a_file_without_tensors_is_read(void **state)
{
    (void)state;
    char path[512];
    tm_gguf *g;
    tm_error err;
    uint64_t n;
    TM_NEED_FIXTURE("tokenizers/ggml-vocab-llama-spm.gguf", path);
    if (tm_gguf_open(path, &g, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(tm_gguf_n_tensors(g), 0);
    assert_null(tm_gguf_find_tensor(g, "token_embd.weight"));
    assert_int_equal(tm_gguf_array_length(g, "tokenizer.ggml.tokens", &n, NULL, &err), TM_OK);
    assert_int_equal(n, 32000);
    tm_gguf_close(g);
}

static void other_files_are_named(void **state)
{
    static const struct {
        const char *begin, *message;
        size_t n;
    } cases[] = {
#define BEGIN(text, message) {text, message, sizeof text - 1}
        BEGIN("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 9\n",
              "Git LFS pointer"),
        BEGIN("<!DOCTYPE html><html><head><title>401", "an HTML page"),
        BEGIN("\x20\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"pt\"}}", "a safetensors file"),
        BEGIN("PK\3\4....................", "PyTorch checkpoint"),
        BEGIN("\x1f\x8b......................", "compressed with gzip"),
        BEGIN("{\"error\": \"not found, sorry\"}", "JSON"),
        BEGIN("lmgg....................", "the format that GGUF replaced"),
#undef BEGIN
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        gguf_bytes b = {.n = 0};
        add_bytes(&b, cases[i].begin, cases[i].n);
        expect_error(&b, TM_FORMAT, cases[i].message);
        expect_error(&b, TM_FORMAT, "not with 47 47 55 46 (GGUF): it is ");
    }
}

static void make_file(const char *folder, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
}

static void expect_folder(const char *path, const char *message)
{
    tm_gguf *g;
    tm_error err = {0};
    assert_int_equal(tm_gguf_open(path, &g, &err), TM_IO);
    if (!strstr(err.message, message)) fail_msg("'%s' lacks '%s'", err.message, message);
}

static void folders_say_what_to_name(void **state)
{
    static const char *const names[] = {"config.json", "b.gguf", "a.gguf"};
    char folder[] = "/tmp/tm_gguf_XXXXXX", path[128];
    (void)state;
    assert_non_null(mkdtemp(folder));
    expect_folder(folder, "is a folder without a GGUF file");
    make_file(folder, names[0]);
    expect_folder(folder, "has a config.json, but neither model.safetensors nor ");
    make_file(folder, names[1]);
    make_file(folder, names[2]);
    expect_folder(folder, "is a folder; give a file in it, such as a.gguf");
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/snapshots", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_folder(folder, "has no revision 'main'");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(getters_check_type_and_range),
        cmocka_unit_test(every_truncated_file_is_an_error),
        cmocka_unit_test(forged_counts_read_nothing_outside),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(alignment_is_checked),
        cmocka_unit_test(keys_are_checked),
        cmocka_unit_test(tensors_are_checked),
        cmocka_unit_test(many_names_are_found_quickly),
        cmocka_unit_test(paths_are_checked),
        cmocka_unit_test(a_file_without_tensors_is_read),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(folders_say_what_to_name),
    };
    return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
