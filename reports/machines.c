/* From the records of stores to columns, one per machine and state. */
#include "reports/machines.h"

#include "reports/report_parts.h"
#include "reports/summary_cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tm_machines_text(const tm_json *run, const char *part, const char *key)
{
    return tm_json_text(tm_json_get(tm_json_get(run, part), key), "");
}

const char *tm_machines_text_missing(const tm_json *run, const char *part, const char *key)
{
    char reason[64];
    snprintf(reason, sizeof reason, "%.40s_missing", key);
    return tm_json_text(tm_json_get(tm_json_get(run, part), reason),
                        run ? "not recorded" : "no run is recorded");
}

static bool is_emulated(const tm_json *run)
{
    return tm_json_true(tm_json_get(tm_json_get(run, "machine"), "emulated"));
}

/* What makes a state of a machine, apart from its hardware. */
static const struct {
    const char *key, *name;
} states[] = {{"kernel", "kernel"},
              {"microcode", "microcode"},
              {"bios", "BIOS"},
              {"isa_used", "instruction sets"}};
enum { N_STATES = sizeof states / sizeof *states, ISA = N_STATES - 1 };

static bool same_text(const tm_json *a, const tm_json *b, const char *part, const char *key)
{
    return strcmp(tm_machines_text(a, part, key), tm_machines_text(b, part, key)) == 0;
}

/* Whether two runs describe the same hardware, whatever their fingerprints say. */
static bool same_hardware(const tm_json *a, const tm_json *b)
{
    char *x = tm_json_print(tm_json_get(a, "machine"), false);
    char *y = tm_json_print(tm_json_get(b, "machine"), false);
    const bool is_same = x && y ? strcmp(x, y) == 0 : x == y;
    free(x);
    free(y);
    return is_same;
}

static const char *fingerprint_of(const tm_json *run)
{
    return tm_json_text(tm_json_get(run, "fingerprint"), "");
}

static const char *host_id_of(const tm_json *run)
{
    return tm_machines_text(run, "environment", "host_id");
}

/* Whether two runs come from one physical machine. Older programs recorded no host: their runs do
 * if they share a store and its hardware. */
static bool same_family(const tm_json *a, const tm_json *b, bool same_store)
{
    const char *x = host_id_of(a), *y = host_id_of(b);
    if (x[0] || y[0]) return strcmp(x, y) == 0 && same_text(a, b, "environment", "host");
    return same_store && strcmp(fingerprint_of(a), fingerprint_of(b)) == 0 &&
           same_text(a, b, "machine", "cpu_model");
}

static bool same_state(const tm_json *a, const tm_json *b)
{
    for (int i = 0; i < N_STATES; i++)
        if (!same_text(a, b, "environment", states[i].key)) return false;
    return is_emulated(a) == is_emulated(b) && strcmp(fingerprint_of(a), fingerprint_of(b)) == 0 &&
           same_hardware(a, b);
}

/* A run of a store. */
typedef struct run_place {
    const tm_json *document; /* NULL: the records without a run of one store */
    const char *id;
    int store, column;
} run_place;

typedef struct work {
    const tm_machine_store *stores;
    int n_stores;
    run_place *runs; /* [n_runs] by store */
    int n_runs;
    tm_machines *out;
} work;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The column of a run: that of the same run in an earlier store, or one of an equal state. */
static int find_column(const work *w, const run_place *run)
{
    for (int i = 0; i < w->n_runs; i++) {
        const run_place *other = &w->runs[i];
        if (other == run || other->column < 0 || !other->document || !run->document) continue;
        if (strcmp(other->id, run->id) == 0 && same_state(other->document, run->document))
            return other->column;
    }
    for (int i = 0; i < w->n_runs; i++) {
        const run_place *other = &w->runs[i];
        if (other == run || other->column < 0 || !other->document || !run->document) continue;
        if (same_family(other->document, run->document, other->store == run->store) &&
            same_state(other->document, run->document))
            return other->column;
    }
    return -1;
}

