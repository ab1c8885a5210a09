/* Writes a model's tensors in other types, for `model make` and `model convert`.
 */
#ifndef TM_ENGINE_CONVERT_H
#define TM_ENGINE_CONVERT_H

#include "engine/source.h"

typedef struct tm_convert_options {
    tm_gguf_type type;       /* of the matrices: F32, F16, BF16 or a ternary one */
    bool keeps_tables;       /* embedding and head keep the type that they have */
    tm_gguf_type table_type; /* else: F32, F16, BF16, Q8_0, Q6_K or Q4_0 */
    bool rounds;             /* matrices that are not ternary become round(w / mean|w|) */
    const char *i2_s_layout; /* one of tm_gguf_i2_s_layout_names; NULL: 128 */
} tm_convert_options;

/* Declares a source's tensors, writes everything and closes the writer, also on error. Embedding
 * and head are written in table_type, vectors as F32, matrices in `type`, or as F16 where their
 * rows are no multiple of the type's blocks (*n_f16 of them; may be NULL). Bytes of a type that
 * stays are copied. I2_S needs rows of a multiple of 128 weights.
 * Errors: ARG (a type that cannot be written; a matrix that `type` cannot hold: its first such
 * weight), those of the source and of tm_gguf_finish. */
tm_status tm_convert_tensors(tm_source *source, const tm_convert_options *options,
                             tm_gguf_writer *w, int *n_f16, tm_error *err) TM_MUST_USE;

/* Writes a model with the keys of `gguf`, but those that belong to its file. fd, path: as of
 * tm_gguf_create. Errors: as above. */
tm_status tm_convert_gguf(tm_source *source, const tm_gguf *gguf, const tm_convert_options *options,
                          int fd, const char *path, int *n_f16, tm_error *err) TM_MUST_USE;

/* general.file_type of a file with matrices of this type. */
uint32_t tm_convert_file_type(tm_gguf_type type);

#endif
