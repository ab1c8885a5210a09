/* Times of operations against the limits of the machine: rates and percentages of a profile, shared
 * by the profiler and the report. */
#ifndef TM_HARNESS_RECORD_PROFILE_SUM_H
#define TM_HARNESS_RECORD_PROFILE_SUM_H

#include "engine/op_cost.h"

/* The roofline at the thread count of the profile; NaN: not measured. */
typedef struct tm_profile_limits {
    double read_gb_per_second, int8_gmac_per_second, fp32_gmac_per_second, barrier_ns;
} tm_profile_limits;

typedef enum tm_profile_bound {
    TM_BOUND_NONE,
    TM_BOUND_MEMORY,
    TM_BOUND_INT8,
    TM_BOUND_FP32,
    TM_BOUNDS
} tm_profile_bound;
/* "memory", "int8", "fp32"; "" for TM_BOUND_NONE. */
const char *tm_profile_bound_name(tm_profile_bound bound);

/* Bytes of an operation: from memory, and of activations. */
double tm_profile_bytes(const tm_op_cost *cost);
/* The least time that the limits allow for its bytes and products, and which of the two binds. NaN
 * and TM_BOUND_NONE if a limit is missing, or if only activations move, whose caches no limit
 * describes. */
double tm_profile_least_ns(const tm_op_cost *cost, const tm_profile_limits *limits,
                           tm_profile_bound *bound);

/* One operation over all passes of a region, in one layer or in several of the same cost. */
typedef struct tm_profile_part {
    double work_ns, wait_ns; /* mean over the threads; wait: at the barriers after it */
    /* Work if every piece took as long as in its fastest run, mean over the threads. Prefer it on a
     * noisy machine. 0: not known. */
    double best_ns;
    tm_op_cost cost;
} tm_profile_part;

/* A sum of parts, and what limits it. */
typedef struct tm_profile_sum {
    double work_ns, wait_ns, best_ns; /* as in a part */
    double bytes, macs;
    double least_ns;            /* least time of the parts that have a limit; NaN: none has */
    double least_by[TM_BOUNDS]; /* the same, by bound */
    tm_profile_bound bound;     /* of the largest share */
} tm_profile_sum;

/* The empty sum. */
tm_profile_sum tm_profile_sum_none(void);
void tm_profile_sum_add(tm_profile_sum *sum, const tm_profile_part *part,
                        const tm_profile_limits *limits);

/* One row of a table; NaN: not applicable. */
typedef struct tm_profile_row {
    double ns_per_token, wait_ns_per_token, best_ns_per_token, bytes_per_token, macs_per_token;
    double time_percent, wait_percent;     /* of the region, mean over threads */
    double gb_per_second, gmac_per_second; /* over `against_ns` */
    double limit_percent;                  /* the least time as a share of `against_ns` */
    double best_limit_percent;             /* the same of best_ns */
} tm_profile_row;
/* against_ns: the time over which rates are computed: the work of the sum, or longer. */
tm_profile_row tm_profile_row_of(const tm_profile_sum *sum, double against_ns, double region_ns,
                                 int n_tokens);

#endif
