/* Other engines: descriptions and answers. A script takes the place of llama-bench. */
#include "harness/measure/peer.h"
#include "tests/harness/scratch.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

static char program[128], file[128];

/* A llama-bench that prints `text` and notes its arguments in the file "arguments". */
static void answer_with(const char *text, int code)
{
    char script[4096];
    int n = snprintf(script, sizeof script,
                     "#!/bin/sh\necho \"$@\" >'%s'\ncat <<'END'\n%s\nEND\necho 'a last word' >&2\n"
                     "exit %d\n",
                     scratch_path("arguments"), text, code);
    write_file(program, script, (size_t)n);
    assert_int_equal(chmod(program, 0755), 0);
}

static tm_peer peer_of(const char *more)
{
    tm_peer peer;
    tm_error err = {0};
    char text[400];
    snprintf(text, sizeof text, "other=%s,%s%s", program, file, more);
    if (tm_peer_parse(text, NULL, &peer, &err) != TM_OK) fail_msg("%s", err.message);
    return peer;
}

static const char good[] = "[\n  {\n    \"build_commit\": \"c392e509\", \"n_threads\": 2,\n"
                           "    \"model_type\": \"bitnet ?B TQ2_0 - 2.06 bpw ternary\",\n"
                           "    \"n_prompt\": 64, \"n_gen\": 0,\n"
                           "    \"samples_ns\": [ 32000000, 16000000 ]\n  }\n]\n";

static void test_samples_become_records(void **state)
{
    (void)state;
    tm_peer peer = peer_of(",-fa,1");
    tm_record records[2];
    tm_test test = {.n_prompt = 64};
    tm_error err = {0};
    size_t size;
    answer_with(good, 0);
    if (tm_peer_run(&peer, &test, 2, 2, NULL, records, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(records[0].sample.elapsed_ns, 32000000);
    assert_int_equal(records[1].sample.elapsed_ns, 16000000);
    assert_int_equal(records[1].sample.repetition, 1);
    assert_true(tm_record_rate(&records[0]) == 2000);
    assert_true(records[0].sample.peak_rss_bytes.value > 0);
    assert_true(isnan(records[0].sample.major_faults.value));
    tm_json *json = tm_record_to_json(&records[0]);
    char *text = tm_json_print(json, false);
    tm_json_free(json);
    int n_missing = 0;
    for (const char *at = text; (at = strstr(at, "does not report")); at++) n_missing++;
    assert_true(n_missing >= 10);
    assert_null(strstr(text, "\"throttle_events\":0")); /* a missing value is never 0 */
    free(text);
    assert_non_null(strstr(records[0].marks, "timed by the peer itself"));
    assert_non_null(strstr(records[0].marks, "TQ2_0"));
    char *arguments = read_file(scratch_path("arguments"), &size), wanted[400];
    snprintf(wanted, sizeof wanted, "-fa 1 -m %s -p 64 -n 0 -t 2 -r 2 -o json\n", file);
    assert_string_equal(arguments, wanted);
    free(arguments);
}

static void expect_refusal(const char *text, int code, tm_status status, const char *said)
{
    tm_peer peer = peer_of("");
    tm_record records[2];
    tm_test test = {.n_prompt = 64};
    tm_error err = {0};
    answer_with(text, code);
    assert_int_equal(tm_peer_run(&peer, &test, 2, 2, NULL, records, &err), status);
    if (!strstr(err.message, said)) fail_msg("\"%s\" does not say \"%s\"", err.message, said);
}

static void test_invalid_answers_are_refused(void **state)
{
    (void)state;
    expect_refusal("no model", 1, TM_CHILD, "exited with 1: a last word");
    expect_refusal("", 0, TM_FORMAT, "llama-bench's answer");
    expect_refusal("{}", 0, TM_FORMAT, "must be an array of one object");
    expect_refusal("[{},{}]", 0, TM_FORMAT, "must be an array of one object");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[]}]", 0,
                   TM_FORMAT, "samples_ns");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5,0]}]", 0,
                   TM_FORMAT, "\"samples_ns\"[1]");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5,\"6\"]}]", 0,
                   TM_FORMAT, "\"samples_ns\"[1]");
    expect_refusal("[{\"n_prompt\":32,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5000,6000]}]", 0,
                   TM_FORMAT, "measured 32 prompt");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":1,\"samples_ns\":[5000,6000]}]", 0,
                   TM_FORMAT, "1 threads");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5000]}]", 0,
                   TM_FORMAT, "1 times");
}

