#include "harness/base/dynlib.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

/* A dynamic program names the loader that the kernel starts first. */
bool tm_is_static_program(void)
{
    const ElfW(Phdr) *headers = (const void *)getauxval(AT_PHDR);
    unsigned long n = getauxval(AT_PHNUM);
    for (unsigned long i = 0; headers && i < n; i++)
        if (headers[i].p_type == PT_INTERP) return false;
    return headers && n > 0;
}

tm_status tm_dynlib_open(const char *name, const char *product, const tm_dynlib_function *functions,
                         int n_functions, void *members, tm_error *err)
{
    if (tm_is_static_program())
        return tm_fail(err, TM_UNSUPPORTED,
                       "%s is not available: a static build opens no shared libraries", product);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        const char *why = dlerror();
        return tm_fail(err, TM_UNSUPPORTED, "%s is not installed: %s", product, why ? why : name);
    }
    for (int i = 0; i < n_functions; i++) {
        void *symbol = dlsym(library, functions[i].symbol);
        if (!symbol) return tm_fail(err, TM_UNSUPPORTED, "%s has no %s", name, functions[i].symbol);
        memcpy((char *)members + functions[i].offset, &symbol, sizeof symbol);
    }
    return TM_OK;
}
