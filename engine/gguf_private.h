/* Shared by gguf*.c only. */
#ifndef TM_ENGINE_GGUF_PRIVATE_H
#define TM_ENGINE_GGUF_PRIVATE_H

#include "engine/gguf.h"

#include <string.h>

/* Value types of the container, by their number. */
enum {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
};

/* How a tensor of a Hugging Face folder is read. The tensor has the type I2_S where its weights are
 * ternary or become so, whatever is stored. */
struct tm_gguf_view {
    tm_gguf_tensor stored; /* F32, F16 or BF16, rows in the order of the file; unused if packed */
    bool is_packed;        /* U8, four trits a byte */
    bool may_round;        /* weights that are not ternary are rounded: a master of training */
    bool rounds;           /* set by tm_gguf_view_scale, before weights are read */
    float scale;           /* packed, or once it rounds */
    int head_dim;          /* above 0: rows of each head are reordered for interleaved rotation */
};
/* The functions of gguf.h for a tensor with a view; rows to be released are its rows. */
void tm_gguf_view_floats(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                         float *out);
void tm_gguf_view_trits(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                        int8_t *out);
void tm_gguf_view_release(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end);
tm_status tm_gguf_view_scale(const tm_gguf_tensor *tensor, float *scale, tm_error *err) TM_MUST_USE;
tm_status tm_gguf_view_check(const tm_gguf_tensor *tensor, tm_error *err) TM_MUST_USE;

/* A key of a checkpoint without a tokenizer that can be read: the reason, a sentence. */
#define TM_GGUF_TOKENIZER_MISSING "tokenizer.missing"

struct tm_gguf {
    char *path; /* owned */
    const uint8_t *data;
    size_t size;
    bool mapped;
    int n_keys, n_tensors;
    tm_gguf_key *keys;              /* owned, sorted by name */
    tm_gguf_tensor *tensors;        /* owned, in file order; of all parts of a split model */
    const tm_gguf_tensor **by_name; /* owned, sorted */
    tm_gguf **others;               /* owned: the parts after the first; NULL: one file */
    int n_others;
    uint8_t *memory;     /* owned, as malloc gives it: the data, if it is no file */
    tm_gguf_view *views; /* owned: of a Hugging Face checkpoint */
    char *names;         /* owned: its tensors' names */
};

/* Maps a file of at least `smallest` > 0 bytes, which `what` has. Errors: IO, FORMAT. */
tm_status tm_gguf_map(const char *path, size_t smallest, const char *what, tm_gguf **out,
                      tm_error *err) TM_MUST_USE;
/* Takes ownership of the bytes, which malloc gave, also on error. path: for messages. */
tm_status tm_gguf_open_owned(const char *path, uint8_t *data, size_t size, tm_gguf **out,
                             tm_error *err) TM_MUST_USE;
/* One file, which may be a part. */
tm_status tm_gguf_open_file(const char *path, tm_gguf **out, tm_error *err) TM_MUST_USE;
/* Opens and joins the other parts if `named` is a part, else *out is `named`. Takes ownership, also
 * on error. */
tm_status tm_gguf_open_parts(tm_gguf *named, tm_gguf **out, tm_error *err) TM_MUST_USE;

/* Fills keys, tensors and by_name from data and size; after an error tm_gguf_close frees
 * what was allocated. Errors: FORMAT, UNSUPPORTED, NOMEM. */
tm_status tm_gguf_parse(tm_gguf *g, tm_error *err) TM_MUST_USE;

/* Types whose number has several meanings: replaces those of `tensors` by what the bytes from one
 * tensor to the next show. offsets: [n], of the tensors in the data, which has `room` bytes.
 * Errors: UNSUPPORTED (bytes that fit no type that is read, or more than one), FORMAT, NOMEM. */
tm_status tm_gguf_settle_types(tm_gguf_tensor *tensors, const uint64_t *offsets, size_t n,
                               size_t room, uint32_t alignment, tm_error *err) TM_MUST_USE;

