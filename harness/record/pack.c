#include "harness/record/pack.h"

#include "harness/base/hash.h"
#include "harness/base/version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zstd.h>

#define LEVEL      9         /* of compression; its window is at most 4 MiB */
#define WINDOW_LOG 23        /* a decoder's buffers take 8 MiB at most */
#define HEADER_MAX (1 << 16) /* bytes of the header's line */

static const unsigned char magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

bool tm_pack_is(const void *data, size_t size)
{
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

static size_t count_lines(const char *text, size_t length)
{
    size_t n = 0;
    const char *end = text + length;
    for (const char *p = text; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) n++;
    return n;
}

static void hash_text(const char *text, size_t length, char out[17])
{
    snprintf(out, 17, "%016llx", (unsigned long long)tm_hash(TM_HASH_START, text, length));
}

/* Copies text members. */
static void copy_texts(tm_json *out, const tm_json *from, const char *const *keys)
{
    for (; *keys; keys++) {
        const tm_json *value = tm_json_get(from, *keys);
        if (tm_json_is_string(value)) tm_json_set(out, *keys, tm_json_copy(value));
    }
}

static bool has_machine(const tm_json *machines, const tm_json *machine)
{
    static const char *const keys[] = {"host", "fingerprint"};
    for (const tm_json *m = tm_json_at(machines, 0); m; m = tm_json_next(m)) {
        int n_equal = 0;
        for (int k = 0; k < 2; k++)
            n_equal += strcmp(tm_json_text(tm_json_get(m, keys[k]), ""),
                              tm_json_text(tm_json_get(machine, keys[k]), "")) == 0;
        if (n_equal == 2) return true;
    }
    return false;
}

/* Each machine once, as its run lines have it. */
static tm_json *list_machines(const tm_records *records)
{
    static const char *const of_run[] = {"fingerprint", NULL},
                             *const of_environment[] = {"host", NULL},
                             *const of_machine[] = {"architecture", "cpu_model", "product", NULL};
    tm_json *machines = tm_json_array();
    for (int i = 0; i < records->n; i++) {
        if (records->items[i].kind != TM_RECORD_RUN) continue;
        const tm_json *run = records->items[i].run.document;
        tm_json *machine = tm_json_object();
        copy_texts(machine, tm_json_get(run, "environment"), of_environment);
        copy_texts(machine, run, of_run);
        copy_texts(machine, tm_json_get(run, "machine"), of_machine);
        if (has_machine(machines, machine))
            tm_json_free(machine);
        else
            tm_json_append(machines, machine);
    }
    return machines;
}

/* The header's line; free it. NULL: no memory. */
static char *make_header(const char *path, const char *text, size_t length,
                         const tm_records *records)
{
    const char *slash = strrchr(path, '/');
    char hash[17], date[32];
    struct tm utc;
    time_t now = time(NULL);
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    hash_text(text, length, hash);
    tm_json *header = tm_json_object();
    if (!header) return NULL;
    /* With "schema" first, an unpacked file that kept its header is still a store. */
    tm_json_put_int(header, "schema", TM_SCHEMA);
    tm_json_put_string(header, "kind", TM_PACK_HEADER_KIND);
    tm_json_put_int(header, "version", TM_PACK_VERSION);
    tm_json_put_int(header, "bytes", (int64_t)length);
    tm_json_put_int(header, "lines", (int64_t)count_lines(text, length));
    tm_json_put_string(header, "fnv1a_64", hash);
    tm_json_put_string(header, "name", slash ? slash + 1 : path);
    tm_json_put_string(header, "date", date);
    tm_json_put_string(header, "ternmark", tm_version());
    tm_json_put_string(header, "commit", tm_commit());
    tm_json_set(header, "machines", list_machines(records));
    char *line = tm_json_print(header, false);
    tm_json_free(header);
    return line;
}

tm_status tm_pack_make(const char *path, const char *text, size_t length, const tm_records *records,
                       void **data, size_t *size, tm_error *err)
{
    size_t n = 0;
    *data = NULL;
    *size = 0;
    if (length > TM_PACK_BYTES_MAX)
        return tm_fail(err, TM_ARG, "%s: %zu bytes are too many for a pack (limit %zu)", path,
                       length, TM_PACK_BYTES_MAX);
    char *header = make_header(path, text, length, records), *whole = NULL;
    const size_t head = header ? strlen(header) + 1 : 0;
    if (head > HEADER_MAX) {
        free(header);
        return tm_fail(err, TM_ARG, "%s: the names of its machines take %zu bytes (limit %d)", path,
                       head, HEADER_MAX);
    }
    ZSTD_CCtx *context = ZSTD_createCCtx();
    const size_t room = ZSTD_compressBound(head + length);
    if (header && context && (whole = malloc(head + length)) && (*data = malloc(room))) {
        memcpy(whole, header, head - 1);
        whole[head - 1] = '\n';
        memcpy(whole + head, text, length);
        n = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
        if (!ZSTD_isError(n)) n = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        if (!ZSTD_isError(n)) n = ZSTD_compress2(context, *data, room, whole, head + length);
    }
    const bool ok = *data && !ZSTD_isError(n);
    ZSTD_freeCCtx(context);
    free(whole);
    free(header);
    if (ok) {
        *size = n;
        return TM_OK;
    }
    free(*data);
    *data = NULL;
    return tm_fail(err, TM_NOMEM, "%s: no memory to pack %zu bytes%s%s", path, length,
                   ZSTD_isError(n) ? ": " : "", ZSTD_isError(n) ? ZSTD_getErrorName(n) : "");
}

/* What a pack's header promises of the store behind it. */
typedef struct promise {
    size_t bytes, lines;
    char hash[17];
} promise;

/* A frame while it is decoded. */
typedef struct decoder {
    const char *path; /* for messages */
    ZSTD_DCtx *context;
    ZSTD_inBuffer in;
    char *text; /* [room], of which `length` is decoded */
    size_t length, room;
    bool is_over; /* the frame has ended */
} decoder;

/* Decodes until `wanted` bytes are there or the frame ends. */
static tm_status decode(decoder *d, size_t wanted, tm_error *err)
{
    while (d->length < wanted && !d->is_over) {
        if (d->length == d->room) {
            size_t room = d->room ? 2 * d->room : 2 * HEADER_MAX;
            char *more = realloc(d->text, room + 1);
            if (!more) return tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", d->path, room);
            d->text = more;
            d->room = room;
        }
        const size_t end = d->room < wanted ? d->room : wanted;
        ZSTD_outBuffer out = {d->text, end, d->length};
        size_t n = ZSTD_decompressStream(d->context, &out, &d->in);
        if (ZSTD_isError(n))
            return tm_fail(err, TM_FORMAT, "%s: a damaged pack: %s", d->path, ZSTD_getErrorName(n));
        if (n > 0 && out.pos == d->length && d->in.pos == d->in.size)
            return tm_fail(err, TM_FORMAT, "%s: this pack is cut short after %zu bytes", d->path,
                           d->in.size);
        d->length = out.pos;
        d->is_over = n == 0;
    }
    return TM_OK;
}

static tm_status read_header(const decoder *d, size_t length, promise *out, tm_error *err)
{
    tm_json *json = NULL;
    if (tm_json_parse(d->text, length, "its header", &json, err) != TM_OK)
        return tm_fail_in(err, "%s: not a pack of ternmark", d->path);
    tm_json_reader r = {.json = json, .err = err, .what = d->path};
    char kind[16] = "";
    tm_read_text(&r, "kind", kind, sizeof kind);
    if (r.status == TM_OK && strcmp(kind, TM_PACK_HEADER_KIND) != 0)
        tm_read_fail(&r, "not a pack of ternmark: its first line is not a pack's header");
    int64_t version = tm_read_int(&r, "version", 1, INT32_MAX);
    if (r.status == TM_OK && version > TM_PACK_VERSION)
        r.status = tm_fail(err, TM_UNSUPPORTED,
                           "%s: a pack of version %lld; this program reads version %d: use a newer "
                           "ternmark",
                           d->path, (long long)version, TM_PACK_VERSION);
    out->bytes = (size_t)tm_read_int(&r, "bytes", 0, (int64_t)TM_PACK_BYTES_MAX);
    out->lines = (size_t)tm_read_int(&r, "lines", 0, (int64_t)TM_PACK_BYTES_MAX);
    tm_read_text(&r, "fnv1a_64", out->hash, sizeof out->hash);
    tm_json_free(json);
    return r.status;
}

/* Whether the store that was decoded is the one that was packed. */
static tm_status check(const decoder *d, size_t head, const promise *said, tm_error *err)
{
    const size_t length = d->length - head;
    char hash[17];
    if (d->is_over && d->in.pos < d->in.size)
        return tm_fail(err, TM_FORMAT, "%s: %zu byte%s after the end of this pack", d->path,
                       d->in.size - d->in.pos, tm_plural((int64_t)(d->in.size - d->in.pos)));
    if (!d->is_over || length != said->bytes)
        return tm_fail(err, TM_FORMAT,
                       "%s: this pack was changed: it holds %s bytes than the %zu that its header "
                       "names",
                       d->path, length < said->bytes ? "fewer" : "more", said->bytes);
    const size_t lines = count_lines(d->text + head, length);
    if (lines != said->lines)
        return tm_fail(err, TM_FORMAT,
                       "%s: this pack was changed: it holds %zu lines, and its header names %zu",
                       d->path, lines, said->lines);
    hash_text(d->text + head, length, hash);
    if (strcmp(hash, said->hash) != 0)
        return tm_fail(
            err, TM_FORMAT,
            "%s: this pack was changed: its store does not have the hash that its header "
            "names (it is %s now)",
            d->path, hash);
    return TM_OK;
}

tm_status tm_pack_open(const char *path, const void *data, size_t size, char **text, size_t *length,
                       tm_error *err)
{
    decoder d = {.path = path, .context = ZSTD_createDCtx(), .in = {data, size, 0}};
    promise said = {0};
    size_t head = 0;
    *text = NULL;
    *length = 0;
    tm_status status = TM_OK;
    if (!d.context ||
        ZSTD_isError(ZSTD_DCtx_setParameter(d.context, ZSTD_d_windowLogMax, WINDOW_LOG)))
        status = tm_fail(err, TM_NOMEM, "%s: no memory to unpack it", path);
    if (status == TM_OK) status = decode(&d, HEADER_MAX, err);
    const char *newline = d.length ? memchr(d.text, '\n', d.length) : NULL;
    if (status == TM_OK && !newline)
        status = tm_fail(err, TM_FORMAT,
                         "%s: not a pack of ternmark: its first %zu bytes hold no header", path,
                         d.length);
    if (status == TM_OK) {
        head = (size_t)(newline - d.text) + 1;
        status = read_header(&d, head - 1, &said, err);
    }
    /* One byte more shows that there is more, or reaches the end of the frame. */
    if (status == TM_OK) status = decode(&d, head + said.bytes + 1, err);
    if (status == TM_OK) status = check(&d, head, &said, err);
    ZSTD_freeDCtx(d.context);
    if (status != TM_OK) {
        free(d.text);
        return status;
    }
    *length = d.length - head;
    memmove(d.text, d.text + head, *length);
    d.text[*length] = 0;
    *text = d.text;
    return TM_OK;
}

tm_status tm_pack_refuse(const char *path, tm_error *err)
{
    return tm_fail(err, TM_ARG,
                   "%s: a pack cannot be continued; get its store with `zstd -dc %s | tail -n +2 "
                   ">STORE` and continue that",
                   path, path);
}
