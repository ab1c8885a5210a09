/* The plots of a report: which values become which series. */
#include "reports/limits.h"
#include "reports/report_parts.h"
#include "reports/report_plots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Markers show the role, so that colours can show the model. */
enum { MARK_TERNARY = 0, MARK_BASELINE = 1, MARK_OTHER = 3 };

static bool is_plain_test(const tm_cell *cell, bool is_prompt)
{
    return is_prompt ? cell->n_gen == 0 && cell->depth == 0
                     : cell->n_prompt == 0 && cell->depth == 0;
}

/* The decode (or prompt) test that most columns of the store have; "" without any. */
static void choose_test(const tm_report_view *view, bool is_prompt, char test[48])
{
    const tm_speedups *all = view->input->speedups;
    int most = 0;
    test[0] = '\0';
    for (int i = 0; i < all->n; i++) {
        int n = 0;
        if (all->items[i].cell->machine != view->machine ||
            !is_plain_test(all->items[i].cell, is_prompt))
            continue;
        for (int k = 0; k < all->n; k++)
            n += all->items[k].cell->machine == view->machine &&
                 strcmp(all->items[i].cell->test, all->items[k].cell->test) == 0;
        if (n > most) {
            most = n;
            snprintf(test, 48, "%s", all->items[i].cell->test);
        }
    }
}

typedef struct axis {
    const tm_cell *models[128]; /* one cell of each model */
    int n_models;
    int threads[64];
    int n_threads;
} axis;

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void collect_axis(const tm_report_view *view, const char *test, axis *out)
{
    const tm_speedups *all = view->input->speedups;
    *out = (axis){0};
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        bool has_model = tm_model_is_fake(cell->model), has_threads = has_model;
        if (cell->machine != view->machine || strcmp(cell->test, test) != 0) continue;
        for (int k = 0; k < out->n_models; k++)
            has_model |= strcmp(out->models[k]->model, cell->model) == 0;
        for (int k = 0; k < out->n_threads; k++) has_threads |= out->threads[k] == cell->threads;
        if (!has_model && out->n_models < 128) out->models[out->n_models++] = cell;
        if (!has_threads && out->n_threads < 64) out->threads[out->n_threads++] = cell->threads;
    }
    qsort(out->models, (size_t)out->n_models, sizeof *out->models, tm_sheet_cells_by_size);
    qsort(out->threads, (size_t)out->n_threads, sizeof *out->threads, by_number);
}

static const tm_speedup *find_speedup(const tm_report_view *view, const char *model, int threads,
                                      const char *test)
{
    const tm_speedups *all = view->input->speedups;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        if (cell->machine == view->machine && cell->threads == threads &&
            strcmp(cell->model, model) == 0 && strcmp(cell->test, test) == 0)
            return &all->items[i];
    }
    return NULL;
}

static const tm_cell_summary *arm_of(const tm_speedup *s, int marker)
{
    return tm_sheet_arm(s, marker == MARK_BASELINE);
}

static const char *role_name(const tm_report_view *view, int marker)
{
    return marker == MARK_BASELINE ? tm_sheet_baseline(view->input, NULL) : "ternary";
}

static const tm_sheet_machine *machine_of(const tm_report_view *view)
{
    return &view->input->machines[view->machine];
}

/* Its hue: the same in every plot. */
static int hue_of(int marker)
{
    return marker == MARK_BASELINE ? TM_HUE_BASELINE : TM_HUE_TERNARY;
}

/* The name of a model as a label of an axis. */
static void short_name(const char *model, char out[32])
{
    const char *label = tm_model_label(model);
    snprintf(out, 32, "%.31s", strcmp(label, TM_MODEL_2B4T) == 0 ? "2B-4T" : label);
}

static const char *emulated_note(const tm_report_view *view)
{
    return machine_of(view)->emulated ? " Emulated: times have no meaning." : "";
}

/* One series of a plot of speeds: the cells of one model over threads, or of one number of threads
 * over models. */
