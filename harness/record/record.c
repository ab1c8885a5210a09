#include "harness/record/record.h"

#include "harness/record/record_row.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const tm_record_row *const rows[TM_RECORD_UNKNOWN] = {
    [TM_RECORD_RUN] = &tm_record_row_run,         [TM_RECORD_SAMPLE] = &tm_record_row_sample,
    [TM_RECORD_CELL] = &tm_record_row_cell,       [TM_RECORD_ENERGY] = &tm_record_row_energy,
    [TM_RECORD_PROFILE] = &tm_record_row_profile,
};

void tm_record_mark(tm_record *record, const char *fmt, ...)
{
    va_list args;
    size_t n = strlen(record->marks), room = sizeof record->marks;
    if (n > 0) n += (size_t)snprintf(record->marks + n, room - n, "; ");
    if (n >= room) return;
    va_start(args, fmt);
    vsnprintf(record->marks + n, room - n, fmt, args);
    va_end(args);
}

static void put_cell(tm_json *json, const tm_record *record, bool has_status)
{
    const tm_cell *cell = &record->cell;
    tm_json_put_string(json, "cell_id", record->cell_id);
    tm_json_put_string(json, "engine", cell->engine);
    tm_json_put_string(json, "model", cell->model);
    tm_json_put_string(json, "kernel", cell->kernel);
    tm_json_put_string(json, "head_kernel", cell->head_kernel);
    if (cell->kernel_asked[0]) tm_json_put_string(json, "kernel_asked", cell->kernel_asked);
    if (cell->head_asked[0]) tm_json_put_string(json, "head_asked", cell->head_asked);
    if (cell->model_hash[0]) tm_json_put_string(json, "model_hash", cell->model_hash);
    if (cell->model_shape[0]) tm_json_put_string(json, "model_shape", cell->model_shape);
    if (cell->arithmetic[0]) tm_json_put_string(json, "arithmetic", cell->arithmetic);
    tm_json_put_int(json, "threads", cell->threads);
    tm_json_put_string(json, "test", cell->test);
    tm_json_put_int(json, "n_prompt", cell->n_prompt);
    tm_json_put_int(json, "n_gen", cell->n_gen);
    tm_json_put_int(json, "depth", cell->depth);
    tm_json_put_int(json, "n_sequences", cell->n_sequences > 1 ? cell->n_sequences : 1);
    tm_json_put_string(json, "role", cell->role);
    if (cell->cpus[0]) tm_json_put_string(json, "cpus", cell->cpus);
    if (cell->variant[0]) tm_json_put_string(json, "variant", cell->variant);
    if (has_status) {
        tm_json_put_string(json, "status", record->status);
        if (record->reason[0]) tm_json_put_string(json, "reason", record->reason);
    }
    if (record->predicted_bytes > 0)
        tm_json_put_int(json, "predicted_bytes", record->predicted_bytes);
    else
        tm_json_put_missing(json, "predicted_bytes", "the shape of the model is not known");
}

tm_json *tm_record_to_json(const tm_record *record)
{
    const tm_record_row *row = rows[record->kind];
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    /* "schema" first: a store is recognised by the first bytes of its lines. */
    tm_json_put_int(json, "schema", TM_SCHEMA);
    tm_json_put_string(json, "kind", row->name);
    tm_json_put_string(json, "run", record->run_id);
    if (row->has_cell) put_cell(json, record, row->has_status);
    if (row->put) row->put(json, record);
    return json;
}

static bool has(const tm_json_reader *r, const char *key)
{
    return tm_json_get(r->json, key);
}

