/* Any bytes as a suite: refused with a message, or equal after writing and reading it again. */
#include "harness/sweep/suite.h"
#include "tests/fuzz/replay.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_suite *suite = malloc(sizeof *suite), *again = malloc(sizeof *again);
    tm_error err = {0};
    if (suite && again && tm_suite_parse((const char *)data, size, "fuzz", suite, &err) == TM_OK) {
        tm_json *json = tm_suite_to_json(suite);
        char *text = tm_json_print(json, false);
        if (text && (tm_suite_parse(text, strlen(text), "again", again, &err) != TM_OK ||
                     again->n_tests != suite->n_tests || again->n_models != suite->n_models))
            abort();
        free(text);
        tm_json_free(json);
    } else if (err.status != TM_OK && !err.message[0]) {
        abort(); /* a refusal has a message */
    }
    free(suite);
    free(again);
    return 0;
}
