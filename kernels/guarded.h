/* Memory followed by a page without access, so that a read or write past its end is a SIGSEGV. For
 * checking code on it, not for use.
 */
#ifndef TM_KERNELS_GUARDED_H
#define TM_KERNELS_GUARDED_H

#include "kernels/base.h"

typedef struct tm_guarded {
    uint8_t *map;  /* a page without access, the accessible pages, a page without access */
    uint8_t *data; /* ends where the accessible pages do, but for its alignment */
    size_t map_bytes, data_bytes;
} tm_guarded;

/* `align`: a power of two up to a page; leaves up to align - 1 bytes behind the data (`slack`).
 * Errors: NOMEM; tm_guarded_close is fine afterwards, and on a zeroed struct. */
tm_status tm_guarded_open(tm_guarded *guarded, size_t bytes, size_t align,
                          tm_error *err) TM_MUST_USE;
void tm_guarded_close(tm_guarded *guarded);

/* Whether it may be written from now on; reading always works. */
void tm_guarded_protect(const tm_guarded *guarded, bool writable);

/* Writes `byte` to the accessible bytes before and behind the data; whether they all hold it. */
void tm_guarded_fill_slack(const tm_guarded *guarded, uint8_t byte);
bool tm_guarded_slack_is(const tm_guarded *guarded, uint8_t byte);

#endif
