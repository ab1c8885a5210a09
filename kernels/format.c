#include "kernels/format.h"

#include <string.h>

static const tm_format *const formats[] = {
#define FORMAT_ROW(name) &tm_format_##name,
    TM_FORMATS(FORMAT_ROW)
#undef FORMAT_ROW
        NULL,
};

const tm_format *const *tm_formats(void)
{
    return formats;
}

const tm_format *tm_format_find(const char *name)
{
    for (const tm_format *const *f = formats; *f; f++)
        if (strcmp((*f)->name, name) == 0) return *f;
    return NULL;
}
