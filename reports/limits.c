#include "reports/limits.h"

#include "reports/kernel_names.h"

#include <math.h>
#include <string.h>

tm_measured tm_limit_find(const tm_json *run, const char *kind, int threads)
{
    tm_measured figure = {.value = NAN};
    const tm_json *points = tm_json_get(tm_json_get(run, "roofline"), kind);
    if (!tm_json_is_array(points)) {
        if (tm_json_is_object(tm_json_get(run, "roofline")))
            tm_measured_miss(&figure, "the roofline of the run has no %s", kind);
        else
            tm_measured_miss(&figure, "the run did not measure the limits of the machine");
        return figure;
    }
    for (int i = 0; i < tm_json_count(points); i++) {
        const tm_json *point = tm_json_at(points, i);
        const tm_json *value = tm_json_get(point, "value");
        if (tm_json_double(tm_json_get(point, "threads"), -1.0) != threads) continue;
        if (!tm_json_is_number(value) || !(tm_json_double(value, 0.0) > 0.0)) break;
        const double bytes = tm_json_double(tm_json_get(point, "bytes"), NAN);
        const double caches = tm_json_double(tm_json_get(point, "caches_bytes"), NAN);
        if (bytes <= caches)
            tm_measured_miss(&figure,
                             "the roofline read %.0f MiB of memory, no more than the caches of %d "
                             "thread%s hold (%.0f MiB)",
                             bytes / 0x1p20, threads, tm_plural(threads), caches / 0x1p20);
        else
            tm_measured_set(&figure, tm_json_double(value, NAN));
        return figure;
    }
    tm_measured_miss(&figure, "the roofline of the run has no %s for %d thread%s", kind, threads,
                     tm_plural(threads));
    return figure;
}

tm_measured tm_limit_macs(const tm_json *run, const tm_cell *cell)
{
    const char *arithmetic = tm_cell_arithmetic(cell);
    tm_measured limit = {.value = NAN};
    if (strcmp(arithmetic, "int8") == 0)
        return tm_limit_find(run, "int8_gmac_per_second", cell->threads);
    if (strcmp(arithmetic, "fp32") == 0)
        return tm_limit_find(run, "fp32_gmac_per_second", cell->threads);
    tm_measured_miss(&limit, "the roofline does not measure the peak of %s arithmetic", arithmetic);
    return limit;
}

typedef tm_measured (*run_limit)(const tm_json *run, const tm_cell *cell);

static tm_measured read_limit(const tm_json *run, const tm_cell *cell)
{
    return tm_limit_find(run, "read_gb_per_second", cell->threads);
}

static tm_cell_limit limit_of(const tm_cell_summary *cell, run_limit limit,
                              const tm_measured *units_per_token)
{
    tm_cell_limit out = {.value = {.value = NAN}, .share = {.value = NAN}};
    void *memory;
    tm_error err;
    int n = 0;
    if (tm_alloc(&memory, 2 * (size_t)cell->n_processes + 1, sizeof(double), "limits", &err) !=
        TM_OK) {
        tm_measured_miss(&out.value, "%s", err.message);
        tm_measured_miss(&out.share, "%s", err.message);
        return out;
    }
    double *limits = memory, *shares = limits + cell->n_processes;
    for (int i = 0; i < cell->n_processes; i++) {
        const tm_process *p = &cell->processes[i];
        tm_measured own = limit(p->document, &cell->cell);
        if (isfinite(own.value)) {
            limits[n] = own.value;
            shares[n++] = p->tokens_per_second * units_per_token->value * 1e-9 / own.value;
        } else if (n == 0)
            out.value = own;
    }
    if (n > 0) {
        tm_measured_set(&out.value, tm_median(limits, n));
        double share = tm_median(shares, n);
        if (isfinite(share))
            tm_measured_set(&out.share, share);
        else
            out.share = *units_per_token;
    } else {
        if (cell->n_processes == 0) tm_measured_miss(&out.value, "%s", cell->missing);
        out.share = out.value;
    }
    tm_free(memory);
    return out;
}

tm_cell_limit tm_limit_read(const tm_cell_summary *cell)
{
    return limit_of(cell, read_limit, &cell->bytes_per_token);
}

tm_cell_limit tm_limit_multiply(const tm_cell_summary *cell)
{
    return limit_of(cell, tm_limit_macs, &cell->macs_per_token);
}

static tm_measured clock_limit(const tm_json *run, const tm_cell *cell)
{
    return tm_limit_find(run, "clock_ghz", cell->threads);
}

tm_measured tm_limit_clock(const tm_cell_summary *cell)
{
    const tm_measured none = {.value = 1};
    tm_measured clock = limit_of(cell, clock_limit, &none).value;
    if (!isfinite(clock.value) && isfinite(cell->frequency_after_hz.value))
        tm_measured_set(&clock, cell->frequency_after_hz.value * 1e-9);
    return clock;
}
