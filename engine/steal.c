#include "engine/steal.h"

#include "engine/pool.h"

/* Most victims that a finished thread inspects on each memory node. Each costs a cache miss of
 * about 100 ns, although these overlap, and makes the owner's next access miss too. Sixteen helpers
 * finish a share soon enough. */
#define INSPECTED_MAX 16

#define GRAINS_MAX 65535

/* Passes or phases in a running mean; the unevenness above which shares are cut, and below which
 * they are whole again. Cutting costs 1 to 8 %, and equal cores differ by some percent too. */
#define REMEMBERED  8
#define CUT_ABOVE   0.10
#define WHOLE_BELOW 0.05

#define PREEMPTED 3 /* times as long as usual: see tm_steal_end */

/* Relaxed throughout: a word protects only itself. The input of a phase was written before the
 * barrier that begins it, and its output is read after the barrier that ends it. */
#define ORDER memory_order_relaxed

/* Of units, or of the grains of a share; half open. */
typedef struct range {
    int begin, end;
} range;

/* Units of a thread's share that are to be computed. */
static range split(const tm_steal *steal, int thread)
{
    range share;
    tm_split(steal->total, 1, thread, steal->n_threads, &share.begin, &share.end);
    if (share.begin < steal->first) share.begin = steal->first;
    if (share.end > steal->last) share.end = steal->last;
    if (share.end < share.begin) share.end = share.begin;
    return share;
}

static range share_of(const tm_steal *steal, int thread)
{
    if (thread != steal->thread) return split(steal, thread);
    return (range){steal->begin, steal->end};
}

static range left_of(const tm_steal *steal, int thread, uint64_t word)
{
    if ((uint32_t)(word >> 32) == steal->phase)
        return (range){(int)(word >> 16 & 0xffff), (int)(word & 0xffff)};
    range share = share_of(steal, thread);
    int n = share.end - share.begin;
    return (range){0, n / steal->grain + (n % steal->grain != 0)};
}

/* Leaves grains begin .. end-1 of a thread's share if its word is still *seen; otherwise *seen
 * becomes the word. */
static bool leave(const tm_steal *steal, int thread, int begin, int end, uint64_t *seen)
{
    uint64_t word = (uint64_t)steal->phase << 32 | (uint64_t)begin << 16 | (uint64_t)end;
    return atomic_compare_exchange_weak_explicit(&steal->lines[thread].left, seen, word, ORDER,
                                                 ORDER);
}

static void units_of(const tm_steal *steal, int thread, range grains, int *begin, int *end)
{
    range share = share_of(steal, thread);
    int64_t last = share.begin + (int64_t)grains.end * steal->grain;
    *begin = share.begin + grains.begin * steal->grain;
    *end = last < share.end ? (int)last : share.end;
}

void tm_steal_begin(tm_steal *steal, int total, int first, int last, int grain)
{
    int most = total / steal->n_threads + 1; /* units of a share */
    steal->total = total;
    steal->first = first;
    steal->last = last;
    range own = split(steal, steal->thread);
    steal->begin = own.begin;
    steal->end = own.end;
    steal->is_new = true;
    if (!steal->is_cut) return;
    steal->grain = grain > most ? most : grain > most / GRAINS_MAX ? grain : most / GRAINS_MAX + 1;
    steal->phase = ++steal->lines[steal->thread].phase;
}

/* From the front of this thread's own share. Afterwards its word is of this phase in any case, so
 * no word gets old enough for the number of its phase to return. */
static bool take_own(const tm_steal *steal, int *begin, int *end)
{
    int own = steal->thread;
    uint64_t word = atomic_load_explicit(&steal->lines[own].left, ORDER);
    for (;;) {
        range left = left_of(steal, own, word);
        int n = (left.end - left.begin + 1) / 2;
        if (n == 0 && (uint32_t)(word >> 32) == steal->phase) return false;
        if (!leave(steal, own, left.begin + n, left.end, &word)) continue;
        if (n == 0) return false;
        units_of(steal, own, (range){left.begin, left.begin + n}, begin, end);
        return true;
    }
}

/* The thread with most left among those on this thread's memory node, or among the others, in the
 * order of the ring; -1: nothing is left. *word: its word. */
static int furthest_behind(const tm_steal *steal, bool same_node, uint64_t *word)
{
    int node = steal->lines[steal->thread].node, thread = steal->thread, found = -1, most = 0;
    for (int i = 1, n_inspected = 0; i < steal->n_threads && n_inspected < INSPECTED_MAX; i++) {
        if (++thread == steal->n_threads) thread = 0;
        if ((steal->lines[thread].node == node) != same_node) continue;
        uint64_t seen = atomic_load_explicit(&steal->lines[thread].left, ORDER);
        range left = left_of(steal, thread, seen);
        n_inspected++;
        if (left.end - left.begin <= most) continue;
        most = left.end - left.begin;
        found = thread;
        *word = seen;
    }
    return found;
}

/* From the back of another share: half with two threads, less with more, so that all threads that
 * finish at the same time find something. */
static bool take_other(const tm_steal *steal, int *begin, int *end)
{
    for (;;) {
        uint64_t word = 0;
        int other = furthest_behind(steal, true, &word);
        if (other < 0) other = furthest_behind(steal, false, &word);
        if (other < 0) return false;
        range left = left_of(steal, other, word);
        int n = (left.end - left.begin + steal->n_threads - 1) / steal->n_threads;
        if (!leave(steal, other, left.begin, left.end - n, &word)) continue;
        units_of(steal, other, (range){left.end - n, left.end}, begin, end);
        return true;
    }
}

bool tm_steal_next(tm_steal *steal, int *begin, int *end)
{
    if (steal->is_cut) return take_own(steal, begin, end) || take_other(steal, begin, end);
    bool is_new = steal->is_new;
    steal->is_new = false;
    *begin = steal->begin;
    *end = steal->end;
    return is_new && *begin < *end;
}

void tm_steal_end(tm_steal *steal, double ticks, double work)
{
    tm_steal_line *own = &steal->lines[steal->thread];
    if (!(work > 0)) return;
    double pace = ticks / work, usual = own->pace > 0 ? own->pace : pace;
    own->pace =
        usual + ((pace < PREEMPTED * usual ? pace : PREEMPTED * usual) - usual) / REMEMBERED;
    if (pace >= PREEMPTED * usual) return;
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
