#include "harness/sweep/sweep_store.h"

#include "harness/record/pack.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A window ends with the clock, so it may look shorter than asked for by the clock's rounding. */
#define SHORT 0.999

static tm_status make_run_line(tm_sweep_store *log, const tm_sweep_options *o, tm_error *err)
{
    struct timespec now;
    struct tm utc;
    char date[16];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", &utc);
    struct {
        struct timespec now;
        pid_t pid;
    } salt;
    memset(&salt, 0, sizeof salt);
    salt.now = now;
    salt.pid = getpid();
    uint64_t hash = tm_hash(TM_HASH_START, &salt, sizeof salt);
    snprintf(log->run_id, sizeof log->run_id, "%s-%06x", date, (unsigned)(hash & 0xffffff));
    log->run = tm_json_object();
    if (!log->run) return tm_fail(err, TM_NOMEM, "no memory for a run line");
    tm_json_set(log->run, "suite", tm_suite_to_json(o->suite));
    tm_json_put_string(log->run, "fingerprint", o->machine->fingerprint);
    tm_json_set(log->run, "machine", tm_machine_hardware_to_json(o->machine));
    tm_json *environment = tm_machine_environment_to_json(o->machine);
    if (o->plan->choices) tm_tune_choices_put(environment, o->plan->choices);
    tm_json_set(log->run, "environment", environment);
    tm_json_put_string(log->run, "build", o->build);
    tm_json_put_int(log->run, "seed", (int64_t)o->seed);
    tm_json_put_bool(log->run, "oversubscribe", o->oversubscribe);
    if (o->energy)
        tm_json_set(log->run, "energy",
                    tm_energy_source_choice_to_json(&o->suite->energy, o->energy));
    return TM_OK;
}

void tm_sweep_store_limits(tm_sweep_store *log, tm_json *limits)
{
    if (limits)
        tm_json_set(log->run, "roofline", limits);
    else
        tm_json_put_missing(log->run, "roofline", "not measured in this run");
}

void tm_sweep_store_marker(tm_sweep_store *log, const tm_meter_marker *marker)
{
    tm_json_set(log->run, "meter_marker", tm_meter_marker_to_json(marker));
}

/* Refuses a store of another machine. */
static tm_status same_machine(const char *store, const tm_machine *machine,
                              const tm_records *records, tm_error *err)
{
    for (int i = 0; i < records->n; i++) {
        if (records->items[i].kind != TM_RECORD_RUN) continue;
        const tm_json *run = records->items[i].run.document;
        const char *theirs = tm_json_text(tm_json_get(run, "fingerprint"), NULL);
        if (theirs && strcmp(theirs, machine->fingerprint) == 0) continue;
        const char *model =
            tm_json_text(tm_json_get(tm_json_get(run, "machine"), "cpu_model"), "not named");
        return tm_fail(
            err, TM_ARG,
            "%s: made on another machine (processor %s, fingerprint %s; this one is %s, %s); "
            "choose another store, or continue it with --allow-machine",
            store, model, theirs ? theirs : "none",
            machine->cpu_model[0] ? machine->cpu_model : "not named", machine->fingerprint);
    }
    return TM_OK;
}

static tm_status read_store(const char *store, const tm_machine *machine, bool allow_machine,
                            tm_records *records, tm_error *err)
{
    tm_status status = tm_records_read(store, records, err);
    /* Another schema: the user chose the wrong store; this machine lacks nothing. */
    if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
    if (status == TM_OK && records->is_packed) status = tm_pack_refuse(store, err);
    return status == TM_OK && !allow_machine ? same_machine(store, machine, records, err) : status;
}

tm_records tm_sweep_new_records(const tm_sweep_outcome *outcome)
{
    return tm_records_from(&outcome->records, outcome->first_new);
}

tm_status tm_sweep_check_store(const char *store, const tm_machine *machine, bool allow_machine,
                               tm_error *err)
{
    tm_records records = {0};
    char folder[PATH_MAX];
    if (access(store, F_OK) != 0) {
        snprintf(folder, sizeof folder, "%s", store);
        if (access(dirname(folder), W_OK | X_OK) == 0) return TM_OK;
        return tm_fail(err, TM_IO, "%s: cannot be written: %s", store, strerror(errno));
    }
    tm_status status = read_store(store, machine, allow_machine, &records, err);
    tm_records_free(&records);
    return status;
}

/* Kernels that must agree on every token share a group: exact ones of one kind of weights. */
static const char *group_of(const char *kernel_name)
{
    const tm_kernel *kernel = tm_kernel_find(kernel_name);
    if (!kernel || kernel->tolerance != 0) return kernel_name;
    return kernel->format->ternary ? "ternary" : kernel->format->name;
}

