#include "reports/published/paper_tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const tm_paper_devices[] = {"Intel Core i7-13700H", "Apple M2 Ultra", NULL};

const char *tm_paper_speed_table(const tm_cell *cell, int cores)
{
    /* The paper does not state lengths; it measures generation without a prompt or context. */
    if (cell->n_prompt > 0 || cell->depth > 0) return NULL;
    if (cell->threads == 2) return TM_PAPER_2_THREADS;
    return cores > 0 && cell->threads == cores ? TM_PAPER_ALL_THREADS : NULL;
}

const char *tm_paper_threads(const char *speed_table)
{
    return strcmp(speed_table, TM_PAPER_2_THREADS) == 0 ? "2 threads" : "unlimited threads";
}

bool tm_paper_has_speed(const tm_published *published, const char *shape)
{
    tm_published_query query = {
        .paper = TM_PAPER_SPEED, .table = TM_PAPER_ALL_THREADS, .model = shape};
    return tm_published_count(published, &query) > 0;
}

bool tm_paper_has_energy(const tm_published *published, const char *shape)
{
    tm_published_query query = {.paper = TM_PAPER_SPEED,
                                .table = TM_PAPER_ENERGY_TABLE,
                                .metric = "energy",
                                .model = shape};
    return tm_published_count(published, &query) > 0;
}

/* Both values of a cell; ratio and saving are left missing. */
static tm_paper_cell find_cell(const tm_published *published, tm_published_query query)
{
    tm_paper_cell cell = {.ratio = {.value = NAN}, .saving_percent = {.value = NAN}};
    query.system = "fp16";
    cell.fp16 = tm_published_figure(published, &query);
    query.system = "bitnet.cpp";
    cell.ternary = tm_published_figure(published, &query);
    return cell;
}

/* Sets what follows from both values, or copies the reason that one of them is missing. */
static void set_derived(const tm_paper_cell *cell, tm_measured *derived, double value)
{
    if (!isfinite(cell->fp16.value))
        tm_measured_miss(derived, "%s", cell->fp16.missing);
    else if (!isfinite(cell->ternary.value))
        tm_measured_miss(derived, "%s", cell->ternary.missing);
    else
        tm_measured_set(derived, value);
}

tm_paper_cell tm_paper_speed_cell(const tm_published *published, const char *speed_table,
                                  const char *device, const char *shape)
{
    tm_paper_cell cell = find_cell(published, (tm_published_query){.paper = TM_PAPER_SPEED,
                                                                   .table = speed_table,
                                                                   .device = device,
                                                                   .metric = "inference speed",
                                                                   .model = shape});
    set_derived(&cell, &cell.ratio, cell.ternary.value / cell.fp16.value);
    return cell;
}

tm_paper_cell tm_paper_energy_cell(const tm_published *published, const char *device,
                                   const char *shape)
{
    tm_paper_cell cell = find_cell(published, (tm_published_query){.paper = TM_PAPER_SPEED,
                                                                   .table = TM_PAPER_ENERGY_TABLE,
                                                                   .device = device,
                                                                   .metric = "energy",
                                                                   .model = shape});
    set_derived(&cell, &cell.saving_percent, 100 * (1 - cell.ternary.value / cell.fp16.value));
    return cell;
}

const tm_published_value *tm_paper_2b4t_latency(const tm_published *published, tm_measured *why)
{
    tm_published_query query = {.paper = TM_PAPER_2B4T,
                                .table = "Table 1",
                                .metric = "decode latency (TPOT)",
                                .system = "BitNet b1.58 2B"};
    return tm_published_find(published, &query, why);
}

const char *tm_energy_verdict_words(tm_energy_verdict verdict)
{
    switch (verdict) {
    case TM_ENERGY_NOT_MEASURED:
        return "not measured";
    case TM_ENERGY_NO_CLAIM:
        return "nothing claimed";
    case TM_ENERGY_NO_INTERVAL:
        return "no interval";
    case TM_ENERGY_REPRODUCED:
        return "reproduced";
    case TM_ENERGY_LARGER:
        return "same direction, larger";
    case TM_ENERGY_SMALLER:
        return "same direction, smaller";
    case TM_ENERGY_INCONCLUSIVE:
        return "inconclusive";
    case TM_ENERGY_NOT_REPRODUCED:
        break;
    }
    return "not reproduced";
}

tm_energy_verdict tm_paper_judge_saving(const tm_published *published, const char *architecture,
                                        const tm_interval *saving, char range[48])
{
    tm_published_query query = {.paper = TM_PAPER_SPEED,
                                .metric = !architecture                         ? ""
                                          : strcmp(architecture, "x86_64") == 0 ? "x86 energy "
                                                                                  "reduction"
                                                                                : "ARM energy "
                                                                                  "reduction"};
    tm_measured why = {.value = NAN};
    const tm_published_value *claim = tm_published_find(published, &query, &why);
    double low, high;
    snprintf(range, 48, "%s", claim && claim->range ? claim->range : "");
    if (!claim || !claim->range || sscanf(claim->range, "%lf%%-%lf%%", &low, &high) != 2)
        return TM_ENERGY_NO_CLAIM;
    if (!isfinite(saving->value)) return TM_ENERGY_NOT_MEASURED;
    if (!isfinite(saving->low)) return TM_ENERGY_NO_INTERVAL;
    if (saving->low <= 0)
        return saving->high < low ? TM_ENERGY_NOT_REPRODUCED : TM_ENERGY_INCONCLUSIVE;
    if (saving->high < low) return TM_ENERGY_SMALLER;
    return saving->low > high ? TM_ENERGY_LARGER : TM_ENERGY_REPRODUCED;
}
