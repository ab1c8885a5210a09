#include "engine/gguf_private.h"
#include "engine/hf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A reader of nothing yet, with its path. */
static tm_status make_reader(const char *path, tm_gguf **out, tm_error *err)
{
    tm_gguf *g = NULL;
    size_t length = strlen(path) + 1;
    tm_status status = tm_alloc((void **)&g, 1, sizeof *g, "a GGUF reader", err);
    if (!status) status = tm_alloc((void **)&g->path, length, 1, "a GGUF path", err);
    if (status) {
        tm_gguf_close(g);
        return status;
    }
    memcpy(g->path, path, length);
    *out = g;
    return TM_OK;
}

/* Closes the reader on error. */
static tm_status parse(tm_gguf *g, tm_gguf **out, tm_error *err)
{
    tm_error local;
    if (!err) err = &local;
    tm_status status = tm_gguf_parse(g, err);
    if (status) {
        tm_fail_in(err, "%s", g->path);
        tm_gguf_close(g);
        return status;
    }
    *out = g;
    return TM_OK;
}

tm_status tm_gguf_map(const char *path, size_t smallest, const char *what, tm_gguf **out,
                      tm_error *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block here */
    if (fd < 0) return tm_fail(err, TM_IO, "%s cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0) {
        int number = errno;
        close(fd);
        return tm_fail(err, TM_IO, "%s cannot be read: %s", path, strerror(number));
    }
    if (S_ISDIR(info.st_mode)) {
        close(fd);
        return tm_gguf_refuse_folder(path, err);
    }
    if (!S_ISREG(info.st_mode)) {
        close(fd);
        return tm_fail(err, TM_IO, "%s is not a regular file", path);
    }
    size_t size = (size_t)info.st_size;
    if (size < smallest) {
        close(fd);
        return tm_fail(err, TM_FORMAT, "%s: the file has %zu bytes; %s has %zu", path, size, what,
                       smallest);
    }
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int number = errno;
    close(fd);
    if (data == MAP_FAILED)
        return tm_fail(err, TM_IO, "%s cannot be mapped (%zu bytes): %s", path, size,
                       strerror(number));
    tm_status status = make_reader(path, out, err);
    if (status) {
        munmap(data, size);
        return status;
    }
    (*out)->data = data;
    (*out)->size = size;
    (*out)->mapped = true;
    return TM_OK;
}

tm_status tm_gguf_open_file(const char *path, tm_gguf **out, tm_error *err)
{
    tm_gguf *g;
    tm_status status = tm_gguf_map(path, 24, "a GGUF header", &g, err);
    return status ? status : parse(g, out, err);
}

tm_status tm_gguf_open(const char *path, tm_gguf **out, tm_error *err)
{
    tm_gguf *gguf;
    if (tm_hf_is_checkpoint(path)) return tm_hf_open(path, out, err);
    tm_status status = tm_gguf_open_file(path, &gguf, err);
    return status ? status : tm_gguf_open_parts(gguf, out, err);
}

tm_status tm_gguf_open_memory(const uint8_t *data, size_t size, tm_gguf **out, tm_error *err)
{
    tm_gguf *g;
    tm_status status = make_reader("(memory)", &g, err);
    if (status) return status;
    g->data = data;
    g->size = size;
    return parse(g, out, err);
}

tm_status tm_gguf_open_owned(const char *path, uint8_t *data, size_t size, tm_gguf **out,
                             tm_error *err)
{
    tm_gguf *g;
    tm_status status = make_reader(path, &g, err);
    if (status) {
        free(data);
        return status;
    }
    g->data = g->memory = data;
    g->size = size;
    return parse(g, out, err);
}

void tm_gguf_close(tm_gguf *gguf)
{
    if (!gguf) return;
    for (int i = 0; i < gguf->n_others; i++) tm_gguf_close(gguf->others[i]);
    tm_free(gguf->others);
    if (gguf->mapped) munmap((void *)gguf->data, gguf->size);
    free(gguf->memory);
    tm_free(gguf->views);
    tm_free(gguf->names);
    tm_free(gguf->by_name);
    tm_free(gguf->tensors);
    tm_free(gguf->keys);
    tm_free(gguf->path);
    tm_free(gguf);
}

void tm_gguf_release(const tm_gguf_tensor *tensor, size_t begin, size_t end)
{
    /* A fault maps up to 64 KiB around its address (Linux's fault_around_bytes), so whole
     * windows of that size are released: a multiple of every page size, and the pages are clean. */
    const size_t window = 64u << 10;
    const tm_gguf *g = tensor->gguf;
    assert(begin <= end && end <= tensor->bytes);
    if (!g || !g->mapped || begin == end) return;
    uintptr_t map_begin = (uintptr_t)g->data, map_end = map_begin + g->size;
    uintptr_t from = ((uintptr_t)tensor->data + begin) / window * window;
    uintptr_t to = tm_round_up((uintptr_t)tensor->data + end, window);
    if (from < map_begin) from = map_begin;
    if (to > map_end) to = map_end;                        /* what follows the map is not ours */
    (void)madvise((void *)from, to - from, MADV_DONTNEED); /* refused: more memory, same result */
}

const char *tm_gguf_path(const tm_gguf *gguf)
{
    return gguf->path;
}

size_t tm_gguf_file_bytes(const tm_gguf *gguf)
{
    size_t bytes = gguf->size;
    for (int i = 0; i < gguf->n_others; i++) bytes += gguf->others[i]->size;
    return bytes;
}

/* The keys of a checkpoint are in no file. */
int tm_gguf_n_files(const tm_gguf *gguf)
{
    return gguf->n_others + !gguf->memory;
}

const char *tm_gguf_file_path(const tm_gguf *gguf, int index)
{
    if (!gguf->memory && index == 0) return gguf->path;
    return gguf->others[index - !gguf->memory]->path;
}

int tm_gguf_n_tensors(const tm_gguf *gguf)
{
    return gguf->n_tensors;
}

const tm_gguf_tensor *tm_gguf_tensor_at(const tm_gguf *gguf, int index)
{
    return &gguf->tensors[index];
}

static int compare_tensor_names(const void *a, const void *b)
{
    return tm_gguf_compare_names((*(const tm_gguf_tensor *const *)a)->name,
                                 (*(const tm_gguf_tensor *const *)b)->name);
}

const tm_gguf_tensor *tm_gguf_find_tensor(const tm_gguf *gguf, const char *name)
{
    tm_gguf_tensor wanted = {.name = {name, strlen(name)}};
    const tm_gguf_tensor *key = &wanted;
    if (gguf->n_tensors == 0) return NULL;
    const tm_gguf_tensor **hit = bsearch(&key, gguf->by_name, (size_t)gguf->n_tensors,
                                         sizeof *gguf->by_name, compare_tensor_names);
    return hit ? *hit : NULL;
}