/* The part of the variant that may change tokens: the type of the KV cache. */
static const char *kv_of(const tm_cell *cell)
{
    return strstr(cell->variant, "kv=f32") ? "f32" : "f16";
}

/* Key of the samples whose greedy tokens must be equal. */
static uint64_t tokens_key(const tm_cell *cell)
{
    const char *group = group_of(cell->kernel);
    uint64_t hash = tm_hash(TM_HASH_START, "tokens", 6);
    hash = tm_hash(hash, cell->model, strlen(cell->model) + 1);
    hash = tm_hash(hash, cell->head_kernel, strlen(cell->head_kernel) + 1);
    hash = tm_hash(hash, kv_of(cell), strlen(kv_of(cell)) + 1);
    return tm_hash(hash, group, strlen(group));
}

/* One sample for each cell and value of its tokens is enough to compare with. */
static bool has_tokens(const tm_sweep_store *log, const tm_record *record)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = tm_sweep_store_next_tokens(log, &record->cell, &cursor)))
        if (strcmp(r->cell_id, record->cell_id) == 0 &&
            strcmp(r->sample.tokens, record->sample.tokens) == 0)
            return true;
    return false;
}

static tm_status add_to_index(tm_sweep_store *log, int position, tm_error *err)
{
    const tm_record *r = &log->records->items[position];
    tm_record_index *index = &log->index;
    if (r->kind == TM_RECORD_RUN) return TM_OK;
    bool is_sample = r->kind == TM_RECORD_SAMPLE;
    bool is_first = is_sample && !tm_sweep_store_has_any(log, r->cell_id, TM_ANY_PROCESS);
    bool has_new_tokens = is_sample && r->sample.tokens[0] && !has_tokens(log, r);
    uint64_t key = tm_record_key(r->kind, r->cell_id, r->process);
    tm_status status = tm_record_index_add(index, key, position, err);
    if (status == TM_OK && is_first) {
        key = tm_record_key(r->kind, r->cell_id, TM_ANY_PROCESS);
        status = tm_record_index_add(index, key, position, err);
    }
    if (status == TM_OK && has_new_tokens)
        status = tm_record_index_add(index, tokens_key(&r->cell), position, err);
    return status;
}

/* Whether a run of the store was made on this machine. A run without a line counts. */
static bool is_own_run(const tm_records *records, const char *run_id, const tm_machine *env)
{
    for (int i = 0; i < records->n; i++) {
        const tm_record *run = &records->items[i];
        if (run->kind != TM_RECORD_RUN || strcmp(run->run_id, run_id) != 0) continue;
        return strcmp(tm_json_text(tm_json_get(run->run.document, "fingerprint"), ""),
                      env->fingerprint) == 0;
    }
    return true;
}

/* Indexes what this run continues: the records of this machine, or none. */
static tm_status index_continued(tm_sweep_store *log, const tm_sweep_options *o, tm_error *err)
{
    const tm_records *records = log->records;
    const char *run_id = NULL;
    bool is_own = false;
    for (int i = 0; i < records->n && !o->again; i++) {
        const tm_record *r = &records->items[i];
        if (!run_id || strcmp(run_id, r->run_id) != 0)
            is_own = is_own_run(records, r->run_id, o->machine);
        run_id = r->run_id;
        tm_status status = is_own ? add_to_index(log, i, err) : TM_OK;
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

tm_status tm_sweep_store_open(tm_sweep_store *log, const tm_sweep_options *options,
                              tm_records *records, tm_error *err)
{
    memset(log, 0, sizeof *log);
    log->records = records;
    tm_status status = make_run_line(log, options, err);
    if (status != TM_OK || !options->store_path) return status;
    /* Opening may cut the store, so read it first: a refused store stays as it is. */
    const char *store = options->store_path;
    status = tm_sweep_check_store(store, options->machine, options->allow_machine, err);
    if (status == TM_OK) status = tm_store_open(store, &log->store, err);
    /* Read it again under the lock: another run may have added to it. */
    if (status == TM_OK)
        status = read_store(store, options->machine, options->allow_machine, records, err);
    log->room = records->n;
    return status == TM_OK ? index_continued(log, options, err) : status;
}

void tm_sweep_store_close(tm_sweep_store *log)
{
    tm_store_close(log->store);
    tm_json_free(log->run);
    tm_record_index_free(&log->index);
    log->store = NULL;
    log->run = NULL;
}

static tm_status keep(tm_sweep_store *log, const tm_record *record, tm_error *err)
{
    tm_records *records = log->records;
    if (records->n >= log->room) {
        int room = log->room < 64 ? 128 : log->room * 2;
        tm_record *more = realloc(records->items, (size_t)room * sizeof *more);
        if (!more) return tm_fail(err, TM_NOMEM, "no memory for %d records", room);
        records->items = more;
        log->room = room;
    }
    records->items[records->n++] = *record;
    return TM_OK;
}

static tm_status add(tm_sweep_store *log, tm_record *record, tm_error *err)
{
    tm_status status = TM_OK;
    memcpy(record->run_id, log->run_id, sizeof record->run_id);
    if (log->store) status = tm_store_append(log->store, record, err);
    if (status == TM_OK) status = keep(log, record, err);
    if (status != TM_OK)
        tm_record_free(record);
    else
        status = add_to_index(log, log->records->n - 1, err);
    return status;
}

tm_status tm_sweep_store_add(tm_sweep_store *log, tm_record *record, tm_error *err)
{
    if (!log->run_written) {
        tm_record run = {.kind = TM_RECORD_RUN, .run.document = log->run};
        log->run = NULL;
        log->run_written = true;
        tm_status status = add(log, &run, err);
        if (status != TM_OK) {
            tm_record_free(record);
            return status;
        }
    }
    return add(log, record, err);
}

/* The next record with the key, of that kind and cell; NULL: no more. */
static const tm_record *next_of(const tm_sweep_store *log, tm_record_kind kind, const char *cell_id,
                                int process, size_t *cursor)
{
    uint64_t key = tm_record_key(kind, cell_id, process);
    int i;
    while ((i = tm_record_index_next(&log->index, key, cursor)) >= 0) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == kind && strcmp(r->cell_id, cell_id) == 0 &&
            (process == TM_ANY_PROCESS || r->process == process))
            return r;
    }
    return NULL;
}

