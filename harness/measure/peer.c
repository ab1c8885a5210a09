#include "harness/measure/peer.h"

#include "harness/base/child.h"
#include "harness/base/hash.h"
#include "harness/stats/stats.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ANSWER (1 << 20)
#define PATIENCE   3600 /* seconds; the parent of a worker has its own, which is shorter */
#define GRACE      5
#define MAX_SCRIPT (16 << 20) /* bytes of an argument's file that counts as a part of the peer */

/* Kinds of peers: the first row that fits. Arguments of a kind follow those of the peer, so that
 * the peer's may name a script, or the program that another one starts. */
typedef struct kind {
    const char *name;
    const char *program;   /* ends the path of the program or of an argument; NULL: any */
    bool has_placeholders; /* only peers whose arguments have some */
    const char *arguments; /* separated by blanks */
    const char *pattern;   /* NULL: it prints llama-bench's JSON for all repetitions at once */
} kind;

static const kind kinds[] = {
    /* bitnet.cpp utils/: runs llama-bench, prints its Markdown table and exits with 1. */
    {"e2e_benchmark.py", "e2e_benchmark.py", false, "-m {model} -p {prompt} -n {gen} -t {threads}",
     "^\\| (?<model>[^|]*?) *\\|[^|]*\\|[^|]*\\| *(?<backend>\\w+) *\\| *(?<threads>\\d+) *\\|"
     "(?: *(?<batch>\\d+) *\\|)? *(?:pp{prompt} *\\| *(?<pp>[^ |]+)|tg{gen} *\\| *(?<tg>[^ |]+))"
     "|^build: (?<build>\\w+)"},
    {"command", NULL, true, "",
     "(?<![\\w.+-])([0-9]+(?:\\.[0-9]+)?) *(?i:tok(?:en)?s?(?:/| per )s|t/s)"},
    {"llama-bench", NULL, false,
     "-m {model} -p {prompt} -n {gen} -t {threads} -r {repetitions} -o json", NULL},
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* Placeholders of arguments and patterns. */
enum { MODEL, THREADS, PROMPT, GEN, REPETITIONS, DEPTH, N_PLACEHOLDERS };
static const char *const placeholders[N_PLACEHOLDERS] = {"{model}", "{threads}",     "{prompt}",
                                                         "{gen}",   "{repetitions}", "{depth}"};

static bool has_placeholder(const tm_peer *peer, int which)
{
    for (int i = 0; i < peer->n_arguments; i++)
        if (strstr(peer->arguments[i], placeholders[which])) return true;
    return false;
}

bool tm_peer_is_command(const tm_peer *peer)
{
    for (int i = 0; i < N_PLACEHOLDERS; i++)
        if (has_placeholder(peer, i)) return true;
    return false;
}

static const kind *kind_of(const tm_peer *peer)
{
    const kind *k = kinds;
    for (;; k++) {
        bool fits = !k->program || ends_with(peer->program, k->program);
        for (int i = 0; i < peer->n_arguments && !fits; i++)
            fits = ends_with(peer->arguments[i], k->program);
        if (fits && (!k->has_placeholders || tm_peer_is_command(peer))) return k;
    }
}

const char *tm_peer_kind(const tm_peer *peer)
{
    return kind_of(peer)->name;
}

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

/* Replaces a name without a slash by its path, if PATH has it. */
static void find_program(tm_peer *peer)
{
    const char *at = getenv("PATH");
    if (strchr(peer->program, '/') || access(peer->program, X_OK) == 0) return;
    while (at && *at) {
        char path[sizeof peer->program];
        size_t n = strcspn(at, ":");
        int length = snprintf(path, sizeof path, "%.*s/%s", (int)n, at, peer->program);
        if (n > 0 && length > 0 && (size_t)length < sizeof path && access(path, X_OK) == 0) {
            memcpy(peer->program, path, (size_t)length + 1);
            return;
        }
        at += n + (at[n] == ':');
    }
}

static tm_status take_pattern(const char *pattern, tm_peer *out, tm_error *err)
{
    if (!tm_peer_is_command(out)) return TM_OK;
    if (pattern && strlen(pattern) >= sizeof out->pattern)
        return tm_fail(err, TM_ARG, "the pattern has %zu characters; the limit is %zu",
                       strlen(pattern), sizeof out->pattern - 1);
    snprintf(out->pattern, sizeof out->pattern, "%s", pattern ? pattern : "");
    return pattern ? tm_peer_pattern_check(pattern, err) : TM_OK;
}

tm_status tm_peer_parse(const char *text, const char *pattern, tm_peer *out, tm_error *err)
{
    const char *at = text;
    memset(out, 0, sizeof *out);
    out->timeout_seconds = PATIENCE;
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
    find_program(out);
    if (access(out->program, X_OK) != 0)
        return tm_fail(err, TM_ARG, "the peer %s: %s: %s", out->name, out->program,
                       strerror(errno));
    if (access(out->file, R_OK) != 0)
        return tm_fail(err, TM_ARG, "the peer %s: %s: %s", out->name, out->file, strerror(errno));
    return take_pattern(pattern, out, err);
}

void tm_peer_print(const tm_peer *peer, char *text, size_t size)
{
    int n = snprintf(text, size, "%s=%s,%s", peer->name, peer->program, peer->file);
    for (int i = 0; i < peer->n_arguments && n >= 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, ",%s", peer->arguments[i]);
}

tm_status tm_peer_hash(const tm_peer *peer, char *text, size_t size, tm_error *err)
{
    char part[32];
    tm_status status = tm_build_hash(peer->program, text, size, err);
    if (status != TM_OK || peer->n_arguments == 0) return status;
    uint64_t hash = tm_hash(TM_HASH_START, text, strlen(text));
    hash = tm_hash(hash, peer->pattern, strlen(peer->pattern) + 1);
    for (int i = 0; i < peer->n_arguments && status == TM_OK; i++) {
        struct stat st;
        const char *argument = peer->arguments[i];
        hash = tm_hash(hash, argument, strlen(argument) + 1);
        if (stat(argument, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MAX_SCRIPT) continue;
        status = tm_build_hash(argument, part, sizeof part, err);
        if (status == TM_OK) hash = tm_hash(hash, part, strlen(part));
    }
    snprintf(text, size, "%016llx", (unsigned long long)hash);
    return status;
}

/* Running it. */

typedef struct values {
    const char *text[N_PLACEHOLDERS];
    char numbers[N_PLACEHOLDERS][16];
} values;

static void fill_values(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                        bool both_at_once, values *out)
{
    const int numbers[N_PLACEHOLDERS] = {0,
                                         n_threads,
                                         both_at_once ? 0 : test->n_prompt,
                                         both_at_once ? 0 : test->n_gen,
                                         n_repetitions,
                                         test->depth};
    for (int i = 0; i < N_PLACEHOLDERS; i++) {
        snprintf(out->numbers[i], sizeof out->numbers[i], "%d", numbers[i]);
        out->text[i] = i == MODEL ? peer->file : out->numbers[i];
    }
}

/* The text with the values of its placeholders; free() it. NULL: no memory. */
static char *expand(const char *text, const values *v)
{
    char *out = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&out, &size);
    while (stream && *text) {
        int i = 0;
        while (i < N_PLACEHOLDERS && strncmp(text, placeholders[i], strlen(placeholders[i])) != 0)
            i++;
        if (i < N_PLACEHOLDERS) fputs(v->text[i], stream);
        if (i == N_PLACEHOLDERS) fputc(*text, stream);
        text += i < N_PLACEHOLDERS ? strlen(placeholders[i]) : 1;
    }
    if (!stream || fclose(stream) == 0) return out;
    free(out);
    return NULL;
}

#define MAX_ARGV (TM_PEER_ARGUMENTS + 24)
typedef struct command_line {
    char *argv[MAX_ARGV + 1];
    int n;
    bool failed;
} command_line;

static void add(command_line *c, const char *text, const values *v)
{
    char *copy = c->n < MAX_ARGV ? expand(text, v) : NULL;
    c->failed = c->failed || !copy;
    if (copy) c->argv[c->n++] = copy;
}

/* Program, the peer's arguments, those of its kind, and llama-bench's for what only it can do. */
static void make_command(const tm_peer *peer, const kind *k, const tm_test *test, const values *v,
                         command_line *out)
{
    const values nothing = {
        .text = {"{model}", "{threads}", "{prompt}", "{gen}", "{repetitions}", "{depth}"}};
    add(out, peer->program, &nothing);
    for (int i = 0; i < peer->n_arguments; i++) add(out, peer->arguments[i], v);
    for (const char *at = k->arguments; *at;) {
        char word[32];
        size_t n = strcspn(at, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, at);
        add(out, word, v);
        at += n + (at[n] == ' ');
    }
    if (k->pattern) return;
    char both[32];
    snprintf(both, sizeof both, "%d,%d", test->n_prompt, test->n_gen);
    if (test->n_prompt > 0 && test->n_gen > 0) {
        add(out, "-pg", v);
        add(out, both, v);
    }
    if (test->depth > 0) {
        add(out, "-d", v);
        add(out, v->text[DEPTH], v);
    }
}

/* Runs one process and reads its answer. A bad exit status after a complete answer is noted: some
 * programs end so whatever happened. */
static tm_status run_once(const tm_peer *peer, const kind *k, char *const *argv,
                          const char *pattern, const tm_test *test, tm_peer_answer *out,
                          tm_error *err)
{
    tm_child *child;
    char *text = NULL;
    size_t length = 0;
    tm_child_end end = {0};
    tm_error why = {0};
    const int64_t begin = tm_now_ns();
    tm_status status = tm_child_open((const char *const *)argv, &child, err);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, MAX_ANSWER, peer->timeout_seconds, peer->interrupt, &text,
                               &length, err);
    tm_child_close(child, status == TM_OK ? GRACE : 0, &end);
    const double seconds = 1e-9 * (double)(tm_now_ns() - begin);
    if (status != TM_OK) return tm_fail_in(err, "the peer %s", peer->name);
    status = k->pattern ? tm_peer_answer_match(pattern, test, text, length, out, &why)
                        : tm_peer_answer_read(text, length, out, &why);
    free(text);
    if (status != TM_OK && !end.ok)
        return tm_fail(err, TM_CHILD, "the peer %s %s%s%s", peer->name, end.reason,
                       end.last_words[0] ? ": " : "", end.last_words);
    if (status != TM_OK) return tm_fail(err, status, "the peer %s: %s", peer->name, why.message);
    out->seconds += seconds;
    if (end.max_rss_bytes > out->max_rss_bytes) out->max_rss_bytes = end.max_rss_bytes;
    if (!end.ok) snprintf(out->ended, sizeof out->ended, "%s", end.reason);
    return TM_OK;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Whether the answer is for what was asked. */
static tm_status check_answer(const tm_peer *peer, const tm_test *test, int n_threads,
                              int n_repetitions, const tm_peer_answer *a, tm_error *err)
{
    if (a->n_prompt != test->n_prompt || a->n_gen != test->n_gen ||
        (a->n_threads >= 0 && a->n_threads != n_threads) || a->n_samples != n_repetitions)
        return tm_fail(err, TM_FORMAT,
                       "the peer %s measured %d prompt and %d generated tokens, %d threads, %d "
                       "times; the request was %d, %d, %d, %d",
                       peer->name, a->n_prompt, a->n_gen, a->n_threads, a->n_samples,
                       test->n_prompt, test->n_gen, n_threads, n_repetitions);
    if (test->depth > 0 && a->depth != test->depth && !tm_peer_is_command(peer))
        return tm_fail(err, TM_FORMAT, "the peer %s did not fill %d tokens of context first",
                       peer->name, test->depth);
    if (a->model_file[0] && strcmp(base_name(a->model_file), base_name(peer->file)) != 0)
        return tm_fail(err, TM_FORMAT, "the peer %s measured the model %s; the request was %s",
                       peer->name, a->model_file, peer->file);
    return TM_OK;
}

/* Whether this kind can run the test. */
static tm_status check_test(const tm_peer *peer, const kind *k, const tm_test *test, tm_error *err)
{
    if (test->n_sequences > 1)
        return tm_fail(err, TM_UNSUPPORTED, "the peer %s: a peer decodes one sequence only",
                       peer->name);
    if (k->pattern && test->n_prompt > 0 && test->n_gen > 0)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the peer %s: only llama-bench times a prompt and its generation together",
                       peer->name);
    if (k->pattern && test->depth > 0 && !has_placeholder(peer, DEPTH))
        return tm_fail(err, TM_UNSUPPORTED,
                       "the peer %s: its command has no {depth} to fill the context before timing",
                       peer->name);
    return TM_OK;
}

