/* GitHub: workflow commands that become annotations, and a Markdown table for the step's summary.
 *
 * Escaping and limits as GitHub documents and its runner does: in data %, CR and LF are escaped, in
 * properties : and , too; 10 annotations of each kind are shown per step; a summary above 1 MiB is
 * refused. (docs.github.com: "Workflow commands for GitHub Actions".) */
#include "reports/export_format.h"
#include "reports/output/table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ANNOTATIONS_MAX 10
#define SUMMARY_BYTES   900000 /* other steps of a job may have written to the same summary */

static const char *escape_data(char c)
{
    return c == '%' ? "%25" : c == '\r' ? "%0D" : c == '\n' ? "%0A" : NULL;
}

static const char *escape_property(char c)
{
    return c == ':' ? "%3A" : c == ',' ? "%2C" : escape_data(c);
}

/* "error", "warning", or NULL for a row without anything to say. */
static const char *kind_of(const tm_export_row *row)
{
    if (strcmp(row->cell->status, "failed") == 0 || tm_export_is(row, "regression")) return "error";
    return tm_export_is(row, "inconclusive") ? "warning" : NULL;
}

/* "failed", "skipped", or the outcome of the comparison; "measured" without one */
static const char *state_of(const tm_export_row *row)
{
    if (strcmp(row->cell->status, "ok") != 0) return row->cell->status;
    return row->outcome ? row->outcome : "measured";
}

static const char *reason_of(const tm_export_row *row)
{
    if (strcmp(row->cell->status, "ok") != 0) return row->cell->missing;
    return row->reason ? row->reason : "";
}

/* "0.930 [0.900, 0.950]", "-" without a ratio */
static char *ratio_text(const tm_export_row *row, char *text, size_t size)
{
    const tm_interval ratio = {.value = row->ratio, .low = row->ratio_low, .high = row->ratio_high};
    return tm_number_interval(&ratio, 3, text, size);
}

static void put_annotation(const tm_export *e, const tm_export_row *row, const char *kind,
                           tm_text *out)
{
    char ratio[128];
    tm_text title = {0}, body = {0};
    tm_text_format(&title, "%s: ", state_of(row));
    tm_export_name(e, row->cell, &title);
    if (row->metric) tm_text_format(&title, " %s", row->metric);
    if (isfinite(row->ratio))
        tm_text_format(&body, "%s of the base. ", ratio_text(row, ratio, sizeof ratio));
    tm_text_add(&body, reason_of(row)[0] ? reason_of(row) : state_of(row));
    tm_text_format(out, "::%s title=", kind);
    tm_export_put(out, tm_text_string(&title), escape_property);
    tm_text_add(out, "::");
    tm_export_put(out, tm_text_string(&body), escape_data);
    tm_text_add_char(out, '\n');
    out->failed |= title.failed || body.failed;
    tm_text_free(&title);
    tm_text_free(&body);
}

/* Those of one kind; the last one stands for all that GitHub would not show. */
static void put_kind(const tm_export *e, const char *kind, tm_text *out)
{
    int n = 0, done = 0;
    for (int i = 0; i < e->n_rows; i++) {
        const char *own = kind_of(&e->rows[i]);
        n += own && strcmp(own, kind) == 0;
    }
    for (int i = 0; i < e->n_rows && done < n; i++) {
        const char *own = kind_of(&e->rows[i]);
        if (!own || strcmp(own, kind) != 0) continue;
        if (n > ANNOTATIONS_MAX && done == ANNOTATIONS_MAX - 1) {
            tm_text_format(out,
                           "::%s title=ternmark::%d more rows; the summary lists all of them\n",
                           kind, n - done);
            return;
        }
        put_annotation(e, &e->rows[i], kind, out);
        done++;
    }
}

