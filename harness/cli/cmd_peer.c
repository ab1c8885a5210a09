/* ternmark peer: tries another engine as --peer of other commands runs it. */
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/peer_options.h"
#include "harness/measure/peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    tm_peer_settings peer;
    const char *model;
    bool check;
    int64_t threads, prompt, gen;
    double timeout;
} settings;

enum { PROMPT, GENERATION, N_TESTS };

/* What one try found. */
typedef struct finding {
    tm_peer peer;
    int n_threads;
    tm_test tests[N_TESTS];
    tm_peer_answer answers[N_TESTS]; /* n_samples 0: the test was left out */
    double machine_gb;               /* NaN: not measured */
    tm_peer_tokens tokens;
    tm_record doubts; /* its marks are the warnings */
} finding;

/* Prompts are computed many tokens at a time, so a prompt as slow as generation means that they are
 * not. */
#define SLOW_PROMPT 1.2
#define LONG_PROMPT 16

static tm_status try_peer(finding *f, tm_error *err)
{
    f->machine_gb = NAN;
    for (int i = 0; i < N_TESTS; i++) {
        const tm_test *test = &f->tests[i];
        if (test->n_prompt + test->n_gen == 0) continue;
        tm_status status = tm_peer_ask(&f->peer, test, f->n_threads, 1, &f->answers[i], err);
        if (status != TM_OK) return status;
        if (tm_peer_is_odd(&f->peer, test, f->n_threads, &f->answers[i]))
            f->machine_gb = tm_peer_machine_gb(f->n_threads);
        tm_peer_doubt(&f->peer, test, f->n_threads, &f->answers[i], f->machine_gb, &f->doubts);
    }
    tm_peer_compare_tokens(&f->peer, f->n_threads, &f->tokens);
    if (f->tokens.n_same < f->tokens.n_compared && !f->tokens.is_tie)
        tm_peer_mark_tokens(&f->tokens, &f->doubts);
    if (f->answers[PROMPT].n_samples > 0 && f->answers[GENERATION].n_samples > 0 &&
        f->tests[PROMPT].n_prompt >= LONG_PROMPT &&
        tm_peer_rate(&f->tests[PROMPT], &f->answers[PROMPT]) <
            SLOW_PROMPT * tm_peer_rate(&f->tests[GENERATION], &f->answers[GENERATION]))
        tm_record_mark(&f->doubts, "prompts are as slow as generation: they seem to run token by "
                                   "token");
    return TM_OK;
}

/* The next warning at *at, each only once; NULL at the end. */
static const char *next_warning(const finding *f, const char **at, char *text, size_t size)
{
    while (**at) {
        const char *end = strstr(*at, "; "), *begin = *at;
        size_t n = end ? (size_t)(end - begin) : strlen(begin);
        *at = begin + n + (end ? 2 : 0);
        snprintf(text, size, "%.*s", (int)n, begin);
        const char *first = strstr(f->doubts.marks, text);
        if (first == begin) return text;
    }
    return NULL;
}

static const char *or_unknown(const char *text)
{
    return text[0] ? text : "not stated";
}

/* Of the last test that ran. */
static const tm_peer_answer *last_answer(const finding *f)
{
    return &f->answers[f->answers[GENERATION].n_samples > 0 ? GENERATION : PROMPT];
}

