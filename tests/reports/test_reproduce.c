/* Verdicts on claims, from intervals and from stores with known results. */
#include "reports/reproduce.h"
#include "tests/reports/sample_windows.h"
#include "tests/tm_test.h"

#define RUN(cpu, architecture, emulated)                                                           \
    "{\"schema\":1,\"kind\":\"run\",\"run\":\"run-1\",\"suite\":{\"name\":\"demo\"},"              \
    "\"machine\":{\"cpu_model\":\"" cpu "\",\"architecture\":\"" architecture                      \
    "\",\"cores\":2,\"emulated\":" emulated "},\"environment\":{\"usable_cores\":2},"              \
    "\"roofline\":{\"read_gb_per_second\":[{\"threads\":2,\"value\":40}]}}"

typedef struct data {
    tm_published published;
    tm_claims claims;
} data;

static int load(void **state)
{
    static data d;
    tm_error err = {0};
    tm_status status = tm_published_load(&d.published, &err);
    if (status == TM_OK) status = tm_claims_load(&d.published, &d.claims, &err);
    if (status != TM_OK) fprintf(stderr, "%s\n", err.message);
    *state = &d;
    return status == TM_OK ? 0 : -1;
}

static int unload(void **state)
{
    data *d = *state;
    tm_claims_free(&d->claims);
    tm_published_free(&d->published);
    return 0;
}

