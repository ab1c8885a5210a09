/* The store: an append-only JSON Lines file of records, read whole and appended to safely. */
#ifndef TM_HARNESS_RECORD_STORE_H
#define TM_HARNESS_RECORD_STORE_H

#include "harness/record/record.h"

/* The records of a store, without lines of unknown kinds, lines that are refused, and lines that
 * repeat another. */
typedef struct tm_records {
    tm_record *items;
    int n;
    size_t torn_bytes;     /* length of a torn last line */
    int n_refused;         /* lines that are damaged or contradict themselves */
    char refused[800];     /* their numbers, and why the first three */
    int n_repeated;        /* lines that were there already, byte for byte */
    int n_unknown;         /* lines of unknown kinds */
    char unknown_kind[32]; /* the first of these kinds */
    bool is_packed;        /* they came from a pack (pack.h), which no run can continue */
} tm_records;
/* Reads a store, or the store in a pack. Errors: IO, ARG (a folder, not a regular file), FORMAT
 * (line number: every line was refused; a damaged pack), UNSUPPORTED (schema), NOMEM. */
tm_status tm_records_read(const char *path, tm_records *out, tm_error *err) TM_MUST_USE;
/* The same of the lines of a store; path: for messages. */
tm_status tm_records_parse(const char *path, const char *text, size_t length, tm_records *out,
                           tm_error *err) TM_MUST_USE;
void tm_records_free(tm_records *records);
/* Those from `first` on, borrowed: do not free them. items is NULL if there are none. */
tm_records tm_records_from(const tm_records *records, int first);
/* Sentences about the lines that were left out; NULL if there were none. */
const char *tm_records_left_out(const tm_records *records, char *text, size_t size);

/* Opening creates the file if it does not exist, refuses one that is not a store (ARG), cuts off a
 * torn last line and takes an exclusive lock (a second writer gets an ARG error that names the
 * store). Every line is written with one write(2) and synced before the call returns. */
typedef struct tm_store tm_store;
tm_status tm_store_open(const char *path, tm_store **out, tm_error *err) TM_MUST_USE;
/* Errors: IO (disk full: the whole line is taken back, so the store stays readable). */
tm_status tm_store_append(tm_store *store, const tm_record *record, tm_error *err) TM_MUST_USE;
void tm_store_close(tm_store *store);

#endif
