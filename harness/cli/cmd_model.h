/* The actions of `ternmark model` that read models. */
#ifndef TM_HARNESS_CLI_CMD_MODEL_H
#define TM_HARNESS_CLI_CMD_MODEL_H

#include "engine/source.h"
#include "harness/cli/command.h"

typedef struct tm_model_file {
    tm_source source;
    tm_gguf *gguf; /* borrowed from the source; NULL: synthetic weights, without keys */
} tm_model_file;

/* name: a file, a folder or synth:SHAPE. Close the source when done. Errors: those of the
 * source. */
tm_status tm_model_file_open(const char *name, uint64_t seed, tm_model_file *out,
                             tm_error *err) TM_MUST_USE;
/* The role and layer of the nth tensor that a model may have, in the order of a file. False: there
 * are fewer. */
bool tm_model_tensor(const tm_config *config, int n, tm_role *role, int *layer);

/* `model info`: sizes, keys and tensors. is_json: as one JSON object. */
tm_status tm_model_info(const char *name, uint64_t seed, bool is_json, FILE *out,
                        tm_error *err) TM_MUST_USE;

/* `model diff`: what differs. weights_only: neither keys nor types. *equal: nothing does. */
tm_status tm_model_diff(const char *const names[2], uint64_t seed, bool weights_only, bool is_json,
                        FILE *out, bool *equal, tm_error *err) TM_MUST_USE;

#endif
