/* What was measured once on this machine and holds for later runs: small JSON files in a folder of
 * the user's cache, named by a hash of everything the measurement depends on. Losing one costs the
 * time to measure again; one that is broken counts as lost. */
#ifndef TM_HARNESS_TUNE_TUNE_CACHE_H
#define TM_HARNESS_TUNE_TUNE_CACHE_H

#include "harness/base/json.h"

#define TM_TUNE_CACHE_PATH 4200

/* $XDG_CACHE_HOME/ternmark/tune or ~/.cache/ternmark/tune. False: neither is set. */
bool tm_tune_cache_folder(char *path, size_t size);

/* The file of `hash` in `folder` (NULL: tm_tune_cache_folder). False: there is no folder. */
bool tm_tune_cache_path(const char *folder, uint64_t hash, char path[TM_TUNE_CACHE_PATH]);

/* NULL: none, or nothing that is JSON. To tm_json_free. */
tm_json *tm_tune_cache_read(const char *path);

/* Makes the folders too; the name appears once everything is written. Errors: IO, NOMEM. */
tm_status tm_tune_cache_write(const char *path, const tm_json *json, tm_error *err) TM_MUST_USE;

#endif
