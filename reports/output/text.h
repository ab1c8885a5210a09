/* Growing text and the way figures are spelled. Not a table and not a file: those use it.
 *
 * A text that ran out of memory stays unusable (`failed`) and swallows what follows, so that writers
 * check once, at the end, with tm_text_status.
 */
#ifndef TM_REPORTS_OUTPUT_TEXT_H
#define TM_REPORTS_OUTPUT_TEXT_H

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
/* Pads with `fill` until `width` columns stand behind byte `from`. */
void tm_text_pad(tm_text *text, size_t from, int width, char fill);
const char *tm_text_string(const tm_text *text); /* "" while empty */
tm_status tm_text_status(const tm_text *text, const char *what, tm_error *err) TM_MUST_USE;

/* Columns a UTF-8 string takes: code points, none of them wide or combining in what we print. */
int tm_text_columns(const char *utf8);

/* Writes all of it to a file that is replaced whole: a reader sees the old or the new text.
 * Errors: IO (path and reason), NOMEM (the text had failed). */
tm_status tm_text_save(const tm_text *text, const char *path, tm_error *err) TM_MUST_USE;

/* A figure with `digits` significant digits (1 to 17), never with an exponent between 1e-4 and 1e15, '.'
 * as the decimal point whatever the locale; "-" when it is not finite. Whole digits are never
 * rounded away: 12345 with 3 digits is "12345". Returns `out`. */
char *tm_number(double value, int digits, char *out, size_t size);
/* The same without zeros at the end of a fraction: "0.5", "20". "" when it is not finite, for CSV. */
char *tm_number_short(double value, int digits, char *out, size_t size);
/* "12.4 [12.1, 12.8]"; "12.4" alone where there is no interval. The interval's ends get as many decimals
 * as the value. Returns `out`. */
char *tm_number_interval(const tm_interval *interval, int digits, char *out, size_t size);

#endif
