/* The header of a safetensors file, of which no byte is trusted. Source: huggingface/safetensors,
 * README "Format" and the checks of safetensors/src/tensor.rs.
 */
#ifndef TM_ENGINE_SAFETENSORS_H
#define TM_ENGINE_SAFETENSORS_H

#include "engine/gguf.h"

/* name, bits */
#define TM_SAFETENSORS_TYPES(X)                                                                    \
    X(BOOL, 8)                                                                                     \
    X(U8, 8)                                                                                       \
    X(I8, 8)                                                                                       \
    X(F8_E5M2, 8)                                                                                  \
    X(F8_E4M3, 8)                                                                                  \
    X(F8_E8M0, 8)                                                                                  \
    X(F8_E4M3FNUZ, 8)                                                                              \
    X(F8_E5M2FNUZ, 8)                                                                              \
    X(I16, 16)                                                                                     \
    X(U16, 16)                                                                                     \
    X(F16, 16)                                                                                     \
    X(BF16, 16)                                                                                    \
    X(I32, 32)                                                                                     \
    X(U32, 32)                                                                                     \
    X(F32, 32)                                                                                     \
    X(I64, 64)                                                                                     \
    X(U64, 64)                                                                                     \
    X(F64, 64)                                                                                     \
    X(C64, 64)                                                                                     \
    X(F4, 4)                                                                                       \
    X(F6_E2M3, 6)                                                                                  \
    X(F6_E3M2, 6)

typedef enum tm_safetensors_type {
#define TM_SAFETENSORS_ENUM(name, bits) TM_SAFETENSORS_##name,
    TM_SAFETENSORS_TYPES(TM_SAFETENSORS_ENUM)
#undef TM_SAFETENSORS_ENUM
} tm_safetensors_type;

const char *tm_safetensors_type_name(tm_safetensors_type type); /* "BF16" */

typedef struct tm_safetensor {
    tm_gguf_string name; /* in the file's `names` */
    tm_safetensors_type type;
    int n_dims;
    int64_t shape[4];     /* the slowest first, as in the file */
    size_t offset, bytes; /* in the file */
} tm_safetensor;

typedef struct tm_safetensors {
    tm_safetensor *tensors; /* owned, by offset */
    int n_tensors;
    char *names; /* owned */
} tm_safetensors;

/* Reads the header of a whole file. Takes at most twice the memory of the header, which has at most
 * 100 MB. Errors: FORMAT (the JSON, a tensor without data of its size, gaps, overlaps, duplicates),
 * UNSUPPORTED (a type that is not in the list, more than 4 dimensions), NOMEM. */
tm_status tm_safetensors_read(const uint8_t *data, size_t size, tm_safetensors *out,
                              tm_error *err) TM_MUST_USE;
void tm_safetensors_free(tm_safetensors *file);

#endif