static void add_speeds(const tm_report_view *view, const axis *a, const char *test, int marker,
                       bool is_over_threads, int which, tm_plot_counts *n, tm_plot *plot)
{
    char label[128], tic[32];
    tm_plot_place places[128];
    int n_places = 0;
    const int length = is_over_threads ? a->n_threads : a->n_models;
    for (int i = 0; i < length; i++) {
        const int m = is_over_threads ? which : i, t = is_over_threads ? i : which;
        const tm_cell_summary *s =
            arm_of(find_speedup(view, a->models[m]->model, a->threads[t], test), marker);
        const double x = is_over_threads ? a->threads[t] : m + 1;
        if (is_over_threads)
            snprintf(tic, sizeof tic, "%d", a->threads[t]);
        else
            short_name(a->models[m]->model, tic);
        tm_plot_add_tic(plot, x, tic);
        if (!s || !isfinite(s->tokens_per_second.value)) continue;
        places[n_places++] = tm_plot_place_of(x, s);
        tm_plot_count(n, s->n_processes);
    }
    if (!n_places) return;
    if (is_over_threads)
        snprintf(label, sizeof label, "%.80s, %s", tm_model_label(a->models[which]->model),
                 role_name(view, marker));
    else
        snprintf(label, sizeof label, "%s, %d thread%s", role_name(view, marker), a->threads[which],
                 tm_plural(a->threads[which]));
    tm_plot_add_series(plot, label, TM_MEASURED,
                       tm_plot_shade_of(hue_of(marker), which / TM_MARKERS), which % TM_MARKERS,
                       is_over_threads);
    tm_plot_add_places(plot, places, n_places);
}

/* Speed over threads; with fewer than three numbers of threads, which show no scaling, speed by
 * model. Empty, with the reason in `why`, if that would be a single column of points. */
static void plot_speeds(const tm_report_view *view, bool is_prompt, tm_plot *plot, char why[160])
{
    char test[48], title[160], number[64];
    const char *what = is_prompt ? "Prompt" : "Decode";
    axis a;
    tm_plot_counts n = {0};
    choose_test(view, is_prompt, test);
    collect_axis(view, test, &a);
    const bool is_over_threads = a.n_threads >= 3;
    const char *stem = is_over_threads ? is_prompt ? "prompt-threads" : "decode-threads"
                       : is_prompt     ? "prompt-speed"
                                       : "decode-speed";
    snprintf(title, sizeof title, "%s speed %s (%s)", what,
             is_over_threads ? "over threads" : "by model", test);
    tm_plot_init(plot, stem, title, is_over_threads ? "threads" : "model, by size",
                 "tokens/s (logarithmic)");
    plot->log_y = plot->is_spread = true;
    if (!is_over_threads && a.n_models == 1) {
        snprintf(why, 160,
                 "%s speed: one model at %d number%s of threads; the tables have the values", what,
                 a.n_threads, tm_plural(a.n_threads));
        return;
    }
    for (int which = 0; which < (is_over_threads ? a.n_models : a.n_threads); which++)
        for (int marker = MARK_TERNARY; marker <= MARK_BASELINE; marker++)
            add_speeds(view, &a, test, marker, is_over_threads, which, &n, plot);
    snprintf(plot->note, sizeof plot->note,
             "%s. Bars: within-run 95 %% interval over fresh processes (%s); below %d processes a "
             "small point "
             "for each. Colour: kernel (blue: fastest ternary, orange: %s). Marker: %s. Points are "
             "shifted sideways so that bars do not overlap.%s",
             machine_of(view)->name, tm_plot_counts_text(&n, "processes", number), TM_MIN_PAIRS,
             role_name(view, MARK_BASELINE), is_over_threads ? "model" : "number of threads",
             emulated_note(view));
}

