/* ternmark export: from a store to the files of other tools. */
#include "harness/cli/commands.h"
#include "harness/cli/export_options.h"

#include <stdio.h>

typedef struct settings {
    const char *format, *path;
} settings;

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const char *store = call->arguments[0];
    tm_records records = {0};
    tm_export_store export = {0};
    tm_export_target target = {.path = s->path, .store = store};
    tm_text text = {0}, notes = {0};
    char left_out[1024];
    tm_status status = tm_export_find(s->format, &target.format, err);
    if (status == TM_OK) status = tm_records_read(store, &records, err);
    if (status == TM_OK) status = tm_export_store_open(&records, store, &export, err);
    if (status == TM_OK)
        status = s->path ? tm_export_to_file(&export.view, &target, &notes, err)
                         : tm_export_to_text(&export.view, target.format, &text, &notes, err);
    tm_print_notes("export", tm_records_left_out(&records, left_out, sizeof left_out));
    tm_print_notes("export", tm_text_string(&notes));
    if (status == TM_OK) fwrite(tm_text_string(&text), 1, text.length, call->out);
    tm_text_free(&text);
    tm_text_free(&notes);
    tm_export_store_close(&export);
    tm_records_free(&records);
    return status;
}

/* The formats are those of the table. */
static const tm_option *get_rows(void)
{
    static char help[320];
    static tm_option rows[] = {
        {"to", NULL, TM_TEXT(settings, format), "FORMAT", .help = help, .is_required = true},
        {"output", "o", TM_FILE(settings, path), "FILE",
         .help = "write to FILE instead of standard output; github-action-benchmark writes two "
                 "files, with -bigger and -smaller before the extension"},
        {0},
    };
    char names[300];
    snprintf(help, sizeof help, "write this format: %s",
             tm_names_text(tm_export_names(), names, sizeof names));
    rows[0].choices = tm_export_names();
    return rows;
}

const tm_command tm_command_export = {
    .name = "export",
    .synopsis = "--to FORMAT [-o FILE] STORE",
    .summary = "convert a store to the format of another tool",
    .description =
        "Writes the results of a store in a format that another tool reads:\n\n"
#define TM_EXPORT(name, about, ...) name ": " about "\n\n"
#include "reports/export_formats.def"
#undef TM_EXPORT
        "A format that cannot hold several builds gets the newest build of each machine. If there "
        "are several machines, or emulated ones, cell names include the machine. Values that were "
        "not measured are left out or null, fake energy is left out, and stderr lists what a "
        "format cannot hold.\n\n"
        "Exit status: 0 written, 2 bad usage, store or FILE, 3 nothing to export.",
    .examples = "ternmark export results/runs/demo.jsonl --to junit -o junit.xml\n"
                "ternmark export demo.jsonl --to llama-bench-sql | sqlite3 bench.db",
    .get_rows = get_rows,
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .run = run,
};