/* UNSUPPORTED: a tensor's type that is not in the list, with its name and what converts it. */
tm_status tm_gguf_refuse_type(tm_gguf_string tensor, uint32_t id, tm_error *err) TM_MUST_USE;

/* What a file without GGUF's magic is, and what to do; NULL if its first bytes are of no kind known
 * here. */
const char *tm_gguf_other_file(const uint8_t *data, size_t size);
/* IO: a folder, with what to name instead. */
tm_status tm_gguf_refuse_folder(const char *path, tm_error *err) TM_MUST_USE;

/* Bytewise order of names; a prefix comes first. */
int tm_gguf_compare_names(tm_gguf_string a, tm_gguf_string b);

/* Bytes of one item of a value type; 0 for strings, arrays and types that do not exist. */
size_t tm_gguf_value_size(uint32_t type);

/* "u32"; "unknown" for a type that does not exist. */
const char *tm_gguf_value_type_name(uint32_t type);

/* Weights and bytes of a block of a tensor type; false for an id that is not in the list. */
bool tm_gguf_block(uint32_t type, int *n_weights, int *n_bytes);

/* Rows of a tensor, all dimensions but the first taken together. */
int64_t tm_gguf_rows(const tm_gguf_tensor *tensor);
/* From one row to the next. I2_S: of the codes. */
size_t tm_gguf_row_bytes(const tm_gguf_tensor *tensor);
/* The float after the codes of an I2_S tensor. */
float tm_gguf_i2_s_scale(const tm_gguf_tensor *tensor);
/* Bytes of the scale with which a row begins: 2 in IQ1_BN, 4 in IQ2_BN, else 0. */
int tm_gguf_row_head(tm_gguf_type type);
/* The scale of a row that begins with one. */
float tm_gguf_row_scale(const tm_gguf_tensor *tensor, int64_t row);
/* Number of half-precision scales in a block, which follow each other from *offset on. */
int tm_gguf_scales(tm_gguf_type type, int *offset);
/* One block to floats: types that have no kernel of their own. Source: llama.cpp,
 * dequantize_row_*, with its order of operations. */
void tm_gguf_q4_1_decode(const uint8_t *block, float *out);
void tm_gguf_q5_0_decode(const uint8_t *block, float *out);
void tm_gguf_q5_1_decode(const uint8_t *block, float *out);
void tm_gguf_q2_k_decode(const uint8_t *block, float *out);
void tm_gguf_q3_k_decode(const uint8_t *block, float *out);
void tm_gguf_q4_k_decode(const uint8_t *block, float *out);
void tm_gguf_q5_k_decode(const uint8_t *block, float *out);
/* The codes of a block of a ternary type, each less 1: -1, 0, 1, and 2 for code 3, which means 2 in
 * Q2_0 and PQ2_0 and nothing elsewhere. Returns their number, 0 for another type or I2_S. out has
 * TM_GGUF_MAX_BLOCK items. */
int tm_gguf_block_codes(tm_gguf_type type, const uint8_t *block, int8_t *out);
#define TM_GGUF_MAX_BLOCK 256
/* Codes 128 index .. 128 index + 127 of an I2_S tensor, row after row, each less 1; and whether the
 * tensor's rows fit the layout in use. */
#define TM_I2_S_CODES 128
void tm_gguf_i2_s_codes(const tm_gguf_tensor *tensor, int64_t index, int8_t *out);
bool tm_gguf_i2_s_fits(const tm_gguf_tensor *tensor);
/* Whether the type has such codes. */
bool tm_gguf_is_ternary(tm_gguf_type type);

#define TM_GGUF_QUOTED 72
/* A name from a file, safe to print: quoted, at most 60 bytes, control and high bytes as '?'. */
const char *tm_gguf_quote(tm_gguf_string text, char out[TM_GGUF_QUOTED]);

static inline uint16_t tm_load_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t tm_load_u32(const uint8_t *p)
{
    uint32_t value; /* both supported machines are little-endian, as the file is */
    memcpy(&value, p, sizeof value);
    return value;
}
static inline uint64_t tm_load_u64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

#endif
