/* ternmark peer: another engine as a worker, JSON lines on stdin and stdout. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/measure/peer.h"
#include "harness/measure/worker.h"

int tm_cmd_peer(int argc, char **argv)
{
    const tm_option options[] = {{0}};
    const tm_command command = {
        .name = "peer",
        .arguments = "NAME=PROGRAM,FILE[,ARGUMENT...]",
        .summary =
            "Answers one request as `ternmark worker` does, with the times of a llama-bench. "
            "Started by `ternmark run` and `bench` for --peer.",
        .options = options,
        .min_arguments = 1,
        .max_arguments = 1};
    tm_error err = {0};
    const char *text;
    bool help;
    int n;
    tm_peer peer;
    tm_status status = tm_options_parse(&command, argc, argv, &text, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK) status = tm_peer_parse(text, &peer, &err);
    if (status == TM_OK) status = tm_worker_serve(tm_peer_answer_request, &peer, 0, 1, &err);
    return status == TM_OK ? 0 : tm_report_error("peer", &err);
}
