/* Which of several competitors is the fastest, decided by pairs of runs so that noise does not
 * decide. Pure: the caller runs and times.
 *
 * After a warm-up everyone runs twice, and who needs more than TM_RACE_LEFT_BEHIND times the best
 * in both leaves. The best then meets the others one by one. The two of a duel run in pairs (AB BA
 * AB ...) until the interval of their ratio excludes 1, or lies within TM_RACE_TIE, or
 * TM_RACE_PAIRS or TM_RACE_DUEL_SECONDS are used up. Without a decision whoever reads fewer bytes
 * wins.
 */
#ifndef TM_HARNESS_TUNE_RACE_H
#define TM_HARNESS_TUNE_RACE_H

#include "harness/base/interrupt.h"
#include "harness/stats/sequential.h"

#define TM_RACE_MAX          32 /* competitors */
#define TM_RACE_PAIRS        32 /* at most, per duel */
#define TM_RACE_FIRST_LOOK   TM_FIRST_LOOK
#define TM_RACE_DUEL_SECONDS 12.0
#define TM_RACE_LEFT_BEHIND  1.5
#define TM_RACE_TIE          0.01 /* a difference that does not matter */

typedef struct tm_race {
    int n;
    const double *bytes; /* [n], in any unit; equal ones: the later competitor is preferred */
    double (*run)(void *arg,
                  int i); /* one run of competitor i, in ns; NaN: it failed, and leaves */
    void *arg;
    const tm_interrupt *interrupt; /* checked between runs; NULL: never */
} tm_race;

typedef enum tm_race_end {
    TM_RACE_FAILED,
    TM_RACE_BEHIND, /* much slower in the first rounds, so it got no duel */
    TM_RACE_SLOWER, /* lost a duel */
    TM_RACE_EQUAL,  /* as fast within TM_RACE_TIE; the other reads fewer bytes or is preferred */
    TM_RACE_OPEN,   /* not told apart; likewise */
    TM_RACE_WON,
} tm_race_end;

/* How the race ended for a competitor. */
typedef struct tm_race_place {
    tm_race_end end;
    int lost_to; /* competitor; -1: none */
    /* Its time / that of lost_to. NaN: none. low and high are NaN below TM_RACE_FIRST_LOOK pairs,
     * and for TM_RACE_BEHIND, whose value comes from the first rounds. */
    tm_interval ratio;
} tm_race_place;

/* places: [race->n]. *winner: -1 if everyone failed. Errors: INTERRUPTED. */
tm_status tm_race_decide(const tm_race *race, tm_race_place *places, int *winner,
                         tm_error *err) TM_MUST_USE;

#endif
