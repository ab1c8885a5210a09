/* What the formats of an export share: their table row, names of cells, metrics, samples, escaping.
 * Internal to export*.c. */
#ifndef TM_REPORTS_EXPORT_FORMAT_H
#define TM_REPORTS_EXPORT_FORMAT_H

#include "reports/export.h"
#include "reports/metric.h"

/* What a format has a place for; rows with anything else are left out. */
#define TM_EXPORT_FAILED   1u  /* failed cells, with the reason */
#define TM_EXPORT_SKIPPED  2u  /* skipped cells, with the reason */
#define TM_EXPORT_BUILDS   4u  /* the build of each cell; otherwise only the newest of a machine */
#define TM_EXPORT_MACHINES 8u  /* several machines; otherwise only that of the newest run */
#define TM_EXPORT_VERDICTS 16u /* several rows of one cell, with outcomes */
#define TM_EXPORT_ENERGY   32u /* joules; fake ones are left out */

/* Errors: NOMEM. */
typedef tm_status tm_export_writer(const tm_export *e, tm_text *out, tm_error *err);

/* A file of a format. */
typedef struct tm_export_part {
    tm_export_writer *write;
    const char *suffix;   /* inserted before the extension of the path; NULL: none */
    const char *variable; /* names a file to append to, in the environment; NULL: none */
} tm_export_part;

#define TM_EXPORT_PARTS 2
struct tm_export_format {
    const char *name;
    unsigned holds; /* TM_EXPORT_* bits */
    /* Why it has no place for a cell, for "left out 2 cells: ..."; NULL: it has. May be NULL. */
    const char *(*refuses)(const tm_cell *cell);
    tm_export_part parts[TM_EXPORT_PARTS]; /* the second one may be empty */
};

tm_export_writer tm_export_write_junit, tm_export_write_annotations, tm_export_write_summary,
    tm_export_write_bigger, tm_export_write_smaller, tm_export_write_bencher,
    tm_export_write_google, tm_export_write_lnt, tm_export_write_llama_json,
    tm_export_write_llama_csv, tm_export_write_llama_sql, tm_export_write_openmetrics;
const char *tm_export_llama_refuses(const tm_cell *cell);

/* --- names --- */

/* The newest run with samples of a cell, or else of its machine; NULL: the store has none. */
const tm_json *tm_export_run(const tm_export *e, const tm_cell_summary *cell);
/* A text of the run's environment: "commit", "date"; NULL: not recorded. */
const char *tm_export_environment(const tm_export *e, const tm_cell_summary *cell, const char *key);
/* "AMD EPYC"; with the fingerprint if another machine has this name, and marked if emulated. */
void tm_export_machine(const tm_export *e, int machine, tm_text *out);
/* Whether a name must state the machine: there are several, or it is emulated. */
bool tm_export_names_machine(const tm_export *e, const tm_cell_summary *cell);
/* "/engine:peer/head:q6_k_x", where the name would not be unique or mislead without them. */
void tm_export_name_rest(const tm_export *e, const tm_cell_summary *cell, tm_text *out);
/* "synth:125M/i2r16_mad_avx2/tg16/threads:2", then the rest, without the machine. */
void tm_export_name_here(const tm_export *e, const tm_cell_summary *cell, tm_text *out);
/* "/machine:AMD EPYC" if tm_export_names_machine. */
void tm_export_name_machine(const tm_export *e, const tm_cell_summary *cell, tm_text *out);
/* Both. */
void tm_export_name(const tm_export *e, const tm_cell_summary *cell, tm_text *out);
/* "7 processes, 21 repetitions; ...": how often it was measured, by what, where, and warnings. */
void tm_export_about(const tm_export *e, const tm_cell_summary *cell, tm_text *out);

/* --- values --- */

/* A value of a metric; the list of metrics is that of reports/metric.h. */
typedef struct tm_export_metric {
    const tm_metric *row;
    tm_interval value;             /* low and high are NaN without an interval */
    const tm_energy_phase *energy; /* what measured the joules; NULL: not energy */
} tm_export_metric;
/* false: it was not measured. Fake joules are not. */
bool tm_export_metric_of(const tm_cell_summary *cell, const tm_metric *metric,
                         tm_export_metric *out);
/* Those that were measured. Returns their number. */
int tm_export_metrics(const tm_cell_summary *cell, tm_export_metric out[TM_METRICS_MAX]);

/* The samples a summary was made from, each repetition once, in the order of the store. Free *out.
 * Errors: NOMEM. */
tm_status tm_export_samples(const tm_export *e, const tm_cell_summary *cell, const tm_record ***out,
                            int *n, tm_error *err) TM_MUST_USE;

/* Whether an earlier row has the same cell. */
bool tm_export_is_repeated(const tm_export *e, int row);
bool tm_export_is(const tm_export_row *row, const char *outcome);

/* --- text --- */

/* The replacement of an ASCII character; NULL: itself. */
typedef const char *tm_export_escape(char c);
const char *tm_export_xml(char c);
/* Adds UTF-8 text. A byte that is not UTF-8, a control character other than tab and line ends, and
 * what XML 1.0 forbids become U+FFFD. escape: NULL for none. */
void tm_export_put(tm_text *out, const char *text, tm_export_escape *escape);
/* Like tm_json_put_string, for any bytes. */
void tm_export_put_json(tm_json *object, const char *key, const char *text);

#endif
