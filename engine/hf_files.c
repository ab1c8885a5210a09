/* The files of a Hugging Face checkpoint: the folder that a path means, its JSON, its tensors. */
#include "engine/hf.h"

#include "engine/hf_private.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INDEX  "model.safetensors.index.json"
#define SINGLE "model.safetensors"
#define SUFFIX ".safetensors"

#define MAX_FILES 1000 /* of one model */

tm_status tm_hf_join(const char *folder, const char *name, char **out, tm_error *err)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    tm_status status = tm_alloc((void **)out, size, 1, "a path", err);
    if (status == TM_OK) snprintf(*out, size, "%s/%s", folder, name);
    return status;
}

static bool exists(const char *folder, const char *name)
{
    char *path = NULL;
    struct stat info;
    tm_error ignored;
    bool is_there = tm_hf_join(folder, name, &path, &ignored) == TM_OK && stat(path, &info) == 0;
    tm_free(path);
    return is_there;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool tm_hf_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

static bool has_weights(const char *folder)
{
    return exists(folder, "config.json") && (exists(folder, INDEX) || exists(folder, SINGLE));
}

bool tm_hf_is_checkpoint(const char *path)
{
    if (!is_folder(path)) return tm_hf_ends(path, SUFFIX);
    return has_weights(path) || exists(path, "snapshots");
}

/* What a file is that is neither JSON nor safetensors, such as a pointer of Git LFS. */
static tm_status refuse_other(const tm_gguf *file, tm_error *err)
{
    bool is_expected = file->data[0] == '{' || (file->size > 8 && file->data[8] == '{');
    const char *kind = is_expected ? NULL : tm_gguf_other_file(file->data, file->size);
    return kind ? tm_fail(err, TM_FORMAT, "%s is %s", file->path, kind) : TM_OK;
}

tm_status tm_hf_json_open(const char *folder, const char *name, bool required, tm_hf_json *out,
                          tm_error *err)
{
    char *path = NULL;
    *out = (tm_hf_json){0};
    if (!required && !exists(folder, name)) return TM_OK;
    tm_status status = tm_hf_join(folder, name, &path, err);
    if (status == TM_OK) status = tm_gguf_map(path, 2, "a JSON object", &out->file, err);
    tm_free(path);
    if (status != TM_OK) return status;
    status = refuse_other(out->file, err);
    if (status == TM_OK) {
        status =
            tm_json_text_check((const char *)out->file->data, out->file->size, &out->text, err);
        if (status != TM_OK) tm_fail_in(err, "%s", out->file->path);
    }
    if (status != TM_OK) tm_hf_json_close(out);
    return status;
}

void tm_hf_json_close(tm_hf_json *json)
{
    tm_gguf_close(json->file);
    *json = (tm_hf_json){0};
}

/* The folder of a snapshot in a folder models--ORG--NAME of the hub's cache. */
static tm_status resolve_cache(const char *cache, char **out, tm_error *err)
{
    char revision[128] = "", *path = NULL, *refs = NULL;
    tm_gguf *file = NULL;
    tm_error why = {0};
    tm_status status = tm_hf_join(cache, "refs/main", &refs, err);
    if (status != TM_OK) return status;
    if (tm_gguf_map(refs, 1, "a revision", &file, &why) != TM_OK)
        status =
            tm_fail(err, TM_IO, "%s has no revision 'main' (%s); name a folder in its snapshots",
                    cache, why.message);
    tm_free(refs);
    if (status != TM_OK) return status;
    size_t n = 0;
    while (n < file->size && n + 1 < sizeof revision && file->data[n] > ' ') n++;
    bool is_name = n > 0 && !memchr(file->data, '/', n) && file->data[0] != '.';
    snprintf(revision, sizeof revision, "snapshots/%.*s", (int)n, (const char *)file->data);
    tm_gguf_close(file);
    if (!is_name)
        return tm_fail(err, TM_FORMAT, "%s/refs/main does not hold the name of a snapshot", cache);
    status = tm_hf_join(cache, revision, &path, err);
    if (status == TM_OK && !is_folder(path)) {
        status = tm_fail(err, TM_IO, "%s is missing, but %s/refs/main names it; download it again",
                         path, cache);
        tm_free(path);
    } else if (status == TM_OK) {
        *out = path;
    }
    return status;
}

/* The folder with config.json that `path` means. */
static tm_status resolve(const char *path, char **out, tm_error *err)
{
    if (!is_folder(path)) {
        const char *slash = strrchr(path, '/');
        size_t n = slash ? (size_t)(slash - path) : 0;
        tm_status status = tm_alloc((void **)out, n + 2, 1, "a path", err);
        if (status == TM_OK && n) memcpy(*out, path, n);
        if (status == TM_OK && !n) **out = slash ? '/' : '.';
        return status;
    }
    if (!has_weights(path) && exists(path, "snapshots")) return resolve_cache(path, out, err);
    tm_status status = tm_alloc((void **)out, strlen(path) + 1, 1, "a path", err);
    if (status == TM_OK) strcpy(*out, path);
    size_t n = strlen(path);
    while (status == TM_OK && n > 1 && (*out)[n - 1] == '/') (*out)[--n] = '\0';
    return status;
}

/* NAME of a cache's models--ORG--NAME/snapshots/HASH, else the folder's own name. */
void tm_hf_name(const char *folder, char *out, size_t size)
{
    const char *snapshots = strstr(folder, "/snapshots/"), *begin = folder, *end;
    end = snapshots ? snapshots : folder + strlen(folder);
    for (const char *p = folder; p < end; p++) {
        if (*p == '/') begin = p + 1;
        if (snapshots && end - p > 2 && p[0] == '-' && p[1] == '-') begin = p + 2;
    }
    snprintf(out, size, "%.*s", (int)(end - begin < 90 ? end - begin : 90), begin);
    if (!out[0] || strcmp(out, ".") == 0) snprintf(out, size, "model");
}

static tm_status open_file(tm_hf_checkpoint *c, const char *name, tm_error *err)
{
    char *path = NULL;
    tm_gguf **file = &c->files[c->n_files];
    if (!exists(c->folder, name))
        return tm_fail(err, TM_IO, "%s/%s is missing; download the model's missing files",
                       c->folder, name);
    tm_status status = tm_hf_join(c->folder, name, &path, err);
    if (status == TM_OK) status = tm_gguf_map(path, 10, "a safetensors header", file, err);
    tm_free(path);
    if (status != TM_OK) return status;
    status = refuse_other(*file, err);
    if (status == TM_OK) {
        status = tm_safetensors_read((*file)->data, (*file)->size, &c->headers[c->n_files], err);
        if (status != TM_OK) tm_fail_in(err, "%s", (*file)->path);
    }
    if (status == TM_OK)
        c->n_files++;
    else
        tm_gguf_close(*file);
    return status;
}

static tm_status make_room(tm_hf_checkpoint *c, size_t n_files, tm_error *err)
{
    tm_status status =
        tm_alloc((void **)&c->files, n_files, sizeof *c->files, "the model's files", err);
    return status ? status
                  : tm_alloc((void **)&c->headers, n_files, sizeof *c->headers, "the model's files",
                             err);
}

/* The index of an open file, or n_files. */
static int find_file(const tm_hf_checkpoint *c, const char *name)
{
    int i = 0;
    for (; i < c->n_files; i++)
        if (tm_hf_ends(c->files[i]->path, name) &&
            c->files[i]->path[strlen(c->files[i]->path) - strlen(name) - 1] == '/')
            break;
    return i;
}

/* The next file name of a weight_map. */
static tm_status shard_name(tm_json_text value, char name[256], tm_error *err)
{
    if (!tm_json_text_copy(value, name, 256) || !name[0] || strchr(name, '/') || name[0] == '.')
        return tm_fail(err, TM_FORMAT, "an item of its weight_map is not the name of a file");
    return TM_OK;
}

static tm_status open_shards(tm_hf_checkpoint *c, tm_json_text index, tm_error *err)
{
    tm_json_text map = tm_json_text_get(index, "weight_map"), value;
    size_t n = tm_json_text_count(map);
    char name[256], last[256] = "";
    if (n == 0 || !tm_json_text_is_object(map))
        return tm_fail(err, TM_FORMAT, "%s/" INDEX ": key 'weight_map' is missing or empty",
                       c->folder);
    tm_status status = make_room(c, n < MAX_FILES ? n : MAX_FILES, err);
    for (size_t cursor = 0; status == TM_OK && tm_json_text_next(map, &cursor, NULL, &value);) {
        status = shard_name(value, name, err);
        if (status != TM_OK) return tm_fail_in(err, "%s/" INDEX, c->folder);
        if (strcmp(name, last) == 0 || find_file(c, name) < c->n_files) continue;
        if (c->n_files == MAX_FILES)
            return tm_fail(err, TM_FORMAT, "%s/" INDEX " names more than %d files", c->folder,
                           MAX_FILES);
        status = open_file(c, name, err);
        memcpy(last, name, sizeof last);
    }
    return status;
}

static int compare_members(const void *a, const void *b)
{
    return tm_gguf_compare_names(((const tm_hf_member *)a)->tensor->name,
                                 ((const tm_hf_member *)b)->tensor->name);
}

const tm_hf_member *tm_hf_find(const tm_hf_checkpoint *c, tm_gguf_string name)
{
    tm_safetensor wanted = {.name = name};
    tm_hf_member key = {.tensor = &wanted};
    if (c->n_members == 0) return NULL;
    return bsearch(&key, c->members, c->n_members, sizeof *c->members, compare_members);
}

static tm_status list_members(tm_hf_checkpoint *c, tm_error *err)
{
    size_t n = 0;
    char quoted[TM_GGUF_QUOTED];
    for (int i = 0; i < c->n_files; i++) n += (size_t)c->headers[i].n_tensors;
    if (n == 0) return tm_fail(err, TM_FORMAT, "%s holds no tensor", c->files[0]->path);
    tm_status status =
        tm_alloc((void **)&c->members, n, sizeof *c->members, "the model's tensors", err);
    if (status != TM_OK) return status;
    for (int i = 0; i < c->n_files; i++)
        for (int k = 0; k < c->headers[i].n_tensors; k++)
            c->members[c->n_members++] =
                (tm_hf_member){.tensor = &c->headers[i].tensors[k], .file = c->files[i]};
    qsort(c->members, n, sizeof *c->members, compare_members);
    for (size_t i = 1; i < n; i++)
        if (compare_members(&c->members[i - 1], &c->members[i]) == 0)
            return tm_fail(err, TM_FORMAT,
                           "tensor %s is in %s and in %s; the files are of different models",
                           tm_gguf_quote(c->members[i].tensor->name, quoted),
                           c->members[i - 1].file->path, c->members[i].file->path);
    return TM_OK;
}

/* Whether the files hold what the index says, so that parts of two models are not mixed. */
static tm_status check_index(const tm_hf_checkpoint *c, tm_json_text index, tm_error *err)
{
    tm_json_text key, value, map = tm_json_text_get(index, "weight_map");
    char name[512], file[256], quoted[TM_GGUF_QUOTED];
    for (size_t cursor = 0; tm_json_text_next(map, &cursor, &key, &value);) {
        if (!tm_json_text_copy(key, name, sizeof name) || !tm_json_text_copy(value, file, 256))
            return tm_fail(err, TM_FORMAT, "%s/" INDEX ": a tensor's name is too long", c->folder);
        tm_gguf_string text = {name, strlen(name)};
        const tm_hf_member *m = tm_hf_find(c, text);
        int i = find_file(c, file);
        if (m && i < c->n_files && m->file == c->files[i]) continue;
        return tm_fail(err, TM_FORMAT,
                       "%s/%s does not hold tensor %s, which " INDEX " says it does; it may be of "
                       "another model",
                       c->folder, file, tm_gguf_quote(text, quoted));
    }
    return TM_OK;
}

/* `named`: the file that the user named, or the folder. */
static tm_status open_files(tm_hf_checkpoint *c, const char *named, tm_error *err)
{
    tm_hf_json index = {0};
    const char *slash = strrchr(named, '/'), *name = slash ? slash + 1 : named;
    bool is_file = !is_folder(named);
    bool is_single = is_file && (strcmp(name, SINGLE) == 0 || !exists(c->folder, INDEX));
    bool has_index = !is_single && exists(c->folder, INDEX);
    tm_status status =
        has_index ? tm_hf_json_open(c->folder, INDEX, true, &index, err) : make_room(c, 1, err);
    if (status == TM_OK)
        status = has_index ? open_shards(c, index.text, err)
                           : open_file(c, is_single ? name : SINGLE, err);
    if (status == TM_OK) status = list_members(c, err);
    if (status == TM_OK && has_index) status = check_index(c, index.text, err);
    tm_hf_json_close(&index);
    return status;
}

tm_status tm_hf_open_files(const char *path, tm_hf_checkpoint *c, tm_error *err)
{
    tm_status status = resolve(path, &c->folder, err);
    if (status == TM_OK && is_folder(path) && !has_weights(c->folder))
        status = tm_gguf_refuse_folder(c->folder, err);
    if (status == TM_OK && !exists(c->folder, "config.json"))
        status = tm_fail(err, TM_IO,
                         "%s has no config.json; weights are read with the one of "
                         "their checkpoint",
                         c->folder);
    if (status == TM_OK) status = tm_hf_json_open(c->folder, "config.json", true, &c->json, err);
    return status == TM_OK ? open_files(c, path, err) : status;
}

void tm_hf_close_files(tm_hf_checkpoint *c)
{
    for (int i = 0; i < c->n_files; i++) {
        tm_gguf_close(c->files[i]);
        tm_safetensors_free(&c->headers[i]);
    }
    tm_hf_json_close(&c->json);
    tm_free(c->files);
    tm_free(c->headers);
    tm_free(c->members);
    tm_free(c->folder);
    *c = (tm_hf_checkpoint){0};
}
