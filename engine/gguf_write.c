#include "engine/gguf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ALIGNMENT 32

typedef struct bytes {
    uint8_t *data;
    size_t n, room;
} bytes;

typedef struct declared {
    size_t offset, bytes; /* in the data section */
} declared;

struct tm_gguf_writer {
    char *path;     /* owned: for messages */
    int fd;         /* the caller's */
    tm_error error; /* the first error between create and finish */
    uint64_t n_keys;
    int n_tensors;
    bytes keys, infos;
    declared *tensors; /* owned, [n_tensors] */
    size_t data_bytes;
};

static void append(tm_gguf_writer *w, bytes *to, const void *data, size_t n)
{
    if (w->error.status) return;
    if (n > to->room - to->n) {
        size_t room = to->room ? to->room : 4096;
        while (room - to->n < n) room *= 2; /* no overflow: what is written exists in memory */
        uint8_t *grown = realloc(to->data, room);
        if (!grown) {
            tm_fail(&w->error, TM_NOMEM, "%s: no memory for %zu bytes of metadata", w->path, room);
            return;
        }
        to->data = grown;
        to->room = room;
    }
    if (n) memcpy(to->data + to->n, data, n);
    to->n += n;
}

static void append_u32(tm_gguf_writer *w, bytes *to, uint32_t value)
{
    append(w, to, &value, sizeof value);
}

static void append_u64(tm_gguf_writer *w, bytes *to, uint64_t value)
{
    append(w, to, &value, sizeof value);
}

static void append_text(tm_gguf_writer *w, bytes *to, tm_gguf_string text)
{
    append_u64(w, to, text.length);
    append(w, to, text.data, text.length);
}

static void append_string(tm_gguf_writer *w, bytes *to, const char *text)
{
    append_text(w, to, (tm_gguf_string){text, strlen(text)});
}

static void begin_key(tm_gguf_writer *w, const char *key, uint32_t type)
{
    append_string(w, &w->keys, key);
    append_u32(w, &w->keys, type);
    w->n_keys++;
}

static void begin_array(tm_gguf_writer *w, const char *key, uint32_t item_type, size_t n)
{
    begin_key(w, key, GGUF_ARRAY);
    append_u32(w, &w->keys, item_type);
    append_u64(w, &w->keys, n);
}

void tm_gguf_put_u32(tm_gguf_writer *w, const char *key, uint32_t value)
{
    begin_key(w, key, GGUF_U32);
    append_u32(w, &w->keys, value);
}

void tm_gguf_put_f32(tm_gguf_writer *w, const char *key, float value)
{
    begin_key(w, key, GGUF_F32);
    append(w, &w->keys, &value, sizeof value);
}

void tm_gguf_put_bool(tm_gguf_writer *w, const char *key, bool value)
{
    uint8_t byte = value;
    begin_key(w, key, GGUF_BOOL);
    append(w, &w->keys, &byte, 1);
}

void tm_gguf_put_str(tm_gguf_writer *w, const char *key, const char *value)
{
    begin_key(w, key, GGUF_STRING);
    append_string(w, &w->keys, value);
}

void tm_gguf_put_string(tm_gguf_writer *w, const char *key, tm_gguf_string value)
{
    begin_key(w, key, GGUF_STRING);
    append_text(w, &w->keys, value);
}

void tm_gguf_put_strings(tm_gguf_writer *w, const char *key, const tm_gguf_string *items, size_t n)
{
    begin_array(w, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) append_text(w, &w->keys, items[i]);
}

void tm_gguf_put_key(tm_gguf_writer *w, const tm_gguf_key *key)
{
    append_text(w, &w->keys, key->name);
    append_u32(w, &w->keys, key->type);
    w->n_keys++;
    if (key->type == GGUF_ARRAY) {
        append_u32(w, &w->keys, key->item_type);
        append_u64(w, &w->keys, key->n_items);
    }
    if (key->type == GGUF_STRING) append_u64(w, &w->keys, key->bytes);
    append(w, &w->keys, key->data, key->bytes);
}

void tm_gguf_put_str_array(tm_gguf_writer *w, const char *key, const char *const *items, size_t n)
{
    begin_array(w, key, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++) append_string(w, &w->keys, items[i]);
}

void tm_gguf_put_f32_array(tm_gguf_writer *w, const char *key, const float *items, size_t n)
{
    begin_array(w, key, GGUF_F32, n);
    append(w, &w->keys, items, n * sizeof *items);
}

void tm_gguf_put_i32_array(tm_gguf_writer *w, const char *key, const int32_t *items, size_t n)
{
    begin_array(w, key, GGUF_I32, n);
    append(w, &w->keys, items, n * sizeof *items);
}

void tm_gguf_put_tensor(tm_gguf_writer *w, const char *name, tm_gguf_type type, const int64_t *ne,
                        int n_dims)
{
    if (w->error.status) return;
    size_t n_bytes = tm_gguf_bytes(type, ne, n_dims), end;
    if (!n_bytes || !tm_add_size(w->data_bytes, n_bytes, &end) || end > SIZE_MAX / 4) {
        tm_fail(&w->error, TM_ARG, "%s: tensor %s with rows of %lld weights cannot be stored as %s",
                w->path, name, (long long)ne[0], tm_gguf_type_name(type));
        return;
    }
    declared *grown = realloc(w->tensors, ((size_t)w->n_tensors + 1) * sizeof *grown);
    if (!grown) {
        tm_fail(&w->error, TM_NOMEM, "%s: no memory for %d tensors", w->path, w->n_tensors + 1);
        return;
    }
    w->tensors = grown;
    w->tensors[w->n_tensors++] = (declared){w->data_bytes, n_bytes};
    append_string(w, &w->infos, name);
    append_u32(w, &w->infos, (uint32_t)n_dims);
    for (int i = 0; i < n_dims; i++) append_u64(w, &w->infos, (uint64_t)ne[i]);
    append_u32(w, &w->infos, type);
    append_u64(w, &w->infos, w->data_bytes);
    w->data_bytes = tm_round_up(end, ALIGNMENT);
}

