#include "engine/gguf_private.h"

#include <dirent.h>

#define CONVERT_FOLDER                                                                             \
    "convert the checkpoint's folder to GGUF with convert_hf_to_gguf.py of llama.cpp or "          \
    "utils/convert-hf-to-gguf-bitnet.py of bitnet.cpp"

#define MAX_SAFETENSORS_HEADER 100000000 /* the format's own limit */

static bool begins(const uint8_t *data, size_t size, const char *text)
{
    return size >= strlen(text) && memcmp(data, text, strlen(text)) == 0;
}

const char *tm_gguf_other_file(const uint8_t *data, size_t size)
{
    static const struct {
        const char *begin, *what;
    } kinds[] = {
        {"version https://git-lfs",
         "a Git LFS pointer; run `git lfs pull` in its folder, or download the file itself"},
        {"<!DOCTYPE", "an HTML page, perhaps of a login or an error; download the file again"},
        {"<!doctype", "an HTML page, perhaps of a login or an error; download the file again"},
        {"<html", "an HTML page, perhaps of a login or an error; download the file again"},
        {"<?xml", "an XML page, perhaps of an error; download the file again"},
        {"PK\3\4", "a PyTorch checkpoint or another zip archive; " CONVERT_FOLDER},
        {"\x1f\x8b", "compressed with gzip; decompress it first"},
        {"\x28\xb5\x2f\xfd", "compressed with zstd; decompress it first"},
        {"lmgg", "GGML, the format that GGUF replaced; convert the checkpoint again"},
        {"fmgg", "GGML, the format that GGUF replaced; convert the checkpoint again"},
        {"tjgg", "GGML, the format that GGUF replaced; convert the checkpoint again"},
        {"{", "JSON, such as a checkpoint's config.json or a server's error; give the checkpoint's "
              "folder"},
    };
    if (size > 9 && data[8] == '{' && tm_load_u64(data) <= MAX_SAFETENSORS_HEADER)
        return "a safetensors file; give the folder that holds it and config.json";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (begins(data, size, kinds[i].begin)) return kinds[i].what;
    return NULL;
}

tm_status tm_gguf_refuse_folder(const char *path, tm_error *err)
{
    char model[128] = "";
    bool has_config = false;
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        size_t length = strlen(name);
        has_config |= strcmp(name, "config.json") == 0;
        if (length < 6 || length >= sizeof model || strcmp(name + length - 5, ".gguf") != 0)
            continue;
        if (!model[0] || strcmp(name, model) < 0) memcpy(model, name, length + 1);
    }
    if (folder) closedir(folder);
    if (model[0])
        return tm_fail(err, TM_IO, "%s is a folder; give a file in it, such as %s", path, model);
    if (has_config)
        return tm_fail(err, TM_IO,
                       "%s has a config.json, but neither model.safetensors nor "
                       "model.safetensors.index.json; only weights in safetensors are supported",
                       path);
    return tm_fail(err, TM_IO, "%s is a folder without a GGUF file or a checkpoint", path);
}
