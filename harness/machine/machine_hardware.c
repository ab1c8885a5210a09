#include "harness/machine/machine_hardware.h"

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

#include "harness/machine/machine_cores.h"
#include "harness/base/sysfs.h"

#define CPUS "sys/devices/system/cpu"

static void put_caches(const char *root, int cpu, tm_json *json)
{
    tm_json *caches = tm_json_array();
    int n = 0;
    tm_cache found;
    for (int i = 0; tm_cache_next(root, cpu, &i, &found); i++) {
        char path[PATH_MAX], shared[256], *unit;
        double bytes = strtod(found.size, &unit) * (*unit == 'M'   ? 1048576
                                                    : *unit == 'K' ? 1024
                                                                   : 1);
        tm_json *cache = tm_json_object();
        for (char *c = found.type; *c; c++) *c = (char)tolower((unsigned char)*c);
        tm_json_put_int(cache, "level", found.level);
        tm_json_put_string(cache, "type", found.type);
        tm_json_put_number(cache, "size_bytes", bytes);
        snprintf(path, sizeof path, CPUS "/cpu%d/cache/index%d/shared_cpu_list", cpu, i);
        if (tm_sysfs_text(root, path, shared, sizeof shared))
            tm_json_put_string(cache, "shared_by_cpus", shared);
        tm_json_append(caches, cache);
        n++;
    }
    if (n > 0) {
        tm_json_set(json, "caches", caches);
        return;
    }
    tm_json_free(caches);
    char reason[80];
    snprintf(reason, sizeof reason, "/" CPUS "/cpu%d/cache is not readable", cpu);
    tm_json_put_missing(json, "caches", reason);
}

/* Only where cores differ, so that all other machines keep their fingerprints. */
static void put_core_kinds(const char *root, const tm_machine_cores *cores, tm_json *json)
{
    if (cores->n_kinds < 2) return;
    tm_json *kinds = tm_json_array();
    for (int k = 0; k < cores->n_kinds; k++) {
        const tm_core_kind *kind = &cores->kinds[k];
        tm_json *item = tm_json_object();
        tm_json_put_string(item, "cpus", kind->cpus);
        tm_json_put_int(item, "n_cpus", kind->n_cpus);
        if (kind->model[0]) tm_json_put_string(item, "model", kind->model);
        put_caches(root, kind->first_cpu, item);
        tm_json_append(kinds, item);
    }
    tm_json_set(json, "core_kinds", kinds);
}

static int is_node(const struct dirent *entry)
{
    return strncmp(entry->d_name, "node", 4) == 0 && isdigit((unsigned char)entry->d_name[4]);
}

/* Nodes have any numbers: 0 and 8 on one machine, 0 to 73 with gaps on another. One without a CPU is
 * memory alone, of an accelerator or behind a link: no thread runs there, and no weight is meant to. */
static void put_numa(const char *root, tm_json *json)
{
    int n = 0, n_memory_only = 0;
    char path[PATH_MAX];
    struct dirent **entries = NULL;
    snprintf(path, sizeof path, "%s/sys/devices/system/node", root);
    int found = scandir(path, &entries, is_node, NULL);
    for (int i = 0; i < found; i++) {
        int cpu;
        char list[96], mask[96];
        snprintf(list, sizeof list, "sys/devices/system/node/%.40s/cpulist", entries[i]->d_name);
        snprintf(mask, sizeof mask, "sys/devices/system/node/%.40s/cpumap", entries[i]->d_name);
        free(entries[i]);
        if (tm_sysfs_cpus(root, list, mask, &cpu, 1) == 0)
            n_memory_only++;
        else
            n++;
    }
    free(entries);
    if (n > 0)
        tm_json_put_int(json, "numa_nodes", n);
    else
        tm_json_put_missing(json, "numa_nodes", "/sys/devices/system/node is not readable");
    if (n_memory_only > 0) tm_json_put_int(json, "numa_nodes_without_cpus", n_memory_only);
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
    if (tm_sysfs_field(root, "proc/cpuinfo", "vendor_id", text, sizeof text)) return true;
    return tm_sysfs_field(root, "proc/cpuinfo", "CPU implementer", text, sizeof text) &&
           strtol(text, NULL, 0) == 0;
#endif
}

/* What hypervisors put into the firmware's tables: Arm has no bit that says so, as x86 has. Source:
 * systemd, virt.c. An EC2 machine is a virtual one unless its type ends in ".metal". */
