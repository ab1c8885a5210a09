#include "reports/machines_plot.h"

#include "reports/report_plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A question and the values that answer it. */
typedef struct question {
    const char *stem, *title, *y_label;
    tm_machine_quantity quantity;
    bool log_y, has_published, is_of_generation;
} question;

static const question questions[] = {
    {"machines-speed", "Which machine is faster (fastest ternary kernel)", "tokens/s (logarithmic)",
     TM_MACHINE_SPEED, true, true, false},
    {"machines-memory", "Which machine uses its memory better (generation)",
     "share of the machine's own read bandwidth (%)", TM_MACHINE_SHARE, false, false, true},
    {"machines-energy", "Which machine needs fewer joules", "J/token", TM_MACHINE_JOULES, false,
     false, false},
};
enum { N_QUESTIONS = sizeof questions / sizeof *questions };

static bool is_plotted(const tm_machines_view *view, const tm_machine_place *place,
                       const question *q)
{
    return tm_machines_is_shown(view, place) && !tm_model_is_fake(place->cell->model) &&
           !(q->is_of_generation && place->is_prompt);
}

/* "2B-4T tg128, all": a place as a label of the axis, which names the parts. */
static void name_place(const tm_machine_place *place, char text[96])
{
    char threads[16] = "all";
    const char *label = tm_model_label(place->cell->model);
    if (place->threads) snprintf(threads, sizeof threads, "%d", place->threads);
    snprintf(text, 96, "%.30s %.24s, %s", strcmp(label, TM_MODEL_2B4T) == 0 ? "2B-4T" : label,
             place->cell->test, threads);
}

static int colour_of(int series)
{
    return tm_plot_shade_of(series % TM_HUES, series / TM_HUES);
}

/* The points of a machine, with the scope of its joules. */
static int add_machine(const tm_machines_view *view, const question *q, int m,
                       tm_machine_values *values, tm_plot *plot, const char **scope)
{
    int n = 0, x = 0;
    for (int i = 0; i < view->places->n; i++) {
        const tm_machine_place *place = &view->places->items[i];
        const tm_machine_arm ternary = {.kind = TM_MACHINE_TERNARY};
        char label[96];
        if (!is_plotted(view, place, q)) continue;
        x++;
        tm_machines_values(view->machines, place, &ternary, values);
        const tm_interval *value = &values[m].figures[q->quantity].value;
        if (!tm_machines_is_ranked(&values[m], q->quantity, NULL)) continue;
        if (q->quantity == TM_MACHINE_JOULES) {
            /* One axis, one scope. */
            if ((*scope)[0] && strcmp(*scope, values[m].scope) != 0) continue;
            *scope = values[m].scope;
        }
        if (n == 0)
            tm_plot_add_series(plot, view->machines->items[m].name, TM_MEASURED, colour_of(m),
                               m % TM_MARKERS, false);
        name_place(place, label);
        tm_plot_add_tic(plot, x, label);
        tm_plot_add_point(plot, x, value->value, value->low, value->high);
        tm_plot_link(plot, values[m].cell->cell_id);
        n++;
    }
    return n;
}

static void add_published(const tm_machines_view *view, const question *q, int m, tm_plot *plot)
{
    int n = 0, x = 0;
    for (int i = 0; i < view->places->n; i++) {
        const tm_machine_place *place = &view->places->items[i];
        if (!is_plotted(view, place, q)) continue;
        x++;
        const tm_published_value *v = tm_published_machine_value(
            view->published, &view->others->items[m], place, TM_MACHINE_TERNARY, q->quantity);
        if (!v) continue;
        if (n++ == 0)
            tm_plot_add_series(plot, view->others->items[m].name, TM_PUBLISHED,
                               colour_of(view->machines->n + m), m % TM_MARKERS, false);
        tm_plot_add_point(plot, x, v->value, NAN, NAN);
    }
}

/* The machines whose times do not count, as a sentence; "" without any. */
static void name_left_out(const tm_machines_view *view, char *text, size_t size)
{
    text[0] = '\0';
    for (int m = 0; m < view->machines->n; m++)
        if (view->machines->items[m].unranked[0])
            snprintf(text + strlen(text), size - strlen(text), "%s%s (%s)",
                     text[0] ? ", " : " Left out: ", view->machines->items[m].name,
                     view->machines->items[m].unranked);
    if (text[0] && strlen(text) + 2 < size) strcat(text, ".");
}

/* Fills the plot; false, with the reason, if fewer than two machines have a value. */
static bool fill_plot(const tm_machines_view *view, const question *q, tm_machine_values *values,
                      tm_plot *plot, char why[160])
{
    char left_out[300];
    const char *scope = "";
    int n_machines = 0;
    tm_plot_init(plot, q->stem, q->title, "model, test, number of threads", q->y_label);
    plot->log_y = q->log_y;
    plot->is_spread = true;
    for (int m = 0; m < view->machines->n; m++)
        n_machines += add_machine(view, q, m, values, plot, &scope) > 0;
    if (n_machines < 2) {
        snprintf(why, 160, "%.60s: %s that counts; the tables have the reasons", q->title,
                 n_machines ? "only one machine has a value" : "no machine has a value");
        return false;
    }
    for (int m = 0; m < view->others->n && q->has_published; m++) add_published(view, q, m, plot);
    name_left_out(view, left_out, sizeof left_out);
    snprintf(plot->note, sizeof plot->note,
             "%s%s%sBars: within-run 95 %% interval over fresh processes, or their range. Machines "
             "were measured at different times; points are shifted sideways.%s%s",
             scope[0] ? "Scope of the joules: " : "", scope, scope[0] ? ". " : "",
             q->has_published && view->others->n
                 ? " Hollow: printed by others for other programs; lengths and threads may differ."
                 : "",
             left_out);
    return true;
}

tm_status tm_machines_plots(const tm_machines_view *view, tm_plots *out, tm_error *err)
{
    void *memory = NULL;
    tm_status status = tm_alloc(&memory, (size_t)view->machines->n + 1, sizeof(tm_machine_values),
                                "values of machines", err);
    for (int i = 0; i < N_QUESTIONS && status == TM_OK; i++) {
        tm_plot *plot = &out->items[out->n];
        const bool is_kept =
            fill_plot(view, &questions[i], memory, plot, out->reasons[out->n_reasons]);
        if (plot->failed)
            status = tm_fail(err, TM_NOMEM, "plot %s: out of memory", questions[i].stem);
        if (is_kept || plot->failed) {
            out->n++;
        } else {
            out->n_reasons++;
            tm_plot_free(plot);
        }
    }
    tm_free(memory);
    return status;
}
