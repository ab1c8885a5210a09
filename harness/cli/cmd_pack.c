/* ternmark pack: a store as one compressed file with hashes, to send from a board. */
#include "harness/base/atomic_file.h"
#include "harness/base/user_file.h"
#include "harness/cli/commands.h"
#include "harness/cli/export_options.h"
#include "harness/cli/interrupt.h"
#include "harness/record/pack.h"

#include <stdlib.h>

typedef struct settings {
    const char *path;
} settings;

typedef struct job {
    const char *store, *path;
    tm_status status;
    tm_error err;
} job;

static tm_status read_store(const char *path, char **text, size_t *length, tm_records *records,
                            tm_error *err)
{
    tm_status status = tm_user_file_read_all(path, text, length, err);
    if (status != TM_OK) return status;
    if (tm_pack_is(*text, *length)) return tm_fail(err, TM_ARG, "%s: is a pack already", path);
    status = tm_records_parse(path, *text, *length, records, err);
    if (status != TM_OK) return status;
    if (records->n == 0) return tm_fail(err, TM_ARG, "%s: holds no records to pack", path);
    return TM_OK;
}

static tm_status pack(const job *j, tm_error *err)
{
    tm_records records = {0};
    char *text = NULL, left_out[1024];
    void *data = NULL;
    size_t length = 0, size = 0;
    tm_status status = read_store(j->store, &text, &length, &records, err);
    if (status == TM_OK) {
        length -= records.torn_bytes;
        tm_print_notes("pack", tm_records_left_out(&records, left_out, sizeof left_out));
        if (records.torn_bytes > 0)
            fprintf(stderr, "ternmark pack: left out the last line, which is torn (%zu bytes)\n",
                    records.torn_bytes);
        status = tm_pack_make(j->store, text, length, &records, &data, &size, err);
    }
    if (status == TM_OK) status = tm_atomic_file_write(j->path, data, size, err);
    if (status == TM_OK)
        fprintf(stderr, "ternmark pack: %s: %d records, %zu bytes packed into %zu\n", j->path,
                records.n, length, size);
    free(data);
    free(text);
    tm_records_free(&records);
    return status;
}

static void run_job(void *arg)
{
    job *j = arg;
    j->status = pack(j, &j->err);
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    job *j = calloc(1, sizeof *j);
    if (!j) return tm_fail(err, TM_NOMEM, "no memory to pack a store");
    *j = (job){.store = call->arguments[0], .path = s->path};
    tm_interrupt_run_or_exit("pack", run_job, j, NULL);
    tm_status status = j->status;
    if (status != TM_OK) *err = j->err;
    free(j);
    return status;
}

static const tm_option rows[] = {
    {"output", "o", TM_FILE(settings, path), "FILE",
     .help = "write to FILE, which is best called NAME.jsonl.zst", .is_required = true},
    {0},
};

const tm_command tm_command_pack = {
    .name = "pack",
    .synopsis = "-o FILE STORE",
    .summary = "compress a store into one file to send from a board",
    .description =
        "Writes one file that describes itself: a Zstandard frame with a header line, which names "
        "the machines, the program and the date and gives the size and hash of the store, and the "
        "lines of the store, unchanged. Every command that reads a store reads a pack too, and "
        "refuses one that was cut short, damaged or edited. No run can continue it.\n\n"
        "The hash detects damage and careless edits, not forgery: anyone can make a new pack. To "
        "let others check that they have your file, publish its sha256sum.\n\n"
        "`zstd -dc FILE | head -n 1` prints the header, `zstd -dc FILE | tail -n +2` the store.\n\n"
        "Exit status: 0 written, 2 bad usage, store or FILE, 3 not enough memory.",
    .examples = "ternmark pack results/runs/quick.jsonl -o pi5.jsonl.zst\n"
                "ternmark report pi5.jsonl.zst",
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .run = run,
};
