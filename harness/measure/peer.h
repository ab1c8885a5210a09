/* Other engines, run as subprocesses: programs with llama-bench's options and JSON, and any command
 * that prints tokens per second.
 *
 * They warm up and time themselves, and nothing checks their results. Every record of a peer has a
 * mark that says so, and one for each reason to distrust it (tm_peer_doubt). A kind of peer is a
 * row of the table in peer.c. Source: llama.cpp tools/llama-bench, whose options and output
 * bitnet.cpp and ik_llama.cpp keep.
 */
#ifndef TM_HARNESS_MEASURE_PEER_H
#define TM_HARNESS_MEASURE_PEER_H

#include "harness/base/interrupt.h"
#include "harness/measure/worker.h"
#include "harness/record/record.h"

#define TM_PEER_ARGUMENTS 24
#define TM_PEER_TEXT      4096 /* characters of the whole description */
#define TM_PEER_SAMPLES   1000 /* limit of repetitions of one test */

/* One engine with one model file. Its name takes the place of a kernel in its cells. */
typedef struct tm_peer {
    char name[48];                          /* "ik-iq2_bn" */
    char program[512];                      /* path, found on PATH where it has no slash */
    char file[TM_MODEL_NAME_SIZE];          /* model, in a type that the engine reads */
    char arguments[TM_PEER_ARGUMENTS][128]; /* "-fa", "1"; a command has placeholders in them */
    int n_arguments;
    char pattern[256];      /* of a command: finds its tokens per second; "": the usual one */
    double timeout_seconds; /* longest silence, and a peer is silent until it is done */
    const tm_interrupt *interrupt; /* ends all processes of the peer; borrowed; NULL: never */
} tm_peer;

/* "NAME=PROGRAM,FILE[,ARGUMENT...]". pattern: for peers that are commands; NULL: the usual one.
 * Errors: ARG (a missing part; one that is too long; a program or file that cannot be used; a
 * pattern that PCRE2 cannot compile, or without a group). */
tm_status tm_peer_parse(const char *text, const char *pattern, tm_peer *out,
                        tm_error *err) TM_MUST_USE;
/* Whether its arguments have placeholders: it is any command, read by a pattern. */
bool tm_peer_is_command(const tm_peer *peer);
/* "llama-bench", "e2e_benchmark.py" or "command". */
const char *tm_peer_kind(const tm_peer *peer);
/* "NAME=PROGRAM,FILE,...", as tm_peer_parse reads it. */
void tm_peer_print(const tm_peer *peer, char *text, size_t size);
/* Changes when the program, its arguments, a script among them or the pattern does. Errors: IO. */
tm_status tm_peer_hash(const tm_peer *peer, char *text, size_t size, tm_error *err) TM_MUST_USE;

/* The repetitions of one test, and what the peer says about itself: "" or -1 where it is silent. */
typedef struct tm_peer_answer {
    char engine[48];     /* "ik_llama.cpp", as its keys tell; "": unknown */
    char build[48];      /* commit */
    char model_type[96]; /* as the peer names it */
    char model_file[TM_MODEL_NAME_SIZE];
    char backend[64]; /* "CPU", "BLAS", "CUDA" */
    char gpu[96];     /* a GPU that it may use */
    double model_bytes, n_parameters;
    int n_prompt, n_gen, depth, n_threads, n_batch;
    int64_t samples_ns[TM_PEER_SAMPLES];
    int n_samples;
    /* Measured here, of the process or the largest of several. */
    int64_t max_rss_bytes;
    double seconds;  /* from start to end, of all processes */
    char ended[120]; /* "exited with 1" after a complete answer; "": well */
} tm_peer_answer;

/* Reads a JSON array of one object, among other lines. Errors: FORMAT (a missing key, not one
 * object, no samples, a time that is not possible). */
tm_status tm_peer_answer_read(const char *text, size_t length, tm_peer_answer *out,
                              tm_error *err) TM_MUST_USE;
/* Reads the output of one process by a pattern, and adds one sample. The last match counts. The
 * groups pp and tg are the tokens per second of a prompt and of generation; without them, the first
 * group without a name is. threads, batch, backend, model and build may be groups as well. Errors:
 * FORMAT (no match, a rate that is not possible), UNSUPPORTED (no group for this test), ARG. */
tm_status tm_peer_answer_match(const char *pattern, const tm_test *test, const char *text,
                               size_t length, tm_peer_answer *out, tm_error *err) TM_MUST_USE;
/* Errors: ARG if PCRE2 cannot compile it, or if it has no group. */
tm_status tm_peer_pattern_check(const char *pattern, tm_error *err) TM_MUST_USE;

/* Runs one test n_repetitions times. Errors: UNSUPPORTED (several sequences, a depth or a test that
 * this kind cannot run), CHILD, TIMEOUT, FORMAT (the answer is for another test or model), those of
 * tm_child_open. */
tm_status tm_peer_ask(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      tm_peer_answer *out, tm_error *err) TM_MUST_USE;
/* Tokens per second, median of the samples. */
double tm_peer_rate(const tm_test *test, const tm_peer_answer *answer);

/* Bytes per second that a generation at this speed reads, 1e9 each: the model file once per token.
 * NaN: unknown, or not a generation. */
double tm_peer_read_gb(const tm_peer *peer, const tm_test *test, const tm_peer_answer *answer);
/* Whether that is so far from what a processor does that it should be compared with what this
 * machine reads. */
bool tm_peer_is_odd(const tm_peer *peer, const tm_test *test, int n_threads,
                    const tm_peer_answer *answer);
/* What this machine reads with so many threads, in 1e9 bytes/s; NaN if it cannot be measured. */
double tm_peer_machine_gb(int n_threads);
/* Marks the record if the peer's file holds a model of another shape than `model`, as far as both
 * can be read. */
void tm_peer_doubt_model(const tm_peer *peer, const char *model, tm_record *record);
/* Marks the record with every reason to distrust the answer. read_gb: of tm_peer_machine_gb, NaN if
 * it is not known. */
void tm_peer_doubt(const tm_peer *peer, const tm_test *test, int n_threads,
                   const tm_peer_answer *answer, double read_gb, tm_record *record);

/* Greedy tokens of a program beside the peer, after a fixed text, against those of our engine on
 * the same file. */
typedef struct tm_peer_tokens {
    int n_same, n_compared; /* 0: see missing */
    bool is_tie;            /* they differ where two tokens were almost as likely: by rounding */
    char missing[208];      /* why there is no comparison; "": there is one */
} tm_peer_tokens;
void tm_peer_compare_tokens(const tm_peer *peer, int n_threads, tm_peer_tokens *out);
/* Marks the record with the outcome; NULL: another process compares them. */
void tm_peer_mark_tokens(const tm_peer_tokens *tokens, tm_record *record);

/* Fills records[n_repetitions] with what tm_peer_ask answers, and its marks. tokens: NULL if they
 * were not compared. Errors: those of tm_peer_ask. */
tm_status tm_peer_run(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      const tm_peer_tokens *tokens, tm_record *records, tm_error *err) TM_MUST_USE;

/* The same for the request of a worker: a tm_worker_answer whose argument is a tm_peer. */
tm_worker_answer tm_peer_answer_request;

#endif
