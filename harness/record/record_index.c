#include "harness/record/record_index.h"

#include "harness/machine/machine.h"

#include <stdlib.h>
#include <string.h>

#define MIN_SLOTS 256

uint64_t tm_record_key(tm_record_kind kind, const char *cell_id, int process)
{
    int numbers[] = {(int)kind, process};
    uint64_t hash = tm_hash(TM_HASH_START, cell_id, strlen(cell_id));
    return tm_hash(hash, numbers, sizeof numbers);
}

/* Open addressing with linear probing; there is always a free slot. */
static void place(tm_record_index *index, uint64_t key, int position)
{
    size_t i = key & (index->n_slots - 1);
    while (index->slots[i].position) i = (i + 1) & (index->n_slots - 1);
    index->slots[i] = (tm_record_index_slot){key, position + 1};
    index->n_used++;
}

static int compare_slots(const void *a, const void *b)
{
    const tm_record_index_slot *x = a, *y = b;
    return (x->position > y->position) - (x->position < y->position);
}

/* Twice the slots, filled in the order of adding, since probing keeps that order for equal keys. */
static tm_status grow(tm_record_index *index, tm_error *err)
{
    tm_record_index old = *index;
    size_t n = old.n_slots ? 2 * old.n_slots : MIN_SLOTS;
    tm_record_index_slot *slots = calloc(n, sizeof *slots);
    if (!slots) return tm_fail(err, TM_NOMEM, "no memory for an index of %zu records", n);
    *index = (tm_record_index){.slots = slots, .n_slots = n};
    if (old.slots) qsort(old.slots, old.n_slots, sizeof *old.slots, compare_slots);
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].position) place(index, old.slots[i].key, old.slots[i].position - 1);
    free(old.slots);
    return TM_OK;
}

tm_status tm_record_index_add(tm_record_index *index, uint64_t key, int position, tm_error *err)
{
    /* At most half full. */
    tm_status status = 2 * (index->n_used + 1) > index->n_slots ? grow(index, err) : TM_OK;
    if (status == TM_OK) place(index, key, position);
    return status;
}

int tm_record_index_next(const tm_record_index *index, uint64_t key, size_t *cursor)
{
    while (index->n_slots > 0) {
        size_t i = (key + *cursor) & (index->n_slots - 1);
        if (!index->slots[i].position) return -1;
        (*cursor)++;
        if (index->slots[i].key == key) return index->slots[i].position - 1;
    }
    return -1;
}

void tm_record_index_free(tm_record_index *index)
{
    free(index->slots);
    *index = (tm_record_index){0};
}
