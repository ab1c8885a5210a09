/* ternmark report: from a store to tables and plots, or from several stores to a comparison of
 * machines. */
#include "harness/cli/commands.h"
#include "harness/measure/shapes.h"
#include "reports/machines_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static tm_status read_sizes(tm_model_size **out, int *n, tm_error *err)
{
    tm_shapes shapes;
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    *n = 0;
    *out = calloc((size_t)shapes.n + 1, sizeof **out);
    for (int i = 0; *out && i < shapes.n; i++) {
        const tm_shape *shape = &shapes.items[i];
        tm_model_size *size = &(*out)[(*n)++];
        snprintf(size->name, sizeof size->name, "%s", tm_shape_label(shape->name));
        size->linear_weights = shape->linear_weights;
        size->embedding_weights = shape->embedding_weights;
        size->tied_head = shape->config.tied_head;
    }
    tm_shapes_free(&shapes);
    return *out ? TM_OK : tm_fail(err, TM_NOMEM, "out of memory for the sizes of models");
}

/* STORE.jsonl and its pack STORE.jsonl.zst -> STORE-report */
static tm_status default_directory(const char *store, char *out, size_t size, tm_error *err)
{
    static const char *const suffixes[] = {".zst", ".jsonl"};
    size_t n = strlen(store);
    for (int i = 0; i < 2; i++) {
        const size_t suffix = strlen(suffixes[i]);
        if (n > suffix && strncmp(store + n - suffix, suffixes[i], suffix) == 0) n -= suffix;
    }
    int wrote = snprintf(out, size, "%.*s-report", (int)n, store);
    if (wrote < 0 || (size_t)wrote >= size)
        return tm_fail(err, TM_ARG, "the path of the store has %zu bytes; use --output DIR",
                       strlen(store));
    return TM_OK;
}

typedef struct settings {
    const char *directory, *formats, *page;
} settings;

/* Whether two paths name one file. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return strcmp(a, b) == 0 ||
           (stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

/* Reads the stores, each file once. */
static tm_status read_stores(const char *const *paths, int n, tm_records *records,
                             tm_machine_store *stores, int *n_stores, tm_error *err)
{
    *n_stores = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < *n_stores && !is_same_file(stores[k].path, paths[i])) k++;
        if (k < *n_stores) {
            fprintf(stderr, "ternmark report: %s is given twice and counts once\n", paths[i]);
            continue;
        }
        tm_status status = tm_records_read(paths[i], &records[k], err);
        if (status != TM_OK) return status;
        stores[(*n_stores)++] = (tm_machine_store){paths[i], &records[k]};
    }
    return TM_OK;
}

/* One store is reported on by itself, several as machines. */
static tm_status write_report(const char *const *paths, int n, const settings *s,
                              const char *directory, tm_report *out, tm_error *err)
{
    static tm_records records[TM_COMMAND_ARGUMENTS_MAX];
    tm_machine_store stores[TM_COMMAND_ARGUMENTS_MAX];
    tm_published published = {0};
    tm_model_size *sizes = NULL;
    int n_stores = 0;
    tm_report_options options = {.store = paths[0],
                                 .directory = directory,
                                 .page = s->page,
                                 .run_gnuplot = true,
                                 .published = &published};
    tm_status status = tm_report_formats(s->formats ? s->formats : "all", &options.formats, err);
    if (status == TM_OK) status = read_stores(paths, n, records, stores, &n_stores, err);
    if (status == TM_OK) status = tm_published_load(&published, err);
    if (status == TM_OK) status = read_sizes(&sizes, &options.n_sizes, err);
    options.sizes = sizes;
    if (status == TM_OK)
        status = n == 1 ? tm_report_write(&records[0], &options, out, err)
                        : tm_machines_report(stores, n_stores, &options, out, err);
    free(sizes);
    tm_published_free(&published);
    for (int i = 0; i < n; i++) tm_records_free(&records[i]);
    return status;
}

/* Prints one warning per line: what could not be drawn, and how many warnings report.md has. */
static void print_remarks(const char *lines)
{
    while (*lines) {
        int length = (int)strcspn(lines, "\n");
        fprintf(stderr, "ternmark report: %.*s\n", length, lines);
        lines += length + (lines[length] == '\n');
    }
}

#define FORMAT_AND_COMMA(id, name, ...) name ", "
#define FORMATS                         TM_TABLE_FORMATS(FORMAT_AND_COMMA)

/* -o names a folder here. A format there is a mistake of someone used to other commands. */
static tm_status check_directory(const char *directory, tm_error *err)
{
    static const char *const others[] = {"json", "jsonl", "markdown", "html", "all", NULL};
    bool is_format = directory && tm_names_have(others, directory);
    for (int i = 0; directory && i < TM_TABLE_N_FORMATS; i++)
        is_format |= strcmp(directory, tm_table_formats[i].name) == 0 ||
                     strcmp(directory, tm_table_formats[i].extension) == 0;
    if (is_format)
        return tm_fail(err, TM_ARG,
                       "--output %s: this is a folder's name here; choose formats with "
                       "--format, as in --format md,csv, or write ./%s to mean the folder",
                       directory, directory);
    return TM_OK;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const char *const *stores = call->arguments;
    const int n = call->n_arguments;
    char made[4096];
    tm_report report = {0};
    tm_status status = check_directory(s->directory, err);
    if (status != TM_OK) return status;
    const char *directory = s->directory;
    if (!directory && (s->formats || !s->page)) {
        status = n == 1 ? default_directory(stores[0], made, sizeof made, err) : TM_OK;
        directory = n == 1 ? made : "machines-report";
    }
    if (status == TM_OK) status = write_report(stores, n, s, directory, &report, err);
    if (status == TM_OK) {
        fprintf(call->out, "%s\nfiles:\n%s", tm_text_string(&report.text),
                tm_text_string(&report.files));
        print_remarks(tm_text_string(&report.remarks));
    }
    tm_report_free(&report);
    return status;
}

static const tm_option rows[] = {
    {"format", NULL, TM_LIST(settings, formats), "LIST",
     .help = "write these formats: " FORMATS "or all (default all)",
     .choices = (const char *const[]){TM_TABLE_FORMAT_NAMES "all", NULL}},
    {"output", "o", TM_DIR(settings, directory), "DIR",
     .help = "write the files to DIR (default: the store's name with -report appended; "
             "machines-report for several stores)"},
    {"html", NULL, TM_FILE(settings, page), "FILE",
     .help = "write a page for a browser to FILE, and the other files only with --output or "
             "--format"},
    {0},
};

const tm_command tm_command_report = {
    .name = "report",
    .synopsis = "[OPTIONS] STORE...",
    .summary = "write a store's tables and plots, or compare machines",
    .description = "Writes the tables and plots of a store to a folder, and prints the tables.\n\n"
                   "Several stores are compared by machine: which one is faster, which one uses "
                   "its memory better, which one needs fewer joules, per core, per measured GHz "
                   "and as a share of its own limits, next to published machines. Emulated and "
                   "fake values are shown and not ranked.\n\n"
                   "The page of --html is one file that needs no network: summary and warnings, "
                   "tables that sort and filter, plots with values, raw samples, machine.",
    .examples = "ternmark report results/runs/demo.jsonl\n"
                "ternmark report results/runs/demo.jsonl -o tables --format md,csv\n"
                "ternmark report results/runs/demo.jsonl --html demo.html\n"
                "ternmark report laptop.jsonl board.jsonl --html machines.html",
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = TM_COMMAND_ARGUMENTS_MAX,
    .settings_size = sizeof(settings),
    .run = run,
};
