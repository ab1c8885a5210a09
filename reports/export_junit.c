/* JUnit XML. No standard: the elements and attributes are those that Jenkins' xUnit plugin accepts
 * (its junit-10.xsd) and that GitLab reads. A test case has no properties there, so what qualifies
 * a value stands in <system-out>.
 *
 * One suite per machine. A regression is a failure, a failed cell is an error; a skipped cell and
 * an inconclusive comparison are skipped. */
#include "reports/export_format.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* name="text", with a blank before it */
static void put_attribute(tm_text *out, const char *name, const char *text)
{
    tm_text_format(out, " %s=\"", name);
    tm_export_put(out, text, tm_export_xml);
    tm_text_add_char(out, '"');
}

/* Plain digits: the schema allows no exponent. */
static void put_time(tm_text *out, int64_t ns)
{
    tm_text_format(out, " time=\"%lld.%06lld\"", (long long)(ns / 1000000000),
                   (long long)(ns % 1000000000 / 1000));
}

static int64_t elapsed(const tm_record *const *samples, int n)
{
    int64_t sum = 0;
    for (int i = 0; i < n; i++) sum += samples[i]->sample.elapsed_ns;
    return sum;
}

static bool is_status(const tm_export_row *row, const char *status)
{
    return strcmp(row->cell->status, status) == 0;
}

/* "0.93 (95 %: 0.90 to 0.95) times the base" */
static void put_ratio(const tm_export_row *row, tm_text *out)
{
    tm_interval ratio = {.value = row->ratio, .low = row->ratio_low, .high = row->ratio_high};
    char text[128];
    tm_text_format(out, "%s: %s of the base; ", row->metric ? row->metric : "tokens_per_second",
                   tm_number_interval(&ratio, 3, text, sizeof text));
}

static void put_outcome(const tm_export_row *row, tm_text *out)
{
    const bool is_failed = is_status(row, "failed"), is_skipped = is_status(row, "skipped");
    const bool is_regression = tm_export_is(row, "regression");
    tm_text message = {0};
    if (!is_failed && !is_skipped && !is_regression && !tm_export_is(row, "inconclusive")) return;
    if (isfinite(row->ratio)) put_ratio(row, &message);
    tm_text_add(&message, is_failed || is_skipped ? row->cell->missing
                          : row->reason           ? row->reason
                                                  : row->outcome);
    const char *element = is_failed                      ? "error"
                          : is_skipped || !is_regression ? "skipped"
                                                         : "failure";
    tm_text_format(out, "      <%s", element);
    put_attribute(out, "message", tm_text_string(&message));
    if (is_failed || is_regression)
        put_attribute(out, "type", is_failed ? "failed cell" : row->outcome);
    tm_text_add(out, "/>\n");
    out->failed |= message.failed;
    tm_text_free(&message);
}

static void put_metrics(const tm_cell_summary *s, tm_text *out)
{
    tm_export_metric metrics[TM_METRICS_MAX];
    const int n = tm_export_metrics(s, metrics);
    for (int i = 0; i < n; i++) {
        const tm_export_metric *m = &metrics[i];
        char text[128];
        tm_text_format(out, "%s: %s", m->row->name,
                       tm_number_interval(&m->value, 4, text, sizeof text));
        if (m->row->unit[0]) tm_text_format(out, " %s", m->row->unit);
        if (m->energy) tm_text_format(out, " (%s)", tm_energy_origin(m->energy, text, sizeof text));
        tm_text_add_char(out, '\n');
    }
}

static void put_samples(const tm_record *const *samples, int n, tm_text *out)
{
    for (int i = 0; i < n; i++) {
        const tm_record *r = samples[i];
        char rate[64];
        tm_text_format(out, "run %s process %d repetition %d: %s tokens/s", r->run_id, r->process,
                       r->sample.repetition, tm_number(tm_record_rate(r), 5, rate, sizeof rate));
        if (r->marks[0]) tm_text_format(out, " (%s)", r->marks);
        tm_text_add_char(out, '\n');
    }
}

/* What is inside <system-out>. */
static void put_output(const tm_export *e, const tm_export_row *row,
                       const tm_record *const *samples, int n, tm_text *out)
{
    const tm_cell_summary *s = row->cell;
    tm_text text = {0};
    tm_export_about(e, s, &text);
    tm_text_add_char(&text, '\n');
    put_metrics(s, &text);
    if (s->energy.fake) tm_text_add(&text, "joules_per_token: left out, the energy is fake\n");
    put_samples(samples, n, &text);
    tm_text_add(out, "      <system-out>");
    for (const char *line = tm_text_string(&text); *line;) {
        char one[4096];
        const size_t length = strcspn(line, "\n");
        snprintf(one, sizeof one, "%.*s", (int)length, line);
        tm_export_put(out, one, tm_export_xml);
        tm_text_add_char(out, '\n');
        line += length + (line[length] == '\n');
    }
    tm_text_add(out, "</system-out>\n");
    out->failed |= text.failed;
    tm_text_free(&text);
}

