/* Any bytes as a cached tuning result. */
#include "harness/tune/tune.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_json *json = NULL;
    tm_tune tune;
    tm_error err = {0};
    if (tm_json_parse((const char *)data, size, "input", &json, &err) == TM_OK &&
        tm_tune_from_json(json, &tune, &err) == TM_OK) {
        if (tune.best < 0 || tune.best >= tune.n || tune.n > TM_TUNE_MAX) abort();
        tm_json *again = tm_tune_to_json(&tune);
        tm_tune twice;
        if (tm_tune_from_json(again, &twice, &err) != TM_OK || twice.best != tune.best) abort();
        tm_json_free(again);
    } else if (!err.message[0]) {
        abort();
    }
    tm_json_free(json);
    return 0;
}