static void read_cell(tm_json_reader *r, tm_record *out)
{
    tm_cell *cell = &out->cell;
    tm_read_text(r, "cell_id", out->cell_id, sizeof out->cell_id);
    tm_read_text(r, "engine", cell->engine, sizeof cell->engine);
    tm_read_text(r, "model", cell->model, sizeof cell->model);
    tm_read_text(r, "kernel", cell->kernel, sizeof cell->kernel);
    tm_read_text(r, "head_kernel", cell->head_kernel, sizeof cell->head_kernel);
    if (has(r, "kernel_asked"))
        tm_read_text(r, "kernel_asked", cell->kernel_asked, sizeof cell->kernel_asked);
    if (has(r, "head_asked"))
        tm_read_text(r, "head_asked", cell->head_asked, sizeof cell->head_asked);
    if (has(r, "model_hash"))
        tm_read_text(r, "model_hash", cell->model_hash, sizeof cell->model_hash);
    tm_read_optional_text(r, "model_shape", cell->model_shape, sizeof cell->model_shape);
    if (has(r, "arithmetic"))
        tm_read_text(r, "arithmetic", cell->arithmetic, sizeof cell->arithmetic);
    cell->threads = (int)tm_read_int(r, "threads", 1, 1 << 20);
    tm_read_text(r, "test", cell->test, sizeof cell->test);
    cell->n_prompt = (int)tm_read_int(r, "n_prompt", 0, TM_RECORD_COUNT_MAX);
    cell->n_gen = (int)tm_read_int(r, "n_gen", 0, TM_RECORD_COUNT_MAX);
    cell->depth = (int)tm_read_int(r, "depth", 0, TM_RECORD_COUNT_MAX);
    cell->n_sequences = 1;
    if (has(r, "n_sequences"))
        cell->n_sequences = (int)tm_read_int(r, "n_sequences", 1, TM_RECORD_COUNT_MAX);
    tm_read_text(r, "role", cell->role, sizeof cell->role);
    tm_read_optional_text(r, "cpus", cell->cpus, sizeof cell->cpus);
    tm_read_optional_text(r, "variant", cell->variant, sizeof cell->variant);
    tm_read_text(r, "status", out->status, sizeof out->status);
    if (has(r, "reason")) tm_read_text(r, "reason", out->reason, sizeof out->reason);
    out->predicted_bytes = (int64_t)tm_read_number_or(r, "predicted_bytes", 0);
}

void tm_record_read_process(tm_json_reader *r, tm_record *record)
{
    record->process = (int)tm_read_int(r, "process", 0, TM_RECORD_COUNT_MAX);
    record->slot = (int)tm_read_int(r, "slot", 0, 1);
}

/* TM_RECORD_UNKNOWN: no row has this name. */
static tm_record_kind kind_of(const char *name)
{
    int kind = 0;
    while (kind < TM_RECORD_UNKNOWN && strcmp(name, rows[kind]->name) != 0) kind++;
    return (tm_record_kind)kind;
}

/* A name that a later program may give to a new kind; any other text is damage. */
static bool is_kind_name(const char *name)
{
    return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == 0;
}

tm_status tm_record_from_json(const tm_json *json, tm_record *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "record: not a JSON object");
    tm_json_reader r = {.json = json, .err = err, .what = "record"};
    int64_t schema = tm_read_int(&r, "schema", INT_MIN, INT_MAX);
    if (r.status == TM_OK && schema != TM_SCHEMA)
        return tm_fail(err, TM_UNSUPPORTED,
                       "record: written with schema %lld; this program reads schema %d",
                       (long long)schema, TM_SCHEMA);
    char name[32] = "";
    tm_read_text(&r, "kind", name, sizeof name);
    if (r.status != TM_OK) return r.status;
    tm_record_kind kind = kind_of(name);
    if (kind == TM_RECORD_UNKNOWN) {
        if (!is_kind_name(name))
            return tm_fail(err, TM_FORMAT, "record: \"kind\" is \"%s\", not a lower-case name",
                           name);
        out->kind = kind;
        memcpy(out->unknown_kind, name, sizeof name);
        return TM_OK;
    }
    const tm_record_row *row = rows[kind];
    out->kind = kind;
    tm_read_text(&r, "run", out->run_id, sizeof out->run_id);
    if (row->has_cell) read_cell(&r, out);
    if (row->read) row->read(&r, out);
    if (r.status != TM_OK) tm_record_free(out);
    return r.status;
}

void tm_record_free(tm_record *record)
{
    if (record->kind != TM_RECORD_UNKNOWN && rows[record->kind]->free)
        rows[record->kind]->free(record);
}

double tm_record_rate(const tm_record *record)
{
    if (record->kind != TM_RECORD_SAMPLE || record->sample.elapsed_ns <= 0) return NAN;
    return (double)record->sample.n_tokens * 1e9 / (double)record->sample.elapsed_ns;
}
