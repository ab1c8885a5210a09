/* ternmark worker: runs one arm for another process, JSON lines on stdin and stdout. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/measure/worker.h"

int tm_cmd_worker(int argc, char **argv)
{
    const tm_option options[] = {{0}};
    const tm_command command = {
        .name = "worker",
        .arguments = "",
        .summary =
            "Says hello, reads one request line and answers it; harness/measure/worker.h has the "
            "lines. Started by `ternmark run` and `bench`.",
        .options = options};
    tm_error err = {0};
    bool help;
    int n;
    tm_status status = tm_options_parse(&command, argc, argv, NULL, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK) status = tm_worker_serve(tm_worker_answer_engine, NULL, 0, 1, &err);
    return status == TM_OK ? 0 : tm_report_error("worker", &err);
}
