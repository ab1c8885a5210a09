/* The table of formats, what each leaves out, and the files. */
#include "reports/export_format.h"

#include "harness/base/atomic_file.h"
#include "reports/summary_cell.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATUSES (TM_EXPORT_FAILED | TM_EXPORT_SKIPPED)
#define HISTORY  (TM_EXPORT_MACHINES | TM_EXPORT_ENERGY)
#define TABLES   (TM_EXPORT_MACHINES | TM_EXPORT_BUILDS)

#define PART(write, suffix, variable)                                                              \
    {                                                                                              \
        write, suffix, variable                                                                    \
    }
#define ONE(write)                                                                                 \
    {                                                                                              \
        PART(write, NULL, NULL), PART(NULL, NULL, NULL)                                            \
    }
#define TWO(first, second)                                                                         \
    {                                                                                              \
        first, second                                                                              \
    }
#define TM_EXPORT(name, about, holds, refuses, parts) {name, holds, refuses, parts},
static const tm_export_format formats[] = {
#include "reports/export_formats.def"
};
#undef TM_EXPORT
#define N_FORMATS ((int)(sizeof formats / sizeof *formats))

const char *const *tm_export_names(void)
{
    static const char *names[N_FORMATS + 1];
    for (int i = 0; i < N_FORMATS; i++) names[i] = formats[i].name;
    return names;
}

tm_status tm_export_find(const char *name, const tm_export_format **out, tm_error *err)
{
    for (int i = 0; i < N_FORMATS; i++) {
        if (strcmp(formats[i].name, name) != 0) continue;
        *out = &formats[i];
        return TM_OK;
    }
    return tm_unknown_name(err, "export format", name, tm_export_names());
}

tm_status tm_export_parse(const char *text, tm_export_target *out, tm_error *err)
{
    char name[64];
    const size_t n = strcspn(text, ":");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), text);
    tm_status status = tm_export_find(name, &out->format, err);
    if (status != TM_OK) return status;
    if (!text[n] || !text[n + 1])
        return tm_fail(err, TM_ARG, "the export \"%s\" names no file; write %s:FILE", text, name);
    out->path = text + n + 1;
    out->store = NULL;
    return TM_OK;
}

/* --- rows --- */

tm_status tm_export_store_open(const tm_records *records, const char *name, tm_export_store *out,
                               tm_error *err)
{
    *out = (tm_export_store){0};
    tm_status status = tm_summaries_make(records->items, records->n, &out->summaries, err);
    if (status != TM_OK) return status;
    const int n = out->summaries.n;
    const tm_json *suite = NULL;
    void *memory;
    if (n == 0)
        status =
            tm_fail(err, TM_UNSUPPORTED, "%s: nothing to export: the store holds no cell", name);
    if (status == TM_OK) status = tm_alloc(&memory, (size_t)n, sizeof *out->rows, "rows", err);
    if (status != TM_OK) {
        tm_export_store_close(out);
        return status;
    }
    out->rows = memory;
    for (int i = 0; i < n; i++) {
        out->rows[out->view.n_rows++] = (tm_export_row){
            .cell = &out->summaries.items[i], .ratio = NAN, .ratio_low = NAN, .ratio_high = NAN};
    }
    for (int i = 0; i < records->n; i++)
        if (records->items[i].kind == TM_RECORD_RUN)
            suite = tm_json_get(records->items[i].run.document, "suite");
    out->view.rows = out->rows;
    out->view.summaries = &out->summaries;
    out->view.records = records->items;
    out->view.n_records = records->n;
    out->view.title = tm_json_text(tm_json_get(suite, "name"), name);
    return TM_OK;
}

void tm_export_store_close(tm_export_store *store)
{
    tm_free(store->rows);
    tm_summaries_free(&store->summaries);
    *store = (tm_export_store){0};
}

/* The machine of the newest run. */
static int newest_machine(const tm_export *e)
{
    for (int i = e->n_records - 1; i >= 0; i--) {
        if (e->records[i].kind != TM_RECORD_RUN) continue;
        for (int m = 0; m < e->summaries->n_machines; m++)
            if (e->summaries->machines[m].run == e->records[i].run.document) return m;
    }
    return 0;
}

