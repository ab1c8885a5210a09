/* The values of machines for programs: a row per place, arm, machine and quantity. */
#include "reports/machines_sheet.h"

#include <math.h>
#include <stdio.h>

enum { KERNELS_MAX = 24 };

static const struct {
    const char *name, *unit;
} quantities[TM_MACHINE_QUANTITIES] = {
    [TM_MACHINE_SPEED] = {"speed", "tokens/s"},
    [TM_MACHINE_PER_CORE] = {"speed per core", "tokens/s"},
    [TM_MACHINE_PER_GHZ] = {"speed per GHz", "tokens/s/GHz"},
    [TM_MACHINE_SHARE] = {"share of limit", "%"},
    [TM_MACHINE_JOULES] = {"energy", "J/token"},
    [TM_MACHINE_SPEEDUP] = {"speed-up over baseline", "ratio"},
};

static const char *const arm_names[] = {"ternary", "baseline"};

static void add_start(tm_table *out, const char *origin, const char *machine,
                      const tm_machine_place *place, int threads, const char *arm,
                      const char *kernel, tm_machine_quantity quantity)
{
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", origin);
    tm_table_add_cell(out, "%s", machine);
    tm_table_add_cell(out, "%s", tm_model_label(place->cell->model));
    tm_table_add_cell(out, "%s", place->cell->test);
    tm_table_add_cell(out, "%s", place->threads ? "same threads" : "all cores of each");
    if (threads > 0)
        tm_table_add_cell(out, "%d", threads);
    else
        tm_table_add_cell(out, "%s", "");
    tm_table_add_cell(out, "%s", arm);
    tm_table_add_cell(out, "%s", kernel);
    tm_table_add_cell(out, "%s", quantities[quantity].name);
    tm_table_add_cell(out, "%s", quantities[quantity].unit);
}

static void add_values(const tm_machine_column *machine, const tm_machine_place *place,
                       const char *arm, const tm_machine_values *v, tm_table *out)
{
    const char *origin = tm_model_is_fake(place->cell->model) ? "fake"
                         : machine->emulated                  ? "emulated"
                                                              : "measured";
    for (int q = 0; q < TM_MACHINE_QUANTITIES; q++) {
        const tm_machine_figure *f = &v->figures[q];
        const double numbers[] = {f->value.value, f->value.low, f->value.high};
        char text[64];
        if (!v->cell && q != TM_MACHINE_SPEED) break; /* one reason is enough */
        add_start(out, origin, machine->name, place, v->cell ? v->cell->cell.threads : 0, arm,
                  v->cell ? v->cell->cell.kernel : "", (tm_machine_quantity)q);
        for (int i = 0; i < 3; i++)
            tm_table_add_cell(out, "%s", tm_number_short(numbers[i], 6, text, sizeof text));
        if (isfinite(f->value.value) && f->value.n > 0)
            tm_table_add_cell(out, "%d", f->value.n);
        else
            tm_table_add_cell(out, "%s", "");
        tm_table_add_cell(out, "%s", q == TM_MACHINE_JOULES ? v->scope : "");
        tm_table_add_cell(out, "%s", tm_number_short(v->clock_ghz.value, 5, text, sizeof text));
        tm_table_add_cell(out, "%s", isfinite(f->value.value) ? "" : f->missing);
        tm_table_add_cell(out, "%s", v->unranked);
    }
}

static void add_published(const tm_machines_view *view, const tm_machine_place *place,
                          tm_machine_arm_kind arm, tm_table *out)
{
    for (int m = 0; m < view->others->n; m++) {
        const tm_published_machine *machine = &view->others->items[m];
        const tm_published_value *v =
            tm_published_machine_value(view->published, machine, place, arm, TM_MACHINE_SPEED);
        char text[96];
        if (!v) continue;
        add_start(out, "published", machine->name, place, place->threads, arm_names[arm], v->system,
                  TM_MACHINE_SPEED);
        tm_table_add_cell(out, "%s", tm_number_short(v->value, 9, text, sizeof text));
        for (int i = 0; i < 6; i++) tm_table_add_cell(out, "%s", "");
        tm_published_unstated(v, text, sizeof text);
        tm_table_add_cell(out, "published%s%s", text[0] ? "; " : "", text);
    }
}

static void fill(const tm_machines_view *view, tm_machine_values *values, tm_table *out)
{
    for (int i = 0; i < view->places->n; i++) {
        const tm_machine_place *place = &view->places->items[i];
        const char *kernels[KERNELS_MAX];
        const int n = tm_machine_kernels(view->machines, place, kernels, KERNELS_MAX);
        for (int k = 0; k < 2 + n; k++) {
            const tm_machine_arm arm = {.kind = k < 2 ? (tm_machine_arm_kind)k : TM_MACHINE_KERNEL,
                                        .kernel = k < 2 ? NULL : kernels[k - 2]};
            tm_machines_values(view->machines, place, &arm, values);
            for (int m = 0; m < view->machines->n; m++)
                add_values(&view->machines->items[m], place, k < 2 ? arm_names[k] : "kernel",
                           &values[m], out);
            if (k < 2) add_published(view, place, arm.kind, out);
        }
    }
}

tm_status tm_machines_values_csv(const tm_machines_view *view, tm_table *out, tm_error *err)
{
    static const char *const columns[] = {"origin",    "machine", "model",   "test",     "place",
                                          "threads",   "arm",     "kernel",  "quantity", "unit",
                                          "value",     "low",     "high",    "n",        "scope",
                                          "clock_ghz", "missing", "unranked"};
    void *memory;
    tm_table_init(out, "Values of machines");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        tm_table_add_column(out, columns[i], TM_LEFT);
    tm_status status = tm_alloc(&memory, (size_t)view->machines->n + 1, sizeof(tm_machine_values),
                                "values of machines", err);
    if (status != TM_OK) return status;
    fill(view, memory, out);
    tm_free(memory);
    return out->failed ? tm_fail(err, TM_NOMEM, "out of memory for the values of machines") : TM_OK;
}
