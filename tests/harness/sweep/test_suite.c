/* Suites from JSON and from lists, and the embedded suites. */
#include "harness/base/embedded.h"
#include "harness/measure/shapes.h"
#include "harness/sweep/suite.h"
#include "tests/harness/scratch.h"

static tm_suite suite; /* large: not on the stack */

static tm_status parse(const char *text, tm_error *err)
{
    memset(err, 0, sizeof *err);
    return tm_suite_parse(text, strlen(text), "my.json", &suite, err);
}

#define AXES                                                                                       \
    "\"axes\": {\"model\": [\"synth:125M\", \"a.gguf\"], \"kernel\": [\"f16\", \"auto\"],\n"       \
    " \"threads\": [1, \"all\"], \"test\": [\"pp64\", \"tg16\", \"pp512+tg128\", \"tg32@d512\"]}"

static void test_suite_with_every_key(void **state)
{
    (void)state;
    tm_error err;
    assert_ok(
        parse("{\"name\": \"n\", \"description\": \"d\", " AXES ",\n\"exclude\": "
              "[{\"model\": \"a.gguf\", \"threads\": \"all\"}, {\"kernel\": \"f16\", \"test\": "
              "\"pp64\", \"threads\": 2}], \"baseline\": {\"kernel\": \"f16\"}, \"processes\": "
              "7, \"repetitions\": 4, \"warmup\": 0, \"time_budget_seconds\": 12.5, "
              "\"min_pairs\": 3, \"precision\": 0.02, \"counters\": \"memory\", \"profile\": true}",
              &err),
        err);
    assert_string_equal(suite.name, "n");
    assert_int_equal(suite.n_models, 2);
    assert_string_equal(suite.models[1], "a.gguf");
    assert_int_equal(suite.n_kernels, 2);
    assert_int_equal(suite.n_threads, 2);
    assert_int_equal(suite.threads[0], 1);
    assert_int_equal(suite.threads[1], TM_THREADS_ALL);
    assert_int_equal(suite.n_tests, 4);
    assert_int_equal(suite.tests[2].n_prompt, 512);
    assert_int_equal(suite.tests[2].n_gen, 128);
    assert_int_equal(suite.tests[3].depth, 512);
    assert_int_equal(suite.n_excludes, 2);
    assert_int_equal(suite.excludes[0].threads, TM_THREADS_ALL);
    assert_string_equal(suite.excludes[0].kernel, "");
    assert_int_equal(suite.excludes[1].threads, 2);
    assert_string_equal(suite.baseline, "f16");
    assert_int_equal(suite.processes, 7);
    assert_int_equal(suite.repetitions, 4);
    assert_int_equal(suite.warmup, 0);
    assert_true(suite.time_budget_seconds == 12.5);
    assert_int_equal(suite.min_pairs, 3);
    assert_true(suite.precision == 0.02);
    assert_string_equal(suite.counters, "memory");
    assert_true(suite.profile);
    assert_int_equal(suite.n_head_kernels, 0);
    assert_ok(tm_suite_add_head_kernels(&suite, "auto,q6_k,auto", &err), err);
    assert_int_equal(suite.n_head_kernels, 2);
    assert_int_equal(suite.n_threads_batch, 0);
    assert_ok(tm_suite_add_threads_batch(&suite, "all,2", &err), err);
    assert_ok(tm_suite_add_cores(&suite, "efficiency,all,efficiency", &err), err);
    assert_ok(tm_suite_add_cpus(&suite, "0-3,8", &err), err);
    assert_int_equal(suite.n_threads_batch, 2);
    assert_int_equal(suite.n_cpus, 3);
    assert_string_equal(suite.cpus[2], "0-3,8");
    assert_int_equal(tm_suite_add_cores(&suite, "all,fast", &err), TM_ARG);
    assert_says(err.message, "kind of core \"fast\"");

    /* Its printed JSON is the same suite. */
    tm_suite before = suite;
    tm_json *json = tm_suite_to_json(&suite);
    char *text = tm_json_print(json, true);
    assert_ok(parse(text, &err), err);
    assert_memory_equal(&before, &suite, sizeof suite);
    free(text);
    tm_json_free(json);
}

