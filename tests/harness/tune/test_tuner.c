/* Which kernel a family stands for: measured on a small model, and by scripts that answer as the
 * child process would, or wrongly. */
#include "harness/measure/shapes.h"
#include "harness/tune/tuner.h"
#include "tests/harness/scratch.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* Every machine has several of its kernels. */
#define FAMILY "ternary"

static tm_machine machine;
static char last_note[640];
static int n_notes;

static void on_note(void *arg, const char *text)
{
    (void)arg;
    n_notes++;
    snprintf(last_note, sizeof last_note, "%s", text);
}

/* A program that prints `text` and ends with `code`, and counts its starts in the file "starts". */
static void program(const char *text, int code)
{
    char script[16384];
    const char *path = scratch_path("child.sh");
    int n =
        snprintf(script, sizeof script,
                 "#!/bin/sh\necho x >>'%s'\ncat <<'END'\n%s\nEND\necho 'it broke' >&2\nexit %d\n",
                 scratch_path("starts"), text, code);
    write_file(path, script, (size_t)n);
    assert_int_equal(chmod(path, 0755), 0);
}

static int starts(void)
{
    size_t size = 0;
    if (access(scratch_path("starts"), F_OK) != 0) return 0;
    free(read_file(scratch_path("starts"), &size));
    return (int)size / 2;
}

/* The answer of the child if `best` wins among the candidates of FAMILY. */
static const char *answer(const char *best)
{
    static char text[12000];
    const tm_kernel *kernels[TM_TUNE_MAX];
    int n = tm_tune_candidates(FAMILY, kernels);
    int length = snprintf(text, sizeof text,
                          "{\"schema\":2,\"family\":\"" FAMILY "\",\"threads\":1,\"layers\":1,"
                          "\"of_layers\":11,\"kernel\":\"%s\",\"measured_unix_seconds\":1.7e9,\n"
                          "\"candidates\":[",
                          best);
    for (int i = 0; i < n; i++) {
        length += snprintf(text + length, sizeof text - (size_t)length,
                           "%s{\"kernel\":\"%s\",\"runs\":11,\"prompt_ns_per_token\":50,"
                           "\"decode_ns_per_token\":100,",
                           i ? "," : "", kernels[i]->name);
        length += snprintf(text + length, sizeof text - (size_t)length,
                           strcmp(kernels[i]->name, best) == 0
                               ? "\"end\":\"chosen\"}"
                               : "\"end\":\"slower\",\"lost_to\":\"%s\",\"time_ratio\":"
                                 "{\"value\":1.2,\"low\":1.1,\"high\":1.3,\"n\":8}}",
                           best);
    }
    snprintf(text + length, sizeof text - (size_t)length, "]}");
    return text;
}

static tm_tuner fresh(const char *name)
{
    static char folder[128], worker[128];
    snprintf(folder, sizeof folder, "%s", scratch_path(name));
    snprintf(worker, sizeof worker, "%s", scratch_path("child.sh"));
    n_notes = 0;
    last_note[0] = 0;
    remove(scratch_path("starts"));
    return (tm_tuner){.folder = folder,
                      .worker_path = worker,
                      .build = "build",
                      .machine = &machine,
                      .seed = 1,
                      .measure = true,
                      .note = on_note};
}

static char why[TM_TUNER_WHY];

static const tm_kernel *choose(const tm_tuner *tuner, const char *family, int n_threads)
{
    const tm_kernel *kernel = NULL;
    tm_config config;
    tm_error err = {0};
    if (tm_shape_config("125M", &config, &err) != TM_OK ||
        tm_tuner_choose(tuner, "synth:125M", &config, family, n_threads, &kernel, why, &err) !=
            TM_OK)
        fail_msg("%s", err.message);
    return kernel;
}

/* A candidate that the fixed order does not choose. */
static const tm_kernel *unlikely(void)
{
    const tm_kernel *kernels[TM_TUNE_MAX], *ordered;
    tm_error err = {0};
    assert_true(tm_tune_candidates(FAMILY, kernels) >= 2);
    assert_int_equal(tm_kernel_pick(FAMILY, &ordered, &err), TM_OK);
    return kernels[kernels[0] == ordered];
}

