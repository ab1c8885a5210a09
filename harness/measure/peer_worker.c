#include "harness/measure/peer.h"
#include "harness/measure/worker.h"

#include <stdlib.h>

tm_status tm_peer_answer_request(const tm_worker_request *request, void *arg, int fd, tm_error *err)
{
    const tm_peer *peer = arg;
    tm_peer_tokens tokens;
    if (request->reference) tm_peer_compare_tokens(peer, request->cell.threads, &tokens);
    tm_status status = tm_worker_say(fd, "loaded", err);
    if (status == TM_OK) /* only a line of the protocol: the marks say what was compared */
        status = tm_worker_say(fd, "checked", err);
    for (int i = 0; i < request->n_tests && status == TM_OK; i++) {
        const tm_worker_test *t = &request->tests[i];
        if (t->n_repetitions == 0) continue; /* a peer measures only times, and these are there */
        tm_record *records = calloc((size_t)t->n_repetitions, sizeof *records);
        if (!records) return tm_fail(err, TM_NOMEM, "no memory for %d records", t->n_repetitions);
        status = tm_peer_run(peer, &t->test, request->cell.threads, t->n_repetitions,
                             request->reference ? &tokens : NULL, records, err);
        for (int k = 0; k < t->n_repetitions && status == TM_OK; k++) {
            records[k].sample.repetition = t->first_repetition + k;
            tm_peer_doubt_model(peer, request->cell.model, &records[k]);
            status = tm_worker_say_record(fd, "sample", request, i, &records[k], err);
        }
        free(records);
    }
    return status;
}