static bool firmware_says_virtual(const char *root)
{
    static const char *const files[] = {"product_name", "sys_vendor", "bios_vendor"};
    static const char *const names[] = {"KVM",
                                        "OpenStack",
                                        "KubeVirt",
                                        "Amazon EC2",
                                        "QEMU",
                                        "VMware",
                                        "VirtualBox",
                                        "innotek GmbH",
                                        "Xen",
                                        "Parallels",
                                        "BHYVE",
                                        "Apple Virtualization",
                                        "Google Compute Engine",
                                        "Virtual Machine" /* Hyper-V and Azure */};
    char text[96], product[96];
    if (tm_sysfs_text(root, "sys/class/dmi/id/product_name", product, sizeof product) &&
        strstr(product, ".metal"))
        return false;
    for (size_t f = 0; f < sizeof files / sizeof files[0]; f++) {
        char path[64];
        snprintf(path, sizeof path, "sys/class/dmi/id/%s", files[f]);
        if (!tm_sysfs_text(root, path, text, sizeof text)) continue;
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp(text, names[i], strlen(names[i])) == 0) return true;
    }
    return tm_sysfs_text(root, "proc/device-tree/hypervisor/compatible", text, sizeof text);
}

static void read_virtual(const char *root, bool live, tm_json *json, tm_machine_hardware *out)
{
    char flags[8192], text[200], vendor[96], product[96] = "";
    bool flag = tm_sysfs_field(root, "proc/cpuinfo", "flags", flags, sizeof flags) &&
                strstr(flags, " hypervisor");
    bool named = tm_sysfs_text(root, "sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    if (named) tm_sysfs_text(root, "sys/class/dmi/id/product_name", product, sizeof product);
    bool has_flags = flag || flags[0];
    bool xen = tm_sysfs_text(root, "sys/hypervisor/type", text, sizeof text);
    out->virtual_machine = flag || xen || (named && strcmp(vendor, "QEMU") == 0) ||
                           (!has_flags && firmware_says_virtual(root));
    out->emulated = live && is_emulated(root);
    tm_json_put_bool(json, "virtual_machine", out->virtual_machine);
    tm_json_put_bool(json, "emulated", out->emulated);
    if (named) {
        snprintf(text, sizeof text, "%s%s%s", vendor, product[0] ? " " : "", product);
        tm_json_put_string(json, "product", text);
    } else {
        tm_json_put_missing(json, "product", "/sys/class/dmi/id is not readable");
    }
}

/* "" where neither Arm's fields nor x86's are in cpuinfo. */
static const char *architecture(const char *root, bool live)
{
    char text[64];
#if defined(__aarch64__)
    if (live) return "aarch64"; /* qemu in user mode shows the host's cpuinfo */
#else
    (void)live;
#endif
    if (tm_sysfs_field(root, "proc/cpuinfo", "cpu family", text, sizeof text)) return "x86_64";
    bool arm = tm_sysfs_field(root, "proc/cpuinfo", "CPU architecture", text, sizeof text) ||
               tm_sysfs_field(root, "proc/cpuinfo", "CPU implementer", text, sizeof text);
    return arm ? "aarch64" : "";
}

tm_status tm_machine_hardware_read(const char *root, bool live, tm_json *json,
                                   tm_machine_hardware *out, tm_error *err)
{
    char text[64];
    int64_t total;
    memset(out, 0, sizeof *out);
    tm_machine_cores *cores = tm_machine_cores_read(root);
    if (!cores) return tm_fail(err, TM_NOMEM, "no memory to describe the machine");
    out->n_cpus = cores->n_usable;
    out->n_cores = cores->usable_cores;
    out->first_cpu = cores->usable[0];
    const char *name = architecture(root, live);
    bool x86 = strcmp(name, "x86_64") == 0;
    /* Some of Arm's kernels print a "model name" for every core alike: "AArch64 Processor rev 2". */
    tm_machine_cores_model(cores, out->cpu_model, sizeof out->cpu_model);
    if (!out->cpu_model[0] &&
        !tm_sysfs_field(root, "proc/cpuinfo", "model name", out->cpu_model, sizeof out->cpu_model))
        out->cpu_model[0] = 0;
    if (name[0])
        tm_json_put_string(json, "architecture", name);
    else
        tm_json_put_missing(json, "architecture", "/proc/cpuinfo is neither x86's nor Arm's");
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
        if (tm_sysfs_field(root, "proc/cpuinfo", field, text, sizeof text))
            tm_json_put_string(json, ids[i].key, text);
        else
            tm_json_put_missing(json, ids[i].key, "/proc/cpuinfo does not say");
    }
    tm_json_put_int(json, "cpus", cores->n_cpus);
    tm_json_put_int(json, "cores", cores->n_cores);
    put_caches(root, cores->kinds[0].first_cpu, json);
    put_core_kinds(root, cores, json);
    put_numa(root, json);
    /* Whole GiB: the kernel's own share of it differs from version to version. */
    if (tm_sysfs_kb(root, "proc/meminfo", "MemTotal", &total))
        tm_json_put_int(json, "memory_gib", (total + (1ll << 29)) >> 30);
    else
        tm_json_put_missing(json, "memory_gib", "/proc/meminfo has no MemTotal");
    read_virtual(root, live, json, out);
    free(cores);
    return TM_OK;
}
