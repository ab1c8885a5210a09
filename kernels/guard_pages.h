/* Memory followed by a page without access, so that a read or write past its end is a SIGSEGV. For
 * tests of code that uses it.
 */
#ifndef TM_KERNELS_GUARD_PAGES_H
#define TM_KERNELS_GUARD_PAGES_H

#include "kernels/base.h"

typedef struct tm_guard_pages {
    uint8_t *map;  /* a page without access, the accessible pages, a page without access */
    uint8_t *data; /* ends where the accessible pages do, up to its alignment */
    size_t map_bytes, data_bytes;
} tm_guard_pages;

/* `align`: a power of two up to a page; leaves up to align - 1 bytes after the data (`slack`).
 * Errors: NOMEM; tm_guard_pages_close is fine afterwards, and on a zeroed struct. */
tm_status tm_guard_pages_open(tm_guard_pages *guarded, size_t bytes, size_t align,
                              tm_error *err) TM_MUST_USE;
void tm_guard_pages_close(tm_guard_pages *guarded);

/* Makes the data writable or read-only. */
void tm_guard_pages_protect(const tm_guard_pages *guarded, bool writable);

/* Fills the accessible bytes before and after the data with `byte`; tests whether they still hold
 * it. */
void tm_guard_pages_fill_slack(const tm_guard_pages *guarded, uint8_t byte);
bool tm_guard_pages_slack_is(const tm_guard_pages *guarded, uint8_t byte);

#endif
