#include "engine/gguf_private.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Takes ownership of the bytes if `mapped`, also on error. */
static tm_status open_bytes(const char *path, const uint8_t *data, size_t size, bool mapped,
                            tm_gguf **out, tm_error *err)
{
    tm_error local;
    if (!err) err = &local;
    tm_gguf *g = NULL;
    tm_status status = tm_alloc((void **)&g, 1, sizeof *g, "a GGUF reader", err);
    if (status) {
        if (mapped) munmap((void *)data, size);
        return status;
    }
    *g = (tm_gguf){.data = data, .size = size, .mapped = mapped};
    size_t length = strlen(path) + 1;
    status = tm_alloc((void **)&g->path, length, 1, "a GGUF path", err);
    if (!status) {
        memcpy(g->path, path, length);
        status = tm_gguf_parse(g, err);
    }
    if (status) {
        tm_gguf_close(g);
        return tm_fail_in(err, "%s", path);
    }
    *out = g;
    return TM_OK;
}

tm_status tm_gguf_open_file(const char *path, tm_gguf **out, tm_error *err)
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
    if (info.st_size < 24) {
        close(fd);
        return tm_fail(err, TM_FORMAT, "%s: the file has %lld bytes; a GGUF header has 24", path,
                       (long long)info.st_size);
    }
    size_t size = (size_t)info.st_size;
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    int number = errno;
    close(fd);
    if (data == MAP_FAILED)
        return tm_fail(err, TM_IO, "%s cannot be mapped (%zu bytes): %s", path, size,
                       strerror(number));
    return open_bytes(path, data, size, true, out, err);
}

tm_status tm_gguf_open(const char *path, tm_gguf **out, tm_error *err)
{
    tm_gguf *gguf;
    tm_status status = tm_gguf_open_file(path, &gguf, err);
    return status ? status : tm_gguf_open_parts(gguf, out, err);
}

tm_status tm_gguf_open_memory(const uint8_t *data, size_t size, tm_gguf **out, tm_error *err)
{
    return open_bytes("(memory)", data, size, false, out, err);
}

void tm_gguf_close(tm_gguf *gguf)
{
    if (!gguf) return;
    for (int i = 0; i < gguf->n_others; i++) tm_gguf_close(gguf->others[i]);
    tm_free(gguf->others);
    if (gguf->mapped) munmap((void *)gguf->data, gguf->size);
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
