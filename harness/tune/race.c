#include "harness/tune/race.h"

#include <assert.h>
#include <math.h>

#define FIRST_ROUNDS 2
#define CONFIDENCE   0.95

/* Runs one competitor; false: it failed, or the race was interrupted. */
static bool run(const tm_race *race, tm_race_place *places, int i, double *ns)
{
    if (tm_interrupted(race->interrupt)) return false;
    *ns = race->run(race->arg, i);
    if (*ns > 0) return true;
    places[i].end = TM_RACE_FAILED;
    return false;
}

/* The best of two runs of each, in ns; NaN: failed. One slow run does not lose the race. */
static void run_first(const tm_race *race, tm_race_place *places, double *best)
{
    for (int i = 0; i < race->n; i++) best[i] = INFINITY;
    for (int round = -1; round < FIRST_ROUNDS; round++)
        for (int k = 0; k < race->n; k++) {
            int i = round % 2 ? race->n - 1 - k : k; /* drift affects first and last alike */
            double ns;
            if (places[i].end == TM_RACE_FAILED) continue;
            if (!run(race, places, i, &ns))
                best[i] = NAN;
            else if (round >= 0) /* the first one is the warm-up */
                best[i] = fmin(best[i], ns);
        }
}

/* The competitor that is still in the race and whose first runs were the fastest; -1: none. */
static int fastest(const tm_race *race, const tm_race_place *places, const double *first,
                   const bool *has_met)
{
    int found = -1;
    for (int i = 0; i < race->n; i++)
        if (!has_met[i] && places[i].end == TM_RACE_WON && (found < 0 || first[i] < first[found]))
            found = i;
    return found;
}

static bool is_tie(tm_interval ratio)
{
    return ratio.low >= 1 / (1 + TM_RACE_TIE) && ratio.high <= 1 + TM_RACE_TIE;
}

/* Runs pairs of a and b until they separate or the limits are reached. Returns how it ended for the
 * loser; *loser: a, b, or -1 if one failed or the race was interrupted. */
static tm_race_end duel(const tm_race *race, tm_race_place *places, int a, int b, int *loser,
                        tm_interval *ratio)
{
    double times[2][TM_RACE_PAIRS], seconds = 0;
    const tm_looks looks = tm_looks_make(TM_RACE_PAIRS);
    tm_race_end end = TM_RACE_OPEN;
    int n = 0;
    *loser = -1;
    *ratio = (tm_interval){NAN, NAN, NAN, 0, 0, "none"};
    while (n < TM_RACE_PAIRS && (seconds < TM_RACE_DUEL_SECONDS || n % 2)) {
        for (int slot = 0; slot < 2; slot++) {
            int side = (slot + n) % 2; /* AB BA */
            if (!run(race, places, side ? b : a, &times[side][n])) return TM_RACE_FAILED;
            seconds += times[side][n] * 1e-9;
        }
        n++;
        if (!tm_is_look(&looks, n)) continue;
        *ratio = tm_look_interval(&looks, times[0], times[1], n, CONFIDENCE);
        if (is_tie(*ratio)) end = TM_RACE_EQUAL;
        if (ratio->high < 1 || ratio->low > 1) end = TM_RACE_SLOWER;
        /* A difference that is real but does not matter is a tie. */
        if (end == TM_RACE_SLOWER && is_tie(*ratio)) end = TM_RACE_EQUAL;
        if (end != TM_RACE_OPEN) break;
    }
    if (end == TM_RACE_OPEN) *ratio = tm_look_interval(&looks, times[0], times[1], n, CONFIDENCE);
    if (n < TM_RACE_FIRST_LOOK) ratio->low = ratio->high = NAN;
    bool first_wins = end == TM_RACE_SLOWER              ? ratio->high < 1
                      : race->bytes[a] != race->bytes[b] ? race->bytes[a] < race->bytes[b]
                                                         : a > b;
    *loser = first_wins ? b : a;
    if (first_wins) /* the loser's time over the winner's */
        *ratio = (tm_interval){1 / ratio->value, 1 / ratio->high,   1 / ratio->low,
                               ratio->n,         ratio->confidence, ratio->method};
    return end;
}

static void leave_behind(const tm_race *race, tm_race_place *places, const double *first)
{
    const bool nobody[TM_RACE_MAX] = {false};
    int best = fastest(race, places, first, nobody);
    for (int i = 0; i < race->n && best >= 0; i++) {
        double ratio = first[i] / first[best];
        if (!(ratio > TM_RACE_LEFT_BEHIND)) continue;
        places[i] =
            (tm_race_place){TM_RACE_BEHIND, best, {ratio, NAN, NAN, FIRST_ROUNDS, 0, "none"}};
    }
}

tm_status tm_race_decide(const tm_race *race, tm_race_place *places, int *winner, tm_error *err)
{
    double first[TM_RACE_MAX];
    bool has_met[TM_RACE_MAX] = {false};
    assert(race->n <= TM_RACE_MAX);
    for (int i = 0; i < race->n; i++)
        places[i] = (tm_race_place){TM_RACE_WON, -1, {NAN, NAN, NAN, 0, 0, "none"}};
    run_first(race, places, first);
    leave_behind(race, places, first);
    int best = fastest(race, places, first, has_met), next;
    if (best >= 0) has_met[best] = true;
    while (best >= 0 && !tm_interrupted(race->interrupt) &&
           (next = fastest(race, places, first, has_met)) >= 0) {
        int loser;
        tm_interval ratio;
        tm_race_end end = duel(race, places, best, next, &loser, &ratio);
        has_met[next] = true;
        if (loser >= 0) places[loser] = (tm_race_place){end, loser == best ? next : best, ratio};
        if (places[best].end != TM_RACE_WON) /* it lost or failed */
            best = places[next].end == TM_RACE_WON ? next : fastest(race, places, first, has_met);
        if (best >= 0) has_met[best] = true;
    }
    *winner = best;
    if (tm_interrupted(race->interrupt))
        return tm_fail(err, TM_INTERRUPTED, "interrupted during kernel autotuning");
    return TM_OK;
}
