/* What each machine is, as a table for reading and for programs. */
#include "reports/limits.h"
#include "reports/machines_sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A row of the table for one machine: the text, or why it is missing. */
typedef struct fact {
    char text[600], missing[200];
} fact;

static void set_number(fact *out, const tm_measured *value)
{
    if (isfinite(value->value))
        tm_number(value->value, 3, out->text, sizeof out->text);
    else
        snprintf(out->missing, sizeof out->missing, "%s", value->missing);
}

static fact text_fact(const tm_machine_column *m, const char *part, const char *key)
{
    fact out = {0};
    snprintf(out.text, sizeof out.text, "%s", tm_machines_text(m->run, part, key));
    if (!out.text[0])
        snprintf(out.missing, sizeof out.missing, "%s",
                 tm_machines_text_missing(m->run, part, key));
    return out;
}

/* A measured limit at a number of threads; 0: all cores. */
static fact limit_fact(const tm_machine_column *m, const char *kind, int threads)
{
    fact out = {0};
    tm_measured value = {.value = NAN};
    if (m->emulated)
        tm_measured_miss(&value, "%s", m->unranked);
    else if (!threads && !m->cores)
        tm_measured_miss(&value, "the number of physical cores is not recorded");
    else
        value = tm_limit_find(m->limits, kind, threads ? threads : m->cores);
    set_number(&out, &value);
    return out;
}

static fact state_fact(const tm_machine_column *m)
{
    fact out = {0};
    const char *mode = tm_machines_text(m->run, "environment", "build_mode");
    const tm_json *machine = tm_json_get(m->run, "machine");
    if (!m->run)
        snprintf(out.missing, sizeof out.missing, "no run is recorded");
    else
        snprintf(out.text, sizeof out.text, "%s%s%s",
                 m->emulated                                             ? "emulated"
                 : tm_json_true(tm_json_get(machine, "virtual_machine")) ? "virtual machine"
                                                                         : "physical machine",
                 mode[0] && strcmp(mode, "release") != 0 ? ", build mode " : "",
                 mode[0] && strcmp(mode, "release") != 0 ? mode : "");
    return out;
}

static fact cores_fact(const tm_machine_column *m)
{
    fact out = {0};
    const double all = tm_json_double(tm_json_get(tm_json_get(m->run, "machine"), "cores"), NAN);
    if (!m->cores)
        snprintf(out.missing, sizeof out.missing, "not recorded");
    else if (all > m->cores && all < 1e6)
        snprintf(out.text, sizeof out.text, "%d of %.0f", m->cores, all);
    else
        snprintf(out.text, sizeof out.text, "%d", m->cores);
    return out;
}

static fact memory_fact(const tm_machine_column *m)
{
    fact out = {0};
    const double gib =
        tm_json_double(tm_json_get(tm_json_get(m->run, "machine"), "memory_gib"), NAN);
    if (isfinite(gib))
        tm_number_short(gib, 6, out.text, sizeof out.text);
    else
        snprintf(out.missing, sizeof out.missing, "%s",
                 tm_machines_text_missing(m->run, "machine", "memory_gib"));
    return out;
}

/* Distinct texts of the runs of a machine, joined by ", ". */
static void join_runs(const tm_machine_column *m, void (*put)(const tm_json *run, char text[160]),
                      fact *out)
{
    for (int i = 0; i < m->n_records; i++) {
        char text[160];
        if (m->records[i].kind != TM_RECORD_RUN) continue;
        put(m->records[i].run.document, text);
        if (!text[0] || strstr(out->text, text)) continue;
        const size_t n = strlen(out->text);
        snprintf(out->text + n, sizeof out->text - n, "%s%s", n ? ", " : "", text);
    }
    if (!out->text[0]) snprintf(out->missing, sizeof out->missing, "not recorded");
}

static void put_build(const tm_json *run, char text[160])
{
    const char *version = tm_machines_text(run, "environment", "version");
    const char *commit = tm_machines_text(run, "environment", "commit");
    text[0] = '\0';
    if (version[0] || commit[0])
        snprintf(text, 160, "%.40s (%.60s)", version[0] ? version : "?",
                 commit[0] ? commit : "commit not recorded");
}

static void put_run(const tm_json *run, char text[160])
{
    snprintf(text, 160, "%.24s", tm_json_text(tm_json_get(run, "run"), ""));
}

static void put_day(const tm_json *run, char text[160])
{
    snprintf(text, 160, "%.10s", tm_machines_text(run, "environment", "date"));
}