static void test_choice_is_measured_once_and_cached(void **state)
{
    (void)state;
    const tm_kernel *wanted = unlikely();
    tm_tuner tuner = fresh("deep/er/folder");
    program(answer(wanted->name), 0);
    assert_ptr_equal(choose(&tuner, FAMILY, 1), wanted);
    assert_int_equal(n_notes, 2); /* before and after */
    assert_non_null(strstr(last_note, wanted->name));
    assert_non_null(strstr(last_note, "1.2 [1.1, 1.3] times as fast as"));
    why[0] = 0;
    assert_ptr_equal(choose(&tuner, FAMILY, 1), wanted);
    assert_int_equal(starts(), 1);
    assert_int_equal(n_notes, 2);
    assert_non_null(strstr(why, "1.2 [1.1, 1.3] times as fast as")); /* also from the cache */
    (void)choose(&tuner, FAMILY, 2); /* another number of threads is another choice */
    assert_int_equal(starts(), 2);
    tuner.build = "another build";
    (void)choose(&tuner, FAMILY, 1);
    assert_int_equal(starts(), 3);
    tuner.retune = true;
    (void)choose(&tuner, FAMILY, 1);
    assert_int_equal(starts(), 4);
}

static void test_dry_run_only_reads_the_cache(void **state)
{
    (void)state;
    const tm_kernel *wanted = unlikely(), *ordered;
    tm_tuner tuner = fresh("dry");
    tm_error err = {0};
    program(answer(wanted->name), 0);
    tuner.measure = false;
    assert_int_equal(tm_kernel_pick(FAMILY, &ordered, &err), TM_OK);
    assert_ptr_equal(choose(&tuner, FAMILY, 1), ordered);
    assert_int_equal(starts(), 0);
    tuner.measure = true;
    (void)choose(&tuner, FAMILY, 1);
    tuner.measure = false;
    assert_ptr_equal(choose(&tuner, FAMILY, 1), wanted);
}

/* The fixed order decides, a note says why, and nothing is cached. */
static void expect_order(tm_tuner *tuner, const char *said)
{
    const tm_kernel *ordered;
    tm_error err = {0};
    assert_int_equal(tm_kernel_pick(FAMILY, &ordered, &err), TM_OK);
    for (int i = 1; i <= 2; i++) {
        const int before = n_notes;
        assert_ptr_equal(choose(tuner, FAMILY, 1), ordered);
        assert_true(n_notes > before);
    }
    if (!strstr(last_note, said)) fail_msg("\"%s\" does not say \"%s\"", last_note, said);
}

static void test_failing_child_leaves_the_fixed_order(void **state)
{
    (void)state;
    (void)unlikely();
    tm_tuner tuner = fresh("failing");
    program("", 3);
    expect_order(&tuner, "it broke");
    n_notes = 0;
    program("{\"schema\":1", 0);
    expect_order(&tuner, "tune");
    n_notes = 0;
    program(answer("f64r16_fma_avx9"), 0);
    expect_order(&tuner, "was not measured");
    n_notes = 0;
    tuner.worker_path = scratch_path("no such program");
    expect_order(&tuner, "no such program");
    n_notes = 0;
    tm_machine emulated = machine;
    emulated.emulated = true;
    tuner.machine = &emulated;
    expect_order(&tuner, "emulated");
}

