/* What peers print: llama-bench's JSON, or tokens per second by a pattern. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "harness/measure/peer.h"

#include "harness/base/json_reader.h"

#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Far above any processor: a rate beyond it is an error of the peer or of the pattern. */
#define RATE_MAX 1e9
/* Bounds what a pattern may cost on 1 MiB of output. */
#define MATCH_LIMIT 10000000u

static void clear(tm_peer_answer *out)
{
    memset(out, 0, sizeof *out);
    out->model_bytes = out->n_parameters = -1;
    out->n_prompt = out->n_gen = out->depth = out->n_threads = out->n_batch = -1;
}

/* llama-bench's JSON. */

/* Whether a line can be one of llama-bench's JSON. Some builds print other lines inside it. */
static bool is_json_line(const char *line, size_t n)
{
    size_t blanks = 0;
    while (blanks < n && (line[blanks] == ' ' || line[blanks] == '\t')) blanks++;
    return blanks == n || strchr("[]{}\",-0123456789", line[blanks]);
}

/* The first '[' that an object follows; NULL if there is none. */
static const char *find_array(const char *text, const char *end)
{
    for (const char *at = text; (at = memchr(at, '[', (size_t)(end - at))); at++) {
        const char *next = at + 1;
        while (next < end && isspace((unsigned char)*next)) next++;
        if (next < end && *next == '{') return at;
    }
    return NULL;
}

/* The last ']' after an object; NULL if there is none. */
static const char *find_array_end(const char *text, const char *end)
{
    for (const char *at = end; at > text; at--) {
        const char *before = at - 1;
        if (*before != ']') continue;
        while (before > text && isspace((unsigned char)before[-1])) before--;
        if (before > text && before[-1] == '}') return at;
    }
    return NULL;
}

/* Parses the array that other lines may surround and interrupt. The error cites the first line that
 * is not JSON. */
static tm_status parse_answer(const char *text, size_t length, const char *what, tm_json **out,
                              tm_error *err)
{
    tm_error ignored;
    if (tm_json_parse(text, length, what, out, &ignored) == TM_OK) return TM_OK;
    const char *end = text + length, *begin = find_array(text, end);
    const char *stop = begin ? find_array_end(begin, end) : NULL;
    if (stop && tm_json_parse(begin, (size_t)(stop - begin), what, out, &ignored) == TM_OK)
        return TM_OK;
    char *kept = malloc(length + 1);
    if (!kept) return tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", what, length);
    const char *other = NULL;
    size_t n_kept = 0, n_other = 0;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline + 1 : end) - line);
        bool is_json = is_json_line(line, n - (newline ? 1 : 0));
        if (is_json && (!stop || (line + n > begin && line < stop))) {
            memcpy(kept + n_kept, line, n);
            n_kept += n;
        } else if (!is_json && !other) {
            other = line;
            n_other = n - (newline ? 1 : 0);
        }
        line += n;
    }
    tm_status status = tm_json_parse(kept, n_kept, what, out, err);
    free(kept);
    if (status == TM_OK) return status;
    if (length == 0) return tm_fail(err, TM_FORMAT, "%s is empty", what);
    if (!other) return status;
    return tm_fail(err, TM_FORMAT, "%s is not JSON: \"%.*s\"; it must print JSON for -o json", what,
                   (int)(n_other < 100 ? n_other : 100), other);
}

static void read_samples(tm_json_reader *r, tm_peer_answer *out)
{
    const tm_json *samples = tm_json_get(r->json, "samples_ns");
    int n = tm_json_count(samples);
    if (!tm_json_is_array(samples) || n < 1 || n > TM_PEER_SAMPLES)
        tm_read_fail(r, "\"samples_ns\" must be an array of 1 to %d numbers", TM_PEER_SAMPLES);
    for (int i = 0; i < n && r->status == TM_OK; i++) {
        double ns = tm_json_double(tm_json_at(samples, i), NAN);
        if (ns >= 1 && ns < 9e15)
            out->samples_ns[out->n_samples++] = (int64_t)ns;
        else
            tm_read_fail(r, "\"samples_ns\"[%d] must be above 0", i);
    }
}

