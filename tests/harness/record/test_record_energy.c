/* Energy records: a round trip keeps every value, contradictions are refused, and a missing value
 * never becomes a number. */
#include "harness/record/store.h"
#include "tests/harness/record/windows.h"
#include "tests/harness/samples.h"
#include "tests/harness/scratch.h"

#include <unistd.h>

static tm_record make_energy_record(void)
{
    tm_record r = make_line_of_kind(TM_RECORD_ENERGY);
    r.energy = make_window();
    return r;
}

static void test_round_trip(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_record r = make_energy_record(), b;
    tm_json *json = parsed_record(&r);
    assert_string_equal(tm_json_text(tm_json_get(json, "kind"), ""), "energy");
    assert_string_equal(tm_json_text(tm_json_get(json, "status"), ""), "ok");
    assert_ok(tm_record_from_json(json, &b, &err), err);
    assert_int_equal(b.kind, TM_RECORD_ENERGY);
    assert_memory_equal(&b.cell, &r.cell, sizeof r.cell);
    assert_string_equal(b.cell_id, r.cell_id);
    assert_string_equal(b.run_id, r.run_id);
    assert_string_equal(b.status, "ok");
    assert_true(b.process == 3 && b.slot == 1 && b.predicted_bytes == r.predicted_bytes);
    const tm_record_energy *x = &r.energy, *y = &b.energy;
    assert_true(y->phase == TM_PHASE_GENERATION && !y->fake && y->state == TM_PROBE_OK);
    assert_string_equal(y->source, "powercap");
    assert_string_equal(y->scope, "package+dram");
    assert_string_equal(y->method, "counter");
    assert_string_equal(y->marks, "the package throttled");
    assert_true(y->begin_unix_seconds == x->begin_unix_seconds && y->window_seconds == 40);
    assert_true(y->n_repeats == 5 && y->n_prompt_tokens == 0 && y->n_output_tokens == 640);
    assert_true(y->gross_joules.value == 1200 && y->error_bound_joules.value == 0.06);
    assert_true(y->idle_before_watts.value == 11.9 && y->idle_after_watts.value == 12.1);
    /* For 40 s half of 0.2 W and the mean of the bounds of idle, and the bound of gross. */
    assert_true(fabs(tm_json_double(tm_json_get(json, "net_error_bound_joules"), 0) - 5.26) < 1e-9);
    assert_true(y->idle_before_error_bound_watts.value == 0.02);
    assert_true(y->idle_seconds == 10 && fabs(y->net_joules.value - 720) < 1e-9);
    assert_true(y->rate_hz.value == 10 && y->wraps == 1 && y->n_samples == 402);
    assert_true(y->largest_gap_seconds.value == 0.11 && isnan(y->sampler_cpu_percent.value));
    assert_string_equal(y->sampler_cpu_percent.missing, x->sampler_cpu_percent.missing);
    assert_int_equal(y->n_domains, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(y->domains[i].name, x->domains[i].name);
        assert_string_equal(y->domains[i].scope, x->domains[i].scope);
        assert_string_equal(y->domains[i].reason, x->domains[i].reason);
        assert_int_equal(y->domains[i].state, x->domains[i].state);
    }
    assert_true(y->domains[0].joules == 1000 && isnan(y->domains[2].joules));
    assert_int_equal(y->n_trace, 4);
    assert_true(y->trace[0].seconds == -10 && isnan(y->trace[0].watts));
    assert_true(y->trace[3].seconds == 40 && y->trace[3].watts == 30);
    assert_true(isnan(tm_record_rate(&b)));
    tm_record_free(&b);
    tm_json_free(json);
    tm_record_free(&r);
}

static void test_joules_per_token(void **state)
{
    (void)state;
    tm_record_energy e = make_window();
    assert_true(fabs(tm_record_energy_per_token(&e, TM_TOKENS_OUTPUT, false).value - 1.875) <
                1e-12);
    assert_true(fabs(tm_record_energy_per_token(&e, TM_TOKENS_ALL, false).value - 1.875) < 1e-12);
    assert_true(fabs(tm_record_energy_per_token(&e, TM_TOKENS_OUTPUT, true).value - 1.125) < 1e-12);
    tm_measured none = tm_record_energy_per_token(&e, TM_TOKENS_PROMPT, false);
    assert_true(isnan(none.value));
    assert_says(none.missing, "no prompt tokens");
    tm_record_energy_lose(&e, TM_PROBE_INVALID, "package-0: a read failed: %s", "EIO");
    none = tm_record_energy_per_token(&e, TM_TOKENS_OUTPUT, false);
    assert_true(isnan(none.value) && isnan(e.net_joules.value));
    assert_says(none.missing, "a read failed: EIO");
    tm_record_energy_free(&e);
}

