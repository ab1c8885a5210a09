#include "kernels/kernel.h"

#include <string.h>

#define MAX_NAMES 256

tm_status tm_kernel_resolve(const char *name, const tm_kernel **out, tm_error *err)
{
    const tm_kernel *kernel = tm_kernel_find(name);
    *out = NULL;
    if (kernel) {
        tm_status status = tm_kernel_available(kernel, err);
        if (status == TM_OK) *out = kernel;
        return status;
    }
    tm_status status = tm_kernel_pick(name, out, err);
    if (status != TM_ARG) return status;
    const char *names[MAX_NAMES + 1];
    int n = 0;
    names[n++] = "ternary";
    names[n++] = "f16";
    names[n++] = "bf16";
    names[n++] = "f32";
    for (const tm_format *const *f = tm_formats(); *f && n < MAX_NAMES; f++)
        names[n++] = (*f)->name;
    for (const tm_kernel *const *k = tm_kernels(); *k && n < MAX_NAMES; k++)
        names[n++] = (*k)->name;
    names[n] = NULL;
    const char *nearest = tm_nearest_name(name, names);
    if (nearest)
        return tm_fail(err, TM_ARG, "unknown kernel \"%s\"; did you mean \"%s\"?", name, nearest);
    return tm_fail(err, TM_ARG, "unknown kernel \"%s\"; `ternmark kernels` lists them", name);
}