tm_status tm_peer_ask(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      tm_peer_answer *out, tm_error *err)
{
    const kind *k = kind_of(peer);
    const bool both_at_once = test->n_prompt > 0 && test->n_gen > 0;
    values v;
    command_line command = {0};
    char *pattern = NULL;
    memset(out, 0, sizeof *out);
    tm_status status = check_test(peer, k, test, err);
    if (status != TM_OK) return status;
    fill_values(peer, test, n_threads, k->pattern ? 1 : n_repetitions, both_at_once, &v);
    make_command(peer, k, test, &v, &command);
    if (k->pattern) pattern = expand(peer->pattern[0] ? peer->pattern : k->pattern, &v);
    if (command.failed || (k->pattern && !pattern))
        status = tm_fail(err, TM_NOMEM, "no memory for the command of a peer");
    for (int i = 0; i < (k->pattern ? n_repetitions : 1) && status == TM_OK; i++)
        status = run_once(peer, k, command.argv, pattern, test, out, err);
    if (status == TM_OK) status = check_answer(peer, test, n_threads, n_repetitions, out, err);
    for (int i = 0; i < command.n; i++) free(command.argv[i]);
    free(pattern);
    return status;
}

double tm_peer_rate(const tm_test *test, const tm_peer_answer *answer)
{
    double rates[TM_PEER_SAMPLES];
    for (int i = 0; i < answer->n_samples; i++)
        rates[i] = 1e9 * (test->n_prompt + test->n_gen) / (double)answer->samples_ns[i];
    return tm_median(rates, answer->n_samples);
}

