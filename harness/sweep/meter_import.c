#include "harness/sweep/meter_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIFT 1e-4 /* of two clocks, per second: a crystal is off by up to 100 millionths */

typedef struct importer {
    const tm_records *records;
    const tm_meter_series *series;
    bool given; /* the offset is given */
    tm_meter_marker_match match;
    char run[24];         /* that the match belongs to, if not given */
    double match_seconds; /* the time of the match */
} importer;

static bool is_metered(const tm_records *records, const tm_record *window)
{
    for (int i = 0; i < records->n; i++) {
        const tm_record *r = &records->items[i];
        if (r->kind == TM_RECORD_ENERGY && r->process == window->process &&
            r->energy.phase == window->energy.phase && r->energy.state == TM_PROBE_OK &&
            strcmp(r->energy.source, "meter") == 0 && strcmp(r->run_id, window->run_id) == 0 &&
            strcmp(r->cell_id, window->cell_id) == 0)
            return true;
    }
    return false;
}

/* Whether a record has a window with times that no record before it has, and no meter measured
 * it. */
static bool is_due(const tm_records *records, int index)
{
    const tm_record *r = &records->items[index];
    if (r->kind != TM_RECORD_ENERGY || !(r->energy.window_seconds > 0)) return false;
    for (int i = 0; i < index; i++) {
        const tm_record *b = &records->items[i];
        if (b->kind == TM_RECORD_ENERGY && strcmp(b->run_id, r->run_id) == 0 &&
            b->energy.begin_unix_seconds == r->energy.begin_unix_seconds)
            return false;
    }
    return !is_metered(records, r);
}

/* Finds the clock offset of a run, once per run. */
static tm_status match_run(importer *im, const char *run, tm_error *err)
{
    tm_meter_marker marker;
    if (im->given || strcmp(im->run, run) == 0) return TM_OK;
    for (int i = 0; i < im->records->n; i++) {
        const tm_record *r = &im->records->items[i];
        if (r->kind != TM_RECORD_RUN || strcmp(r->run_id, run) != 0) continue;
        if (!tm_meter_marker_from_json(tm_json_get(r->run.document, "meter_marker"), &marker))
            break;
        snprintf(im->run, sizeof im->run, "%s", run);
        im->match_seconds = marker.edge_unix_seconds[0];
        return tm_meter_marker_find(im->series, &marker, &im->match, err);
    }
    return tm_fail(
        err, TM_UNSUPPORTED,
        "run %s was started without --meter-marker; give the clock offset with --meter-offset",
        run);
}

/* Integrates the series between two times of this machine. */
static void integrate(const importer *im, double begin, double seconds, tm_probe_value *v)
{
    *v = (tm_probe_value){.value = NAN, .error_bound = NAN, .counted_share = 1};
    double from = begin - im->match.offset_seconds;
    tm_meter_series_integrate(im->series, from, from + seconds, v);
}

/* How far the clocks may be apart at a time of this machine. */
static double clock_error(const importer *im, double seconds)
{
    return im->match.error_seconds + (im->given ? 0 : DRIFT * fabs(seconds - im->match_seconds));
}

static void put_idle(const importer *im, double begin, double seconds, tm_measured *watts,
                     tm_measured *bound)
{
    tm_probe_value v;
    if (!(begin > 0) || !(seconds > 0)) {
        tm_measured_miss(watts, "no idle time was requested");
        *bound = *watts;
        return;
    }
    integrate(im, begin, seconds, &v);
    if (v.state == TM_PROBE_OK) {
        tm_measured_set(watts, v.value / seconds);
        tm_measured_set(bound, v.error_bound / seconds);
    } else {
        tm_measured_miss(watts, "%.150s", v.reason);
        *bound = *watts;
    }
}

static tm_status put_trace(const importer *im, tm_record_energy *e, tm_error *err)
{
    double from = e->begin_unix_seconds, to = from + e->window_seconds;
    if (e->idle_before_unix_seconds > 0) from = fmin(from, e->idle_before_unix_seconds);
    if (e->idle_after_unix_seconds > 0) to = fmax(to, e->idle_after_unix_seconds + e->idle_seconds);
    e->trace = calloc(TM_ENERGY_TRACE_MAX, sizeof *e->trace);
    if (!e->trace) return tm_fail(err, TM_NOMEM, "no memory for a trace");
    e->n_trace =
        tm_meter_series_trace(im->series, from - im->match.offset_seconds,
                              to - im->match.offset_seconds, e->trace, TM_ENERGY_TRACE_MAX);
    for (int i = 0; i < e->n_trace; i++) e->trace[i].seconds += from - e->begin_unix_seconds;
    return TM_OK;
}