static void copy_text(const tm_json *object, const char *key, char *out, size_t size)
{
    snprintf(out, size, "%s", tm_json_text(tm_json_get(object, key), ""));
}

/* Newer versions name their back-ends; older ones have a flag for each. */
static void read_backend(const tm_json *test, tm_peer_answer *out)
{
    static const char *const gpus[] = {"cuda", "vulkan", "kompute", "metal", "sycl"};
    copy_text(test, "backends", out->backend, sizeof out->backend);
    copy_text(test, "gpu_info", out->gpu, sizeof out->gpu);
    if (out->backend[0]) return;
    snprintf(out->backend, sizeof out->backend,
             tm_json_true(tm_json_get(test, "blas")) ? "BLAS" : "CPU");
    for (size_t i = 0; i < sizeof gpus / sizeof *gpus; i++) {
        if (!tm_json_true(tm_json_get(test, gpus[i]))) continue;
        snprintf(out->backend, sizeof out->backend, "%s", gpus[i]);
        if (!out->gpu[0]) snprintf(out->gpu, sizeof out->gpu, "not named");
    }
}

static const char *engine_of(const tm_json *test, const tm_peer_answer *answer)
{
    if (tm_json_get(test, "mla_attn") || tm_json_get(test, "fused_moe") ||
        tm_json_get(test, "repack"))
        return "ik_llama.cpp";
    if (tm_json_get(test, "backends")) return "llama.cpp";
    if (strstr(answer->model_type, "I2_S") || strstr(answer->model_type, "TL1") ||
        strstr(answer->model_type, "TL2"))
        return "bitnet.cpp";
    return tm_json_get(test, "cpu_info") ? "llama.cpp before 2025 or bitnet.cpp" : "";
}

tm_status tm_peer_answer_read(const char *text, size_t length, tm_peer_answer *out, tm_error *err)
{
    static const char what[] = "llama-bench's answer";
    tm_json *json = NULL;
    clear(out);
    tm_status status = parse_answer(text, length, what, &json, err);
    if (status != TM_OK) return status;
    const tm_json *test = tm_json_at(json, 0);
    tm_json_reader r = {.json = test, .err = err, .what = what};
    if (!tm_json_is_array(json) || tm_json_count(json) != 1 || !tm_json_is_object(test))
        r.status = tm_fail(err, TM_FORMAT, "%s must be an array of one object", what);
    out->n_prompt = (int)tm_read_int(&r, "n_prompt", 0, 1 << 30);
    out->n_gen = (int)tm_read_int(&r, "n_gen", 0, 1 << 30);
    out->n_threads = (int)tm_read_int(&r, "n_threads", 1, 1 << 20);
    read_samples(&r, out);
    tm_read_optional_int(&r, "n_depth", 0, 1 << 30, &out->depth);
    tm_read_optional_int(&r, "n_batch", 0, 1 << 30, &out->n_batch);
    copy_text(test, "build_commit", out->build, sizeof out->build);
    copy_text(test, "model_type", out->model_type, sizeof out->model_type);
    copy_text(test, "model_filename", out->model_file, sizeof out->model_file);
    out->model_bytes = tm_json_double(tm_json_get(test, "model_size"), -1);
    out->n_parameters = tm_json_double(tm_json_get(test, "model_n_params"), -1);
    read_backend(test, out);
    snprintf(out->engine, sizeof out->engine, "%s", engine_of(test, out));
    for (int i = 0; i < out->n_samples && r.status == TM_OK; i++)
        if (1e9 * (out->n_prompt + out->n_gen) / (double)out->samples_ns[i] > RATE_MAX)
            tm_read_fail(&r, "\"samples_ns\"[%d] means more than %g tokens/s", i, RATE_MAX);
    tm_json_free(json);
    return r.status;
}

