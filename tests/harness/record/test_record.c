/* Checks that records read back as written and that missing values stay missing. */
#include "harness/machine/machine.h"
#include "harness/record/record.h"
#include "tests/harness/samples.h"
#include "tests/harness/scratch.h"

#include <math.h>

static tm_record through_json(const tm_record *record)
{
    tm_record back;
    tm_error err = {0};
    tm_json *json = tm_record_to_json(record), *again;
    char *text = tm_json_print(json, false);
    assert_ok(tm_json_parse(text, strlen(text), "line", &again, &err), err);
    assert_ok(tm_record_from_json(again, &back, &err), err);
    free(text);
    tm_json_free(json);
    tm_json_free(again);
    return back;
}

static void test_sample_round_trip(void **state)
{
    (void)state;
    tm_record r = make_sample(3, 2, 5);
    strcpy(r.cell.arithmetic, "int8");
    strcpy(r.cell.model_shape, "2B-4T");
    strcpy(r.sample.code_hash, "00ff00ff00ff00ff");
    tm_cell_set_model(&r.cell, "file 1234");
    assert_int_equal(strlen(r.cell.model_hash), 16);
    tm_record b = through_json(&r);
    assert_int_equal(b.kind, TM_RECORD_SAMPLE);
    assert_string_equal(b.cell.arithmetic, "int8");
    assert_string_equal(b.cell.model_shape, "2B-4T");
    assert_string_equal(b.sample.code_hash, "00ff00ff00ff00ff");
    assert_string_equal(b.cell.model_hash, r.cell.model_hash);
    assert_memory_equal(&b.cell, &r.cell, sizeof r.cell);
    assert_string_equal(b.run_id, r.run_id);
    assert_string_equal(b.cell_id, r.cell_id);
    assert_string_equal(b.status, "ok");
    assert_string_equal(b.marks, r.marks);
    assert_string_equal(b.sample.tokens, r.sample.tokens);
    assert_int_equal(b.process, 3);
    assert_int_equal(b.sample.repetition, 2);
    assert_int_equal(b.slot, 1);
    assert_true(b.sample.elapsed_ns == r.sample.elapsed_ns && b.sample.first_token_ns == 777 &&
                b.sample.load_ns == 42 && b.sample.check_ns == 43);
    assert_int_equal(b.sample.n_tokens, 13);
    assert_int_equal(b.sample.n_token_ns, 5);
    assert_memory_equal(b.sample.token_ns, r.sample.token_ns, 5 * sizeof *r.sample.token_ns);
    assert_true(b.sample.bytes_per_token == r.sample.bytes_per_token &&
                b.sample.macs_per_token == r.sample.macs_per_token);
    assert_true(b.sample.bits_per_weight == r.sample.bits_per_weight);
    assert_true(b.predicted_bytes == r.predicted_bytes);
    assert_true(b.sample.cpu_user_seconds.value == 0.25 && b.sample.minor_faults.value == 0);
    assert_true(isnan(b.sample.steal_percent.value));
    assert_string_equal(b.sample.steal_percent.missing, "too short");
    assert_true(b.sample.frequency_before_hz.value == 3.1e9 &&
                b.sample.frequency_after_hz.value == 3.0e9);
    assert_true(b.sample.throttle_events.value == 0 && b.sample.load_average.value == 0.5);
    assert_true(b.sample.temperature_before_celsius.value == 48);
    assert_string_equal(b.sample.temperature_after_celsius.missing, "no sensor");
    assert_true(fabs(tm_record_rate(&b) - 13e9 / 123456789012345.0) < 1e-12);
    tm_record_free(&r);
    tm_record_free(&b);
}