static tm_status ask(const char *more, const char *pattern, const tm_test *test, int n_repetitions,
                     tm_peer_answer *answer, tm_error *err)
{
    char text[400];
    tm_peer peer;
    snprintf(text, sizeof text, "other=%s,%s%s", program, file, more);
    tm_status status = tm_peer_parse(text, pattern, &peer, err);
    return status == TM_OK ? tm_peer_ask(&peer, test, 2, n_repetitions, answer, err) : status;
}

static char *marks_of(const char *more, const tm_test *test, const tm_peer_answer *answer,
                      double read_gb)
{
    static tm_record record;
    memset(&record, 0, sizeof record);
    tm_peer peer = peer_of(more);
    tm_peer_doubt(&peer, test, 1, answer, read_gb, &record);
    return record.marks;
}

/* Lines before, inside and after the JSON, and an exit status of 1. */
static void test_what_surrounds_json_is_ignored(void **state)
{
    (void)state;
    static tm_peer_answer answer;
    static const char noisy[] =
        "[2026-12-01] loading [1/2]\nwarning: {no} [huge pages]\n[\n  {\n"
        "    \"n_threads\": 2,\n==== repacked 210 tensors\n"
        "    \"n_prompt\": 64, \"n_gen\": 0, \"backends\": \"CPU\",\n"
        "    \"samples_ns\": [ 32000000, 16000000 ]\n  }\n]\n\nbuild: abc [7]\n";
    tm_test test = {.n_prompt = 64};
    tm_error err = {0};
    answer_with(noisy, 1);
    if (ask("", NULL, &test, 2, &answer, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(answer.samples_ns[1], 16000000);
    assert_non_null(strstr(marks_of("", &test, &answer, NAN), "exited with 1 after its answer"));
}

static void test_old_and_new_versions_are_told_apart(void **state)
{
    (void)state;
    static const char head[] = "\"n_threads\":2,\"n_prompt\":64,\"n_gen\":0,\"samples_ns\":[5000]";
    static const struct {
        const char *keys, *engine, *backend, *mark;
    } cases[] = {
        {"\"backends\":\"CPU\",\"n_batch\":2048", "llama.cpp", "CPU", ""},
        {"\"backends\":\"BLAS\"", "llama.cpp", "BLAS", "built with BLAS"},
        {"\"backends\":\"CUDA\",\"gpu_info\":\"RTX 9000\"", "llama.cpp", "CUDA",
         "uses a GPU (CUDA, RTX 9000)"},
        {"\"cuda\":true,\"blas\":true,\"cpu_info\":\"x\"", "llama.cpp before 2025 or bitnet.cpp",
         "cuda", "uses a GPU (cuda, not named)"},
        {"\"cuda\":false,\"blas\":false,\"cpu_info\":\"x\",\"mla_attn\":0", "ik_llama.cpp", "CPU",
         ""},
        {"\"cpu_info\":\"x\",\"model_type\":\"bitnet 2B I2_S - 2 bpw ternary\",\"n_batch\":1",
         "bitnet.cpp", "CPU", "its batch is 1"},
        {"\"model_size\":5000000", "", "CPU", "another size than its file"},
    };
    static tm_peer_answer answer;
    tm_test test = {.n_prompt = 64};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        tm_error err = {0};
        snprintf(text, sizeof text, "[{%s,%s}]", head, cases[i].keys);
        if (tm_peer_answer_read(text, strlen(text), &answer, &err) != TM_OK)
            fail_msg("%s", err.message);
        answer.seconds = 1;
        assert_string_equal(answer.engine, cases[i].engine);
        assert_string_equal(answer.backend, cases[i].backend);
        const char *marks = marks_of("", &test, &answer, NAN);
        if (cases[i].mark[0] ? !strstr(marks, cases[i].mark) : marks[0] != 0)
            fail_msg("%s: marks \"%s\"", cases[i].keys, marks);
    }
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[50000,50000],"
                   "\"model_filename\":\"/models/other.gguf\"}]",
                   0, TM_FORMAT, "measured the model /models/other.gguf");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[1,1]}]", 0,
                   TM_FORMAT, "means more than 1e+09 tokens/s");
}