static void the_interval_decides(void **state)
{
    (void)state;
    const struct {
        tm_claim_metric metric;
        double published, from, to;
        tm_claim_verdict verdict;
    } cases[] = {
        {TM_CLAIM_SPEEDUP, 4, 3.7, 4.1, TM_CLAIM_REPRODUCED},
        {TM_CLAIM_SPEEDUP, 4, 3.0, 3.61, TM_CLAIM_REPRODUCED}, /* reaches 4 - 10 % */
        {TM_CLAIM_SPEEDUP, 4, 3.0, 3.5, TM_CLAIM_SMALLER},
        {TM_CLAIM_SPEEDUP, 4, 4.5, 5.0, TM_CLAIM_LARGER},
        {TM_CLAIM_SPEEDUP, 4, 0.9, 1.1, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_SPEEDUP, 4, 0.5, 0.8, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_SPEEDUP, 4, 0.9, 4.2, TM_CLAIM_NOT_MEASURED},   /* anything is possible */
        {TM_CLAIM_SPEEDUP, 0.5, 0.48, 0.52, TM_CLAIM_REPRODUCED}, /* a claimed loss */
        {TM_CLAIM_SPEEDUP, 0.5, 0.7, 0.8, TM_CLAIM_SMALLER},
        {TM_CLAIM_SPEEDUP, 0.5, 0.2, 0.3, TM_CLAIM_LARGER},
        {TM_CLAIM_SPEEDUP, 0.5, 1.2, 1.3, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_SPEEDUP, 1.02, 0.98, 1.03, TM_CLAIM_REPRODUCED}, /* no effect is claimed */
        {TM_CLAIM_SPEEDUP, 1.02, 1.3, 1.4, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_SAVING_PERCENT, 70, 68, 71, TM_CLAIM_REPRODUCED},
        {TM_CLAIM_SAVING_PERCENT, 70, 40, 50, TM_CLAIM_SMALLER},
        {TM_CLAIM_SAVING_PERCENT, 70, 80, 85, TM_CLAIM_LARGER},
        {TM_CLAIM_SAVING_PERCENT, 70, -9, -5, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_TOKENS_PER_SECOND, 30, 28, 29, TM_CLAIM_REPRODUCED},
        {TM_CLAIM_TOKENS_PER_SECOND, 30, 40, 41, TM_CLAIM_LARGER},
        {TM_CLAIM_TOKENS_PER_SECOND, 30, 10, 11, TM_CLAIM_NOT_REPRODUCED},
        {TM_CLAIM_MS_PER_TOKEN, 29, 20, 21, TM_CLAIM_LARGER},
        {TM_CLAIM_MS_PER_TOKEN, 29, 40, 41, TM_CLAIM_NOT_REPRODUCED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tm_claim_group group = {.metric = cases[i].metric, .tolerance = 0.1};
        const tm_claim claim = {
            .group = &group, .low = cases[i].published, .high = cases[i].published};
        const tm_interval measured = {
            .value = (cases[i].from + cases[i].to) / 2, .low = cases[i].from, .high = cases[i].to};
        tm_claim_verdict got = tm_claim_judge(&claim, &measured);
        if (got != cases[i].verdict)
            fail_msg("case %zu: %s instead of %s", i, tm_claim_verdict_name(got),
                     tm_claim_verdict_name(cases[i].verdict));
    }
}

/* Judges every claim by one store. */
static void judge(const data *d, sample_store *store, tm_claim_results *out)
{
    tm_summaries all;
    tm_error err = {0};
    const tm_model_size sizes[] = {{"700M", 679477248, 49155072, true}};
    assert_int_equal(tm_summaries_make(store->records.items, store->records.n, &all, &err), TM_OK);
    const tm_reproduce_input input = {
        .claims = &d->claims, .summaries = &all, .n_stores = 1, .sizes = sizes, .n_sizes = 1};
    assert_int_equal(tm_reproduce_judge(&input, out, &err), TM_OK);
    tm_summaries_free(&all);
    sample_free(store);
}

static tm_claim_result *find(tm_claim_results *results, const char *id)
{
    for (int i = 0; i < results->n; i++)
        if (strcmp(results->items[i].claim->id, id) == 0) return &results->items[i];
    fail_msg("no result of %s", id);
    return NULL;
}

static void expect(tm_claim_results *results, const char *id, tm_claim_verdict verdict,
                   const char *reason)
{
    const tm_claim_result *r = find(results, id);
    if (r->verdict != verdict || !strstr(r->reason, reason))
        fail_msg("%s: %s: %s", id, tm_claim_verdict_name(r->verdict), r->reason);
}

#define X86    RUN("Imaginary CPU 9000", "x86_64", "false")
#define TABLE5 "2410.16144-table5-i7:700M" /* 4.32 at 2 threads */

static void a_speedup_is_judged_on_any_machine_of_its_kind(void **state)
{
    const struct {
        double ratio;
        tm_claim_verdict verdict;
    } cases[] = {{4.3, TM_CLAIM_REPRODUCED},
                 {2.0, TM_CLAIM_SMALLER},
                 {9.0, TM_CLAIM_LARGER},
                 {0.9, TM_CLAIM_NOT_REPRODUCED}};
    for (int i = 0; i < 4; i++) {
        sample_store store = {0};
        tm_claim_results results;
        sample_add_run(&store, X86);
        sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, cases[i].ratio, 1e9);
        judge(*state, &store, &results);
        expect(&results, TABLE5, cases[i].verdict, "i2r16_mad_x over f16_fma_x");
        assert_int_equal(tm_claim_results_status(&results),
                         cases[i].verdict == TM_CLAIM_NOT_REPRODUCED);
        tm_claim_results_free(&results);
    }
}

static void ratios_and_the_worth_of_the_baseline_stand_beside(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4, 1e9);
    const int first = store.records.n;
    for (int i = 0; i < 8; i++)
        sample_add_process(&store, "synth:700M", "llama-f16", 2, 0, 16, i, 1, 20, 1e9);
    for (int i = first; i < store.records.n; i++) {
        strcpy(store.records.items[i].cell.role, "peer");
        strcpy(store.records.items[i].cell.engine, "peer");
    }
    judge(*state, &store, &results);
    const tm_claim_result *r = find(&results, TABLE5);
    assert_true(fabs(r->over_f16.value - 4) < 0.05);
    assert_true(fabs(r->over_peer.value - 2) < 0.05);
    assert_string_equal(r->peer, "llama-f16");
    /* 18.56 tokens/s of fp16 times 2 bytes x (679,477,248 + 49,155,072) weights */
    assert_true(fabs(r->baseline_gb_per_second.value - 27.0468) < 0.001);
    assert_true(fabs(r->f16_gb_per_second.value - 10) < 0.2);
    assert_true(fabs(r->f16_share.value - 0.25) < 0.01);
    tm_claim_results_free(&results);
}

