/* The machine as it stands in a run record. The order of the keys is part of the fingerprint. */
#include "harness/machine/machine.h"

#include "harness/base/version.h"
#include "kernels/cpu.h"

#include <math.h>

static void put_text(tm_json *json, const char *key, const tm_machine_text *text)
{
    if (text->value[0])
        tm_json_put_string(json, key, text->value);
    else
        tm_json_put_missing(json, key, text->missing);
}

/* unknown: the largest value that means "unknown". */
static void put_int(tm_json *json, const char *key, int64_t value, int64_t unknown,
                    const char *missing)
{
    if (value > unknown)
        tm_json_put_int(json, key, value);
    else
        tm_json_put_missing(json, key, missing);
}

static void put_caches(tm_json *json, const tm_machine_caches *caches)
{
    if (caches->n == 0) {
        tm_json_put_missing(json, "caches", caches->missing);
        return;
    }
    tm_json *array = tm_json_array();
    for (int i = 0; i < caches->n; i++) {
        const tm_machine_cache *cache = &caches->items[i];
        tm_json *item = tm_json_object();
        tm_json_put_int(item, "level", cache->level);
        tm_json_put_string(item, "type", cache->type);
        tm_json_put_number(item, "size_bytes", cache->size_bytes);
        if (cache->shared_by_cpus[0])
            tm_json_put_string(item, "shared_by_cpus", cache->shared_by_cpus);
        tm_json_append(array, item);
    }
    tm_json_set(json, "caches", array);
}

/* Only if cores differ, so that other machines keep their fingerprints. */
static void put_core_kinds(tm_json *json, const tm_machine *machine)
{
    if (machine->n_core_kinds == 0) return;
    tm_json *array = tm_json_array();
    for (int k = 0; k < machine->n_core_kinds; k++) {
        const tm_machine_core_kind *kind = &machine->core_kinds[k];
        tm_json *item = tm_json_object();
        tm_json_put_string(item, "cpus", kind->cpus);
        tm_json_put_int(item, "n_cpus", kind->n_cpus);
        if (kind->model[0]) tm_json_put_string(item, "model", kind->model);
        put_caches(item, &kind->caches);
        tm_json_append(array, item);
    }
    tm_json_set(json, "core_kinds", array);
}

tm_json *tm_machine_hardware_to_json(const tm_machine *machine)
{
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    put_text(json, "architecture", &machine->architecture);
    if (machine->cpu_model[0])
        tm_json_put_string(json, "cpu_model", machine->cpu_model);
    else
        tm_json_put_missing(json, "cpu_model", "/proc/cpuinfo names no model");
    put_text(json, "cpu_family", &machine->cpu_family);
    put_text(json, "cpu_model_number", &machine->cpu_model_number);
    put_text(json, "cpu_stepping", &machine->cpu_stepping);
    tm_json_put_int(json, "cpus", machine->n_online_cpus);
    tm_json_put_int(json, "cores", machine->n_online_cores);
    put_caches(json, &machine->caches);
    put_core_kinds(json, machine);
    put_int(json, "numa_nodes", machine->n_numa_nodes, 0,
            "/sys/devices/system/node is not readable");
    if (machine->n_memory_nodes > 0)
        tm_json_put_int(json, "numa_nodes_without_cpus", machine->n_memory_nodes);
    put_int(json, "memory_gib", machine->memory_gib, -1, "/proc/meminfo has no MemTotal");
    tm_json_put_bool(json, "virtual_machine", machine->virtual_machine);
    tm_json_put_bool(json, "emulated", machine->emulated);
    put_text(json, "product", &machine->product);
    return json;
}

static void put_build(tm_json *json)
{
    char isa[128];
    tm_json_put_string(json, "version", tm_version());
    tm_json_put_string(json, "commit", tm_commit());
    tm_json_put_string(json, "compiler", tm_compiler());
    tm_json_put_string(json, "build_mode", tm_build_mode());
    tm_json_put_string(json, "isa_used", tm_isa_text(tm_cpu_isa(), isa, sizeof isa));
}

static void put_limits(tm_json *json, const tm_machine *machine)
{
    const char *none = machine->cgroup.known ? "no limit is set" : "no control group is readable";
    put_int(json, "memory_available_bytes", machine->memory_available_bytes, -1,
            "/proc/meminfo has no MemAvailable");
    tm_json_put_string(json, "memory_available_by", machine->memory_limit);
    put_int(json, "cgroup_memory_limit_bytes", machine->cgroup.memory_limit_bytes, -1, none);
    if (machine->cgroup.cpu_limit > 0)
        tm_json_put_number(json, "cgroup_cpu_limit", machine->cgroup.cpu_limit);
    else
        tm_json_put_missing(json, "cgroup_cpu_limit", none);
    put_int(json, "swap_total_bytes", machine->swap_total_bytes, -1,
            "/proc/meminfo has no SwapTotal");
}

tm_json *tm_machine_environment_to_json(const tm_machine *machine)
{
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    tm_json_put_string(json, "date", machine->date);
    put_build(json);
    put_text(json, "host", &machine->host);
    put_text(json, "host_id", &machine->host_id);
    put_text(json, "microcode", &machine->microcode);
    put_text(json, "bios", &machine->bios);
    put_text(json, "kernel", &machine->kernel);
    tm_json_put_int(json, "usable_cpus", machine->n_cpus);
    tm_json_put_int(json, "usable_cores", machine->n_cores);
    put_text(json, "governor", &machine->governor);
    put_text(json, "turbo", &machine->turbo);
    put_text(json, "smt", &machine->smt);
    put_text(json, "transparent_huge_pages", &machine->transparent_huge_pages);
    put_text(json, "clock_source", &machine->clock_source);
    put_text(json, "perf_event_paranoid", &machine->perf_event_paranoid);
    put_limits(json, machine);
    tm_json_put_finite(json, "load_average", machine->load_average,
                       "/proc/loadavg is not readable");
    tm_json_put_finite(json, "steal_percent_since_boot", machine->steal_percent,
                       "/proc/stat is not readable");
    return json;
}
