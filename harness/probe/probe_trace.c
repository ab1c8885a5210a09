/* The scope to report for a source, and its power over the window. */
#include "harness/probe/probe_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Two minutes at four points a second before the stride doubles. */
#define TRACE_POINTS 512

/* Rails that feed a whole module (Jetson: TX2 and Orin NX, Nano). The board's other rails are parts
 * of them. */
static const char *const inputs[] = {"rail VDD_IN", "rail POM_5V_IN"};

bool tm_probe_in_scope(const tm_probe_channel_info *info, const char *scope)
{
    if (strcmp(info->unit, "joules") != 0) return false;
    if (strcmp(scope, "package+dram") == 0)
        return strcmp(info->scope, "package") == 0 || strcmp(info->scope, "dram") == 0;
    return strcmp(info->scope, scope) == 0;
}

/* Whether the scope has channels and all of them work. */
static bool scope_works(const tm_probe *probe, const char *scope)
{
    int n = 0;
    for (int i = 0; i < probe->n_channels; i++) {
        if (!tm_probe_in_scope(&probe->channels[i].info, scope)) continue;
        if (probe->channels[i].state != TM_PROBE_OK) return false;
        n++;
    }
    return n > 0;
}

/* A part of the joules of some packages only is the energy of nothing. */
static bool every_package_has_dram(const tm_probe *probe)
{
    int n_packages = 0, n_drams = 0;
    for (int i = 0; i < probe->n_channels; i++) {
        n_packages += strcmp(probe->channels[i].info.scope, "package") == 0;
        n_drams += strcmp(probe->channels[i].info.scope, "dram") == 0;
    }
    return n_drams >= n_packages;
}

static const char *find_working_rail(const tm_probe *probe, const char *part, bool foreign)
{
    for (int i = 0; i < probe->n_channels; i++) {
        const char *scope = probe->channels[i].info.scope;
        if (strncmp(scope, "rail ", 5) == 0 && strcasestr(scope, part) &&
            probe->channels[i].is_foreign == foreign && scope_works(probe, scope))
            return scope;
    }
    return NULL;
}

static const char *choose_scope(const tm_probe *probe)
{
    if (scope_works(probe, "package") && scope_works(probe, "dram") &&
        every_package_has_dram(probe))
        return "package+dram";
    if (scope_works(probe, "package")) return "package";
    if (scope_works(probe, "system")) return "system";
    if (scope_works(probe, "socket")) return "socket";
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (scope_works(probe, inputs[i])) return inputs[i];
    /* "System" of OpenPOWER, "power1 CORE VRD" of an Altra. */
    static const char *const parts[] = {"system", "total", "cpu", "core", ""};
    for (int foreign = 0; foreign < 2; foreign++)
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            const char *rail = find_working_rail(probe, parts[i], foreign);
            if (rail) return rail;
        }
    if (scope_works(probe, "psys")) return "psys";
    for (int i = 0; i < probe->n_channels; i++)
        if (scope_works(probe, probe->channels[i].info.scope)) return probe->channels[i].info.scope;
    return "";
}

bool tm_probe_is_foreign(const tm_probe *probe)
{
    for (int i = 0; i < probe->n_channels; i++)
        if (strcmp(probe->channels[i].info.scope, probe->scope) == 0)
            return probe->channels[i].is_foreign;
    return false;
}

const char *tm_probe_scope(const tm_probe *probe)
{
    return probe->scope;
}

tm_status tm_probe_trace_open(tm_probe *probe, tm_error *err)
{
    tm_probe_trace *trace = &probe->trace;
    snprintf(probe->scope, sizeof probe->scope, "%s", choose_scope(probe));
    if (!(probe->options.trace_hz > 0) || !probe->scope[0]) return TM_OK;
    trace->room = TRACE_POINTS;
    trace->points = calloc(TRACE_POINTS, sizeof *trace->points);
    trace->out = calloc(TRACE_POINTS, sizeof *trace->out);
    if (!trace->points || !trace->out)
        return tm_fail(err, TM_NOMEM, "no memory for a trace of %d points", TRACE_POINTS);
    return TM_OK;
}

void tm_probe_trace_close(tm_probe *probe)
{
    free(probe->trace.points);
    free(probe->trace.out);
}

void tm_probe_trace_add(tm_probe *probe, int64_t ns, bool edge)
{
    tm_probe_trace *trace = &probe->trace;
    double joules = 0;
    if (!trace->points) return;
    for (int i = 0; i < probe->n_channels; i++) {
        const tm_channel *c = &probe->channels[i];
        const tm_tally *t = &probe->tallies[i];
        if (!tm_probe_in_scope(&c->info, probe->scope)) continue;
        /* After a failed read the energy is unknown, so the trace ends. */
        if (c->kind == TM_CHANNEL_SERIES || t->state != TM_PROBE_OK) return;
        joules += c->kind == TM_CHANNEL_COUNTER ? (double)t->total * c->scale : t->joules;
    }
    if (trace->n == 0) {
        trace->stride = 1;
        trace->skipped = 0;
    } else if (!edge && ++trace->skipped < trace->stride)
        return;
    trace->skipped = 0;
    if (trace->n == trace->room) {
        /* The energies are cumulative, so dropping a point loses no joule. */
        for (int i = 0; i < trace->room / 2; i++) trace->points[i] = trace->points[2 * i];
        trace->n = trace->room / 2;
        trace->stride *= 2;
    }
    trace->points[trace->n++] = (struct tm_trace_point){ns, joules};
}

void tm_probe_trace_finish(tm_probe *probe, tm_probe_window *window)
{
    const tm_probe_trace *trace = &probe->trace;
    window->trace = trace->out;
    window->n_trace = 0;
    if (!trace->points) return;
    if (probe->source->trace) {
        window->n_trace =
            probe->source->trace(probe, window->begin_ns, window->end_ns, trace->out, trace->room);
        return;
    }
    for (int i = 1; i < trace->n; i++) {
        const struct tm_trace_point *a = &trace->points[i - 1], *b = &trace->points[i];
        if (b->ns <= a->ns) continue;
        trace->out[window->n_trace++] =
            (tm_probe_point){1e-9 * (double)(b->ns - window->begin_ns),
                             1e9 * (b->joules - a->joules) / (double)(b->ns - a->ns)};
    }
}