static void test_invalid_suites_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"name\": \"n\",\n\n\"axis\": {}}",
         "my.json: line 3: unknown key \"axis\"; did you mean \"axes\"?"},
        {"{\"name\": \"n\", \"axes\": {\n\"modle\": []}}",
         "line 2: unknown key \"modle\"; did you mean \"model\"?"},
        {"{\"name\": \"n\"}", "\"axes\" is missing"},
        {"{" AXES "}", "\"name\" is missing"},
        {"{\"name\": \"n\", \"axes\": []}", "\"axes\" is not an object"},
        {"{\"name\": \"n\", \"axes\": {\"model\": []}}",
         "\"model\" must be a list of at least one"},
        {"{\"name\": \"n\", \"axes\": {\"model\": [\"m\"]}}", "\"axes\" has no \"kernel\""},
        {"{\"name\": \"n\", \"axes\": {\"model\": [7]}}", "a value of \"model\""},
        {"{\"name\": \"n\", \"axes\": {\"model\": [\"a,b\"]}}", "without a comma"},
        {"{\"name\": \"n\", \"axes\": {\"model\": [\"m\"], \"kernel\": [\"k\"],\n\"threads\": "
         "[0]}}",
         "my.json: line 2: threads: \"0\" is not from 1 to"},
        {"{\"name\": \"n\", \"axes\": {\"model\": [\"m\"], \"kernel\": [\"k\"], \"threads\": "
         "[1.5]}}",
         "\"1.5\" is neither"},
        {"{\"name\": \"n\", \"axes\": {\"model\": [\"m\"], \"kernel\": [\"k\"], \"threads\": [1], "
         "\"test\": [\"pq12\"]}}",
         "invalid test \"pq12\""},
        {"{\"name\": \"n\", " AXES ", \"processes\": 0}", "\"processes\" is 0"},
        {"{\"name\": \"n\", " AXES ",\n \"repetitions\": \"3\"}",
         "line 3: key \"repetitions\" is a string"},
        {"{\"name\": \"n\", " AXES ", \"time_budget_seconds\": -1}", "time_budget_seconds"},
        {"{\"name\": \"n\", " AXES ", \"precision\": 2}", "precision"},
        {"{\"name\": \"n\", " AXES ", \"exclude\": [{\"thread\": 1}]}", "unknown key \"thread\""},
        {"{\"name\": \"n\", " AXES ", \"exclude\": [{}]}", "an exclude"},
        {"{\"name\": \"n\", " AXES ", \"baseline\": {\"kernal\": \"f16\"}}", "\"baseline\""},
        {"{\"name\": \"n\", " AXES, "not valid JSON"},
        /* The line is that of the value, although an axis with the same key comes first. */
        {"{\"name\": \"n\", " AXES ",\n\"exclude\": [{\"kernel\": \"f16\"},\n{\"model\": 7}]}",
         "my.json: line 4: key \"model\" is a number"},
        {"{\"name\": \"n\",\n\"exclude\": [{\"model\": \"a\"}], "
         "\"axes\":\n{\"model\":\n[\"a\",\n7]}}",
         "my.json: line 5: a value of \"model\""},
        {"{\"name\": \"n\",\n\"exclude\": [{\"model\": \"a\"}], \"axes\": {\n\"model\": []}}",
         "my.json: line 3: \"model\" must be a list"},
        {"{\"name\": \"\\\"energy\\\": {\", " AXES ",\n\"energy\":\n7}", "my.json: line 3:"},
        {"[]", "not an object"},
        {"", "not valid JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_error err;
        if (parse(cases[i].text, &err) != TM_FORMAT) fail_msg("accepted: %s", cases[i].text);
        assert_says(err.message, cases[i].says);
    }
}