bool tm_sweep_store_has(const tm_sweep_store *log, const char *cell_id, int process, int repetition,
                        bool this_run)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = next_of(log, TM_RECORD_SAMPLE, cell_id, process, &cursor)))
        if (r->sample.repetition == repetition &&
            (!this_run || strcmp(r->run_id, log->run_id) == 0))
            return true;
    return false;
}

bool tm_sweep_store_has_any(const tm_sweep_store *log, const char *cell_id, int process)
{
    size_t cursor = 0;
    return next_of(log, TM_RECORD_SAMPLE, cell_id, process, &cursor);
}

bool tm_sweep_store_has_energy(const tm_sweep_store *log, const char *cell_id, int process,
                               tm_phase phase, const tm_energy_source_choice *energy,
                               const tm_energy_source_options *asked)
{
    size_t cursor = 0;
    const tm_record *r;
    bool fake = strcmp(energy->source, "fake") == 0 || asked->root[0];
    while ((r = next_of(log, TM_RECORD_ENERGY, cell_id, process, &cursor))) {
        const tm_record_energy *e = &r->energy;
        if (e->phase == phase && strcmp(e->source, energy->source) == 0 && e->fake == fake &&
            e->window_seconds > SHORT * asked->seconds &&
            e->idle_seconds >= SHORT * asked->idle_seconds &&
            (energy->later || e->state == TM_PROBE_OK))
            return true;
    }
    return false;
}

bool tm_sweep_store_has_no_window(const tm_sweep_store *log, const char *cell_id, int process,
                                  tm_phase phase)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = next_of(log, TM_RECORD_ENERGY, cell_id, process, &cursor)))
        if (r->energy.phase == phase && strcmp(r->energy.reason, TM_NO_WINDOW) == 0) return true;
    return false;
}

bool tm_sweep_store_has_profile(const tm_sweep_store *log, const char *cell_id, int process)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = next_of(log, TM_RECORD_PROFILE, cell_id, process, &cursor)))
        if (strcmp(r->status, "failed") != 0) return true;
    return false;
}

bool tm_sweep_store_has_cell(const tm_sweep_store *log, const tm_record *record)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = next_of(log, TM_RECORD_CELL, record->cell_id, record->process, &cursor)))
        if (strcmp(r->status, record->status) == 0 && strcmp(r->reason, record->reason) == 0)
            return true;
    return false;
}

const tm_record *tm_sweep_store_next_tokens(const tm_sweep_store *log, const tm_cell *cell,
                                            size_t *cursor)
{
    uint64_t key = tokens_key(cell);
    int i;
    while ((i = tm_record_index_next(&log->index, key, cursor)) >= 0) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_SAMPLE && strcmp(r->cell.model, cell->model) == 0 &&
            strcmp(r->cell.head_kernel, cell->head_kernel) == 0 &&
            strcmp(kv_of(&r->cell), kv_of(cell)) == 0 &&
            strcmp(group_of(r->cell.kernel), group_of(cell->kernel)) == 0)
            return r;
    }
    return NULL;
}
