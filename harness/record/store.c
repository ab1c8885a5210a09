#include "harness/record/store.h"

#include "harness/base/hash.h"
#include "harness/base/user_file.h"
#include "harness/record/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Every line of a store begins like this, whatever its schema. */
static const char first_bytes[] = "{\"schema\":";

struct tm_store {
    int fd;
    off_t size; /* of whole, synced lines */
    char *path;
};

/* Lines by their hash: open addressing with linear probing, at most half full. */
typedef struct line_set {
    struct known_line {
        const char *text; /* NULL: free */
        size_t length;
    } * slots;
    size_t n_slots, n_used;
} line_set;

static struct known_line *find_line(const line_set *set, const char *text, size_t length)
{
    size_t i = tm_hash(TM_HASH_START, text, length) & (set->n_slots - 1);
    while (set->slots[i].text &&
           (set->slots[i].length != length || memcmp(set->slots[i].text, text, length) != 0))
        i = (i + 1) & (set->n_slots - 1);
    return &set->slots[i];
}

/* *is_new: the line was not in the set; it is now. */
static tm_status add_line(line_set *set, const char *text, size_t length, bool *is_new,
                          tm_error *err)
{
    if (2 * (set->n_used + 1) > set->n_slots) {
        line_set old = *set;
        size_t n = old.n_slots ? 2 * old.n_slots : 256;
        *set = (line_set){calloc(n, sizeof *set->slots), n, old.n_used};
        if (!set->slots) {
            *set = old;
            return tm_fail(err, TM_NOMEM, "no memory for %zu lines", n);
        }
        for (size_t i = 0; i < old.n_slots; i++)
            if (old.slots[i].text)
                *find_line(set, old.slots[i].text, old.slots[i].length) = old.slots[i];
        free(old.slots);
    }
    struct known_line *slot = find_line(set, text, length);
    *is_new = !slot->text;
    if (*is_new) {
        *slot = (struct known_line){text, length};
        set->n_used++;
    }
    return TM_OK;
}

/* Whether the tokens of an energy window are those of its repeats. */
static tm_status check_window(const tm_record *record, tm_error *err)
{
    const tm_record_energy *e = &record->energy;
    const tm_cell *c = &record->cell;
    const bool is_prompt = e->phase == TM_PHASE_PROMPT;
    const int64_t each =
        is_prompt ? c->n_prompt : (int64_t)c->n_gen * (c->n_sequences > 1 ? c->n_sequences : 1);
    const int64_t n = is_prompt ? e->n_prompt_tokens : e->n_output_tokens;
    if (n == e->n_repeats * each) return TM_OK;
    return tm_fail(
        err, TM_FORMAT, "record: %lld tokens of the %s in %d repeats of %s, which has %lld",
        (long long)n, is_prompt ? "prompt" : "output", e->n_repeats, c->test, (long long)each);
}

static tm_status read_line(const char *text, size_t length, tm_record *out, tm_error *err)
{
    tm_json *json = NULL;
    tm_status status = tm_json_parse(text, length, "record", &json, err);
    if (status == TM_OK) status = tm_record_from_json(json, out, err);
    tm_json_free(json);
    if (status != TM_OK) return status;
    if (out->kind == TM_RECORD_SAMPLE && strcmp(out->status, "ok") == 0)
        status = tm_record_sample_check(out, err);
    if (out->kind == TM_RECORD_ENERGY && out->energy.state == TM_PROBE_OK)
        status = check_window(out, err);
    if (status != TM_OK) tm_record_free(out);
    return status;
}

/* Counts a refused line. The first three are named with the reason, ten more by number. */
static void note_refused(tm_records *out, int number, const char *why)
{
    const size_t n = strlen(out->refused), room = sizeof out->refused - n;
    const int k = out->n_refused++;
    if (k < 3)
        snprintf(out->refused + n, room, "%sline %d: %.200s", k ? "; " : "", number, why);
    else if (k < 13)
        snprintf(out->refused + n, room, "%s %d", k == 3 ? "; also" : ",", number);
}

/* Reads the next line into the records; a bad one is counted. */
static tm_status take_line(const char *path, int number, const char *text, size_t length,
                           tm_records *out, tm_error *err)
{
    tm_record *record = &out->items[out->n];
    tm_status status = read_line(text, length, record, err);
    if (status == TM_FORMAT) {
        note_refused(out, number, err->message);
        return TM_OK;
    }
    if (status != TM_OK) return tm_fail_in(err, "%s: line %d", path, number);
    if (record->kind != TM_RECORD_UNKNOWN)
        out->n++;
    else if (strcmp(record->unknown_kind, TM_PACK_HEADER_KIND) == 0)
        return TM_OK; /* an unpacked store that kept the header */
    else if (out->n_unknown++ == 0)
        snprintf(out->unknown_kind, sizeof out->unknown_kind, "%.31s", record->unknown_kind);
    return TM_OK;
}

