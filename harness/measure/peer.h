/* Other engines, run as subprocesses: programs that take llama-bench's options and print its JSON.
 *
 * What they report are their own clock's figures, warmed up by themselves; their results are not
 * checked by us. Both is said in every record that comes from here.
 * Source: llama.cpp examples/llama-bench, whose options and output bitnet.cpp and ik_llama.cpp keep.
 */
#ifndef TM_HARNESS_MEASURE_PEER_H
#define TM_HARNESS_MEASURE_PEER_H

#include "harness/record/record.h"
#include "harness/measure/worker.h"

#define TM_PEER_ENGINE    "llama-bench"
#define TM_PEER_ARGUMENTS 8
#define TM_PEER_TEXT      1024 /* characters of all of it */
#define TM_PEER_SAMPLES   1000 /* repetitions of one test at most */

/* One engine with one model file: what stands for a kernel in its cells. */
typedef struct tm_peer {
    char name[48];                         /* "ik-iq2_bn": its kernel in tables and records */
    char program[256];                     /* path */
    char file[256];                        /* model, in a type of its own */
    char arguments[TM_PEER_ARGUMENTS][32]; /* more of them: "-fa", "1" */
    int n_arguments;
} tm_peer;

/* "NAME=PROGRAM,FILE[,ARGUMENT...]". Errors: ARG (what is missing; a part that is too long; a program or
 * file that cannot be used). */
tm_status tm_peer_parse(const char *text, tm_peer *out, tm_error *err) TM_MUST_USE;

/* What one answer says: one test, its repetitions. */
typedef struct tm_peer_answer {
    char build[48];      /* commit */
    char model_type[96]; /* as it calls the file */
    int n_prompt, n_gen, n_threads;
    int64_t samples_ns[TM_PEER_SAMPLES];
    int n_samples;
} tm_peer_answer;

/* Reads the JSON array of one object. Errors: FORMAT (what is missing, not one object, no samples, a time
 * that is not positive). */
tm_status tm_peer_answer_read(const char *text, size_t length, tm_peer_answer *out,
                              tm_error *err) TM_MUST_USE;

/* Runs one test n_repetitions times in one process and fills records[n_repetitions] (their repetition
 * from `first` on). Errors: UNSUPPORTED (a test it cannot do: a depth, several sequences), CHILD, FORMAT
 * (its answer is of another test), those of tm_child_open. */
tm_status tm_peer_run(const tm_peer *peer, const tm_test *test, int n_threads, int n_repetitions,
                      tm_record *records, tm_error *err) TM_MUST_USE;

/* The same for a worker's request; tm_worker_answer with a tm_peer. */
tm_worker_answer tm_peer_answer_request;

/* "NAME=PROGRAM,FILE,..." again, as tm_peer_parse takes it. */
void tm_peer_print(const tm_peer *peer, char *text, size_t size);

#endif
