/* ternmark import: measures the energy windows of an existing store with the log of a wall
 * meter. */
#include "harness/cli/commands.h"
#include "harness/probe/probe_meter.h"
#include "harness/record/pack.h"
#include "harness/sweep/meter_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_import(FILE *out, const tm_import *im, bool given)
{
    if (!given && im->n_windows)
        fprintf(out,
                "clock offset of the meter: %+.2f s, within %.2f s (from the marker, correlation "
                "%.2f)\n",
                im->match.offset_seconds, im->match.error_seconds, im->match.correlation);
    fprintf(out, "%d of %d energy windows measured by the meter\n", im->n_ok, im->n_windows);
    if (im->lost[0]) fprintf(stderr, "ternmark import: window not measured: %s\n", im->lost);
}

static tm_status import_log(const char *store_path, const char *csv, double offset, tm_import *out,
                            tm_error *err)
{
    tm_records records = {0};
    tm_meter_series series = {0};
    tm_record *made = NULL;
    tm_store *store = NULL;
    int n_made = 0;
    char text[960];
    tm_status status = tm_records_read(store_path, &records, err);
    if (status == TM_OK && records.is_packed) status = tm_pack_refuse(store_path, err);
    if (status == TM_OK && tm_records_left_out(&records, text, sizeof text))
        fprintf(stderr, "ternmark import: %s\n", text);
    if (status == TM_OK && !tm_meter_series_read(csv, 0, &series))
        status = tm_fail(err, TM_FORMAT, "%s", series.broken);
    /* The log is read up to its first broken line. Windows after that line are not measured. */
    if (status == TM_OK)
        status = tm_meter_import(&records, &series, offset, &made, &n_made, out, err);
    if (status == TM_OK && n_made > 0) status = tm_store_open(store_path, &store, err);
    for (int i = 0; i < n_made; i++) {
        if (status == TM_OK && made[i].energy.state == TM_PROBE_OK)
            status = tm_store_append(store, &made[i], err);
        tm_record_free(&made[i]);
    }
    free(made);
    tm_store_close(store);
    tm_meter_series_free(&series);
    tm_records_free(&records);
    return status;
}

typedef struct settings {
    const char *csv;
    double offset;
} settings;

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    tm_import im = {0};
    tm_status status = import_log(call->arguments[0], s->csv, s->offset, &im, err);
    if (status != TM_OK) return status;
    print_import(call->out, &im, !isnan(s->offset));
    call->exit_status = im.n_windows > im.n_ok ? 3 : 0;
    return TM_OK;
}

static const tm_option rows[] = {
    {"meter-csv", NULL, TM_FILE(settings, csv), "FILE",
     .help = "the meter's log: a line \"time watts\" or \"time joules\", then samples, with the "
             "time in seconds since 1970",
     .is_required = true},
    {"meter-offset", NULL, TM_NUMBER(settings, offset), "SECONDS",
     .help = "add SECONDS to the meter's times instead of searching for the marker",
     .low = -TM_METER_OFFSET_MAX, .high = TM_METER_OFFSET_MAX},
    {0},
};

const tm_command tm_command_import = {
    .name = "import",
    .synopsis = "--meter-csv FILE STORE",
    .summary = "add the energy from a wall meter's log to a store",
    .description =
        "Integrates a meter's log over the energy windows of a store and adds the results to it.",
    .examples = "ternmark import --meter-csv meter.log results/runs/energy.jsonl",
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.offset = NAN},
    .run = run,
};
