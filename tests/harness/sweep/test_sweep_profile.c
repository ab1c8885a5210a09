/* Sweeps with profiles. */
#include "tests/harness/sweep/sweeps.h"

static int count_profiles(const tm_records *records)
{
    int n = 0;
    for (int i = 0; i < records->n; i++) n += records->items[i].kind == TM_RECORD_PROFILE;
    return n;
}

/* A run with profiles adds only them to a store that has none: one per cell and process. A failed
 * profile is repeated; one that was skipped is not. */
static void test_missing_profiles_are_added(void **state)
{
    (void)state;
    run r;
    const char *store = scratch_path("profile.jsonl");
    size_t size;
    make_suite("null:1000", "f16,auto", "pp8,tg4");
    sweep(&r, store);
    assert_int_equal(count_profiles(&r.outcome.records), 0);
    double without = r.plan.arms[0].predicted_seconds;
    finish(&r);
    suite.profile = true;
    sweep(&r, store);
    assert_int_equal(r.outcome.n_new_samples, 0);
    assert_int_equal(r.outcome.n_profiles, 0);
    assert_int_equal(r.outcome.n_profiles_lost, 8); /* the fake engine has no operations */
    assert_says(r.outcome.profile_lost, "no operations");
    assert_int_equal(count_profiles(&r.outcome.records), 8);
    assert_true(r.plan.arms[0].predicted_seconds == without);
    finish(&r);
    sweep(&r, store);
    assert_string_equal(r.order, "");
    assert_int_equal(r.outcome.n_profiles_lost, 0);
    finish(&r);

    char *text = read_file(store, &size), *at = strstr(text, "\"status\":\"skipped\"");
    assert_non_null(at);
    memcpy(at, "\"status\":\"failed\" ", 18); /* a blank in JSON is harmless */
    write_file(store, text, size);
    free(text);
    sweep(&r, store);
    assert_int_equal(strlen(r.order), 1);
    assert_int_equal(r.outcome.n_profiles_lost, 1);
    assert_int_equal(r.outcome.n_cells_failed, 0);
    finish(&r);

    /* With a model, the profiles add to the predicted time. */
    make_suite("synth:125M", "i2r16_mad_scalar", "tg16");
    prepare(&r, NULL);
    without = r.plan.arms[0].predicted_seconds;
    finish(&r);
    suite.profile = true;
    prepare(&r, NULL);
    assert_true(r.plan.arms[0].predicted_seconds > without);
    finish(&r);
}

int main(int argc, char **argv)
{
    int code;
    if (is_worker(argc, argv, &code)) return code;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_missing_profiles_are_added)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
