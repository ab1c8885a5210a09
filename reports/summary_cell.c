#include "reports/summary_cell.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool tm_record_is_valid_sample(const tm_record *r)
{
    return r->kind == TM_RECORD_SAMPLE && strcmp(r->status, "ok") == 0 &&
           r->sample.elapsed_ns > 0 && r->sample.n_tokens > 0;
}

bool tm_same_names(const tm_cell *a, const tm_cell *b)
{
    return tm_same_column(a, b) && strcmp(a->kernel, b->kernel) == 0 &&
           strcmp(a->head_kernel, b->head_kernel) == 0 && strcmp(a->variant, b->variant) == 0;
}

bool tm_same_column(const tm_cell *a, const tm_cell *b)
{
    return tm_same_place(a, b) && strcmp(a->engine, b->engine) == 0;
}

bool tm_same_place(const tm_cell *a, const tm_cell *b)
{
    return a->machine == b->machine && strcmp(a->model, b->model) == 0 &&
           a->threads == b->threads && strcmp(a->test, b->test) == 0 &&
           strcmp(a->cpus, b->cpus) == 0;
}

void tm_add_sentence(char *text, size_t size, const char *fmt, ...)
{
    static const char more[] = "; ...";
    const size_t used = strlen(text), room = strlen(more);
    const char *between = used > 0 ? "; " : "";
    if (used >= room && strcmp(text + used - room, more) == 0) return;
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    const int length = vsnprintf(NULL, 0, fmt, args);
    const bool fits = used + strlen(between) + (size_t)length + room < size;
    if (fits || used == 0) {
        const size_t begin = used + (size_t)snprintf(text + used, size - used, "%s", between);
        vsnprintf(text + begin, size - begin, fmt, again);
        if (!fits) snprintf(text + size - room, room, "...");
    } else if (used + room < size) {
        snprintf(text + used, size - used, "%s", more);
    }
    va_end(again);
    va_end(args);
}

/* Reads a value of a sample; NaN: the sample has none. */
typedef double (*reader)(const tm_record *record, const void *which);

/* Writes the median of each process that has a value to s->medians. Returns how many. */
static int process_medians(const tm_samples *s, reader read, const void *which)
{
    int n_medians = 0;
    for (int p = 0; p < s->n_processes; p++) {
        int n = 0;
        for (int i = s->begins[p]; i < s->begins[p + 1]; i++) {
            double value = read(s->records[i], which);
            if (isfinite(value)) s->values[n++] = value;
        }
        if (n > 0) s->medians[n_medians++] = tm_median(s->values, n);
    }
    return n_medians;
}

static void set_figure(tm_measured *figure, double value, const char *missing)
{
    if (isfinite(value))
        tm_measured_set(figure, value);
    else
        tm_measured_miss(figure, "%s", missing);
}

static void summarise_value(const tm_samples *s, reader read, const void *which,
                            const char *missing, tm_measured *out)
{
    int n = process_medians(s, read, which);
    set_figure(out, n > 0 ? tm_median(s->medians, n) : NAN, missing);
}

typedef enum quantity {
    RATE,
    FIRST_TOKEN_MS,
    LOAD_MS,
    CHECK_MS,
    BYTES,
    MACS,
    BITS,
    HEAD,
    PREDICTED
} quantity;

/* These are above 0 if they were recorded. */
static double read_quantity(const tm_record *r, const void *which)
{
    double value = NAN;
    switch (*(const quantity *)which) {
    case RATE:
        return tm_record_rate(r);
    case FIRST_TOKEN_MS:
        value = (double)r->sample.first_token_ns * 1e-6;
        break;
    case LOAD_MS:
        value = (double)r->sample.load_ns * 1e-6;
        break;
    case CHECK_MS:
        value = (double)r->sample.check_ns * 1e-6;
        break;
    case BYTES:
        value = r->sample.bytes_per_token;
        break;
    case MACS:
        value = r->sample.macs_per_token;
        break;
    case BITS:
        value = r->sample.bits_per_weight;
        break;
    case HEAD:
        value = r->sample.head_bytes;
        break;
    case PREDICTED:
        value = (double)r->predicted_bytes;
        break;
    }
    return value > 0 ? value : NAN;
}