static void print_text(const finding *f, FILE *out)
{
    const tm_peer_answer *a = last_answer(f);
    char text[240], name[48];
    fprintf(out, "%-10s %s: %s%s%s\n", "peer", f->peer.name, tm_peer_kind(&f->peer),
            a->engine[0] ? " of " : "", a->engine);
    fprintf(out, "%-10s %s\n%-10s %s\n", "program", f->peer.program, "build", or_unknown(a->build));
    fprintf(out, "%-10s %s (%s)\n", "model", f->peer.file, or_unknown(a->model_type));
    fprintf(out, "%-10s %d%s\n", "threads", f->n_threads,
            a->n_threads < 0 ? " requested; it does not state its own" : "");
    fprintf(out, "%-10s %s\n", "back-end", or_unknown(a->backend));
    for (int i = 0; i < N_TESTS; i++) {
        const tm_test *t = &f->tests[i];
        if (f->answers[i].n_samples == 0) continue;
        double gb = tm_peer_read_gb(&f->peer, t, &f->answers[i]);
        tm_test_name(t->n_prompt, t->n_gen, 0, 1, name, sizeof name);
        fprintf(out, "%-10s %.4g tokens/s", name, tm_peer_rate(t, &f->answers[i]));
        if (isfinite(gb)) fprintf(out, ", which reads %.3g GB/s", gb);
        if (isfinite(gb) && isfinite(f->machine_gb))
            fprintf(out, " of the %.3g that this machine can", f->machine_gb);
        fputc('\n', out);
    }
    fprintf(out, "%-10s %.3g GB at its peak\n", "memory", 1e-9 * (double)a->max_rss_bytes);
    if (f->tokens.missing[0])
        fprintf(out, "%-10s not compared: %s\n", "tokens", f->tokens.missing);
    else
        fprintf(out, "%-10s the first %d of %d greedy ones equal ternmark's%s\n", "tokens",
                f->tokens.n_same, f->tokens.n_compared,
                f->tokens.is_tie ? ", up to a near tie" : "");
    for (const char *at = f->doubts.marks, *w; (w = next_warning(f, &at, text, sizeof text));)
        fprintf(out, "%-10s %s\n", "warning", w);
    if (!f->doubts.marks[0])
        fprintf(out, "No warnings. It times itself%s.\n",
                f->tokens.missing[0] ? ", and its results are not checked" : "");
}

static void put_text(tm_json *object, const char *key, const char *text)
{
    if (text[0])
        tm_json_put_string(object, key, text);
    else
        tm_json_put_missing(object, key, "the peer does not state it");
}

static tm_status print_json(const finding *f, FILE *out, tm_error *err)
{
    const tm_peer_answer *a = last_answer(f);
    tm_json *o = tm_json_object(), *tests = tm_json_array(), *warnings = tm_json_array();
    char text[240], name[48];
    tm_json_put_string(o, "name", f->peer.name);
    tm_json_put_string(o, "kind", tm_peer_kind(&f->peer));
    tm_json_put_string(o, "program", f->peer.program);
    tm_json_put_string(o, "model", f->peer.file);
    put_text(o, "engine", a->engine);
    put_text(o, "build", a->build);
    put_text(o, "model_type", a->model_type);
    put_text(o, "backend", a->backend);
    tm_json_put_int(o, "threads", f->n_threads);
    tm_json_put_int(o, "peak_rss_bytes", a->max_rss_bytes);
    tm_json_put_finite(o, "machine_read_gb_per_second", f->machine_gb,
                       "measured only where the peer's rate is unusual");
    if (f->tokens.missing[0]) {
        tm_json_put_missing(o, "equal_tokens", f->tokens.missing);
    } else {
        tm_json_put_int(o, "equal_tokens", f->tokens.n_same);
        tm_json_put_int(o, "compared_tokens", f->tokens.n_compared);
        tm_json_put_bool(o, "tokens_near_tie", f->tokens.is_tie);
    }
    for (int i = 0; i < N_TESTS; i++) {
        const tm_test *t = &f->tests[i];
        if (f->answers[i].n_samples == 0) continue;
        tm_json *test = tm_json_object();
        tm_test_name(t->n_prompt, t->n_gen, 0, 1, name, sizeof name);
        tm_json_put_string(test, "test", name);
        tm_json_put_number(test, "tokens_per_second", tm_peer_rate(t, &f->answers[i]));
        tm_json_put_finite(test, "read_gb_per_second", tm_peer_read_gb(&f->peer, t, &f->answers[i]),
                           "only generation reads the file once per token");
        tm_json_append(tests, test);
    }
    for (const char *at = f->doubts.marks, *w; (w = next_warning(f, &at, text, sizeof text));)
        tm_json_append(warnings, tm_json_string(w));
    tm_json_set(o, "tests", tests);
    tm_json_set(o, "warnings", warnings);
    return tm_print_json(out, o, err);
}

