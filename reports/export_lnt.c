/* LNT report, format version 2, for the test suite "nts" (docs/importing_data.rst and
 * schemas/nts.yaml of llvm-lnt). The import refuses metrics that the suite does not know. A report
 * has one machine and one run.
 *
 * score is tokens per second, which is better when larger; execution_time is the seconds of a
 * repetition; mem_bytes is peak memory. nts has no metric for energy. A failed cell has
 * execution_status 1 (FAIL in lnt/testing). All samples are listed: LNT aggregates itself. */
#include "reports/export_format.h"

#include "harness/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LNT_FAIL 1

static tm_status put_samples(const tm_export *e, const tm_cell_summary *cell, tm_json *test,
                             tm_error *err)
{
    const tm_record **samples;
    int n;
    bool has_memory = true;
    tm_status status = tm_export_samples(e, cell, &samples, &n, err);
    if (status != TM_OK) return status;
    tm_json *scores = tm_json_array(), *times = tm_json_array(), *memory = tm_json_array();
    for (int i = 0; i < n; i++) {
        const tm_record_sample *s = &samples[i]->sample;
        has_memory &= isfinite(s->peak_rss_bytes.value);
        tm_json_append(scores, tm_json_number(tm_record_rate(samples[i])));
        tm_json_append(times, tm_json_number((double)s->elapsed_ns / 1e9));
        tm_json_append(memory, tm_json_number(s->peak_rss_bytes.value));
    }
    tm_json_set(test, "score", scores);
    tm_json_set(test, "execution_time", times);
    if (has_memory)
        tm_json_set(test, "mem_bytes", memory);
    else
        tm_json_free(memory);
    free(samples);
    return TM_OK;
}

static tm_json *make_machine(const tm_export *e, const tm_cell_summary *cell)
{
    const tm_summary_machine *m = &e->summaries->machines[cell->cell.machine];
    const tm_json *machine = tm_json_get(m->run, "machine");
    tm_json *out = tm_json_object();
    tm_text name = {0};
    /* LNT keys a machine by its name. */
    tm_text_add(&name, m->name[0] ? m->name : "CPU not recorded");
    if (m->fingerprint[0]) tm_text_format(&name, " %s", m->fingerprint);
    if (tm_json_true(tm_json_get(machine, "emulated"))) tm_text_add(&name, " (emulated)");
    tm_export_put_json(out, "name", tm_text_string(&name));
    tm_text_free(&name);
    if (m->name[0]) tm_export_put_json(out, "hardware", m->name);
    const char *architecture = tm_json_text(tm_json_get(machine, "architecture"), NULL);
    const char *kernel = tm_export_environment(e, cell, "kernel");
    if (architecture) tm_export_put_json(out, "architecture", architecture);
    if (kernel) tm_export_put_json(out, "os", kernel);
    return out;
}

static tm_json *make_run(const tm_export *e, const tm_cell_summary *cell)
{
    static const char *const keys[] = {"version", "compiler"};
    const char *date = tm_export_environment(e, cell, "date");
    const char *commit = tm_export_environment(e, cell, "commit");
    tm_json *out = tm_json_object();
    char start[20];
    snprintf(start, sizeof start, "%s", date ? date : ""); /* without its Z */
    if (start[0]) {
        tm_export_put_json(out, "start_time", start);
        tm_export_put_json(out, "end_time", start);
    }
    /* Orders the runs, and is mandatory. */
    tm_export_put_json(out, "llvm_project_revision",
                       commit           ? commit
                       : cell->build[0] ? cell->build
                                        : "unknown");
    tm_export_put_json(out, "sweep", e->title);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = tm_export_environment(e, cell, keys[i]);
        if (value) tm_export_put_json(out, keys[i], value);
    }
    tm_text marks = {0};
    for (int i = 0; i < e->n_rows; i++) { /* each mark once: a test has no place for its own */
        const char *own = e->rows[i].cell->marks;
        if (own[0] && !strstr(tm_text_string(&marks), own))
            tm_text_format(&marks, "%s%s", marks.length ? "; " : "", own);
    }
    if (marks.length) tm_export_put_json(out, "marks", tm_text_string(&marks));
    tm_text_free(&marks);
    return out;
}

tm_status tm_export_write_lnt(const tm_export *e, tm_text *out, tm_error *err)
{
    const tm_cell_summary *last = e->rows[e->n_rows - 1].cell;
    tm_json *root = tm_json_object(), *tests = tm_json_array();
    tm_status status = TM_OK;
    tm_json_put_string(root, "format_version", "2");
    tm_json_set(root, "machine", make_machine(e, last));
    tm_json_set(root, "run", make_run(e, last));
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) {
        const tm_cell_summary *cell = e->rows[i].cell;
        tm_json *test = tm_json_object();
        tm_text name = {0};
        tm_export_name_here(e, cell, &name);
        tm_export_put_json(test, "name", tm_text_string(&name));
        tm_text_free(&name);
        if (strcmp(cell->status, "failed") == 0)
            tm_json_put_int(test, "execution_status", LNT_FAIL);
        else
            status = put_samples(e, cell, test, err);
        tm_json_append(tests, test);
    }
    tm_json_set(root, "tests", tests);
    if (status == TM_OK) return tm_text_put_json(out, root, true, err);
    tm_json_free(root);
    return status;
}