static const tm_measured *figure_at(const tm_record *r, size_t offset)
{
    return (const tm_measured *)(const void *)((const char *)r + offset);
}

static double read_figure(const tm_record *r, const void *offset)
{
    const tm_measured *figure = figure_at(r, *(const size_t *)offset);
    return *figure->missing ? NAN : figure->value;
}

/* The reason in the records for a value that none of them has. */
static const char *reason_at(const tm_samples *s, size_t offset)
{
    for (int i = 0; i < s->n; i++) {
        const char *reason = figure_at(s->records[i], offset)->missing;
        if (*reason) return reason;
    }
    return "not recorded";
}

#define FROM(name) offsetof(tm_record, sample.name)
#define TO(name)   offsetof(tm_cell_summary, name)

/* Values with the same name in records and summaries. */
static const struct {
    size_t from, to;
} copied[] = {
    {FROM(peak_rss_bytes), TO(peak_rss_bytes)},
    {FROM(rss_anonymous_bytes), TO(rss_anonymous_bytes)},
    {FROM(rss_file_bytes), TO(rss_file_bytes)},
    {FROM(minor_faults), TO(minor_faults)},
    {FROM(major_faults), TO(major_faults)},
    {FROM(voluntary_switches), TO(voluntary_switches)},
    {FROM(involuntary_switches), TO(involuntary_switches)},
    {FROM(cpu_user_seconds), TO(cpu_user_seconds)},
    {FROM(cpu_system_seconds), TO(cpu_system_seconds)},
    {FROM(steal_percent), TO(steal_percent)},
    {FROM(harness_ns_per_token), TO(harness_ns_per_token)},
    {FROM(frequency_after_hz), TO(frequency_after_hz)},
    {FROM(throttle_events), TO(throttle_events)},
    {FROM(temperature_after_celsius), TO(temperature_after_celsius)},
};

static const struct {
    quantity which;
    size_t to;
    const char *missing;
} derived[] = {
    {LOAD_MS, TO(load_ms), "load time not recorded"},
    {CHECK_MS, TO(check_ms), "time of checking the kernels not recorded"},
    {BYTES, TO(bytes_per_token), "bytes per token not recorded"},
    {MACS, TO(macs_per_token), "operations per token not recorded"},
    {BITS, TO(bits_per_weight), "bits per weight not recorded"},
    {HEAD, TO(head_bytes), "bytes of the head not recorded"},
    {PREDICTED, TO(predicted_bytes), "no prediction recorded"},
};

/* Products with tokens_per_second. */
static const size_t products[][2] = {{TO(read_gb_per_second), TO(bytes_per_token)},
                                     {TO(gmac_per_second), TO(macs_per_token)}};

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static tm_measured *figure_of(tm_cell_summary *summary, size_t offset)
{
    return (tm_measured *)(void *)((char *)summary + offset);
}

static void summarise_figures(const tm_samples *s, tm_cell_summary *out)
{
    for (size_t i = 0; i < ROWS(copied); i++)
        summarise_value(s, read_figure, &copied[i].from, reason_at(s, copied[i].from),
                        figure_of(out, copied[i].to));
    for (size_t i = 0; i < ROWS(derived); i++) {
        summarise_value(s, read_quantity, &derived[i].which, derived[i].missing,
                        figure_of(out, derived[i].to));
    }
    for (size_t i = 0; i < ROWS(products); i++) {
        const tm_measured *factor = figure_of(out, products[i][1]);
        set_figure(figure_of(out, products[i][0]),
                   factor->value * out->tokens_per_second.value * 1e-9, factor->missing);
    }
}

