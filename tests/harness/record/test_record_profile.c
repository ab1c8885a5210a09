/* Profiles in a store: reading gives what was written, contradictions are refused, and percentages
 * equal those computed by hand. */
#include "harness/record/record.h"
#include "tests/harness/record_profiles.h"
#include "tests/harness/samples.h"
#include "tests/harness/scratch.h"

static tm_record make_profile_record(void)
{
    tm_record r = make_line_of_kind(TM_RECORD_PROFILE);
    r.profile = make_op_table(1e6); /* a millisecond and more, so that rounding is negligible */
    return r;
}

static void test_round_trip(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_record a = make_profile_record(), b;
    tm_json *json = parsed_record(&a);
    assert_ok(tm_record_from_json(json, &b, &err), err);
    assert_int_equal(b.kind, TM_RECORD_PROFILE);
    assert_int_equal(b.process, 3);
    assert_int_equal(b.slot, 1);
    assert_string_equal(b.status, "ok");
    assert_string_equal(b.marks, a.marks);
    assert_string_equal(b.cell.test, a.cell.test);
    assert_int_equal(b.profile.n_entries, 4);
    assert_string_equal(b.profile.entries[2].operation, "down");
    assert_int_equal(b.profile.entries[1].n_layers, 2);
    assert_true(b.profile.entries[1].part.cost.is_int8);
    assert_true(b.profile.entries[3].part.work_ns == 180e6);
    tm_json *again = parsed_record(&b);
    char *text = tm_json_print(json, false), *text_again = tm_json_print(again, false);
    assert_string_equal(text, text_again);
    free(text);
    free(text_again);
    tm_json_free(again);
    tm_record_free(&b);
    tm_json_free(json);

    a.profile.overhead_low = a.profile.overhead_high = NAN; /* of one pair */
    json = parsed_record(&a);
    assert_string_equal(tm_json_text(tm_json_get(json, "overhead_low_missing"), ""),
                        "one pair has no interval");
    assert_ok(tm_record_from_json(json, &b, &err), err);
    assert_true(isnan(b.profile.overhead_low) && isnan(b.profile.overhead_high));
    tm_record_free(&b);
    tm_json_free(json);
    tm_record_free(&a);
}

static void test_missing_profile_has_a_reason(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_record a = make_profile_record(), b;
    tm_record_profile_free(&a.profile);
    strcpy(a.status, "skipped");
    strcpy(a.reason, "the worker of this engine does not say");
    tm_json *json = parsed_record(&a);
    assert_null(tm_json_get(json, "operations"));
    assert_ok(tm_record_from_json(json, &b, &err), err);
    assert_int_equal(b.profile.n_entries, 0);
    assert_string_equal(b.reason, a.reason);
    tm_record_free(&b);
    tm_json_free(json);
    a.reason[0] = 0;
    json = parsed_record(&a);
    assert_int_equal(tm_record_from_json(json, &b, &err), TM_FORMAT);
    assert_says(err.message, "skipped without a reason");
    tm_json_free(json);
    tm_record_free(&a);
}

/* The record, or its first operation, with one key changed (value takes over) or gone (NULL) is
 * refused. */
