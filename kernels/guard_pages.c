#include "kernels/guard_pages.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}
static uint8_t *inside_begin(const tm_guard_pages *g)
{
    return g->map + page_bytes();
}
static uint8_t *inside_end(const tm_guard_pages *g)
{
    return g->map + g->map_bytes - page_bytes();
}

tm_status tm_guard_pages_open(tm_guard_pages *g, size_t bytes, size_t align, tm_error *err)
{
    size_t page = page_bytes();
    *g = (tm_guard_pages){0};
    if (bytes > SIZE_MAX / 2)
        return tm_fail(err, TM_NOMEM, "guarded memory: %zu bytes do not fit the address space",
                       bytes);
    size_t inside = tm_round_up(bytes ? bytes : 1, page);
    void *map = mmap(NULL, inside + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return tm_fail(err, TM_NOMEM, "guarded memory: cannot map %zu bytes", inside);
    g->map = map;
    g->map_bytes = inside + 2 * page;
    if (mprotect(g->map + page, inside, PROT_READ | PROT_WRITE) != 0)
        return tm_fail(err, TM_NOMEM, "guarded memory: no memory for %zu bytes", inside);
    g->data = g->map + page + (inside - tm_round_up(bytes, align));
    g->data_bytes = bytes;
    return TM_OK;
}

void tm_guard_pages_close(tm_guard_pages *g)
{
    if (g->map) munmap(g->map, g->map_bytes);
    *g = (tm_guard_pages){0};
}

void tm_guard_pages_protect(const tm_guard_pages *g, bool writable)
{
    /* Cannot fail: the range is one mapping of ours, and these rights were granted before. */
    (void)mprotect(inside_begin(g), (size_t)(inside_end(g) - inside_begin(g)),
                   writable ? PROT_READ | PROT_WRITE : PROT_READ);
}

void tm_guard_pages_fill_slack(const tm_guard_pages *g, uint8_t byte)
{
    uint8_t *behind = g->data + g->data_bytes;
    memset(inside_begin(g), byte, (size_t)(g->data - inside_begin(g)));
    memset(behind, byte, (size_t)(inside_end(g) - behind));
}

bool tm_guard_pages_slack_is(const tm_guard_pages *g, uint8_t byte)
{
    for (const uint8_t *p = inside_begin(g); p < g->data; p++)
        if (*p != byte) return false;
    for (const uint8_t *p = g->data + g->data_bytes; p < inside_end(g); p++)
        if (*p != byte) return false;
    return true;
}
