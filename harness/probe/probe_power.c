/* Sampled power: how late a meter shows a change, what that may hide, and when a window of it is no
 * measurement. */
#include "harness/probe/probe_source.h"

#include "harness/probe/meter_series.h"

#include <math.h>
#include <stdio.h>

#define SLOW_SHARE 0.05 /* bound of a meter with few values, of its joules */
#define VALUES_MIN 3    /* with fewer values the first may be older than the window */
/* A trend of the power: squared correlation with the time, rise over the window, and changes. White
 * noise of ten values exceeds it in 0.5 % of the windows. */
#define TREND_R2      0.64
#define TREND_SHARE   0.005
#define TREND_CHANGES 5

void tm_power_note(tm_trend *t, double seconds, double watts)
{
    t->n++;
    t->s += seconds;
    t->ss += seconds * seconds;
    t->w += watts;
    t->ww += watts * watts;
    t->sw += seconds * watts;
}

/* The time between two values of a meter. It repeats one value until it has the next, so it is no
 * longer than the shortest time between two changes. After one change it may be any time for which
 * the value stayed; without a change, the window or more. */
static double find_refresh(const tm_probe *probe, const tm_channel *c, const tm_tally *t,
                           double window)
{
    bool trusted = probe->options.spin_seconds < 0; /* nothing is tested */
    double seconds = t->n_changes > 1    ? t->quickest_change_seconds
                     : t->n_changes == 1 ? fmax(t->first_change_seconds, t->longest_still_seconds)
                     : trusted           ? 0
                                         : window;
    return c->refresh_seconds > 0 ? fmin(seconds, c->refresh_seconds) : seconds;
}

static double covariance(const tm_tally *tally)
{
    const tm_trend *t = &tally->trend;
    if (tally->low_watts == tally->high_watts) return 0;
    return t->sw / t->n - t->s / t->n * (t->w / t->n);
}

/* What a window may miss because the meter shows a change late: the difference in power for as long
 * as it is late. A value that holds until the next may be wrong by the step to it. If the meter
 * takes a mean over an unknown time, a change before the window shows as a ramp in it; the bound is
 * that of a ramp which ends with the window. */
static double lag_joules(const tm_channel *c, const tm_tally *t, double refresh, double seconds)
{
    double gap = seconds / (double)(t->n_samples - 1);
    double joules = c->mean_seconds > 0
                        ? (c->mean_seconds + refresh) * (t->high_watts - t->low_watts)
                        : 6 * fabs(covariance(t));
    return refresh > 1.5 * gap ? joules + t->step_watts * refresh : joules;
}

static void check_refresh(const tm_channel *c, tm_tally *t, double refresh, double seconds,
                          double bound)
{
    if (c->mean_seconds > seconds / TM_PROBE_SAMPLES_MIN)
        tm_tally_invalidate(t,
                            "%s is a mean over %.3g s, more than a tenth of the window of %.3g s; "
                            "use --energy-seconds %.0f",
                            c->info.name, c->mean_seconds, seconds,
                            ceil(TM_PROBE_SAMPLES_MIN * c->mean_seconds));
    if (c->refresh_seconds == 0 && t->n_changes == 0 && refresh > 0)
        tm_tally_invalidate(
            t,
            "%s stayed at %.6g W for the whole window of %.3g s and while it was opened, so "
            "how often it has a new value is unknown",
            c->info.name, t->last_watts, seconds);
    bool slow = refresh * TM_PROBE_SAMPLES_MIN > 1.1 * seconds;
    if (refresh * VALUES_MIN > seconds || (slow && bound > SLOW_SHARE * t->joules))
        tm_tally_invalidate(
            t,
            "%s has a new value every %.3g s, only %d in %.3g s; at least %d are required: "
            "use --energy-seconds %.0f",
            c->info.name, refresh, (int)(seconds / refresh), seconds, TM_PROBE_SAMPLES_MIN,
            ceil(TM_PROBE_SAMPLES_MIN * refresh));
}

/* A steady rise or fall during the whole window may be a mean over a longer time, which has not
 * reached the power yet. */
static void check_trend(const tm_channel *c, tm_tally *t, double seconds)
{
    const tm_trend *r = &t->trend;
    double both = covariance(t), mean = r->w / r->n;
    double of_time = r->ss / r->n - r->s / r->n * (r->s / r->n),
           of_watts = r->ww / r->n - mean * mean;
    if (c->mean_seconds > 0 || t->n_changes < TREND_CHANGES || !(of_time > 0 && of_watts > 0))
        return;
    double rise = both / of_time * seconds;
    if (both * both < TREND_R2 * of_time * of_watts || fabs(rise) < TREND_SHARE * mean) return;
    tm_tally_invalidate(
        t,
        "%s %s steadily by %.2g W during the window of %.3g s, so it may be a mean over a "
        "longer time; use longer windows (--energy-seconds)",
        c->info.name, rise > 0 ? "rose" : "fell", fabs(rise), seconds);
}

void tm_power_finish(const tm_probe *probe, const tm_channel *c, tm_tally *t, double seconds,
                     tm_probe_value *v)
{
    double refresh = find_refresh(probe, c, t, seconds);
    v->error_bound += t->wobble_joules + lag_joules(c, t, refresh, seconds);
    check_refresh(c, t, refresh, seconds, v->error_bound);
    check_trend(c, t, seconds);
    if (t->n_samples < TM_PROBE_SAMPLES_MIN)
        tm_tally_invalidate(t, "only %lld samples of %s in %.3g s; at least %d are required",
                            (long long)t->n_samples, c->info.name, seconds, TM_PROBE_SAMPLES_MIN);
    if (t->largest_gap_seconds > TM_METER_SERIES_GAP_SECONDS)
        tm_tally_invalidate(
            t, "%s was not read for %.3g s, so its power is unknown; the limit is %.3g s",
            c->info.name, t->largest_gap_seconds, TM_METER_SERIES_GAP_SECONDS);
    if (t->state == TM_PROBE_OK && !(t->joules > 0)) {
        t->state = TM_PROBE_STUCK;
        snprintf(t->reason, sizeof t->reason, "%s read 0 W for the whole window", c->info.name);
    }
    if (t->state == TM_PROBE_OK) v->value = t->joules;
}
