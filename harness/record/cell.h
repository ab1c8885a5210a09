/* A cell: one point of a sweep, and how it is named. It is not a result: records hold those. */
#ifndef TM_HARNESS_RECORD_CELL_H
#define TM_HARNESS_RECORD_CELL_H

#include "harness/machine/cpu_choice.h"

#include <stdbool.h>
#include <stddef.h>

/* The engine of another program, which has its own file of the model. */
#define TM_PEER_ENGINE "peer"

/* Roles of cells. */
#define TM_ROLE_BASELINE "baseline" /* fp16, which speed-ups are computed over */
#define TM_ROLE_TERNARY  "ternary"
#define TM_ROLE_PEER     "peer" /* another engine */
#define TM_ROLE_AA       "aa"   /* an arm of `compare --aa`, which reports leave out */

/* Holds the paths of a download cache, whose folders alone have 140 characters. */
#define TM_MODEL_NAME_SIZE 512

typedef struct tm_cell {
    char engine[32];                /* "ternmark", "null", "peer" */
    char model[TM_MODEL_NAME_SIZE]; /* as the suite names it: "synth:125M", "file.gguf" */
    char kernel[48];                /* resolved name, never "auto" */
    char head_kernel[48];
    /* The names in the suite ("auto", "ternary", a kernel). They are not part of the cell's
     * identity. "": not known. */
    char kernel_asked[48], head_asked[48];
    char model_hash[24];  /* of the model's identity: file, or shape and seed; "": not known */
    char model_shape[32]; /* short name of its shape in models.json; "": none, or not known */
    char arithmetic[8];   /* of the kernel: "int8", "fp32", "bf16"; "": not known, or a peer's */
    int threads;
    int n_prompt, n_gen;           /* tokens; one of them is 0 unless the test is pp+tg */
    int depth;                     /* tokens in the KV cache before timing begins */
    int n_sequences;               /* decoded together, one token of each per pass; 0 and 1: one */
    char test[48];                 /* "pp512", "tg128", "pp512+tg128", then "@d1024", "@b8" */
    char role[16];                 /* one of the above */
    char cpus[TM_CPU_CHOICE_SIZE]; /* that it may use: "performance", "0-3,8"; "": all */
    /* How its process differs from one that the other fields describe: "isa=avx2,kv=f32". "": it
     * does not. */
    char variant[96];
    /* Set by tm_summaries_make, 0 before: which machine of the records it was measured on. A store
     * may hold cells of several machines; they are never one cell. */
    int machine;
} tm_cell;

/* Hash of what identifies a cell: its fields except the role and the names in the suite, the build
 * of the worker, and the identity of the model. */
void tm_cell_id(const tm_cell *cell, const char *build, const char *model_identity, char id[24]);

/* Whether another program ran it; stores of versions up to 0.2 call its engine "llama-bench". */
bool tm_cell_is_peer(const tm_cell *cell);

/* Sets model_hash. */
void tm_cell_set_model(tm_cell *cell, const char *model_identity);

/* "pp512", "tg128", "pp512+tg128", followed by "@d1024" if depth > 0 and "@b8" if n_sequences >
 * 1. */
void tm_test_name(int n_prompt, int n_gen, int depth, int n_sequences, char *text, size_t size);

/* " on performance cores", " on CPUs 0-3", or "" for all. Returns text. */
char *tm_cell_cpus_text(const tm_cell *cell, char *text, size_t size);

/* "synth:125M f16_fma_avx2 2 threads tg16"; " head NAME" follows the kernel unless the head is
 * fp16, "on performance cores" or "on CPUs 0-3" the threads, and the variant comes last. Returns
 * text. */
char *tm_cell_label(const tm_cell *cell, char *text, size_t size);

#endif
