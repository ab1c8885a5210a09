/* Judges published claims by the cells of stores: reproduced or not, and why.
 *
 * A speed-up or a saving is compared with machines of the architecture that the claim is about, an
 * absolute value with the same CPU only. The interval of the measurement decides, against the
 * published value with its tolerance. A claim that nothing measured answers gets no verdict but the
 * reason.
 */
#ifndef TM_REPORTS_REPRODUCE_H
#define TM_REPORTS_REPRODUCE_H

#include "reports/compare.h"
#include "reports/output/table.h"
#include "reports/published/claims.h"
#include "reports/report.h"

typedef enum tm_claim_verdict {
    TM_CLAIM_REPRODUCED,     /* the interval overlaps the published value with its tolerance */
    TM_CLAIM_SMALLER,        /* the same direction, and less than published */
    TM_CLAIM_LARGER,         /* the same direction, and more than published */
    TM_CLAIM_NOT_REPRODUCED, /* no effect, or the other direction; an absolute value: not reached */
    TM_CLAIM_NOT_COMPARABLE, /* no measurement on these machines could answer it */
    TM_CLAIM_NOT_MEASURED,   /* one could, and the stores have none */
    TM_CLAIM_N_VERDICTS,
} tm_claim_verdict;
/* "reproduced", "same direction, smaller", ... */
const char *tm_claim_verdict_name(tm_claim_verdict verdict);

typedef struct tm_claim_result {
    const tm_claim *claim; /* borrowed */
    tm_claim_verdict verdict;
    char reason[480];
    /* In the claim's unit; NaN: not measured. For a claim over several models: their geometric
     * mean, and the smallest and the largest of them. */
    tm_interval measured;
    /* Speed-ups only: the same kernel over our fp16 and over the fastest fp16 peer of the stores.
     * NaN, with the reason below. */
    tm_interval over_f16, over_peer;
    char f16_missing[160], peer_missing[160];
    char peer[48];
    /* What the published fp16 baseline read: tokens/s times the bytes of its weights. */
    tm_measured baseline_gb_per_second;
    /* What our fp16 baseline read, and its share of what this machine can read. */
    tm_measured f16_gb_per_second, f16_share;
} tm_claim_result;

typedef struct tm_claim_results {
    tm_claim_result *items; /* owned */
    int n;
    int counts[TM_CLAIM_N_VERDICTS];
} tm_claim_results;

typedef struct tm_reproduce_input {
    const tm_claims *claims;
    const char *paper;             /* NULL: all */
    const tm_summaries *summaries; /* [n_stores] of each store */
    int n_stores;
    const tm_model_size *sizes; /* [n_sizes] of models, by shape */
    int n_sizes;
} tm_reproduce_input;

/* Errors: NOMEM. Free *out also after an error. */
tm_status tm_reproduce_judge(const tm_reproduce_input *input, tm_claim_results *out,
                             tm_error *err) TM_MUST_USE;
void tm_claim_results_free(tm_claim_results *results);

/* The verdict on an interval: see tm_claim_verdict. Inconclusive, which is NOT_MEASURED, if the
 * interval holds both the published value and no effect. claim->low must be a number. */
tm_claim_verdict tm_claim_judge(const tm_claim *claim, const tm_interval *measured);

/* 0: judged, and none is "not reproduced"; 1: one is; 3: none could be judged. */
int tm_claim_results_status(const tm_claim_results *results);

/* format: of TM_TABLE_FORMATS, or "json". Claims of one group that were not judged for the same
 * reason share a row of the tables. Errors: ARG, NOMEM. */
tm_status tm_claim_results_write(const tm_claims *claims, const tm_claim_results *results,
                                 const char *format, tm_text *out, tm_error *err) TM_MUST_USE;
/* The table for people. Free it with tm_table_free. */
void tm_claim_results_table(const tm_claims *claims, const tm_claim_results *results,
                            tm_table *out);
/* Appends "12 claims: 3 reproduced, 9 not measured". */
void tm_claim_results_tally(const tm_claim_results *results, tm_text *out);

#endif
