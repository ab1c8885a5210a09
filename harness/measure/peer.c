#include "harness/measure/peer.h"

#include "harness/base/child.h"
#include "harness/base/json_reader.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ANSWER (1 << 20)
#define PATIENCE   3600 /* seconds: a peer prints nothing until all repetitions are done */
#define GRACE      5

/* Its description. */

static tm_status take(const char **at, const char *stop, const char *what, char *out, size_t size,
                      tm_error *err)
{
    size_t n = strcspn(*at, stop);
    if (n == 0) return tm_fail(err, TM_ARG, "a peer is NAME=PROGRAM,FILE: %s is missing", what);
    if (n >= size)
        return tm_fail(err, TM_ARG, "the %s of a peer has %zu characters; the limit is %zu", what,
                       n, size - 1);
    memcpy(out, *at, n);
    out[n] = 0;
    *at += n;
    return TM_OK;
}

tm_status tm_peer_parse(const char *text, tm_peer *out, tm_error *err)
{
    const char *at = text;
    memset(out, 0, sizeof *out);
    tm_status status = take(&at, "=", "the name", out->name, sizeof out->name, err);
    if (status == TM_OK && *at++ != '=')
        status = tm_fail(err, TM_ARG, "a peer is NAME=PROGRAM,FILE: no \"=\" in \"%.80s\"", text);
    if (status == TM_OK) status = take(&at, ",", "program", out->program, sizeof out->program, err);
    if (status == TM_OK && *at++ != ',')
        status = tm_fail(err, TM_ARG, "a peer is NAME=PROGRAM,FILE: the file is missing");
    if (status == TM_OK) status = take(&at, ",", "file", out->file, sizeof out->file, err);
    while (status == TM_OK && *at == ',') {
        at++;
        if (out->n_arguments == TM_PEER_ARGUMENTS)
            return tm_fail(err, TM_ARG, "the peer %s has more than %d arguments", out->name,
                           TM_PEER_ARGUMENTS);
        status = take(&at, ",", "argument", out->arguments[out->n_arguments++],
                      sizeof out->arguments[0], err);
    }
    if (status != TM_OK) return status;
    if (access(out->program, X_OK) != 0)
        return tm_fail(err, TM_ARG, "the peer %s: %s: %s", out->name, out->program,
                       strerror(errno));
    if (access(out->file, R_OK) != 0)
        return tm_fail(err, TM_ARG, "the peer %s: %s: %s", out->name, out->file, strerror(errno));
    return TM_OK;
}

void tm_peer_print(const tm_peer *peer, char *text, size_t size)
{
    int n = snprintf(text, size, "%s=%s,%s", peer->name, peer->program, peer->file);
    for (int i = 0; i < peer->n_arguments && n >= 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, ",%s", peer->arguments[i]);
}

/* Its answer. */

/* Whether a line can be one of llama-bench's JSON. Some builds print other lines beside it. */
static bool is_json_line(const char *line, size_t n)
{
    size_t blanks = 0;
    while (blanks < n && (line[blanks] == ' ' || line[blanks] == '\t')) blanks++;
    return blanks == n || strchr("[]{}\",-0123456789", line[blanks]);
}

/* Parses the answer without the lines that are none of JSON. The error cites the first of them. */
static tm_status parse_answer(const char *text, size_t length, const char *what, tm_json **out,
                              tm_error *err)
{
    tm_error ignored;
    if (tm_json_parse(text, length, what, out, &ignored) == TM_OK) return TM_OK;
    char *kept = malloc(length + 1);
    if (!kept) return tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", what, length);
    const char *other = NULL, *end = text + length;
    size_t n_kept = 0, n_other = 0;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((newline ? newline + 1 : end) - line);
        if (is_json_line(line, n - (newline ? 1 : 0))) {
            memcpy(kept + n_kept, line, n);
            n_kept += n;
        } else if (!other) {
            other = line;
            n_other = n - (newline ? 1 : 0);
        }
        line += n;
    }
    tm_status status = tm_json_parse(kept, n_kept, what, out, err);
    free(kept);
    if (status == TM_OK || !other) return status;
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

