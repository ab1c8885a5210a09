/* Any bytes as the answer of another engine: JSON, and by a pattern. */
#include "harness/measure/peer.h"
#include "tests/fuzz/replay.h"

static void check(const tm_peer_answer *answer, tm_status status, const tm_error *err)
{
    if (status != TM_OK) {
        if (!err->message[0]) abort();
        return;
    }
    if (answer->n_samples < 1 || answer->n_samples > TM_PEER_SAMPLES) abort();
    for (int i = 0; i < answer->n_samples; i++)
        if (answer->samples_ns[i] < 1) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tm_peer_answer answer;
    static const char pattern[] =
        "(?<threads>\\d+)\\D(?<model>[^|]*)\\|(?:(?<pp>\\S+)|b(?<tg>\\S+))";
    const tm_test test = {.n_gen = 16};
    tm_error err = {0}, why = {0};
    check(&answer, tm_peer_answer_read((const char *)data, size, &answer, &err), &err);
    answer.n_samples = 0;
    check(&answer, tm_peer_answer_match(pattern, &test, (const char *)data, size, &answer, &why),
          &why);
    return 0;
}