/* Net energy needs the idle power, and must be above 0. */
static void test_net_energy(void **state)
{
    (void)state;
    tm_record_energy e = make_window();
    tm_measured_set(&e.idle_after_watts, 13.3); /* 11.9: more than a tenth below */
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "11.9 W before the window and 13.3 W after it");
    tm_measured_miss(&e.idle_after_watts, "interrupted");
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "after the window: interrupted");
    tm_measured_miss(&e.idle_before_watts, "not requested");
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "before the window: not requested");
    /* With constant power the difference is rounding, not energy. */
    tm_measured_set(&e.idle_before_watts, 30);
    tm_measured_set(&e.idle_after_watts, 30 - 1e-9);
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "no more than idle");
    tm_measured_set(&e.idle_before_watts, 27.5);
    tm_measured_set(&e.idle_after_watts, 28.5);
    tm_record_energy_set_net(&e);
    assert_true(fabs(e.net_joules.value - 80) < 1e-9);
    /* Less than half of what the idle powers differ by is no energy either. */
    tm_measured_set(&e.idle_before_watts, 29);
    tm_measured_set(&e.idle_after_watts, 30.5);
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "no more than idle");
    /* The readings of idle power are uncertain, too: 40 s at the mean of 0.02 and 0.04 W. */
    tm_measured_set(&e.idle_before_watts, 28);
    tm_measured_set(&e.idle_after_watts, 28);
    tm_record_energy_set_net(&e);
    assert_true(fabs(tm_record_energy_net_bound(&e).value - 1.26) < 1e-9);
    tm_measured_set(&e.idle_before_error_bound_watts, 0.5);
    tm_measured_set(&e.idle_after_error_bound_watts, 1.5);
    tm_record_energy_set_net(&e);
    assert_true(fabs(tm_record_energy_net_bound(&e).value - 40.06) < 1e-9 &&
                e.net_joules.value == 80);
    tm_measured_set(&e.idle_after_error_bound_watts, 3.6);
    tm_record_energy_set_net(&e);
    assert_says(e.net_joules.missing, "no more than idle");
    assert_true(isnan(tm_record_energy_net_bound(&e).value));
    /* Of a store without them it is not known. */
    tm_measured_miss(&e.idle_after_error_bound_watts, "not recorded");
    tm_record_energy_set_net(&e);
    assert_says(tm_record_energy_net_bound(&e).missing, "error of idle power: not recorded");
    tm_record_energy_free(&e);
}

/* A window without energy keeps its reason and has no joules. */
static void test_windows_without_energy(void **state)
{
    (void)state;
    static const tm_probe_state states[] = {TM_PROBE_STUCK, TM_PROBE_DENIED, TM_PROBE_INVALID,
                                            TM_PROBE_MISSING};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        tm_error err = {0};
        tm_record r = make_energy_record(), b;
        tm_record_energy_lose(&r.energy, states[i], "no joules because of %zu", i);
        tm_json *json = parsed_record(&r);
        static const char *const keys[] = {"gross_joules", "net_joules", "joules_per_token",
                                           "joules_per_output_token",
                                           "net_joules_per_output_token"};
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            char missing[64];
            snprintf(missing, sizeof missing, "%s_missing", keys[k]);
            assert_true(tm_json_is_null(tm_json_get(json, keys[k])));
            assert_says(tm_json_text(tm_json_get(json, missing), ""), "no joules because");
        }
        assert_ok(tm_record_from_json(json, &b, &err), err);
        assert_string_equal(b.status, tm_probe_state_text(states[i]));
        assert_int_equal(b.energy.state, states[i]);
        assert_string_equal(b.energy.reason, r.energy.reason);
        assert_true(isnan(b.energy.gross_joules.value));
        tm_json_free(json);
        tm_record_free(&b);
        tm_record_free(&r);
    }
}

/* The record with one key changed (takes ownership of value) or removed (NULL) is refused. */
static void refuse(const char *key, tm_json *value, const char *part)
{
    tm_error err = {0};
    tm_record r = make_energy_record(), out;
    tm_json *json = parsed_record(&r), *changed = tm_json_object();
    bool found = false;
    for (const tm_json *m = tm_json_at(json, 0); m; m = tm_json_next(m)) {
        bool it = strcmp(tm_json_key(m), key) == 0;
        found = found || it;
        if (!it)
            tm_json_set(changed, tm_json_key(m), tm_json_copy(m));
        else if (value)
            tm_json_set(changed, key, value);
    }
    assert_true(found);
    assert_int_equal(tm_record_from_json(changed, &out, &err), TM_FORMAT);
    assert_says(err.message, part);
    tm_json_free(json);
    tm_json_free(changed);
    tm_record_free(&r);
}

