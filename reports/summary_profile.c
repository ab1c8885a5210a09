#include "reports/summary_profile.h"

#include "reports/limits.h"
#include "reports/profile_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The run record that a record belongs to, or NULL if the store lacks it. */
static const tm_json *run_of(const tm_record *records, int n, const char *run)
{
    for (int i = 0; i < n; i++)
        if (records[i].kind == TM_RECORD_RUN && strcmp(records[i].run_id, run) == 0)
            return records[i].run.document;
    return NULL;
}

/* Limits of the same run only: another run may have been on another machine. */
static void put_limits(const tm_json *run, tm_cell_profile *out)
{
    static const char *const kinds[] = {"read_gb_per_second", "int8_gmac_per_second",
                                        "fp32_gmac_per_second"};
    double *const limits[] = {&out->limits.read_gb_per_second, &out->limits.int8_gmac_per_second,
                              &out->limits.fp32_gmac_per_second};
    out->limits.barrier_ns = NAN;
    for (int i = 0; i < 3; i++) {
        tm_measured limit = tm_limit_find(run, kinds[i], out->shown->n_threads);
        *limits[i] = limit.value;
        if (!isnan(limit.value) || out->limits_missing[0]) continue;
        if (tm_json_is_object(tm_json_get(run, "roofline")))
            memcpy(out->limits_missing, limit.missing, sizeof out->limits_missing);
        else
            snprintf(out->limits_missing, sizeof out->limits_missing,
                     "its run did not measure the machine's limits");
    }
}

/* The profile with the `rank`th smallest time, from 0. */
static const tm_record *profile_of_rank(const tm_record **profiles, int n, int rank)
{
    for (int i = 0; i < n; i++) {
        const tm_record_profile *own = &profiles[i]->profile;
        int below = 0;
        if (own->n_entries == 0) continue;
        for (int k = 0; k < n; k++) {
            const tm_record_profile *other = &profiles[k]->profile;
            below += other->n_entries > 0 && (other->region_ns < own->region_ns ||
                                              (other->region_ns == own->region_ns && k < i));
        }
        if (below == rank) return profiles[i];
    }
    return NULL;
}

void tm_cell_profile_make(const tm_record *records, int n_records, const tm_record **profiles,
                          int n, double *values, tm_cell_profile *out)
{
    *out = (tm_cell_profile){.is_asked = n > 0};
    for (int i = 0; i < n; i++) {
        if (profiles[i]->profile.n_entries > 0) {
            values[out->n_processes++] = profiles[i]->profile.overhead;
            continue;
        }
        out->n_lost++;
        memcpy(out->missing, profiles[i]->reason, sizeof out->missing);
    }
    const tm_record *shown = profile_of_rank(profiles, n, (out->n_processes - 1) / 2);
    if (!shown) return;
    out->missing[0] = 0;
    out->shown = &shown->profile;
    const bool few = out->shown->n_pairs < TM_MIN_PAIRS;
    if (out->n_processes > 1)
        out->overhead = tm_processes_interval(values, out->n_processes);
    else
        out->overhead = (tm_interval){.value = out->shown->overhead,
                                      .low = few ? NAN : out->shown->overhead_low,
                                      .high = few ? NAN : out->shown->overhead_high,
                                      .n = out->shown->n_pairs,
                                      .method = "pairs of one process"};
    put_limits(run_of(records, n_records, shown->run_id), out);
}

tm_json *tm_cell_profile_to_json(const tm_cell_profile *p)
{
    const tm_record_profile *table = p->shown;
    tm_json *o = tm_json_object();
    tm_json_put_int(o, "n_processes", p->n_processes);
    tm_json_put_int(o, "n_lost", p->n_lost);
    if (!table) {
        tm_json_put_missing(o, "operations", p->missing);
        return o;
    }
    tm_json_put_int(o, "n_tokens", table->n_tokens);
    tm_json_put_int(o, "n_passes", table->n_passes);
    tm_json_put_int(o, "elapsed_ns", table->elapsed_ns);
    tm_json_put_number(o, "region_ns", table->region_ns);
    tm_json_put_number(o, "idle_ns", table->idle_ns);
    tm_profile_overhead_put(o, &p->overhead);
    tm_json *limits = tm_json_object(), *list = tm_json_array();
    tm_profile_limits_put(limits, &p->limits, p->limits_missing);
    tm_json_set(o, "limits", limits);
    for (int i = 0, end; i < table->n_entries; i = end) {
        end = tm_record_profile_end(table, i);
        tm_profile_sum sum = tm_record_profile_sum(table, &p->limits, i, end);
        tm_json *item = tm_json_object();
        tm_json_put_string(item, "operation", table->entries[i].operation);
        tm_profile_sum_put(item, &sum, table->region_ns, table->n_tokens);
        tm_json_append(list, item);
    }
    tm_json_set(o, "operations", list);
    return o;
}
