/* In the place of gbench.cc where the build leaves Google Benchmark out. */
#include "harness/measure/gbench.h"

bool tm_gbench_built(void)
{
    return false;
}

tm_status tm_gbench_run(const tm_gbench_rows *rows, const char *const *flags, int n_flags,
                        tm_gbench_display display, tm_error *err)
{
    (void)rows, (void)flags, (void)n_flags, (void)display;
    return tm_fail(
        err, TM_UNSUPPORTED,
        "this build leaves Google Benchmark out, as cross builds and GBENCH=no do: build "
        "with `make GBENCH=yes` where libbenchmark-dev and a C++ compiler are installed");
}
