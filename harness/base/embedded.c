#include "harness/base/embedded.h"

#include <stdio.h>
#include <string.h>

/* Paths are relative to the repository's root, where the compiler runs. A NUL ends every file. */
#define EMBED(symbol, path)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".balign 16\n"                                                                         \
            "tm_embedded_" #symbol ":\n"                                                           \
            ".incbin \"" path "\"\n"                                                               \
            "tm_embedded_" #symbol "_end:\n"                                                       \
            ".byte 0\n"                                                                            \
            ".popsection\n");                                                                      \
    extern const char tm_embedded_##symbol[] __attribute__((visibility("hidden")));                \
    extern const char tm_embedded_##symbol##_end[] __attribute__((visibility("hidden")));

/* X(symbol, path), one line per file */
#define FILES(X)                                                                                   \
    X(models, "workloads/models.json")                                                             \
    X(suite_demo, "workloads/suites/demo.json")                                                    \
    X(suite_growth, "workloads/suites/growth.json")                                                \
    X(suite_quick, "workloads/suites/quick.json")                                                  \
    X(suite_paper, "workloads/suites/paper.json")                                                  \
    X(suite_gate, "workloads/suites/gate.json")                                                    \
    X(suite_2b4t, "workloads/suites/2b4t.json")                                                    \
    X(suite_energy, "workloads/suites/energy.json")                                                \
    X(counters_software, "workloads/counters/software.txt")                                        \
    X(counters_instructions, "workloads/counters/instructions.txt")                                \
    X(counters_memory, "workloads/counters/memory.txt")                                            \
    X(published_tables, "results/published/tables.jsonl")                                          \
    X(published_claims, "results/published/claims.json")                                           \
    X(energy_per_op, "results/published/energy_per_op.json")                                       \
    X(page_style, "reports/output/page.css")                                                       \
    X(page_script, "reports/output/page.js")

FILES(EMBED)

enum {
#define FILE_INDEX(symbol, path) FILE_##symbol,
    FILES(FILE_INDEX)
#undef FILE_INDEX
        N_FILES
};

const tm_embedded *tm_embedded_files(void)
{
    /* A static initialiser cannot hold a length, which is the difference of two addresses. */
    static _Thread_local tm_embedded files[N_FILES + 1];
#define FILE_ROW(symbol, name)                                                                     \
    files[FILE_##symbol] = (tm_embedded){                                                          \
        name, tm_embedded_##symbol, (size_t)(tm_embedded_##symbol##_end - tm_embedded_##symbol)};
    FILES(FILE_ROW)
#undef FILE_ROW
    files[N_FILES] = (tm_embedded){0};
    return files;
}

const char *const *tm_embedded_names(const char *folder)
{
    static _Thread_local char names[N_FILES][64];
    static _Thread_local const char *list[N_FILES + 1];
    size_t length = strlen(folder);
    int n = 0;
    for (const tm_embedded *file = tm_embedded_files(); file->path; file++) {
        if (strncmp(file->path, folder, length) != 0) continue;
        const char *name = file->path + length;
        snprintf(names[n], sizeof names[n], "%.*s", (int)strcspn(name, "."), name);
        list[n] = names[n];
        n++;
    }
    list[n] = NULL;
    return list;
}

const tm_embedded *tm_embedded_find(const char *path)
{
    for (const tm_embedded *file = tm_embedded_files(); file->path; file++)
        if (strcmp(file->path, path) == 0) return file;
    return NULL;
}
