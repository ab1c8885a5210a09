/* A source of made-up joules, for testing what uses sources. Every name of it says "fake". */
#include "harness/probe/probe_source.h"

#include <stdio.h>

#define WATTS 10

static tm_status open_fake(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    tm_channel *c;
    tm_status status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) return status;
    snprintf(c->info.name, sizeof c->info.name, "fake package");
    snprintf(c->info.scope, sizeof c->info.scope, "fake package");
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    c->info.method = "fake counter";
    c->scale = 1e-6;
    snprintf(health->reason, sizeof health->reason, "fake: %d W whatever the machine does", WATTS);
    return TM_OK;
}

static tm_probe_state read_fake(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)channel;
    out->raw = (uint64_t)((double)tm_clock_now(probe->options.clock) * 1e-3 * WATTS);
    return TM_PROBE_OK;
}

const tm_probe_source tm_probe_fake = {
    .name = "fake", .role = TM_PROBE_ROLE_FAKE, .open = open_fake, .read = read_fake};
