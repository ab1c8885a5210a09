/* Energy of cells: what is averaged, what is paired, and which ratios are refused. */
#include "reports/energy_sheet.h"
#include "reports/metric.h"
#include "reports/summary.h"
#include "tests/reports/sample_windows.h"
#include "tests/tm_test.h"

static const sample_meter wall = {"meter", "system", "imported", false};

static void make_summaries(const sample_store *store, tm_summaries *out)
{
    tm_error err = {0};
    assert_int_equal(tm_summaries_make(store->records.items, store->records.n, out, &err), TM_OK);
}

static const tm_cell_summary *find_summary(const tm_summaries *all, const char *kernel,
                                           const char *test)
{
    const tm_cell_summary *s = tm_summaries_find(all, "ternmark", "synth:700M", kernel, 2, test);
    assert_non_null(s);
    return s;
}

static const tm_energy_phase *output_of(const tm_cell_summary *s)
{
    return &s->energy.phases[TM_PHASE_GENERATION];
}

static void near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-9 * fabs(wanted)))
        fail_msg("%.12g is not %.12g", value, wanted);
}

/* Adds one process at each rate, drawing 20 W. */
static void add_processes(sample_store *store, const char *kernel, const sample_meter *meter,
                          const double *rates, int n)
{
    for (int i = 0; i < n; i++) {
        sample_add_process(store, "synth:700M", kernel, 2, 0, 32, i, 0, rates[i], 1e9);
        sample_add_window(store, "synth:700M", kernel, 2, 0, 32, i, 0, TM_PHASE_GENERATION, meter,
                          rates[i], 20);
    }
}

static void joules_are_watts_over_rate(void **state)
{
    static const double rates[] = {10, 20, 40};
    sample_store store = {0};
    tm_summaries all;
    (void)state;
    sample_add_run(&store, SAMPLE_ENERGY_RUN);
    add_processes(&store, "f16_fma_x", &sample_powercap, rates, 3);
    make_summaries(&store, &all);
    const tm_cell_summary *s = find_summary(&all, "f16_fma_x", "tg32");
    const tm_energy_phase *e = output_of(s);
    /* Geometric means: 20 W over 20 tokens/s, 16 W above idle. */
    near(e->joules_per_token.value, 1.0);
    near(e->net_joules_per_token.value, 0.8);
    near(e->watts.value, 20);
    near(e->net_watts.value, 16);
    near(e->idle_watts.value, 4);
    const tm_interval tokens = tm_energy_tokens_per_joule(&e->joules_per_token);
    near(tokens.value, 1.0);
    near(tokens.low, 1 / e->joules_per_token.high);
    near(tokens.high, 1 / e->joules_per_token.low);
    near(e->largest_error, 0.001);
    /* Of 16 W: 0.02 W of gross, 0.1 W that idle differs by, 0.02 W of its readings. */
    near(e->largest_net_error, 0.00875);
    assert_int_equal(e->joules_per_token.n, 3);
    assert_true(e->joules_per_token.low < 1 && e->joules_per_token.high > 1);
    assert_string_equal(e->source, "powercap");
    assert_string_equal(e->scope, "package");
    assert_false(e->fake);
    near(s->energy.joules_per_token.value, 1.0);
    const tm_energy_phase *prompt = &s->energy.phases[TM_PHASE_PROMPT];
    assert_true(isnan(prompt->joules_per_token.value));
    assert_string_equal(prompt->missing, "the test has no prompt");
    tm_summaries_free(&all);
    sample_free(&store);
}

