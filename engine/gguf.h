/* GGUF files, versions 2 and 3, little-endian: a reader that trusts no byte, and a writer.
 *
 * The reader maps the file read-only and checks every count, length and offset against what remains
 * of the file before using it. Strings and arrays point into the map and live as long as it does.
 * Source: ggml's GGUF specification; types and block layouts as in llama.cpp and bitnet.cpp.
 */
#ifndef TM_ENGINE_GGUF_H
#define TM_ENGINE_GGUF_H

#include "kernels/base.h"

/* name, id, weights per block, bytes per block (I2_S: one scale per tensor, IQ1_BN and IQ2_BN: one
 * per row; see tm_gguf_bytes), offset of the block's half-precision scales, their number.
 * Id 42 is also that of PQ2_0 in older files: tm_gguf_open tells them apart by their size. */
#define TM_GGUF_TYPES(X)                                                                           \
    X(F32, 0, 1, 4, 0, 0)                                                                          \
    X(F16, 1, 1, 2, 0, 0)                                                                          \
    X(Q4_0, 2, 32, 18, 0, 1)                                                                       \
    X(Q4_1, 3, 32, 20, 0, 2)                                                                       \
    X(Q5_0, 6, 32, 22, 0, 1)                                                                       \
    X(Q5_1, 7, 32, 24, 0, 2)                                                                       \
    X(Q8_0, 8, 32, 34, 0, 1)                                                                       \
    X(Q2_K, 10, 256, 84, 80, 2)                                                                    \
    X(Q3_K, 11, 256, 110, 108, 1)                                                                  \
    X(Q4_K, 12, 256, 144, 0, 2)                                                                    \
    X(Q5_K, 13, 256, 176, 0, 2)                                                                    \
    X(Q6_K, 14, 256, 210, 208, 1)                                                                  \
    X(BF16, 30, 1, 2, 0, 0)                                                                        \
    X(TQ1_0, 34, 256, 54, 52, 1)                                                                   \
    X(TQ2_0, 35, 256, 66, 64, 1)                                                                   \
    X(I2_S, 36, 128, 32, 0, 0)                                                                     \
    X(Q1_0, 41, 128, 18, 0, 1)                                                                     \
    X(Q2_0, 42, 64, 18, 0, 1)                                                                      \
    X(IQ1_BN, 134, 64, 13, 0, 0)                                                                   \
    X(IQ2_BN, 135, 64, 16, 0, 0)                                                                   \
    X(PQ2_0, 142, 128, 34, 0, 1)                                                                   \
    X(PTQ1_0, 143, 128, 28, 26, 1)

typedef enum tm_gguf_type {
#define TM_GGUF_ENUM(name, id, block, bytes, offset, scales) TM_GGUF_##name = id,
    TM_GGUF_TYPES(TM_GGUF_ENUM)
#undef TM_GGUF_ENUM
} tm_gguf_type;

/* "F16"; NULL for an id that is not in the list. */
const char *tm_gguf_type_name(uint32_t id);
/* False when `name` (any case) is not in the list. */
bool tm_gguf_type_find(const char *name, tm_gguf_type *out);

/* Whether no kernel multiplies the type's blocks: a model holds them as floats. */
bool tm_gguf_is_expanded(tm_gguf_type type);

/* How I2_S packs its codes, which no file tells. By name:
 *   "128"   groups of 128 weights in 32 bytes: bitnet.cpp on x86, and published files; the default
 *   "64"    groups of 64 in 16 bytes: bitnet.cpp compiled for ARM
 *   "4"     four neighbouring weights in a byte: one function of bitnet.cpp in 2026
 *   "rows"  a weight of four rows in a byte: bitnet.cpp of 2026 on x86 without ACT_PARALLEL
 * It holds for every file that the process reads, and is set before the first. Files are written
 * with 128. set: false, and nothing set, for another name. names: ended by NULL. */
bool tm_gguf_set_i2_s_layout(const char *name);
const char *tm_gguf_i2_s_layout(void);
const char *const *tm_gguf_i2_s_layout_names(void);

