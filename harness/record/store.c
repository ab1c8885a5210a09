#include "harness/record/store.h"

#include "harness/base/user_file.h"

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

tm_status tm_records_read(const char *path, tm_records *out, tm_error *err)
{
    char *text;
    size_t length;
    memset(out, 0, sizeof *out);
    tm_status status = tm_user_file_read_all(path, &text, &length, err);
    if (status != TM_OK) return status;
    int room = 0, line = 0;
    const char *p = text, *end = text + length;
    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        if (!newline) {
            out->torn_bytes = (size_t)(end - p);
            break;
        }
        line++;
        if (out->n == room) {
            int wanted = room ? room * 2 : 64;
            tm_record *more = realloc(out->items, (size_t)wanted * sizeof *more);
            if (!more) {
                status = tm_fail(err, TM_NOMEM, "%s: no memory for %d records", path, wanted);
                goto fail;
            }
            out->items = more;
            room = wanted;
        }
        tm_json *json = NULL;
        status = tm_json_parse(p, (size_t)(newline - p), "record", &json, err);
        if (status == TM_OK) status = tm_record_from_json(json, &out->items[out->n], err);
        tm_json_free(json);
        if (status != TM_OK) {
            tm_fail_in(err, "%s: line %d", path, line);
            goto fail;
        }
        p = newline + 1;
        if (out->items[out->n].kind != TM_RECORD_UNKNOWN)
            out->n++;
        else if (out->n_unknown++ == 0)
            snprintf(out->unknown_kind, sizeof out->unknown_kind, "%.31s",
                     out->items[out->n].unknown_kind);
    }
    free(text);
    return TM_OK;
fail:
    free(text);
    tm_records_free(out);
    return status;
}

void tm_records_free(tm_records *records)
{
    for (int i = 0; i < records->n; i++) tm_record_free(&records->items[i]);
    free(records->items);
    memset(records, 0, sizeof *records);
}

const char *tm_records_left_out(const tm_records *records, char *text, size_t size)
{
    if (records->n_unknown == 0) return NULL;
    snprintf(
        text, size,
        "lines left out because this program does not know their kind: %d, the first a \"%s\"; a "
        "newer ternmark reads them",
        records->n_unknown, records->unknown_kind);
    return text;
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

/* Whether the file begins like a store, as an empty file and a torn first line do. */
static bool looks_like_store(int fd)
{
    char head[sizeof first_bytes] = "";
    ssize_t got = pread(fd, head, sizeof first_bytes - 1, 0);
    return got >= 0 && memcmp(head, first_bytes, (size_t)got) == 0;
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
    if (!looks_like_store(store->fd)) {
        status = tm_fail(err, TM_ARG, "%s: not a ternmark store; the file is unchanged", path);
        goto fail;
    }
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