/* 64 prompt tokens at 0.1 J and 16 output tokens at 0.6 J are 16 J for 80 tokens. */
static void phases_are_weighted_by_tokens(void **state)
{
    sample_store store = {0};
    tm_summaries all;
    (void)state;
    for (int i = 0; i < 2; i++) {
        sample_add_process(&store, "synth:700M", "i2_mad_x", 2, 64, 16, i, 0, 50, 1e9);
        sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 64, 16, i, 0, TM_PHASE_PROMPT,
                          &sample_powercap, 200, 20);
        sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 64, 16, i, 0, TM_PHASE_GENERATION,
                          &sample_powercap, 30, 18);
    }
    make_summaries(&store, &all);
    const tm_cell_summary *s = find_summary(&all, "i2_mad_x", "pp64+tg16");
    near(s->energy.phases[TM_PHASE_PROMPT].joules_per_token.value, 0.1);
    near(s->energy.phases[TM_PHASE_GENERATION].joules_per_token.value, 0.6);
    near(s->energy.joules_per_token.value, 16.0 / 80);
    assert_int_equal(s->energy.joules_per_token.n, 2);
    tm_summaries_free(&all);

    /* `compare` and `gate` have the same value, although a window repeats its phase as it likes. */
    const tm_metric *metric;
    tm_error err = {0};
    char why[160] = "";
    const tm_record *windows[2];
    int n = 0;
    for (int i = 0; i < store.records.n; i++)
        if (store.records.items[i].kind == TM_RECORD_ENERGY && store.records.items[i].process == 0)
            windows[n++] = &store.records.items[i];
    const tm_process_records process = {.windows = windows, .n_windows = n};
    assert_int_equal(tm_metric_need("joules_per_token", &metric, &err), TM_OK);
    near(metric->of_process(metric, &process, why), 16.0 / 80);
    const tm_process_records half = {.windows = windows, .n_windows = 1};
    assert_true(isnan(metric->of_process(metric, &half, why)));
    assert_string_equal(why, "a phase of the test has no window");

    /* Four sequences generate 64 tokens: 6.4 J and 38.4 J for 128. */
    for (int i = 0; i < store.records.n; i++) store.records.items[i].cell.n_sequences = 4;
    make_summaries(&store, &all);
    s = find_summary(&all, "i2_mad_x", "pp64+tg16");
    near(s->energy.joules_per_token.value, 44.8 / 128);
    near(metric->of_process(metric, &process, why), 44.8 / 128);
    tm_summaries_free(&all);
    sample_free(&store);
}

/* A lost window leaves a state and a reason, not a value; a second window of the process replaces
 * it. */
static void lost_windows_are_counted(void **state)
{
    static const double rates[] = {20, 20, 20};
    sample_store store = {0};
    tm_summaries all;
    char text[96];
    (void)state;
    add_processes(&store, "f16_fma_x", &sample_powercap, rates, 3);
    for (int i = 0; i < store.records.n; i++) {
        tm_record *r = &store.records.items[i];
        if (r->kind == TM_RECORD_ENERGY && r->process > 0)
            tm_record_energy_lose(&r->energy, TM_PROBE_INVALID, "package-0: a read failed");
    }
    sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, 2, 0, TM_PHASE_GENERATION,
                      &sample_powercap, 20, 20);
    make_summaries(&store, &all);
    const tm_energy_phase *e = output_of(find_summary(&all, "f16_fma_x", "tg32"));
    assert_int_equal(e->n_processes, 2);
    near(e->joules_per_token.value, 1.0);
    assert_string_equal(tm_energy_counts(e, text, sizeof text), "2 ok, 1 invalid");
    assert_non_null(strstr(e->warning, "2 ok, 1 invalid (invalid: package-0: a read failed)"));
    tm_summaries_free(&all);

    for (int i = 0; i < store.records.n; i++) {
        tm_record *r = &store.records.items[i];
        if (r->kind == TM_RECORD_ENERGY)
            tm_record_energy_lose(&r->energy, TM_PROBE_STUCK, "package-0 stayed at 7");
    }
    make_summaries(&store, &all);
    e = output_of(find_summary(&all, "f16_fma_x", "tg32"));
    assert_true(isnan(e->joules_per_token.value) && isnan(e->watts.value));
    assert_string_equal(e->missing, "stuck: package-0 stayed at 7");
    assert_string_equal(tm_energy_counts(e, text, sizeof text), "3 stuck");
    tm_summaries_free(&all);
    sample_free(&store);
}

/* Joules of different meters are never averaged: the last meter counts, and a real one is preferred
 * to a fake. */
static void joules_of_two_meters_are_not_averaged(void **state)
{
    static const double rates[] = {20, 20};
    sample_store store = {0};
    tm_summaries all;
    (void)state;
    add_processes(&store, "f16_fma_x", &sample_powercap, rates, 2);
    sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, 0, 0, TM_PHASE_GENERATION, &wall,
                      20, 60);
    make_summaries(&store, &all);
    const tm_energy_phase *e = output_of(find_summary(&all, "f16_fma_x", "tg32"));
    assert_string_equal(e->scope, "system");
    assert_int_equal(e->n_processes, 1);
    near(e->joules_per_token.value, 3.0);
    assert_non_null(strstr(e->warning, "2 windows of another source, scope or method"));
    tm_summaries_free(&all);

    sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, 1, 0, TM_PHASE_GENERATION,
                      &sample_fake, 20, 1000);
    make_summaries(&store, &all);
    e = output_of(find_summary(&all, "f16_fma_x", "tg32"));
    assert_false(e->fake);
    assert_string_equal(e->scope, "system");
    near(e->joules_per_token.value, 3.0);
    tm_summaries_free(&all);
    sample_free(&store);
}

