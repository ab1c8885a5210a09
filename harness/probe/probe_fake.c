/* A source for testing what uses sources: it makes its figures up and says so in every name. */
#include "harness/probe/probe_source.h"

#include <stdio.h>
#include <string.h>

#include "harness/base/clock.h"

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
    snprintf(health->reason, sizeof health->reason, "fake: %g W whatever the machine does",
             probe->options.fake_watts);
    return TM_OK;
}

static tm_probe_state read_fake(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)channel;
    out->raw = (uint64_t)((double)tm_now_ns() * 1e-3 * probe->options.fake_watts);
    return TM_PROBE_OK;
}

const tm_probe_source tm_probe_fake = {.name = "fake", .open = open_fake, .read = read_fake};