typedef struct tm_gguf_string {
    const char *data; /* not NUL-terminated */
    size_t length;
} tm_gguf_string;

typedef struct tm_gguf tm_gguf;
typedef struct tm_gguf_view tm_gguf_view;

typedef struct tm_gguf_tensor {
    tm_gguf_string name;
    tm_gguf_type type;
    int n_dims;
    int64_t ne[4];       /* ne[0] is the row length; unused dimensions are 1 */
    const uint8_t *data; /* in the map */
    size_t bytes;
    const tm_gguf *gguf; /* borrowed, owner of the map; NULL: data is elsewhere */
    tm_gguf_view *view;  /* borrowed; NULL: stored as the type says */
} tm_gguf_tensor;

/* Opens a file, and all parts of a split model if it is one (PREFIX-00001-of-00003.gguf), or a
 * Hugging Face checkpoint (hf.h).
 * The reader then has the keys of the first part and the tensors of all.
 * Errors: IO, FORMAT (what, where in the file, value and limit), UNSUPPORTED (big-endian, version
 * 1, a tensor type that this build does not know), NOMEM. Strings are bytes; the tokenizer checks
 * whether they are UTF-8. A bool other than 0 or 1 is an error. Gaps between tensors and bytes
 * after the last one are accepted, overlaps are not. A file that another program shortens while it
 * is mapped raises SIGBUS, as with every mapping. */
tm_status tm_gguf_open(const char *path, tm_gguf **out, tm_error *err) TM_MUST_USE;
/* The same for one file in memory, which must outlive the reader: for tests and fuzzing. */
tm_status tm_gguf_open_memory(const uint8_t *data, size_t size, tm_gguf **out,
                              tm_error *err) TM_MUST_USE;
void tm_gguf_close(tm_gguf *gguf);
const char *tm_gguf_path(const tm_gguf *gguf);  /* of the first part */
size_t tm_gguf_file_bytes(const tm_gguf *gguf); /* of all parts */

/* The files that are open: the parts of a split model, or config.json and the weights of a
 * checkpoint. index: 0 <= index < n. */
int tm_gguf_n_files(const tm_gguf *gguf);
const char *tm_gguf_file_path(const tm_gguf *gguf, int index);

/* Number of parts of which a file is one by its name, 1 if it is none. index: which, from 0; may be
 * NULL. */
int tm_gguf_name_parts(const char *path, int *index);
/* The path of another part. `path` is a part's; out has strlen(path) + 1 bytes. */
void tm_gguf_name_part(const char *path, int index, char *out);
/* Joins parts that are open, in their order: parts[0] becomes the whole and owns the others.
 * Requires n >= 2. On error nothing has changed. Errors: FORMAT (keys split.no, split.count and
 * split.tensors.count that do not fit, a tensor in two parts), NOMEM. */
tm_status tm_gguf_join(tm_gguf **parts, int n, tm_error *err) TM_MUST_USE;

int tm_gguf_n_tensors(const tm_gguf *gguf);
const tm_gguf_tensor *tm_gguf_tensor_at(const tm_gguf *gguf, int index);
const tm_gguf_tensor *tm_gguf_find_tensor(const tm_gguf *gguf, const char *name); /* or NULL */

/* Typed getters. *found tells whether the key is present; if not, *out is untouched and the status
 * is OK. If found is NULL the key is required. Integers of any width are accepted if the value
 * fits. Errors: FORMAT (missing and required, wrong type, value out of range). */
tm_status tm_gguf_u32(const tm_gguf *gguf, const char *key, uint32_t *out, bool *found,
                      tm_error *err) TM_MUST_USE;
tm_status tm_gguf_f32(const tm_gguf *gguf, const char *key, float *out, bool *found,
                      tm_error *err) TM_MUST_USE;
tm_status tm_gguf_bool(const tm_gguf *gguf, const char *key, bool *out, bool *found,
                       tm_error *err) TM_MUST_USE;
