#include "reports/export_format.h"

#include "harness/base/json.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- names --- */

const tm_json *tm_export_run(const tm_export *e, const tm_cell_summary *cell)
{
    for (int i = cell->n_processes - 1; i >= 0; i--)
        if (cell->processes[i].document) return cell->processes[i].document;
    return e->summaries->machines[cell->cell.machine].run;
}

const char *tm_export_environment(const tm_export *e, const tm_cell_summary *cell, const char *key)
{
    return tm_json_text(tm_json_get(tm_json_get(tm_export_run(e, cell), "environment"), key), NULL);
}

static bool is_emulated(const tm_export *e, int machine)
{
    return tm_json_true(
        tm_json_get(tm_json_get(e->summaries->machines[machine].run, "machine"), "emulated"));
}

void tm_export_machine(const tm_export *e, int machine, tm_text *out)
{
    const tm_summary_machine *m = &e->summaries->machines[machine];
    bool has_twin = false;
    for (int i = 0; i < e->summaries->n_machines; i++)
        has_twin |= i != machine && strcmp(e->summaries->machines[i].name, m->name) == 0;
    tm_text_add(out, m->name[0] ? m->name : "CPU not recorded");
    if (has_twin) tm_text_format(out, " %.8s", m->fingerprint[0] ? m->fingerprint : "unknown");
    if (is_emulated(e, machine)) tm_text_add(out, " (emulated)");
}

bool tm_export_names_machine(const tm_export *e, const tm_cell_summary *cell)
{
    return e->summaries->n_machines > 1 || is_emulated(e, cell->cell.machine);
}

/* Another cell differs in its head only. */
static bool has_twin_head(const tm_export *e, const tm_cell_summary *cell)
{
    const tm_cell *a = &cell->cell;
    for (int i = 0; i < e->n_rows; i++) {
        const tm_cell *b = &e->rows[i].cell->cell;
        if (tm_same_column(a, b) && strcmp(a->kernel, b->kernel) == 0 &&
            strcmp(a->head_kernel, b->head_kernel) != 0)
            return true;
    }
    return false;
}

void tm_export_name_rest(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    const tm_cell *c = &cell->cell;
    /* As in tm_cell_label: an fp16 head goes without saying. */
    bool is_plain = !c->head_kernel[0] || strncmp(c->head_kernel, "f16", 3) == 0;
    if (strcmp(c->engine, "ternmark") != 0) tm_text_format(out, "/engine:%s", c->engine);
    if (!is_plain || has_twin_head(e, cell)) tm_text_format(out, "/head:%s", c->head_kernel);
}

void tm_export_name_machine(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    if (!tm_export_names_machine(e, cell)) return;
    tm_text_add(out, "/machine:");
    tm_export_machine(e, cell->cell.machine, out);
}

void tm_export_name_here(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    const tm_cell *c = &cell->cell;
    tm_text_format(out, "%s/%s/%s/threads:%d", c->model, c->kernel, c->test, c->threads);
    tm_export_name_rest(e, cell, out);
}

void tm_export_name(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    tm_export_name_here(e, cell, out);
    tm_export_name_machine(e, cell, out);
}

void tm_export_about(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    const char *commit = tm_export_environment(e, cell, "commit");
    tm_text_format(out, "%d process%s, %d repetition%s", cell->n_processes,
                   cell->n_processes == 1 ? "" : "es", cell->n_repetitions,
                   tm_plural(cell->n_repetitions));
    if (isfinite(cell->tokens_per_second.low) && cell->tokens_per_second.confidence > 0)
        tm_text_format(out, "; interval: %g %%, %s", 100.0 * cell->tokens_per_second.confidence,
                       cell->tokens_per_second.method);
    else if (isfinite(cell->tokens_per_second.low))
        tm_text_format(out, "; low and high: %s", cell->tokens_per_second.method);
    if (cell->cell.head_kernel[0]) tm_text_format(out, "; head %s", cell->cell.head_kernel);
    if (commit) tm_text_format(out, "; commit %s", commit);
    tm_text_add(out, "; ");
    tm_export_machine(e, cell->cell.machine, out);
    if (cell->n_failed && strcmp(cell->status, "ok") == 0)
        tm_text_format(out, "; %d failed: %s", cell->n_failed, cell->failure);
    if (cell->warning[0]) tm_text_format(out, "; %s", cell->warning);
}

/* --- values --- */