static void add_published_speedups(const tm_report_view *view, const char *table, tm_plot *plot)
{
    const tm_published *published = view->input->published;
    const bool is_table_4 = strcmp(table, TM_PAPER_ALL_THREADS) == 0;
    for (int d = 0; tm_paper_devices[d]; d++) {
        char label[128];
        snprintf(label, sizeof label, "%s, %s (arXiv:%s, %s)", tm_paper_devices[d],
                 tm_paper_threads(table), TM_PAPER_SPEED, table);
        tm_plot_add_series(plot, label, TM_PUBLISHED,
                           tm_plot_shade_of(TM_HUE_OTHER + d, is_table_4), 1 + d + 2 * is_table_4,
                           true);
        for (int i = 0; i < published->n; i++) {
            const tm_published_value *c = &published->items[i];
            double parameters = tm_nominal_parameters(c->model);
            /* The fp16 row of a size, which may be null, stands for the size. */
            if (strcmp(c->paper, TM_PAPER_SPEED) != 0 || strcmp(c->table, table) != 0 ||
                !strstr(c->device, tm_paper_devices[d]) || !strstr(c->system, "fp16"))
                continue;
            tm_paper_cell cell =
                tm_paper_speed_cell(published, table, tm_paper_devices[d], c->model);
            if (isfinite(cell.ratio.value)) tm_plot_add_tic(plot, parameters, c->model);
            tm_plot_add_point(plot, parameters, cell.ratio.value, NAN, NAN);
        }
    }
}

static double parameters_of(const tm_cell *cell)
{
    return tm_model_parameters(cell->model, tm_cell_shape(cell));
}

/* Labels a model on the x axis. */
static void add_model_tic(tm_plot *plot, const tm_cell *cell)
{
    char name[32];
    short_name(cell->model, name);
    tm_plot_add_tic(plot, parameters_of(cell), name);
}

/* Measured points at one thread count: the paper's sizes are joined; other models are not. Returns
 * whether the legend does not name the latter. */
static bool add_own_speedups(const tm_report_view *view, const axis *a, const char *test, int t,
                             tm_plot_counts *n_pairs, tm_plot *plot)
{
    static const int marks[] = {0, 1, 2, 4}; /* all but that of other models */
    const int n_before = plot->n_series;
    bool has_also = false;
    for (int is_other = 0; is_other <= 1; is_other++) {
        tm_plot_place places[128];
        char label[128];
        int n = 0;
        for (int m = 0; m < a->n_models; m++) {
            const tm_speedup *s = find_speedup(view, a->models[m]->model, a->threads[t], test);
            bool is_paper = tm_paper_has_speed(view->input->published, tm_cell_shape(a->models[m]));
            if (is_paper == (is_other == 1) || !s || !isfinite(s->comparison.ratio.value)) continue;
            const char *flag = tm_plot_flag_of(s->ternary);
            places[n++] = (tm_plot_place){.x = parameters_of(a->models[m]),
                                          .value = s->comparison.ratio,
                                          .cell = s->ternary,
                                          .ratio = &s->comparison,
                                          .n = s->comparison.n_pairs,
                                          .flag = flag ? flag : tm_plot_flag_of(s->baseline)};
            tm_plot_count(n_pairs, s->comparison.n_pairs);
        }
        if (!n) continue;
        const bool is_also = is_other && plot->n_series > n_before;
        snprintf(label, sizeof label, "%.80s, %d thread%s",
                 !is_other ? machine_of(view)->name
                 : n == 1  ? tm_model_label(places[0].cell->cell.model)
                           : "other models",
                 a->threads[t], tm_plural(a->threads[t]));
        if (is_also)
            tm_plot_add_detail(plot, label, TM_DETAIL_ALSO);
        else
            tm_plot_add_series(plot, label, TM_MEASURED, tm_plot_shade_of(TM_HUE_TERNARY, t),
                               is_other ? MARK_OTHER : marks[t % 4], !is_other && n > 2);
        if (is_also && !plot->failed) plot->series[plot->n_series - 1].marker = MARK_OTHER;
        has_also |= is_also;
        for (int i = 0; i < n; i++) add_model_tic(plot, &places[i].cell->cell);
        tm_plot_add_places(plot, places, n);
    }
    return has_also;
}

