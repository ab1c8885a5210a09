#include "harness/machine/machine_cores.h"
#include "harness/base/sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS          "sys/devices/system/cpu"
#define CPUINFO_BYTES (8 << 20)
#define CACHES_MAX    16

/* Part numbers (MIDR_EL1) of Arm cores that are likely to be measured. Source:
 * Arm's technical reference manuals; util-linux, lscpu-arm.c; hwloc's record of an Nvidia GB10
 * (0xd85, 0xd87). */
static const struct {
    int implementer, part;
    const char *name;
} arm_parts[] = {
    {0x41, 0xd03, "Cortex-A53"},
    {0x41, 0xd04, "Cortex-A35"},
    {0x41, 0xd05, "Cortex-A55"},
    {0x41, 0xd07, "Cortex-A57"},
    {0x41, 0xd08, "Cortex-A72"},
    {0x41, 0xd09, "Cortex-A73"},
    {0x41, 0xd0a, "Cortex-A75"},
    {0x41, 0xd0b, "Cortex-A76"},
    {0x41, 0xd0c, "Neoverse-N1"},
    {0x41, 0xd0d, "Cortex-A77"},
    {0x41, 0xd40, "Neoverse-V1"},
    {0x41, 0xd41, "Cortex-A78"},
    {0x41, 0xd42, "Cortex-A78AE"},
    {0x41, 0xd44, "Cortex-X1"},
    {0x41, 0xd46, "Cortex-A510"},
    {0x41, 0xd47, "Cortex-A710"},
    {0x41, 0xd48, "Cortex-X2"},
    {0x41, 0xd49, "Neoverse-N2"},
    {0x41, 0xd4b, "Cortex-A78C"},
    {0x41, 0xd4c, "Cortex-X1C"},
    {0x41, 0xd4d, "Cortex-A715"},
    {0x41, 0xd4e, "Cortex-X3"},
    {0x41, 0xd4f, "Neoverse-V2"},
    {0x41, 0xd80, "Cortex-A520"},
    {0x41, 0xd81, "Cortex-A720"},
    {0x41, 0xd82, "Cortex-X4"},
    {0x41, 0xd84, "Neoverse-V3"},
    {0x41, 0xd85, "Cortex-X925"},
    {0x41, 0xd87, "Cortex-A725"},
    {0x41, 0xd8e, "Neoverse-N3"},
    {0x43, 0x0a1, "ThunderX"},
    {0x43, 0x0af, "ThunderX2"},
    {0x46, 0x001, "A64FX"},
    {0xc0, 0xac3, "Ampere-1"},
    {0xc0, 0xac4, "Ampere-1a"},
    {0x61, 0x022, "Apple M1 Icestorm"},
    {0x61, 0x023, "Apple M1 Firestorm"},
    {0x61, 0x032, "Apple M2 Blizzard"},
    {0x61, 0x033, "Apple M2 Avalanche"},
    {0x48, 0xd01, "Kunpeng-920"},
    {0x48, 0xd40, "Cortex-A76 (HiSilicon)"},
    {0x4e, 0x003, "Denver 2"},
    {0x4e, 0x004, "Carmel"},
    {0x50, 0x000, "X-Gene"},
    {0x51, 0xc00, "Falkor"},
};

static void name_part(int implementer, int part, char *text, size_t size)
{
    for (size_t k = 0; k < sizeof arm_parts / sizeof arm_parts[0]; k++) {
        if (arm_parts[k].implementer != implementer || arm_parts[k].part != part) continue;
        snprintf(text, size, "%s", arm_parts[k].name);
        return;
    }
    snprintf(text, size, "Arm implementer 0x%x part 0x%x", implementer, part);
}

/* The fields of each CPU in /proc/cpuinfo. */
typedef struct cpuinfo {
    int n; /* CPUs it lists */
    struct {
        int cpu, implementer, part; /* -1: unknown */
    } of[TM_CPUS_MAX];
} cpuinfo;

static bool is_field(const char *line, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0) return false;
    const char *colon = line + n + strspn(line + n, " \t");
    *value = colon + 1;
    return *colon == ':';
}