typedef enum row {
    CPU,
    ARCHITECTURE,
    ISA,
    CORES,
    CLOCK_ONE,
    CLOCK_ALL,
    READ_ONE,
    READ_ALL,
    INT8_ALL,
    FP32_ALL,
    MEMORY,
    KIND,
    KERNEL,
    GOVERNOR,
    MICROCODE,
    BIOS,
    HOST,
    FINGERPRINT,
    DAYS,
    BUILDS,
    STORES,
    RUNS,
    CHANGED,
    N_ROWS
} row;

static const struct {
    const char *heading, *key;
} rows[N_ROWS] = {
    [CPU] = {"CPU", "cpu"},
    [ARCHITECTURE] = {"Architecture", "architecture"},
    [ISA] = {"Instruction sets used", "isa_used"},
    [CORES] = {"Physical cores used", "cores"},
    [CLOCK_ONE] = {"Clock, 1 thread, GHz", "clock_ghz_1_thread"},
    [CLOCK_ALL] = {"Clock, all cores, GHz", "clock_ghz_all_cores"},
    [READ_ONE] = {"Read bandwidth, 1 thread, GB/s", "read_gb_per_second_1_thread"},
    [READ_ALL] = {"Read bandwidth, all cores, GB/s", "read_gb_per_second_all_cores"},
    [INT8_ALL] = {"int8 peak, all cores, GMAC/s", "int8_gmac_per_second_all_cores"},
    [FP32_ALL] = {"fp32 peak, all cores, GMAC/s", "fp32_gmac_per_second_all_cores"},
    [MEMORY] = {"Memory, GiB", "memory_gib"},
    [KIND] = {"Kind", "kind"},
    [KERNEL] = {"Linux", "kernel"},
    [GOVERNOR] = {"Governor", "governor"},
    [MICROCODE] = {"Microcode", "microcode"},
    [BIOS] = {"BIOS", "bios"},
    [HOST] = {"Host", "host"},
    [FINGERPRINT] = {"Fingerprint", "fingerprint"},
    [DAYS] = {"Measured on", "days"},
    [BUILDS] = {"Builds", "builds"},
    [STORES] = {"Stores", "stores"},
    [RUNS] = {"Runs", "runs"},
    [CHANGED] = {"Differs from its other column", "changed"},
};

static fact fact_of(const tm_machine_column *m, row which)
{
    fact out = {0};
    switch (which) {
    case CPU:
        return text_fact(m, "machine", "cpu_model");
    case ARCHITECTURE:
        return text_fact(m, "machine", "architecture");
    case ISA:
        return text_fact(m, "environment", "isa_used");
    case CORES:
        return cores_fact(m);
    case CLOCK_ONE:
        return limit_fact(m, "clock_ghz", 1);
    case CLOCK_ALL:
        return limit_fact(m, "clock_ghz", 0);
    case READ_ONE:
        return limit_fact(m, "read_gb_per_second", 1);
    case READ_ALL:
        return limit_fact(m, "read_gb_per_second", 0);
    case INT8_ALL:
        return limit_fact(m, "int8_gmac_per_second", 0);
    case FP32_ALL:
        return limit_fact(m, "fp32_gmac_per_second", 0);
    case MEMORY:
        return memory_fact(m);
    case KIND:
        return state_fact(m);
    case KERNEL:
        return text_fact(m, "environment", "kernel");
    case GOVERNOR:
        return text_fact(m, "environment", "governor");
    case MICROCODE:
        return text_fact(m, "environment", "microcode");
    case BIOS:
        return text_fact(m, "environment", "bios");
    case HOST:
        return text_fact(m, "environment", "host");
    case FINGERPRINT:
        snprintf(out.text, sizeof out.text, "%s",
                 tm_json_text(tm_json_get(m->run, "fingerprint"), ""));
        if (!out.text[0]) snprintf(out.missing, sizeof out.missing, "not recorded");
        return out;
    case DAYS:
        join_runs(m, put_day, &out);
        return out;
    case BUILDS:
        join_runs(m, put_build, &out);
        return out;
    case STORES:
        snprintf(out.text, sizeof out.text, "%s", m->stores);
        return out;
    case RUNS:
        join_runs(m, put_run, &out);
        return out;
    case CHANGED:
        snprintf(out.text, sizeof out.text, "%s", m->changed);
        if (!out.text[0])
            snprintf(out.missing, sizeof out.missing,
                     "other columns of this machine, if any, are compared with this one");
        return out;
    case N_ROWS:
        break;
    }
    return out;
}

