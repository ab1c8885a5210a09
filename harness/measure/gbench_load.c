#include "harness/measure/gbench.h"

#include "harness/base/dynlib.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct plugin {
    tm_gbench_run *run;
} plugin;

/* The folder of this program, without a final slash. */
static tm_status program_folder(char *folder, size_t size, tm_error *err)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    char *slash = n > 0 ? memrchr(folder, '/', (size_t)n) : NULL;
    if (!slash)
        return tm_fail(err, TM_UNSUPPORTED, "%s cannot be found: /proc/self/exe is unreadable",
                       TM_GBENCH_PLUGIN);
    *slash = 0;
    return TM_OK;
}

tm_status tm_gbench_open(tm_gbench_run **run, tm_error *err)
{
    static const char *const places[] = {"", "/../lib/ternmark"};
    static const tm_dynlib_function functions[] = {{TM_GBENCH_SYMBOL, offsetof(plugin, run)}};
    char folder[PATH_MAX], path[PATH_MAX + 64];
    *run = NULL;
    tm_status status = program_folder(folder, sizeof folder, err);
    if (status != TM_OK) return status;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        plugin members;
        snprintf(path, sizeof path, "%s%s/%s", folder, places[i], TM_GBENCH_PLUGIN);
        if (access(path, F_OK) != 0) continue;
        status = tm_dynlib_open(path, "Google Benchmark", functions, 1, &members, err);
        if (status == TM_OK) *run = members.run;
        return status;
    }
    return tm_fail(
        err, TM_UNSUPPORTED,
        "Google Benchmark's plugin %s is neither in %.160s nor in %.160s/../lib/ternmark; "
        "build with GBENCH=yes, or use --bench",
        TM_GBENCH_PLUGIN, folder, folder);
}
