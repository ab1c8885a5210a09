#include "harness/base/version.h"

#ifndef TM_COMMIT
#error "the Makefile defines TM_VERSION, TM_COMMIT and the like for this file"
#endif

const char *tm_version(void)
{
    return TM_VERSION;
}
const char *tm_version_date(void)
{
    return TM_VERSION_DATE;
}
const char *tm_commit(void)
{
    return TM_COMMIT;
}
const char *tm_compiler(void)
{
    return TM_COMPILER;
}
const char *tm_build_mode(void)
{
    return TM_BUILD_MODE;
}
