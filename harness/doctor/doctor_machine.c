/* The lines that follow from tm_machine: processor, clock, memory and state. */
#include "harness/doctor/doctor.h"

#include "harness/base/sysfs.h"
#include "harness/base/version.h"
#include "kernels/cpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((double)(1 << 30))

/* A line with the text as its value, or missing with the text's reason. */
static tm_doctor_line *text_line(tm_doctor *out, const char *name, const tm_machine_text *text)
{
    tm_doctor_line *line = tm_doctor_add(out, name);
    if (text->value[0])
        tm_doctor_ok(line, "%s", text->value);
    else
        tm_doctor_missing(line, "", "%s", text->missing);
    return line;
}

static bool is(const tm_doctor_line *line, const char *value)
{
    return line->status == TM_DOCTOR_OK && strcmp(line->value, value) == 0;
}

/* "L1 data 32 KiB, L2 unified 1280 KiB". */
static void list_caches(const tm_machine_caches *caches, char *text, size_t size)
{
    text[0] = 0;
    for (int i = 0; i < caches->n; i++) {
        const tm_machine_cache *c = &caches->items[i];
        size_t at = strlen(text);
        snprintf(text + at, size - at, "%sL%d %s %g KiB", at ? ", " : "", c->level, c->type,
                 c->size_bytes / 1024);
    }
}

static void caches_line(const tm_machine *machine, tm_doctor *out)
{
    tm_doctor_line *line = tm_doctor_add(out, "caches");
    list_caches(&machine->caches, line->value, sizeof line->value);
    if (!line->value[0])
        tm_doctor_missing(line, "", "%s", machine->caches.missing);
    else if (machine->n_core_kinds > 0)
        snprintf(line->detail, sizeof line->detail, "of CPUs %s", machine->core_kinds[0].cpus);
}

/* "CPUs 0-11 (12); CPUs 12-19 (8)". The caches of the first kind are on the line "caches", those of
 * the others in the detail here. */
static void core_kinds_line(const tm_machine *machine, tm_doctor *out)
{
    char caches[200], detail[sizeof out->lines[0].detail];
    if (machine->n_core_kinds == 0) return;
    tm_doctor_line *line = tm_doctor_add(out, "core_kinds");
    snprintf(detail, sizeof detail,
             "cores differ in speed or caches: threads start on the fastest cores, and each thread "
             "gets rows in proportion to its core's speed");
    for (int k = 0; k < machine->n_core_kinds; k++) {
        const tm_machine_core_kind *kind = &machine->core_kinds[k];
        size_t at = strlen(line->value);
        snprintf(line->value + at, sizeof line->value - at, "%sCPUs %s (%d%s%s)", at ? "; " : "",
                 kind->cpus, kind->n_cpus, kind->model[0] ? " " : "", kind->model);
        list_caches(&kind->caches, caches, sizeof caches);
        if (k == 0 || !caches[0]) continue;
        at = strlen(detail);
        snprintf(detail + at, sizeof detail - at, "; CPUs %s: %s", kind->cpus, caches);
    }
    tm_doctor_warn(line, "", "%s", detail);
}

static void numa_line(const tm_machine *machine, tm_doctor *out)
{
    tm_doctor_line *line = tm_doctor_add(out, "numa_nodes");
    if (machine->n_numa_nodes > 0)
        tm_doctor_ok(line, "%d", machine->n_numa_nodes);
    else
        tm_doctor_missing(line, "", "/sys/devices/system/node is not readable");
    if (machine->n_numa_nodes > 1)
        tm_doctor_warn(line, "numactl --cpunodebind=0 --membind=0 ternmark run SUITE",
                       "threads and weights on several nodes: bandwidth depends on where pages "
                       "lie");
    size_t at = strlen(line->detail);
    if (machine->n_memory_nodes > 0)
        snprintf(line->detail + at, sizeof line->detail - at,
                 "%s%d more without a CPU: memory of an accelerator, or far away", at ? "; " : "",
                 machine->n_memory_nodes);
}

static void isa_line(bool is_live, tm_doctor *out)
{
    char isa[128];
    tm_doctor_line *line = tm_doctor_add(out, "isa");
    if (!is_live) {
        tm_doctor_missing(line, "", TM_DOCTOR_RECORDED);
        return;
    }
    tm_doctor_ok(line, "%s", tm_isa_text(tm_cpu_isa(), isa, sizeof isa));
    if (tm_cpu_isa() == TM_ISA_NONE)
        tm_doctor_warn(line, "", "only the scalar kernels run here, which are not tuned for speed");
}