static void test_damaged_cache_is_measured_again(void **state)
{
    (void)state;
    const tm_kernel *wanted = unlikely();
    static const char *const bad[] = {
        "", "{", "[]", "{\"schema\":1}",
        "{\"schema\":2,\"family\":\"" FAMILY "\",\"threads\":1,\"layers\":1,"
        "\"of_layers\":1,\"kernel\":\"f32r16_fma_scalar\","
        "\"candidates\":[{\"kernel\":\"f32r16_fma_scalar\",\"runs\":1,\"end\":\"chosen\","
        "\"prompt_ns_per_token\":1,\"decode_ns_per_token\":1}]}"};
    tm_tuner tuner = fresh("memory");
    program(answer(wanted->name), 0);
    (void)choose(&tuner, FAMILY, 1);
    char path[512], command[600];
    snprintf(command, sizeof command, "ls %s/*.json", tuner.folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(path, sizeof path, list));
    assert_int_equal(pclose(list), 0);
    path[strcspn(path, "\n")] = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(path, bad[i], strlen(bad[i]));
        assert_ptr_equal(choose(&tuner, FAMILY, 1), wanted);
        assert_int_equal(starts(), 2 + (int)i);
    }
}

static void test_unwritable_cache_gets_a_note(void **state)
{
    (void)state;
    const tm_kernel *wanted = unlikely();
    write_file(scratch_path("file"), "x", 1);
    tm_tuner tuner = fresh("file/below");
    program(answer(wanted->name), 0);
    assert_ptr_equal(choose(&tuner, FAMILY, 1), wanted);
    assert_int_equal(n_notes, 3);
    assert_non_null(strstr(last_note, "the next run measures again"));
    assert_non_null(strstr(last_note, "file"));
}

static void test_single_candidate_is_not_measured(void **state)
{
    (void)state;
    tm_tuner tuner = fresh("single");
    program("", 3);
    assert_string_equal(choose(&tuner, "trit", 1)->name, "trit_mad_scalar");
    (void)choose(&tuner, "q6_k", 1); /* layouts with blocks have a fixed order */
    assert_int_equal(starts(), 0);
    tm_error err = {0};
    const tm_kernel *kernel;
    tm_config config;
    assert_int_equal(tm_shape_config("125M", &config, &err), TM_OK);
    assert_int_equal(tm_tuner_choose(&tuner, "m", &config, "ternarry", 1, &kernel, why, &err),
                     TM_ARG);
    assert_non_null(strstr(err.message, "ternary"));
}

/* By the tolerance of the most exact kernel, and never one that is chosen by name only. */
static void test_candidates_are_as_exact_as_the_best(void **state)
{
    (void)state;
    static const char *const families[] = {"ternary", "f16", "f32", "bf16"};
    for (int f = 0; f < 4; f++) {
        const tm_kernel *all[TM_TUNE_MAX], *some[TM_TUNE_MAX];
        int n_all = tm_kernel_family(families[f], all, TM_TUNE_MAX);
        int n = tm_tune_candidates(families[f], some);
        assert_in_range(n, 1, n_all);
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < n_all; k++) assert_true(some[i]->tolerance <= all[k]->tolerance);
            assert_false(some[i]->by_name_only);
            if (tm_cpu_isa() != 0) assert_true(some[i]->isa != 0);
        }
    }
}