bool tm_export_is_repeated(const tm_export *e, int row)
{
    for (int i = 0; i < row; i++)
        if (e->rows[i].cell == e->rows[row].cell) return true;
    return false;
}

/* Why a format has no place for a row, for "left out 2 cells: ..."; "": the same cell is another
 * row; NULL: it has a place. */
static const char *why_left_out(const tm_export *e, const tm_export_format *format, int row,
                                int machine)
{
    const tm_cell_summary *s = e->rows[row].cell;
    /* Whoever compared chose the build, and may have compared a cell with itself. */
    const bool is_chosen = e->rows[row].outcome;
    if (strcmp(s->cell.role, TM_ROLE_AA) == 0 && !is_chosen) return "of an A/A test";
    if (!(format->holds & TM_EXPORT_MACHINES) && s->cell.machine != machine)
        return "not of the machine of the newest run";
    if (!(format->holds & TM_EXPORT_BUILDS) && !is_chosen && (s->superseded || s->newest[0]))
        return "of an older build or model file";
    if (!(format->holds & TM_EXPORT_SKIPPED) && strcmp(s->status, "skipped") == 0) return "skipped";
    if (!(format->holds & TM_EXPORT_FAILED) && strcmp(s->status, "failed") == 0) return "failed";
    if (!(format->holds & TM_EXPORT_VERDICTS) && tm_export_is_repeated(e, row)) return "";
    return format->refuses ? format->refuses(&s->cell) : NULL;
}

/* Counts what is left out, by reason, in the order of first appearance. */
static void note_left_out(const tm_export *e, const tm_export_format *format,
                          const char *const *why, tm_text *notes)
{
    int n_fake = 0;
    for (int i = 0; i < e->n_rows; i++) {
        int n = 0, first = e->n_rows;
        if (!why[i]) n_fake += e->rows[i].cell->energy.fake;
        for (int k = e->n_rows - 1; why[i] && why[i][0] && k >= 0; k--) {
            if (!why[k] || strcmp(why[k], why[i]) != 0) continue;
            first = k;
            n++;
        }
        if (n > 0 && first == i)
            tm_text_format(notes, "%s: left out %d cell%s: %s\n", format->name, n, tm_plural(n),
                           why[i]);
    }
    if (n_fake && format->holds & TM_EXPORT_ENERGY)
        tm_text_format(notes, "%s: left out fake energy of %d cell%s\n", format->name, n_fake,
                       tm_plural(n_fake));
}

/* The rows that the format has a place for; free out->rows with tm_free. */
static tm_status select_rows(const tm_export *e, const tm_export_format *format, tm_export *out,
                             tm_text *notes, tm_error *err)
{
    void *memory;
    tm_status status = tm_alloc(&memory, (size_t)e->n_rows + 1, sizeof(tm_export_row), "rows", err);
    if (status != TM_OK) return status;
    tm_export_row *rows = memory;
    status = tm_alloc(&memory, (size_t)e->n_rows + 1, sizeof(const char *), "rows", err);
    if (status != TM_OK) {
        tm_free(rows);
        return status;
    }
    const char **why = memory;
    const int machine = newest_machine(e);
    *out = *e;
    out->rows = rows;
    out->n_rows = 0;
    for (int i = 0; i < e->n_rows; i++) {
        why[i] = why_left_out(e, format, i, machine);
        if (!why[i]) rows[out->n_rows++] = e->rows[i];
    }
    note_left_out(e, format, why, notes);
    tm_free(why);
    if (out->n_rows > 0) return TM_OK;
    tm_free(rows);
    return tm_fail(err, TM_UNSUPPORTED, "nothing to export as %s: every cell is left out",
                   format->name);
}

/* --- texts and files --- */

static tm_status write_parts(const tm_export *e, const tm_export_format *format,
                             tm_text out[TM_EXPORT_PARTS], tm_text *notes, tm_error *err)
{
    tm_export selected;
    tm_status status = select_rows(e, format, &selected, notes, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < TM_EXPORT_PARTS && format->parts[i].write && status == TM_OK; i++) {
        status = format->parts[i].write(&selected, &out[i], err);
        if (status == TM_OK) status = tm_text_status(&out[i], format->name, err);
    }
    tm_free((void *)selected.rows);
    return status;
}