static void processor_lines(const tm_machine *machine, const char *root, tm_doctor *out)
{
    char microcode[64];
    tm_doctor_line *line = tm_doctor_add(out, "cpu");
    if (machine->cpu_model[0])
        tm_doctor_ok(line, "%s", machine->cpu_model);
    else
        tm_doctor_missing(line, "", "/proc/cpuinfo names no model");
    tm_doctor_ok(tm_doctor_add(out, "cpus"), "%d usable, %d cores, %d in the machine",
                 machine->n_cpus, machine->n_cores, machine->n_online_cpus);
    isa_line(strcmp(root, "/") == 0, out);
    caches_line(machine, out);
    core_kinds_line(machine, out);
    numa_line(machine, out);
    line = tm_doctor_add(out, "microcode");
    if (tm_sysfs_field(root, "proc/cpuinfo", "microcode", microcode, sizeof microcode))
        tm_doctor_ok(line, "%s", microcode);
    else
        tm_doctor_missing(line, "", "/proc/cpuinfo does not say");
}

static void isolated_cpus_line(const char *root, tm_doctor *out)
{
    char text[200];
    tm_doctor_line *line = tm_doctor_add(out, "isolated_cpus");
    if (!tm_sysfs_text(root, "sys/devices/system/cpu/isolated", text, sizeof text)) {
        tm_doctor_missing(line, "", "/sys/devices/system/cpu/isolated is not readable");
        return;
    }
    tm_doctor_ok(line, "%s", text[0] ? text : "none");
    if (!text[0])
        snprintf(line->detail, sizeof line->detail,
                 "other processes may run on any CPU that is measured");
}

static void aslr_line(const char *root, tm_doctor *out)
{
    char text[32];
    tm_doctor_line *line = tm_doctor_add(out, "aslr");
    if (!tm_sysfs_text(root, "proc/sys/kernel/randomize_va_space", text, sizeof text)) {
        tm_doctor_missing(line, "", "/proc/sys/kernel/randomize_va_space is not readable");
        return;
    }
    tm_doctor_ok(line, "%s", text);
    if (strcmp(text, "0") == 0)
        tm_doctor_warn(line, "sudo sysctl kernel.randomize_va_space=2",
                       "every process gets the same addresses, so all results depend on one "
                       "memory layout");
}

