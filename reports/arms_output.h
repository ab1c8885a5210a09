/* Comparisons of two arms as text, Markdown, CSV, JSON and as a forest plot. */
#ifndef TM_REPORTS_ARMS_OUTPUT_H
#define TM_REPORTS_ARMS_OUTPUT_H

#include "harness/base/json.h"
#include "reports/arms.h"
#include "reports/output/plot.h"
#include "reports/output/table.h"

/* A row as the object {model, threads, test, metric, a, b, ratio {value, low, high}, pairs,
 * verdict, noise_floor, ...}. NULL if memory ran out. */
tm_json *tm_arms_row_to_json(const tm_arms_row *row);
/* format: of TM_TABLE_FORMATS, or "json" (an array of rows). Errors: ARG, NOMEM. */
tm_status tm_arms_write(const tm_arms *arms, const char *format, tm_text *out,
                        tm_error *err) TM_MUST_USE;
/* The rows for people. Free it with tm_table_free. */
void tm_arms_table(const tm_arms *arms, tm_table *out);
/* Ratios with their intervals, a position per row. Free it with tm_plot_free. */
void tm_arms_plot(const tm_arms *arms, tm_plot *out);

/* What the two cells of a row share and what differs: "synth:125M 2 threads tg16" and
 * "i2r16_mad_avx2 / t3r16_tl2_avx2". Return text. */
char *tm_arms_place(const tm_arms_row *row, char *text, size_t size);
char *tm_arms_difference(const tm_arms_row *row, char *text, size_t size);

#endif
