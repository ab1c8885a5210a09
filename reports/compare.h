/* Compares two cells: pairs of processes -> ratio with an interval -> verdict.
 *
 * A pair is two processes with the same number in one run: they ran next to each other, so that
 * slow drift of the machine cancels out of their ratio. Where the store has their times of day, a
 * pair that lies much further apart than the others does not count: the machine was suspended
 * between. `arms.h` compares any two arms by other metrics, for `compare` and `gate`.
 */
#ifndef TM_REPORTS_COMPARE_H
#define TM_REPORTS_COMPARE_H

#include "reports/summary.h"

/* A pair counts if the time between its processes is at most this, or at most that many times the
 * median over the pairs: slow models lie far apart, all of them. */
#define TM_PAIR_GAP_SECONDS 600.0
#define TM_PAIR_GAP_FACTOR  4.0

typedef enum tm_verdict {
    TM_VERDICT_MISSING,       /* no pair; comparison->missing has the reason */
    TM_VERDICT_NO_INTERVAL,   /* too few pairs: a ratio of unknown uncertainty */
    TM_VERDICT_NO_DIFFERENCE, /* the interval contains 1: no difference shown, not "equal" */
    TM_VERDICT_FASTER,        /* a is faster: the interval is above 1 */
    TM_VERDICT_SLOWER,        /* a is slower: the interval is below 1 */
    TM_VERDICT_INCONCLUSIVE,  /* the control quantity moved as well */
} tm_verdict;

typedef struct tm_comparison {
    const tm_cell_summary *a, *b; /* borrowed from the summaries */
    int n_pairs;
    int n_unpaired;              /* processes of a and b without a partner in any cell */
    int n_apart;                 /* pairs that do not count because of the time between */
    double gap_seconds;          /* longest time between the processes of a pair; NaN: not known */
    double *a_values, *b_values; /* [n_pairs] tokens/s by process number; owned */
    bool *first_is_a;            /* [n_pairs]; owned */
    int n_candidates;            /* kernels that `a` is the fastest of, by these samples; else 1 */
    double confidence;           /* requested for `ratio` */
    tm_interval ratio;           /* a / b in tokens/s; above 1: a is faster */
    tm_interval ratio_t;         /* the same by t on logs, as a cross-check */
    /* Speed in the second slot over speed in the first; 1: the order did not matter. */
    tm_interval slot;
    bool slot_moved;     /* the interval of `slot` excludes 1 */
    tm_interval control; /* a / b of the control quantity; NaN without one */
    bool control_moved;  /* the interval of `control` excludes 1 */
    tm_verdict verdict;
    char missing[480]; /* why there is no ratio; "" when there is one */
    char warning[960]; /* "" without a warning */
} tm_comparison;

/* Compares a with b. NULL, or a cell without a value, gives a comparison with the reason in
 * `missing`. Errors: NOMEM. */
tm_status tm_compare_cells(const tm_cell_summary *a, const tm_cell_summary *b, tm_comparison *out,
                           tm_error *err) TM_MUST_USE;
/* The same; processes that are partners of another cell of `all` do not count as unpaired. */
tm_status tm_compare_among(const tm_summaries *all, const tm_cell_summary *a,
                           const tm_cell_summary *b, tm_comparison *out, tm_error *err) TM_MUST_USE;
/* Widens the interval of a comparison whose `a` is the fastest of n kernels by the same samples, so
 * that it covers all n ratios together (Bonferroni). The value stays; it is slightly too high. */
void tm_comparison_widen(tm_comparison *comparison, int n_candidates);
/* Appends how `a` was chosen and what that does to the ratio; nothing if it was not chosen. */
void tm_comparison_choice(const tm_comparison *comparison, char *text, size_t size);
void tm_comparison_free(tm_comparison *comparison);

#endif
