#include "harness/probe/papi_events.h"

#include "harness/base/dynlib.h"

#include <dirent.h>
#include <papi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORE_COMPONENT 0 /* perf_event, always the first */

/* The functions, with the types of the header that this program was built with. */
#define FUNCTIONS(X)                                                                               \
    X(library_init)                                                                                \
    X(shutdown)                                                                                    \
    X(strerror)                                                                                    \
    X(num_components)                                                                              \
    X(get_component_info)                                                                          \
    X(enum_event)                                                                                  \
    X(query_event)                                                                                 \
    X(add_event)                                                                                   \
    X(create_eventset)                                                                             \
    X(assign_eventset_component)                                                                   \
    X(set_opt)                                                                                     \
    X(add_named_event)                                                                             \
    X(start)                                                                                       \
    X(stop)                                                                                        \
    X(read)                                                                                        \
    X(cleanup_eventset)                                                                            \
    X(destroy_eventset)

struct tm_papi {
    char version[32];
    int set; /* PAPI_NULL: not created yet */
    int n_events;
    bool running;
    tm_papi_presets presets; /* n_all 0: not counted yet */
#define MEMBER(name) __typeof__(PAPI_##name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

static const tm_dynlib_function functions[] = {
#define ROW(name) {"PAPI_" #name, offsetof(tm_papi, name)},
    FUNCTIONS(ROW)
#undef ROW
};

static tm_status load(tm_papi *p, const char *library, tm_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "libpapi.so.%d.%d", PAPI_VERSION_MAJOR(PAPI_VERSION),
             PAPI_VERSION_MINOR(PAPI_VERSION));
    return tm_dynlib_open(library ? library : name, "PAPI", functions,
                          sizeof functions / sizeof functions[0], p, err);
}

tm_status tm_papi_open(const char *library, tm_papi **out, tm_error *err)
{
    *out = NULL;
    tm_papi *p = calloc(1, sizeof *p);
    if (!p) return tm_fail(err, TM_NOMEM, "no memory to open PAPI");
    p->set = PAPI_NULL;
    tm_status status = load(p, library, err);
    if (status == TM_OK) {
        int version = p->library_init(PAPI_VER_CURRENT);
        if (version == PAPI_VER_CURRENT)
            snprintf(p->version, sizeof p->version, "%d.%d.%d", PAPI_VERSION_MAJOR(version),
                     PAPI_VERSION_MINOR(version), PAPI_VERSION_REVISION(version));
        else if (version > 0)
            status =
                tm_fail(err, TM_UNSUPPORTED, "PAPI is %d.%d; this program was built with %d.%d",
                        PAPI_VERSION_MAJOR(version), PAPI_VERSION_MINOR(version),
                        PAPI_VERSION_MAJOR(PAPI_VERSION), PAPI_VERSION_MINOR(PAPI_VERSION));
        else
            status = tm_fail(err, TM_UNSUPPORTED, "PAPI cannot be initialized: %s",
                             p->strerror(version));
    }
    if (status != TM_OK) {
        free(p);
        return status;
    }
    *out = p;
    return TM_OK;
}

void tm_papi_close(tm_papi *papi)
{
    long long values[TM_PAPI_EVENTS_MAX];
    if (!papi) return;
    if (papi->running) papi->stop(papi->set, values);
    if (papi->set != PAPI_NULL) {
        papi->cleanup_eventset(papi->set);
        papi->destroy_eventset(&papi->set);
    }
    papi->shutdown();
    free(papi);
}

const char *tm_papi_version(const tm_papi *papi)
{
    return papi->version;
}

/* Adds the event to its own set, so that it cannot conflict with another. Returns PAPI's code. */
static int try_event(const tm_papi *p, int event)
{
    int set = PAPI_NULL;
    int code = p->create_eventset(&set);
    if (code != PAPI_OK) return code;
    code = p->add_event(set, event);
    p->cleanup_eventset(set);
    p->destroy_eventset(&set);
    return code;
}

