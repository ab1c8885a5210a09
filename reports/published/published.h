/* The values that papers print: a list and a query.
 *
 * A value that a paper does not print is missing with a reason, never 0. A query that matches
 * several values returns none of them. Source: results/published/tables.jsonl, one JSON object per
 * line.
 */
#ifndef TM_REPORTS_PUBLISHED_PUBLISHED_H
#define TM_REPORTS_PUBLISHED_PUBLISHED_H

#include "harness/base/embedded.h"
#include "harness/record/record.h"

#define TM_MODEL_2B4T "BitNet-b1.58-2B-4T" /* label of the shape 2B-4T */

/* One printed value. All strings are borrowed from the list. */
typedef struct tm_published_value {
    const char *paper;      /* "2410.16144" (arXiv), or a project's name */
    const char *table;      /* "Table 4" */
    const char *device;     /* as the paper describes it */
    const char *metric;     /* "inference speed" */
    const char *unit;       /* "tokens/s" */
    const char *model;      /* "125M" */
    const char *system;     /* "llama.cpp (fp16)" */
    const char *conditions; /* "" if none are stated */
    const char *why_null;   /* NULL when there is a value */
    const char *range;      /* a printed range ("2.37x-6.17x"); NULL when the value is a number */
    double value;           /* NaN when null or a range */
    int line;               /* in the file, from 1 */
} tm_published_value;

typedef struct tm_published {
    tm_published_value *items;
    int n;
    tm_json **lines; /* [n] what the strings belong to; owned */
} tm_published;

/* Parses JSON Lines; `what` names the text in messages. Errors: FORMAT (line, key), NOMEM. */
tm_status tm_published_parse(const char *text, size_t length, const char *what, tm_published *out,
                             tm_error *err) TM_MUST_USE;
/* Parses the embedded results/published/tables.jsonl. Errors: UNSUPPORTED (this build has no such
 * file), FORMAT, NOMEM. */
tm_status tm_published_load(tm_published *out, tm_error *err) TM_MUST_USE;
void tm_published_free(tm_published *published);

/* An embedded file of results/published. Errors: UNSUPPORTED. */
tm_status tm_published_file(const char *path, const tm_embedded **out, tm_error *err) TM_MUST_USE;

/* NULL matches anything. device and system match as substrings, conditions by how they begin, the
 * others exactly (model without case). */
typedef struct tm_published_query {
    const char *paper, *table, *device, *metric, *model, *system, *conditions;
} tm_published_query;

/* The only value that matches, or NULL with the reason in *why (no match, or several). */
const tm_published_value *tm_published_find(const tm_published *published,
                                            const tm_published_query *query, tm_measured *why);
/* Its number, or missing: not printed, printed as N/A, a range, or no match. */
tm_measured tm_published_figure(const tm_published *published, const tm_published_query *query);
/* Number of values that match. */
int tm_published_count(const tm_published *published, const tm_published_query *query);

/* Copies text with each arXiv number of a paper in the list preceded by its short title:
 * "2410.16144 Table 5" -> "1-bit AI Infra 1.1 (arXiv:2410.16144) Table 5". Returns out. */
char *tm_papers_named(const char *text, char *out, size_t size);

/* The name that papers use for a shape: "dummy 125M" -> "125M", "2B-4T" -> TM_MODEL_2B4T. The
 * result points into `shape` or is a literal. */
const char *tm_shape_label(const char *shape);
/* How tables name a model: a synthetic one by its shape's label, a file without its folders. The
 * result points into `model` or is a literal. */
const char *tm_model_label(const char *model);
/* The label of the shape of a cell's model, which published values are looked up by; "": not known.
 * The name of a file says nothing about its shape. */
const char *tm_cell_shape(const tm_cell *cell);
/* Whether it is a scripted model ("null:..."), which tests the harness with fake times. */
bool tm_model_is_fake(const char *model);
/* Number of parameters in a name: "125M" -> 1.25e8, "BitNet-b1.58-2B-4T" -> 2e9; NaN without
 * one. */
double tm_nominal_parameters(const char *label);
/* The same of a shape's label, or of the model's name if that is "". */
double tm_model_parameters(const char *model, const char *shape);

#endif
