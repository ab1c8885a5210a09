/* ternmark import: the log of a wall meter, for the energy windows of a store that is already there. */
#include "harness/cli/commands.h"
#include "harness/probe/energy_source.h"
#include "harness/sweep/meter_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void print_import(FILE *out, const tm_import *im, bool given)
{
    if (!given && im->n_windows)
        fprintf(out,
                "the meter's clock: %+.2f s to this machine's, within %.2f s (the marker, "
                "correlation %.2f)\n",
                im->match.offset_seconds, im->match.error_seconds, im->match.correlation);
    fprintf(out, "%d of %d windows measured by the meter\n", im->n_ok, im->n_windows);
    if (im->lost[0]) fprintf(stderr, "ternmark import: no figure: %s\n", im->lost);
}

static tm_status import(const char *store_path, const char *csv, double offset, tm_import *out,
                        tm_error *err)
{
    tm_records records = {0};
    tm_meter_series series = {0};
    tm_record *made = NULL;
    tm_store *store = NULL;
    int n_made = 0;
    char text[200];
    tm_status status = tm_records_read(store_path, &records, err);
    if (status == TM_OK && tm_records_left_out(&records, text, sizeof text))
        fprintf(stderr, "ternmark import: %s\n", text);
    if (status == TM_OK && !tm_meter_series_read(csv, 0, &series))
        status = tm_fail(err, TM_FORMAT, "%s", series.broken);
    /* What is behind a broken line was not read: the windows there say so, the others count. */
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
    tm_status status = import(call->arguments[0], s->csv, s->offset, &im, err);
    if (status != TM_OK) return status;
    print_import(call->out, &im, !isnan(s->offset));
    call->exit_status = im.n_windows > im.n_ok ? 3 : 0;
    return TM_OK;
}

static const tm_option rows[] = {
    {"meter-csv", NULL, TM_FILE(settings, csv), "FILE",
     .help =
         "first line \"time watts\" or \"time joules\", then samples; time in seconds since 1970",
     .is_required = true},
    {"meter-offset", NULL, TM_NUMBER(settings, offset), "SECONDS",
     .help = "added to the meter's times, instead of looking for the marker",
     .low = -TM_METER_OFFSET_MAX, .high = TM_METER_OFFSET_MAX},
    {0}};

const tm_command tm_command_import = {
    .name = "import",
    .synopsis = "--meter-csv FILE STORE",
    .summary = "add the joules of a wall meter's log to a store",
    .description =
        "Integrates a meter's log over the energy windows of a store and adds the joules to it.",
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