static const tm_counter *counter_of(const tm_record *r, const char *name)
{
    for (int i = 0; i < r->sample.n_counters; i++)
        if (strcmp(r->sample.counters[i].name, name) == 0) return &r->sample.counters[i];
    return NULL;
}

static double read_counter(const tm_record *r, const void *name)
{
    const tm_counter *c = counter_of(r, name);
    return c && !c->figure.missing[0] ? c->figure.value : NAN;
}

/* The samples of a cell may have different counter groups, or none. The first sample with counters
 * decides which counters are summarised. */
static tm_status summarise_counters(const tm_samples *s, tm_cell_summary *out, tm_error *err)
{
    const tm_record *first = NULL;
    for (int i = 0; i < s->n && !first; i++)
        if (s->records[i]->sample.n_counters > 0) first = s->records[i];
    if (!first) return TM_OK;
    void *memory;
    tm_status status = tm_alloc(&memory, (size_t)first->sample.n_counters, sizeof *out->counters,
                                "counters of a cell", err);
    if (status != TM_OK) return status;
    out->counters = memory;
    out->n_counters = first->sample.n_counters;
    memcpy(out->counter_group, first->sample.counter_group, sizeof out->counter_group);
    for (int k = 0; k < out->n_counters; k++) {
        tm_counter *c = &out->counters[k];
        *c = first->sample.counters[k];
        for (int i = 0; i < s->n; i++) {
            const tm_counter *other = counter_of(s->records[i], c->name);
            if (other && other->share < c->share) c->share = other->share;
        }
        summarise_value(s, read_counter, c->name,
                        c->figure.missing[0] ? first->sample.counters[k].figure.missing
                                             : "not counted",
                        &c->figure);
    }
    return TM_OK;
}

/* Slow outliers are common on shared machines; they move a mean but not a pseudo-median. Overwrites
 * `rates`. */
static tm_interval speed_interval(double *rates, int n, int n_outliers)
{
    if (n_outliers == 0 || n < 6) return tm_processes_interval(rates, n);
    for (int i = 0; i < n; i++) rates[i] = log(rates[i]);
    tm_interval x = tm_hodges_lehmann(rates, n, TM_CONFIDENCE);
    x.value = exp(x.value);
    x.low = exp(x.low);
    x.high = exp(x.high);
    return x;
}

static void summarise_speed(const tm_samples *s, tm_cell_summary *out)
{
    /* Every valid sample has a rate, so there is one median per process. */
    const quantity rate = RATE, first_token = FIRST_TOKEN_MS;
    int n = process_medians(s, read_quantity, &rate);
    out->n_outliers = tm_mark_outliers(s->medians, n, s->flags);
    for (int p = 0; p < n; p++) {
        out->processes[p].tokens_per_second = s->medians[p];
        out->processes[p].is_outlier = s->flags[p];
    }
    out->cv = tm_standard_deviation(s->medians, n) / tm_mean(s->medians, n);
    out->tokens_per_second = speed_interval(s->medians, n, out->n_outliers);

    n = process_medians(s, read_quantity, &first_token);
    out->first_token_ms = tm_processes_interval(s->medians, n);
    if (n == 0)
        snprintf(out->first_token_missing, sizeof out->first_token_missing, "%s",
                 out->cell.n_prompt > 0 ? "first token not recorded" : "the test has no prompt");
}

/* The percentiles of n times, and how many times each needs. */
static void set_percentiles(const double *times_ms, int n, tm_cell_summary *out)
{
    tm_percentile *const to[] = {&out->token_p50, &out->token_p90, &out->token_p99};
    static const double q[] = {0.5, 0.9, 0.99};
    for (int i = 0; i < 3; i++) {
        to[i]->n = n;
        to[i]->value_ms = tm_percentile_supported(times_ms, n, q[i], &to[i]->needed);
    }
}

