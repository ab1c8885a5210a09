#include "harness/record/profile_sum.h"

#include <math.h>

const char *tm_profile_bound_name(tm_profile_bound bound)
{
    static const char *const names[TM_BOUNDS] = {"", "memory", "int8", "fp32"};
    return names[bound];
}

double tm_profile_bytes(const tm_op_cost *cost)
{
    return cost->memory_bytes + cost->activation_bytes;
}

double tm_profile_least_ns(const tm_op_cost *cost, const tm_profile_limits *limits,
                           tm_profile_bound *bound)
{
    double peak = cost->is_int8 ? limits->int8_gmac_per_second : limits->fp32_gmac_per_second;
    double read_ns = tm_profile_bytes(cost) / limits->read_gb_per_second;
    double macs_ns = cost->macs > 0 ? cost->macs / peak : 0;
    *bound = TM_BOUND_NONE;
    if (!(cost->macs > 0) || !isfinite(read_ns) || !isfinite(macs_ns)) return NAN;
    if (read_ns >= macs_ns) {
        *bound = TM_BOUND_MEMORY;
        return read_ns;
    }
    *bound = cost->is_int8 ? TM_BOUND_INT8 : TM_BOUND_FP32;
    return macs_ns;
}

tm_profile_sum tm_profile_sum_none(void)
{
    return (tm_profile_sum){.least_ns = NAN};
}

void tm_profile_sum_add(tm_profile_sum *sum, const tm_profile_part *part,
                        const tm_profile_limits *limits)
{
    tm_profile_bound bound;
    double least = tm_profile_least_ns(&part->cost, limits, &bound);
    sum->work_ns += part->work_ns;
    sum->wait_ns += part->wait_ns;
    sum->best_ns += part->best_ns;
    sum->bytes += tm_profile_bytes(&part->cost);
    sum->macs += part->cost.macs;
    if (bound == TM_BOUND_NONE) return;
    sum->least_ns = isnan(sum->least_ns) ? least : sum->least_ns + least;
    sum->least_by[bound] += least;
    if (sum->least_by[bound] > sum->least_by[sum->bound]) sum->bound = bound;
}

/* A quotient of two amounts that are there. */
static double over(double amount, double ns)
{
    return amount > 0 && ns > 0 ? amount / ns : NAN;
}

tm_profile_row tm_profile_row_of(const tm_profile_sum *sum, double against_ns, double region_ns,
                                 int n_tokens)
{
    return (tm_profile_row){
        .ns_per_token = sum->work_ns / n_tokens,
        .wait_ns_per_token = sum->wait_ns / n_tokens,
        .best_ns_per_token = sum->best_ns > 0 ? sum->best_ns / n_tokens : NAN,
        .bytes_per_token = sum->bytes / n_tokens,
        .macs_per_token = sum->macs / n_tokens,
        .time_percent = 100 * sum->work_ns / region_ns,
        .wait_percent = 100 * sum->wait_ns / region_ns,
        .gb_per_second = over(sum->bytes, against_ns),
        .gmac_per_second = over(sum->macs, against_ns),
        .limit_percent = 100 * over(sum->least_ns, against_ns),
        .best_limit_percent = 100 * over(sum->least_ns, sum->best_ns),
    };
}