tm_status tm_records_parse(const char *path, const char *text, size_t length, tm_records *out,
                           tm_error *err)
{
    line_set lines = {0};
    tm_status status = TM_OK;
    int room = 0, number = 0;
    memset(out, 0, sizeof *out);
    const char *p = text, *end = text + length;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        bool is_new = true;
        if (!newline) {
            out->torn_bytes = (size_t)(end - p);
            break;
        }
        number++;
        if (out->n == room) {
            int wanted = room ? room * 2 : 64;
            tm_record *more = realloc(out->items, (size_t)wanted * sizeof *more);
            if (!more) {
                status = tm_fail(err, TM_NOMEM, "%s: no memory for %d records", path, wanted);
                goto done;
            }
            out->items = more;
            room = wanted;
        }
        size_t n = (size_t)(newline - p);
        status = add_line(&lines, p, n, &is_new, err);
        if (status == TM_OK && is_new) status = take_line(path, number, p, n, out, err);
        if (status != TM_OK) goto done;
        out->n_repeated += !is_new;
        p = newline + 1;
    }
    if (out->n == 0 && out->n_refused > 0)
        status = tm_fail(err, TM_FORMAT, "%s: not a ternmark store: %s", path, out->refused);
done:
    free(lines.slots);
    if (status != TM_OK) tm_records_free(out);
    return status;
}

tm_status tm_records_read(const char *path, tm_records *out, tm_error *err)
{
    char *text;
    size_t length;
    memset(out, 0, sizeof *out);
    tm_status status = tm_user_file_read_all(path, &text, &length, err);
    const bool is_packed = status == TM_OK && tm_pack_is(text, length);
    if (is_packed) {
        char *packed = text;
        status = tm_pack_open(path, packed, length, &text, &length, err);
        free(packed);
    }
    if (status == TM_OK) status = tm_records_parse(path, text, length, out, err);
    if (status == TM_OK) out->is_packed = is_packed;
    free(text);
    return status;
}

void tm_records_free(tm_records *records)
{
    for (int i = 0; i < records->n; i++) tm_record_free(&records->items[i]);
    free(records->items);
    memset(records, 0, sizeof *records);
}

tm_records tm_records_from(const tm_records *records, int first)
{
    tm_records rest = {.n = records->n - first};
    if (rest.n > 0) rest.items = records->items + first;
    return rest;
}

const char *tm_records_left_out(const tm_records *records, char *text, size_t size)
{
    size_t n = 0;
    text[0] = '\0';
    if (records->n_refused > 0)
        n += (size_t)snprintf(text, size, "%d line%s of the store %s refused and left out: %s",
                              records->n_refused, tm_plural(records->n_refused),
                              records->n_refused == 1 ? "was" : "were", records->refused);
    if (records->n_refused > 13 && n < size)
        n += (size_t)snprintf(text + n, size - n, " and %d more", records->n_refused - 13);
    if (records->n_repeated > 0 && n < size)
        n += (size_t)snprintf(text + n, size - n, "%s%d repeated line%s of the store counted once",
                              n ? "; " : "", records->n_repeated, tm_plural(records->n_repeated));
    if (records->n_unknown > 0 && n < size)
        snprintf(text + n, size - n,
                 "%slines left out because this program does not know their kind: %d, the first a "
                 "\"%s\"; a newer ternmark reads them",
                 n ? "; " : "", records->n_unknown, records->unknown_kind);
    return text[0] ? text : NULL;
}

/* Length of the file up to and including its last newline. */
static tm_status whole_lines(int fd, const char *path, off_t size, off_t *whole, tm_error *err)
{
    char block[4096];
    *whole = size;
    while (*whole > 0) {
        off_t from = *whole > (off_t)sizeof block ? *whole - (off_t)sizeof block : 0;
        size_t wanted = (size_t)(*whole - from);
        ssize_t got = pread(fd, block, wanted, from);
        if (got < 0 && errno == EINTR) continue;
        if (got < (ssize_t)wanted)
            return tm_fail(err, TM_IO, "%s: reading failed: %s", path,
                           got < 0 ? strerror(errno) : "the file became shorter");
        for (size_t i = wanted; i-- > 0;) {
            if (block[i] == '\n') {
                *whole = from + (off_t)i + 1;
                return TM_OK;
            }
        }
        *whole = from;
    }
    return TM_OK;
}

