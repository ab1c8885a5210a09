#include "harness/record/cell.h"

#include "harness/machine/machine.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void tm_test_name(int n_prompt, int n_gen, int depth, int n_sequences, char *text, size_t size)
{
    char prompt[24] = "", gen[24] = "", cached[24] = "", batch[24] = "";
    if (n_prompt > 0) snprintf(prompt, sizeof prompt, "pp%d", n_prompt);
    if (n_gen > 0) snprintf(gen, sizeof gen, "%stg%d", n_prompt > 0 ? "+" : "", n_gen);
    if (depth > 0) snprintf(cached, sizeof cached, "@d%d", depth);
    if (n_sequences > 1) snprintf(batch, sizeof batch, "@b%d", n_sequences);
    snprintf(text, size, "%s%s%s%s", prompt, gen, cached, batch);
}

void tm_cell_id(const tm_cell *cell, const char *build, const char *model_identity, char id[24])
{
    char text[2048], batch[24] = "", cpus[TM_CPU_CHOICE_SIZE + 8] = "";
    if (cell->n_sequences > 1) snprintf(batch, sizeof batch, "|b%d", cell->n_sequences);
    if (cell->cpus[0]) snprintf(cpus, sizeof cpus, "|cpus=%s", cell->cpus);
    int n = snprintf(text, sizeof text, "%s|%s|%s|%s|%d|%d|%d|%d|%s|%s%s%s%s%s", cell->engine,
                     cell->model, cell->kernel, cell->head_kernel, cell->threads, cell->n_prompt,
                     cell->n_gen, cell->depth, build, model_identity, batch, cpus,
                     cell->variant[0] ? "|" : "", cell->variant);
    size_t length = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    snprintf(id, 24, "%016llx", (unsigned long long)tm_hash(TM_HASH_START, text, length));
}

bool tm_cell_is_peer(const tm_cell *cell)
{
    return strcmp(cell->engine, TM_PEER_ENGINE) == 0 || strcmp(cell->engine, "llama-bench") == 0;
}

void tm_cell_set_model(tm_cell *cell, const char *model_identity)
{
    snprintf(cell->model_hash, sizeof cell->model_hash, "%016llx",
             (unsigned long long)tm_hash(TM_HASH_START, model_identity, strlen(model_identity)));
}

char *tm_cell_cpus_text(const tm_cell *cell, char *text, size_t size)
{
    const bool is_list = cell->cpus[0] >= '0' && cell->cpus[0] <= '9';
    snprintf(text, size, "%s%s%s",
             !cell->cpus[0] ? ""
             : is_list      ? " on CPUs "
                            : " on ",
             cell->cpus, !cell->cpus[0] || is_list ? "" : " cores");
    return text;
}

char *tm_cell_label(const tm_cell *cell, char *text, size_t size)
{
    char cpus[TM_CPU_CHOICE_SIZE + 16];
    bool plain = !cell->head_kernel[0] || strncmp(cell->head_kernel, "f16r16", 6) == 0;
    snprintf(text, size, "%s %s%s%s %d thread%s%s %s%s%s", cell->model, cell->kernel,
             plain ? "" : " head ", plain ? "" : cell->head_kernel, cell->threads,
             tm_plural(cell->threads), tm_cell_cpus_text(cell, cpus, sizeof cpus), cell->test,
             cell->variant[0] ? " " : "", cell->variant);
    return text;
}