/* A file of 1 GB, of which nothing is stored. */
static void test_speed_is_held_against_the_machine(void **state)
{
    (void)state;
    tm_peer peer = peer_of("");
    static tm_peer_answer answer;
    tm_test test = {.n_gen = 10};
    static const struct {
        double seconds_per_token;
        bool odd;
        const char *mark;
    } cases[] = {
        {0.6, true, "without its kernels"},
        {0.1, false, ""},
        {0.005, true, "faster than this machine can read"},
    };
    assert_int_equal(truncate(file, 1000000000), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&answer, 0, sizeof answer);
        answer.n_samples = 1;
        answer.n_batch = -1;
        answer.samples_ns[0] = (int64_t)(1e10 * cases[i].seconds_per_token);
        answer.seconds = 100;
        assert_int_equal(tm_peer_is_odd(&peer, &test, 1, &answer), cases[i].odd);
        const char *marks = marks_of("", &test, &answer, 30);
        if (cases[i].mark[0] ? !strstr(marks, cases[i].mark) : marks[0] != 0)
            fail_msg("%g: marks \"%s\"", cases[i].seconds_per_token, marks);
    }
    answer.seconds = 0.04;
    assert_non_null(strstr(marks_of("", &test, &answer, NAN), "more time than its process ran"));
    write_file(file, "x", 1);
    assert_false(tm_peer_is_odd(&peer, &test, 1, &answer));
}

static void expect_rate(const char *text, const char *pattern, tm_test test, double rate)
{
    static tm_peer_answer answer;
    tm_error err = {0};
    answer_with(text, 0);
    if (ask(",-x,{model},{threads},{prompt},{gen}", pattern, &test, 2, &answer, &err) != TM_OK)
        fail_msg("%s", err.message);
    assert_int_equal(answer.n_samples, 2); /* one process each */
    if (fabs(tm_peer_rate(&test, &answer) / rate - 1) > 1e-6)
        fail_msg("\"%s\": %g tokens/s instead of %g", text, tm_peer_rate(&test, &answer), rate);
}

static void expect_no_rate(const char *text, const char *pattern, tm_test test, tm_status status,
                           const char *said)
{
    static tm_peer_answer answer;
    tm_error err = {0};
    answer_with(text, 0);
    assert_int_equal(ask(",{gen}", pattern, &test, 1, &answer, &err), status);
    if (!strstr(err.message, said)) fail_msg("\"%s\" does not say \"%s\"", err.message, said);
}

