/* ternmark report: a store as tables, cells and plots. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/base/embedded.h"
#include "harness/measure/shapes.h"
#include "reports/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISHED "results/published/tables.jsonl"

static tm_status read_published(tm_published *out, tm_error *err)
{
    const tm_embedded *data = tm_embedded_find(PUBLISHED);
    if (!data)
        return tm_fail(err, TM_UNSUPPORTED,
                       "this build holds no %s: rebuild it from a whole checkout", PUBLISHED);
    return tm_published_parse(data->text, data->length, PUBLISHED, out, err);
}

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
        snprintf(size->name, sizeof size->name, "%s", tm_model_label(shape->name));
        size->linear_weights = shape->linear_weights;
        size->table_weights = shape->embedding_weights * (shape->config.tied_head ? 1 : 2);
    }
    tm_shapes_free(&shapes);
    return *out ? TM_OK : tm_fail(err, TM_NOMEM, "no memory for the sizes of models");
}

/* STORE.jsonl -> STORE-report */
static tm_status default_directory(const char *store, char *out, size_t size, tm_error *err)
{
    size_t n = strlen(store), suffix = strlen(".jsonl");
    if (n > suffix && strcmp(store + n - suffix, ".jsonl") == 0) n -= suffix;
    int wrote = snprintf(out, size, "%.*s-report", (int)n, store);
    if (wrote < 0 || (size_t)wrote >= size)
        return tm_fail(err, TM_ARG, "the store's path has %zu bytes; use --output", strlen(store));
    return TM_OK;
}

static tm_status write_report(const char *store, const char *directory, const char *format,
                              tm_report *out, tm_error *err)
{
    tm_records records = {0};
    tm_published published = {0};
    tm_model_size *sizes = NULL;
    tm_report_options options = {
        .store = store, .directory = directory, .run_gnuplot = true, .published = &published};
    tm_status status = tm_report_formats(format, &options.formats, err);
    if (status == TM_OK) status = tm_records_read(store, &records, err);
    if (status == TM_OK) status = read_published(&published, err);
    if (status == TM_OK) status = read_sizes(&sizes, &options.n_sizes, err);
    options.sizes = sizes;
    if (status == TM_OK) status = tm_report_write(&records, &options, out, err);
    free(sizes);
    tm_published_free(&published);
    tm_records_free(&records);
    return status;
}

int tm_cmd_report(int argc, char **argv)
{
    const char *directory = NULL, *format = "all";
    const tm_option options[] = {
        {"output", "o", TM_OPTION_TEXT, &directory, 0, 0, "DIR",
         "directory to write (default: the store's name with -report)"},
        {"format", NULL, TM_OPTION_TEXT, &format, 0, 0, "LIST",
         "md, csv, latex, text or all, separated by commas (default all)"},
        {0},
    };
    const tm_command command = {
        "report",
        "[options] STORE",
        "Writes the speed-up tables, every cell and the plots of a store, and prints "
        "the tables.",
        options,
        1,
        1};
    const char *arguments[1];
    char made[4096];
    int n;
    bool help;
    tm_error err = {0};
    tm_report report = {0};
    tm_status status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK && !directory) {
        status = default_directory(arguments[0], made, sizeof made, &err);
        directory = made;
    }
    if (status == TM_OK) status = write_report(arguments[0], directory, format, &report, &err);
    if (status == TM_OK) {
        fputs(tm_text_string(&report.text), stdout);
        printf("\nfiles:\n%s", tm_text_string(&report.files));
        for (const char *line = tm_text_string(&report.talk); *line;) {
            int length = (int)strcspn(line, "\n");
            fprintf(stderr, "ternmark report: %.*s\n", length, line);
            line += length + (line[length] == '\n');
        }
    }
    tm_report_free(&report);
    return status == TM_OK ? 0 : tm_report_error("report", &err);
}