static cpuinfo *read_cpuinfo(const char *root)
{
    char *text = malloc(CPUINFO_BYTES);
    cpuinfo *out = calloc(1, sizeof *out);
    if (!text || !out || !tm_sysfs_text(root, "proc/cpuinfo", text, CPUINFO_BYTES)) {
        free(text);
        free(out);
        return NULL;
    }
    for (const char *line = text, *value; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (is_field(line, "processor", &value)) {
            if (out->n == TM_CPUS_MAX) break;
            out->of[out->n].cpu = atoi(value);
            out->of[out->n].implementer = out->of[out->n].part = -1;
            out->n++;
        } else if (out->n > 0 && is_field(line, "CPU implementer", &value))
            out->of[out->n - 1].implementer = (int)strtol(value, NULL, 0);
        else if (out->n > 0 && is_field(line, "CPU part", &value))
            out->of[out->n - 1].part = (int)strtol(value, NULL, 0);
    }
    free(text);
    return out;
}

static bool listed(const int *cpus, int n, int cpu)
{
    for (int i = 0; i < n; i++)
        if (cpus[i] == cpu) return true;
    return false;
}

/* Whether `cpu` is the first of its core among `cpus`. True for every CPU if the topology is
 * unknown. */
static bool is_first_of_core(const char *root, int cpu, const int *cpus, int n)
{
    int siblings[64];
    char list[96], mask[96];
    snprintf(list, sizeof list, CPUS "/cpu%d/topology/thread_siblings_list", cpu);
    snprintf(mask, sizeof mask, CPUS "/cpu%d/topology/thread_siblings", cpu);
    int n_siblings = tm_sysfs_cpus(root, list, mask, siblings, 64);
    for (int i = 0; i < n_siblings; i++)
        if (siblings[i] < cpu && listed(cpus, n, siblings[i])) return false;
    return true;
}

bool tm_cache_next(const char *root, int cpu, int *index, tm_cache *out)
{
    for (; *index < CACHES_MAX; (*index)++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, CPUS "/cpu%d/cache/index%d/level", cpu, *index);
        if (!tm_sysfs_int(root, path, &out->level)) return false;
        snprintf(path, sizeof path, CPUS "/cpu%d/cache/index%d/type", cpu, *index);
        if (!tm_sysfs_text(root, path, out->type, sizeof out->type)) continue;
        snprintf(path, sizeof path, CPUS "/cpu%d/cache/index%d/size", cpu, *index);
        if (tm_sysfs_text(root, path, out->size, sizeof out->size)) return true;
    }
    return false;
}

static void cache_text(const char *root, int cpu, char *out, size_t size)
{
    size_t at = 0;
    tm_cache cache;
    out[0] = 0;
    for (int i = 0; at < size && tm_cache_next(root, cpu, &i, &cache); i++)
        at += (size_t)snprintf(out + at, size - at, "%s%d%c%s", at ? " " : "", (int)cache.level,
                               cache.type[0], cache.size);
}

/* Appends a CPU, in ascending order, to a list such as "0-4,7". A list that is full ends in
 * "...". */
static void add_to_list(tm_core_kind *kind, int *last, int cpu)
{
    size_t at = strlen(kind->cpus);
    bool next = kind->n_cpus++ > 0 && cpu == *last + 1;
    *last = cpu;
    if (at > 3 && strcmp(kind->cpus + at - 3, "...") == 0) return;
    char *range = strrchr(kind->cpus, ','), *dash = strchr(range ? range : kind->cpus, '-');
    if (at + 16 >= sizeof kind->cpus)
        strcpy(kind->cpus + at, "...");
    else if (next)
        sprintf(dash ? dash : kind->cpus + at, "-%d", cpu);
    else
        sprintf(kind->cpus + at, "%s%d", at ? "," : "", cpu);
}

/* A missing field makes no difference. Kernels before 3.18 print one part number after all
 * blocks, that of the CPU that reads the file, and some records have the caches of only some
 * CPUs. */
static bool differs(const char *a, const char *b)
{
    return a[0] && b[0] && strcmp(a, b) != 0;
}

