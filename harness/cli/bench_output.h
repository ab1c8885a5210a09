/* The output of `ternmark bench`: cells, and speed-ups over the baseline if there is one. */
#ifndef TM_HARNESS_CLI_BENCH_OUTPUT_H
#define TM_HARNESS_CLI_BENCH_OUTPUT_H

#include "reports/output/text.h"
#include "reports/summary.h"

/* Appends the cells. format: of TM_TABLE_FORMATS, "json" (an array of objects) or "jsonl" (one
 * object a line). Errors: ARG, NOMEM. */
tm_status tm_bench_output_write(const tm_summaries *summaries, const char *format, tm_text *out,
                                tm_error *err) TM_MUST_USE;

/* The cells as an array of objects. Errors: NOMEM. */
tm_status tm_bench_output_json(const tm_summaries *summaries, tm_json **out,
                               tm_error *err) TM_MUST_USE;

/* Appends cell i of the summaries as one line of JSON. Errors: NOMEM. */
tm_status tm_bench_output_write_line(const tm_summaries *summaries, int i, tm_text *out,
                                     tm_error *err) TM_MUST_USE;

#endif
