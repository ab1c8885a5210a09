#include "harness/machine.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "harness/proc.h"

#define CPUS     "sys/devices/system/cpu"
#define MAX_CPUS 4096

/* Arm's and others' part numbers (MIDR_EL1) of cores that are likely to be measured. Source: Arm's
 * technical reference manuals; util-linux, lscpu-arm.c. */
static const struct {
    int implementer, part;
    const char *name;
} arm_parts[] = {
    {0x41, 0xd03, "Cortex-A53"},
    {0x41, 0xd05, "Cortex-A55"},
    {0x41, 0xd07, "Cortex-A57"},
    {0x41, 0xd08, "Cortex-A72"},
    {0x41, 0xd0b, "Cortex-A76"},
    {0x41, 0xd0c, "Neoverse-N1"},
    {0x41, 0xd40, "Neoverse-V1"},
    {0x41, 0xd49, "Neoverse-N2"},
    {0x41, 0xd4f, "Neoverse-V2"},
    {0x41, 0xd8e, "Neoverse-N3"},
    {0x41, 0xd84, "Neoverse-V3"},
    {0x41, 0xd42, "Cortex-A78AE"},
    {0x46, 0x001, "A64FX"},
    {0xc0, 0xac3, "Ampere-1"},
    {0xc0, 0xac4, "Ampere-1a"},
    {0x61, 0x022, "Apple M1 Icestorm"},
    {0x61, 0x023, "Apple M1 Firestorm"},
    {0x48, 0xd01, "Kunpeng-920"},
};

static void arm_model(const char *root, char *text, size_t size)
{
    char implementer[32], part[32];
    if (!tm_proc_field(root, "proc/cpuinfo", "CPU implementer", implementer, sizeof implementer) ||
        !tm_proc_field(root, "proc/cpuinfo", "CPU part", part, sizeof part))
        return;
    int i = (int)strtol(implementer, NULL, 0), p = (int)strtol(part, NULL, 0);
    for (size_t k = 0; k < sizeof arm_parts / sizeof arm_parts[0]; k++) {
        if (arm_parts[k].implementer != i || arm_parts[k].part != p) continue;
        snprintf(text, size, "%s", arm_parts[k].name);
        return;
    }
    snprintf(text, size, "Arm implementer 0x%x part 0x%x", i, p);
}

/* "processor" lines of the whole file, which may be long. */
static int count_cpus(const char *root)
{
    size_t room = 8 << 20;
    char *text = malloc(room);
    int n = 0;
    if (text && tm_proc_text(root, "proc/cpuinfo", text, room))
        for (const char *p = text; p; p = strchr(p, '\n')) {
            if (*p == '\n') p++;
            n += strncmp(p, "processor", 9) == 0;
        }
    free(text);
    return n > 0 ? n : 1;
}

/* CPUs that are the first of their hardware siblings; every CPU where the topology is not shown. */
static int count_cores(const char *root, int n_cpus)
{
    int n = 0;
    for (int cpu = 0, seen = 0; seen < n_cpus && cpu < MAX_CPUS; cpu++) {
        char path[PATH_MAX], siblings[256];
        snprintf(path, sizeof path, CPUS "/cpu%d/topology/thread_siblings_list", cpu);
        if (!tm_proc_text(root, path, siblings, sizeof siblings)) {
            if (seen == 0 && cpu >= n_cpus) return n_cpus;
            continue;
        }
        seen++;
        n += atoi(siblings) == cpu;
    }
    return n > 0 ? n : n_cpus;
}

static void put_caches(const char *root, tm_json *json)
{
    tm_json *caches = tm_json_array();
    int n = 0;
    for (int i = 0; i < 16; i++) {
        char path[PATH_MAX], type[32], size[32], shared[256];
        int64_t level;
        snprintf(path, sizeof path, CPUS "/cpu0/cache/index%d/level", i);
        if (!tm_proc_int(root, path, &level)) break;
        snprintf(path, sizeof path, CPUS "/cpu0/cache/index%d/type", i);
        if (!tm_proc_text(root, path, type, sizeof type)) continue;
        snprintf(path, sizeof path, CPUS "/cpu0/cache/index%d/size", i);
        if (!tm_proc_text(root, path, size, sizeof size)) continue;
        char *unit;
        double bytes = strtod(size, &unit) * (*unit == 'M' ? 1048576 : *unit == 'K' ? 1024 : 1);
        tm_json *cache = tm_json_object();
        for (char *c = type; *c; c++) *c = (char)tolower((unsigned char)*c);
        tm_json_put_int(cache, "level", level);
        tm_json_put_string(cache, "type", type);
        tm_json_put_number(cache, "size_bytes", bytes);
        snprintf(path, sizeof path, CPUS "/cpu0/cache/index%d/shared_cpu_list", i);
        if (tm_proc_text(root, path, shared, sizeof shared))
            tm_json_put_string(cache, "shared_by_cpus", shared);
        tm_json_append(caches, cache);
        n++;
    }
    if (n > 0) {
        tm_json_set(json, "caches", caches);
        return;
    }
    tm_json_free(caches);
    tm_json_put_missing(json, "caches", "/" CPUS "/cpu0/cache is not readable");
}

