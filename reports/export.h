/* Exports: the cells of a store, or the rows of a comparison, in the formats of other tools.
 *
 * A format is a row of export_formats.def and a file export_NAME.c. Callers choose one by name,
 * give the rows, and get text or files. What a format has no place for is left out and named in a
 * note; a value that is missing is left out, or null where the format allows that, and never 0.
 */
#ifndef TM_REPORTS_EXPORT_H
#define TM_REPORTS_EXPORT_H

#include "harness/record/store.h"
#include "reports/output/text.h"
#include "reports/summary.h"

typedef struct tm_export_row {
    const tm_cell_summary *cell; /* of the head, in a comparison */
    const char *metric;          /* what was compared: "tokens_per_second"; NULL: the whole cell */
    const char *outcome; /* NULL: nothing was compared; "pass", "regression", "inconclusive" */
    const char *reason;  /* one sentence; NULL: none */
    double ratio, ratio_low, ratio_high; /* head over base; NaN: none */
} tm_export_row;

/* What is exported. All borrowed. */
typedef struct tm_export {
    const tm_export_row *rows;
    int n_rows;
    const tm_summaries *summaries; /* that the cells of the rows are from */
    const tm_record *records;      /* that the summaries were made from */
    int n_records;
    const char *title; /* of the sweep or the comparison */
} tm_export;

typedef struct tm_export_format tm_export_format;

/* All names, ended by NULL. */
const char *const *tm_export_names(void);
/* Errors: ARG with the nearest name. */
tm_status tm_export_find(const char *name, const tm_export_format **out, tm_error *err) TM_MUST_USE;

/* A format and the file to write. */
typedef struct tm_export_target {
    const tm_export_format *format;
    const char *path;  /* borrowed from the text that was parsed */
    const char *store; /* that must not be overwritten; borrowed; NULL: none */
} tm_export_target;
/* "junit:out.xml". store is NULL. Errors: ARG (no file, an unknown format with the
 * nearest name). */
tm_status tm_export_parse(const char *text, tm_export_target *out, tm_error *err) TM_MUST_USE;
/* Whether the target can be written, to fail before minutes of measuring. Errors: IO, ARG (also: it
 * would overwrite the store). */
tm_status tm_export_check(const tm_export_target *target, tm_error *err) TM_MUST_USE;

/* Every cell of a store. `view` is what the functions below take. */
typedef struct tm_export_store {
    tm_export view;
    tm_summaries summaries;
    tm_export_row *rows;
} tm_export_store;
/* records must outlive it. Errors: NOMEM, UNSUPPORTED (no cell). */
tm_status tm_export_store_open(const tm_records *records, const char *name, tm_export_store *out,
                               tm_error *err) TM_MUST_USE;
void tm_export_store_close(tm_export_store *store);

/* Writes the export as text. notes: a line for each kind of thing that was left out.
 * Errors: UNSUPPORTED (no row is left), ARG (the format has several files), NOMEM. */
tm_status tm_export_to_text(const tm_export *e, const tm_export_format *format, tm_text *out,
                            tm_text *notes, tm_error *err) TM_MUST_USE;
/* Replaces the file of the target atomically. github-action-benchmark writes two files: "-bigger"
 * and "-smaller" are inserted before the extension. `github` also appends its summary to the file
 * that $GITHUB_STEP_SUMMARY names, if it is set. Errors: those above, IO. */
tm_status tm_export_to_file(const tm_export *e, const tm_export_target *target, tm_text *notes,
                            tm_error *err) TM_MUST_USE;

#endif