static void add_store_name(tm_machine_column *column, const char *path)
{
    const char *name = base_name(path);
    const size_t n = strlen(column->stores);
    if (n && strstr(column->stores, name)) return;
    snprintf(column->stores + n, sizeof column->stores - n, "%s%s", n ? ", " : "", name);
}

/* One run must not name two machines. */
static tm_status check_run(const work *w, const run_place *run, tm_error *err)
{
    for (int i = 0; i < w->n_runs; i++) {
        const run_place *other = &w->runs[i];
        if (other == run) return TM_OK;
        if (other->store != run->store || strcmp(other->id, run->id) != 0) continue;
        if (strcmp(fingerprint_of(other->document), fingerprint_of(run->document)) != 0)
            return tm_fail(err, TM_FORMAT,
                           "%s: run %s has two fingerprints, %s and %s: the store was edited or "
                           "put together from several; give the original stores",
                           w->stores[run->store].path, run->id, fingerprint_of(other->document),
                           fingerprint_of(run->document));
    }
    return TM_OK;
}

/* Two runs with one fingerprint but other hardware: one of the descriptions was changed. */
static void note_contradictions(work *w)
{
    for (int i = 0; i < w->n_runs; i++)
        for (int k = 0; k < i; k++) {
            const tm_json *a = w->runs[k].document, *b = w->runs[i].document;
            if (!a || !b || w->runs[i].column == w->runs[k].column) continue;
            if (!fingerprint_of(a)[0] || strcmp(fingerprint_of(a), fingerprint_of(b)) != 0 ||
                same_hardware(a, b))
                continue;
            tm_text_add(&w->out->remarks, "- The runs ");
            tm_markdown_escape(w->runs[k].id, &w->out->remarks);
            tm_text_add(&w->out->remarks, " and ");
            tm_markdown_escape(w->runs[i].id, &w->out->remarks);
            tm_text_format(&w->out->remarks,
                           " have one fingerprint (%.24s) but describe different hardware: one "
                           "description was changed. They are kept apart.\n",
                           fingerprint_of(a));
            return;
        }
}

