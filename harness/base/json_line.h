/* The line of a value in the text that it was parsed from, so that an error names the line. */
#ifndef TM_HARNESS_BASE_JSON_LINE_H
#define TM_HARNESS_BASE_JSON_LINE_H

#include "harness/base/json.h"

/* The text of a file and the value that it was parsed to; all borrowed. */
typedef struct tm_json_source {
    const char *text; /* valid JSON */
    size_t length;
    const tm_json *root;
} tm_json_source;

/* Line of a value, from 1; of its key if it has one. 0 if `root` does not contain the value. */
int tm_json_line(const tm_json_source *source, const tm_json *value);

#endif