static tm_status summarise_token_times(const tm_samples *s, tm_cell_summary *out, tm_error *err)
{
    int64_t n = 0; /* at most 2^31 records of 2^31 times */
    for (int i = 0; i < s->n; i++) n += s->records[i]->sample.n_token_ns;
    if (n > INT32_MAX)
        return tm_fail(err, TM_NOMEM, "%s %s: %lld token times, limit %d", out->cell.model,
                       out->cell.test, (long long)n, INT32_MAX);
    if (n == 0) {
        set_percentiles(NULL, 0, out);
        return TM_OK;
    }
    void *memory;
    tm_status status = tm_alloc(&memory, (size_t)n, sizeof(double), "token times", err);
    if (status != TM_OK) return status;
    double *times = memory;
    int filled = 0;
    for (int i = 0; i < s->n; i++)
        for (int t = 0; t < s->records[i]->sample.n_token_ns; t++)
            times[filled++] = (double)s->records[i]->sample.token_ns[t] * 1e-6;
    set_percentiles(times, filled, out);
    tm_free(memory);
    return TM_OK;
}

void tm_collect_marks(const char *marks, char *text, size_t size)
{
    while (*marks) {
        size_t length = strcspn(marks, ";");
        char mark[240];
        snprintf(mark, sizeof mark, "%.*s", (int)length, marks);
        marks += length;
        marks += strspn(marks, "; ");
        if (*mark && !strstr(text, mark)) tm_add_sentence(text, size, "%s", mark);
    }
}

char *tm_more_processes(const tm_json *run, int n, int at_least, char *out, size_t size)
{
    const tm_json *suite = tm_json_get(run, "suite");
    const double planned = tm_json_double(tm_json_get(suite, "processes"), 0);
    const double budget = tm_json_double(tm_json_get(suite, "time_budget_seconds"), 0);
    if (planned > n && budget > 0)
        snprintf(out, size, "raise --time-budget or run it again (%d of %.0f processes ran)", n,
                 planned);
    else if (planned > n)
        snprintf(out, size, "run it again (%d of %.0f processes ran)", n, planned);
    else
        snprintf(out, size, "raise --processes to at least %d", at_least);
    return out;
}

static void collect_warnings(const tm_samples *s, tm_cell_summary *out)
{
    bool tokens_differ = false;
    for (int i = 0; i < s->n; i++) {
        const tm_record *r = s->records[i];
        if (*r->marks) out->n_marked++;
        tm_collect_marks(r->marks, out->marks, sizeof out->marks);
        if (!*r->sample.tokens) continue;
        if (!*out->tokens) snprintf(out->tokens, sizeof out->tokens, "%s", r->sample.tokens);
        tokens_differ = tokens_differ || strcmp(out->tokens, r->sample.tokens) != 0;
    }
    char *text = out->warning;
    size_t size = sizeof out->warning;
    int n = out->n_processes;
    char advice[96];
    tm_more_processes(s->run, n, n + 1, advice, sizeof advice);
    if (n == 1) tm_add_sentence(text, size, "1 process gives no interval: %s", advice);
    if (out->cv > TM_UNSTABLE_CV)
        tm_add_sentence(text, size, "cv %.1f %%: %s", 100 * out->cv, advice);
    if (out->n_outliers > 0)
        tm_add_sentence(text, size, "%d of %d processes %s (outside Tukey's fences, kept)",
                        out->n_outliers, n,
                        out->n_outliers == 1 ? "is an outlier" : "are outliers");
    if (tokens_differ) tm_add_sentence(text, size, "its processes generated different tokens");
    if (out->n_marked > 0)
        tm_add_sentence(text, size, "%d of %d samples marked: %s", out->n_marked, s->n, out->marks);
    if (out->n_failed > 0)
        tm_add_sentence(text, size, "failed %d time%s: %s", out->n_failed, tm_plural(out->n_failed),
                        out->failure);
}

