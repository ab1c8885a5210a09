/* A growing string, and the formatting of numbers. Tables, plots and pages are built on it.
 *
 * A text that runs out of memory is marked as failed and ignores what is added to it, so that a
 * writer checks once, at the end, with tm_text_status.
 */
#ifndef TM_REPORTS_OUTPUT_TEXT_H
#define TM_REPORTS_OUTPUT_TEXT_H

#include "harness/base/json.h"
#include "harness/stats/stats.h"
#include "kernels/base.h"

typedef struct tm_text {
    char *data;    /* [length + 1], NUL-terminated; NULL while empty; owned */
    size_t length; /* bytes */
    size_t capacity;
    bool failed;
} tm_text;

void tm_text_free(tm_text *text);
void tm_text_add(tm_text *text, const char *bytes); /* NULL adds nothing */
void tm_text_add_char(tm_text *text, char c);
void tm_text_format(tm_text *text, const char *fmt, ...) TM_PRINTF(2, 3);
/* Appends `fill` until the text is `width` columns wide, counted from byte `from`. */
void tm_text_pad(tm_text *text, size_t from, int width, char fill);
const char *tm_text_string(const tm_text *text); /* "" while empty */
tm_status tm_text_status(const tm_text *text, const char *what, tm_error *err) TM_MUST_USE;

/* Prints the value, which may be NULL for lack of memory, on indented lines or on one, and frees
 * it. Errors: NOMEM. */
tm_status tm_text_put_json(tm_text *text, tm_json *json, bool indented, tm_error *err) TM_MUST_USE;

/* Width of a UTF-8 string in terminal columns: its code points. Wide and combining characters are
 * not printed. */
int tm_text_columns(const char *utf8);

/* Writes the text to a file and replaces the file atomically: a reader sees the old or the new
 * text. Errors: IO (path and reason), NOMEM (the text has failed). */
tm_status tm_text_save(const tm_text *text, const char *path, tm_error *err) TM_MUST_USE;

/* Formats a value with `digits` significant digits (1 to 17): no exponent from 1e-4 to 1e15, '.' as
 * the decimal point in every locale, "-" for a value that is not finite. Digits before the point
 * are never rounded away: 12345 with 3 digits is "12345". Returns `out`. */
char *tm_number(double value, int digits, char *out, size_t size);
/* The same without trailing zeros: "0.5", "20". "" for a value that is not finite (CSV). */
char *tm_number_short(double value, int digits, char *out, size_t size);
/* "12.4 [12.1, 12.8]", or "12.4" without an interval. The bounds have as many decimals as the
 * value, and more than `digits` ask for where two different numbers would look equal: "1.004
 * [1.003, 1.005]". Returns `out`. */
char *tm_number_interval(const tm_interval *interval, int digits, char *out, size_t size);

#endif
