/* One row per kind of record: how its body is written, read and freed. For the files of this
 * room. */
#ifndef TM_HARNESS_RECORD_RECORD_ROW_H
#define TM_HARNESS_RECORD_RECORD_ROW_H

#include "harness/base/json_reader.h"
#include "harness/record/record.h"

typedef struct tm_record_row {
    const char *name; /* "kind" of the line */
    bool has_cell;    /* the line says which cell it belongs to */
    bool has_status;  /* ... and "status" and "reason" belong to the head, not to the body */
    /* NULL: the kind has no body. `read` starts from a zeroed body and leaves one that `free`
     * takes, also after an error. */
    void (*put)(tm_json *json, const tm_record *record);
    void (*read)(tm_json_reader *r, tm_record *record);
    void (*free)(tm_record *record);
} tm_record_row;

/* For `read`. */
void tm_record_read_process(tm_json_reader *r, tm_record *record);

extern const tm_record_row tm_record_row_run, tm_record_row_sample, tm_record_row_cell,
    tm_record_row_energy, tm_record_row_profile;

#endif
