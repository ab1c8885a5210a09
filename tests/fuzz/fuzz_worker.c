/* Any bytes as a line of a worker, or as its request. */
#include "harness/measure/worker.h"
#include "tests/fuzz/replay.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    tm_worker_request *request = malloc(sizeof *request);
    tm_worker_line *said = malloc(sizeof *said);
    tm_error err = {0};
    if (line && request && said) {
        memcpy(line, data, size);
        line[size] = 0;
        if (tm_worker_line_parse(line, said, &err) == TM_OK) {
            tm_worker_line_free(said);
        } else if (!err.message[0]) {
            abort();
        }
        err = (tm_error){0};
        if (tm_worker_request_parse(line, request, &err) == TM_OK) {
            char *text = tm_worker_request_print(request);
            if (text && tm_worker_request_parse(text, request, &err) != TM_OK) abort();
            free(text);
        } else if (!err.message[0]) {
            abort();
        }
    }
    free(line);
    free(request);
    free(said);
    return 0;
}
