/* Other engines, run as subprocesses: programs that take llama-bench's options and print its JSON.
 *
 * They warm up and time themselves, and nothing checks their results. Every record of a peer has a
 * mark that says so. Source: llama.cpp examples/llama-bench, whose options and output bitnet.cpp
 * and ik_llama.cpp keep.
 */
#ifndef TM_HARNESS_MEASURE_PEER_H
#define TM_HARNESS_MEASURE_PEER_H

#include "harness/measure/worker.h"
#include "harness/record/record.h"

#define TM_PEER_ENGINE    "llama-bench"
#define TM_PEER_ARGUMENTS 8
#define TM_PEER_TEXT      1024 /* characters of the whole description */
#define TM_PEER_SAMPLES   1000 /* limit of repetitions of one test */

/* One engine with one model file. Its name takes the place of a kernel in its cells. */
typedef struct tm_peer {
    char name[48];                         /* "ik-iq2_bn" */
    char program[256];                     /* path */
    char file[256];                        /* model, in a type that the engine reads */
    char arguments[TM_PEER_ARGUMENTS][32]; /* additional ones: "-fa", "1" */
    int n_arguments;
} tm_peer;

/* "NAME=PROGRAM,FILE[,ARGUMENT...]". Errors: ARG (a missing part; one that is too long; a program
 * or file that cannot be used). */
tm_status tm_peer_parse(const char *text, tm_peer *out, tm_error *err) TM_MUST_USE;

/* One answer: the repetitions of one test. */
typedef struct tm_peer_answer {
    char build[48];      /* commit */
    char model_type[96]; /* as the peer names it */
    int n_prompt, n_gen, n_threads;
    int64_t samples_ns[TM_PEER_SAMPLES];
    int n_samples;
} tm_peer_answer;

/* Reads a JSON array of one object. Errors: FORMAT (a missing key, not one object, no samples, a
 * time that is not positive). */
tm_status tm_peer_answer_read(const char *text, size_t length, tm_peer_answer *out,
                              tm_error *err) TM_MUST_USE;

/* Runs one test n_repetitions times in one process and fills records[n_repetitions]. Errors:
 * UNSUPPORTED (a depth, several sequences), CHILD, FORMAT (the answer is for another test), those
 * of tm_child_open. */
tm_status tm_peer_run(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      tm_record *records, tm_error *err) TM_MUST_USE;

/* The same for the request of a worker: a tm_worker_answer whose argument is a tm_peer. */
tm_worker_answer tm_peer_answer_request;

/* "NAME=PROGRAM,FILE,...", as tm_peer_parse reads it. */
void tm_peer_print(const tm_peer *peer, char *text, size_t size);

#endif