tm_status tm_gguf_create(int fd, const char *path, tm_gguf_writer **out, tm_error *err)
{
    tm_gguf_writer *w = calloc(1, sizeof *w);
    if (w) w->path = strdup(path);
    if (!w || !w->path) {
        tm_gguf_abandon(w);
        return tm_fail(err, TM_NOMEM, "%s: no memory for a writer", path);
    }
    w->fd = fd;
    *out = w;
    return TM_OK;
}

void tm_gguf_abandon(tm_gguf_writer *w)
{
    if (!w) return;
    free(w->path);
    free(w->keys.data);
    free(w->infos.data);
    free(w->tensors);
    free(w);
}

static tm_status write_all(tm_gguf_writer *w, const void *data, size_t n, tm_error *err)
{
    const uint8_t *p = data;
    while (n) {
        ssize_t done = write(w->fd, p, n < (1u << 30) ? n : 1u << 30);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return tm_fail(err, TM_IO, "%s: writing failed with %zu bytes of a part left: %s",
                           w->path, n, strerror(done < 0 ? errno : ENOSPC));
        p += done;
        n -= (size_t)done;
    }
    return TM_OK;
}

static tm_status write_padding(tm_gguf_writer *w, size_t written, tm_error *err)
{
    static const uint8_t zeros[ALIGNMENT];
    return write_all(w, zeros, tm_round_up(written, ALIGNMENT) - written, err);
}

/* Allocates the whole file first, so that a full disk is noticed before hours of writing. */
static tm_status reserve(tm_gguf_writer *w, size_t total, tm_error *err)
{
    if (fallocate(w->fd, 0, 0, (off_t)total) == 0) return TM_OK;
    if (errno != ENOSPC && errno != EFBIG && errno != EDQUOT)
        return TM_OK; /* the file system cannot tell */
    return tm_fail(err, TM_IO, "%s: no space for %zu bytes: %s", w->path, total, strerror(errno));
}

static tm_status write_tensors(tm_gguf_writer *w, tm_gguf_fill_fn *fill, void *arg, tm_error *err)
{
    size_t largest = 0;
    for (int i = 0; i < w->n_tensors; i++)
        if (w->tensors[i].bytes > largest) largest = w->tensors[i].bytes;
    uint8_t *buffer;
    tm_status status = tm_alloc((void **)&buffer, largest, 1, "the largest tensor", err);
    for (int i = 0; i < w->n_tensors && !status; i++) {
        status = fill(arg, i, buffer, w->tensors[i].bytes, err);
        if (!status) status = write_all(w, buffer, w->tensors[i].bytes, err);
        if (!status) status = write_padding(w, w->tensors[i].bytes, err);
    }
    tm_free(buffer);
    return status;
}

static void append_header(tm_gguf_writer *w, bytes *to)
{
    append(w, to, "GGUF", 4);
    append_u32(w, to, 3);
    append_u64(w, to, (uint64_t)w->n_tensors);
    append_u64(w, to, w->n_keys);
}

static tm_status write_file(tm_gguf_writer *w, tm_gguf_fill_fn *fill, void *arg, tm_error *err)
{
    bytes header = {0};
    append_header(w, &header);
    tm_status status = w->error.status;
    if (status) tm_fail(err, status, "%s", w->error.message);
    size_t front = header.n + w->keys.n + w->infos.n;
    if (!status) status = reserve(w, tm_round_up(front, ALIGNMENT) + w->data_bytes, err);
    if (!status) status = write_all(w, header.data, header.n, err);
    if (!status) status = write_all(w, w->keys.data, w->keys.n, err);
    if (!status) status = write_all(w, w->infos.data, w->infos.n, err);
    if (!status) status = write_padding(w, front, err);
    if (!status && w->n_tensors) status = write_tensors(w, fill, arg, err);
    free(header.data);
    return status;
}

tm_status tm_gguf_finish(tm_gguf_writer *w, tm_gguf_fill_fn *fill, void *arg, tm_error *err)
{
    tm_status status = write_file(w, fill, arg, err);
    /* EINVAL, EROFS: a device or pipe, which has nothing to sync */
    if (!status && fsync(w->fd) != 0 && errno != EINVAL && errno != EROFS)
        status = tm_fail(err, TM_IO, "%s cannot be written to disk: %s", w->path, strerror(errno));
    tm_gguf_abandon(w);
    return status;
}

tm_status tm_gguf_finish_in_memory(tm_gguf_writer *w, tm_gguf **out, tm_error *err)
{
    bytes all = {0};
    append_header(w, &all);
    append(w, &all, w->keys.data, w->keys.n);
    tm_status status = w->error.status;
    if (status)
        tm_fail(err, status, "%s", w->error.message);
    else
        status = tm_gguf_open_owned(w->path, all.data, all.n, out, err);
    if (w->error.status) free(all.data);
    tm_gguf_abandon(w);
    return status;
}
