#include "engine/steal.h"

#include "engine/pool.h"

/* Others a finished thread looks at on each memory node at most. A look costs a cache miss of some
 * 100 ns, which overlap, and makes the owner's next claim one; with 16 helpers a share is done soon
 * enough. */
#define LOOKED_AT 16

#define GRAINS_MAX 65535

/* Passes or phases that a running mean is of, and the unevenness from which on shares are cut and down
 * to which they stay so: cutting costs 1 to 8 %, and equal cores differ by some percent as well. */
#define REMEMBERED  8
#define CUT_ABOVE   0.10
#define WHOLE_BELOW 0.05

#define AWAY 3 /* times as long as usual: see tm_steal_end */

/* Relaxed throughout: a word guards nothing but itself. The input of a phase was written before the
 * barrier in front of it, and its output is read behind the next. */
#define ORDER memory_order_relaxed

/* Of units, or of the grains a share is cut into; half open. */
typedef struct range {
    int begin, end;
} range;

/* Units of a thread's share that are worked on. */
static range split(const tm_steal *claim, int thread)
{
    range share;
    tm_split(claim->total, 1, thread, claim->n_threads, &share.begin, &share.end);
    if (share.begin < claim->first) share.begin = claim->first;
    if (share.end > claim->last) share.end = claim->last;
    if (share.end < share.begin) share.end = share.begin;
    return share;
}

static range share_of(const tm_steal *claim, int thread)
{
    if (thread != claim->thread) return split(claim, thread);
    return (range){claim->begin, claim->end};
}

static range left_of(const tm_steal *claim, int thread, uint64_t word)
{
    if ((uint32_t)(word >> 32) == claim->phase)
        return (range){(int)(word >> 16 & 0xffff), (int)(word & 0xffff)};
    range share = share_of(claim, thread);
    int n = share.end - share.begin;
    return (range){0, n / claim->grain + (n % claim->grain != 0)};
}

/* Leaves grains begin .. end-1 of a thread's share, if `seen` still is what is left; else *seen is
 * what is. */
static bool leave(const tm_steal *claim, int thread, int begin, int end, uint64_t *seen)
{
    uint64_t word = (uint64_t)claim->phase << 32 | (uint64_t)begin << 16 | (uint64_t)end;
    return atomic_compare_exchange_weak_explicit(&claim->lines[thread].left, seen, word, ORDER,
                                                 ORDER);
}

static void units_of(const tm_steal *claim, int thread, range grains, int *begin, int *end)
{
    range share = share_of(claim, thread);
    int64_t last = share.begin + (int64_t)grains.end * claim->grain;
    *begin = share.begin + grains.begin * claim->grain;
    *end = last < share.end ? (int)last : share.end;
}

void tm_steal_begin(tm_steal *claim, int total, int first, int last, int grain)
{
    int most = total / claim->n_threads + 1; /* units of a share */
    claim->total = total;
    claim->first = first;
    claim->last = last;
    range own = split(claim, claim->thread);
    claim->begin = own.begin;
    claim->end = own.end;
    claim->is_new = true;
    if (!claim->is_cut) return;
    claim->grain = grain > most ? most : grain > most / GRAINS_MAX ? grain : most / GRAINS_MAX + 1;
    claim->phase = ++claim->lines[claim->thread].phase;
}

/* From the front of this thread's own share. Its word is of this phase afterwards in any case: none
 * is ever so old that its phase's number comes again. */
static bool claim_own(const tm_steal *claim, int *begin, int *end)
{
    int own = claim->thread;
    uint64_t word = atomic_load_explicit(&claim->lines[own].left, ORDER);
    for (;;) {
        range left = left_of(claim, own, word);
        int n = (left.end - left.begin + 1) / 2;
        if (n == 0 && (uint32_t)(word >> 32) == claim->phase) return false;
        if (!leave(claim, own, left.begin + n, left.end, &word)) continue;
        if (n == 0) return false;
        units_of(claim, own, (range){left.begin, left.begin + n}, begin, end);
        return true;
    }
}

/* The thread with most left among those on this one's memory node, or among the others, that come
 * behind it in the ring; -1: none has anything. *word: its word. */
static int furthest_behind(const tm_steal *claim, bool same_node, uint64_t *word)
{
    int node = claim->lines[claim->thread].node, thread = claim->thread, found = -1, most = 0;
    for (int i = 1, looked_at = 0; i < claim->n_threads && looked_at < LOOKED_AT; i++) {
        if (++thread == claim->n_threads) thread = 0;
        if ((claim->lines[thread].node == node) != same_node) continue;
        uint64_t seen = atomic_load_explicit(&claim->lines[thread].left, ORDER);
        range left = left_of(claim, thread, seen);
        looked_at++;
        if (left.end - left.begin <= most) continue;
        most = left.end - left.begin;
        found = thread;
        *word = seen;
    }
    return found;
}

/* From the back of another's share: of two threads half, of more so much less that those who finish
 * at the same time all find something. */
static bool claim_other(const tm_steal *claim, int *begin, int *end)
{
    for (;;) {
        uint64_t word = 0;
        int other = furthest_behind(claim, true, &word);
        if (other < 0) other = furthest_behind(claim, false, &word);
        if (other < 0) return false;
        range left = left_of(claim, other, word);
        int n = (left.end - left.begin + claim->n_threads - 1) / claim->n_threads;
        if (!leave(claim, other, left.begin, left.end - n, &word)) continue;
        units_of(claim, other, (range){left.end - n, left.end}, begin, end);
        return true;
    }
}

bool tm_steal_next(tm_steal *claim, int *begin, int *end)
{
    if (claim->is_cut) return claim_own(claim, begin, end) || claim_other(claim, begin, end);
    bool is_new = claim->is_new;
    claim->is_new = false;
    *begin = claim->begin;
    *end = claim->end;
    return is_new && *begin < *end;
}

void tm_steal_end(tm_steal *claim, double ticks, double work)
{
    tm_steal_line *own = &claim->lines[claim->thread];
    if (!(work > 0)) return;
    double pace = ticks / work, usual = own->pace > 0 ? own->pace : pace;
    own->pace = usual + ((pace < AWAY * usual ? pace : AWAY * usual) - usual) / REMEMBERED;
    if (pace >= AWAY * usual) return;
    own->ticks += ticks;
    own->work += work;
}

double tm_steal_unevenness(const tm_steal_line *lines, int n_threads)
{
    double ticks = 0, work = 0, slowest = 0;
    for (int i = 0; i < n_threads; i++) {
        if (!(lines[i].work > 0)) continue;
        double pace = lines[i].ticks / lines[i].work;
        if (pace > slowest) slowest = pace;
        ticks += lines[i].ticks;
        work += lines[i].work;
    }
    if (!(ticks > 0)) return 0;
    double unevenness = slowest * work / ticks - 1;
    return unevenness < 1 ? unevenness : 1;
}

tm_steal_habit tm_steal_habit_of(bool cores_differ)
{
    return (tm_steal_habit){.unevenness = cores_differ ? 1 : 0, .cut = cores_differ};
}

void tm_steal_learn(tm_steal_habit *habit, double unevenness)
{
    habit->unevenness += (unevenness - habit->unevenness) / REMEMBERED;
    if (habit->unevenness > CUT_ABOVE) habit->cut = true;
    if (habit->unevenness < WHOLE_BELOW) habit->cut = false;
}