/* Loads, checks and times the model with every candidate. */
static void test_every_candidate_is_measured(void **state)
{
    (void)state;
    tm_config config = {.name = "small",
                        .n_layers = 3,
                        .n_hidden = 128,
                        .n_ffn = 256,
                        .n_heads = 4,
                        .n_kv_heads = 2,
                        .head_dim = 32,
                        .n_rot = 32,
                        .n_vocab = 1000,
                        .rope_base = 10000,
                        .rms_epsilon = 1e-5f};
    assert_true(tm_config_set_arch(&config, "bitnet-b1.58"));
    tm_tune_options options = {.config = &config,
                               .family = "ternary",
                               .n_threads = 1,
                               .seed = 3,
                               .cache_bytes = 1 << 14,
                               .available_bytes = -1};
    tm_tune tune, again;
    tm_error err = {0};
    if (tm_tune_measure(&options, &tune, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(tune.of_layers, 3);
    assert_int_equal(tune.n_layers, 2); /* 98,304 weights a layer: more than 16 KB at 1.67 bit */
    for (int i = 0; i < tune.n; i++) {
        const tm_tune_candidate *c = &tune.candidates[i];
        assert_string_equal(c->failure, "");
        assert_true(c->prompt_ns > 0 && c->decode_ns > 0);
        assert_true(c->n_runs >= 3);
        assert_int_equal(c->place.end == TM_RACE_WON, i == tune.best);
    }
    tm_json *json = tm_tune_to_json(&tune);
    assert_int_equal(tm_tune_from_json(json, &again, &err), TM_OK);
    assert_int_equal(again.n, tune.n);
    assert_int_equal(again.best, tune.best);
    for (int i = 0; i < tune.n; i++) {
        char first[640], second[640];
        assert_int_equal(again.candidates[i].place.end, tune.candidates[i].place.end);
        assert_string_equal(tm_tune_place_text(&again, i, first, sizeof first),
                            tm_tune_place_text(&tune, i, second, sizeof second));
    }
    assert_true(again.unix_seconds == tune.unix_seconds && tune.unix_seconds > 1.7e9);
    tm_json_free(json);
    options.available_bytes = 1000;
    assert_int_equal(tm_tune_measure(&options, &tune, &err), TM_NOMEM);
    options.available_bytes = -1;
    options.family = "q8_0";
    assert_int_equal(tm_tune_measure(&options, &tune, &err), TM_UNSUPPORTED);
}

/* What the reason says for every way to win. */
static void test_reason_names_what_decided(void **state)
{
    (void)state;
    const tm_kernel *i2 = tm_kernel_find("i2r16_mad_scalar");
    const tm_kernel *t3 = tm_kernel_find("t3r16_lut_scalar");
    char text[640];
    tm_tune tune = {.n = 2, .best = 0};
    tune.candidates[0] =
        (tm_tune_candidate){.kernel = t3, .place = {.end = TM_RACE_WON, .lost_to = -1}};
    tune.candidates[1] = (tm_tune_candidate){
        .kernel = i2, .place = {TM_RACE_SLOWER, 0, {1.08, 1.06, 1.11, 12, 0.99, ""}}};
    assert_string_equal(tm_tune_why(&tune, text, sizeof text),
                        "t3r16_lut_scalar, 1.08 [1.06, 1.11] times as fast as i2r16_mad_scalar "
                        "(12 pairs)");
    tune.candidates[1].place =
        (tm_race_place){TM_RACE_EQUAL, 0, {0.997, 0.995, 0.999, 8, 0.99, ""}};
    assert_string_equal(
        tm_tune_why(&tune, text, sizeof text),
        "t3r16_lut_scalar: as fast as i2r16_mad_scalar within 1 % (8 pairs), and it "
        "reads 1.67 bits per weight instead of 2");
    tune.candidates[1].place = (tm_race_place){TM_RACE_OPEN, 0, {0.98, 0.9, 1.07, 32, 0.99, ""}};
    assert_string_equal(
        tm_tune_why(&tune, text, sizeof text),
        "t3r16_lut_scalar: not told apart from i2r16_mad_scalar in 32 pairs (which "
        "took 0.98 [0.9, 1.07] times as long), and it reads 1.67 bits per weight instead of 2");
    tune.candidates[1].place = (tm_race_place){.end = TM_RACE_FAILED, .lost_to = -1};
    assert_string_equal(tm_tune_why(&tune, text, sizeof text),
                        "t3r16_lut_scalar, the only kernel that could be measured");
}

static int make(void **state)
{
    tm_error err;
    return scratch_make(state) == 0 && tm_machine_read("/", &machine, &err) == TM_OK ? 0 : -1;
}

static int unmake(void **state)
{
    return scratch_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice_is_measured_once_and_cached),
        cmocka_unit_test(test_dry_run_only_reads_the_cache),
        cmocka_unit_test(test_failing_child_leaves_the_fixed_order),
        cmocka_unit_test(test_damaged_cache_is_measured_again),
        cmocka_unit_test(test_unwritable_cache_gets_a_note),
        cmocka_unit_test(test_single_candidate_is_not_measured),
        cmocka_unit_test(test_candidates_are_as_exact_as_the_best),
        cmocka_unit_test(test_every_candidate_is_measured),
        cmocka_unit_test(test_reason_names_what_decided),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}
