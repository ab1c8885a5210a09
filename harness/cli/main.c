/* The program: applies the environment's limits and hands over to the command. */
#include "engine/gguf.h"
#include "harness/cli/command.h"
#include "harness/tune/prefetch.h"
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

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

/* Workers inherit it, too. */
static tm_status choose_i2_s_layout(tm_error *err)
{
    const char *text = getenv("TERNMARK_I2S_LAYOUT");
    if (!text || !*text) return TM_OK;
    int group = strcmp(text, "64") == 0 ? 64 : strcmp(text, "128") == 0 ? 128 : 0;
    if (tm_gguf_set_i2_s_layout(group)) return TM_OK;
    return tm_fail(err, TM_ARG, "TERNMARK_I2S_LAYOUT is \"%s\"; it must be 64 or 128", text);
}

int main(int argc, char **argv)
{
    tm_error err = {0};
    if (limit_isa(&err) != TM_OK || choose_i2_s_layout(&err) != TM_OK ||
        tm_prefetch_from_environment(&err) != TM_OK)
        return tm_report_error("", &err);
    return tm_main(argc, argv);
}
