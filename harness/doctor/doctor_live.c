/* The lines that need a library or a short measurement: the conditions that every sample records,
 * PAPI, libsensors and the memory bandwidth. */
#include "harness/doctor/doctor.h"

#include "harness/base/clock.h"
#include "harness/base/dynlib.h"
#include "harness/base/sysfs.h"
#include "harness/machine/machine_cores.h"
#include "harness/machine/roofline.h"
#include "harness/measure/sample_conditions.h"
#include "harness/probe/papi_events.h"
#include "harness/probe/probe.h"
#include "harness/probe/sensor_library.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BANDWIDTH_SECONDS 0.1
/* Largest accepted difference. Both windows last one second and start and end within milliseconds
 * of each other. */
#define PAPI_DIFFERS 0.1
/* GB/s. One DDR3 channel has more than twice this; lower values mean throttled or shared memory. */
#define SLOW_GB_PER_SECOND 5

/* A Raspberry Pi has no throttle counter, but its firmware reports what held it back. */
static void pi_line(const tm_sample_condition *now, tm_doctor_line *line)
{
    char current[100], past[100];
    unsigned since = now->pi_flags >> TM_PI_SINCE_BOOT;
    tm_pi_firmware_text(now->pi_flags, current, sizeof current);
    tm_pi_firmware_text(since, past, sizeof past);
    tm_doctor_ok(line, "now: %s; since boot: %s", current[0] ? current : "none",
                 past[0] ? past : "none");
    if (!current[0] && !past[0]) return;
    bool voltage = (now->pi_flags | since) & TM_PI_UNDER_VOLTAGE;
    tm_doctor_warn(line,
                   voltage ? "use the board's own power supply and a short cable"
                           : "improve the cooling",
                   "the Raspberry Pi's firmware held the processor back (get_throttled 0x%x): "
                   "samples are marked while it does",
                   now->pi_flags);
}

/* The conditions that every sample records, read for all usable CPUs. */
static void condition_lines(const tm_doctor_options *options, tm_doctor *out)
{
    tm_sample_conditions conditions;
    tm_sample_condition now;
    tm_machine_cores *cores = tm_machine_cores_read(options->root);
    int n = cores ? cores->n_usable : 0;
    if (n > TM_SAMPLE_CONDITIONS_CPUS_MAX) n = TM_SAMPLE_CONDITIONS_CPUS_MAX;
    tm_sample_conditions_open(options->root, cores ? cores->usable : NULL, n, &conditions);
    free(cores);
    tm_sample_conditions_read(&conditions, &now);

    tm_doctor_line *line = tm_doctor_add(out, "clock");
    if (now.frequency_hz.missing[0])
        tm_doctor_missing(line, "", "%s; samples do not record it", now.frequency_hz.missing);
    else
        tm_doctor_ok(line, "%.2f GHz now, mean of %d CPUs", 1e-9 * now.frequency_hz.value, n);
    line = tm_doctor_add(out, "throttling");
    if (now.throttle_events.missing[0] && now.has_pi_flags) {
        pi_line(&now, line);
    } else if (now.throttle_events.missing[0]) {
        tm_doctor_missing(line, "", "%s; throttling would only show in the times",
                          now.throttle_events.missing);
    } else {
        tm_doctor_ok(line, "%.0f events since boot", now.throttle_events.value);
        if (now.throttle_events.value > 0) {
            tm_doctor_warn(
                line, "improve the cooling, or turn turbo off",
                "the processor has been too hot: samples during which the counter advances are "
                "marked");
        }
    }
    line = tm_doctor_add(out, "temperature");
    if (now.temperature_celsius.missing[0])
        tm_doctor_missing(line, "", "%s; samples do not record it",
                          now.temperature_celsius.missing);
    else
        tm_doctor_ok(line, "%.1f C, the hottest of %d sensors", now.temperature_celsius.value,
                     conditions.n_sensors);
}

/* A powercap window that runs while PAPI counts. */
typedef struct beside {
    const tm_clock *clock;
    tm_probe *probe;
    tm_probe_window window;
} beside;

static void measure_beside(void *arg)
{
    beside *b = arg;
    tm_probe_start(b->probe);
    tm_clock_sleep(b->clock, 1050000000);
    tm_probe_stop(b->probe, &b->window);
}

static const tm_probe_value *zone_value(const tm_probe_window *window, const char *name)
{
    for (int i = 0; i < window->n_values; i++)
        if (strcmp(window->values[i].info->name, name) == 0) return &window->values[i];
    return NULL;
}

/* Compares the joules that PAPI reports for zone 0 with those of the powercap files. */
static void papi_powercap_line(const tm_doctor_options *options, tm_papi *papi, tm_doctor *out)
{
    char name[48], reason[200];
    double joules;
    beside b = {.clock = options->clock};
    tm_probe_health health;
    tm_error why = {0};
    tm_probe_options probing = {
        .root = options->root, .spin_seconds = options->spin_seconds, .clock = options->clock};
    tm_doctor_line *line = tm_doctor_add(out, "papi powercap");
    if (!tm_papi_component(papi, "powercap", reason, sizeof reason)) {
        tm_doctor_missing(line, "", "%s; energy is read from powercap without PAPI", reason);
        return;
    }
    if (!tm_sysfs_text(options->root, "sys/class/powercap/intel-rapl:0/name", name, sizeof name) ||
        tm_probe_open("powercap", &probing, &b.probe, &health, &why) != TM_OK) {
        tm_doctor_missing(line, "", "nothing to compare it with: %s",
                          why.message[0] ? why.message : "no zone 0");
        return;
    }
    int64_t begin = tm_clock_now(options->clock);
    if (tm_papi_zone_joules(papi, 0, measure_beside, &b, &joules, &why) != TM_OK) {
        tm_doctor_missing(line, "", "%s", why.message);
    } else {
        double seconds = 1e-9 * (double)(tm_clock_now(options->clock) - begin);
        const tm_probe_value *v = zone_value(&b.window, name);
        if (!v || v->state != TM_PROBE_OK) {
            tm_doctor_missing(line, "", "nothing to compare it with: %s", v ? v->reason : name);
        } else {
            tm_doctor_ok(line, "%.4g J of %s; powercap %.4g J", joules, name, v->value);
            /* PAPI's window encloses powercap's, and is longer if this thread was delayed. */
            double apart = v->value * (seconds / b.window.seconds - 1);
            if (!(fabs(joules - v->value) <= PAPI_DIFFERS * v->value + v->error_bound + apart)) {
                tm_doctor_warn(line, "sudo apt-get install libsensors-dev",
                               "the two differ by more than %.0f %%; results use powercap",
                               100 * PAPI_DIFFERS);
            }
        }
    }
    tm_probe_close(b.probe);
}

