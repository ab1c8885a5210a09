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
    if (tm_peer_parse(text, &peer, &err) != TM_OK) fail_msg("%s", err.message);
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
    if (tm_peer_run(&peer, &test, 2, 2, records, &err) != TM_OK) fail_msg("%s", err.message);
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
    snprintf(wanted, sizeof wanted, "-m %s -p 64 -n 0 -t 2 -r 2 -o json -fa 1\n", file);
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
    assert_int_equal(tm_peer_run(&peer, &test, 2, 2, records, &err), status);
    if (!strstr(err.message, said)) fail_msg("\"%s\" does not say \"%s\"", err.message, said);
}

static void test_invalid_answers_are_refused(void **state)
{
    (void)state;
    expect_refusal(good, 1, TM_CHILD, "exited with 1: a last word");
    expect_refusal("", 0, TM_FORMAT, "llama-bench's answer");
    expect_refusal("{}", 0, TM_FORMAT, "must be an array of one object");
    expect_refusal("[{},{}]", 0, TM_FORMAT, "must be an array of one object");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[]}]", 0,
                   TM_FORMAT, "samples_ns");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5,0]}]", 0,
                   TM_FORMAT, "\"samples_ns\"[1]");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5,\"6\"]}]", 0,
                   TM_FORMAT, "\"samples_ns\"[1]");
    expect_refusal("[{\"n_prompt\":32,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5,6]}]", 0,
                   TM_FORMAT, "measured 32 prompt");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":1,\"samples_ns\":[5,6]}]", 0,
                   TM_FORMAT, "1 threads");
    expect_refusal("[{\"n_prompt\":64,\"n_gen\":0,\"n_threads\":2,\"samples_ns\":[5]}]", 0,
                   TM_FORMAT, "1 times");
}

static void test_depth_is_refused(void **state)
{
    (void)state;
    tm_peer peer = peer_of("");
    tm_record record;
    tm_test test = {.n_gen = 4, .depth = 512};
    tm_error err = {0};
    answer_with(good, 0);
    assert_int_equal(tm_peer_run(&peer, &test, 1, 1, &record, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "other"));
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
        {"ik=/bin/true,/dev/null,1,2,3,4,5,6,7,8,9", "more than 8 arguments"},
        {"a-name-of-more-than-forty-seven-characters-is-too-long=/bin/true,/dev/null",
         "limit is 47"},
    };
    tm_peer peer;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tm_error err = {0};
        assert_int_equal(tm_peer_parse(bad[i].text, &peer, &err), TM_ARG);
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
        cmocka_unit_test(test_depth_is_refused),
        cmocka_unit_test(test_invalid_descriptions_are_refused),
    };
    return cmocka_run_group_tests(tests, make, scratch_remove);
}
