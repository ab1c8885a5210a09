/* The process that runs one arm: JSON lines in and out.
 *
 * It sends hello (protocol, program), reads one request line, and answers with loaded, checked, one
 * sample per repetition, one profile per test and one energy line per window that the request
 * names, then done; or with an error at any point. An adapter around another engine sends the same
 * lines.
 */
#ifndef TM_HARNESS_MEASURE_WORKER_H
#define TM_HARNESS_MEASURE_WORKER_H

#include "engine/session.h"
#include "harness/measure/backend.h"
#include "harness/measure/profile.h"
#include "harness/probe/energy_source.h"
#include "harness/record/cell_test.h"
#include "harness/record/record.h"

#define TM_WORKER_PROTOCOL 1
/* Pairs of runs of a profile in a sweep: with three, a disturbed run is not the one that is
 * shown. */
#define TM_WORKER_PROFILE_PAIRS 3

/* One test of the request. */
typedef struct tm_worker_test {
    tm_test test;
    int warmup, first_repetition, n_repetitions;
    int n_profile_pairs;    /* of a profile, after all repetitions of all tests; 0: none */
    bool energy[TM_PHASES]; /* windows to measure, after the profiles */
} tm_worker_test;

/* How profiles are made and sent; all zero in a sweep. */
typedef struct tm_worker_profile_options {
    bool fastest; /* show the fastest run with stamps, not the one of median time */
    bool whole;   /* send layers, threads and the sample as well: tm_worker_profile */
    /* Write the events of test I to TRACE.I, numbered first_cell + I; "": no trace. */
    char trace[1024];
    int first_cell;
} tm_worker_profile_options;

/* A profile as `ternmark profile` shows it. */
typedef struct tm_worker_profile {
    tm_profile profile;
    int cpus[TM_BACKEND_CPUS_MAX]; /* of the threads; n_cpus 0: not pinned */
    int n_cpus;
} tm_worker_profile;

typedef struct tm_worker_request {
    tm_cell cell; /* engine, model, kernel, head_kernel, threads */
    tm_worker_test tests[TM_SUITE_MAX];
    int n_tests;
    uint64_t seed; /* below 2^53 */
    bool oversubscribe, f16_kv, check;
    bool reference;     /* also compare the greedy tokens with those of scalar kernels */
    char counters[128]; /* a counter group, by name or file; "": none */
    int cpus[256];      /* to pin to; n_cpus 0: the pool chooses */
    int n_cpus;
    tm_energy_source_options energy; /* source: one by name */
    bool energy_later;               /* the meter of the windows is read afterwards */
    tm_worker_profile_options profile;
} tm_worker_request;

/* Sets everything but f16_kv: what a session needs for these tests and the greedy tokens before
 * them. */
void tm_worker_sizes(const tm_test *tests, int n_tests, tm_session_options *out);

/* One line without its newline; free() it. NULL if memory ran out. */
char *tm_worker_request_print(const tm_worker_request *request);
/* Errors: FORMAT (what is wrong), ARG. */
tm_status tm_worker_request_parse(const char *line, tm_worker_request *out,
                                  tm_error *err) TM_MUST_USE;

typedef enum tm_worker_line_kind {
    TM_WORKER_HELLO,
    TM_WORKER_LOADED,
    TM_WORKER_CHECKED,
    TM_WORKER_SAMPLE,
    TM_WORKER_PROFILE,
    TM_WORKER_ENERGY,
    TM_WORKER_DONE,
    TM_WORKER_ERROR,
} tm_worker_line_kind;

/* One parsed line of a worker. */
typedef struct tm_worker_line {
    tm_worker_line_kind kind;
    int protocol;               /* HELLO */
    char program[96];           /* HELLO: name, version, commit */
    char tokens[24];            /* CHECKED: hash of the greedy tokens; "": not checked */
    int test;                   /* SAMPLE, PROFILE, ENERGY: index into the request's tests */
    tm_record record;           /* the same: the worker's part of the record */
    tm_worker_profile *profile; /* PROFILE, if the request says `whole` and there is one */
    tm_error error;             /* ERROR */
} tm_worker_line;
/* Errors: FORMAT, which quotes the beginning of the line. */
tm_status tm_worker_line_parse(const char *line, tm_worker_line *out, tm_error *err) TM_MUST_USE;

/* The record and the profile of a line; do not call it if they went to another owner. */
void tm_worker_line_free(tm_worker_line *line);

/* Answers a request with loaded, checked and a line per record. tm_worker_serve sends `done` or the
 * error. */
typedef tm_status tm_worker_answer(const tm_worker_request *request, void *arg, int fd,
                                   tm_error *err);
/* Answers with the reference engine. */
tm_worker_answer tm_worker_answer_engine;

/* Sends hello, reads one request from in_fd and answers it on out_fd. An error is sent there as
 * well. */
tm_status tm_worker_serve(tm_worker_answer *answer, void *arg, int in_fd, int out_fd,
                          tm_error *err) TM_MUST_USE;

/* Send a line of an answer: only its kind, or with a record of one of the tests. Errors: IO. */
tm_status tm_worker_say(int fd, const char *kind, tm_error *err) TM_MUST_USE;
tm_status tm_worker_say_record(int fd, const char *kind, const tm_worker_request *request, int test,
                               tm_record *record, tm_error *err) TM_MUST_USE;

#endif
