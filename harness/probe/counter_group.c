#include "harness/probe/counter_group.h"

#include "harness/base/embedded.h"
#include "harness/base/user_file.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUILT_IN "workloads/counters/"
#define MAX_FILE 65536

/* The events that this program knows, and PAPI's presets for them. perf and getrusage count those
 * without a preset. Source: papi.h's list of presets; perf_event_open(2). */
static const struct {
    const char *name, *papi;
} known[] = {
    {"cycles", "PAPI_TOT_CYC"},
    {"instructions", "PAPI_TOT_INS"},
    {"branches", "PAPI_BR_INS"},
    {"branch_misses", "PAPI_BR_MSP"},
    {"cache_references", "PAPI_L3_TCA"},
    {"cache_misses", "PAPI_L3_TCM"},
    {"stalled_cycles_frontend", ""},
    {"l1d_reads", "PAPI_LD_INS"},
    {"l1d_read_misses", "PAPI_L1_LDM"},
    {"llc_reads", "PAPI_L3_DCR"},
    {"llc_read_misses", "PAPI_L3_LDM"},
    {"dtlb_read_misses", "PAPI_TLB_DM"},
    {"task_clock", ""},
    {"page_faults", ""},
    {"context_switches", ""},
    {"cpu_migrations", ""},
    {"cpu_user", ""},
    {"cpu_system", ""},
    {"minor_faults", ""},
    {"major_faults", ""},
    {"voluntary_switches", ""},
    {"involuntary_switches", ""},
};
static const char *const of_region[] = {"tokens", "seconds", "threads", "bytes", "macs"};

const char *tm_counter_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i].name, name) == 0) return known[i].papi;
    return NULL;
}

static const char *nearest_event(const char *name)
{
    const char *names[sizeof known / sizeof known[0] + 1] = {0};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) names[i] = known[i].name;
    return tm_nearest_name(name, names);
}

/* The line that is being read, and the position in it. */
typedef struct line {
    const char *what;
    int number;
    const char *at;
    tm_error *err;
} line;

TM_PRINTF(2, 3) static tm_status fail_line(const line *l, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tm_fail(l->err, TM_FORMAT, "%s:%d: %s", l->what, l->number, text);
}

static void skip_blanks(line *l)
{
    while (*l->at == ' ' || *l->at == '\t') l->at++;
}

/* Reads the next word: letters, digits and _, or with `any` everything except blanks and =. */
static tm_status read_word(line *l, const char *which, bool any, char *out, size_t size)
{
    size_t n = 0;
    skip_blanks(l);
    while (l->at[n] && !strchr(" \t=", l->at[n])) {
        if (!any && !isalnum((unsigned char)l->at[n]) && l->at[n] != '_')
            return fail_line(l, "%s contains \"%c\"; use letters, digits and _", which, l->at[n]);
        n++;
    }
    if (n == 0) return fail_line(l, "%s is missing", which);
    if (n >= size) return fail_line(l, "%s is longer than %zu characters", which, size - 1);
    memcpy(out, l->at, n);
    out[n] = 0;
    l->at += n;
    skip_blanks(l);
    return TM_OK;
}

static bool is_name_taken(const tm_counter_group *g, const char *name)
{
    for (int i = 0; i < g->n_events; i++)
        if (strcmp(g->events[i].name, name) == 0) return true;
    for (int i = 0; i < g->n_metrics; i++)
        if (strcmp(g->metrics[i].name, name) == 0) return true;
    for (size_t i = 0; i < sizeof of_region / sizeof of_region[0]; i++)
        if (strcmp(of_region[i], name) == 0) return true;
    return false;
}

static tm_status read_event(line *l, tm_counter_group *g)
{
    tm_counter_event event = {0};
    if (g->n_events == TM_COUNTER_EVENTS_MAX)
        return fail_line(l, "more than %d events", TM_COUNTER_EVENTS_MAX);
    tm_status status = read_word(l, "the event's name", false, event.name, sizeof event.name);
    if (status != TM_OK) return status;
    if (*l->at == '=') {
        l->at++;
        status = read_word(l, "PAPI's name", true, event.papi, sizeof event.papi);
        if (status != TM_OK) return status;
    } else {
        const char *papi = tm_counter_known(event.name), *near = nearest_event(event.name);
        if (!papi)
            return fail_line(
                l, "unknown event \"%s\"%s%s%s; for an event of PAPI write: event %s = NAME",
                event.name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "",
                event.name);
        snprintf(event.papi, sizeof event.papi, "%s", papi);
    }
    if (*l->at) return fail_line(l, "unexpected \"%.40s\" after the event", l->at);
    if (is_name_taken(g, event.name)) return fail_line(l, "\"%s\" is defined twice", event.name);
    g->events[g->n_events++] = event;
    return TM_OK;
}