static void test_a_pattern_reads_any_command(void **state)
{
    (void)state;
    static const char both[] = "prefill: 120.5 t/s\ndecode: 8.25 t/s, again 9 t/s";
    static const char groups[] = "prefill: (?<pp>[\\d.]+)|decode: (?<tg>[\\d.]+)";
    const tm_test pp = {.n_prompt = 64}, tg = {.n_gen = 16}, pg = {.n_prompt = 64, .n_gen = 16};
    char arguments[400];
    size_t size;
    expect_rate("speed 3 tokens/s, then 4.5 tokens/s", NULL, tg, 4.5);
    expect_rate("12.5 tok/s", NULL, pp, 12.5);
    expect_rate("7 tokens per second", NULL, tg, 7);
    expect_rate(both, groups, pp, 120.5);
    expect_rate(both, groups, tg, 8.25);
    expect_rate("tg16 = 3e2 of 64", "tg{gen} = (\\S+)", tg, 300);
    expect_rate("2 threads: 5", "(?<threads>\\d+) threads: (\\S+)", tg, 5);
    char *noted = read_file(scratch_path("arguments"), &size);
    snprintf(arguments, sizeof arguments, "-x %s 2 0 16\n", file);
    assert_string_equal(noted, arguments);
    free(noted);
    expect_no_rate("", NULL, tg, TM_FORMAT, "printed nothing");
    expect_no_rate("hello", NULL, tg, TM_FORMAT, "it begins \"hello\"");
    expect_no_rate("nan t/s", "(\\S+) t/s", tg, TM_FORMAT, "\"nan\" tokens/s");
    expect_no_rate("-3 t/s", "(\\S+) t/s", tg, TM_FORMAT, "\"-3\" tokens/s");
    expect_no_rate("1e300 t/s", "(\\S+) t/s", tg, TM_FORMAT, "\"1e300\" tokens/s");
    expect_no_rate("1 t/s", "(?<pp>\\d) t/s", tg, TM_UNSUPPORTED, "no group \"tg\"");
    expect_no_rate("1 t/s", "(?<threads>\\d) t/s", tg, TM_UNSUPPORTED, "no group for the tokens");
    expect_no_rate("4 threads: 5 t/s", "(?<threads>\\d) threads: (\\d)", tg, TM_FORMAT,
                   "4 threads");
    expect_no_rate("1 t/s", NULL, pg, TM_UNSUPPORTED, "only llama-bench");
    expect_no_rate("1 t/s", "(a", tg, TM_ARG, "wrong at character 2");
    expect_no_rate("1 t/s", "a", tg, TM_ARG, "has no group");
    expect_no_rate("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "((a+)+)+[cd]", tg, TM_FORMAT,
                   "too much time");
    static tm_peer_answer answer = {.seconds = 1};
    const char *marks = marks_of(",{gen}", &tg, &answer, NAN);
    assert_non_null(strstr(marks, "no {model}"));
    assert_non_null(strstr(marks, "no {threads}"));
    assert_null(strstr(marks, "no {gen}"));
}

/* Its table, batch of 1 and exit status as bitnet.cpp's script has them. */
static void test_e2e_script(void **state)
{
    (void)state;
    static tm_peer_answer answer;
    static const char table[] =
        "| model | size | params | backend | threads | n_batch | test | t/s |\n"
        "| ----- | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n"
        "| bitnet-25 2B I2_S - 2 bpw ternary |   1.71 GiB |     2.74 B | CPU        |       2 |  "
        "     1 |         pp64 |         22.15 \u00b1 0.01 |\n"
        "| bitnet-25 2B I2_S - 2 bpw ternary |   1.71 GiB |     2.74 B | CPU        |       2 |  "
        "     1 |         tg16 |         21.50 \u00b1 0.02 |\n\nbuild: 1f86f05 (3871)";
    const tm_test pp = {.n_prompt = 64}, tg = {.n_gen = 16}, longer = {.n_gen = 32};
    tm_error err = {0};
    answer_with(table, 1);
    if (ask(",utils/e2e_benchmark.py", NULL, &pp, 1, &answer, &err) != TM_OK)
        fail_msg("%s", err.message);
    assert_string_equal(answer.build, "1f86f05");
    assert_string_equal(answer.model_type, "bitnet-25 2B I2_S - 2 bpw ternary");
    assert_string_equal(answer.backend, "CPU");
    assert_true(fabs(tm_peer_rate(&pp, &answer) - 22.15) < 1e-6);
    assert_non_null(strstr(marks_of("", &pp, &answer, NAN), "its batch is 1 (-b 1)"));
    assert_int_equal(ask(",utils/e2e_benchmark.py", NULL, &tg, 1, &answer, &err), TM_OK);
    assert_true(fabs(tm_peer_rate(&tg, &answer) - 21.5) < 1e-6);
    /* No row for this test: the exit status is the reason. */
    assert_int_equal(ask(",utils/e2e_benchmark.py", NULL, &longer, 1, &answer, &err), TM_CHILD);
}