static void test_counters_round_trip(void **state)
{
    (void)state;
    tm_record r = make_sample(0, 0, 1);
    strcpy(r.sample.counter_group, "mine");
    r.sample.n_counters = 2;
    r.sample.counters = calloc(2, sizeof *r.sample.counters);
    r.sample.counters[0] =
        (tm_counter){.name = "cycles", .unit = "count", .method = "perf", .share = 0.5};
    tm_measured_set(&r.sample.counters[0].figure, 1e9);
    r.sample.counters[1] =
        (tm_counter){.name = "ipc", .unit = "ratio", .method = "formula", .share = 1};
    tm_measured_miss(&r.sample.counters[1].figure, "no instructions");
    tm_record b = through_json(&r);
    assert_string_equal(b.sample.counter_group, "mine");
    assert_int_equal(b.sample.n_counters, 2);
    assert_string_equal(b.sample.counters[0].name, "cycles");
    assert_string_equal(b.sample.counters[0].unit, "count");
    assert_string_equal(b.sample.counters[0].method, "perf");
    assert_true(b.sample.counters[0].share == 0.5 && b.sample.counters[0].figure.value == 1e9);
    assert_true(isnan(b.sample.counters[1].figure.value));
    assert_string_equal(b.sample.counters[1].figure.missing, "no instructions");
    tm_record_free(&b);
    static const char *const bad[] = {"3",
                                      "[]",
                                      "{\"x\":1}",
                                      "{\"x\":{\"unit\":\"u\"}}",
                                      "{\"x\":{\"unit\":1,\"method\":\"\"}}",
                                      "{\"x\":{\"unit\":\"\",\"method\":\"\",\"value\":\"1\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_error err = {0};
        char text[120];
        tm_json *json;
        tm_record plain = make_sample(0, 0, 1);
        json = tm_record_to_json(&plain);
        tm_record_free(&plain);
        snprintf(text, sizeof text, "{\"c\":%s}", bad[i]);
        tm_json *holder;
        assert_ok(tm_json_parse(text, strlen(text), "bad", &holder, &err), err);
        tm_json_put_string(json, "counter_group", "mine");
        tm_json_set(json, "counters", tm_json_copy(tm_json_get(holder, "c")));
        tm_json_free(holder);
        assert_int_equal(tm_record_from_json(json, &b, &err), TM_FORMAT);
        assert_says(err.message, "record: ");
        tm_json_free(json);
    }
    tm_record_free(&r);
}

static void test_marks_are_joined_and_cut(void **state)
{
    (void)state;
    tm_record r = {0};
    tm_record_mark(&r, "%d of %s", 1, "two");
    tm_record_mark(&r, "three");
    assert_string_equal(r.marks, "1 of two; three");
    for (int i = 0; i < 100; i++) tm_record_mark(&r, "a reason of some length, number %d", i);
    assert_int_equal(strlen(r.marks), sizeof r.marks - 1);
}

/* A missing value is null with a reason, never 0. */
static void test_missing_is_null(void **state)
{
    (void)state;
    tm_record r = make_sample(0, 0, 0);
    r.sample.first_token_ns = 0;
    r.sample.bytes_per_token = 0;
    r.predicted_bytes = 0;
    tm_json *json = tm_record_to_json(&r);
    static const char *const keys[] = {"first_token_ns",  "bytes_per_token", "macs_per_token",
                                       "bits_per_weight", "predicted_bytes", "steal_percent"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s_missing", keys[i]);
        assert_true(tm_json_is_null(tm_json_get(json, keys[i])));
        assert_true(strlen(tm_json_text(tm_json_get(json, name), "")) > 5);
    }
    tm_json_free(json);
    tm_record_free(&r);
}

static void test_cell_and_run_round_trip(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_record c = make_sample(0, 0, 0);
    tm_record_free(&c);
    c.kind = TM_RECORD_CELL;
    strcpy(c.status, "skipped");
    strcpy(c.reason, "needs 14.1 GB, 11.9 GB available");
    tm_record b = through_json(&c);
    assert_int_equal(b.kind, TM_RECORD_CELL);
    assert_string_equal(b.reason, c.reason);
    assert_true(isnan(tm_record_rate(&b)));
    tm_record_free(&b);

    static const char text[] =
        "{\"schema\":1,\"kind\":\"run\",\"run\":\"r\",\"suite\":{\"name\":\"x\"}}";
    tm_json *json;
    tm_record run;
    assert_ok(tm_json_parse(text, strlen(text), "line", &json, &err), err);
    assert_ok(tm_record_from_json(json, &run, &err), err);
    tm_record back = through_json(&run);
    tm_json *twice = tm_record_to_json(&back);
    char *printed = tm_json_print(twice, false);
    assert_string_equal(printed, text);
    free(printed);
    tm_json_free(twice);
    tm_json_free(json);
    tm_record_free(&run);
    tm_record_free(&back);
}

/* A sample that lacks a required key, or has one of the wrong type, is an error that names the
 * key. */
