/* The tables of 2410.16144 and 2504.12285, as the sheets show them next to measured values.
 *
 * A value that a paper does not print is missing with a reason. Ratios and savings are recomputed
 * from the two values of one published cell.
 */
#ifndef TM_REPORTS_PUBLISHED_PAPER_TABLES_H
#define TM_REPORTS_PUBLISHED_PAPER_TABLES_H

#include "harness/stats/stats.h"
#include "reports/published/published.h"

#define TM_PAPER_SPEED        "2410.16144"
#define TM_PAPER_2B4T         "2504.12285"
#define TM_PAPER_2_THREADS    "Table 5" /* tokens/s at 2 threads */
#define TM_PAPER_ALL_THREADS  "Table 4" /* tokens/s at unlimited threads */
#define TM_PAPER_ENERGY_TABLE "Table 6" /* J/token at unlimited threads */

/* The machines of 2410.16144, as parts of their published names; ends with NULL. */
extern const char *const tm_paper_devices[];

/* The speed table that a test at a thread count is comparable with: TM_PAPER_2_THREADS,
 * TM_PAPER_ALL_THREADS, or NULL. cores: physical cores the run could use, 0: not known. */
const char *tm_paper_speed_table(const tm_cell *cell, int cores);
/* "2 threads" or "unlimited threads". */
const char *tm_paper_threads(const char *speed_table);
/* Whether the speed tables, or the energy table, have a shape, by its label. */
bool tm_paper_has_speed(const tm_published *published, const char *shape);
bool tm_paper_has_energy(const tm_published *published, const char *shape);

/* A published cell: the values of both systems, and what follows from them. */
typedef struct tm_paper_cell {
    tm_measured fp16, ternary;  /* tokens/s, or J/token */
    tm_measured ratio;          /* ternary / fp16 of a speed table */
    tm_measured saving_percent; /* of the energy table */
} tm_paper_cell;
tm_paper_cell tm_paper_speed_cell(const tm_published *published, const char *speed_table,
                                  const char *device, const char *shape);
tm_paper_cell tm_paper_energy_cell(const tm_published *published, const char *device,
                                   const char *shape);

/* The CPU decode latency of BitNet-b1.58-2B-4T that 2504.12285 prints, ms per token; NULL and the
 * reason in *why if it is absent. */
const tm_published_value *tm_paper_2b4t_latency(const tm_published *published, tm_measured *why);

/* A measured energy saving compared with the range that the paper claims for an architecture. */
typedef enum tm_energy_verdict {
    TM_ENERGY_NOT_MEASURED,
    TM_ENERGY_NO_CLAIM,       /* the paper claims nothing for this architecture */
    TM_ENERGY_NO_INTERVAL,    /* too few pairs */
    TM_ENERGY_REPRODUCED,     /* the interval overlaps the claimed range */
    TM_ENERGY_LARGER,         /* the interval is above the claimed range */
    TM_ENERGY_SMALLER,        /* the interval is below the claimed range and above 0 */
    TM_ENERGY_INCONCLUSIVE,   /* the interval holds values of the range and no saving as well */
    TM_ENERGY_NOT_REPRODUCED, /* the interval is below the claimed range and reaches 0 or less */
} tm_energy_verdict;
const char *tm_energy_verdict_words(tm_energy_verdict verdict);
/* range[48]: the claimed range as printed; "" without a claim. */
tm_energy_verdict tm_paper_judge_saving(const tm_published *published, const char *architecture,
                                        const tm_interval *saving_percent, char range[48]);

#endif