static void plot_speedup(const tm_report_view *view, bool is_prompt, tm_plot *plot)
{
    char test[48], title[160], label[96], number[64];
    axis a;
    tm_plot_counts n_pairs = {0};
    bool has_table[2] = {false, false}, has_also = false;
    choose_test(view, is_prompt, test);
    collect_axis(view, test, &a);
    const char *base = tm_sheet_baseline(view->input, NULL);
    snprintf(title, sizeof title, "%s speed-up of ternary over %s by model size (%s)",
             is_prompt ? "Prompt" : "Decode", base, test);
    snprintf(label, sizeof label, "speed-up over %s (ratio of tokens/s)", base);
    tm_plot_init(plot, is_prompt ? "prompt-speedup" : "decode-speedup", title,
                 "model size (parameters, as named; logarithmic)", label);
    plot->log_x = plot->is_spread = true;
    for (int t = 0; t < a.n_threads; t++) {
        tm_cell cell = {.n_gen = is_prompt ? 0 : 1, .n_prompt = is_prompt, .threads = a.threads[t]};
        const char *table = tm_paper_speed_table(&cell, machine_of(view)->cores);
        if (table) has_table[strcmp(table, TM_PAPER_2_THREADS) == 0] = true;
        has_also |= add_own_speedups(view, &a, test, t, &n_pairs, plot);
    }
    const int n_own = tm_plot_count_points(plot);
    /* The published values are shown only next to measured ones. */
    if (n_own && !is_prompt) {
        if (!has_table[0]) has_table[1] = true;
        if (has_table[1]) add_published_speedups(view, TM_PAPER_2_THREADS, plot);
        if (has_table[0]) add_published_speedups(view, TM_PAPER_ALL_THREADS, plot);
    }
    snprintf(
        plot->note, sizeof plot->note,
        "%s. Bars: 95 %% interval over pairs of processes (%s); below %d pairs a small point for "
        "each. %s%s%s",
        machine_of(view)->name, tm_plot_counts_text(&n_pairs, "pairs", number), TM_MIN_PAIRS,
        has_also ? "Filled diamonds: models of other sizes than the paper's. " : "",
        is_prompt ? "The paper prints no prompt speeds."
                  : "Filled: this machine. Hollow: published, computed from the paper's own two "
                    "values, on other machines, lengths not stated. Points of this machine are "
                    "shifted sideways so that bars do not overlap.",
        emulated_note(view));
}

/* Limits are lines without markers, so that only colours tell them apart: the shades of black, then
 * hues that the points do not have. */
static int limit_colour(int n)
{
    enum { SHADES = TM_COLOURS / TM_HUES, OTHERS = TM_HUE_BLACK - TM_HUE_OTHER };
    if (n < SHADES) return tm_plot_shade_of(TM_HUE_BLACK, n);
    return tm_plot_shade_of(TM_HUE_OTHER + (n - SHADES) % OTHERS, (n - SHADES) / OTHERS);
}

/* The limits at a number of threads of the runs that measured the shown cells. */
static bool plot_limits(const tm_report_view *view, const axis *a, const char *test, int t,
                        double least, double most, tm_plot *plot)
{
    enum { LIMITS_MAX = 4 };
    double shown[LIMITS_MAX];
    int n = 0;
    for (int m = 0; m < a->n_models * 2; m++) {
        const tm_cell_summary *s =
            arm_of(find_speedup(view, a->models[m / 2]->model, a->threads[t], test), m % 2);
        for (int p = 0; s && p < s->n_processes && n < LIMITS_MAX; p++) {
            char label[128], number[64];
            tm_measured limit =
                tm_limit_find(s->processes[p].document, "read_gb_per_second", a->threads[t]);
            bool is_known = !isfinite(limit.value);
            for (int k = 0; k < n; k++) is_known |= shown[k] == limit.value;
            if (is_known) continue;
            shown[n++] = limit.value;
            snprintf(label, sizeof label, "read bandwidth of %d thread%s, %s GB/s", a->threads[t],
                     tm_plural(a->threads[t]), tm_number(limit.value, 3, number, sizeof number));
            tm_plot_add_series(plot, label, TM_MEASURED, limit_colour(t), -1, false);
            tm_plot_add_point(plot, least / 1.2, limit.value * 1e3 / (least / 1.2), NAN, NAN);
            tm_plot_add_point(plot, most * 1.2, limit.value * 1e3 / (most * 1.2), NAN, NAN);
        }
    }
    return n > 0;
}