static void other_machines_are_not_comparable(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4, 1e9);
    judge(*state, &store, &results);
    expect(&results, "2410.16144-table5-m2:700M", TM_CLAIM_NOT_COMPARABLE, "about aarch64");
    expect(&results, "2410.16144-table5-i7-rate:700M", TM_CLAIM_NOT_COMPARABLE,
           "an absolute value from Intel Core i7-13700H; these stores are from Imaginary CPU 9000");
    expect(&results, "2605.06485-avx512-speedup", TM_CLAIM_NOT_COMPARABLE, "baseline is not fair");
    expect(&results, "2402.17764-table1-latency:700M", TM_CLAIM_NOT_COMPARABLE, "GPU");
    expect(&results, "2504.12285-table1-energy", TM_CLAIM_NOT_COMPARABLE, "estimate");
    expect(&results, "2410.16144-table5-i7:7B", TM_CLAIM_NOT_MEASURED,
           "no cell of this model on 2 threads");
    expect(&results, "2604.20913-q4", TM_CLAIM_NOT_MEASURED, "no kernel");
    expect(&results, "2410.16144-table6-i7:700M", TM_CLAIM_NOT_MEASURED, "");
    tm_claim_results_free(&results);

    sample_store emulated = {0};
    sample_add_run(&emulated, RUN("Imaginary CPU 9000", "x86_64", "true"));
    sample_add_pairs(&emulated, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4, 1e9);
    judge(*state, &emulated, &results);
    expect(&results, TABLE5, TM_CLAIM_NOT_COMPARABLE, "emulated");
    assert_int_equal(tm_claim_results_status(&results), 3);
    tm_claim_results_free(&results);
}

static void absolute_values_are_judged_on_their_cpu(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, RUN("13th Gen Intel(R) Core(TM) i7-13700H", "x86_64", "false"));
    /* published: 80.13 tokens/s */
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 20, 2, 1e9);
    judge(*state, &store, &results);
    expect(&results, "2410.16144-table5-i7-rate:700M", TM_CLAIM_NOT_REPRODUCED, "80.13");
    assert_int_equal(tm_claim_results_status(&results), 1);
    tm_claim_results_free(&results);
}

static void few_pairs_give_no_verdict(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 3, 10, 4.3, 1e9);
    judge(*state, &store, &results);
    expect(&results, TABLE5, TM_CLAIM_NOT_MEASURED, "only 3 pairs: 4 give an interval");
    assert_true(fabs(find(&results, TABLE5)->measured.value - 4.3) < 0.1);
    tm_claim_results_free(&results);
}

static void a_machine_that_changed_gives_no_verdict(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4.3, 1e9);
    for (int i = 0; i < store.records.n; i++) {
        tm_record *r = &store.records.items[i];
        /* the control loop took half as long again next to the ternary kernel */
        if (r->kind == TM_RECORD_SAMPLE)
            r->sample.spin_ns = strcmp(r->cell.role, "baseline") == 0 ? 1000000 : 1500000;
    }
    judge(*state, &store, &results);
    expect(&results, TABLE5, TM_CLAIM_NOT_MEASURED, "inconclusive: the control moved by +50.0 %");
    assert_true(fabs(find(&results, TABLE5)->measured.value - 4.3) < 0.1);
    tm_claim_results_free(&results);
}

static void a_saving_names_its_meter(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    /* 16 W at 2.85 times the speed of 20 W: 71.9 % saved, as published */
    sample_add_run(&store, SAMPLE_ENERGY_RUN);
    sample_add_energy_pairs(&store, "synth:700M", 0, 32, 8, 10, 2.85, &sample_powercap);
    judge(*state, &store, &results);
    expect(&results, "2410.16144-table6-i7:700M", TM_CLAIM_REPRODUCED,
           "gross joules, powercap, package, counter");
    expect(&results, "2410.16144-x86-energy", TM_CLAIM_REPRODUCED, "judged by 1 of");
    tm_claim_results_free(&results);

    sample_store fake = {0};
    sample_add_run(&fake, SAMPLE_ENERGY_RUN);
    sample_add_energy_pairs(&fake, "synth:700M", 0, 32, 8, 10, 2.85, &sample_fake);
    judge(*state, &fake, &results);
    expect(&results, "2410.16144-table6-i7:700M", TM_CLAIM_NOT_MEASURED, "fake");
    tm_claim_results_free(&results);
}

