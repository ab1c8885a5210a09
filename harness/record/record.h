/* Records: a record is one line of a store, as a struct. This room alone knows the keys of a line.
 *
 * A record is a head, which every kind has, and a body of its kind:
 *   run      once per `ternmark run` on the store: the resolved suite, the machine and its
 *            fingerprint, the environment, the engine build. Other lines refer to its id.
 *   sample   one timed repetition of one cell in one process
 *   cell     a cell without samples: skipped or failed, and why. It has no body.
 *   energy   one energy window of one cell in one process
 *   profile  the time of each operation of one cell in one process, or why it is not known
 *
 * Every line carries "schema". A value that could not be measured is null and has a
 * `<key>_missing` sentence. Reading leaves out lines of an unknown kind, counts them, and ignores
 * unknown keys. So a new kind or key does not change the schema number; it rises when an existing
 * key changes its meaning, and then older programs refuse the store.
 */
#ifndef TM_HARNESS_RECORD_RECORD_H
#define TM_HARNESS_RECORD_RECORD_H

#include "harness/record/cell.h"
#include "harness/record/record_energy.h"
#include "harness/record/record_profile.h"
#include "harness/record/record_sample.h"

#define TM_SCHEMA 1

/* Each has a row in record.c. */
typedef enum tm_record_kind {
    TM_RECORD_RUN,
    TM_RECORD_SAMPLE,
    TM_RECORD_CELL,
    TM_RECORD_ENERGY,
    TM_RECORD_PROFILE,
    TM_RECORD_UNKNOWN /* written by a newer program; only its name was read */
} tm_record_kind;

typedef struct tm_record_run {
    tm_json *document; /* the whole line as read: suite, machine, environment; owned */
} tm_record_run;

typedef struct tm_record {
    tm_record_kind kind;
    char run_id[24];
    /* Not of a run line. */
    char cell_id[24];
    tm_cell cell;
    char status[16];         /* "ok", "skipped", "failed"; of an energy window its own */
    char reason[480];        /* skipped, failed: one sentence */
    int64_t predicted_bytes; /* memory predicted before the start; 0: not known */
    /* Neither of a run nor of a cell line. */
    /* Replicate: a fresh process each, from 0. The two arms of a pair share the number. Not every
     * number occurs: several kernels paired with one baseline take turns. */
    int process;
    int slot;        /* 0: first arm of its pair, 1: second */
    char marks[480]; /* "; "-separated reasons to distrust a sample or profile; "" if none */
    union {
        tm_record_run run;
        tm_record_sample sample;
        tm_record_energy energy;
        tm_record_profile profile; /* n_entries 0: not known, `reason` says why */
        char unknown_kind[32];
    };
} tm_record;

/* Appends a reason to distrust the record to its marks; text that does not fit is cut. */
void tm_record_mark(tm_record *record, const char *fmt, ...) TM_PRINTF(2, 3);

tm_json *tm_record_to_json(const tm_record *record);
/* Errors: FORMAT (the key that is missing or of the wrong type), UNSUPPORTED (another schema). */
tm_status tm_record_from_json(const tm_json *json, tm_record *out, tm_error *err) TM_MUST_USE;
void tm_record_free(tm_record *record);

/* Tokens per second of a sample; NaN for other kinds. */
double tm_record_rate(const tm_record *record);

#endif
