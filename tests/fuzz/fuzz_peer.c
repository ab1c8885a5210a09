/* Any bytes as the answer of another engine. */
#include "harness/measure/peer.h"
#include "tests/fuzz/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static tm_peer_answer answer;
    tm_error err = {0};
    if (tm_peer_answer_read((const char *)data, size, &answer, &err) != TM_OK) {
        if (!err.message[0]) abort();
        return 0;
    }
    if (answer.n_samples < 1 || answer.n_samples > TM_PEER_SAMPLES) abort();
    for (int i = 0; i < answer.n_samples; i++)
        if (answer.samples_ns[i] < 1) abort();
    return 0;
}