static void test_damaged_records_are_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"process",
                                       "slot",
                                       "phase",
                                       "source",
                                       "fake",
                                       "scope",
                                       "method",
                                       "status",
                                       "window_seconds",
                                       "n_repeats",
                                       "n_prompt_tokens",
                                       "n_output_tokens",
                                       "idle_seconds",
                                       "wraps",
                                       "n_samples",
                                       "domains",
                                       "trace_seconds",
                                       "trace_watts",
                                       "marks",
                                       "begin_unix_seconds",
                                       "gross_joules",
                                       "joules_per_token"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        refuse(keys[i], NULL, "");
        refuse(keys[i], tm_json_object(), "");
    }
}

static tm_json *number(double value)
{
    return tm_json_number(value);
}

static void test_contradictions_are_refused(void **state)
{
    (void)state;
    refuse("gross_joules", tm_json_null(), "status ok with nan gross_joules");
    refuse("gross_joules", number(-3), "gross_joules");
    refuse("gross_joules", number(0), "status ok with 0 gross_joules");
    refuse("status", tm_json_string("stuck"), "status stuck with 1200 gross_joules");
    refuse("status", tm_json_string("estimated"), "\"status\" is \"estimated\"");
    refuse("source", tm_json_string("fake"), "\"fake\" is false; source fake");
    refuse("scope", tm_json_string("fake package"), "\"fake\" is false");
    refuse("method", tm_json_string("fake counter"), "\"fake\" is false");
    refuse("method", tm_json_string("estimated"), "\"method\" is \"estimated\"");
    refuse("source", tm_json_string(""), "without a source");
    refuse("scope", tm_json_string(""), "without a source");
    refuse("window_seconds", number(0), "0 seconds");
    refuse("window_seconds", number(-1), "window_seconds");
    refuse("n_repeats", number(0), "0 repeats");
    refuse("n_output_tokens", number(0), "0 output tokens");
    refuse("n_prompt_tokens", number(7), "7 prompt");
    refuse("phase", tm_json_string("prompt"), "of the phase prompt");
    refuse("phase", tm_json_string("idle"), "\"phase\" is \"idle\"");
    refuse("net_joules", number(721), "net_joules 721");
    refuse("net_joules", number(-1), "net_joules");
    refuse("net_joules", number(1200), "net_joules 1200");
    refuse("idle_after_watts", tm_json_null(), "net_joules");
    refuse("error_bound_joules", number(-1), "error_bound_joules");
    refuse("joules_per_output_token", number(1.9), "joules by tokens are 1.875");
    refuse("joules_per_prompt_token", number(1), "joules_per_prompt_token");
    refuse("net_joules_per_token", tm_json_null(), "net_joules_per_token");
    refuse("trace_watts", tm_json_array(), "not two arrays of one length");

    tm_json *seconds = tm_json_array(), *watts = tm_json_array();
    for (int i = 0; i < 4; i++) tm_json_append(seconds, number(i == 2 ? -3 : i));
    refuse("trace_seconds", seconds, "trace_seconds[2]");
    for (int i = 0; i < 4; i++) tm_json_append(watts, number(i == 3 ? -3 : i));
    refuse("trace_watts", watts, "trace_watts[3]");

    tm_json *list = tm_json_array(), *item = tm_json_object();
    tm_json_put_string(item, "name", "psys");
    tm_json_put_string(item, "scope", "psys");
    tm_json_put_string(item, "status", "stuck");
    tm_json_put_number(item, "joules", 0);
    tm_json_append(list, item);
    refuse("domains", list, "domains[0]: status stuck with 0 joules");
    list = tm_json_array();
    for (int i = 0; i <= TM_ENERGY_DOMAINS_MAX; i++) tm_json_append(list, tm_json_object());
    refuse("domains", list, "at most 64");
    list = tm_json_array();
    for (int i = 0; i <= TM_ENERGY_TRACE_MAX; i++) tm_json_append(list, number(i));
    refuse("trace_seconds", list, "at most 2000");
}

/* A store holds energy records among others. */
static void test_energy_in_a_store(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *path = scratch_path("energy.jsonl");
    tm_store *store;
    tm_records records;
    tm_record sample = make_sample(0, 0, 2), window = make_energy_record();
    unlink(path);
    assert_ok(tm_store_open(path, &store, &err), err);
    assert_ok(tm_store_append(store, &sample, &err), err);
    assert_ok(tm_store_append(store, &window, &err), err);
    tm_store_close(store);
    assert_ok(tm_records_read(path, &records, &err), err);
    assert_int_equal(records.n, 2);
    assert_int_equal(records.items[0].kind, TM_RECORD_SAMPLE);
    assert_true(records.items[1].energy.gross_joules.value == 1200);
    tm_records_free(&records);
    tm_record_free(&sample);
    tm_record_free(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_joules_per_token),
        cmocka_unit_test(test_net_energy),
        cmocka_unit_test(test_windows_without_energy),
        cmocka_unit_test(test_damaged_records_are_refused),
        cmocka_unit_test(test_contradictions_are_refused),
        cmocka_unit_test(test_energy_in_a_store),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