static void put_numa(const char *root, tm_json *json)
{
    int n = 0;
    char path[PATH_MAX], text[16];
    for (int i = 0; i < 1024; i++) {
        snprintf(path, sizeof path, "sys/devices/system/node/node%d/cpulist", i);
        if (tm_proc_text(root, path, text, sizeof text))
            n++;
        else if (i > 64)
            break;
    }
    if (n > 0)
        tm_json_put_int(json, "numa_nodes", n);
    else
        tm_json_put_missing(json, "numa_nodes", "/sys/devices/system/node is not readable");
}

#if defined(__x86_64__)
/* The hypervisor's signature; qemu's own translator says TCGTCGTCGTCG, in user mode too. */
static void signature(char text[13])
{
    unsigned a, b, c, d;
    text[0] = 0;
    __cpuid(1, a, b, c, d);
    if (!(c & 1u << 31)) return;
    __cpuid(0x40000000, a, b, c, d);
    memcpy(text, &b, 4);
    memcpy(text + 4, &c, 4);
    memcpy(text + 8, &d, 4);
    text[12] = 0;
}
#endif

static bool is_emulated(const char *root)
{
#if defined(__x86_64__)
    char text[13];
    (void)root;
    signature(text);
    return strncmp(text, "TCG", 3) == 0;
#else
    /* qemu in user mode shows the host's cpuinfo, or one whose part is its own "max" (0). */
    char text[64];
    if (tm_proc_field(root, "proc/cpuinfo", "vendor_id", text, sizeof text)) return true;
    return tm_proc_field(root, "proc/cpuinfo", "CPU implementer", text, sizeof text) &&
           strtol(text, NULL, 0) == 0;
#endif
}

static void read_virtual(const char *root, bool live, tm_json *json, tm_machine *out)
{
    char flags[8192], vendor[96], product[96] = "";
    bool flag = tm_proc_field(root, "proc/cpuinfo", "flags", flags, sizeof flags) &&
                strstr(flags, " hypervisor");
    bool named = tm_proc_text(root, "sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    if (named) tm_proc_text(root, "sys/class/dmi/id/product_name", product, sizeof product);
    bool xen = tm_proc_text(root, "sys/hypervisor/type", flags, sizeof flags);
    out->virtual_machine = flag || xen || (named && strcmp(vendor, "QEMU") == 0);
    out->emulated = live && is_emulated(root);
    tm_json_put_bool(json, "virtual_machine", out->virtual_machine);
    tm_json_put_bool(json, "emulated", out->emulated);
    if (named) {
        char text[200];
        snprintf(text, sizeof text, "%s%s%s", vendor, product[0] ? " " : "", product);
        tm_json_put_string(json, "product", text);
    } else {
        tm_json_put_missing(json, "product", "/sys/class/dmi/id is not readable");
    }
}

void tm_machine_read(const char *root, bool live, tm_json *json, tm_machine *out)
{
    char text[64];
    int64_t total;
    memset(out, 0, sizeof *out);
    out->n_cpus = count_cpus(root);
    out->n_cores = count_cores(root, out->n_cpus);
    bool x86 = tm_proc_field(root, "proc/cpuinfo", "vendor_id", text, sizeof text);
    if (!tm_proc_field(root, "proc/cpuinfo", "model name", out->cpu_model, sizeof out->cpu_model))
        arm_model(root, out->cpu_model, sizeof out->cpu_model);
#if defined(__aarch64__)
    if (live) x86 = false;
#endif
    tm_json_put_string(json, "architecture", x86 ? "x86_64" : "aarch64");
    if (out->cpu_model[0])
        tm_json_put_string(json, "cpu_model", out->cpu_model);
    else
        tm_json_put_missing(json, "cpu_model", "/proc/cpuinfo names no model");
    static const struct {
        const char *key, *x86_field, *arm_field;
    } ids[] = {{"cpu_family", "cpu family", "CPU architecture"},
               {"cpu_model_number", "model", "CPU part"},
               {"cpu_stepping", "stepping", "CPU revision"}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const char *field = x86 ? ids[i].x86_field : ids[i].arm_field;
        if (tm_proc_field(root, "proc/cpuinfo", field, text, sizeof text))
            tm_json_put_string(json, ids[i].key, text);
        else
            tm_json_put_missing(json, ids[i].key, "/proc/cpuinfo does not say");
    }
    tm_json_put_int(json, "cpus", out->n_cpus);
    tm_json_put_int(json, "cores", out->n_cores);
    put_caches(root, json);
    put_numa(root, json);
    /* Whole GiB: the kernel's own share of it differs from version to version. */
    if (tm_proc_kb(root, "proc/meminfo", "MemTotal", &total))
        tm_json_put_int(json, "memory_gib", (total + (1ll << 29)) >> 30);
    else
        tm_json_put_missing(json, "memory_gib", "/proc/meminfo has no MemTotal");
    read_virtual(root, live, json, out);
}