static void test_axes_from_lists(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_suite_init(&suite);
    assert_int_equal(tm_suite_check(&suite, &err), TM_ARG);
    assert_says(err.message, "empty");
    assert_ok(tm_suite_add_threads(&suite, "1,2-6+2,1-8*2,all,2", &err), err);
    static const int threads[] = {1, 2, 4, 6, 8, TM_THREADS_ALL};
    assert_int_equal(suite.n_threads, 6);
    assert_memory_equal(suite.threads, threads, sizeof threads);
    assert_ok(tm_suite_add_models(&suite, "a,b,a", &err), err);
    assert_int_equal(suite.n_models, 2);
    assert_ok(tm_suite_add_lengths(&suite, "64,0", "16", "32,8;7,9", "0,100", NULL, &err), err);
    /* Each depth has one pp (pp0 is left out), one tg and two pg tests. */
    assert_int_equal(suite.n_tests, 8);
    assert_int_equal(suite.tests[0].n_prompt, 64);
    assert_int_equal(suite.tests[3].n_prompt, 7);
    assert_int_equal(suite.tests[3].n_gen, 9);
    assert_int_equal(suite.tests[5].depth, 100);
    /* Numbers of sequences apply to generation only. */
    suite.n_tests = 0;
    assert_ok(tm_suite_add_lengths(&suite, "64", "16", "32,8", "0,100", "1,4-8*2", &err), err);
    assert_int_equal(suite.n_tests, 2 * (1 + 3 + 1));
    assert_int_equal(suite.tests[0].n_sequences, 1);
    assert_int_equal(suite.tests[3].n_sequences, 8);
    assert_int_equal(suite.tests[3].n_gen, 16);
    assert_int_equal(tm_suite_add_lengths(&suite, NULL, "1", NULL, NULL, "0", &err), TM_ARG);
    assert_says(err.message, "sequences: \"0\" is not from 1 to 256");
    static const char *const bad[] = {"",      "1,",    "x",    "1-",
                                      "3-1",   "0",     "-1",   "1-4*1",
                                      "1-4+0", "70000", "1,,2", "9999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(tm_suite_add_threads(&suite, bad[i], &err), TM_ARG);
    static const char *const bad_pairs[] = {"5", "5,", ",5", "5,0", "5,5;", "5;5", "1,2,3"};
    for (size_t i = 0; i < sizeof bad_pairs / sizeof bad_pairs[0]; i++)
        assert_int_equal(tm_suite_add_lengths(&suite, NULL, NULL, bad_pairs[i], NULL, NULL, &err),
                         TM_ARG);
    assert_int_equal(tm_suite_add_lengths(&suite, "2000000", NULL, NULL, NULL, NULL, &err), TM_ARG);
    assert_int_equal(tm_suite_add_threads(&suite, "1-100", &err), TM_ARG);
    assert_says(err.message, "more than 64");
}

static void test_test_names(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_test t;
    static const char *const good[] = {"pp1", "tg1000000", "pp5+tg6", "pp5@d0", "pp5+tg6@d7"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_ok(tm_test_parse(good[i], &t, &err), err);
    assert_true(t.n_prompt == 5 && t.n_gen == 6 && t.depth == 7);
    assert_int_equal(t.n_sequences, 1);
    assert_ok(tm_test_parse("tg6@d7@b8", &t, &err), err);
    assert_true(t.n_prompt == 0 && t.n_gen == 6 && t.depth == 7 && t.n_sequences == 8);
    assert_ok(tm_test_parse("pp6@b1", &t, &err), err);
    static const char *const bad_batches[] = {"pp5@b2", "pp5+tg6@b2", "tg6@b0", "tg6@b257",
                                              "tg6@b2@d7"};
    for (size_t i = 0; i < sizeof bad_batches / sizeof bad_batches[0]; i++)
        assert_int_equal(tm_test_parse(bad_batches[i], &t, &err), TM_ARG);
    static const char *const bad[] = {"",     "pp",  "pp0",    "tg0",      "pp-1",
                                      "pp1+", "@d5", "pp1@",   "pp1@d",    "tg1+pp2",
                                      "pp1 ", "PP1", "pp1tg2", "pp1000001"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (tm_test_parse(bad[i], &t, &err) != TM_ARG) fail_msg("accepted: %s", bad[i]);
}

static void test_built_in(void **state)
{
    (void)state;
    static const char *const wanted[] = {"demo",   "quick",  "paper", "2b4t",
                                         "energy", "growth", "gate"};
    int n = 0;
    for (const char *const *name = tm_suite_names(); *name; name++, n++) {
        tm_error err = {0};
        assert_ok(tm_suite_read(*name, &suite, &err), err);
        assert_ok(tm_suite_check(&suite, &err), err);
        assert_string_equal(suite.name, *name);
        bool has_baseline = strcmp(*name, "growth") != 0 && strcmp(*name, "gate") != 0;
        assert_string_equal(suite.baseline, has_baseline ? "f16" : "");
        for (int i = 0; i < suite.n_models; i++) {
            tm_config config;
            assert_ok(tm_shape_config(suite.models[i] + strlen("synth:"), &config, &err), err);
        }
    }
    assert_int_equal(n, 7);
    for (int i = 0; i < 7; i++) {
        tm_error err = {0};
        assert_ok(tm_suite_read(wanted[i], &suite, &err), err);
    }
    tm_error err = {0};
    assert_int_equal(tm_suite_read("qiuck", &suite, &err), TM_ARG);
    assert_says(err.message, "did you mean \"quick\"?");
    assert_int_equal(tm_suite_read("./none.json", &suite, &err), TM_IO);
    assert_int_equal(tm_suite_read("/tmp", &suite, &err), TM_ARG);
    write_file(scratch_path("s.json"), "{}", 2);
    assert_int_equal(tm_suite_read(scratch_path("s.json"), &suite, &err), TM_FORMAT);
    assert_says(err.message, "s.json");
}

/* Embedded files equal the files on disk byte for byte. */
static void test_embedded(void **state)
{
    (void)state;
    int n = 0;
    for (const tm_embedded *file = tm_embedded_files(); file->path; file++, n++) {
        size_t size;
        char *text = read_file(file->path, &size);
        assert_int_equal(size, file->length);
        assert_memory_equal(text, file->text, size + 1);
        assert_ptr_equal(tm_embedded_find(file->path)->text, file->text);
        free(text);
    }
    assert_true(n >= 6);
    assert_null(tm_embedded_find("workloads/none.json"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite_with_every_key),
        cmocka_unit_test(test_invalid_suites_are_errors),
        cmocka_unit_test(test_axes_from_lists),
        cmocka_unit_test(test_test_names),
        cmocka_unit_test(test_built_in),
        cmocka_unit_test(test_embedded),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