static tm_status check(const settings *s, const tm_peer *peer, tm_call *call, tm_error *err)
{
    finding *f = calloc(1, sizeof *f);
    if (!f) return tm_fail(err, TM_NOMEM, "no memory to try a peer");
    f->peer = *peer;
    f->peer.timeout_seconds = s->timeout;
    const tm_interrupt interrupt = tm_interrupt_open();
    f->peer.interrupt = &interrupt;
    f->n_threads = (int)s->threads;
    f->tests[PROMPT].n_prompt = (int)s->prompt;
    f->tests[GENERATION].n_gen = (int)s->gen;
    if (s->model) tm_peer_doubt_model(peer, s->model, &f->doubts);
    tm_status status = s->prompt + s->gen > 0
                           ? try_peer(f, err)
                           : tm_fail(err, TM_ARG, "--prompt and --gen are both 0");
    if (status == TM_INTERRUPTED) call->exit_status = tm_interrupt_exit_status(&interrupt);
    if (status == TM_FORMAT) call->exit_status = 4; /* as in a run: its cell would fail */
    if (status == TM_OK && strcmp(call->format, "json") == 0)
        status = print_json(f, call->out, err);
    else if (status == TM_OK)
        print_text(f, call->out);
    if (status == TM_OK && f->doubts.marks[0]) call->exit_status = 1;
    free(f);
    return status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    settings *s = arg;
    tm_peers peers;
    s->peer.peers = call->arguments[0];
    tm_status status = tm_peers_parse(&s->peer, &peers, err);
    if (status == TM_OK && peers.n != 1)
        status = tm_fail(err, TM_ARG, "%d peers; expected one", peers.n);
    return status == TM_OK ? check(s, &peers.items[0], call, err) : status;
}

static const tm_option rows[] = {
    {"check", NULL, TM_FLAG(settings, check), NULL, .help = "try the peer once (the default)"},
    {"model", "m", TM_TEXT(settings, model), "MODEL",
     .help = "warn if the file holds a model of another shape: synth:NAME or a GGUF file"},
    {"threads", "t", TM_INTEGER(settings, threads), "N", .help = "threads (default 1)", .low = 1,
     .high = 4096},
    {"prompt", "p", TM_INTEGER(settings, prompt), "N",
     .help = "tokens of the prompt (default 64; 0: no prompt)", .high = 1 << 20},
    {"gen", "n", TM_INTEGER(settings, gen), "N", .help = "tokens to generate (default 16; 0: none)",
     .high = 1 << 20},
    {"timeout", NULL, TM_NUMBER(settings, timeout), "SECONDS",
     .help = "give up on a test that takes longer (default 600)", .low = 0.1, .high = 86400},
    {0},
};

const tm_command tm_command_peer = {
    .name = "peer",
    .synopsis = "[OPTIONS] NAME=PROGRAM,FILE[,ARGUMENT...]",
    .summary = "try another engine, as --peer of other commands runs it",
    .description =
        "Runs another engine once on its model file, and prints what it found: kind, build, model, "
        "back-end, tokens/s and memory. It warns of builds and settings that make a comparison "
        "unfair. A peer is a program with llama-bench's options, bitnet.cpp's e2e_benchmark.py, or "
        "any command that prints tokens/s. The exit status is 1 if there are warnings, and 4 if "
        "the peer fails or its answer cannot be used.",
    .examples = "ternmark peer llama=build/bin/llama-bench,model.gguf -t 4\n"
                "ternmark peer 'hf=python3,model,bench.py,{model},{threads},{gen}' -p 0",
    .formats = (const char *const[]){"text", "json", NULL},
    .options =
        (const tm_option_set[]){{rows, 0}, {tm_peer_options + 1, offsetof(settings, peer)}, {0}},
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.threads = 1, .prompt = 64, .gen = 16, .timeout = 600},
    .run = run,
};
