#include "harness/base/dynlib.h"

#include <dlfcn.h>
#include <string.h>

tm_status tm_dynlib_open(const char *name, const char *product, const tm_dynlib_function *functions,
                         int n_functions, void *members, void **library, tm_error *err)
{
    *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!*library) {
        const char *why = dlerror();
        return tm_fail(err, TM_UNSUPPORTED, "%s is not installed: %s", product, why ? why : name);
    }
    for (int i = 0; i < n_functions; i++) {
        void *symbol = dlsym(*library, functions[i].symbol);
        if (!symbol) return tm_fail(err, TM_UNSUPPORTED, "%s has no %s", name, functions[i].symbol);
        memcpy((char *)members + functions[i].offset, &symbol, sizeof symbol);
    }
    return TM_OK;
}