static void papi_lines(const tm_doctor_options *options, tm_doctor *out)
{
    static const char *const fixes[] = {[TM_PAPI_COUNTS] = "",
                                        [TM_PAPI_NO_PMU] = TM_DOCTOR_FIX_PMU,
                                        [TM_PAPI_DENIED] = TM_DOCTOR_FIX_PARANOID,
                                        [TM_PAPI_REFUSED] = ""};
    tm_papi *papi;
    tm_error why = {0};
    int index;
    tm_doctor_line *line = tm_doctor_add(out, "papi");
    if (tm_papi_open(options->papi_library, &papi, &why) != TM_OK) {
        tm_doctor_missing(line, tm_is_static_program() ? "" : "sudo apt-get install libpapi-dev",
                          "%s; only perf counts", why.message);
        return;
    }
    const tm_papi_presets *presets = tm_papi_count_presets(papi);
    tm_doctor_ok(line, "%s, %d of %d preset events", tm_papi_version(papi), presets->n_usable,
                 presets->n_all);
    if (presets->n_usable == 0)
        tm_doctor_missing(line, fixes[presets->cause], "%s", presets->reason);
    else if (tm_papi_add(papi, "PAPI_TOT_INS", &index, &why) != TM_OK)
        tm_doctor_missing(line, "", "%s", why.message);
    papi_powercap_line(options, papi, out);
    tm_papi_close(papi);
}

static void sensors_line(tm_doctor *out)
{
    tm_sensors *sensors;
    tm_error why = {0};
    tm_doctor_line *line = tm_doctor_add(out, "libsensors");
    if (tm_sensors_open(&sensors, &why) != TM_OK) {
        tm_doctor_missing(line, "", "%s; hwmon files are read directly, without sensors.conf",
                          why.message);
        return;
    }
    int n = tm_sensors_n_chips(sensors);
    tm_doctor_ok(line, "%s, %d chip%s", tm_sensors_version(sensors), n, tm_plural(n));
    if (n == 0) {
        tm_doctor_warn(
            line, "sudo sensors-detect, on the machine itself",
            "the kernel shows no sensor: this is a virtual machine, or drivers are not loaded");
    }
    tm_sensors_close(sensors);
}

static void bandwidth_line(const tm_doctor_options *options, const tm_machine *machine,
                           tm_doctor *out)
{
    tm_error why = {0};
    tm_doctor_line *line = tm_doctor_add(out, "memory_bandwidth");
    double seconds = options->bandwidth_seconds;
    if (seconds < 0) {
        tm_doctor_missing(line, "", "not requested");
        return;
    }
    tm_roofline *roofline = malloc(sizeof *roofline);
    if (!roofline) {
        tm_doctor_missing(line, "", "no memory to measure it");
        return;
    }
    tm_roofline_options o = tm_roofline_options_for(machine, &machine->n_cores, 1);
    o.seconds_each = seconds > 0 ? seconds : BANDWIDTH_SECONDS;
    o.no_arithmetic = true;
    if (tm_roofline_measure(&o, roofline, &why) != TM_OK || roofline->n_read == 0) {
        tm_doctor_missing(line, "", "%s", why.message[0] ? why.message : "nothing was read");
    } else {
        const tm_roofline_point *p = &roofline->read[0];
        tm_doctor_ok(line, "%.1f GB/s read by %d thread%s", p->value, p->threads,
                     tm_plural(p->threads));
        snprintf(line->detail, sizeof line->detail,
                 "measured for %.2g s; use ternmark roofline for a full measurement",
                 o.seconds_each);
        if (p->value < SLOW_GB_PER_SECOND) {
            tm_doctor_warn(
                line, "",
                "decoding reads every weight once per token: 1 GB of weights gives at most "
                "%.1f tokens per second",
                p->value);
        }
    }
    free(roofline);
}

void tm_doctor_read_live(const tm_doctor_options *options, const tm_machine *machine,
                         tm_doctor *out)
{
    static const char *const names[] = {"papi", "papi powercap", "libsensors", "memory_bandwidth"};
    bool live = strcmp(options->root, "/") == 0, has_papi = live || options->papi_library;
    condition_lines(options, out);
    if (has_papi) papi_lines(options, out);
    if (live) {
        sensors_line(out);
        bandwidth_line(options, machine, out);
        return;
    }
    for (size_t i = has_papi ? 2 : 0; i < sizeof names / sizeof names[0]; i++)
        tm_doctor_missing(tm_doctor_add(out, names[i]), "", TM_DOCTOR_RECORDED);
}
