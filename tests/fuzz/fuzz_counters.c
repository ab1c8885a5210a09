/* Feeds any bytes as a counter group: it is refused with a message, or its formulas can be
 * evaluated. */
#include "harness/probe/counter_group.h"
#include "tests/fuzz/replay.h"

static bool any_word(void *arg, const char *word, double *value, const char **missing)
{
    (void)arg;
    (void)word;
    (void)missing;
    *value = 3;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_counter_group *group = malloc(sizeof *group);
    tm_error err = {0};
    if (group && tm_counter_group_parse((const char *)data, size, "fuzz", group, &err) == TM_OK) {
        for (int i = 0; i < group->n_metrics; i++) {
            double value;
            char missing[160];
            if (tm_counter_formula(group->metrics[i].formula, any_word, NULL, &value, missing,
                                   sizeof missing, &err) != TM_OK)
                abort(); /* it was parsed when the group was read */
        }
    } else if (group && !err.message[0]) {
        abort();
    }
    free(group);
    return 0;
}
