#include "harness/measure/code_hash.h"

#include "harness/base/hash.h"
#include "kernels/kernel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const tm_code_hash *objects;

void tm_code_hashes_use(const tm_code_hash *of_program)
{
    objects = of_program;
}

static bool uses(const tm_model *model, const char *kernel)
{
    if (strcmp(model->head.kernel->name, kernel) == 0) return true;
    for (int l = 0; l < model->config.n_layers; l++) {
        tm_matrix *matrices[TM_LAYER_MATRICES];
        tm_layer_matrices(&model->layers[l], matrices);
        for (int i = 0; i < TM_LAYER_MATRICES; i++)
            if (strcmp(matrices[i]->kernel->name, kernel) == 0) return true;
    }
    return false;
}

void tm_code_hash_of(const tm_model *model, char *text, size_t size)
{
    uint64_t hash = TM_HASH_START;
    if (size) text[0] = '\0';
    if (!objects) return;
    for (const tm_code_hash *o = objects; o->name; o++)
        if (!tm_kernel_find(o->name) || uses(model, o->name))
            hash = tm_hash(hash, &o->hash, sizeof o->hash);
    snprintf(text, size, "%016" PRIx64, hash);
}
