/* --export FORMAT:FILE of the commands that measure: checked before, written after. */
#ifndef TM_HARNESS_CLI_EXPORT_OPTIONS_H
#define TM_HARNESS_CLI_EXPORT_OPTIONS_H

#include "harness/cli/options.h"
#include "reports/export.h"

typedef struct tm_export_settings {
    const char *targets; /* "junit:out.xml,github:-"; NULL: none */
} tm_export_settings;

extern const tm_option tm_export_options[];

#define TM_EXPORTS_MAX 16
typedef struct tm_exports {
    tm_export_target items[TM_EXPORTS_MAX];
    int n;
    char **texts; /* [n] that the targets borrow from; owned */
} tm_exports;

/* Fails before minutes of measuring if an export could not be written. store: that must not be
 * overwritten, must outlive the exports; NULL: none. Errors: ARG, IO, NOMEM. */
tm_status tm_exports_open(const tm_export_settings *settings, const char *store, tm_exports *out,
                          tm_error *err) TM_MUST_USE;
void tm_exports_close(tm_exports *exports);

/* Writes every export and says on stderr what was left out. Errors: of tm_export_to_file. */
tm_status tm_exports_write(const tm_exports *exports, const char *command, const tm_export *e,
                           tm_error *err) TM_MUST_USE;
/* The same of every cell of the store. Does nothing without exports. */
tm_status tm_exports_write_store(const tm_exports *exports, const char *command, const char *store,
                                 tm_error *err) TM_MUST_USE;

/* Prints the notes of an export, or other lines, as "ternmark COMMAND: line" on stderr. */
void tm_print_notes(const char *command, const char *lines);

#endif
