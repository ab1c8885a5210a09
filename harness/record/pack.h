/* A pack: a whole store in one compressed file that describes itself, to send from machine to
 * machine.
 *
 * It is one frame of Zstandard (RFC 8878) with JSON Lines in it: a header, then the lines of the
 * store, unchanged. `zstd -dc FILE | head -n 1` prints the header, `zstd -dc FILE | tail -n +2` the
 * store. The header says how many bytes and lines follow and gives their hash, so that a damaged or
 * edited pack is refused. The hash does not protect against forgery.
 */
#ifndef TM_HARNESS_RECORD_PACK_H
#define TM_HARNESS_RECORD_PACK_H

#include "harness/record/store.h"

#define TM_PACK_VERSION     1
#define TM_PACK_HEADER_KIND "pack"
#define TM_PACK_BYTES_MAX   ((size_t)1 << 30) /* of the store in it */

/* Whether a file of these bytes claims to be a pack: it begins like a frame of Zstandard. */
bool tm_pack_is(const void *data, size_t size);

/* Packs a store: `path` is its name, `text` its lines, each with its newline, and `records` what
 * was read from them. Free *data. Errors: ARG (too large), NOMEM. */
tm_status tm_pack_make(const char *path, const char *text, size_t length, const tm_records *records,
                       void **data, size_t *size, tm_error *err) TM_MUST_USE;

/* The store in a pack, with a NUL behind it; free *text. Memory grows with what the frame holds,
 * not with what a header claims. path: for messages. Errors: FORMAT (damaged, cut short, edited),
 * UNSUPPORTED (of a newer ternmark), NOMEM. */
tm_status tm_pack_open(const char *path, const void *data, size_t size, char **text, size_t *length,
                       tm_error *err) TM_MUST_USE;

/* Fails with ARG: a pack cannot be continued. Says how to get the store in it. */
tm_status tm_pack_refuse(const char *path, tm_error *err);

#endif