/* Any command, by a pattern. */

static tm_status compile(const char *pattern, pcre2_code **out, tm_error *err)
{
    int code;
    uint32_t n_groups = 0;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120] = "";
    *out = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_MULTILINE, &code, &at,
                         NULL);
    if (!*out) {
        pcre2_get_error_message(code, why, sizeof why);
        return tm_fail(err, TM_ARG, "the pattern \"%.80s\" is wrong at character %zu: %s", pattern,
                       (size_t)at, (const char *)why);
    }
    pcre2_pattern_info(*out, PCRE2_INFO_CAPTURECOUNT, &n_groups);
    if (n_groups > 0) return TM_OK;
    pcre2_code_free(*out);
    *out = NULL;
    return tm_fail(err, TM_ARG,
                   "the pattern \"%.80s\" has no group: put the tokens per second in parentheses",
                   pattern);
}

tm_status tm_peer_pattern_check(const char *pattern, tm_error *err)
{
    pcre2_code *code;
    tm_status status = compile(pattern, &code, err);
    if (status == TM_OK) pcre2_code_free(code);
    return status;
}

/* The groups that are read. */
enum { PP, TG, THREADS, BATCH, BACKEND, MODEL, BUILD, N_GROUPS };
static const char *const group_names[N_GROUPS] = {"pp",      "tg",    "threads", "batch",
                                                  "backend", "model", "build"};

typedef struct reader {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    int groups[N_GROUPS]; /* their numbers; negative: the pattern lacks it */
    int rate;             /* the group of tokens per second */
} reader;

/* Errors: UNSUPPORTED. */
static tm_status find_groups(reader *r, const tm_test *test, tm_error *err)
{
    uint32_t n = 0;
    for (int i = 0; i < N_GROUPS; i++)
        r->groups[i] = pcre2_substring_number_from_name(r->code, (PCRE2_SPTR)group_names[i]);
    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &n);
    r->rate = r->groups[test->n_gen > 0 ? TG : PP];
    if (r->rate > 0) return TM_OK;
    if (r->groups[PP] > 0 || r->groups[TG] > 0)
        return tm_fail(err, TM_UNSUPPORTED, "its pattern has no group \"%s\" for this test",
                       group_names[test->n_gen > 0 ? TG : PP]);
    for (int g = 1; g <= (int)n && r->rate <= 0; g++) {
        bool is_named = false;
        for (int i = 0; i < N_GROUPS; i++) is_named = is_named || r->groups[i] == g;
        if (!is_named) r->rate = g;
    }
    if (r->rate > 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "its pattern has no group for the tokens per second");
}

/* The text of a group in the last match; false if it took no part. */
static bool get_group(const reader *r, int group, const char *text, char *out, size_t size)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);
    if (group <= 0 || (uint32_t)group >= pcre2_get_ovector_count(r->match) ||
        at[2 * group] == PCRE2_UNSET)
        return false;
    size_t n = 0;
    for (PCRE2_SIZE i = at[2 * group]; i < at[2 * group + 1] && n + 1 < size; i++)
        out[n++] = (char)(isprint((unsigned char)text[i]) ? text[i] : '?');
    while (n > 0 && out[n - 1] == ' ') n--;
    out[n] = 0;
    return true;
}

static int number_of(const char *text)
{
    char *end;
    long value = strtol(text, &end, 10);
    return *text && !*end && value >= 0 && value <= 1 << 30 ? (int)value : -1;
}

