#include "harness/record/measured.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static tm_json *parse(const char *text)
{
    tm_json *json;
    tm_error err = {0};
    assert_int_equal(tm_json_parse(text, strlen(text), "text", &json, &err), TM_OK);
    return json;
}

static void refuse(const char *text, size_t length, const char *part)
{
    tm_json *json;
    tm_error err = {0};
    assert_int_equal(tm_json_parse(text, length, "text", &json, &err), TM_FORMAT);
    assert_null(json);
    if (!strstr(err.message, part)) fail_msg("\"%s\" does not say \"%s\"", err.message, part);
}

static void test_reads_what_it_wrote(void **state)
{
    (void)state;
    tm_json *object = tm_json_object();
    tm_json_put_string(object, "text", "a \"quoted\" \\ line\n\x01");
    tm_json_put_int(object, "big", 9007199254740991);
    tm_json_put_number(object, "third", 1.0 / 3.0);
    tm_json_put_number(object, "nan", NAN);
    tm_json_put_bool(object, "yes", true);
    tm_json_put_missing(object, "joules", "no meter");
    char *text = tm_json_print(object, false);
    assert_null(strchr(text, '\n'));
    tm_json *back = parse(text);
    assert_string_equal(tm_json_text(tm_json_get(back, "text"), ""), "a \"quoted\" \\ line\n\x01");
    assert_true(tm_json_double(tm_json_get(back, "big"), 0) == 9007199254740991.0);
    assert_true(tm_json_double(tm_json_get(back, "third"), 0) == 1.0 / 3.0);
    assert_true(tm_json_is_null(tm_json_get(back, "nan")));
    assert_true(tm_json_true(tm_json_get(back, "yes")));
    assert_true(tm_json_is_null(tm_json_get(back, "joules")));
    assert_string_equal(tm_json_text(tm_json_get(back, "joules_missing"), ""), "no meter");
    free(text);
    tm_json_free(back);
    tm_json_free(object);
}

static void test_says_where_it_stopped(void **state)
{
    (void)state;
    refuse("{\"a\": 1,\n \"b\": }", 16, "line 2");
    refuse("{} x", 4, "column 4");
    refuse("", 0, "not valid");
    refuse("{\"a\": 1", 7, "not valid");
    refuse("{}\0", 3, "after the end"); /* a NUL is no white space */
    char deep[200];
    memset(deep, '[', sizeof deep);
    refuse(deep, sizeof deep, "64 levels");
}

static void test_stays_inside_the_length(void **state)
{
    (void)state;
    /* A heap copy without terminator: a read behind it is caught by the sanitizer. */
    const char text[] = "{\"a\":[1,2,3]}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n ? n : 1);
        memcpy(copy, text, n);
        refuse(copy, n, "text");
        free(copy);
    }
}

static void test_needs(void **state)
{
    (void)state;
    tm_json *json = parse("{\"n\": 4, \"half\": 1.5, \"s\": \"x\"}");
    tm_error err = {0};
    int64_t n = 0;
    const char *s = NULL;
    double d = 0;
    assert_int_equal(tm_json_need_int(json, "n", "cell", 1, 8, &n, &err), TM_OK);
    assert_int_equal(n, 4);
    assert_int_equal(tm_json_need_int(json, "n", "cell", 5, 8, &n, &err), TM_FORMAT);
    assert_string_equal(err.message, "cell: key \"n\" is 4, not a whole number from 5 to 8");
    assert_int_equal(tm_json_need_int(json, "half", "cell", 0, 8, &n, &err), TM_FORMAT);
    assert_int_equal(tm_json_need_int(json, "s", "cell", 0, 8, &n, &err), TM_FORMAT);
    assert_string_equal(err.message, "cell: key \"s\" is a string, not a number");
    assert_int_equal(tm_json_need_string(json, "absent", "cell", &s, &err), TM_FORMAT);
    assert_string_equal(err.message, "cell: key \"absent\" is missing");
    assert_int_equal(tm_json_need_number(json, "half", "cell", &d, &err), TM_OK);
    assert_true(d == 1.5);
    const char *known[] = {"n", "half", "state", NULL};
    assert_int_equal(tm_json_only_keys(json, known, "cell", &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "unknown key \"s\""));
    tm_json_free(json);
}

static void expect_written(tm_json *json, const char *text)
{
    char *written = tm_json_print(json, false);
    assert_string_equal(written, text);
    free(written);
    tm_json_free(json);
}

/* A figure or bound that is not there is null with its reason, never 0. */
static void test_missing_figures(void **state)
{
    (void)state;
    tm_json *json = tm_json_object();
    tm_json_put_finite(json, "a", 1.5, "unused");
    tm_json_put_finite(json, "b", INFINITY, "it took no time");
    tm_json_put_finite(json, "c", NAN, "");
    expect_written(json, "{\"a\":1.5,\"b\":null,\"b_missing\":\"it took no time\","
                         "\"c\":null,\"c_missing\":\"not measured\"}");
    const tm_interval both = {.value = 2, .low = 1, .high = 3, .n = 6, .method = "t on logs"};
    const tm_interval one = {.value = 2, .low = NAN, .high = NAN, .n = 1, .method = "none: n < 2"};
    const tm_interval none = {.value = NAN, .low = NAN, .high = NAN, .method = "none"};
    json = tm_json_object();
    tm_interval_put(json, "x", &both, "unused", "unused");
    tm_interval_put(json, "y", &one, "unused", TM_LONE_PAIR);
    tm_interval_put(json, "z", &none, "the model did not fit", "unused");
    expect_written(json,
                   "{\"x\":{\"value\":2,\"low\":1,\"high\":3,\"n\":6,\"method\":\"t on logs\"},"
                   "\"y\":{\"value\":2,\"low\":null,\"low_missing\":\"one pair has no interval\","
                   "\"high\":null,\"high_missing\":\"one pair has no interval\",\"n\":1,"
                   "\"method\":\"none: n < 2\"},"
                   "\"z\":null,\"z_missing\":\"the model did not fit\"}");
}

static void test_minds_no_null(void **state)
{
    (void)state;
    assert_null(tm_json_get(NULL, "a"));
    assert_null(tm_json_at(NULL, 0));
    assert_int_equal(tm_json_count(NULL), 0);
    assert_string_equal(tm_json_text(NULL, "other"), "other");
    assert_true(tm_json_double(NULL, 7) == 7);
    assert_false(tm_json_true(NULL));
    tm_json_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_it_wrote),
        cmocka_unit_test(test_says_where_it_stopped),
        cmocka_unit_test(test_stays_inside_the_length),
        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_missing_figures),
        cmocka_unit_test(test_minds_no_null),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