tm_status tm_export_write_annotations(const tm_export *e, tm_text *out, tm_error *err)
{
    (void)err;
    int counts[5] = {0};
    static const char *const states[] = {"measured", "pass", "regression", "inconclusive",
                                         "skipped"};
    put_kind(e, "error", out);
    put_kind(e, "warning", out);
    tm_text_add(out, "::notice title=ternmark::");
    tm_export_put(out, e->title, escape_data);
    tm_text_format(out, ": %d row%s", e->n_rows, tm_plural(e->n_rows));
    for (int k = 0; k < 5; k++) {
        for (int i = 0; i < e->n_rows; i++)
            counts[k] += strcmp(state_of(&e->rows[i]), states[k]) == 0;
        if (counts[k]) tm_text_format(out, ", %d %s", counts[k], states[k]);
    }
    int n_failed = e->n_rows;
    for (int k = 0; k < 5; k++) n_failed -= counts[k];
    if (n_failed) tm_text_format(out, ", %d failed", n_failed);
    tm_text_add_char(out, '\n');
    return TM_OK;
}

static void put_markdown(tm_text *out, const char *text)
{
    tm_text clean = {0};
    tm_export_put(&clean, text, NULL);
    tm_text_add_char(out, ' ');
    tm_markdown_escape(tm_text_string(&clean), out);
    tm_text_add(out, " |");
    out->failed |= clean.failed;
    tm_text_free(&clean);
}

static void put_metric(const tm_cell_summary *s, const char *name, tm_text *out)
{
    tm_export_metric m;
    tm_error ignored;
    char text[192];
    const tm_metric *metric;
    if (tm_metric_need(name, &metric, &ignored) == TM_OK && tm_export_metric_of(s, metric, &m))
        put_markdown(out, tm_number_interval(&m.value, 3, text, sizeof text));
    else
        tm_text_add(out, " - |");
}

static void put_row(const tm_export *e, const tm_export_row *row, tm_text *out)
{
    const tm_cell_summary *s = row->cell;
    char ratio[128];
    tm_text name = {0}, remark = {0};
    tm_export_name(e, s, &name);
    if (row->metric) tm_text_format(&name, " %s", row->metric);
    tm_text_add(&remark, reason_of(row));
    if (s->n_marked)
        tm_text_format(&remark, "%s%d sample%s marked: %s", remark.length ? "; " : "", s->n_marked,
                       tm_plural(s->n_marked), s->marks);
    if (isfinite(s->energy.joules_per_token.value) && !s->energy.fake) {
        const tm_energy_phase *meter =
            &s->energy.phases[s->cell.n_gen > 0 ? TM_PHASE_GENERATION : TM_PHASE_PROMPT];
        char origin[256];
        tm_text_format(&remark, "%senergy: %s", remark.length ? "; " : "",
                       tm_energy_origin(meter, origin, sizeof origin));
    }
    tm_text_add_char(out, '|');
    put_markdown(out, tm_text_string(&name));
    put_markdown(out, state_of(row));
    put_metric(s, "tokens_per_second", out);
    put_markdown(out, ratio_text(row, ratio, sizeof ratio));
    put_metric(s, "first_token", out);
    put_metric(s, "joules_per_token", out);
    put_markdown(out, tm_text_string(&remark));
    tm_text_add_char(out, '\n');
    out->failed |= name.failed || remark.failed;
    tm_text_free(&name);
    tm_text_free(&remark);
}

tm_status tm_export_write_summary(const tm_export *e, tm_text *out, tm_error *err)
{
    (void)err;
    tm_text_add(out, "### ternmark:");
    tm_text title = {0};
    tm_export_put(&title, e->title, NULL);
    tm_text_add_char(out, ' ');
    tm_markdown_escape(tm_text_string(&title), out);
    tm_text_free(&title);
    tm_text_add(out, "\n\n| Cell | Outcome | Tokens/s | Head/base | First token, ms | J/token | "
                     "Remarks |\n|---|---|---:|---:|---:|---:|---|\n");
    for (int i = 0; i < e->n_rows; i++) {
        if (out->length > SUMMARY_BYTES) {
            tm_text_format(out, "\n%d more rows were left out: a summary has at most 1 MiB.\n",
                           e->n_rows - i);
            return TM_OK;
        }
        put_row(e, &e->rows[i], out);
    }
    tm_text_format(out,
                   "\nvalue [low, high]: %g %% interval over fresh processes, within run; below %d "
                   "processes their range.\n\n",
                   100.0 * TM_CONFIDENCE, TM_MIN_PAIRS);
    return TM_OK;
}
