/* An index of records: finds those with a key in constant time, however many there are. */
#ifndef TM_HARNESS_RECORD_RECORD_INDEX_H
#define TM_HARNESS_RECORD_RECORD_INDEX_H

#include "harness/record/record.h"

typedef struct tm_record_index_slot {
    uint64_t key;
    int position; /* of the record, plus one; 0: free */
} tm_record_index_slot;

typedef struct tm_record_index {
    tm_record_index_slot *slots; /* [n_slots], a power of two; owned */
    size_t n_slots, n_used;
} tm_record_index;

#define TM_ANY_PROCESS (-1)
/* Key of the records of a kind in one process of a cell. Two keys may collide: compare what is
 * found. */
uint64_t tm_record_key(tm_record_kind kind, const char *cell_id, int process);

/* A key may have several records. Errors: NOMEM. */
tm_status tm_record_index_add(tm_record_index *index, uint64_t key, int position,
                              tm_error *err) TM_MUST_USE;
/* Position of the next record with the key, in the order of adding; -1: no more. *cursor starts at
 * 0. */
int tm_record_index_next(const tm_record_index *index, uint64_t key, size_t *cursor);
void tm_record_index_free(tm_record_index *index);

#endif