static tm_status measure_window(const importer *im, const tm_record *window, tm_record *out,
                                tm_error *err)
{
    const tm_record_energy *old = &window->energy;
    tm_probe_value v;
    memset(out, 0, sizeof *out);
    out->kind = TM_RECORD_ENERGY;
    memcpy(out->run_id, window->run_id, sizeof out->run_id);
    memcpy(out->cell_id, window->cell_id, sizeof out->cell_id);
    out->cell = window->cell;
    out->process = window->process;
    out->slot = window->slot;
    out->predicted_bytes = window->predicted_bytes;
    tm_record_energy *e = &out->energy;
    tm_record_energy_init(e);
    e->phase = old->phase;
    snprintf(e->source, sizeof e->source, "meter");
    snprintf(e->scope, sizeof e->scope, "system");
    snprintf(e->method, sizeof e->method, "imported");
    e->begin_unix_seconds = old->begin_unix_seconds;
    e->window_seconds = old->window_seconds;
    e->n_repeats = old->n_repeats;
    e->n_prompt_tokens = old->n_prompt_tokens;
    e->n_output_tokens = old->n_output_tokens;
    e->idle_seconds = old->idle_seconds;
    e->idle_before_unix_seconds = old->idle_before_unix_seconds;
    e->idle_after_unix_seconds = old->idle_after_unix_seconds;
    put_idle(im, e->idle_before_unix_seconds, e->idle_seconds, &e->idle_before_watts,
             &e->idle_before_error_bound_watts);
    put_idle(im, e->idle_after_unix_seconds, e->idle_seconds, &e->idle_after_watts,
             &e->idle_after_error_bound_watts);
    integrate(im, e->begin_unix_seconds, e->window_seconds, &v);
    e->n_samples = v.n_samples;
    tm_measured_set(&e->rate_hz, v.rate_hz);
    tm_measured_set(&e->largest_gap_seconds, v.largest_gap_seconds);
    tm_measured_miss(&e->sampler_cpu_percent, "the meter did not run on this machine");
    if (im->given)
        snprintf(e->marks, sizeof e->marks, "clocks aligned by the given offset of %g s +- %g s",
                 im->match.offset_seconds, im->match.error_seconds);
    else
        snprintf(e->marks, sizeof e->marks,
                 "clocks aligned by the marker: %.2f s +- %.2f s, correlation %.2f",
                 im->match.offset_seconds, im->match.error_seconds, im->match.correlation);
    if (v.state != TM_PROBE_OK) {
        tm_record_energy_lose(e, v.state, "%s", v.reason);
        return put_trace(im, e, err);
    }
    e->state = TM_PROBE_OK;
    e->reason[0] = 0;
    tm_measured_set(&e->gross_joules, v.value);
    /* The clocks may differ at both edges, where the power lies between idle and load. */
    double watts = v.value / e->window_seconds, idle = e->idle_before_watts.value;
    double step = isfinite(idle) ? fabs(watts - idle) : watts;
    double apart = clock_error(im, e->begin_unix_seconds + e->window_seconds);
    tm_measured_set(&e->error_bound_joules, v.error_bound + 2 * apart * step);
    tm_record_energy_set_net(e);
    return put_trace(im, e, err);
}

tm_status tm_meter_import(const tm_records *records, const tm_meter_series *series,
                          double offset_seconds, tm_record **made, int *n_made, tm_import *out,
                          tm_error *err)
{
    importer im = {.records = records, .series = series, .given = !isnan(offset_seconds)};
    tm_status status = TM_OK;
    memset(out, 0, sizeof *out);
    *n_made = 0;
    *made = calloc((size_t)records->n + 1, sizeof **made);
    if (!*made) return tm_fail(err, TM_NOMEM, "no memory for %d records", records->n);
    if (im.given) {
        im.match.offset_seconds = offset_seconds;
        im.match.error_seconds = tm_meter_offset_error(offset_seconds);
    }
    for (int i = 0; i < records->n && status == TM_OK; i++) {
        if (!is_due(records, i)) continue;
        status = match_run(&im, records->items[i].run_id, err);
        if (status != TM_OK) break;
        tm_record *record = &(*made)[(*n_made)++];
        status = measure_window(&im, &records->items[i], record, err);
        if (status != TM_OK) break;
        out->n_windows++;
        out->n_ok += record->energy.state == TM_PROBE_OK;
        if (record->energy.state != TM_PROBE_OK)
            snprintf(out->lost, sizeof out->lost, "%s", record->energy.reason);
    }
    out->match = im.match;
    if (status == TM_OK) return TM_OK;
    for (int i = 0; i < *n_made; i++) tm_record_free(&(*made)[i]);
    free(*made);
    *made = NULL;
    *n_made = 0;
    return status;
}