tm_status tm_peer_run(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      const tm_peer_tokens *tokens, tm_record *records, tm_error *err)
{
    tm_peer_answer *answer = malloc(sizeof *answer);
    if (!answer) return tm_fail(err, TM_NOMEM, "no memory for the answer of a peer");
    tm_status status = tm_peer_ask(peer, test, n_threads, n_repetitions, answer, err);
    double read_gb = NAN;
    if (status == TM_OK && tm_peer_is_odd(peer, test, n_threads, answer))
        read_gb = tm_peer_machine_gb(n_threads);
    for (int i = 0; i < n_repetitions && status == TM_OK; i++) {
        tm_record *r = &records[i];
        memset(r, 0, sizeof *r);
        r->kind = TM_RECORD_SAMPLE;
        strcpy(r->status, "ok");
        r->sample.repetition = i;
        r->sample.elapsed_ns = answer->samples_ns[i];
        r->sample.n_tokens = test->n_prompt + test->n_gen;
        tm_record_sample_miss_figures(&r->sample, "the process of a peer does not report it");
        tm_measured_set(&r->sample.peak_rss_bytes, (double)answer->max_rss_bytes);
        tm_record_mark(r, "timed by the peer itself (%.40s, build %.20s)",
                       answer->model_type[0] ? answer->model_type : "unknown",
                       answer->build[0] ? answer->build : "unknown");
        tm_peer_mark_tokens(tokens, r);
        tm_peer_doubt(peer, test, n_threads, answer, read_gb, r);
    }
    free(answer);
    return status;
}
