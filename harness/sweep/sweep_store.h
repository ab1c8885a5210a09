/* What a sweep has and makes: the records of its store, and appending to them. */
#ifndef TM_HARNESS_SWEEP_SWEEP_STORE_H
#define TM_HARNESS_SWEEP_SWEEP_STORE_H

#include "harness/record/record_index.h"
#include "harness/sweep/meter_marker.h"
#include "harness/sweep/sweep.h"

typedef struct tm_sweep_store {
    tm_store *store;     /* NULL: memory only */
    tm_records *records; /* borrowed: the outcome's */
    int room;            /* capacity of records->items */
    tm_record_index index;
    tm_json *run; /* the run line, written before the first record; owned */
    char run_id[24];
    bool run_written;
} tm_sweep_store;

/* Opens the store of the options, if any, and reads what is there into *records.
 * Errors: as tm_sweep_run. */
tm_status tm_sweep_store_open(tm_sweep_store *log, const tm_sweep_options *options,
                              tm_records *records, tm_error *err) TM_MUST_USE;
/* What the run line says of the machine's limits; before the first record. Takes `limits`; NULL: none. */
void tm_sweep_store_limits(tm_sweep_store *log, tm_json *limits);
/* The marker shown to a meter, for the run line; before the first record. */
void tm_sweep_store_marker(tm_sweep_store *log, const tm_meter_marker *marker);
void tm_sweep_store_close(tm_sweep_store *log);

/* Appends to store and memory; what *record owns is taken over, also on error. */
tm_status tm_sweep_store_add(tm_sweep_store *log, tm_record *record, tm_error *err) TM_MUST_USE;

bool tm_sweep_store_has(const tm_sweep_store *log, const char *cell_id, int process,
                        int repetition);
/* A sample of the cell in that process, or in any (-1). */
bool tm_sweep_store_has_any(const tm_sweep_store *log, const char *cell_id, int process);
/* What stands in the place of a window of a worker that cannot measure any. */
#define TM_NO_WINDOW "the worker of this engine measures no energy"
/* An energy window of that phase by that source: measured, run for a meter read later, or never to be
 * had from this worker. One that is missing because its source was denied or gone does not count. */
bool tm_sweep_store_has_energy(const tm_sweep_store *log, const char *cell_id, int process,
                               tm_phase phase, const tm_energy_source_choice *energy);
/* What stands in the place of a profile of a worker that makes none. */
#define TM_NO_PROFILE "the worker of this engine does not say where its time goes"
/* A profile of the cell in that process, or the word that there will be none. One that failed does not
 * count. */
bool tm_sweep_store_has_profile(const tm_sweep_store *log, const char *cell_id, int process);
/* Samples with greedy tokens that those of the cell must equal: of the same model and head, by kernels
 * that give the same bits; one for each cell and value. NULL: no more. *cursor starts at 0. */
const tm_record *tm_sweep_store_next_tokens(const tm_sweep_store *log, const tm_cell *cell,
                                            size_t *cursor);
/* A cell line with this status and reason. */
bool tm_sweep_store_has_cell(const tm_sweep_store *log, const tm_record *record);

#endif
