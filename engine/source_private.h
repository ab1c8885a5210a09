/* Shared by source_gguf*.c only. */
#ifndef TM_ENGINE_SOURCE_PRIVATE_H
#define TM_ENGINE_SOURCE_PRIVATE_H

#include "engine/source.h"

/* The config from a file's keys and the shape of its embedding, checked, with the special
 * tokens and the length of the vocabulary. Errors: FORMAT, UNSUPPORTED. */
tm_status tm_source_read_config(const tm_gguf *gguf, tm_config *out, tm_error *err) TM_MUST_USE;

#endif
