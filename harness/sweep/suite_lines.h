/* The line of a value in the text that it was parsed from, so that an error cites its own line. */
#ifndef TM_HARNESS_SWEEP_SUITE_LINES_H
#define TM_HARNESS_SWEEP_SUITE_LINES_H

#include "harness/base/json.h"

/* text: valid JSON, parsed to `root`; value: anywhere in it. The line of the value, or of its key
 * if it has one, from 1; 0 if the value is not there. */
int tm_suite_line(const char *text, size_t length, const tm_json *root, const tm_json *value);

#endif
