/* What operations took beside what a machine allows: the one place where the rates and percents of a profile
 * are worked out, for who measures and for who reads a store. */
#ifndef TM_HARNESS_RECORD_PROFILE_SUM_H
#define TM_HARNESS_RECORD_PROFILE_SUM_H

#include "engine/op_cost.h"

/* Of the roofline at the profile's thread count; NaN where it was not measured. */
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
/* "memory", "int8", "fp32"; "" for none. */
const char *tm_profile_bound_name(tm_profile_bound bound);

/* The bytes of an operation, memory's and activations'. */
double tm_profile_bytes(const tm_op_cost *cost);
/* The least time its bytes and products take by the limits, and which of the two binds; NaN and
 * TM_BOUND_NONE where only activations move, which lie in caches that no limit here describes, and
 * where a limit is missing. */
double tm_profile_least_ns(const tm_op_cost *cost, const tm_profile_limits *limits,
                           tm_profile_bound *bound);

/* What one operation took over all passes of a region, in one layer or in several that cost the same. */
typedef struct tm_profile_part {
    double work_ns, wait_ns; /* mean over the threads; waiting at the barriers behind it */
    double best_ns; /* work, if each piece had taken what it took in the best of the runs; mean over
                       the threads: for a machine that others disturb. 0: not known */
    tm_op_cost cost;
} tm_profile_part;

/* Parts added up, and what limits them. */
typedef struct tm_profile_sum {
    double work_ns, wait_ns, best_ns; /* as of one part */
    double bytes, macs;
    double least_ns; /* what the parts that have a limit take at least; NaN where none has */
    double least_by[TM_BOUNDS]; /* the same by what binds them */
    tm_profile_bound bound;     /* of most of it */
} tm_profile_sum;

/* No part yet. */
tm_profile_sum tm_profile_sum_none(void);
void tm_profile_sum_add(tm_profile_sum *sum, const tm_profile_part *part,
                        const tm_profile_limits *limits);

/* What a line of a table says of a sum; NaN where there is nothing to say. */
typedef struct tm_profile_row {
    double ns_per_token, wait_ns_per_token, best_ns_per_token, bytes_per_token, macs_per_token;
    double time_percent, wait_percent;     /* of the region, of the mean thread */
    double gb_per_second, gmac_per_second; /* over `against_ns` */
    double limit_percent;                  /* the least time of `against_ns` */
    double best_limit_percent;             /* and of best_ns */
} tm_profile_row;
/* against_ns: the time that the sum's bytes and products are held against: its own work, or longer. */
tm_profile_row tm_profile_row_of(const tm_profile_sum *sum, double against_ns, double region_ns,
                                 int n_tokens);

#endif
