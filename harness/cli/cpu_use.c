#include "harness/cli/cpu_use.h"

#include "harness/base/sysfs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static double seconds_of(int who)
{
    struct rusage u;
    if (getrusage(who, &u) != 0) return 0;
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

tm_cpu_use tm_cpu_use_read(void)
{
    char text[4096];
    tm_cpu_use use = {.own = seconds_of(RUSAGE_SELF) + seconds_of(RUSAGE_CHILDREN)};
    /* user nice system idle iowait irq softirq steal; guest time is part of user. */
    double t[8] = {0};
    if (!tm_sysfs_text("/", "proc/stat", text, sizeof text) ||
        sscanf(text, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &t[0], &t[1], &t[2], &t[3], &t[4],
               &t[5], &t[6], &t[7]) != 8)
        return use;
    const double tick = 1 / (double)sysconf(_SC_CLK_TCK);
    for (int i = 0; i < 8; i++) use.all += t[i] * tick;
    use.stolen = t[7] * tick;
    use.busy = use.all - use.stolen - (t[3] + t[4]) * tick;
    return use;
}

static double percent(const tm_cpu_use *before, const tm_cpu_use *after, double seconds)
{
    const double all = after->all - before->all;
    if (!(before->all > 0) || !(all > 0)) return NAN;
    return fmax(0, fmin(100, 100 * seconds / all));
}

double tm_cpu_use_others(const tm_cpu_use *before, const tm_cpu_use *after)
{
    return percent(before, after, after->busy - before->busy - (after->own - before->own));
}

double tm_cpu_use_stolen(const tm_cpu_use *before, const tm_cpu_use *after)
{
    return percent(before, after, after->stolen - before->stolen);
}

char *tm_cpu_use_text(double others, double stolen, char *out, size_t size)
{
    char by_hypervisor[64] = "";
    if (isnan(others)) {
        snprintf(out, size, "how busy the machine was is not known: /proc/stat is not readable");
        return out;
    }
    if (stolen >= 1)
        snprintf(by_hypervisor, sizeof by_hypervisor, ", the hypervisor %.0f %%", stolen);
    bool is_busy = others + stolen > TM_CPU_USE_BUSY;
    snprintf(out, size, "the machine was %s: other processes used %.0f %% of its CPU time%s%s",
             is_busy ? "busy" : "quiet", others, by_hypervisor,
             is_busy ? ", so repeat this when it is idle" : "");
    return out;
}
