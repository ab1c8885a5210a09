#include "reports/limits.h"

#include "reports/kernel_names.h"

#include <math.h>
#include <string.h>

tm_measured tm_limit_find(const tm_json *run, const char *kind, int threads)
{
    tm_measured figure = {.value = NAN};
    const tm_json *points = tm_json_get(tm_json_get(run, "roofline"), kind);
    if (!tm_json_is_array(points)) {
        if (tm_json_get(run, "roofline"))
            tm_measured_miss(&figure, "the roofline of the run has no %s", kind);
        else
            tm_measured_miss(&figure, "no run of this store holds a roofline");
        return figure;
    }
    for (int i = 0; i < tm_json_count(points); i++) {
        const tm_json *point = tm_json_at(points, i);
        const tm_json *value = tm_json_get(point, "value");
        if (tm_json_double(tm_json_get(point, "threads"), -1.0) != threads) continue;
        if (!tm_json_is_number(value) || !(tm_json_double(value, 0.0) > 0.0)) break;
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