static void refuse(bool in_operation, const char *key, tm_json *value, const char *part)
{
    tm_error err = {0};
    tm_record r = make_profile_record(), out;
    tm_json *json = parsed_record(&r), *changed = tm_json_object();
    const tm_json *list = tm_json_get(json, "operations");
    const tm_json *from = in_operation ? tm_json_at(list, 0) : json;
    bool found = false;
    for (const tm_json *m = tm_json_at(from, 0); m; m = tm_json_next(m)) {
        bool it = strcmp(tm_json_key(m), key) == 0;
        found = found || it;
        if (!it)
            tm_json_set(changed, tm_json_key(m), tm_json_copy(m));
        else if (value)
            tm_json_set(changed, key, value);
    }
    assert_true(found);
    if (in_operation) {
        tm_json *whole = tm_json_object(), *operations = tm_json_array();
        tm_json_append(operations, changed);
        for (int i = 1; i < 4; i++) tm_json_append(operations, tm_json_copy(tm_json_at(list, i)));
        for (const tm_json *m = tm_json_at(json, 0); m; m = tm_json_next(m))
            if (strcmp(tm_json_key(m), "operations") != 0)
                tm_json_set(whole, tm_json_key(m), tm_json_copy(m));
        tm_json_set(whole, "operations", operations);
        changed = whole;
    }
    assert_int_equal(tm_record_from_json(changed, &out, &err), TM_FORMAT);
    assert_says(err.message, part);
    tm_json_free(json);
    tm_json_free(changed);
    tm_record_free(&r);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char *const keys[] = {"process",   "slot",     "status",     "marks",
                                       "n_threads", "n_tokens", "n_passes",   "n_pairs",
                                       "region_ns", "idle_ns",  "overhead",   "stamps_per_thread",
                                       "stamp_ns",  "clock",    "elapsed_ns", "operations"};
    static const char *const own[] = {"operation", "n_layers",         "work_ns",
                                      "wait_ns",   "best_ns",          "memory_bytes",
                                      "macs",      "activation_bytes", "is_int8"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        refuse(false, keys[i], NULL, keys[i]);
        refuse(false, keys[i], tm_json_object(), keys[i]);
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        refuse(true, own[i], NULL, own[i]);
        refuse(true, own[i], tm_json_object(), own[i]);
    }
    refuse(true, "operation", tm_json_string("a name that is longer than any"),
           "characters; the limit");
    refuse(true, "operation", tm_json_string(""), "has no name");
    refuse(true, "macs", tm_json_number(-1), "\"macs\" is -1");
    refuse(true, "work_ns", tm_json_number(1e17), "not from 0 to 1e+16");
    refuse(false, "operations", tm_json_array(), "must be an array of 1 to 512");
    tm_json *many = tm_json_array();
    for (int i = 0; i <= TM_RECORD_PROFILE_ROWS_MAX; i++) tm_json_append(many, tm_json_object());
    refuse(false, "operations", many, "must be an array of 1 to 512");
}

static void test_contradictions(void **state)
{
    (void)state;
    refuse(false, "region_ns", tm_json_number(1.1e9), "the region took 1.1e+09 ns");
    refuse(false, "idle_ns", tm_json_number(2e8), "operations and idle time add up to 1.16e+09 ns");
    refuse(true, "work_ns", tm_json_number(9e8), "the region took");
    refuse(false, "overhead", tm_json_number(1.2), "not between its bounds 1.01 and 1.03");
    refuse(false, "overhead_high", tm_json_null(), "not between its bounds");
    refuse(false, "n_pairs", tm_json_number(0), "n_pairs");
}

static void test_sums_and_percents(void **state)
{
    (void)state;
    const tm_profile_limits limits = {10, 100, 20, NAN};
    tm_record_profile t = make_op_table(1);
    assert_int_equal(tm_record_profile_end(&t, 0), 1);
    assert_int_equal(tm_record_profile_end(&t, 1), 3);
    assert_int_equal(tm_record_profile_end(&t, 3), 4);
    tm_profile_sum norm = tm_record_profile_sum(&t, &limits, 0, 1);
    assert_true(isnan(norm.least_ns) && norm.bound == TM_BOUND_NONE && norm.bytes == 300);
    tm_profile_sum down = tm_record_profile_sum(&t, &limits, 1, 3);
    assert_true(down.least_ns == 250 && down.bound == TM_BOUND_INT8);
    assert_true(down.least_by[TM_BOUND_MEMORY] == 50);
    tm_profile_row row = tm_profile_row_of(&down, down.work_ns, t.region_ns, t.n_tokens);
    assert_true(row.ns_per_token == 300 && row.wait_ns_per_token == 40);
    assert_true(row.best_ns_per_token == 240);
    assert_true(row.time_percent == 60 && row.wait_percent == 8);
    assert_true(row.gb_per_second == 900.0 / 600 && row.gmac_per_second == 22000.0 / 600);
    assert_true(fabs(row.limit_percent - 100 * 250.0 / 600) < 1e-9);
    assert_true(fabs(row.best_limit_percent - 100 * 250.0 / 480) < 1e-9);
    row = tm_profile_row_of(&norm, norm.work_ns, t.region_ns, t.n_tokens);
    assert_true(isnan(row.gmac_per_second) && isnan(row.limit_percent));
    tm_profile_sum all = tm_record_profile_sum(&t, &limits, 0, 4);
    assert_true(all.least_ns == 340 && all.work_ns == 784 && all.bound == TM_BOUND_INT8);
    /* Without the limits no part has a least time. */
    const tm_profile_limits no_int8 = {10, NAN, 20, NAN};
    down = tm_record_profile_sum(&t, &no_int8, 1, 3);
    assert_true(isnan(down.least_ns) && down.bound == TM_BOUND_NONE);
    tm_record_profile_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_missing_profile_has_a_reason),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_sums_and_percents),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
