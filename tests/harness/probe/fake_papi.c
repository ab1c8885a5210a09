/* A libpapi for tests, built as a shared library. It has $FAKE_PAPI_COUNTERS counters (default 2),
 * whose events advance at known rates of CLOCK_MONOTONIC. $FAKE_PAPI selects an error:
 *   old         the version is 5.7
 *   init        it cannot be initialized
 *   noinherit   it cannot follow threads
 *   nopmu       it knows two presets, but cannot open them: there is no such event
 *   denied      as nopmu, for lack of permission
 *   nostart     it cannot start counting
 *   negative    every count is negative (as in papi issue 59)
 *   readfails   reading fails
 *   powercap    no error: it has this component, whose zone 0 uses $FAKE_PAPI_JOULES in a window
 * Otherwise it has no powercap component. The component rocm_smi is disabled. */
#include <papi.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int n_added, running, inherits, last_set, core_set, zone_set;
static long long per_microsecond[32], begin_ns;

static int is(const char *what)
{
    const char *mode = getenv("FAKE_PAPI");
    return mode && strcmp(mode, what) == 0;
}

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

int PAPI_library_init(int version)
{
    n_added = running = inherits = last_set = core_set = zone_set = 0;
    if (is("old")) return PAPI_VERSION_NUMBER(5, 7, 0, 0) & (int)0xffff0000;
    return is("init") ? PAPI_ESYS : version;
}

void PAPI_shutdown(void) {}

char *PAPI_strerror(int code)
{
    return code == PAPI_ECNFLCT   ? "Event exists, but cannot be counted due to hardware limits"
           : code == PAPI_ENOEVNT ? "Event does not exist"
           : code == PAPI_EPERM   ? "Permission level does not permit operation"
                                  : "the fake's error";
}

int PAPI_num_components(void)
{
    return is("powercap") ? 3 : 2;
}

const PAPI_component_info_t *PAPI_get_component_info(int index)
{
    static PAPI_component_info_t info[3];
    strcpy(info[0].name, "perf_event");
    strcpy(info[1].name, "rocm_smi");
    info[1].disabled = PAPI_ECMP_DISABLED;
    strcpy(info[1].disabled_reason, "no such card");
    strcpy(info[2].name, "powercap");
    return index < PAPI_num_components() ? &info[index] : NULL;
}

/* There are three presets, of which two can be counted. */
int PAPI_enum_event(int *code, int modifier)
{
    if (modifier == PAPI_ENUM_FIRST) {
        *code = (int)PAPI_PRESET_MASK;
        return PAPI_OK;
    }
    (*code)++;
    return (*code & 0xff) < 3 ? PAPI_OK : PAPI_ENOEVNT;
}

int PAPI_query_event(int code)
{
    return (code & 0xff) < 2 ? PAPI_OK : PAPI_ENOEVNT;
}

int PAPI_add_event(int set, int code)
{
    if (is("nopmu")) return PAPI_ENOEVNT;
    if (is("denied")) return PAPI_EPERM;
    return set == last_set ? PAPI_query_event(code) : PAPI_EINVAL;
}

int PAPI_create_eventset(int *set)
{
    *set = ++last_set;
    return PAPI_OK;
}

int PAPI_assign_eventset_component(int set, int component)
{
    if (set != last_set || component == 1 || component >= PAPI_num_components()) return PAPI_EINVAL;
    *(component == 0 ? &core_set : &zone_set) = set;
    return PAPI_OK;
}

int PAPI_set_opt(int option, PAPI_option_t *value)
{
    if (option != PAPI_INHERIT || n_added > 0 || is("noinherit") || is("nopmu") || is("denied"))
        return PAPI_ENOEVNT;
    inherits = value->inherit.inherit == PAPI_INHERIT_ALL;
    return PAPI_OK;
}

int PAPI_add_named_event(int set, const char *name)
{
    static const struct {
        const char *name;
        long long per_microsecond;
    } events[] = {{"PAPI_TOT_CYC", 2000}, {"PAPI_TOT_INS", 5000}, {"PAPI_VEC_SP", 300}};
    const char *room = getenv("FAKE_PAPI_COUNTERS");
    if (set == zone_set) return strcmp(name, "powercap:::ENERGY_UJ:ZONE0") ? PAPI_ENOEVNT : PAPI_OK;
    if (set != core_set || !inherits) return PAPI_EINVAL;
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        if (strcmp(events[i].name, name) != 0) continue;
        if (n_added >= (room ? atoi(room) : 2)) return PAPI_ECNFLCT;
        per_microsecond[n_added++] = events[i].per_microsecond;
        return PAPI_OK;
    }
    return PAPI_ENOEVNT;
}

int PAPI_start(int set)
{
    if (set == zone_set) return PAPI_OK;
    if (set != core_set || n_added == 0 || is("nostart")) return PAPI_ECNFLCT;
    running = 1;
    begin_ns = now_ns();
    return PAPI_OK;
}

int PAPI_read(int set, long long *values)
{
    const char *joules = getenv("FAKE_PAPI_JOULES");
    if (set == zone_set) {
        values[0] = (long long)(1e6 * (joules ? atof(joules) : 0));
        return PAPI_OK;
    }
    if (set != core_set || !running || is("readfails")) return PAPI_ENOTRUN;
    for (int i = 0; i < n_added; i++)
        values[i] = is("negative") ? -1 - i : (now_ns() - begin_ns) / 1000 * per_microsecond[i];
    return PAPI_OK;
}

int PAPI_stop(int set, long long *values)
{
    int code = PAPI_read(set, values);
    if (set == core_set) running = 0;
    return code;
}

int PAPI_cleanup_eventset(int set)
{
    if (set == core_set) n_added = 0;
    return set == zone_set || !running ? PAPI_OK : PAPI_EINVAL;
}

int PAPI_destroy_eventset(int *set)
{
    if (*set == zone_set) zone_set = 0;
    *set = PAPI_NULL;
    return PAPI_OK;
}