static void plot_roofline(const tm_report_view *view, tm_plot *plot)
{
    char test[48], title[160], label[128], number[64];
    double least = INFINITY, most = 0.0;
    tm_plot_counts n = {0};
    axis a;
    choose_test(view, false, test);
    collect_axis(view, test, &a);
    snprintf(title, sizeof title, "Decode speed against bytes read per token (%s)", test);
    tm_plot_init(plot, "roofline", title, "bytes read per token (MB, logarithmic)",
                 "tokens/s (logarithmic)");
    plot->log_x = plot->log_y = plot->is_spread = true;
    for (int t = 0; t < a.n_threads; t++) {
        for (int marker = MARK_TERNARY; marker <= MARK_BASELINE; marker++) {
            tm_plot_place places[128];
            int n_places = 0;
            for (int m = 0; m < a.n_models; m++) {
                const tm_cell_summary *s =
                    arm_of(find_speedup(view, a.models[m]->model, a.threads[t], test), marker);
                if (!s || !isfinite(s->tokens_per_second.value) ||
                    !(s->bytes_per_token.value > 0.0))
                    continue;
                const double x = s->bytes_per_token.value * 1e-6;
                places[n_places++] = tm_plot_place_of(x, s);
                tm_plot_count(&n, s->n_processes);
                least = fmin(least, x);
                most = fmax(most, x);
            }
            if (!n_places) continue;
            snprintf(label, sizeof label, "%s, %d thread%s", role_name(view, marker), a.threads[t],
                     tm_plural(a.threads[t]));
            tm_plot_add_series(plot, label, TM_MEASURED, tm_plot_shade_of(hue_of(marker), t),
                               t % TM_MARKERS, false);
            tm_plot_add_places(plot, places, n_places);
        }
    }
    snprintf(plot->note, sizeof plot->note,
             "%s. Bytes: weights, head, keys and values that a token must read. Dashed: the limit "
             "set by the read bandwidth measured in the same run. Bars: within-run 95 %% interval "
             "over fresh "
             "processes (%s); below %d processes a small point for each. Points are shifted "
             "sideways so that they do not overlap.%s",
             machine_of(view)->name, tm_plot_counts_text(&n, "processes", number), TM_MIN_PAIRS,
             emulated_note(view));
    bool has_limit = false;
    for (int t = 0; t < a.n_threads && most > 0.0; t++)
        has_limit |= plot_limits(view, &a, test, t, least, most, plot);
    if (!has_limit)
        snprintf(plot->note + strlen(plot->note), sizeof plot->note - strlen(plot->note),
                 " No limit is drawn: no run of these cells measured it.");
}

/* The largest memory over the cells of a model and role: one process runs all tests of its arm. */
static void memory_of(const tm_report_view *view, const char *model, const char *role,
                      double *measured, double *predicted)
{
    *measured = *predicted = NAN;
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        if (s->superseded || s->cell.machine != view->machine ||
            strcmp(s->cell.model, model) != 0 || strcmp(s->cell.role, role) != 0)
            continue;
        *measured = fmax(*measured, s->peak_rss_bytes.value / 1048576.0);
        *predicted = fmax(*predicted, s->predicted_bytes.value / 1048576.0);
    }
}

