/* What 2410.16144 and 2504.12285 print that a speed-up table can stand beside. */
#include "reports/speedup.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const tm_paper_devices[] = {"Intel Core i7-13700H", "Apple M2 Ultra", NULL};

const char *tm_speedup_origin(const tm_speedup_input *input, const char *model)
{
    if (tm_model_is_fake(model)) return "fake (scripted, tests the harness)";
    return input->emulated ? "emulated (no time means anything)" : "measured";
}

const char *tm_speedup_paper_table(const tm_cell *cell, int cores)
{
    /* Lengths are not stated there; what is sure is that tokens were generated one after the other. */
    if (cell->n_prompt > 0 || cell->depth > 0) return NULL;
    if (cell->threads == 2) return "Table 5";
    return cores > 0 && cell->threads == cores ? "Table 4" : NULL;
}

bool tm_speedup_is_paper_model(const tm_published *published, const char *model)
{
    tm_published_query question = {
        .paper = TM_PAPER_SPEED, .table = "Table 4", .model = tm_model_label(model)};
    return tm_published_count(published, &question) > 0;
}

tm_paper_cell tm_speedup_paper_cell(const tm_published *published, const char *table,
                                    const char *device, const char *model)
{
    tm_published_query question = {.paper = TM_PAPER_SPEED,
                                   .table = table,
                                   .device = device,
                                   .metric = "inference speed",
                                   .model = tm_model_label(model)};
    tm_paper_cell cell;
    question.system = "fp16";
    cell.fp16 = tm_published_figure(published, &question);
    question.system = "bitnet.cpp";
    cell.ternary = tm_published_figure(published, &question);
    cell.ratio = (tm_measured){.value = NAN};
    if (isfinite(cell.fp16.value) && isfinite(cell.ternary.value))
        tm_measured_set(&cell.ratio, cell.ternary.value / cell.fp16.value);
    else
        tm_measured_miss(&cell.ratio, "%s",
                         isfinite(cell.fp16.value) ? cell.ternary.missing : cell.fp16.missing);
    return cell;
}

const tm_published_value *tm_speedup_2b4t_claim(const tm_published *published, tm_measured *why)
{
    tm_published_query question = {.paper = TM_PAPER_2B4T,
                                   .table = "Table 1",
                                   .metric = "decode latency (TPOT)",
                                   .system = "BitNet b1.58 2B"};
    return tm_published_find(published, &question, why);
}