static void test_damaged_samples_are_errors(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "schema",     "kind",        "run",      "cell_id", "engine",     "model",
        "kernel",     "head_kernel", "threads",  "test",    "n_prompt",   "n_gen",
        "depth",      "role",        "status",   "process", "repetition", "slot",
        "elapsed_ns", "n_tokens",    "token_ns", "load_ns", "marks"};
    tm_record r = make_sample(0, 0, 2), out;
    tm_json *json = tm_record_to_json(&r);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        for (int other_type = 0; other_type < 2; other_type++) {
            tm_error err = {0};
            tm_json *damaged = tm_json_object();
            for (const tm_json *m = tm_json_at(json, 0); m; m = tm_json_next(m)) {
                if (strcmp(tm_json_key(m), keys[i]) != 0)
                    tm_json_set(damaged, tm_json_key(m), tm_json_copy(m));
                else if (other_type)
                    tm_json_put_bool(damaged, keys[i], true);
            }
            assert_int_equal(tm_record_from_json(damaged, &out, &err), TM_FORMAT);
            assert_says(err.message, keys[i]);
            tm_json_free(damaged);
        }
    }
    tm_json_free(json);
    tm_record_free(&r);
}

static void refuse(const char *key, double value, tm_status wanted, const char *part)
{
    tm_error err = {0};
    tm_record r = make_sample(0, 0, 2), out;
    tm_json *json = tm_record_to_json(&r), *changed = tm_json_object();
    for (const tm_json *m = tm_json_at(json, 0); m; m = tm_json_next(m)) {
        bool it = strcmp(tm_json_key(m), key) == 0;
        tm_json_set(changed, tm_json_key(m), it ? tm_json_number(value) : tm_json_copy(m));
    }
    assert_int_equal(tm_record_from_json(changed, &out, &err), wanted);
    assert_says(err.message, part);
    tm_json_free(json);
    tm_json_free(changed);
    tm_record_free(&r);
}

static void test_impossible_values_are_errors(void **state)
{
    (void)state;
    refuse("schema", 2, TM_UNSUPPORTED, "schema 2; this program reads schema 1");
    refuse("elapsed_ns", 0, TM_FORMAT, "elapsed_ns");
    refuse("n_tokens", 0, TM_FORMAT, "n_tokens");
    refuse("threads", 0, TM_FORMAT, "threads");
    refuse("slot", 2, TM_FORMAT, "slot");
    refuse("process", -1, TM_FORMAT, "process");
    refuse("bytes_per_token", -1, TM_FORMAT, "bytes_per_token");
    refuse("n_prompt", 0.5, TM_FORMAT, "n_prompt");
}

static void test_names_and_ids(void **state)
{
    (void)state;
    char text[48], id[24], other[24];
    tm_test_name(512, 0, 0, 1, text, sizeof text);
    assert_string_equal(text, "pp512");
    tm_test_name(512, 128, 0, 0, text, sizeof text);
    assert_string_equal(text, "pp512+tg128");
    tm_test_name(0, 128, 1024, 8, text, sizeof text);
    assert_string_equal(text, "tg128@d1024@b8");
    tm_test_name(0, 128, 1024, 1, text, sizeof text);
    assert_string_equal(text, "tg128@d1024");

    tm_record r = make_sample(0, 0, 2);
    tm_cell cell = r.cell;
    tm_cell_id(&cell, "build", "identity", id);
    /* The role and the kernel name in the suite are not part of the cell's identity. */
    strcpy(cell.role, "baseline");
    strcpy(cell.kernel_asked, "auto");
    strcpy(cell.head_asked, "f16");
    tm_cell_id(&cell, "build", "identity", other);
    assert_string_equal(id, other);
    tm_cell_id(&cell, "build2", "identity", other);
    assert_string_not_equal(id, other);
    tm_cell_id(&cell, "build", "identity2", other);
    assert_string_not_equal(id, other);
    cell.depth++;
    tm_cell_id(&cell, "build", "identity", other);
    assert_string_not_equal(id, other);
    tm_record_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_round_trip),
        cmocka_unit_test(test_missing_is_null),
        cmocka_unit_test(test_cell_and_run_round_trip),
        cmocka_unit_test(test_damaged_samples_are_errors),
        cmocka_unit_test(test_impossible_values_are_errors),
        cmocka_unit_test(test_names_and_ids),
        cmocka_unit_test(test_marks_are_joined_and_cut),
        cmocka_unit_test(test_counters_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
