/* A hash of the machine code that runs a model: the engine and the kernels of its matrices. Two
 * builds with equal hashes compute with the same code, so that their speed cannot differ.
 */
#ifndef TM_HARNESS_MEASURE_CODE_HASH_H
#define TM_HARNESS_MEASURE_CODE_HASH_H

#include "engine/model.h"

/* One object file of this program, by the name of its source without folder and ending. */
typedef struct tm_code_hash {
    const char *name;
    uint64_t hash; /* without debug information */
} tm_code_hash;

/* The objects of this program, ended by a row without a name. Before the first call no hash is
 * known. */
void tm_code_hashes_use(const tm_code_hash *objects);

/* The hash in hex. "" if it is not known. */
void tm_code_hash_of(const tm_model *model, char *text, size_t size);

#endif