static void miss_everything(tm_cell_summary *out)
{
    for (size_t i = 0; i < ROWS(copied); i++)
        set_figure(figure_of(out, copied[i].to), NAN, out->missing);
    for (size_t i = 0; i < ROWS(derived); i++) {
        tm_measured *figure = figure_of(out, derived[i].to);
        /* A cell that was skipped for its memory keeps the prediction. */
        if (derived[i].which != PREDICTED || !(figure->value > 0))
            set_figure(figure, NAN, out->missing);
    }
    for (size_t i = 0; i < ROWS(products); i++)
        set_figure(figure_of(out, products[i][0]), NAN, out->missing);
    out->tokens_per_second = tm_interval_positive(NULL, 0, TM_CONFIDENCE);
    out->first_token_ms = out->tokens_per_second;
    snprintf(out->first_token_missing, sizeof out->first_token_missing, "%.*s",
             (int)sizeof out->first_token_missing - 1, out->missing);
    out->cv = NAN;
    set_percentiles(NULL, 0, out);
}

/* Sets the time of the control loop of each process; NaN without one. */
static void summarise_control(const tm_samples *s, tm_cell_summary *out)
{
    for (int p = 0; p < s->n_processes; p++) {
        int n = 0;
        for (int i = s->begins[p]; i < s->begins[p + 1]; i++)
            if (s->records[i]->sample.spin_ns > 0)
                s->values[n++] = (double)s->records[i]->sample.spin_ns;
        out->processes[p].control = tm_median(s->values, n);
    }
}

/* Sets the times of day of process number `p` of the samples. */
static void set_times(const tm_samples *s, int p, tm_process *out)
{
    out->begin = out->end = NAN;
    for (int i = s->begins[p]; i < s->begins[p + 1]; i++) {
        const tm_record_sample *sample = &s->records[i]->sample;
        if (!(sample->begin_unix_seconds > 0)) continue;
        out->begin = fmin(out->begin, sample->begin_unix_seconds);
        out->end = fmax(out->end, sample->begin_unix_seconds + (double)sample->elapsed_ns * 1e-9);
    }
}

bool tm_processes_are_pair(const tm_process *a, const tm_process *b)
{
    return a->number == b->number && strcmp(a->run, b->run) == 0;
}

const tm_process *tm_process_partner(const tm_process *process, const tm_process *others, int n)
{
    const tm_process *found = NULL;
    for (int i = 0; i < n; i++)
        if (tm_processes_are_pair(process, &others[i]) &&
            (!found || (found->slot == process->slot && others[i].slot != process->slot)))
            found = &others[i];
    return found;
}

tm_status tm_cell_summarise(const tm_samples *s, tm_cell_summary *out, tm_error *err)
{
    out->n_processes = s->n_processes;
    out->n_repetitions = s->n;
    if (s->n == 0) {
        miss_everything(out);
        return TM_OK;
    }
    snprintf(out->status, sizeof out->status, "ok");
    *out->missing = '\0';
    void *memory;
    tm_status status =
        tm_alloc(&memory, (size_t)s->n_processes, sizeof(tm_process), "processes of a cell", err);
    if (status != TM_OK) return status;
    out->processes = memory;
    for (int p = 0; p < s->n_processes; p++) {
        const tm_record *first = s->records[s->begins[p]];
        out->processes[p] = (tm_process){.number = first->process,
                                         .slot = first->slot,
                                         .n_repetitions = s->begins[p + 1] - s->begins[p]};
        memcpy(out->processes[p].run, first->run_id, sizeof out->processes[p].run);
        set_times(s, p, &out->processes[p]);
    }
    summarise_speed(s, out);
    summarise_control(s, out);
    summarise_figures(s, out);
    collect_warnings(s, out);
    status = summarise_counters(s, out, err);
    return status == TM_OK ? summarise_token_times(s, out, err) : status;
}
