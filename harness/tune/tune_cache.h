/* Cached measurements: small JSON files in the user's cache folder, named by a hash of everything
 * that a measurement depends on. A missing or damaged file only costs the time to measure again. */
#ifndef TM_HARNESS_TUNE_TUNE_CACHE_H
#define TM_HARNESS_TUNE_TUNE_CACHE_H

#include "harness/base/json.h"

#define TM_TUNE_CACHE_PATH 4200

/* $XDG_CACHE_HOME/ternmark/tune or ~/.cache/ternmark/tune. False: neither is set. */
bool tm_tune_cache_folder(char *path, size_t size);

/* The file of `hash` in `folder` (NULL: tm_tune_cache_folder). False: there is no folder. */
bool tm_tune_cache_path(const char *folder, uint64_t hash, char path[TM_TUNE_CACHE_PATH]);

/* NULL: no file, or not JSON. Free it with tm_json_free. */
tm_json *tm_tune_cache_read(const char *path);

/* Creates the folders as well and replaces the file atomically. Errors: IO, NOMEM. */
tm_status tm_tune_cache_write(const char *path, const tm_json *json, tm_error *err) TM_MUST_USE;

#endif