tm_status tm_gguf_str(const tm_gguf *gguf, const char *key, tm_gguf_string *out, bool *found,
                      tm_error *err) TM_MUST_USE;
/* Number of strings of an array of strings (the vocabulary). */
tm_status tm_gguf_array_length(const tm_gguf *gguf, const char *key, uint64_t *out, bool *found,
                               tm_error *err) TM_MUST_USE;

/* A key and its value as stored, unaligned. */
typedef struct tm_gguf_key {
    tm_gguf_string name;
    uint32_t type;       /* GGUF value type: 4 u32, 5 i32, 6 f32, 7 bool, 8 string, 9 array, ... */
    uint32_t item_type;  /* of an array, else equal to type */
    uint64_t n_items;    /* of an array, else 1 */
    const uint8_t *data; /* of a string: after its length */
    size_t bytes;
} tm_gguf_key;
/* The keys of the first part, by name. */
int tm_gguf_n_keys(const tm_gguf *gguf);
const tm_gguf_key *tm_gguf_key_at(const tm_gguf *gguf, int index);
/* NULL: the file has no such key. */
const tm_gguf_key *tm_gguf_find_key(const tm_gguf *gguf, tm_gguf_string name);
bool tm_gguf_same_value(const tm_gguf_key *a, const tm_gguf_key *b);
/* A key in printable ASCII: "u32" or "string[128256]" as type, 'gpt2' or an array's first items as
 * value. */
typedef struct tm_gguf_key_text {
    char name[96], type[32], value[256];
} tm_gguf_key_text;
tm_gguf_key_text tm_gguf_print_key(const tm_gguf_key *key);

/* "U8", "BF16": the type in the file, which for a checkpoint may not be the tensor's. */
const char *tm_gguf_stored_type(const tm_gguf_tensor *tensor);

/* Releases bytes [begin, end) of a tensor's data that are not needed soon, so that their pages no
 * longer count as the process's memory. They can still be read, from the page cache. Does nothing
 * if no file is mapped. Any thread, also while others read the same bytes. Requires begin <= end <=
 * tensor->bytes. */
void tm_gguf_release(const tm_gguf_tensor *tensor, size_t begin, size_t end);

/* An array as stored in the file, unaligned: items of a fixed size follow each other, strings
 * are a u64 length and that many bytes each. All lengths were checked on opening. */
typedef struct tm_gguf_array {
    uint32_t item_type; /* GGUF value type: 4 u32, 5 i32, 6 f32, 8 string, ... */
    uint64_t n_items;
    const uint8_t *data; /* in the map */
    size_t bytes;
} tm_gguf_array;
tm_status tm_gguf_find_array(const tm_gguf *gguf, const char *key, tm_gguf_array *out, bool *found,
                             tm_error *err) TM_MUST_USE;

/* Rows of a tensor as floats, dequantized as the program that owns the type does:
 * out [row_end - row_begin][ne0].
 * Any thread. Requires 0 <= row_begin <= row_end <= rows of the tensor. */
void tm_gguf_read_floats(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                         float *out);

/* Checks that no value is NaN or infinite; in block types only a scale can be. Reads the whole
 * tensor and, like tm_gguf_ternary_scale, releases what it has read. Errors: FORMAT with the first
 * such value. */
tm_status tm_gguf_check_finite(const tm_gguf_tensor *tensor, tm_error *err) TM_MUST_USE;

/* Whether every weight of the tensor is one of {-s, 0, s} for one s >= 0 (floats and ternary
 * types). A tensor of zeros has s = 0. Reads up to the first offending value. UNSUPPORTED with that
 * value if not, or for another type; FORMAT for a code that the type does not have or a value or
 * scale that is not finite. */
tm_status tm_gguf_ternary_scale(const tm_gguf_tensor *tensor, float *scale,
                                tm_error *err) TM_MUST_USE;
/* Whether every 64 weights of a row of a tensor of floats are -s, 0 or s for an s that is a half,
 * as in a matrix whose parts were quantized separately. Reads up to the first that are not. */