static void a_range_holds_for_all_models(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:125M", "i2r16_mad_x", 2, 0, 16, 8, 10, 2.5, 1e9);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4.0, 1e9);
    sample_add_pairs(&store, "synth:2B-4T", "i2r16_mad_x", 2, 0, 16, 8, 10, 9.0, 1e9);
    judge(*state, &store, &results);
    const tm_claim_result *r = find(&results, "2410.16144-x86-speedup");
    assert_int_equal(r->verdict, TM_CLAIM_REPRODUCED);
    assert_int_equal(r->measured.n, 2); /* 2B-4T is not of this paper */
    assert_true(fabs(r->measured.low - 2.5) < 0.05 && fabs(r->measured.high - 4) < 0.05);
    tm_claim_results_free(&results);

    sample_add_run(&store, X86); /* one model below the range of 2.37 to 6.17 decides */
    sample_add_pairs(&store, "synth:125M", "i2r16_mad_x", 2, 0, 16, 8, 10, 1.8, 1e9);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4.0, 1e9);
    judge(*state, &store, &results);
    expect(&results, "2410.16144-x86-speedup", TM_CLAIM_SMALLER,
           "same direction, smaller: 1 model; reproduced: 1 model");
    tm_claim_results_free(&results);
}

static void layouts_are_compared_by_name(void **state)
{
    sample_store store = {0};
    tm_claim_results results;
    sample_add_run(&store, X86);
    /* TL2_0 over TQ1_0, published: 1.33 at 3.8B */
    sample_add_pairs(&store, "synth:3.8B", "t3r16_tl2_x", 2, 0, 16, 8, 10, 4.0, 1e9);
    for (int i = 0; i < 8; i++)
        sample_add_process(&store, "synth:3.8B", "tq1_0_q8k_x", 2, 0, 16, i, 1, 30, 1e8);
    judge(*state, &store, &results);
    expect(&results, "2502.11880-table7-i7-tl2-tq1:3.8B", TM_CLAIM_REPRODUCED,
           "t3r16_tl2_x over tq1_0_q8k_x");
    expect(&results, "2502.11880-table7-i7-tl2-tq1:3.8B", TM_CLAIM_REPRODUCED, "our kernels");
    tm_claim_results_free(&results);
}

static void results_are_written_in_every_format(void **state)
{
    const data *d = *state;
    sample_store store = {0};
    tm_claim_results results;
    tm_error err = {0};
    const char *const formats[] = {"text", "md", "csv", "latex", "json"};
    sample_add_run(&store, X86);
    sample_add_pairs(&store, "synth:700M", "i2r16_mad_x", 2, 0, 16, 8, 10, 4.3, 1e9);
    judge(d, &store, &results);
    for (int i = 0; i < 5; i++) {
        tm_text text = {0};
        assert_int_equal(tm_claim_results_write(&d->claims, &results, formats[i], &text, &err),
                         TM_OK);
        assert_non_null(strstr(tm_text_string(&text), TABLE5));
        tm_text_free(&text);
    }
    tm_claim_results_free(&results);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_decides),
        cmocka_unit_test(a_speedup_is_judged_on_any_machine_of_its_kind),
        cmocka_unit_test(ratios_and_the_worth_of_the_baseline_stand_beside),
        cmocka_unit_test(other_machines_are_not_comparable),
        cmocka_unit_test(absolute_values_are_judged_on_their_cpu),
        cmocka_unit_test(few_pairs_give_no_verdict),
        cmocka_unit_test(a_machine_that_changed_gives_no_verdict),
        cmocka_unit_test(a_saving_names_its_meter),
        cmocka_unit_test(a_range_holds_for_all_models),
        cmocka_unit_test(layouts_are_compared_by_name),
        cmocka_unit_test(results_are_written_in_every_format),
    };
    return cmocka_run_group_tests_name("reproduce", tests, load, unload);
}
