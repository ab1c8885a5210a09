/* Work stealing: how threads take the rows of a phase (the work between two barriers). Each thread
 * takes its own share, either whole or, while the threads run at different speeds, in pieces from
 * its front. A thread that has finished its share then takes pieces from the back of the share with
 * most left, so that a slow or preempted core does not delay the others. Internal to the engine.
 *
 * Cutting has a cost: a piece begins where nothing was prefetched, about half a microsecond each, 1
 * to 8 % of a token on two threads. So a pass measures the speed of each thread, and shares are cut
 * only while one thread is slower than the mean by more than that cost.
 *
 * A share is cut into grains. The grains that remain are a range in one word, which the owner and
 * its helpers shorten by compare-and-swap: there is no lock, and each grain is taken exactly once.
 * A word holds the number of its phase. A word of an earlier phase stands for a whole share of this
 * one, since every thread can compute it; so nothing is reset, and a thread that still sleeps is
 * helped as well.
 */
#ifndef TM_ENGINE_STEAL_H
#define TM_ENGINE_STEAL_H

#include "kernels/base.h"

#include <stdatomic.h>

/* Of one thread, 128 bytes from the next: cache lines are fetched in pairs. Initially zero. */
typedef struct tm_steal_line {
    _Atomic uint64_t left; /* phase << 32 | first grain << 16 | end: what remains */
    uint32_t phase;        /* the owner's count; all threads count the same */
    int node;              /* of memory; the same for all if unknown */
    double ticks, work;    /* the owner's time in the phases of the last pass, and its work */
    double pace;           /* ticks per work, running mean over phases */
    char apart[88];
} tm_steal_line;

/* One thread's view of the phase it is in. */
typedef struct tm_steal {
    tm_steal_line *lines; /* [n_threads], of all */
    int thread, n_threads;
    bool is_cut;            /* shares are cut in this pass; else they are taken whole */
    bool is_new;            /* nothing of the phase is taken yet */
    uint32_t phase;         /* counted if shares are cut */
    int total, first, last; /* units of the phase, and the range of them to compute */
    int begin, end;         /* the thread's share of that range */
    int grain;              /* units of a grain */
} tm_steal;

/* Begins a phase. Every thread of the pool calls it after the same barrier with the same numbers.
 * tm_split(total, 1, thread, n_threads) is the share of a thread; units first .. last-1 are to be
 * computed, at least `grain` at a time. */
void tm_steal_begin(tm_steal *steal, int total, int first, int last, int grain);

/* Takes units *begin .. *end-1 for this thread to compute; false: nothing remains. The owner of a
 * cut share takes half of what remains, down to one grain, so that there are few pieces and the
 * last is small. Afterwards it takes from others' shares, those of its own memory node first. */
bool tm_steal_next(tm_steal *steal, int *begin, int *end);

/* Ends a phase: this thread took `ticks` for `work`, in any unit that is the same for all threads.
 * A thread that took many times as long as in earlier phases was preempted. That phase is not
 * counted, since stealing cannot help there: the others must wait for the piece that it was
 * computing. */
void tm_steal_end(tm_steal *steal, double ticks, double work);
/* How much longer the slowest thread took for its work in the last pass than the mean: 0.1 is 10 %,
 * the most that a pass could gain from even shares. At most 1. */
double tm_steal_unevenness(const tm_steal_line *lines, int n_threads);

/* What the passes so far have shown. */
typedef struct tm_steal_habit {
    double unevenness; /* running mean */
    bool cut;
} tm_steal_habit;

/* Initially shares are cut if the cores are known to differ. */
tm_steal_habit tm_steal_habit_of(bool cores_differ);
/* Updates the habit after a pass. */
void tm_steal_learn(tm_steal_habit *habit, double unevenness);

#endif
