/* Published machines next to measured ones: which printed value belongs to a place.
 *
 * A value belongs to a place if its source prints the model, the test and the number of threads.
 * Sources that print generation without its length are taken for every generation test, and the
 * reader is told. Published values are never ranked, and no ratio is taken of them.
 */
#ifndef TM_REPORTS_MACHINES_PUBLISHED_H
#define TM_REPORTS_MACHINES_PUBLISHED_H

#include "reports/machines.h"
#include "reports/published/published.h"

/* A machine that a source describes. Strings are borrowed. */
typedef struct tm_published_machine {
    const char *paper, *device;
    char name[128]; /* "Apple M2 Ultra (2410.16144)" */
} tm_published_machine;

typedef struct tm_published_machines {
    tm_published_machine *items; /* owned */
    int n;
} tm_published_machines;

/* The machines with a value in one of the places. Errors: NOMEM. */
tm_status tm_published_machines_make(const tm_published *published, const tm_machine_places *places,
                                     tm_published_machines *out, tm_error *err) TM_MUST_USE;
void tm_published_machines_free(tm_published_machines *machines);

/* Whether a machine has tokens/s or joules in a place. */
bool tm_published_is_at(const tm_published *published, const tm_published_machine *machine,
                        const tm_machine_place *place);
/* The published value of an arm: of several programs of the source, the best one. NULL: the source
 * has no value. quantity: SPEED or JOULES. */
const tm_published_value *tm_published_machine_value(const tm_published *published,
                                                     const tm_published_machine *machine,
                                                     const tm_machine_place *place,
                                                     tm_machine_arm_kind arm,
                                                     tm_machine_quantity quantity);
/* The memory bandwidth that some source prints for the device, or NULL. */
const tm_published_value *tm_published_bandwidth(const tm_published *published,
                                                 const tm_published_machine *machine);
/* The number of threads that the source states for a value; 0: all, or not stated. */
int tm_published_threads(const tm_published_value *value);
/* What the source does not state about a value, as a sentence; "" if it states all. Returns
 * text. */
char *tm_published_unstated(const tm_published_value *value, char *text, size_t size);

#endif
