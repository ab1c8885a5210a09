/* Hugging Face checkpoints: a folder with config.json and weights in safetensors, which may lie in
 * the hub's cache. tm_gguf_open opens them as a GGUF reader with the keys and tensors that a
 * converter would have written, so that everything that reads GGUF files reads them.
 */
#ifndef TM_ENGINE_HF_H
#define TM_ENGINE_HF_H

#include "engine/gguf.h"

/* Whether a path means a checkpoint: its folder (models--ORG--NAME of the hub's cache included), or
 * a .safetensors file in it. */
bool tm_hf_is_checkpoint(const char *path);
/* tm_gguf_open for such a path. Matrices packed in U8, and those that the model rounds to trits
 * itself, have type I2_S; others are floats. Errors: IO (a missing file), FORMAT (JSON, tensors,
 * files of different models), UNSUPPORTED (architecture, quantization, dtype), NOMEM. */
tm_status tm_hf_open(const char *path, tm_gguf **out, tm_error *err) TM_MUST_USE;

#endif
