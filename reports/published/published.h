/* What papers printed: a list of figures and how to ask for one.
 *
 * A figure that a paper does not hold is missing with a reason, never 0; a question that several figures answer
 * is answered by none of them. Source: results/published/tables.jsonl, one JSON object per line.
 */
#ifndef TM_REPORTS_PUBLISHED_PUBLISHED_H
#define TM_REPORTS_PUBLISHED_PUBLISHED_H

#include "harness/record/record.h"

#define TM_MODEL_2B4T "BitNet-b1.58-2B-4T" /* however it was asked for */

/* One printed figure. All strings are borrowed from the list. */
typedef struct tm_published_value {
    const char *paper;      /* "2410.16144" (arXiv), or a project's name */
    const char *table;      /* "Table 4" */
    const char *device;     /* as described there */
    const char *metric;     /* "inference speed" */
    const char *unit;       /* "tokens/s" */
    const char *model;      /* "125M" */
    const char *system;     /* "llama.cpp (fp16)" */
    const char *conditions; /* "" where nothing is stated */
    const char *why_null;   /* NULL when there is a value */
    const char *range;      /* printed as words ("2.37x-6.17x"); NULL when it is a number */
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
void tm_published_free(tm_published *published);

/* NULL asks for anything; device and system match as parts, the rest whole (model in any case). */
typedef struct tm_published_query {
    const char *paper, *table, *device, *metric, *model, *system;
} tm_published_query;

/* The only claim that matches, or NULL with the reason (none, or how many). Threads: any. */
const tm_published_value *tm_published_find(const tm_published *published,
                                            const tm_published_query *question, tm_measured *why);
/* Its value, or missing: not printed, printed as N/A, a range, or no claim at all. */
tm_measured tm_published_figure(const tm_published *published, const tm_published_query *question);
/* How many claims match. */
int tm_published_count(const tm_published *published, const tm_published_query *question);

/* The same model as the papers name it: "synth:125M" -> "125M", "2B-4T" of any spelling -> its full name.
 * The result points into `model`, or is a literal. */
const char *tm_model_label(const char *model);
/* Whether the name is that of a scripted fake ("null:..."), whose times are made up to test the harness. */
bool tm_model_is_fake(const char *model);
/* Parameters a name promises: "125M" -> 1.25e8, "BitNet-b1.58-2B-4T" -> 2e9; NaN when it promises none. */
double tm_nominal_parameters(const char *label);

#endif
