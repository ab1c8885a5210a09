#include "harness/cli/export_options.h"

#include <stdio.h>
#include <string.h>

const tm_option tm_export_options[] = {
    {"export", NULL, TM_LIST(tm_export_settings, targets), "FORMAT:FILE,...",
     .help =
         "also write the results to FILE (-: stdout) for another tool; `ternmark export --help` "
         "lists the formats",
     .group = "Exports"},
    {0},
};

/* "github:-" */
static bool is_stdout(const tm_export_target *target)
{
    return strcmp(target->path, "-") == 0;
}

tm_status tm_exports_open(const tm_export_settings *settings, const char *store, tm_exports *out,
                          tm_error *err)
{
    *out = (tm_exports){0};
    if (!settings->targets) return TM_OK;
    tm_status status = tm_split_texts(settings->targets, "--export", &out->texts, &out->n, err);
    if (status == TM_OK && out->n > TM_EXPORTS_MAX)
        status = tm_fail(err, TM_ARG, "--export: %d exports; at most %d", out->n, TM_EXPORTS_MAX);
    for (int i = 0; i < out->n && status == TM_OK; i++) {
        status = tm_export_parse(out->texts[i], &out->items[i], err);
        out->items[i].store = store;
        if (status == TM_OK && !is_stdout(&out->items[i]))
            status = tm_export_check(&out->items[i], err);
        for (int k = 0; k < i && status == TM_OK; k++)
            if (strcmp(out->items[i].path, out->items[k].path) == 0)
                status = tm_fail(err, TM_ARG, "--export: %s and %s write the same file",
                                 out->texts[k], out->texts[i]);
    }
    if (status != TM_OK) tm_exports_close(out);
    return status;
}

void tm_exports_close(tm_exports *exports)
{
    tm_free_texts(exports->texts, exports->n);
    *exports = (tm_exports){0};
}

void tm_print_notes(const char *command, const char *lines)
{
    while (lines && *lines) {
        const int length = (int)strcspn(lines, "\n");
        fprintf(stderr, "ternmark %s: %.*s\n", command, length, lines);
        lines += length + (lines[length] == '\n');
    }
}

static tm_status print_export(const tm_export *e, const tm_export_target *target, tm_text *notes,
                              tm_error *err)
{
    tm_text text = {0};
    tm_status status = tm_export_to_text(e, target->format, &text, notes, err);
    if (status == TM_OK) fwrite(tm_text_string(&text), 1, text.length, stdout);
    tm_text_free(&text);
    return status;
}

tm_status tm_exports_write(const tm_exports *exports, const char *command, const tm_export *e,
                           tm_error *err)
{
    tm_text notes = {0};
    tm_status status = TM_OK;
    for (int i = 0; i < exports->n; i++) {
        tm_error ignored;
        tm_error *why = status == TM_OK ? err : &ignored;
        tm_status one = is_stdout(&exports->items[i])
                            ? print_export(e, &exports->items[i], &notes, why)
                            : tm_export_to_file(e, &exports->items[i], &notes, why);
        if (status == TM_OK) status = one;
    }
    tm_print_notes(command, tm_text_string(&notes));
    tm_text_free(&notes);
    return status;
}

tm_status tm_exports_write_store(const tm_exports *exports, const char *command, const char *store,
                                 tm_error *err)
{
    tm_records records = {0};
    tm_export_store opened = {0};
    if (exports->n == 0) return TM_OK;
    tm_status status = tm_records_read(store, &records, err);
    if (status == TM_OK) status = tm_export_store_open(&records, store, &opened, err);
    if (status == TM_OK) status = tm_exports_write(exports, command, &opened.view, err);
    tm_export_store_close(&opened);
    tm_records_free(&records);
    return status;
}