/* The reason for missing joules comes from the run record. */
static void missing_joules_have_the_reason_of_the_run(void **state)
{
    sample_store store = {0};
    tm_summaries all;
    (void)state;
    sample_energy_demo(&store, NULL);
    make_summaries(&store, &all);
    const tm_cell_summary *s = find_summary(&all, "f16_fma_x", "tg32");
    assert_string_equal(output_of(s)->missing, SAMPLE_NO_SOURCE);
    assert_true(s->energy.is_asked);
    s = tm_summaries_find(&all, "ternmark", "synth:70B", "f16_fma_x", 2, "tg32");
    assert_string_equal(output_of(s)->missing, "needs 139 GB, 7.8 GB available");
    tm_summaries_free(&all);
    sample_free(&store);

    sample_demo(&store);
    make_summaries(&store, &all);
    assert_string_equal(all.items[0].energy.missing, "the run did not ask for energy");
    assert_false(all.items[0].energy.is_asked);
    tm_summaries_free(&all);
    sample_free(&store);
}

/* fp16: 20 W at 10 tokens/s, 2 J. Ternary: 16 W at 40 tokens/s, 0.4 J. The saving is 80 %. */
static void savings_come_from_pairs(void **state)
{
    sample_store store = {0};
    tm_summaries all;
    tm_energy_ratio ratio;
    tm_error err = {0};
    (void)state;
    for (int i = 0; i < 6; i++) {
        double drift = 1 + 0.05 * i, wobble = i % 2 ? 1.01 : 1 / 1.01;
        sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, i, 0, TM_PHASE_GENERATION,
                          &sample_powercap, 10 * drift, 20);
        sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 0, 32, i, 1, TM_PHASE_GENERATION,
                          &sample_powercap, 40 * drift * wobble, 16);
    }
    /* A process without a partner, and one of another run, are in no pair. */
    sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 0, 32, 6, 1, TM_PHASE_GENERATION,
                      &sample_powercap, 1, 16);
    sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 0, 32, 7, 1, TM_PHASE_GENERATION,
                      &sample_powercap, 1, 16);
    sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, 7, 0, TM_PHASE_GENERATION,
                      &sample_powercap, 1, 16);
    strcpy(store.records.items[store.records.n - 1].run_id, "run-2");
    make_summaries(&store, &all);
    const tm_energy_phase *fp16 = output_of(find_summary(&all, "f16_fma_x", "tg32"));
    const tm_energy_phase *ternary = output_of(find_summary(&all, "i2_mad_x", "tg32"));
    assert_int_equal(tm_energy_compare(ternary, fp16, &ratio, &err), TM_OK);
    assert_int_equal(ratio.n_pairs, 6);
    tm_interval saving = tm_energy_saving_percent(&ratio.gross);
    assert_true(fabs(saving.value - 80) < 0.2);
    assert_true(saving.low < 80 && saving.high > 80 && saving.low > 79 && saving.high < 81);
    /* Above idle: 12 W / 40 and 16 W / 10. */
    saving = tm_energy_saving_percent(&ratio.net);
    assert_true(fabs(saving.value - 81.25) < 0.2);
    tm_summaries_free(&all);
    sample_free(&store);
}

static void compare_meters(const sample_meter *a, const sample_meter *b, const char *part)
{
    static const double rates[] = {20, 20};
    sample_store store = {0};
    tm_summaries all;
    tm_energy_ratio ratio;
    tm_error err = {0};
    add_processes(&store, "f16_fma_x", a, rates, 2);
    add_processes(&store, "i2_mad_x", b, rates, 2);
    make_summaries(&store, &all);
    assert_int_equal(tm_energy_compare(output_of(find_summary(&all, "i2_mad_x", "tg32")),
                                       output_of(find_summary(&all, "f16_fma_x", "tg32")), &ratio,
                                       &err),
                     TM_OK);
    assert_true(isnan(ratio.gross.value) && isnan(ratio.net.value));
    assert_non_null(strstr(ratio.missing, part));
    tm_summaries_free(&all);
    sample_free(&store);
}

static void joules_of_two_meters_are_not_divided(void **state)
{
    static const sample_meter perf = {"perf", "package", "counter", false};
    static const sample_meter tree = {"powercap", "package", "counter", true};
    (void)state;
    compare_meters(&sample_fake, &sample_fake, "fake: no ratio is computed from fake joules");
    compare_meters(&tree, &tree, "fake: no ratio is computed from fake joules");
    compare_meters(&sample_fake, &sample_powercap, "fake: no ratio is computed from fake joules");
    compare_meters(&wall, &sample_powercap,
                   "different scopes are not comparable: package (powercap) and system (meter)");
    compare_meters(&perf, &sample_powercap, "different meters");
}