/* What a source states about its machine: its name, and perhaps its bandwidth. */
static void add_published(const tm_machines_view *view, const tm_published_machine *m, row which,
                          tm_table *out)
{
    const tm_published_value *bandwidth = tm_published_bandwidth(view->published, m);
    char text[64], note[300];
    if (which == CPU) {
        tm_table_add_cell(out, "%s", m->device);
    } else if (which == KIND) {
        tm_table_add_cell(out, "published");
    } else if (which == READ_ALL && bandwidth) {
        snprintf(note, sizeof note, "maximum that %.60s prints (%.60s), not measured",
                 bandwidth->paper, bandwidth->table);
        tm_table_add_cell_with_note(out, tm_number_short(bandwidth->value, 6, text, sizeof text),
                                    note);
    } else if (which == CHANGED || which == STORES || which == RUNS || which == HOST ||
               which == FINGERPRINT) {
        tm_table_add_cell(out, "-");
    } else
        tm_table_add_cell(out, "not stated");
}

static bool has_changes(const tm_machines *machines)
{
    for (int m = 0; m < machines->n; m++)
        if (machines->items[m].changed[0]) return true;
    return false;
}

tm_status tm_machines_table(const tm_machines_view *view, tm_table *out, tm_error *err)
{
    tm_table_init(out, "Machines");
    out->is_sheet = true;
    tm_table_add_column(out, "", TM_LEFT);
    for (int m = 0; m < view->machines->n; m++)
        tm_table_add_column(out, view->machines->items[m].name, TM_LEFT);
    for (int m = 0; m < view->others->n; m++) {
        char heading[160];
        snprintf(heading, sizeof heading, "published: %s", view->others->items[m].name);
        tm_table_add_column(out, heading, TM_LEFT);
    }
    for (int r = 0; r < N_ROWS; r++) {
        if (r == CHANGED && !has_changes(view->machines)) continue;
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", rows[r].heading);
        for (int m = 0; m < view->machines->n; m++) {
            const fact f = fact_of(&view->machines->items[m], (row)r);
            if (f.text[0])
                tm_table_add_cell(out, "%s", f.text);
            else
                tm_table_add_cell_with_note(out, "-", f.missing);
        }
        for (int m = 0; m < view->others->n; m++)
            add_published(view, &view->others->items[m], (row)r, out);
    }
    tm_table_add_note(out,
                      "Clock: dependent additions per second, one per cycle, with every thread "
                      "on a core of its own. Bandwidth and peaks: the best trial of the run's "
                      "roofline.");
    return out->failed ? tm_fail(err, TM_NOMEM, "out of memory for the table of machines") : TM_OK;
}

tm_status tm_machines_csv(const tm_machines_view *view, tm_table *out, tm_error *err)
{
    tm_table_init(out, "Machines");
    tm_table_add_column(out, "machine", TM_LEFT);
    tm_table_add_column(out, "origin", TM_LEFT);
    for (int r = 0; r < N_ROWS; r++) tm_table_add_column(out, rows[r].key, TM_LEFT);
    tm_table_add_column(out, "missing", TM_LEFT);
    for (int m = 0; m < view->machines->n; m++) {
        const tm_machine_column *machine = &view->machines->items[m];
        tm_text missing = {0};
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", machine->name);
        tm_table_add_cell(out, "%s", machine->emulated ? "emulated" : "measured");
        for (int r = 0; r < N_ROWS; r++) {
            const fact f = fact_of(machine, (row)r);
            tm_table_add_cell(out, "%s", f.text);
            if (!f.text[0] && r != CHANGED)
                tm_text_format(&missing, "%s%s: %s", missing.length ? "; " : "", rows[r].key,
                               f.missing);
        }
        tm_table_add_cell(out, "%s", tm_text_string(&missing));
        out->failed |= missing.failed;
        tm_text_free(&missing);
    }
    for (int m = 0; m < view->others->n; m++) {
        const tm_published_machine *machine = &view->others->items[m];
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", machine->name);
        tm_table_add_cell(out, "published");
        for (int r = 0; r < N_ROWS; r++)
            tm_table_add_cell(out, "%s", r == CPU ? machine->device : "");
        tm_table_add_cell(out, "the source states no more");
    }
    return out->failed ? tm_fail(err, TM_NOMEM, "out of memory for the table of machines") : TM_OK;
}
