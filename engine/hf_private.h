/* Shared by hf*.c and tokenizer_json.c only. */
#ifndef TM_ENGINE_HF_PRIVATE_H
#define TM_ENGINE_HF_PRIVATE_H

#include "engine/gguf_private.h"
#include "engine/json_text.h"
#include "engine/safetensors.h"

/* A mapped file of JSON; text.length is 0 if an optional file is missing. */
typedef struct tm_hf_json {
    tm_gguf *file; /* owned: the map */
    tm_json_text text;
} tm_hf_json;
/* required false: a missing file is no error. Errors: IO, FORMAT (with the path). */
tm_status tm_hf_json_open(const char *folder, const char *name, bool required, tm_hf_json *out,
                          tm_error *err) TM_MUST_USE;
void tm_hf_json_close(tm_hf_json *json);

/* What config.json says of the tensors. */
typedef struct tm_hf_config {
    int n_heads, n_kv_heads, n_layers;
    bool is_interleaved; /* rows of q and k are reordered */
    bool is_tied;
    bool rounds;                /* float matrices of layers are masters to be rounded to trits */
    bool has_packing;           /* it says what weight_scale means */
    bool divides;               /* weights are trits / weight_scale, not trits * weight_scale */
    tm_json_text not_converted; /* modules_to_not_convert */
} tm_hf_config;
/* Writes the keys that a converter would write. name: of the model. Errors: FORMAT, UNSUPPORTED. */
tm_status tm_hf_put_config(tm_gguf_writer *w, tm_json_text config, const char *name,
                           tm_hf_config *out, tm_error *err) TM_MUST_USE;

/* A tensor of one of the files. */
typedef struct tm_hf_member {
    const tm_safetensor *tensor;
    const tm_gguf *file;
} tm_hf_member;

/* A checkpoint while it is opened. */
typedef struct tm_hf_checkpoint {
    char *folder;            /* owned: with config.json */
    tm_hf_json json;         /* config.json */
    tm_gguf **files;         /* owned, [n_files]: maps */
    tm_safetensors *headers; /* owned, [n_files] */
    int n_files;
    tm_hf_member *members; /* owned, sorted by name: the tensors of all files */
    size_t n_members;
    tm_hf_config config;
} tm_hf_checkpoint;
/* Fills all but `config`; start with {0} and close it also after an error. Errors: IO (a missing
 * file), FORMAT (also: files of different models), UNSUPPORTED, NOMEM. */
tm_status tm_hf_open_files(const char *path, tm_hf_checkpoint *out, tm_error *err) TM_MUST_USE;
void tm_hf_close_files(tm_hf_checkpoint *c);
const tm_hf_member *tm_hf_find(const tm_hf_checkpoint *c, tm_gguf_string name); /* or NULL */
/* The model's name by its folder: NAME of models--ORG--NAME/snapshots/HASH, or the last part. */
void tm_hf_name(const char *folder, char *out, size_t size);
/* "FOLDER/NAME"; free it with tm_free. */
tm_status tm_hf_join(const char *folder, const char *name, char **out, tm_error *err) TM_MUST_USE;
bool tm_hf_ends(const char *text, const char *suffix);

/* Writes the keys tokenizer.ggml.* for a vocabulary of tokenizer.json. n_vocab: rows of the
 * embedding; missing tokens are filled up. Errors: FORMAT, UNSUPPORTED, NOMEM. */
tm_status tm_hf_put_tokenizer(tm_gguf_writer *w, tm_json_text tokenizer, tm_json_text settings,
                              tm_json_text generation, int64_t n_vocab, tm_error *err) TM_MUST_USE;

#endif