static void take_match(const reader *r, const char *text, char rate[64], tm_peer_answer *out)
{
    char word[64];
    get_group(r, r->rate, text, rate, 64);
    if (get_group(r, r->groups[THREADS], text, word, sizeof word)) out->n_threads = number_of(word);
    if (get_group(r, r->groups[BATCH], text, word, sizeof word)) out->n_batch = number_of(word);
    get_group(r, r->groups[BACKEND], text, out->backend, sizeof out->backend);
    get_group(r, r->groups[MODEL], text, out->model_type, sizeof out->model_type);
    get_group(r, r->groups[BUILD], text, out->build, sizeof out->build);
}

static tm_status match_all(const reader *r, const char *text, size_t length, char rate[64],
                           tm_peer_answer *out, tm_error *err)
{
    rate[0] = 0;
    for (PCRE2_SIZE from = 0; from <= length;) {
        int n = pcre2_match(r->code, (PCRE2_SPTR)text, length, from, 0, r->match, r->context);
        if (n == PCRE2_ERROR_NOMATCH) break;
        if (n < 0)
            return tm_fail(err, TM_FORMAT,
                           "its pattern needs too much time or memory on this output (PCRE2 error "
                           "%d)",
                           n);
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(r->match);
        take_match(r, text, rate, out);
        from = at[1] > from ? at[1] : from + 1;
    }
    return TM_OK;
}

/* The first line that is not empty, for messages. */
static const char *first_line(const char *text, size_t length, char out[104])
{
    size_t begin = 0, n = 0;
    while (begin < length && isspace((unsigned char)text[begin])) begin++;
    while (begin + n < length && text[begin + n] != '\n' && n < 100) {
        out[n] = (char)(isprint((unsigned char)text[begin + n]) ? text[begin + n] : '?');
        n++;
    }
    out[n] = 0;
    return out;
}

static tm_status take_rate(const char *rate, const tm_test *test, const char *text, size_t length,
                           tm_peer_answer *out, tm_error *err)
{
    char *end, line[104];
    first_line(text, length, line);
    if (!rate[0])
        return line[0] ? tm_fail(err, TM_FORMAT,
                                 "its output has no tokens per second for this test: it begins "
                                 "\"%s\"",
                                 line)
                       : tm_fail(err, TM_FORMAT, "it printed nothing on standard output");
    double value = strtod(rate, &end);
    if (*end || !(value > 0) || value > RATE_MAX)
        return tm_fail(err, TM_FORMAT, "\"%s\" tokens/s is not a number above 0 and up to %g", rate,
                       RATE_MAX);
    double ns = 1e9 * (test->n_prompt + test->n_gen) / value;
    if (!(ns >= 1 && ns < 9e15))
        return tm_fail(err, TM_FORMAT, "%s tokens/s is not possible for this test", rate);
    out->samples_ns[out->n_samples++] = (int64_t)ns;
    return TM_OK;
}

tm_status tm_peer_answer_match(const char *pattern, const tm_test *test, const char *text,
                               size_t length, tm_peer_answer *out, tm_error *err)
{
    char rate[64];
    reader r = {0};
    if (out->n_samples == 0) clear(out);
    if (out->n_samples == TM_PEER_SAMPLES)
        return tm_fail(err, TM_ARG, "more than %d repetitions", TM_PEER_SAMPLES);
    tm_status status = compile(pattern, &r.code, err);
    if (status != TM_OK) return status;
    r.match = pcre2_match_data_create_from_pattern(r.code, NULL);
    r.context = pcre2_match_context_create(NULL);
    if (r.match && r.context) {
        pcre2_set_match_limit(r.context, MATCH_LIMIT);
        status = find_groups(&r, test, err);
    } else {
        status = tm_fail(err, TM_NOMEM, "no memory to match a pattern");
    }
    if (status == TM_OK) status = match_all(&r, text, length, rate, out, err);
    if (status == TM_OK) status = take_rate(rate, test, text, length, out, err);
    out->n_prompt = test->n_prompt;
    out->n_gen = test->n_gen;
    pcre2_match_context_free(r.context);
    pcre2_match_data_free(r.match);
    pcre2_code_free(r.code);
    return status;
}
