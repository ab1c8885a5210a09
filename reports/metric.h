/* Metrics: the figures that two arms can be compared by, and that exports write. Each is a row: its
 * name, unit, direction, and how it follows from the records of one process of a cell and from the
 * summary of the cell. */
#ifndef TM_REPORTS_METRIC_H
#define TM_REPORTS_METRIC_H

#include "harness/record/record.h"
#include "reports/summary.h"

typedef struct tm_metric tm_metric;

/* The records of one process of one cell. */
typedef struct tm_process_records {
    const tm_record *const *samples; /* [n_samples] valid ones */
    int n_samples;
    const tm_record *const *windows; /* [n_windows] energy windows */
    int n_windows;
} tm_process_records;

struct tm_metric {
    const char *name;  /* "tokens_per_second": in options and in JSON */
    const char *label; /* "speed": in tables and sentences */
    const char *unit;  /* "tokens/s" */
    bool higher_is_better;
    const char *better, *worse; /* "faster", "slower": how the better and the worse arm is */
    /* Positive; NaN with the reason in why[160] if the process has none. */
    double (*of_process)(const tm_metric *metric, const tm_process_records *process, char *why);
    /* As reports show it; value NaN: not measured, or fake. */
    tm_interval (*of_cell)(const tm_metric *metric, const tm_cell_summary *cell);
    const char *counter; /* of a metric of a counter: its name */
    double quantile;     /* of a metric of token times */
    bool of_prompt;      /* only cells with a prompt have it */
};

/* All metrics, the first is the default; the list ends with a row without a name. */
extern const tm_metric tm_metrics[];
#define TM_METRICS_MAX 16 /* rows of it at most */
/* Their names, then "all", for the choices of an option. */
extern const char *const tm_metric_names[];
/* Errors: ARG (unknown, with the nearest name). */
tm_status tm_metric_need(const char *name, const tm_metric **out, tm_error *err) TM_MUST_USE;

/* Whether a cell can have the figure: first_token needs a prompt, token times a generation. */
bool tm_metric_applies(const tm_metric *metric, const tm_cell *cell);
/* A value as what gets worse when it rises: itself, or its inverse for rates. */
double tm_metric_cost(const tm_metric *metric, double value);

/* "101 tokens/s", "1.25 GiB", "3.1 ms". Returns text. */
char *tm_metric_text(const tm_metric *metric, double value, char *text, size_t size);

#endif