static tm_status append_to(const char *path, const tm_text *text, tm_error *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    int why = fd < 0 ? errno : tm_write_all(fd, tm_text_string(text), text->length);
    if (fd >= 0 && close(fd) != 0 && why == 0) why = errno;
    if (why == 0) return TM_OK;
    return tm_fail(err, TM_IO, "%s: appending the summary failed: %s", path, strerror(why));
}

/* Appends the parts whose place the environment names. */
static tm_status append_parts(const tm_export_format *format, const tm_text *texts, tm_error *err)
{
    for (int i = 0; i < TM_EXPORT_PARTS; i++) {
        const char *variable = format->parts[i].variable;
        const char *path = variable ? getenv(variable) : NULL;
        if (!path || !*path) continue;
        tm_status status = append_to(path, &texts[i], err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

tm_status tm_export_to_text(const tm_export *e, const tm_export_format *format, tm_text *out,
                            tm_text *notes, tm_error *err)
{
    tm_text texts[TM_EXPORT_PARTS] = {0};
    if (format->parts[0].suffix)
        return tm_fail(err, TM_ARG, "%s has two files; name them with --output FILE", format->name);
    tm_status status = write_parts(e, format, texts, notes, err);
    if (status == TM_OK) status = append_parts(format, texts, err);
    if (status == TM_OK) {
        tm_text_add(out, tm_text_string(&texts[0]));
        status = tm_text_status(out, format->name, err);
    }
    for (int i = 0; i < TM_EXPORT_PARTS; i++) tm_text_free(&texts[i]);
    return status;
}

/* "out.json" -> "out-bigger.json" */
static tm_status path_of_part(const tm_export_target *t, int part, char *out, size_t size,
                              tm_error *err)
{
    const char *suffix = t->format->parts[part].suffix;
    const char *name = strrchr(t->path, '/'), *dot = strrchr(name ? name : t->path, '.');
    const size_t stem =
        dot && dot != (name ? name + 1 : t->path) ? (size_t)(dot - t->path) : strlen(t->path);
    int n =
        snprintf(out, size, "%.*s%s%s", (int)stem, t->path, suffix ? suffix : "", t->path + stem);
    if (n < 0 || (size_t)n >= size)
        return tm_fail(err, TM_ARG, "the path of the export has %zu bytes; use a shorter one",
                       strlen(t->path));
    return TM_OK;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    if (stat(a, &x) != 0 || stat(b, &y) != 0) return strcmp(a, b) == 0;
    return x.st_dev == y.st_dev && x.st_ino == y.st_ino && S_ISREG(x.st_mode);
}

static bool is_file(const tm_export_part *part)
{
    return part->write && !part->variable;
}

tm_status tm_export_check(const tm_export_target *t, tm_error *err)
{
    char path[4096];
    for (int i = 0; i < TM_EXPORT_PARTS; i++) {
        if (!is_file(&t->format->parts[i])) continue;
        tm_status status = path_of_part(t, i, path, sizeof path, err);
        if (status == TM_OK && t->store && is_same_file(path, t->store))
            status = tm_fail(err, TM_ARG, "the export %s would overwrite the store", path);
        if (status == TM_OK) status = tm_atomic_file_check(path, err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

tm_status tm_export_to_file(const tm_export *e, const tm_export_target *t, tm_text *notes,
                            tm_error *err)
{
    char path[4096];
    tm_text texts[TM_EXPORT_PARTS] = {0};
    tm_status status = tm_export_check(t, err);
    if (status == TM_OK) status = write_parts(e, t->format, texts, notes, err);
    for (int i = 0; i < TM_EXPORT_PARTS && status == TM_OK; i++) {
        if (!is_file(&t->format->parts[i])) continue;
        status = path_of_part(t, i, path, sizeof path, err);
        if (status == TM_OK) status = tm_text_save(&texts[i], path, err);
    }
    if (status == TM_OK) status = append_parts(t->format, texts, err);
    for (int i = 0; i < TM_EXPORT_PARTS; i++) tm_text_free(&texts[i]);
    return status;
}
