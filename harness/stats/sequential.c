#include "harness/stats/sequential.h"

#include <assert.h>
#include <math.h>

#define CONFIDENCE 0.95

tm_looks tm_looks_make(int max_pairs)
{
    tm_looks out = {.n = 0};
    int even = max_pairs < 2 ? 2 : max_pairs - max_pairs % 2;
    /* 8 12 16 24 32 48 64 96 ...: powers of two and their halves above. */
    for (int at = TM_FIRST_LOOK, step = 4; at < even && out.n + 1 < TM_LOOKS_MAX; at += step) {
        if (at >= 4 * step) step *= 2;
        out.at[out.n++] = at;
    }
    out.at[out.n++] = even;
    return out;
}

bool tm_is_look(const tm_looks *looks, int n)
{
    for (int i = 0; i < looks->n; i++)
        if (looks->at[i] == n) return true;
    return false;
}

tm_interval tm_look_interval(const tm_looks *looks, const double *a, const double *b, int n,
                             double confidence)
{
    return tm_interval_ratio(a, b, n, 1 - (1 - confidence) / looks->n);
}

double tm_interval_half_width(tm_interval ratio)
{
    return sqrt(ratio.high / ratio.low) - 1;
}

void tm_holm(const double *p, int n, double *adjusted)
{
    int order[TM_HOLM_MAX], m = 0;
    assert(n <= TM_HOLM_MAX);
    for (int i = 0; i < n; i++) {
        adjusted[i] = p[i];
        if (isnan(p[i])) continue;
        int at = m++; /* insertion keeps ties in order; n is small */
        for (; at > 0 && p[order[at - 1]] > p[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    double floor = 0;
    for (int k = 0; k < m; k++) {
        floor = fmax(floor, fmin(1, (m - k) * adjusted[order[k]]));
        adjusted[order[k]] = floor;
    }
}

void tm_gate_row_init(tm_gate_row *row, double threshold, double noise_floor)
{
    *row = (tm_gate_row){.threshold = threshold,
                         .noise_floor = noise_floor,
                         .state = TM_GATE_SCREENING,
                         .ratio = tm_interval_positive(NULL, 0, CONFIDENCE),
                         .p = NAN,
                         .because = "no pairs yet"};
}

bool tm_gate_row_is_open(const tm_gate_row *row)
{
    return row->state == TM_GATE_SCREENING || row->state == TM_GATE_CONFIRMING;
}

/* Whether b is worse in both halves of the pairs, by the median of the ratios (spikes do not
 * move it much). */
static bool halves_agree(const double *a, const double *b, int n)
{
    return tm_interval_ratio(b, a, n / 2, CONFIDENCE).value > 1 &&
           tm_interval_ratio(b + n / 2, a + n / 2, n - n / 2, CONFIDENCE).value > 1;
}

typedef struct batch {
    tm_looks looks;
    const double *a, *b;
    int n;
} batch;

static batch batch_of(const tm_gate_limits *limits, const tm_gate_row *row, const double *a,
                      const double *b, int n)
{
    int first = row->state == TM_GATE_CONFIRMING ? row->n_screen : 0;
    return (batch){
        tm_looks_make(first ? limits->confirm_pairs : limits->screen_pairs),
        a + first,
        b + first,
        n - first,
    };
}

/* p of a batch, corrected for its looks. */
static double look_p(const batch *x)
{
    return fmin(1, x->looks.n * tm_ratio_p(x->b, x->a, x->n));
}

static void settle(tm_gate_row *row, tm_gate_state state, const char *because)
{
    row->state = state;
    row->because = because;
}

void tm_gate_row_pass(tm_gate_row *row, const char *because)
{
    if (tm_gate_row_is_open(row)) settle(row, TM_GATE_PASS, because);
}

/* p: of the row, corrected for looks and, in the first batch, for the number of rows. */
static void judge(tm_gate_row *row, const batch *x, double p, bool is_last)
{
    const bool first = row->state == TM_GATE_SCREENING;
    const double worst = 1 + row->threshold;
    const tm_interval r = row->ratio;
    if (x->n < TM_FIRST_LOOK || isnan(r.low)) {
        if (is_last)
            settle(row, TM_GATE_INCONCLUSIVE,
                   first ? "fewer than 8 valid pairs" : "fewer than 8 valid pairs to confirm");
        return;
    }
    if (r.high < worst) {
        settle(row, TM_GATE_PASS,
               first ? "the interval excludes a change beyond the threshold"
                     : "the second batch did not confirm the first");
        return;
    }
    bool beyond = r.value > worst && r.low > 1 && p <= 1 - CONFIDENCE;
    bool above_floor = !(r.value <= row->noise_floor);
    if (beyond && above_floor && halves_agree(x->a, x->b, x->n)) {
        if (first) {
            row->n_screen = x->n;
            settle(row, TM_GATE_CONFIRMING, "beyond the threshold in the first batch");
        } else {
            settle(row, TM_GATE_REGRESSION, "beyond the threshold in two independent batches");
        }
        return;
    }
    if (!is_last) return;
    if (r.value > worst && !above_floor)
        settle(row, TM_GATE_INCONCLUSIVE, "beyond the threshold, but within the noise floor");
    else if (r.value > worst)
        settle(row, TM_GATE_INCONCLUSIVE,
               first
                   ? "beyond the threshold, but the pairs do not agree"
                   : "beyond the threshold in the first batch, the second is too noisy to confirm");
    else if (tm_interval_half_width(r) > row->threshold)
        settle(row, TM_GATE_INCONCLUSIVE, "the interval is wider than the threshold");
    else
        settle(row, TM_GATE_PASS,
               first ? "no change beyond the threshold shown"
                     : "the second batch did not confirm the first");
}

void tm_gate_step(const tm_gate_limits *limits, tm_gate_row *rows, const double *const *a,
                  const double *const *b, const int *n, int n_rows, bool out_of_time)
{
    double adjusted[TM_HOLM_MAX] = {1};
    assert(n_rows <= TM_HOLM_MAX);
    /* Every row counts in the correction, also those that ended: their p is that of their last
     * look. */
    for (int i = 0; i < n_rows; i++) {
        batch x = batch_of(limits, &rows[i], a[i], b[i], n[i]);
        bool due = tm_is_look(&x.looks, x.n) || out_of_time;
        if (rows[i].state == TM_GATE_SCREENING && due && x.n > 0) rows[i].p = look_p(&x);
        adjusted[i] = isnan(rows[i].p) ? 1 : rows[i].p;
    }
    tm_holm(adjusted, n_rows, adjusted);
    for (int i = 0; i < n_rows; i++) {
        tm_gate_row *row = &rows[i];
        if (!tm_gate_row_is_open(row)) continue;
        batch x = batch_of(limits, row, a[i], b[i], n[i]);
        bool is_last = out_of_time || x.n >= x.looks.at[x.looks.n - 1];
        if (!is_last && !tm_is_look(&x.looks, x.n)) continue;
        if (x.n > 0) row->ratio = tm_look_interval(&x.looks, x.b, x.a, x.n, CONFIDENCE);
        bool screening = row->state == TM_GATE_SCREENING;
        judge(row, &x, screening ? adjusted[i] : x.n > 0 ? look_p(&x) : NAN, is_last);
        /* A row that turns to its second batch when time is out has not been confirmed. */
        if (out_of_time && row->state == TM_GATE_CONFIRMING)
            settle(row, TM_GATE_INCONCLUSIVE,
                   "beyond the threshold, but time ran out before the second batch");
    }
}