static void plot_memory(const tm_report_view *view, tm_plot *plot, char why[160])
{
    static const char *const roles[] = {TM_ROLE_TERNARY, TM_ROLE_BASELINE};
    char test[48], label[128];
    axis a;
    choose_test(view, false, test);
    if (!test[0]) choose_test(view, true, test);
    collect_axis(view, test, &a);
    tm_plot_init(plot, "memory", "Memory of the process by model size",
                 "model size (parameters, as named; logarithmic)", "MiB (logarithmic)");
    plot->log_x = plot->log_y = true;
    if (a.n_models == 1) {
        snprintf(why, 160, "Memory by model size: one model; the table of cells has the values");
        return;
    }
    snprintf(
        plot->note, sizeof plot->note,
        "%s. Peak resident memory: the largest over the cells of a model. Predicted: before the "
        "run, also for models that were skipped because of it.",
        machine_of(view)->name);
    for (int marker = MARK_TERNARY; marker <= MARK_BASELINE; marker++) {
        for (int is_predicted = 0; is_predicted <= 1; is_predicted++) {
            snprintf(label, sizeof label, "%s, %s", role_name(view, marker),
                     is_predicted ? "before the run" : "peak resident");
            tm_plot_add_series(plot, label, is_predicted ? TM_PREDICTED : TM_MEASURED,
                               hue_of(marker), marker, false);
            for (int m = 0; m < a.n_models; m++) {
                double measured, predicted;
                memory_of(view, a.models[m]->model, roles[marker], &measured, &predicted);
                add_model_tic(plot, a.models[m]);
                tm_plot_add_point(plot, parameters_of(a.models[m]),
                                  is_predicted ? predicted : measured, NAN, NAN);
            }
        }
    }
}

/* Keeps the last plot if it has a point. */
static tm_status keep_plot(tm_plots *plots, tm_error *err)
{
    tm_plot *plot = &plots->items[plots->n];
    if (plot->failed) {
        tm_status status =
            tm_fail(err, TM_NOMEM, "plot %s: out of memory for its points", plot->stem);
        plots->n++;
        tm_plots_free(plots);
        return status;
    }
    if (tm_plot_count_points(plot))
        plots->n++;
    else
        tm_plot_free(plot);
    return TM_OK;
}

/* One plot per profiled cell with limits, up to TM_REPORT_OPERATION_PLOTS. */
static tm_status add_operations(const tm_report_view *view, tm_plots *out, tm_error *err)
{
    tm_plot plot;
    for (int next = 0, n = 0; tm_report_plot_operations(view, &next, &plot);) {
        if (n == TM_REPORT_OPERATION_PLOTS) {
            out->n_left_out += tm_plot_count_points(&plot) > 0;
            tm_plot_free(&plot);
            continue;
        }
        int before = out->n;
        snprintf(plot.stem, sizeof plot.stem, "operations-%d", n + 1);
        out->items[out->n] = plot;
        tm_status status = keep_plot(out, err);
        if (status != TM_OK) return status;
        n += out->n - before;
    }
    return TM_OK;
}

tm_status tm_report_plots(const tm_report_view *view, tm_plots *out, tm_error *err)
{
    out->n = out->n_left_out = out->n_reasons = 0;
    for (int which = 0; which < 8; which++) {
        tm_plot *plot = &out->items[out->n];
        char *why = out->reasons[out->n_reasons];
        why[0] = '\0';
        if (which < 2)
            plot_speeds(view, which == 1, plot, why);
        else if (which < 4)
            plot_speedup(view, which == 3, plot);
        else if (which == 4)
            plot_roofline(view, plot);
        else if (which == 5)
            plot_memory(view, plot, why);
        else if (which == 6)
            tm_report_plot_energy(view, plot);
        else
            tm_report_plot_watts(view, plot);
        out->n_reasons += why[0] != '\0';
        tm_status status = keep_plot(out, err);
        if (status != TM_OK) return status;
    }
    for (int k = 0; k < TM_REPORT_GROWTH_AXES; k++) {
        tm_status status = tm_report_plot_growth(view, k, &out->items[out->n], err);
        if (status == TM_OK) status = keep_plot(out, err);
        if (status != TM_OK) return status;
    }
    return add_operations(view, out, err);
}

void tm_plots_free(tm_plots *plots)
{
    for (int i = 0; i < plots->n; i++) tm_plot_free(&plots->items[i]);
    plots->n = 0;
}
