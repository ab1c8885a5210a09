/* Plots of the energy windows: joules against speed, and power over time. */
#include "reports/kernel_names.h"
#include "reports/report_parts.h"
#include "reports/report_plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WINDOWS_MAX = 16, MARK_TERNARY = 0, MARK_BASELINE = 1, MARK_OTHER = 3 };

static int marker_of(const tm_cell *cell)
{
    return strcmp(cell->role, TM_ROLE_TERNARY) == 0    ? MARK_TERNARY
           : strcmp(cell->role, TM_ROLE_BASELINE) == 0 ? MARK_BASELINE
                                                       : MARK_OTHER;
}

static const char *role_of(const tm_cell *cell)
{
    int marker = marker_of(cell);
    return marker == MARK_TERNARY    ? "ternary"
           : marker == MARK_BASELINE ? tm_cell_weights(cell)
                                     : cell->kernel;
}

/* Whether a cell has joules for generated tokens. */
static bool is_shown(const tm_report_view *view, const tm_cell_summary *s)
{
    const tm_energy_phase *e = &s->energy.phases[TM_PHASE_GENERATION];
    return !s->superseded && s->cell.machine == view->machine && s->cell.n_prompt == 0 &&
           !tm_model_is_fake(s->cell.model) && isfinite(s->tokens_per_second.value) &&
           isfinite(e->joules_per_token.value);
}

/* A series is a model in one role by one meter: joules of different scopes are not comparable. */
static bool same_series(const tm_cell_summary *a, const tm_cell_summary *b)
{
    const tm_energy_phase *x = &a->energy.phases[TM_PHASE_GENERATION];
    const tm_energy_phase *y = &b->energy.phases[TM_PHASE_GENERATION];
    return strcmp(a->cell.model, b->cell.model) == 0 &&
           marker_of(&a->cell) == marker_of(&b->cell) && x->fake == y->fake &&
           strcmp(x->scope, y->scope) == 0;
}

void tm_report_plot_energy(const tm_report_view *view, tm_plot *plot)
{
    const tm_summaries *all = view->summaries;
    const char *models[64];
    char number[64];
    tm_plot_counts n = {0};
    int n_models = 0;
    bool is_fake = false;
    tm_plot_init(plot, "energy-speed", "Energy per output token against decode speed",
                 "tokens/s (logarithmic)", "gross J per output token (logarithmic)");
    plot->log_x = plot->log_y = true;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        const tm_energy_phase *e = &s->energy.phases[TM_PHASE_GENERATION];
        char label[128];
        int m = 0;
        bool is_known = false; /* an earlier cell began this series */
        if (!is_shown(view, s)) continue;
        is_fake |= e->fake;
        while (m < n_models && strcmp(models[m], s->cell.model) != 0) m++;
        if (m == n_models && n_models < 64) models[n_models++] = s->cell.model;
        for (int k = 0; k < i; k++)
            is_known |= is_shown(view, &all->items[k]) && same_series(&all->items[k], s);
        if (is_known) continue;
        snprintf(label, sizeof label, "%.50s, %.30s (%.40s)", tm_model_label(s->cell.model),
                 role_of(&s->cell), e->scope);
        tm_plot_add_series(plot, label, e->fake ? TM_FAKE : TM_MEASURED,
                           tm_plot_shade_of(marker_of(&s->cell), m / TM_MARKERS), m % TM_MARKERS,
                           false);
        for (int k = i; k < all->n; k++) {
            const tm_cell_summary *t = &all->items[k];
            const tm_interval *joules = &t->energy.phases[TM_PHASE_GENERATION].joules_per_token;
            const bool is_interval = joules->n >= TM_MIN_PAIRS;
            if (!is_shown(view, t) || !same_series(t, s)) continue;
            tm_plot_add_point(plot, t->tokens_per_second.value, joules->value,
                              is_interval ? joules->low : NAN, is_interval ? joules->high : NAN);
            tm_plot_link(plot, t->cell_id);
            tm_plot_count(&n, joules->n);
        }
    }
    if (is_fake) {
        snprintf(plot->title, sizeof plot->title,
                 "FAKE energy per output token against decode speed (not measured)");
        snprintf(plot->y_label, sizeof plot->y_label,
                 "fake gross J per output token (logarithmic)");
    }
    snprintf(plot->note, sizeof plot->note,
             "%s. %sGross joules of the scope in brackets. Better is down and to the right. Bars: "
             "within-run 95 %% "
             "interval over fresh processes (%s), none below %d. Colour: kernel. Marker: "
             "model. "
             "The points of a series differ in threads, kernel or depth.",
             view->input->machines[view->machine].name, is_fake ? "FAKE joules. " : "",
             tm_plot_counts_text(&n, "processes", number), TM_MIN_PAIRS);
}