bool tm_export_metric_of(const tm_cell_summary *s, const tm_metric *metric, tm_export_metric *out)
{
    const tm_phase phase = s->cell.n_gen > 0 ? TM_PHASE_GENERATION : TM_PHASE_PROMPT;
    const bool is_energy = strcmp(metric->name, "joules_per_token") == 0;
    *out = (tm_export_metric){.row = metric,
                              .value = metric->of_cell(metric, s),
                              .energy = is_energy ? &s->energy.phases[phase] : NULL};
    return isfinite(out->value.value) && strcmp(s->status, "ok") == 0;
}

int tm_export_metrics(const tm_cell_summary *s, tm_export_metric out[TM_METRICS_MAX])
{
    int n = 0;
    for (const tm_metric *m = tm_metrics; m->name; m++)
        if (tm_export_metric_of(s, m, &out[n])) n++;
    return n;
}

static bool is_of(const tm_record *record, const tm_cell_summary *cell)
{
    if (!tm_record_is_valid_sample(record) || strcmp(record->cell_id, cell->cell_id) != 0)
        return false;
    for (int i = 0; i < cell->n_processes; i++) {
        const tm_process *p = &cell->processes[i];
        if (p->number == record->process && p->slot == record->slot &&
            strcmp(p->run, record->run_id) == 0)
            return true;
    }
    return false;
}

tm_status tm_export_samples(const tm_export *e, const tm_cell_summary *cell, const tm_record ***out,
                            int *n, tm_error *err)
{
    int n_all = 0;
    for (int i = 0; i < e->n_records; i++) n_all += is_of(&e->records[i], cell);
    *n = 0;
    *out = calloc((size_t)n_all + 1, sizeof(const tm_record *));
    if (!*out) return tm_fail(err, TM_NOMEM, "out of memory for %d samples", n_all);
    for (int i = 0; i < e->n_records; i++) {
        const tm_record *r = &e->records[i];
        if (!is_of(r, cell)) continue;
        int k = 0;
        while (k < *n && !((*out)[k]->process == r->process && (*out)[k]->slot == r->slot &&
                           (*out)[k]->sample.repetition == r->sample.repetition &&
                           strcmp((*out)[k]->run_id, r->run_id) == 0))
            k++;
        if (k == *n) (*out)[(*n)++] = r;
    }
    return TM_OK;
}

bool tm_export_is(const tm_export_row *row, const char *outcome)
{
    return row->outcome && strcmp(row->outcome, outcome) == 0;
}

/* --- text --- */

/* Length of the character at the start of a text, 0 if it is not allowed. */
static int character(const unsigned char *c)
{
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int n = c[0] < 0x80             ? 1
                  : (c[0] & 0xe0) == 0xc0 ? 2
                  : (c[0] & 0xf0) == 0xe0 ? 3
                  : (c[0] & 0xf8) == 0xf0 ? 4
                                          : 0;
    if (n == 1) return c[0] >= 0x20 ? c[0] != 0x7f : c[0] == '\t' || c[0] == '\n' || c[0] == '\r';
    unsigned code = n ? c[0] & (0x7fu >> n) : 0;
    for (int i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80) return 0; /* also at the end of the text */
        code = code << 6 | (c[i] & 0x3f);
    }
    bool is_bad = !n || code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
                  (code >= 0x80 && code < 0xa0) || (code & 0xfffe) == 0xfffe;
    return is_bad ? 0 : n;
}

void tm_export_put(tm_text *out, const char *text, tm_export_escape *escape)
{
    for (const char *c = text; c && *c;) {
        const int n = character((const unsigned char *)c);
        const char *other = n == 0 ? "\xef\xbf\xbd" : n == 1 && escape ? escape(*c) : NULL;
        if (other) {
            tm_text_add(out, other);
            c += n ? n : 1;
        } else {
            for (int i = 0; i < n; i++) tm_text_add_char(out, *c++);
        }
    }
}

const char *tm_export_xml(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n': /* an attribute would turn line ends and tabs into blanks */
        return "&#10;";
    case '\r':
        return "&#13;";
    case '\t':
        return "&#9;";
    default:
        return NULL;
    }
}

void tm_export_put_json(tm_json *object, const char *key, const char *text)
{
    tm_text clean = {0};
    tm_export_put(&clean, text, NULL);
    tm_json_put_string(object, key, text ? tm_text_string(&clean) : NULL);
    tm_text_free(&clean);
}
