#include "harness/tune/tune_cache.h"

#include "harness/base/atomic_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (64 << 10) /* some hundred bytes a kernel */

bool tm_tune_cache_folder(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (cache && cache[0] == '/')
        n = snprintf(path, size, "%s/ternmark/tune", cache);
    else if (home && home[0] == '/')
        n = snprintf(path, size, "%s/.cache/ternmark/tune", home);
    return n > 0 && (size_t)n < size;
}

bool tm_tune_cache_path(const char *folder, uint64_t hash, char path[TM_TUNE_CACHE_PATH])
{
    char own[4000];
    if (!folder && !tm_tune_cache_folder(own, sizeof own)) return false;
    int n = snprintf(path, TM_TUNE_CACHE_PATH, "%s/%016llx.json", folder ? folder : own,
                     (unsigned long long)hash);
    return n > 0 && n < TM_TUNE_CACHE_PATH;
}

tm_json *tm_tune_cache_read(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = file ? malloc(MAX_FILE) : NULL;
    size_t length = text ? fread(text, 1, MAX_FILE, file) : 0;
    tm_json *json = NULL;
    tm_error ignored;
    if (file) fclose(file);
    if (length > 0 && tm_json_parse(text, length, path, &json, &ignored) != TM_OK) json = NULL;
    free(text);
    return json;
}

tm_status tm_tune_cache_write(const char *path, const tm_json *json, tm_error *err)
{
    char *text = tm_json_print(json, true);
    if (!text) return tm_fail(err, TM_NOMEM, "%s: no memory to write it", path);
    tm_status status = tm_make_folders_of_file(path, err);
    if (status == TM_OK) status = tm_atomic_file_write(path, text, strlen(text), err);
    free(text);
    return status;
}
