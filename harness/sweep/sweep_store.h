/* The records that a sweep has and makes: its store, with an index. */
#ifndef TM_HARNESS_SWEEP_SWEEP_STORE_H
#define TM_HARNESS_SWEEP_SWEEP_STORE_H

#include "harness/record/record_index.h"
#include "harness/sweep/meter_marker.h"
#include "harness/sweep/sweep.h"

typedef struct tm_sweep_store {
    tm_store *store;     /* NULL: memory only */
    tm_records *records; /* borrowed from the outcome */
    int room;            /* capacity of records->items */
    tm_record_index index;
    tm_json *run; /* the run line; NULL once it is written; owned */
    char run_id[24];
    bool run_written;
} tm_sweep_store;

/* Opens the store of the options, if any, and reads it into *records.
 * Errors: as tm_sweep_run. */
tm_status tm_sweep_store_open(tm_sweep_store *log, const tm_sweep_options *options,
                              tm_records *records, tm_error *err) TM_MUST_USE;
/* Sets the limits of the machine in the run line. Call it before the first record. Takes over
 * `limits`; NULL: not measured. */
void tm_sweep_store_limits(tm_sweep_store *log, tm_json *limits);
/* Sets the marker in the run line. Call it before the first record. */
void tm_sweep_store_marker(tm_sweep_store *log, const tm_meter_marker *marker);
void tm_sweep_store_close(tm_sweep_store *log);

/* Appends to store and memory. Takes over what *record owns, also after an error. */
tm_status tm_sweep_store_add(tm_sweep_store *log, tm_record *record, tm_error *err) TM_MUST_USE;

/* this_run: only records of this run count. */
bool tm_sweep_store_has(const tm_sweep_store *log, const char *cell_id, int process, int repetition,
                        bool this_run);
/* A sample of the cell in that process, or in any (TM_ANY_PROCESS). */
bool tm_sweep_store_has_any(const tm_sweep_store *log, const char *cell_id, int process);
/* Reason of a missing window if the worker cannot measure energy. */
#define TM_NO_WINDOW "the worker of this engine measures no energy"
/* A real energy window of that phase by that source, as long as the one asked for: measured, or run
 * for a meter that is read later. */
bool tm_sweep_store_has_energy(const tm_sweep_store *log, const char *cell_id, int process,
                               tm_phase phase, const tm_energy_source_choice *energy,
                               const tm_energy_source_options *asked);
/* A window of that phase which this worker can never measure. */
bool tm_sweep_store_has_no_window(const tm_sweep_store *log, const char *cell_id, int process,
                                  tm_phase phase);
/* Reason of a missing profile if the worker makes none. */
#define TM_NO_PROFILE "the worker of this engine makes no profiles"
/* A profile of the cell in that process, or a line that says why there is none. A failed one does
 * not count. */
bool tm_sweep_store_has_profile(const tm_sweep_store *log, const char *cell_id, int process);
/* Samples with greedy tokens that those of the cell must equal: of the same model and head, by
 * kernels that give the same bits; one for each cell and value. NULL: no more. *cursor starts at
 * 0. */
const tm_record *tm_sweep_store_next_tokens(const tm_sweep_store *log, const tm_cell *cell,
                                            size_t *cursor);
/* A cell line with this status and reason. */
bool tm_sweep_store_has_cell(const tm_sweep_store *log, const tm_record *record);

#endif