static tm_energy_verdict judge_saving(const tm_published *published, const char *architecture,
                                      double low, double high)
{
    char range[48];
    tm_interval saving = {.value = (low + high) / 2, .low = low, .high = high};
    return tm_paper_judge_saving(published, architecture, &saving, range);
}

static void savings_against_the_papers_range(void **state)
{
    static const char claims[] =
        "{\"paper\":\"2410.16144\",\"table\":\"abstract/README\",\"device\":\"both\",\"metric\":"
        "\"x86 energy reduction\",\"unit\":\"range\",\"model\":\"all\",\"system\":\"both\","
        "\"value\":\"71.9%-82.2%\",\"conditions\":\"\"}\n"
        "{\"paper\":\"2410.16144\",\"table\":\"abstract/README\",\"device\":\"both\",\"metric\":"
        "\"ARM energy reduction\",\"unit\":\"range\",\"model\":\"all\",\"system\":\"both\","
        "\"value\":\"55.4%-70.0%\",\"conditions\":\"\"}\n";
    tm_published published;
    tm_error err = {0};
    char range[48];
    tm_interval none = {.value = NAN}, lone = {.value = 75, .low = NAN, .high = NAN};
    (void)state;
    assert_int_equal(tm_published_parse(claims, strlen(claims), "claims", &published, &err), TM_OK);
    assert_int_equal(judge_saving(&published, "x86_64", 70, 72), TM_ENERGY_REPRODUCED);
    assert_int_equal(judge_saving(&published, "aarch64", 70.1, 72), TM_ENERGY_LARGER);
    assert_int_equal(judge_saving(&published, "x86_64", 60, 71.8), TM_ENERGY_SMALLER);
    assert_int_equal(judge_saving(&published, "x86_64", -1, 75), TM_ENERGY_INCONCLUSIVE);
    assert_int_equal(judge_saving(&published, "x86_64", -9, -1), TM_ENERGY_NOT_REPRODUCED);
    assert_int_equal(judge_saving(&published, NULL, 70, 72), TM_ENERGY_NO_CLAIM);
    assert_int_equal(tm_paper_judge_saving(&published, "x86_64", &none, range),
                     TM_ENERGY_NOT_MEASURED);
    assert_string_equal(range, "71.9%-82.2%");
    assert_int_equal(tm_paper_judge_saving(&published, "x86_64", &lone, range),
                     TM_ENERGY_NO_INTERVAL);
    tm_published_free(&published);
}

static void json_names_the_meter(void **state)
{
    static const double rates[] = {20, 20};
    (void)state;
    for (int fake = 0; fake <= 1; fake++) {
        sample_store store = {0};
        tm_summaries all;
        add_processes(&store, "f16_fma_x", fake ? &sample_fake : &sample_powercap, rates, 2);
        make_summaries(&store, &all);
        const tm_cell_summary *s = find_summary(&all, "f16_fma_x", "tg32");
        tm_json *json = tm_cell_energy_to_json(&s->energy, &s->cell);
        assert_int_equal(tm_json_count(json), 1);
        const tm_json *o = tm_json_at(json, 0);
        assert_string_equal(tm_json_text(tm_json_get(o, "origin"), ""), fake ? "fake" : "measured");
        assert_string_equal(tm_json_text(tm_json_get(o, "status"), ""), "2 ok");
        const char *key =
            fake ? "fake_gross_joules_per_output_token" : "gross_joules_per_output_token";
        near(tm_json_double(tm_json_get(tm_json_get(o, key), "value"), NAN), 1.0);
        assert_int_equal(tm_json_get(o, "gross_joules_per_output_token") == NULL, fake);
        tm_json_free(json);
        tm_summaries_free(&all);
        sample_free(&store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joules_are_watts_over_rate),
        cmocka_unit_test(phases_are_weighted_by_tokens),
        cmocka_unit_test(lost_windows_are_counted),
        cmocka_unit_test(joules_of_two_meters_are_not_averaged),
        cmocka_unit_test(missing_joules_have_the_reason_of_the_run),
        cmocka_unit_test(savings_come_from_pairs),
        cmocka_unit_test(joules_of_two_meters_are_not_divided),
        cmocka_unit_test(savings_against_the_papers_range),
        cmocka_unit_test(json_names_the_meter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
