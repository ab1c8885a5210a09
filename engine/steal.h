/* How threads take the rows of a phase, what lies between two barriers: each its own share, whole, or
 * in pieces from its front while the threads are found to differ; one that is finished then takes
 * pieces from the back of the share with most left, so that a slow core or a disturbed one does not
 * hold up the others. Internal to the engine.
 *
 * Cutting costs: a piece begins where no prefetcher was, about half a microsecond each, 1 to 8 % of a
 * token on two threads. So a pass measures what each thread took for what it did, and shares are cut
 * while one is slower than the mean by more than cutting costs.
 *
 * A share is cut into grains. What nobody has taken of it is a range of grains in one word, which
 * owner and helpers alike shorten by compare-and-swap: no lock, and a grain is taken exactly once.
 * A word names the phase it is of. One of an earlier phase stands for the whole share of this one,
 * since anybody can tell whose rows those are: nothing is reset, and a thread that is still asleep is
 * helped as well.
 */
#ifndef TM_ENGINE_STEAL_H
#define TM_ENGINE_STEAL_H

#include <stdatomic.h>

#include "kernels/base.h"

/* Of one thread, 128 bytes from the next: lines are fetched in pairs. Zeros to begin with. */
typedef struct tm_steal_line {
    _Atomic uint64_t left; /* phase << 32 | first grain << 16 | end: what nobody has taken */
    uint32_t phase;        /* the owner's count: every thread counts alike */
    int node;              /* of memory; where it is not known, the same for all */
    double ticks, work;    /* the owner's time in phases of the last pass, and what it did */
    double pace;           /* ticks for its work, running mean over phases */
    char apart[88];
} tm_steal_line;

/* One thread's view of the phase it is in. */
typedef struct tm_steal {
    tm_steal_line *lines; /* [n_threads], of all */
    int thread, n_threads;
    bool is_cut;            /* the pass's shares; else they are taken whole */
    bool is_new;            /* the phase: nothing taken yet */
    uint32_t phase;         /* counted where shares are cut */
    int total, first, last; /* units of the phase; those of them that are worked on */
    int begin, end;         /* of these the thread's share */
    int grain;              /* units of a grain */
} tm_steal;

/* The next phase, which every thread of the pool begins behind the same barrier with the same
 * numbers: tm_split(total, 1, thread, n_threads) is the share of a thread, of which the units
 * first .. last-1 are to be worked on, no fewer than `grain` at a time. */
void tm_steal_begin(tm_steal *claim, int total, int first, int last, int grain);

/* The units *begin .. *end-1, which are then this thread's to work on; false: none is left. Of a cut
 * share the owner takes half of what is left, down to a grain, so that there are few pieces and the
 * last is small. Then come others' shares, those of its own memory node first. */
bool tm_steal_next(tm_steal *claim, int *begin, int *end);

/* A phase is over: this thread took so many ticks for so much work, in any unit that is the same for
 * all. One that took many times as long as the phases before it was not computing all the while:
 * something else ran on its CPU. That is not counted, since helping cannot mend it: whoever was sent
 * away in the middle of a piece is waited for. */
void tm_steal_end(tm_steal *claim, double ticks, double work);
/* By how much the slowest thread took longer for its work in the last pass than all on average: 0.1 is
 * 10 %, which is what a pass would gain at most from sharing out evenly. At most 1. */
double tm_steal_unevenness(const tm_steal_line *lines, int n_threads);

/* What is known of that after so many passes. */
typedef struct tm_steal_habit {
    double unevenness; /* running mean */
    bool cut;
} tm_steal_habit;

/* To begin with: shares are cut where the cores are known to differ. */
tm_steal_habit tm_steal_habit_of(bool cores_differ);
/* After a pass. */
void tm_steal_learn(tm_steal_habit *habit, double unevenness);

#endif
