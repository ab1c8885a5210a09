/* Run lines: a document that other rooms fill in and read, and a cell line, which is a head
 * only. */
#include "harness/record/record_row.h"

#include <string.h>

static void put_run(tm_json *json, const tm_record *record)
{
    for (const tm_json *m = tm_json_at(record->run.document, 0); m; m = tm_json_next(m)) {
        const char *key = tm_json_key(m);
        if (strcmp(key, "schema") == 0 || strcmp(key, "kind") == 0 || strcmp(key, "run") == 0)
            continue;
        tm_json_set(json, key, tm_json_copy(m));
    }
}

static void read_run(tm_json_reader *r, tm_record *out)
{
    if (r->status != TM_OK) return;
    out->run.document = tm_json_copy(r->json);
    if (!out->run.document)
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for a run line");
}

static void free_run(tm_record *record)
{
    tm_json_free(record->run.document);
    record->run.document = NULL;
}

const tm_record_row tm_record_row_run = {
    .name = "run", .put = put_run, .read = read_run, .free = free_run};

const tm_record_row tm_record_row_cell = {.name = "cell", .has_cell = true, .has_status = true};