/* Refuses a file that does not begin like a store, as an empty file and a torn first line do. */
static tm_status check_first_bytes(int fd, const char *path, tm_error *err)
{
    char head[sizeof first_bytes] = "";
    ssize_t got = pread(fd, head, sizeof first_bytes - 1, 0);
    if (got >= 0 && memcmp(head, first_bytes, (size_t)got) == 0) return TM_OK;
    if (got > 0 && tm_pack_is(head, (size_t)got)) return tm_pack_refuse(path, err);
    return tm_fail(err, TM_ARG, "%s: not a ternmark store; the file is unchanged", path);
}

/* Tries for a second: a killed writer may hold the lock a moment longer, through a child between
 * its fork and its exec. */
static bool lock(int fd)
{
    for (int i = 0; i < 20; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
        if (errno != EWOULDBLOCK && errno != EINTR) return false;
        nanosleep(&(struct timespec){0, 50000000}, NULL);
    }
    return false;
}

/* Makes the name of a new file durable. Some file systems refuse fsync of a folder; nothing more
 * can be done then. */
static void sync_folder(const char *path)
{
    char *copy = strdup(path);
    if (!copy) return;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!fsync(fd);
        close(fd);
    }
    free(copy);
}

tm_status tm_store_open(const char *path, tm_store **out, tm_error *err)
{
    struct stat st;
    tm_status status;
    off_t whole;
    *out = NULL;
    tm_store *store = calloc(1, sizeof *store);
    if (!store) return tm_fail(err, TM_NOMEM, "%s: no memory for a store", path);
    store->path = strdup(path);
    store->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (!store->path || store->fd < 0) {
        status = store->path
                     ? tm_fail(err, TM_IO, "%s: cannot be written: %s", path, strerror(errno))
                     : tm_fail(err, TM_NOMEM, "%s: no memory for a store", path);
        goto fail;
    }
    if (fstat(store->fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        status = tm_fail(err, TM_ARG, "%s: a store must be a regular file", path);
        goto fail;
    }
    if (!lock(store->fd)) {
        status = tm_fail(err, TM_ARG, "%s: another run is writing this store", path);
        goto fail;
    }
    /* Read the size again under the lock. */
    if (fstat(store->fd, &st) != 0) {
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
        goto fail;
    }
    status = check_first_bytes(store->fd, path, err);
    if (status != TM_OK) goto fail;
    status = whole_lines(store->fd, path, st.st_size, &whole, err);
    if (status != TM_OK) goto fail;
    if (whole < st.st_size && ftruncate(store->fd, whole) != 0) {
        status = tm_fail(err, TM_IO, "%s: cannot cut off a torn last line of %lld bytes: %s", path,
                         (long long)(st.st_size - whole), strerror(errno));
        goto fail;
    }
    store->size = whole;
    if (st.st_size == 0) sync_folder(path);
    *out = store;
    return TM_OK;
fail:
    tm_store_close(store);
    return status;
}

tm_status tm_store_append(tm_store *store, const tm_record *record, tm_error *err)
{
    tm_json *json = tm_record_to_json(record);
    char *text = json ? tm_json_print(json, false) : NULL;
    tm_json_free(json);
    if (!text) return tm_fail(err, TM_NOMEM, "%s: no memory for a record", store->path);
    size_t length = strlen(text);
    text[length] = '\n'; /* replaces the terminating NUL */
    ssize_t written;
    do written = pwrite(store->fd, text, length + 1, store->size);
    while (written < 0 && errno == EINTR);
    free(text);
    int why = written < 0 ? errno : ENOSPC;
    if (written == (ssize_t)length + 1) {
        if (fdatasync(store->fd) == 0) {
            store->size += written;
            return TM_OK;
        }
        why = errno;
    }
    bool cut = ftruncate(store->fd, store->size) == 0;
    return tm_fail(err, TM_IO, "%s: cannot write a record of %zu bytes: %s%s", store->path,
                   length + 1, strerror(why),
                   cut ? "; earlier records are intact" : "; its last line is torn");
}

void tm_store_close(tm_store *store)
{
    if (!store) return;
    if (store->fd >= 0) close(store->fd); /* this releases the lock */
    free(store->path);
    free(store);
}