static tm_status collect_runs(work *w, tm_error *err)
{
    void *memory;
    int room = w->n_stores;
    for (int s = 0; s < w->n_stores; s++)
        for (int i = 0; i < w->stores[s].records->n; i++)
            room += w->stores[s].records->items[i].kind == TM_RECORD_RUN;
    tm_status status = tm_alloc(&memory, (size_t)room + 1, sizeof *w->runs, "runs", err);
    if (status != TM_OK) return status;
    w->runs = memory;
    status = tm_alloc(&memory, (size_t)room + 1, sizeof *w->out->items, "machines", err);
    if (status != TM_OK) return status;
    w->out->items = memory;
    for (int s = 0; s < w->n_stores; s++) {
        const tm_records *records = w->stores[s].records;
        const int before = w->n_runs;
        for (int i = 0; i < records->n && status == TM_OK; i++) {
            if (records->items[i].kind != TM_RECORD_RUN) continue;
            run_place *run = &w->runs[w->n_runs++];
            *run = (run_place){.document = records->items[i].run.document,
                               .id = records->items[i].run_id,
                               .store = s,
                               .column = -1};
            status = check_run(w, run, err);
        }
        if (status == TM_OK && w->n_runs == before && records->n > 0)
            w->runs[w->n_runs++] = (run_place){.id = "", .store = s, .column = -1};
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

static void place_runs(work *w)
{
    for (int i = 0; i < w->n_runs; i++) {
        run_place *run = &w->runs[i];
        int c = find_column(w, run);
        if (c < 0) {
            c = w->out->n++;
            w->out->items[c].family = c;
        }
        run->column = c;
        tm_machine_column *column = &w->out->items[c];
        add_store_name(column, w->stores[run->store].path);
        column->run = run->document;
        if (!column->first) column->first = run->document;
        if (!column->limits || tm_json_is_object(tm_json_get(run->document, "roofline")))
            column->limits = run->document;
    }
    for (int i = 0; i < w->n_runs; i++)
        for (int k = 0; k < i; k++)
            if (w->runs[i].document && w->runs[k].document &&
                same_family(w->runs[k].document, w->runs[i].document,
                            w->runs[k].store == w->runs[i].store)) {
                const int from = w->out->items[w->runs[i].column].family;
                const int to = w->out->items[w->runs[k].column].family;
                for (int c = 0; c < w->out->n; c++)
                    if (w->out->items[c].family == from) w->out->items[c].family = to;
            }
}

/* The column of a record: that of its run, or of the newest run of its store. */
static int column_of(const work *w, int store, const tm_record *record)
{
    int last = 0;
    for (int i = 0; i < w->n_runs; i++) {
        if (w->runs[i].store != store) continue;
        if (strcmp(w->runs[i].id, record->run_id) == 0) return w->runs[i].column;
        last = w->runs[i].column;
    }
    return last;
}

static tm_status share_records(work *w, tm_error *err)
{
    for (int is_copy = 0; is_copy <= 1; is_copy++) {
        for (int s = 0; s < w->n_stores; s++)
            for (int i = 0; i < w->stores[s].records->n; i++) {
                const tm_record *record = &w->stores[s].records->items[i];
                tm_machine_column *column = &w->out->items[column_of(w, s, record)];
                if (is_copy) column->records[column->n_records] = *record;
                column->n_records++;
            }
        for (int c = 0; c < w->out->n && !is_copy; c++) {
            void *memory;
            tm_machine_column *column = &w->out->items[c];
            tm_status status = tm_alloc(&memory, (size_t)column->n_records + 1,
                                        sizeof *column->records, "records of a machine", err);
            if (status != TM_OK) return status;
            column->records = memory;
            column->n_records = 0;
        }
    }
    return TM_OK;
}

static int count_isa(const tm_json *run)
{
    const char *text = tm_machines_text(run, "environment", "isa_used");
    int n = text[0] != '\0' && strcmp(text, "none") != 0;
    for (; *text; text++) n += *text == '+';
    return n;
}

static const char *began(const tm_machine_column *column)
{
    return tm_machines_text(column->first, "environment", "date");
}

/* The column that the others of its machine are compared with: not emulated, with the most
 * instruction sets, and the earliest of these. */
static const tm_machine_column *reference_of(const tm_machines *all, int family)
{
    const tm_machine_column *best = NULL;
    for (int i = 0; i < all->n; i++) {
        const tm_machine_column *own = &all->items[i];
        if (own->family != family || own->emulated || !own->run) continue;
        const int more = best ? count_isa(own->run) - count_isa(best->run) : 1;
        if (more > 0 || (more == 0 && strcmp(began(own), began(best)) < 0)) best = own;
    }
    return best;
}

/* "memory_gib: 32, in the other column 16": how the hardware differs. */
static void describe_hardware(const tm_json *own, const tm_json *other, char *text, size_t size)
{
    for (const tm_json *m = tm_json_at(own, 0); m; m = tm_json_next(m)) {
        const char *key = tm_json_key(m);
        const size_t n = strlen(key);
        if (n > 8 && strcmp(key + n - 8, "_missing") == 0) continue;
        char *x = tm_json_print(m, false), *y = tm_json_print(tm_json_get(other, key), false);
        if (x && y && strcmp(x, y) != 0) {
            if (strlen(x) + strlen(y) < 120)
                tm_add_sentence(text, size, "%s: %s, in the other column %s", key, x, y);
            else
                tm_add_sentence(text, size, "%s differ", key);
        }
        free(x);
        free(y);
    }
}

static void describe_change(const tm_machine_column *reference, tm_machine_column *own,
                            char name[96])
{
    const char *isa = tm_machines_text(own->run, "environment", "isa_used");
    char *text = own->changed;
    const size_t size = sizeof own->changed;
    if (own->emulated) {
        tm_add_sentence(text, size, "another processor, emulated on this machine");
        return;
    }
    describe_hardware(tm_json_get(own->run, "machine"), tm_json_get(reference->run, "machine"),
                      text, size);
    for (int i = 0; i < ISA; i++) {
        const char *x = tm_machines_text(own->run, "environment", states[i].key);
        const char *y = tm_machines_text(reference->run, "environment", states[i].key);
        if (strcmp(x, y) != 0)
            tm_add_sentence(text, size, "%s: %s, in the other column %s", states[i].name,
                            x[0] ? x : "not recorded", y[0] ? y : "not recorded");
    }
    if (text[0])
        snprintf(name, 96, "%s",
                 strcmp(began(own), began(reference)) < 0 ? ", before a change" : ", changed");
    if (!same_text(reference->run, own->run, "environment", states[ISA].key)) {
        tm_add_sentence(text, size, "instruction sets: %s", isa[0] ? isa : "not recorded");
        snprintf(name + strlen(name), 96 - strlen(name), ", %.60s only", isa[0] ? isa : "?");
    }
}

/* Whether an earlier column has the name of this one. */
static bool has_name(const tm_machines *all, int c)
{
    for (int i = 0; i < c; i++)
        if (strcmp(all->items[i].name, all->items[c].name) == 0) return true;
    return false;
}

static void name_column(tm_machines *all, int c)
{
    tm_machine_column *own = &all->items[c];
    const char *cpu = tm_machines_text(own->run, "machine", "cpu_model");
    const char *host = tm_machines_text(own->run, "environment", "host");
    const char *architecture = tm_machines_text(own->run, "machine", "architecture");
    const tm_machine_column *reference = reference_of(all, own->family);
    char state[96] = "";
    if (reference && reference != own) describe_change(reference, own, state);
    if (!cpu[0]) cpu = "CPU not recorded";
    if (own->emulated) /* /proc/cpuinfo shows the processor of the host */
        snprintf(own->name, sizeof own->name, "emulated %.10s on %.40s%s%.20s", architecture, cpu,
                 host[0] ? ", " : "", host);
    else
        snprintf(own->name, sizeof own->name, "%.40s%s%.20s%.48s", cpu, host[0] ? " on " : "", host,
                 state);
    if (has_name(all, c)) {
        const size_t n = strlen(own->name);
        snprintf(own->name + n, sizeof own->name - n, ", %.24s", own->stores);
    }
    for (int n = 2; has_name(all, c); n++) {
        own->name[strcspn(own->name, "#")] = '\0';
        snprintf(own->name + strlen(own->name), sizeof own->name - strlen(own->name), "#%d", n);
    }
}

static void describe_column(tm_machine_column *column)
{
    const char *mode = tm_machines_text(column->run, "environment", "build_mode");
    column->cores = tm_report_cores(column->run);
    column->emulated = is_emulated(column->run);
    if (column->emulated)
        snprintf(column->unranked, sizeof column->unranked, "emulated: times have no meaning");
    else if (mode[0] && strcmp(mode, "release") != 0)
        snprintf(column->unranked, sizeof column->unranked,
                 "measured by a build in mode %.16s, which is not for timing", mode);
}

/* Machines that could be taken for one another. */
static void note_twins(tm_machines *all)
{
    for (int i = 0; i < all->n; i++)
        for (int k = 0; k < i; k++) {
            const tm_machine_column *a = &all->items[k], *b = &all->items[i];
            if (a->family == b->family || !fingerprint_of(a->run)[0] ||
                strcmp(fingerprint_of(a->run), fingerprint_of(b->run)) != 0)
                continue;
            tm_text_add(&all->remarks, "- ");
            tm_markdown_escape(a->name, &all->remarks);
            tm_text_add(&all->remarks, " and ");
            tm_markdown_escape(b->name, &all->remarks);
            tm_text_add(&all->remarks,
                        host_id_of(a->run)[0] && host_id_of(b->run)[0]
                            ? " have the same hardware and are two machines.\n"
                            : " have the same hardware, and the stores do not say whether they are "
                              "one machine, because an older ternmark wrote them. They are kept "
                              "apart.\n");
        }
}

static void note_changes(tm_machines *all)
{
    for (int i = 0; i < all->n; i++) {
        if (!all->items[i].changed[0]) continue;
        tm_text_add(&all->remarks, "- ");
        tm_markdown_escape(all->items[i].name, &all->remarks);
        tm_text_add(&all->remarks, " is the machine of another column: ");
        tm_markdown_escape(all->items[i].changed, &all->remarks);
        tm_text_add(&all->remarks, ".\n");
    }
}

static void note_stores(const work *w)
{
    for (int s = 0; s < w->n_stores; s++) {
        char left_out[1200];
        const char *text = tm_records_left_out(w->stores[s].records, left_out, sizeof left_out);
        if (w->stores[s].records->n == 0) text = "the store holds no record yet; it is left out";
        if (!text) continue;
        tm_text_add(&w->out->remarks, "- ");
        tm_markdown_escape(base_name(w->stores[s].path), &w->out->remarks);
        tm_text_add(&w->out->remarks, ": ");
        tm_markdown_escape(text, &w->out->remarks);
        tm_text_add(&w->out->remarks, ".\n");
    }
    for (int i = 0; i < w->n_runs; i++)
        for (int k = 0; k < i; k++) {
            if (!w->runs[i].document || w->runs[i].store == w->runs[k].store ||
                strcmp(w->runs[i].id, w->runs[k].id) != 0)
                continue;
            tm_text_add(&w->out->remarks, "- Run ");
            tm_markdown_escape(w->runs[i].id, &w->out->remarks);
            tm_text_add(&w->out->remarks, " is in two stores, ");
            tm_markdown_escape(base_name(w->stores[w->runs[k].store].path), &w->out->remarks);
            tm_text_add(&w->out->remarks, " and ");
            tm_markdown_escape(base_name(w->stores[w->runs[i].store].path), &w->out->remarks);
            tm_text_add(&w->out->remarks, "; it counts once.\n");
        }
}

static tm_status summarise(tm_machine_column *column, tm_error *err)
{
    tm_status status =
        tm_summaries_make(column->records, column->n_records, &column->summaries, err);
    return status == TM_OK ? tm_speedups_make(&column->summaries, &column->speedups, err) : status;
}

tm_status tm_machines_make(const tm_machine_store *stores, int n, tm_machines *out, tm_error *err)
{
    work w = {.stores = stores, .n_stores = n, .out = out};
    int n_cells = 0;
    *out = (tm_machines){0};
    tm_status status = collect_runs(&w, err);
    if (status == TM_OK) {
        place_runs(&w);
        status = share_records(&w, err);
    }
    for (int c = 0; c < out->n && status == TM_OK; c++) {
        describe_column(&out->items[c]);
        status = summarise(&out->items[c], err);
        n_cells += out->items[c].summaries.n;
    }
    for (int c = 0; c < out->n && status == TM_OK; c++) name_column(out, c);
    if (status == TM_OK && n_cells == 0)
        status = tm_fail(err, TM_ARG, "%s%s: no store holds a cell", n > 0 ? stores[0].path : "",
                         n > 1 ? " and the others" : "");
    if (status == TM_OK) {
        note_stores(&w);
        note_contradictions(&w);
        note_twins(out);
        note_changes(out);
        status = tm_text_status(&out->remarks, "remarks about machines", err);
    }
    tm_free(w.runs);
    return status;
}

void tm_machines_free(tm_machines *machines)
{
    for (int i = 0; i < machines->n; i++) {
        tm_speedups_free(&machines->items[i].speedups);
        tm_summaries_free(&machines->items[i].summaries);
        tm_free(machines->items[i].records);
    }
    tm_free(machines->items);
    tm_text_free(&machines->remarks);
    *machines = (tm_machines){0};
}