static void put_names(const tm_export *e, const tm_export_row *row, tm_text *out)
{
    const tm_cell *c = &row->cell->cell;
    tm_text name = {0}, class = {0};
    tm_text_format(&class, "%s.%s", c->model, c->kernel);
    tm_text_format(&name, "%s@%d", c->test, c->threads);
    tm_export_name_rest(e, row->cell, &name);
    tm_export_name_machine(e, row->cell, &name);
    if (row->metric) tm_text_format(&name, " %s", row->metric);
    put_attribute(out, "classname", tm_text_string(&class));
    put_attribute(out, "name", tm_text_string(&name));
    out->failed |= name.failed || class.failed;
    tm_text_free(&name);
    tm_text_free(&class);
}

static tm_status put_case(const tm_export *e, const tm_export_row *row, int64_t *sum_ns,
                          tm_text *out, tm_error *err)
{
    const tm_record **samples;
    int n;
    tm_status status = tm_export_samples(e, row->cell, &samples, &n, err);
    if (status != TM_OK) return status;
    const int64_t ns = elapsed(samples, n);
    *sum_ns += ns;
    tm_text_add(out, "    <testcase");
    put_names(e, row, out);
    if (n > 0) put_time(out, ns);
    tm_text_add(out, ">\n");
    put_outcome(row, out);
    put_output(e, row, samples, n, out);
    tm_text_add(out, "    </testcase>\n");
    free(samples);
    return TM_OK;
}

static void put_property(tm_text *out, const char *name, const char *value)
{
    if (!value) return;
    tm_text_add(out, "      <property");
    put_attribute(out, "name", name);
    put_attribute(out, "value", value);
    tm_text_add(out, "/>\n");
}

static void put_properties(const tm_export *e, const tm_cell_summary *cell, tm_text *out)
{
    static const char *const keys[] = {"version", "commit", "compiler", "kernel", "governor"};
    tm_text machine = {0};
    tm_export_machine(e, cell->cell.machine, &machine);
    tm_text_add(out, "    <properties>\n");
    put_property(out, "machine", tm_text_string(&machine));
    put_property(out, "build", cell->build[0] ? cell->build : NULL);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        put_property(out, keys[i], tm_export_environment(e, cell, keys[i]));
    tm_text_add(out, "    </properties>\n");
    out->failed |= machine.failed;
    tm_text_free(&machine);
}

static tm_status put_suite(const tm_export *e, int machine, tm_text *out, tm_error *err)
{
    int n = 0, n_failures = 0, n_errors = 0, n_skipped = 0;
    int64_t ns = 0;
    const tm_cell_summary *first = NULL;
    tm_text cases = {0}, name = {0};
    tm_status status = TM_OK;
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) {
        const tm_export_row *row = &e->rows[i];
        if (row->cell->cell.machine != machine) continue;
        const bool is_failed = is_status(row, "failed"), is_skipped = is_status(row, "skipped");
        if (!first) first = row->cell;
        n++;
        n_errors += is_failed;
        n_failures += !is_failed && !is_skipped && tm_export_is(row, "regression");
        n_skipped += is_skipped || (!is_failed && tm_export_is(row, "inconclusive"));
        status = put_case(e, row, &ns, &cases, err);
    }
    if (first && status == TM_OK) {
        const char *date = tm_export_environment(e, first, "date");
        char timestamp[20];
        snprintf(timestamp, sizeof timestamp, "%s", date ? date : ""); /* without its Z */
        tm_text_add(&name, e->title);
        if (tm_export_names_machine(e, first)) {
            tm_text_add(&name, " on ");
            tm_export_machine(e, machine, &name);
        }
        tm_text_add(out, "  <testsuite");
        put_attribute(out, "name", tm_text_string(&name));
        tm_text_format(out, " tests=\"%d\" failures=\"%d\" errors=\"%d\" skipped=\"%d\"", n,
                       n_failures, n_errors, n_skipped);
        put_time(out, ns);
        if (timestamp[0]) put_attribute(out, "timestamp", timestamp);
        tm_text_add(out, ">\n");
        put_properties(e, first, out);
        tm_text_add(out, tm_text_string(&cases));
        tm_text_add(out, "  </testsuite>\n");
    }
    out->failed |= cases.failed || name.failed;
    tm_text_free(&cases);
    tm_text_free(&name);
    return status;
}

tm_status tm_export_write_junit(const tm_export *e, tm_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    tm_text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (int m = 0; m < e->summaries->n_machines && status == TM_OK; m++)
        status = put_suite(e, m, out, err);
    tm_text_add(out, "</testsuites>\n");
    return status;
}
