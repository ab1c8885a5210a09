/* Whether every kernel computes what the plain one computes, on a whole model, and how far apart
 * its outputs are with activations in halves, in int8 blocks and in int8 tokens.
 *
 * A kernel is compared with the first one of its kind in kernels.def that needs no instruction set.
 * Kernels of ternary layouts are one kind, as they are exact; others must share a layout. Exact
 * kernels must give the same bits at every position. The others may differ by their rounding, see
 * tm_verify_limit.
 */
#ifndef TM_HARNESS_MEASURE_VERIFY_H
#define TM_HARNESS_MEASURE_VERIFY_H

#include "engine/model.h"

typedef struct tm_verify_request {
    tm_source *source;  /* borrowed, open */
    const int32_t *ids; /* [n_ids], evaluated in one batch */
    int n_ids;          /* >= 1 */
    int n_greedy;       /* tokens evaluated after them, one by one */
    int n_threads;
    bool f16_kv, oversubscribe;
    int64_t available_bytes;         /* of memory; -1: unknown */
    const tm_kernel *const *kernels; /* [n_kernels] to verify; NULL: all */
    int n_kernels;
} tm_verify_request;

typedef enum tm_verify_status {
    TM_VERIFY_REFERENCE, /* the others of its kind are compared with it */
    TM_VERIFY_EQUAL,     /* the same bits */
    TM_VERIFY_CLOSE,     /* inexact, within the limit */
    TM_VERIFY_DIFFERENT,
    TM_VERIFY_SKIPPED, /* see the reason */
} tm_verify_status;

/* "reference", "equal", "close", "different", "skipped" */
const char *tm_verify_status_name(tm_verify_status status);

typedef struct tm_verify_row {
    const tm_kernel *kernel, *reference;
    tm_verify_status status;
    char reason[480];       /* SKIPPED: why */
    double distance, limit; /* relative L2 distance of the logits of the worst position */
    int n_same;             /* of n_greedy tokens */
    /* The first logit with other bits; position -1: none. */
    int position;
    int32_t id;
    float value, expected;
} tm_verify_row;

/* How the logits of two kinds of activations differ, over n_ids + n_greedy positions. */
typedef struct tm_verify_activation {
    const char *name;        /* "int8 per token" */
    const tm_kernel *kernel; /* NULL: not computed, see the reason */
    char reason[480];
    double kl;         /* mean Kullback-Leibler divergence from fp16's probabilities, in nats */
    double kl_largest; /* of a position */
    double top1_share; /* of positions with the same most likely token */
    double difference; /* largest difference of a logit */
} tm_verify_activation;

enum { TM_VERIFY_ACTIVATIONS = 2 };

typedef struct tm_verify_result {
    int n_rows, n_different, n_skipped;
    const tm_kernel *fp16; /* the activations are compared with; NULL: see the reason */
    char fp16_reason[480];
    tm_verify_activation activations[TM_VERIFY_ACTIVATIONS];
} tm_verify_result;

/* The largest relative L2 distance that a correct kernel can have from its reference. Activations
 * that are rounded to int8 amplify: where a value rounds the other way, one position moves by some
 * percent (engine/README.md). */
double tm_verify_limit(const tm_kernel *kernel);

/* Fills in the status, distance, limit and first difference of a row with a kernel, from logits
 * [n_positions][n_vocab] of it and of its reference. */
void tm_verify_compare(const float *got, const float *wanted, int n_positions, int n_vocab,
                       tm_verify_row *row);
/* Fills in the figures of an activation, from its logits and fp16's. */
void tm_verify_compare_activation(const float *got, const float *fp16, int n_positions, int n_vocab,
                                  tm_verify_activation *a);

typedef void tm_verify_fn(void *arg, const tm_verify_row *row);

/* Verifies one kernel after the other; `on_row` gets each. Errors: those of the engine, except that
 * a kernel or layout which cannot run this model is skipped. */
tm_status tm_verify(const tm_verify_request *request, tm_verify_fn *on_row, void *arg,
                    tm_verify_result *out, tm_error *err) TM_MUST_USE;

#endif