/* Whether the kernel has a PMU of the processor: "cpu", "cpu_core" or "cpu_atom" on x86,
 * "armv8_pmuv3_0", "apple_icestorm_pmu". */
static bool kernel_has_pmu(void)
{
    bool found = false;
    DIR *folder = opendir("/sys/bus/event_source/devices");
    if (!folder) return false;
    for (const struct dirent *e; !found && (e = readdir(folder));)
        found = strncmp(e->d_name, "cpu", 3) == 0 || strncmp(e->d_name, "arm", 3) == 0 ||
                strncmp(e->d_name, "apple_", 6) == 0;
    closedir(folder);
    return found;
}

/* Sets the reason why no preset can be opened. code: PAPI's result for the last one. */
static void set_refusal(tm_papi *p, int code)
{
    tm_papi_presets *out = &p->presets;
    const PAPI_component_info_t *core = p->get_component_info(CORE_COMPONENT);
    const char *words = p->strerror(code), *cause = "";
    if (core && core->disabled != PAPI_OK && core->disabled_reason[0])
        words = core->disabled_reason;
    out->cause = TM_PAPI_REFUSED;
    if (code == PAPI_EPERM || strstr(words, "paranoid")) {
        out->cause = TM_PAPI_DENIED;
        cause = "the kernel does not permit it";
    } else if (!kernel_has_pmu()) {
        out->cause = TM_PAPI_NO_PMU;
        cause = "the kernel has no PMU";
    }
    snprintf(out->reason, sizeof out->reason,
             "PAPI %s knows %d of %d presets for this processor, but none can be opened: %s%sPAPI: "
             "%.80s%s",
             p->version, out->n_known, out->n_all, cause, cause[0] ? " (" : "", words,
             cause[0] ? ")" : "");
}

const tm_papi_presets *tm_papi_count_presets(tm_papi *papi)
{
    int event = (int)PAPI_PRESET_MASK, refusal = PAPI_ENOEVNT;
    tm_papi_presets *out = &papi->presets;
    if (out->n_all > 0 || papi->enum_event(&event, PAPI_ENUM_FIRST) != PAPI_OK) return out;
    do {
        out->n_all++;
        if (papi->query_event(event) != PAPI_OK) continue;
        out->n_known++;
        int code = try_event(papi, event);
        if (code == PAPI_OK)
            out->n_usable++;
        else
            refusal = code;
    } while (out->n_all < PAPI_MAX_PRESET_EVENTS &&
             papi->enum_event(&event, PAPI_ENUM_EVENTS) == PAPI_OK);
    if (out->n_usable == 0) set_refusal(papi, refusal);
    return out;
}

/* Returns the index of a component if it works, otherwise -1 with the reason. */
static int find_component(const tm_papi *p, const char *name, char *reason, size_t size)
{
    int n = p->num_components();
    for (int i = 0; i < n; i++) {
        const PAPI_component_info_t *c = p->get_component_info(i);
        if (!c || strcmp(c->name, name) != 0) continue;
        if (c->disabled == PAPI_OK) return i;
        snprintf(reason, size, "PAPI's component %s: %.120s", name,
                 c->disabled_reason[0] ? c->disabled_reason : p->strerror(c->disabled));
        return -1;
    }
    snprintf(reason, size, "PAPI %s was built without its component %s", p->version, name);
    return -1;
}

bool tm_papi_component(const tm_papi *papi, const char *name, char *reason, size_t size)
{
    return find_component(papi, name, reason, size) >= 0;
}

