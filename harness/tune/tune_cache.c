#include "harness/tune/tune_cache.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Every folder above the file. */
static tm_status make_folders(const char *path, tm_error *err)
{
    char folder[TM_TUNE_CACHE_PATH];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *c = strchr(folder + 1, '/'); c; c = strchr(c + 1, '/')) {
        *c = 0;
        bool failed = mkdir(folder, 0777) != 0 && errno != EEXIST;
        if (failed) return tm_fail(err, TM_IO, "%s: cannot be made: %s", folder, strerror(errno));
        *c = '/';
    }
    return TM_OK;
}

tm_status tm_tune_cache_write(const char *path, const tm_json *json, tm_error *err)
{
    char part[TM_TUNE_CACHE_PATH + 32];
    tm_status status = make_folders(path, err);
    if (status != TM_OK) return status;
    char *text = tm_json_print(json, true);
    if (!text) return tm_fail(err, TM_NOMEM, "%s: no memory to write it", path);
    snprintf(part, sizeof part, "%s.%ld", path, (long)getpid());
    FILE *file = fopen(part, "w");
    bool failed = !file || fputs(text, file) < 0;
    if (file && fclose(file) != 0) failed = true;
    free(text);
    if (!failed && rename(part, path) == 0) return TM_OK;
    int why = errno;
    unlink(part);
    return tm_fail(err, TM_IO, "%s: writing failed: %s", path, strerror(why));
}