static void test_hash_covers_what_is_run(void **state)
{
    (void)state;
    char text[5][32], more[200];
    tm_error err = {0};
    tm_peer peer = peer_of("");
    assert_int_equal(tm_peer_hash(&peer, text[0], sizeof text[0], &err), TM_OK);
    peer = peer_of(",-fa,1");
    assert_int_equal(tm_peer_hash(&peer, text[1], sizeof text[1], &err), TM_OK);
    snprintf(more, sizeof more, ",%s,{gen}", scratch_path("script"));
    write_file(scratch_path("script"), "a", 1);
    peer = peer_of(more);
    assert_int_equal(tm_peer_hash(&peer, text[2], sizeof text[2], &err), TM_OK);
    write_file(scratch_path("script"), "b", 1);
    assert_int_equal(tm_peer_hash(&peer, text[3], sizeof text[3], &err), TM_OK);
    strcpy(peer.pattern, "(b)");
    assert_int_equal(tm_peer_hash(&peer, text[4], sizeof text[4], &err), TM_OK);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++) assert_string_not_equal(text[i], text[k]);
}

static void test_depth_is_refused(void **state)
{
    (void)state;
    tm_peer peer = peer_of("");
    tm_record record;
    tm_test test = {.n_gen = 4, .depth = 512};
    tm_error err = {0};
    answer_with(good, 0);
    assert_int_equal(tm_peer_run(&peer, &test, 1, 1, NULL, &record, &err), TM_FORMAT);
    test = (tm_test){.n_gen = 4, .n_sequences = 2};
    assert_int_equal(tm_peer_run(&peer, &test, 1, 1, NULL, &record, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "one sequence"));
    peer = peer_of(",{gen}");
    test = (tm_test){.n_gen = 4, .depth = 512};
    assert_int_equal(tm_peer_run(&peer, &test, 1, 1, NULL, &record, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "has no {depth}"));
}

static void test_invalid_descriptions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"", "the name is missing"},
        {"=a,b", "the name is missing"},
        {"ik", "no \"=\""},
        {"ik=", "program is missing"},
        {"ik=/bin/true", "the file is missing"},
        {"ik=/bin/true,", "file is missing"},
        {"ik=/no/such/bench,/dev/null", "/no/such/bench"},
        {"ik=/bin/true,/no/such/model", "/no/such/model"},
        {"ik=/bin/true,/dev/null,", "argument is missing"},
        {"ik=/bin/true,/dev/null,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5",
         "more than 24 arguments"},
        {"ik=no-such-program,/dev/null", "no-such-program"},
        {"a-name-of-more-than-forty-seven-characters-is-too-long=/bin/true,/dev/null",
         "limit is 47"},
    };
    tm_peer peer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tm_error err = {0};
        assert_int_equal(tm_peer_parse(bad[i].text, NULL, &peer, &err), TM_ARG);
        if (!strstr(err.message, bad[i].said))
            fail_msg("\"%s\": \"%s\" does not say \"%s\"", bad[i].text, err.message, bad[i].said);
    }
}

static int make(void **state)
{
    if (scratch_make(state) != 0) return -1;
    snprintf(program, sizeof program, "%s", scratch_path("llama-bench"));
    snprintf(file, sizeof file, "%s", scratch_path("model.gguf"));
    write_file(file, "x", 1);
    answer_with("", 0);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_become_records),
        cmocka_unit_test(test_invalid_answers_are_refused),
        cmocka_unit_test(test_what_surrounds_json_is_ignored),
        cmocka_unit_test(test_old_and_new_versions_are_told_apart),
        cmocka_unit_test(test_speed_is_held_against_the_machine),
        cmocka_unit_test(test_a_pattern_reads_any_command),
        cmocka_unit_test(test_e2e_script),
        cmocka_unit_test(test_hash_covers_what_is_run),
        cmocka_unit_test(test_depth_is_refused),
        cmocka_unit_test(test_invalid_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, make, scratch_remove);
}
