/* Counters of this process through PAPI. Each event is a channel. An event that PAPI refuses stays
 * in the list with PAPI's message. */
#include "harness/probe/probe_papi.h"

#include "harness/probe/papi_events.h"
#include "harness/probe/probe_source.h"

#include <stdio.h>
#include <string.h>

static tm_status open_papi(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    tm_papi *papi;
    tm_error why = {0};
    int n_added = 0;
    const tm_probe_papi_options *o = probe->own;
    const tm_probe_event *events = o->events;
    tm_status status = tm_papi_open(o->library, &papi, &why);
    if (status != TM_OK)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "sudo apt-get install libpapi-dev",
                               "%s", why.message);
    probe->private = papi;
    for (int i = 0; i < o->n_events; i++) {
        tm_channel *c;
        if (!events[i].papi[0]) continue;
        status = tm_probe_add(probe, &c, err);
        if (status != TM_OK) return status;
        snprintf(c->info.name, sizeof c->info.name, "%s", events[i].name);
        snprintf(c->info.scope, sizeof c->info.scope, "process, user mode only");
        snprintf(c->info.unit, sizeof c->info.unit, "count");
        c->info.method = "papi";
        c->may_rest = true; /* spinning does not cause every event */
        if (tm_papi_add(papi, events[i].papi, &c->code, &why) == TM_OK) {
            n_added++;
        } else {
            c->state = TM_PROBE_MISSING;
            snprintf(c->reason, sizeof c->reason, "%.190s", why.message);
        }
    }
    if (n_added > 0 && tm_papi_start(papi, &why) != TM_OK)
        return tm_probe_refuse(health, err, TM_PROBE_INVALID, "", "%s", why.message);
    return TM_OK;
}

/* Rejects negative counts, which PAPI has returned (icl-utk-edu/papi, issue 59). */
static tm_probe_state read_papi(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    long long values[TM_PAPI_EVENTS_MAX] = {0};
    tm_error why = {0};
    if (tm_papi_read(probe->private, values, &why) != TM_OK) {
        snprintf(out->reason, sizeof out->reason, "%.190s", why.message);
        return TM_PROBE_INVALID;
    }
    if (values[channel->code] < 0) {
        snprintf(out->reason, sizeof out->reason, "PAPI: %s is %lld, a negative count",
                 channel->info.name, values[channel->code]);
        return TM_PROBE_INVALID;
    }
    out->raw = (uint64_t)values[channel->code];
    return TM_PROBE_OK;
}

static void close_papi(tm_probe *probe)
{
    tm_papi_close(probe->private);
    probe->private = NULL;
}

const tm_probe_source tm_probe_papi = {.name = "papi",
                                       .role = TM_PROBE_ROLE_EVENTS,
                                       .own_size = sizeof(tm_probe_papi_options),
                                       .open = open_papi,
                                       .read = read_papi,
                                       .close = close_papi};