/* Kinds beyond the limit are merged into the last one. */
static void add_to_kind(const char *root, const cpuinfo *info, int cpu, int *last,
                        tm_machine_cores *out)
{
    tm_core_kind kind = {.first_cpu = cpu};
    int k = 0;
    for (int i = 0; i < info->n; i++)
        if (info->of[i].cpu == cpu && info->of[i].implementer >= 0 && info->of[i].part >= 0)
            name_part(info->of[i].implementer, info->of[i].part, kind.model, sizeof kind.model);
    cache_text(root, cpu, kind.caches, sizeof kind.caches);
    while (k < out->n_kinds &&
           (differs(out->kinds[k].model, kind.model) || differs(out->kinds[k].caches, kind.caches)))
        k++;
    if (k == TM_CORE_KINDS_MAX) k--;
    if (k == out->n_kinds) out->kinds[out->n_kinds++] = kind;
    if (!out->kinds[k].model[0]) memcpy(out->kinds[k].model, kind.model, sizeof kind.model);
    if (!out->kinds[k].caches[0]) memcpy(out->kinds[k].caches, kind.caches, sizeof kind.caches);
    add_to_list(&out->kinds[k], &last[k], cpu);
}

static void fill(const char *root, const cpuinfo *info, int *online, int *allowed,
                 tm_machine_cores *out)
{
    char text[8192];
    int n_allowed = 0, last[TM_CORE_KINDS_MAX] = {0};
    if (tm_sysfs_text(root, CPUS "/online", text, sizeof text))
        out->n_cpus = tm_sysfs_cpu_list(text, online, TM_CPUS_MAX);
    if (out->n_cpus == 0)
        for (; out->n_cpus < info->n; out->n_cpus++)
            online[out->n_cpus] = info->of[out->n_cpus].cpu;
    if (out->n_cpus == 0) online[out->n_cpus++] = 0;
    if (tm_sysfs_field(root, "proc/self/status", "Cpus_allowed_list", text, sizeof text))
        n_allowed = tm_sysfs_cpu_list(text, allowed, TM_CPUS_MAX);
    for (int i = 0; i < out->n_cpus; i++) {
        out->n_cores += is_first_of_core(root, online[i], online, out->n_cpus);
        add_to_kind(root, info, online[i], last, out);
        if (n_allowed == 0 || listed(allowed, n_allowed, online[i]))
            out->usable[out->n_usable++] = online[i];
    }
    /* The only part number may be that of a CPU that is offline now. It still names the machine. */
    for (int i = 0; i < info->n && !out->kinds[0].model[0] && out->n_kinds == 1; i++)
        if (info->of[i].implementer >= 0 && info->of[i].part >= 0)
            name_part(info->of[i].implementer, info->of[i].part, out->kinds[0].model,
                      sizeof out->kinds[0].model);
    /* None if the record was not taken at one moment. */
    if (out->n_usable == 0) out->usable[out->n_usable++] = online[0];
    for (int i = 0; i < out->n_usable; i++)
        out->usable_cores += is_first_of_core(root, out->usable[i], out->usable, out->n_usable);
}

tm_machine_cores *tm_machine_cores_read(const char *root)
{
    tm_machine_cores *out = calloc(1, sizeof *out);
    int *lists = calloc(2 * TM_CPUS_MAX, sizeof *lists);
    cpuinfo *info = read_cpuinfo(root);
    if (out && lists && info) {
        fill(root, info, lists, lists + TM_CPUS_MAX, out);
    } else {
        free(out);
        out = NULL;
    }
    free(info);
    free(lists);
    return out;
}

void tm_machine_cores_model(const tm_machine_cores *cores, char *text, size_t size)
{
    text[0] = 0;
    for (int k = 0; k < cores->n_kinds; k++) {
        bool named = false;
        for (int j = 0; j < k; j++)
            named = named || strcmp(cores->kinds[j].model, cores->kinds[k].model) == 0;
        size_t at = strlen(text);
        if (!named && cores->kinds[k].model[0])
            snprintf(text + at, size - at, "%s%s", at ? " + " : "", cores->kinds[k].model);
    }
}
