/* JSON that is read where it lies, and headers of safetensors files. */
#include "engine/json_text.h"
#include "engine/safetensors.h"
#include "tests/tm_test.h"

#include <stdio.h>
#include <string.h>

static tm_json_text checked(const char *text)
{
    tm_json_text value = {0};
    tm_error err = {0};
    if (tm_json_text_check(text, strlen(text), &value, &err) != TM_OK)
        fail_msg("%s: %s", text, err.message);
    return value;
}

static void test_json_that_is_good(void **state)
{
    static const char *const texts[] = {"{}",
                                        " [ ] ",
                                        "null",
                                        "-0.5e+3",
                                        "\"\"",
                                        "[1,[2,{\"a\":[]}],\"]\\\"\",true]",
                                        "\"\\ud83d\\ude00 \xf0\x9f\x98\x80\""};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) checked(texts[i]);
}

static void test_json_that_is_bad(void **state)
{
    static const struct {
        const char *text, *message;
    } texts[] = {
        {"", "the JSON ends after 0 bytes; a value is missing"},
        {"{", "the JSON ends after 1 bytes; a string is missing"},
        {"[1,]", "']' at offset 3; expected a value"},
        {"{\"a\" 1}", "expected a colon"},
        {"{\"a\":1,}", "expected a string"},
        {"[1}", "'}' at offset 2; expected a comma or ']'"},
        {"01", "'1' at offset 1; expected the end of the JSON"},
        {"1.", "a digit is missing"},
        {"nul", "true, false or null is missing"},
        {"\"\\x\"", "expected an escape"},
        {"\"\\u12g4\"", "four hexadecimal digits"},
        {"\"\\ud800\"", "the second half of a pair"},
        {"\"\\ud800\\u0041\"", "the second half of a pair"},
        {"\"\\udc00\"", "the first half of a pair"},
        {"\"\x80\"", "byte 0x80 at offset 1; expected UTF-8"},
        {"\"\xc0\xaf\"", "expected UTF-8"},
        {"\"\xed\xa0\x80\"", "expected UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "expected UTF-8"},
        {"\"a\nb\"", "byte 0x0A at offset 2; expected the end of a string"},
        {"{} {}", "expected the end of the JSON"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        tm_json_text value;
        tm_error err = {0};
        const char *text = texts[i].text;
        assert_int_equal(tm_json_text_check(text, strlen(text), &value, &err), TM_FORMAT);
        if (!strstr(err.message, texts[i].message)) fail_msg("%s: %s", text, err.message);
    }
}

static void test_json_has_a_depth(void **state)
{
    char text[200];
    tm_json_text value;
    tm_error err = {0};
    (void)state;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(tm_json_text_check(text, 130, &value, &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "more than 64 levels at offset 64"));
    assert_int_equal(tm_json_text_check(text + 1, 128, &value, &err), TM_OK);
}

static void test_json_values(void **state)
{
    (void)state;
    tm_json_text root = checked("{ \"a\" : 7 , \"b\\u0061\":[1,\"x\",{\"y\":null}], \"c\":-2.5,"
                                "\"d\":\"\\u00e9\\n\\ud83d\\ude00\\\\\",\"e\":true, \"a\":8}");
    tm_json_text value, key;
    int64_t integer = 0;
    double number = 0;
    char text[32];
    assert_int_equal(tm_json_text_count(root), 6);
    assert_true(tm_json_text_int(tm_json_text_get(root, "a"), 0, 9, &integer));
    assert_int_equal(integer, 7);
    assert_false(tm_json_text_int(tm_json_text_get(root, "a"), 8, 9, &integer));
    assert_false(tm_json_text_int(tm_json_text_get(root, "c"), -9, 9, &integer));
    assert_true(tm_json_text_double(tm_json_text_get(root, "c"), &number));
    assert_true(number == -2.5);
    assert_true(tm_json_text_bool(tm_json_text_get(root, "e"), false));
    assert_true(tm_json_text_is_null(tm_json_text_get(root, "z")));
    value = tm_json_text_get(root, "ba"); /* spelled with an escape */
    assert_int_equal(tm_json_text_count(value), 3);
    size_t cursor = 0;
    assert_true(tm_json_text_next(value, &cursor, &key, &value) && key.length == 0);
    value = tm_json_text_get(root, "d");
    char *end = text + tm_json_text_string(value, text);
    *end = '\0';
    assert_string_equal(text, "\xc3\xa9\n\xf0\x9f\x98\x80\\");
    assert_true(tm_json_text_equals(value, text));
    assert_false(tm_json_text_equals(value, "\xc3\xa9\n"));
    assert_true(tm_json_text_copy(value, text, 9)); /* 8 bytes and the NUL */
    assert_false(tm_json_text_copy(value, text, 8));
    assert_false(tm_json_text_copy(checked("\"a\\u0000\""), text, sizeof text));
    assert_false(tm_json_text_equals(checked("\"\\u0000\""), ""));
}

/* A file with this header and as many bytes of data. */
static tm_status read_file(const char *header, size_t n_data, tm_safetensors *out, tm_error *err)
{
    static uint8_t bytes[4096];
    uint64_t length = strlen(header);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    return tm_safetensors_read(bytes, 8 + length + n_data, out, err);
}

static void test_headers_that_are_good(void **state)
{
    tm_safetensors file;
    tm_error err = {0};
    (void)state;
    if (read_file("{\"__metadata__\":{\"format\":\"pt\"},"
                  "\"b\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[1,13]},"
                  "\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
                  "\"empty\":{\"shape\":[0,7],\"dtype\":\"F32\",\"data_offsets\":[13,13]}}  ",
                  13, &file, &err) != TM_OK)
        fail_msg("%s", err.message);
    assert_int_equal(file.n_tensors, 3);
    assert_int_equal(file.tensors[0].n_dims, 0);
    assert_int_equal(file.tensors[1].type, TM_SAFETENSORS_BF16);
    assert_int_equal(file.tensors[1].shape[0], 2);
    assert_int_equal(file.tensors[1].shape[1], 3);
    assert_int_equal(file.tensors[1].bytes, 12);
    assert_memory_equal(file.tensors[1].name.data, "b", 1);
    assert_int_equal(file.tensors[2].bytes, 0);
    tm_safetensors_free(&file);
}

#define ONE(dtype, shape, offsets)                                                                 \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define ANOTHER(name, offsets)                                                                     \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"                              \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" offsets "}}"

static void test_headers_that_are_bad(void **state)
{
    static const struct {
        const char *header, *message;
        tm_status status;
    } cases[] = {
        {"[]", "the header is not a JSON object", TM_FORMAT},
        {"{\"a\":1,\"b\":2}", "the header has 2 tensors in 13 bytes", TM_FORMAT},
        {ONE("U8", "[8]", "[0,4]"), "its data has 4 bytes, which is not what shape", TM_FORMAT},
        {ONE("U8", "[8]", "[0,9]"), "but the file has 8 bytes of data; it may be", TM_FORMAT},
        {ONE("U8", "[8]", "[5,4]"), "its data lies at 5 to 4", TM_FORMAT},
        {ONE("U8", "[8]", "[-1,8]"), "its data_offsets must be two whole", TM_FORMAT},
        {ONE("U8", "[8]", "[0,8,9]"), "its data_offsets must be two whole", TM_FORMAT},
        {ONE("U8", "[8]", "[0,8.5]"), "its data_offsets must be two whole", TM_FORMAT},
        {ONE("Q8", "[8]", "[0,8]"), "its dtype 'Q8' is unknown", TM_UNSUPPORTED},
        {ONE("U8", "[2,2,2,1,1]", "[0,8]"), "more than 4 dimensions", TM_UNSUPPORTED},
        {ONE("U8", "[-8]", "[0,8]"), "dimension 0 of its shape is not", TM_FORMAT},
        {ONE("U8", "8", "[0,8]"), "its shape is missing", TM_FORMAT},
        {ONE("U8", "[9007199254740992,9007199254740992]", "[0,8]"), "its shape overflows",
         TM_FORMAT},
        {ONE("F4", "[15]", "[0,8]"), "which is not what shape and dtype F4 need", TM_FORMAT},
        {ONE("F32", "[2]", "[0,8]") "x", "expected the end of the JSON", TM_FORMAT},
        {ONE("U8", "[4]", "[0,4]"), "the tensors end at byte", TM_FORMAT},
        {ONE("U8", "[4]", "[4,8]"), "its data begins at byte", TM_FORMAT},
        {ANOTHER("b", "[2,6]"), "its data begins at byte", TM_FORMAT},
        {ANOTHER("a", "[4,8]"), "it is in the header twice", TM_FORMAT},
        {ANOTHER("\\u0061", "[4,8]"), "it is in the header twice", TM_FORMAT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_safetensors file;
        tm_error err = {0};
        tm_status got = read_file(cases[i].header, 8, &file, &err);
        if (got != cases[i].status || !strstr(err.message, cases[i].message))
            fail_msg("%s: status %d, '%s'", cases[i].header, got, err.message);
    }
}

static void test_lengths_are_checked(void **state)
{
    uint8_t bytes[16] = {0};
    tm_safetensors file;
    tm_error err = {0};
    (void)state;
    for (size_t n = 0; n < 10; n++) {
        assert_int_equal(tm_safetensors_read(bytes, n, &file, &err), TM_FORMAT);
        assert_non_null(strstr(err.message, "too few"));
    }
    bytes[0] = 9;
    assert_int_equal(tm_safetensors_read(bytes, sizeof bytes, &file, &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "a length of 9 bytes, but the file has 16"));
    memset(bytes, 0xff, 8);
    assert_int_equal(tm_safetensors_read(bytes, sizeof bytes, &file, &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "the limit is 100000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_that_is_good),     cmocka_unit_test(test_json_that_is_bad),
        cmocka_unit_test(test_json_has_a_depth),      cmocka_unit_test(test_json_values),
        cmocka_unit_test(test_headers_that_are_good), cmocka_unit_test(test_headers_that_are_bad),
        cmocka_unit_test(test_lengths_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
