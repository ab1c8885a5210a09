#include "harness/sweep/sweep_store.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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
    tm_json_put_string(log->run, "fingerprint", o->env->fingerprint);
    tm_json_set(log->run, "machine", tm_json_copy(o->env->machine));
    tm_json_set(log->run, "environment", tm_json_copy(o->env->environment));
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

/* Refuses a store that another machine began. */
static tm_status same_machine(const char *store, const tm_machine *env, const tm_records *records,
                              tm_error *err)
{
    for (int i = 0; i < records->n; i++) {
        if (records->items[i].kind != TM_RECORD_RUN) continue;
        const tm_json *run = records->items[i].run.document;
        const char *theirs = tm_json_text(tm_json_get(run, "fingerprint"), NULL);
        if (theirs && strcmp(theirs, env->fingerprint) == 0) continue;
        const char *model =
            tm_json_text(tm_json_get(tm_json_get(run, "machine"), "cpu_model"), "not named");
        return tm_fail(
            err, TM_ARG,
            "%s: made on another machine (processor %s, fingerprint %s; this one is %s, %s); "
            "choose another store, or continue it with --allow-machine",
            store, model, theirs ? theirs : "none",
            env->cpu_model[0] ? env->cpu_model : "not named", env->fingerprint);
    }
    return TM_OK;
}

static tm_status read_store(const char *store, const tm_machine *env, bool allow_machine,
                            tm_records *records, tm_error *err)
{
    tm_status status = tm_records_read(store, records, err);
    /* Another schema: for whoever chose the store a wrong choice, not a lack of this machine. */
    if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
    return status == TM_OK && !allow_machine ? same_machine(store, env, records, err) : status;
}

tm_status tm_sweep_check_store(const char *store, const tm_machine *env, bool allow_machine,
                               tm_error *err)
{
    tm_records records = {0};
    char folder[PATH_MAX];
    if (access(store, F_OK) != 0) {
        snprintf(folder, sizeof folder, "%s", store);
        if (access(dirname(folder), W_OK | X_OK) == 0) return TM_OK;
        return tm_fail(err, TM_IO, "%s: cannot be written: %s", store, strerror(errno));
    }
    tm_status status = read_store(store, env, allow_machine, &records, err);
    tm_records_free(&records);
    return status;
}

tm_status tm_sweep_store_open(tm_sweep_store *log, const tm_sweep_options *options,
                              tm_records *records, tm_error *err)
{
    memset(log, 0, sizeof *log);
    log->records = records;
    tm_status status = make_run_line(log, options, err);
    if (status != TM_OK || !options->store_path) return status;
    /* Read before it is opened, which may cut it: a store that is refused stays as it is. */
    const char *store = options->store_path;
    status = tm_sweep_check_store(store, options->env, options->allow_machine, err);
    if (status == TM_OK) status = tm_store_open(store, &log->store, err);
    /* And again behind the lock: another run may have added to it. */
    if (status == TM_OK)
        status = read_store(store, options->env, options->allow_machine, records, err);
    log->room = records->n;
    return status;
}

void tm_sweep_store_close(tm_sweep_store *log)
{
    tm_store_close(log->store);
    tm_json_free(log->run);
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
    if (status != TM_OK) tm_record_free(record);
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

bool tm_sweep_store_has(const tm_sweep_store *log, const char *cell_id, int process, int repetition)
{
    for (int i = 0; i < log->records->n; i++) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_SAMPLE && r->process == process &&
            r->sample.repetition == repetition && strcmp(r->cell_id, cell_id) == 0)
            return true;
    }
    return false;
}

bool tm_sweep_store_has_any(const tm_sweep_store *log, const char *cell_id, int process)
{
    for (int i = 0; i < log->records->n; i++) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_SAMPLE && (process < 0 || r->process == process) &&
            strcmp(r->cell_id, cell_id) == 0)
            return true;
    }
    return false;
}

bool tm_sweep_store_has_energy(const tm_sweep_store *log, const char *cell_id, int process,
                               tm_phase phase, const tm_energy_source_choice *energy)
{
    for (int i = 0; i < log->records->n; i++) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_ENERGY && r->process == process && r->energy.phase == phase &&
            strcmp(r->cell_id, cell_id) == 0 && strcmp(r->energy.source, energy->source) == 0 &&
            (energy->later || r->energy.state == TM_PROBE_OK ||
             r->energy.state == TM_PROBE_INVALID || strcmp(r->energy.reason, TM_NO_WINDOW) == 0))
            return true;
    }
    return false;
}

bool tm_sweep_store_has_profile(const tm_sweep_store *log, const char *cell_id, int process)
{
    for (int i = 0; i < log->records->n; i++) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_PROFILE && r->process == process &&
            strcmp(r->cell_id, cell_id) == 0 && strcmp(r->status, "failed") != 0)
            return true;
    }
    return false;
}

bool tm_sweep_store_has_cell(const tm_sweep_store *log, const tm_record *record)
{
    for (int i = 0; i < log->records->n; i++) {
        const tm_record *r = &log->records->items[i];
        if (r->kind == TM_RECORD_CELL && strcmp(r->cell_id, record->cell_id) == 0 &&
            strcmp(r->status, record->status) == 0 && strcmp(r->reason, record->reason) == 0)
            return true;
    }
    return false;
}