tm_status tm_peer_answer_read(const char *text, size_t length, tm_peer_answer *out, tm_error *err)
{
    static const char what[] = "llama-bench's answer";
    tm_json *json = NULL;
    memset(out, 0, sizeof *out);
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
    snprintf(out->build, sizeof out->build, "%s",
             tm_json_text(tm_json_get(test, "build_commit"), "unknown"));
    snprintf(out->model_type, sizeof out->model_type, "%s",
             tm_json_text(tm_json_get(test, "model_type"), "unknown"));
    tm_json_free(json);
    return r.status;
}

/* Running it. */

static tm_status ask(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                     tm_peer_answer *answer, tm_child_end *end, tm_error *err)
{
    char numbers[4][16], both[32];
    const char *argv[16 + TM_PEER_ARGUMENTS];
    int n = 0;
    bool pg = test->n_prompt > 0 && test->n_gen > 0;
    snprintf(numbers[0], sizeof numbers[0], "%d", pg ? 0 : test->n_prompt);
    snprintf(numbers[1], sizeof numbers[1], "%d", pg ? 0 : test->n_gen);
    snprintf(numbers[2], sizeof numbers[2], "%d", n_threads);
    snprintf(numbers[3], sizeof numbers[3], "%d", n_repetitions);
    snprintf(both, sizeof both, "%d,%d", test->n_prompt, test->n_gen);
    const char *const fixed[] = {peer->program, "-m",       peer->file, "-p",       numbers[0],
                                 "-n",          numbers[1], "-t",       numbers[2], "-r",
                                 numbers[3],    "-o",       "json"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) argv[n++] = fixed[i];
    if (pg) {
        argv[n++] = "-pg";
        argv[n++] = both;
    }
    for (int i = 0; i < peer->n_arguments; i++) argv[n++] = peer->arguments[i];
    argv[n] = NULL;
    tm_child *child;
    char *text = NULL;
    size_t length = 0;
    tm_status status = tm_child_open(argv, &child, err);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, MAX_ANSWER, PATIENCE, NULL, &text, &length, err);
    tm_child_close(child, status == TM_OK ? GRACE : 0, end);
    if (status == TM_OK && !end->ok)
        status = tm_fail(err, TM_CHILD, "the peer %s %s%s%s", peer->name, end->reason,
                         end->last_words[0] ? ": " : "", end->last_words);
    if (status == TM_OK) status = tm_peer_answer_read(text, length, answer, err);
    free(text);
    return status;
}

tm_status tm_peer_run(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      tm_record *records, tm_error *err)
{
    tm_child_end end = {0};
    tm_peer_answer *answer = malloc(sizeof *answer);
    if (!answer) return tm_fail(err, TM_NOMEM, "no memory for the answer of a peer");
    tm_status status = TM_OK;
    if (test->depth > 0)
        status = tm_fail(err, TM_UNSUPPORTED,
                         "the peer %s: not every llama-bench can fill the context before timing",
                         peer->name);
    if (status == TM_OK && test->n_sequences > 1)
        status = tm_fail(err, TM_UNSUPPORTED, "the peer %s: llama-bench decodes one sequence only",
                         peer->name);
    if (status == TM_OK) status = ask(peer, test, n_threads, n_repetitions, answer, &end, err);
    if (status == TM_OK && (answer->n_prompt != test->n_prompt || answer->n_gen != test->n_gen ||
                            answer->n_threads != n_threads || answer->n_samples != n_repetitions))
        status = tm_fail(err, TM_FORMAT,
                         "the peer %s measured %d prompt and %d generated tokens, %d threads, %d "
                         "times; the request was %d, %d, %d, %d",
                         peer->name, answer->n_prompt, answer->n_gen, answer->n_threads,
                         answer->n_samples, test->n_prompt, test->n_gen, n_threads, n_repetitions);
    for (int i = 0; i < n_repetitions && status == TM_OK; i++) {
        tm_record *r = &records[i];
        memset(r, 0, sizeof *r);
        r->kind = TM_RECORD_SAMPLE;
        strcpy(r->status, "ok");
        r->sample.repetition = i;
        r->sample.elapsed_ns = answer->samples_ns[i];
        r->sample.n_tokens = test->n_prompt + test->n_gen;
        tm_record_sample_miss_figures(&r->sample, "the process of a peer does not report it");
        tm_measured_set(&r->sample.peak_rss_bytes, (double)end.max_rss_bytes);
        snprintf(r->marks, sizeof r->marks,
                 "timed by the peer itself (%.40s, build %.20s); results not checked",
                 answer->model_type, answer->build);
    }
    free(answer);
    return status;
}
