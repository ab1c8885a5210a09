#include "harness/machine/machine_hardware.h"

#include "harness/base/sysfs.h"

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

#define CPUS "sys/devices/system/cpu"

static void read_caches(const char *root, int cpu, tm_machine_caches *out)
{
    tm_cache found;
    for (int i = 0; out->n < TM_MACHINE_CACHES_MAX && tm_cache_next(root, cpu, &i, &found); i++) {
        char path[PATH_MAX], *unit;
        tm_machine_cache *cache = &out->items[out->n++];
        cache->level = (int)found.level;
        cache->size_bytes = strtod(found.size, &unit);
        cache->size_bytes *= *unit == 'M' ? 1048576 : *unit == 'K' ? 1024 : 1;
        for (size_t k = 0; found.type[k]; k++)
            cache->type[k] = (char)tolower((unsigned char)found.type[k]);
        snprintf(path, sizeof path, CPUS "/cpu%d/cache/index%d/shared_cpu_list", cpu, i);
        tm_sysfs_text(root, path, cache->shared_by_cpus, sizeof cache->shared_by_cpus);
    }
    if (out->n == 0)
        snprintf(out->missing, sizeof out->missing, "/" CPUS "/cpu%d/cache is not readable", cpu);
}

static void read_core_kinds(const char *root, const tm_machine_cores *cores, tm_machine *out)
{
    if (cores->n_kinds < 2) return;
    for (int k = 0; k < cores->n_kinds; k++) {
        const tm_core_kind *kind = &cores->kinds[k];
        tm_machine_core_kind *item = &out->core_kinds[out->n_core_kinds++];
        memcpy(item->cpus, kind->cpus, sizeof item->cpus);
        memcpy(item->model, kind->model, sizeof item->model);
        item->n_cpus = kind->n_cpus;
        read_caches(root, kind->first_cpu, &item->caches);
    }
}

static int is_node(const struct dirent *entry)
{
    return strncmp(entry->d_name, "node", 4) == 0 && isdigit((unsigned char)entry->d_name[4]);
}

/* Node numbers may have gaps: 0 and 8 on one machine, 0 to 73 on another. A node without a CPU
 * holds only memory, of an accelerator or behind a link. No thread runs there, and no weights go
 * there. */
static void read_numa(const char *root, tm_machine *out)
{
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
            out->n_memory_nodes++;
        else
            out->n_numa_nodes++;
    }
    free(entries);
}

#if defined(__x86_64__)
/* The hypervisor's signature. qemu's translator has TCGTCGTCGTCG, also in user mode. */
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
    /* qemu in user mode shows the host's cpuinfo, or its own with implementer 0. */
    char text[64];
    if (tm_sysfs_field(root, "proc/cpuinfo", "vendor_id", text, sizeof text)) return true;
    return tm_sysfs_field(root, "proc/cpuinfo", "CPU implementer", text, sizeof text) &&
           strtol(text, NULL, 0) == 0;
#endif
}

/* Names that hypervisors put into the firmware's tables: unlike x86, Arm has no bit for it. An EC2
 * machine is virtual unless its type ends in ".metal". Source: systemd, virt.c. */
static bool firmware_names_hypervisor(const char *root)
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

static void read_virtual(const char *root, bool live, tm_machine *out)
{
    char flags[8192], text[64], vendor[96], product[96] = "";
    bool flag = tm_sysfs_field(root, "proc/cpuinfo", "flags", flags, sizeof flags) &&
                strstr(flags, " hypervisor");
    bool named = tm_sysfs_text(root, "sys/class/dmi/id/sys_vendor", vendor, sizeof vendor);
    if (named) tm_sysfs_text(root, "sys/class/dmi/id/product_name", product, sizeof product);
    bool has_flags = flag || flags[0];
    bool xen = tm_sysfs_text(root, "sys/hypervisor/type", text, sizeof text);
    out->virtual_machine = flag || xen || (named && strcmp(vendor, "QEMU") == 0) ||
                           (!has_flags && firmware_names_hypervisor(root));
    out->emulated = live && is_emulated(root);
    if (named)
        snprintf(out->product.value, sizeof out->product.value, "%s%s%s", vendor,
                 product[0] ? " " : "", product);
    else
        snprintf(out->product.missing, sizeof out->product.missing,
                 "/sys/class/dmi/id is not readable");
}

/* "" if cpuinfo has neither Arm's fields nor x86's. */
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

static void set_text(tm_machine_text *out, const char *value, const char *missing)
{
    snprintf(out->value, sizeof out->value, "%s", value);
    if (!value[0]) snprintf(out->missing, sizeof out->missing, "%s", missing);
}

static void read_processor(const char *root, bool live, const tm_machine_cores *cores,
                           tm_machine *out)
{
    char text[64];
    const char *name = architecture(root, live);
    bool x86 = strcmp(name, "x86_64") == 0;
    set_text(&out->architecture, name, "/proc/cpuinfo is neither x86's nor Arm's");
    /* The part number comes first: some Arm kernels print the same "model name" for every core,
     * "AArch64 Processor rev 2". */
    tm_machine_cores_model(cores, out->cpu_model, sizeof out->cpu_model);
    if (!out->cpu_model[0] &&
        !tm_sysfs_field(root, "proc/cpuinfo", "model name", out->cpu_model, sizeof out->cpu_model))
        out->cpu_model[0] = 0;
    const struct {
        tm_machine_text *out;
        const char *x86_field, *arm_field;
    } ids[] = {{&out->cpu_family, "cpu family", "CPU architecture"},
               {&out->cpu_model_number, "model", "CPU part"},
               {&out->cpu_stepping, "stepping", "CPU revision"}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const char *field = x86 ? ids[i].x86_field : ids[i].arm_field;
        if (!tm_sysfs_field(root, "proc/cpuinfo", field, text, sizeof text)) text[0] = 0;
        set_text(ids[i].out, text, "/proc/cpuinfo does not say");
    }
}

tm_status tm_machine_hardware_read(const char *root, bool live, tm_machine *out, tm_error *err)
{
    int64_t total;
    tm_machine_cores *cores = tm_machine_cores_read(root);
    if (!cores) return tm_fail(err, TM_NOMEM, "no memory to describe the machine");
    out->n_cpus = cores->n_usable;
    out->n_cores = cores->usable_cores;
    out->first_cpu = cores->usable[0];
    out->n_online_cpus = cores->n_cpus;
    out->n_online_cores = cores->n_cores;
    read_processor(root, live, cores, out);
    read_caches(root, cores->kinds[0].first_cpu, &out->caches);
    read_core_kinds(root, cores, out);
    read_numa(root, out);
    /* Whole GiB: what the kernel reserves differs from version to version. */
    bool has_total = tm_sysfs_kb(root, "proc/meminfo", "MemTotal", &total);
    out->memory_gib = has_total ? (total + (1ll << 29)) >> 30 : -1;
    read_virtual(root, live, out);
    free(cores);
    return TM_OK;
}