/* Gives every known word the value 2, to check the form of a formula. */
static bool look_up_two(void *arg, const char *word, double *value, const char **missing)
{
    const tm_counter_group *g = arg;
    (void)missing;
    *value = 2;
    for (int i = 0; i < g->n_events; i++)
        if (strcmp(g->events[i].name, word) == 0) return true;
    for (size_t i = 0; i < sizeof of_region / sizeof of_region[0]; i++)
        if (strcmp(of_region[i], word) == 0) return true;
    return false;
}

static tm_status read_metric(line *l, tm_counter_group *g)
{
    tm_counter_metric metric = {0};
    double value;
    char missing[160];
    tm_error inner;
    if (g->n_metrics == TM_COUNTER_METRICS_MAX)
        return fail_line(l, "more than %d metrics", TM_COUNTER_METRICS_MAX);
    tm_status status = read_word(l, "the metric's name", false, metric.name, sizeof metric.name);
    if (status == TM_OK)
        status = read_word(l, "the metric's unit", true, metric.unit, sizeof metric.unit);
    if (status != TM_OK) return status;
    if (*l->at != '=') return fail_line(l, "expected = and a formula after the unit");
    l->at++;
    skip_blanks(l);
    if (strlen(l->at) >= sizeof metric.formula)
        return fail_line(l, "the formula is longer than %zu characters", sizeof metric.formula - 1);
    snprintf(metric.formula, sizeof metric.formula, "%s", l->at);
    if (tm_counter_formula(metric.formula, look_up_two, g, &value, missing, sizeof missing,
                           &inner) != TM_OK)
        return fail_line(l, "%s", inner.message);
    if (is_name_taken(g, metric.name)) return fail_line(l, "\"%s\" is defined twice", metric.name);
    g->metrics[g->n_metrics++] = metric;
    return TM_OK;
}

static tm_status read_line(line *l, tm_counter_group *g)
{
    char key[16];
    skip_blanks(l);
    if (!*l->at || *l->at == '#') return TM_OK;
    tm_status status = read_word(l, "about, event or metric", false, key, sizeof key);
    if (status != TM_OK) return status;
    if (strcmp(key, "event") == 0) return read_event(l, g);
    if (strcmp(key, "metric") == 0) return read_metric(l, g);
    if (strcmp(key, "about") != 0) return fail_line(l, "\"%s\" is not about, event or metric", key);
    if (strlen(l->at) >= sizeof g->about)
        return fail_line(l, "about is longer than %zu characters", sizeof g->about - 1);
    snprintf(g->about, sizeof g->about, "%s", l->at);
    return TM_OK;
}

tm_status tm_counter_group_parse(const char *text, size_t length, const char *what,
                                 tm_counter_group *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    const char *slash = strrchr(what, '/'), *base = slash ? slash + 1 : what;
    snprintf(out->name, sizeof out->name, "%.*s", (int)strcspn(base, "."), base);
    line l = {.what = what, .err = err};
    for (size_t begin = 0; begin < length;) {
        char row[400];
        const char *newline = memchr(text + begin, '\n', length - begin);
        size_t n = newline ? (size_t)(newline - text) - begin : length - begin;
        l.number++;
        if (n >= sizeof row)
            return fail_line(&l, "the line is longer than %zu characters", sizeof row - 1);
        memcpy(row, text + begin, n);
        row[n] = 0;
        if (strlen(row) != n) return fail_line(&l, "the line contains a NUL byte");
        for (const char *c = row; *c; c++)
            if ((unsigned char)*c < 32 && *c != '\t' && *c != '\r')
                return fail_line(&l, "the line contains a control character");
        while (n > 0 && strchr(" \t\r", row[n - 1])) row[--n] = 0;
        l.at = row;
        tm_status status = read_line(&l, out);
        if (status != TM_OK) return status;
        begin = newline ? (size_t)(newline - text) + 1 : length;
    }
    if (out->n_events == 0) return tm_fail(err, TM_FORMAT, "%s: the group has no event", what);
    return TM_OK;
}

const char *const *tm_counter_group_names(void)
{
    return tm_embedded_names(BUILT_IN);
}

tm_status tm_counter_group_read(const char *name_or_path, tm_counter_group *out, tm_error *err)
{
    char path[256];
    static _Thread_local char text[MAX_FILE + 1];
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, BUILT_IN "%s.txt", name_or_path);
    const tm_embedded *data = tm_embedded_find(path);
    if (data) return tm_counter_group_parse(data->text, data->length, path, out, err);
    if (strpbrk(name_or_path, "/.")) {
        size_t n;
        tm_status status = tm_user_file_read(name_or_path, MAX_FILE, text, &n, err);
        return status == TM_OK ? tm_counter_group_parse(text, n, name_or_path, out, err) : status;
    }
    return tm_unknown_name(err, "counter group", name_or_path, tm_counter_group_names());
}