static void clock_lines(const tm_machine *machine, const char *root, tm_doctor *out)
{
    char text[32];
    tm_doctor_line *line = text_line(out, "governor", &machine->governor);
    if (line->status == TM_DOCTOR_OK && !is(line, "performance"))
        tm_doctor_warn(line, "sudo cpupower frequency-set -g performance",
                       "the clock follows the load, so short windows run slower than long ones");
    line = text_line(out, "turbo", &machine->turbo);
    bool has_pstate =
        tm_sysfs_text(root, "sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof text);
    if (is(line, "on"))
        tm_doctor_warn(line,
                       has_pstate
                           ? "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
                           : "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
                       "the clock depends on the temperature and the number of busy cores");
    line = text_line(out, "smt", &machine->smt);
    if (is(line, "on"))
        tm_doctor_warn(line, "echo off | sudo tee /sys/devices/system/cpu/smt/control",
                       "two threads may share a core; ternmark pins one thread per core where it "
                       "can");
    isolated_cpus_line(root, out);
    aslr_line(root, out);
    line = text_line(out, "clock_source", &machine->clock_source);
    if (is(line, "hpet") || is(line, "acpi_pm") || is(line, "jiffies"))
        tm_doctor_warn(line,
                       "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/"
                       "current_clocksource",
                       "each read of this clock is a system call of about a microsecond");
    line = text_line(out, "perf_event_paranoid", &machine->perf_event_paranoid);
    if (line->status == TM_DOCTOR_OK && atoi(line->value) > 2)
        tm_doctor_warn(line, TM_DOCTOR_FIX_PARANOID,
                       "above 2, only root or a program with CAP_PERFMON may open counters");
}

static void cgroup_lines(const tm_cgroup *group, tm_doctor *out)
{
    static const char unknown[] = "no control group is readable";
    tm_doctor_line *line = tm_doctor_add(out, "cgroup_memory");
    if (!group->known) {
        tm_doctor_missing(line, "", unknown);
    } else if (group->memory_limit_bytes < 0) {
        tm_doctor_ok(line, "no limit");
    } else {
        tm_doctor_ok(line, "%.1f GiB, %.1f GiB left", (double)group->memory_limit_bytes / GIB,
                     (double)group->memory_left_bytes / GIB);
        snprintf(line->detail, sizeof line->detail, "set in /%s", group->memory_group);
    }
    line = tm_doctor_add(out, "cgroup_cpu");
    if (!group->known) {
        tm_doctor_missing(line, "", unknown);
    } else if (!(group->cpu_limit > 0)) {
        tm_doctor_ok(line, "no limit");
    } else {
        tm_doctor_ok(line, "%g CPUs' worth of time", group->cpu_limit);
        tm_doctor_warn(line, "docker run without --cpus; use --cpuset-cpus instead",
                       "set in /%s: once it is used up, all threads stop until the next period",
                       group->cpu_group);
    }
}

static void memory_lines(const tm_machine *machine, const char *root, tm_doctor *out)
{
    char text[32];
    tm_doctor_line *line =
        text_line(out, "transparent_huge_pages", &machine->transparent_huge_pages);
    if (is(line, "never"))
        tm_doctor_warn(line, "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
                       "weights lie on 4 KiB pages, so reading them needs more page-table walks");
    line = tm_doctor_add(out, "huge_pages");
    if (tm_sysfs_field(root, "proc/meminfo", "HugePages_Total", text, sizeof text))
        tm_doctor_ok(line, "%s reserved", text);
    else
        tm_doctor_missing(line, "", "/proc/meminfo has no HugePages_Total");
    line = tm_doctor_add(out, "memory");
    if (machine->memory_available_bytes >= 0) {
        snprintf(text, sizeof text, machine->memory_gib >= 0 ? "%lld" : "?",
                 (long long)machine->memory_gib);
        tm_doctor_ok(line, "%.1f GiB available of %s GiB",
                     (double)machine->memory_available_bytes / GIB, text);
        snprintf(line->detail, sizeof line->detail, "set by %s", machine->memory_limit);
    } else {
        tm_doctor_missing(line, "", "/proc/meminfo has no MemAvailable");
    }
    cgroup_lines(&machine->cgroup, out);
}

static void load_lines(const tm_machine *machine, tm_doctor *out)
{
    tm_doctor_line *line = tm_doctor_add(out, "load_average");
    if (isnan(machine->load_average))
        tm_doctor_missing(line, "", "/proc/loadavg is not readable");
    else
        tm_doctor_ok(line, "%.2f", machine->load_average);
    if (machine->load_average > 0.1 * machine->n_cpus)
        tm_doctor_warn(line, "ps aux --sort=-%cpu | head",
                       "other processes compete with what is measured");
    line = tm_doctor_add(out, "steal_percent_since_boot");
    if (isnan(machine->steal_percent))
        tm_doctor_missing(line, "", "/proc/stat is not readable");
    else
        tm_doctor_ok(line, "%.3g", machine->steal_percent);
    if (machine->steal_percent > 1)
        tm_doctor_warn(line, "choose a machine whose CPUs are not shared",
                       "the hypervisor gave this machine's CPU time to others");
}

static void state_lines(const tm_machine *machine, tm_doctor *out)
{
    load_lines(machine, out);
    tm_doctor_line *line = tm_doctor_add(out, "virtual_machine");
    tm_doctor_ok(line, "%s", machine->virtual_machine ? "yes" : "no");
    if (machine->virtual_machine)
        tm_doctor_warn(line, "",
                       "the hypervisor decides which clock, caches and counters it shows, and "
                       "shares them with other guests");
    line = tm_doctor_add(out, "emulated");
    tm_doctor_ok(line, "%s", machine->emulated ? "yes" : "no");
    if (machine->emulated)
        tm_doctor_warn(line, "run on the machine itself",
                       "instructions are emulated, so times are meaningless");
    (void)text_line(out, "kernel", &machine->kernel);
    line = tm_doctor_add(out, "build");
    tm_doctor_ok(line, "%s", tm_build_mode());
    if (strcmp(tm_build_mode(), "release") != 0)
        tm_doctor_warn(line, "make", "only a release build may be timed");
}

void tm_doctor_read_machine(const tm_machine *machine, const char *root, tm_doctor *out)
{
    processor_lines(machine, root, out);
    clock_lines(machine, root, out);
    memory_lines(machine, root, out);
    state_lines(machine, out);
}