tm_status tm_papi_zone_joules(tm_papi *papi, int zone, void (*meanwhile)(void *arg), void *arg,
                              double *joules, tm_error *err)
{
    char reason[200], event[64];
    long long count = 0;
    int set = PAPI_NULL;
    int component = find_component(papi, "powercap", reason, sizeof reason);
    if (component < 0) return tm_fail(err, TM_UNSUPPORTED, "%s", reason);
    snprintf(event, sizeof event, "powercap:::ENERGY_UJ:ZONE%d", zone);
    int code = papi->create_eventset(&set);
    if (code == PAPI_OK) code = papi->assign_eventset_component(set, component);
    if (code == PAPI_OK) code = papi->add_named_event(set, event);
    if (code == PAPI_OK) code = papi->start(set);
    if (code == PAPI_OK) {
        meanwhile(arg);
        code = papi->stop(set, &count);
    }
    if (set != PAPI_NULL) {
        papi->cleanup_eventset(set);
        papi->destroy_eventset(&set);
    }
    if (code != PAPI_OK) return tm_fail(err, TM_IO, "PAPI: %s: %s", event, papi->strerror(code));
    if (count < 0) return tm_fail(err, TM_IO, "PAPI: %s is %lld, a negative count", event, count);
    *joules = 1e-6 * (double)count;
    return TM_OK;
}

/* Inheritance must be set before the first event. PAPI then tries an event of the processor, so
 * this fails on a machine without a PMU. */
static tm_status create_set(tm_papi *p, tm_error *err)
{
    int set = PAPI_NULL;
    int code = p->create_eventset(&set);
    if (code == PAPI_OK) code = p->assign_eventset_component(set, CORE_COMPONENT);
    if (code != PAPI_OK)
        return tm_fail(err, TM_UNSUPPORTED, "PAPI %s cannot create an event set: %s", p->version,
                       p->strerror(code));
    PAPI_option_t option;
    memset(&option, 0, sizeof option);
    option.inherit.eventset = set;
    option.inherit.inherit = PAPI_INHERIT_ALL;
    code = p->set_opt(PAPI_INHERIT, &option);
    if (code == PAPI_OK) {
        p->set = set;
        return TM_OK;
    }
    p->cleanup_eventset(set);
    p->destroy_eventset(&set);
    const tm_papi_presets *presets = tm_papi_count_presets(p);
    if (presets->n_usable == 0) return tm_fail(err, TM_UNSUPPORTED, "%s", presets->reason);
    return tm_fail(err, TM_UNSUPPORTED,
                   "PAPI %s cannot count the threads of this process: %s (%d of %d presets can be "
                   "opened)",
                   p->version, p->strerror(code), presets->n_usable, presets->n_all);
}

tm_status tm_papi_add(tm_papi *papi, const char *event, int *index, tm_error *err)
{
    if (papi->n_events == TM_PAPI_EVENTS_MAX)
        return tm_fail(err, TM_UNSUPPORTED, "PAPI: more than %d events", TM_PAPI_EVENTS_MAX);
    if (papi->set == PAPI_NULL) {
        tm_status status = create_set(papi, err);
        if (status != TM_OK) return status;
    }
    int code = papi->add_named_event(papi->set, event);
    if (code == PAPI_ECNFLCT)
        return tm_fail(err, TM_UNSUPPORTED,
                       "PAPI: %s does not fit next to the %d events before it: %s", event,
                       papi->n_events, papi->strerror(code));
    if (code != PAPI_OK)
        return tm_fail(err, TM_UNSUPPORTED, "PAPI: %s: %s", event, papi->strerror(code));
    *index = papi->n_events++;
    return TM_OK;
}

tm_status tm_papi_start(tm_papi *papi, tm_error *err)
{
    int code = papi->start(papi->set);
    if (code != PAPI_OK)
        return tm_fail(err, TM_UNSUPPORTED, "PAPI cannot start counting: %s", papi->strerror(code));
    papi->running = true;
    return TM_OK;
}

tm_status tm_papi_read(tm_papi *papi, long long values[TM_PAPI_EVENTS_MAX], tm_error *err)
{
    int code = papi->read(papi->set, values);
    if (code != PAPI_OK)
        return tm_fail(err, TM_IO, "PAPI cannot read its counters: %s", papi->strerror(code));
    return TM_OK;
}
