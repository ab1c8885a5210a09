/* The program: applies the environment's limits and hands over to the command. The build defines
 * TM_CODE_HASHES. */
#include "harness/cli/command.h"
#include "harness/measure/code_hash.h"
#include "harness/tune/prefetch.h"
#include "kernels/cpu.h"

#include <stdlib.h>

/* TERNMARK_ISA restricts the instruction sets; workers inherit it through the environment. */
static tm_status limit_isa(tm_error *err)
{
    const char *text = getenv("TERNMARK_ISA");
    unsigned isa;
    if (!text || !*text) return TM_OK;
    tm_status status = tm_isa_parse(text, &isa, err);
    if (status != TM_OK) return tm_fail_in(err, "TERNMARK_ISA");
    tm_cpu_limit(isa);
    return TM_OK;
}

static const tm_code_hash code_hashes[] = {TM_CODE_HASHES};

int main(int argc, char **argv)
{
    tm_error err = {0};
    if (limit_isa(&err) != TM_OK || tm_i2_s_layout_from_environment(&err) != TM_OK ||
        tm_prefetch_from_environment(&err) != TM_OK)
        return tm_report_error("", &err);
    setenv("HWLOC_HIDE_ERRORS", "2", 0); /* what hwloc lacks is reported as missing */
    tm_code_hashes_use(code_hashes);
    return tm_main(argc, argv);
}
