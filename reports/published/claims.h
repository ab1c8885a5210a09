/* What papers and projects claim, as questions that a machine can answer: one speed-up, speed or
 * saving, of one model and number of threads.
 *
 * Source: results/published/claims.json. It holds no value: each claim refers to rows of
 * tables.jsonl, and a ratio is recomputed from the two values of one table. A group is what the
 * claims of one table share; its models and thread counts give its claims.
 */
#ifndef TM_REPORTS_PUBLISHED_CLAIMS_H
#define TM_REPORTS_PUBLISHED_CLAIMS_H

#include "reports/published/published.h"

typedef enum tm_claim_metric {
    TM_CLAIM_SPEEDUP,           /* tokens/s of the kernel over those of the baseline */
    TM_CLAIM_SAVING_PERCENT,    /* of joules per token against the baseline */
    TM_CLAIM_TOKENS_PER_SECOND, /* absolute values: of one CPU only */
    TM_CLAIM_MS_PER_TOKEN,
    TM_CLAIM_MEMORY_GB, /* these two only where no machine can answer */
    TM_CLAIM_JOULES,
} tm_claim_metric;
/* "speedup", "saving_percent", ... */
const char *tm_claim_metric_name(tm_claim_metric metric);
bool tm_claim_is_relative(tm_claim_metric metric); /* a speed-up or a saving */

#define TM_CLAIM_MODELS_MAX  16
#define TM_CLAIM_THREADS_MAX 16
#define TM_CLAIM_ANY_SHAPE   "*"
#define TM_CLAIM_TERNARY     "ternary" /* the fastest ternary kernel */
#define TM_CLAIM_F16         "f16"     /* the fp16 baseline */

/* A row of tables.jsonl without what its group says. "": not given. "{threads}" in `conditions`
 * stands for the number of threads; the conditions of the row must begin with the text. */
typedef struct tm_claim_figure {
    char paper[48], table[64], device[64]; /* "": those of the group */
    char metric[64], system[48], conditions[48];
} tm_claim_figure;

typedef struct tm_claim_group {
    char id[64];
    char paper[32];  /* as a user names it */
    char source[64]; /* as tables.jsonl names it */
    char table[64], device[64];
    char machine[16]; /* "x86_64", "aarch64"; "gpu"; "any" */
    char cpu[32];     /* part of the CPU's name that an absolute value needs; "": a ratio */
    tm_claim_metric metric;
    char kernel[16], baseline[16]; /* TM_CLAIM_TERNARY, TM_CLAIM_F16 or a layout; "": none here */
    bool is_prompt;                /* the test, a prompt or generation, */
    int length;                    /* and its tokens; 0: not stated */
    double tolerance;              /* of the published value, as a fraction */
    tm_claim_figure figure, over;  /* the value, or the two that it is the ratio of */
    bool has_over;
    tm_claim_figure bandwidth; /* of the machine; metric "": not published */
    char conditions[240], not_stated[160];
    /* Why no measurement answers it: the source's own reasons, or that ternmark lacks the kernel.
     * "": nothing stands against it. */
    char not_comparable[200], not_measured[160];
} tm_claim_group;

typedef struct tm_claim {
    char id[128]; /* of the group, then model and threads where the group has several */
    const tm_claim_group *group;
    char model[64], shape[40]; /* as published; in models.json, "" or TM_CLAIM_ANY_SHAPE */
    int threads;               /* 0: all */
    /* Equal unless a range is printed. NaN, with the reason in `missing`, if nothing is. */
    double low, high;
    char missing[160];
    char printed[48];      /* "4.32", "2.37x-6.17x" */
    double baseline_value; /* the published value of the baseline; NaN: none */
    char bandwidth[24];    /* of the machine in GB/s: "819.2", "<100"; "": not published */
    double bandwidth_gb;   /* the number in it; NaN: none */
} tm_claim;

typedef struct tm_claim_paper {
    char paper[32], title[80];
    char names[4][24]; /* what users also call it */
    int n_names;
} tm_claim_paper;

typedef struct tm_claims {
    tm_claim_paper *papers; /* owned, as the others */
    tm_claim_group *groups;
    tm_claim *items;
    int n_papers, n_groups, n;
} tm_claims;

/* Parses claims.json; `what` names it. published: what the claims refer to; nothing of it is
 * borrowed. Errors: FORMAT (line, key; a group without a paper; a figure that no row or several
 * rows match), NOMEM. Free *out also after an error. */
tm_status tm_claims_parse(const char *text, size_t length, const char *what,
                          const tm_published *published, tm_claims *out, tm_error *err) TM_MUST_USE;
/* The embedded file. Errors: UNSUPPORTED (this build has no such file), FORMAT, NOMEM. */
tm_status tm_claims_load(const tm_published *published, tm_claims *out, tm_error *err) TM_MUST_USE;
void tm_claims_free(tm_claims *claims);

/* The paper of that number or name, in any case. Errors: ARG with the nearest. */
tm_status tm_claims_need_paper(const tm_claims *claims, const char *name,
                               const tm_claim_paper **out, tm_error *err) TM_MUST_USE;
/* "pp512", or "tg" without a stated length. */
char *tm_claim_test(const tm_claim *claim, char out[24]);
/* "2 threads" or "all cores". */
char *tm_claim_threads(const tm_claim *claim, char out[24]);

#endif
