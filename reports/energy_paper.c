/* What 2410.16144 prints about energy, and a saving held against it. */
#include "reports/energy_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

tm_paper_energy tm_energy_paper_cell(const tm_published *published, const char *device,
                                     const char *model)
{
    tm_published_query question = {.paper = TM_PAPER_SPEED,
                                   .table = "Table 6",
                                   .device = device,
                                   .metric = "energy",
                                   .model = tm_model_label(model)};
    tm_paper_energy cell = {.saving_percent = {.value = NAN}};
    question.system = "fp16";
    cell.fp16 = tm_published_figure(published, &question);
    question.system = "bitnet.cpp";
    cell.ternary = tm_published_figure(published, &question);
    if (isfinite(cell.fp16.value) && isfinite(cell.ternary.value))
        tm_measured_set(&cell.saving_percent, 100 * (1 - cell.ternary.value / cell.fp16.value));
    else
        tm_measured_miss(&cell.saving_percent, "%s",
                         isfinite(cell.fp16.value) ? cell.ternary.missing : cell.fp16.missing);
    return cell;
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
    case TM_ENERGY_NOT_REPRODUCED:
        break;
    }
    return "not reproduced";
}

tm_energy_verdict tm_energy_judge(const tm_published *published, const char *architecture,
                                  const tm_interval *saving, char range[48])
{
    tm_published_query question = {.paper = TM_PAPER_SPEED,
                                   .metric = !architecture ? ""
                                             : strcmp(architecture, "x86_64") == 0
                                                 ? "x86 energy reduction"
                                                 : "ARM energy reduction"};
    tm_measured why = {.value = NAN};
    const tm_published_value *claim = tm_published_find(published, &question, &why);
    double low, high;
    snprintf(range, 48, "%s", claim && claim->range ? claim->range : "");
    if (!claim || !claim->range || sscanf(claim->range, "%lf%%-%lf%%", &low, &high) != 2)
        return TM_ENERGY_NO_CLAIM;
    if (!isfinite(saving->value)) return TM_ENERGY_NOT_MEASURED;
    if (!isfinite(saving->low)) return TM_ENERGY_NO_INTERVAL;
    if (saving->low <= 0) return TM_ENERGY_NOT_REPRODUCED;
    if (saving->high < low) return TM_ENERGY_SMALLER;
    return saving->low > high ? TM_ENERGY_LARGER : TM_ENERGY_REPRODUCED;
}