/* The first window with a trace of each cell and phase, all of one scope; fake ones only if there
 * are no measured ones. */
static int choose_windows(const tm_report_view *view, const tm_record *chosen[WINDOWS_MAX],
                          int *n_all)
{
    const tm_records *records = view->records;
    bool has_measured = false;
    int n = 0;
    *n_all = 0;
    for (int i = 0; i < records->n; i++)
        has_measured |= records->items[i].kind == TM_RECORD_ENERGY &&
                        records->items[i].energy.n_trace > 1 && !records->items[i].energy.fake;
    for (int i = 0; i < records->n; i++) {
        const tm_record *r = &records->items[i];
        bool is_known = false;
        if (r->kind != TM_RECORD_ENERGY || r->energy.n_trace < 2 ||
            r->energy.fake == has_measured || !tm_report_is_plotted(view, r))
            continue;
        (*n_all)++;
        /* One axis, one scope. */
        if (n > 0 && strcmp(chosen[0]->energy.scope, r->energy.scope) != 0) continue;
        for (int k = 0; k < n; k++)
            is_known |= strcmp(chosen[k]->cell_id, r->cell_id) == 0 &&
                        chosen[k]->energy.phase == r->energy.phase;
        if (!is_known && n < WINDOWS_MAX) chosen[n++] = r;
    }
    return n;
}

/* The trace as a step line, moved by `shift` seconds. A gap in the readings starts a new series. */
static void add_trace(tm_plot *plot, const tm_record *r, double shift, const char *label)
{
    const tm_record_energy *e = &r->energy;
    const tm_origin origin = e->fake ? TM_FAKE : TM_MEASURED;
    bool is_open = false;
    for (int i = 1; i < e->n_trace; i++) {
        const tm_probe_point *p = &e->trace[i];
        if (!isfinite(p->watts)) {
            is_open = false;
            continue;
        }
        if (!is_open) {
            tm_plot_add_series(plot, label, origin, marker_of(&r->cell), -1, true);
            if (plot->failed) return;
            plot->series[plot->n_series - 1].is_steps = true;
            tm_plot_add_point(plot, e->trace[i - 1].seconds + shift, p->watts, NAN, NAN);
            label = "";
            is_open = true;
        }
        tm_plot_add_point(plot, p->seconds + shift, p->watts, NAN, NAN);
    }
}

void tm_report_plot_watts(const tm_report_view *view, tm_plot *plot)
{
    const tm_record *windows[WINDOWS_MAX];
    int n_all, n = choose_windows(view, windows, &n_all);
    bool is_named[MARK_OTHER + 1] = {false}, is_fake = n > 0 && windows[0]->energy.fake;
    double longest = 0, at = 0;
    tm_plot_init(plot, "watts",
                 is_fake ? "FAKE power over time, windows shaded (not measured)"
                         : "Power over time, windows shaded",
                 "time (s), one window after another", is_fake ? "fake power (W)" : "power (W)");
    for (int i = 0; i < n; i++) {
        const tm_record_energy *e = &windows[i]->energy;
        longest = fmax(longest, e->trace[e->n_trace - 1].seconds - e->trace[0].seconds);
    }
    for (int i = 0; i < n; i++) {
        const tm_record *r = windows[i];
        const tm_record_energy *e = &r->energy;
        const int marker = marker_of(&r->cell);
        const double shift = at - e->trace[0].seconds;
        char label[128] = "", name[64];
        if (!is_named[marker])
            snprintf(label, sizeof label, "%.30s, mean power of %s",
                     marker == MARK_OTHER ? "others" : role_of(&r->cell), e->scope);
        is_named[marker] = true;
        add_trace(plot, r, shift, label);
        const char *model = tm_model_label(r->cell.model);
        snprintf(name, sizeof name, "%.16s %.10s %s, %d thread%s%s",
                 strcmp(model, TM_MODEL_2B4T) == 0 ? "2B-4T" : model, role_of(&r->cell),
                 tm_energy_token_name(e->phase), r->cell.threads, tm_plural(r->cell.threads),
                 e->state == TM_PROBE_OK ? "" : " (lost)");
        tm_plot_add_shade(plot, shift, shift + e->window_seconds, marker, name);
        at += e->trace[e->n_trace - 1].seconds - e->trace[0].seconds + 0.1 * longest;
    }
    snprintf(
        plot->note, sizeof plot->note,
        "%s. %sShaded: energy windows, %d of the %d in the store, the first of each cell and "
        "phase. "
        "Before and after each: idle with the model loaded. The time between windows is omitted.",
        view->input->machines[view->machine].name, is_fake ? "FAKE watts. " : "", n, n_all);
}