bool tm_gguf_is_ternary_in_blocks(const tm_gguf_tensor *tensor);
/* Rows as trits, for a tensor that passed the check. Any thread. */
void tm_gguf_read_trits(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                        int8_t *out);

/* Bytes of a tensor's data as stored, I2_S's scale and padding and the scales of rows included; 0
 * when ne0 does not divide into blocks or the product overflows. */
size_t tm_gguf_bytes(tm_gguf_type type, const int64_t *ne, int n_dims);

/* Converts rows of floats (or trits times scale) to the bytes of a type, as the quantizer of the
 * program that owns the type does: floats, ternary types (I2_S in groups of 128), Q8_0, Q4_0, Q6_K.
 * `out` is the whole tensor; I2_S takes the scale from the argument and writes it after the codes
 * when row_end is the last row. */
void tm_gguf_write_floats(tm_gguf_type type, const float *values, int64_t ne0, int64_t n_rows,
                          int64_t row_begin, int64_t row_end, float scale, uint8_t *out);

/* Packs codes of I2_S, which are in groups of 128, in the layout of this name. ne0: a multiple of
 * 128; for "rows", n_bytes is one of ne0. codes: room for 4 ne0 items. */
void tm_gguf_i2_s_pack(const char *name, uint8_t *data, size_t n_bytes, int64_t ne0, int8_t *codes);

/* Writer: keys in order, then tensors in order, then finish. */
typedef struct tm_gguf_writer tm_gguf_writer;
/* fd: open for writing at its start; the caller closes it after finish or abandon. path: its name,
 * for messages. Errors: NOMEM. */
tm_status tm_gguf_create(int fd, const char *path, tm_gguf_writer **out, tm_error *err) TM_MUST_USE;
void tm_gguf_put_u32(tm_gguf_writer *w, const char *key, uint32_t value);
void tm_gguf_put_f32(tm_gguf_writer *w, const char *key, float value);
void tm_gguf_put_bool(tm_gguf_writer *w, const char *key, bool value);
void tm_gguf_put_str(tm_gguf_writer *w, const char *key, const char *value);
void tm_gguf_put_string(tm_gguf_writer *w, const char *key, tm_gguf_string value);
void tm_gguf_put_strings(tm_gguf_writer *w, const char *key, const tm_gguf_string *items, size_t n);
void tm_gguf_put_key(tm_gguf_writer *w, const tm_gguf_key *key); /* as it is stored */
void tm_gguf_put_str_array(tm_gguf_writer *w, const char *key, const char *const *items, size_t n);
void tm_gguf_put_f32_array(tm_gguf_writer *w, const char *key, const float *items, size_t n);
void tm_gguf_put_i32_array(tm_gguf_writer *w, const char *key, const int32_t *items, size_t n);
/* Declares a tensor. Its bytes come later from `fill`, which is called in order of declaration with
 * a buffer of tm_gguf_bytes(type, ne, n_dims) bytes. */
typedef tm_status tm_gguf_fill_fn(void *arg, int tensor_index, uint8_t *data, size_t bytes,
                                  tm_error *err);
void tm_gguf_put_tensor(tm_gguf_writer *w, const char *name, tm_gguf_type type, const int64_t *ne,
                        int n_dims);
/* Writes everything and closes the writer, also on error. Errors: IO (disk full included), NOMEM,
 * ARG (a shape that does not divide into blocks), those of `fill`. */
tm_status tm_gguf_finish(tm_gguf_writer *w, tm_gguf_fill_fn *fill, void *arg,
                         tm_error *err) TM_MUST_USE;
void tm_gguf_abandon(tm_gguf_writer *w);
/* Closes a writer without tensors, also on error, and reads what it would have written. fd of the
 * writer may be -1. Errors: NOMEM, those of tm_gguf_open_memory. */
tm_status tm_gguf_finish_in_memory(tm_gguf_writer *w, tm_gguf **out, tm_error *err) TM_MUST_USE;

#endif
