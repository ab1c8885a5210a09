#include "reports/metric.h"

#include "harness/stats/stats.h"
#include "reports/output/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 160

static double missing(char *why, const char *reason)
{
    snprintf(why, WHY_SIZE, "%s", reason);
    return NAN;
}

/* A value of one sample; NaN with the reason. */
typedef double sample_reader(const tm_metric *metric, const tm_record *sample, char *why);

static double median_of(const tm_metric *metric, const tm_process_records *process,
                        sample_reader *read, char *why)
{
    double *values = malloc(sizeof *values * (size_t)(process->n_samples + 1));
    int n = 0;
    if (!values) return missing(why, "out of memory");
    snprintf(why, WHY_SIZE, "no valid sample");
    for (int i = 0; i < process->n_samples; i++) {
        double value = read(metric, process->samples[i], why);
        if (isfinite(value) && value > 0) values[n++] = value;
    }
    double result = tm_median(values, n);
    free(values);
    return result;
}

static double rate_of_sample(const tm_metric *metric, const tm_record *sample, char *why)
{
    (void)metric;
    (void)why;
    return tm_record_rate(sample);
}

static double speed(const tm_metric *metric, const tm_process_records *process, char *why)
{
    return median_of(metric, process, rate_of_sample, why);
}

static double first_token_of_sample(const tm_metric *metric, const tm_record *sample, char *why)
{
    (void)metric;
    if (sample->sample.first_token_ns > 0) return (double)sample->sample.first_token_ns * 1e-6;
    return missing(why, "the test has no prompt");
}

static double first_token(const tm_metric *metric, const tm_process_records *process, char *why)
{
    return median_of(metric, process, first_token_of_sample, why);
}

/* Over the tokens of all repetitions of the process. */
static double token_time(const tm_metric *metric, const tm_process_records *process, char *why)
{
    size_t n = 0, room = 1;
    int needed;
    for (int i = 0; i < process->n_samples; i++)
        room += (size_t)process->samples[i]->sample.n_token_ns;
    double *times = room < INT32_MAX ? malloc(sizeof *times * room) : NULL;
    if (!times) return missing(why, "out of memory");
    for (int i = 0; i < process->n_samples; i++)
        for (int k = 0; k < process->samples[i]->sample.n_token_ns; k++)
            times[n++] = (double)process->samples[i]->sample.token_ns[k] * 1e-6;
    double value = n > 0 ? tm_percentile_supported(times, (int)n, metric->quantile, &needed) : NAN;
    free(times);
    if (n == 0) return missing(why, "no times of single tokens");
    if (isnan(value))
        snprintf(why, WHY_SIZE, "%zu times of single tokens in a process; at least %d are required",
                 n, needed);
    return value;
}

static double measured(const tm_measured *figure, char *why)
{
    return figure->missing[0] ? missing(why, figure->missing) : figure->value;
}

static double peak_of_sample(const tm_metric *metric, const tm_record *sample, char *why)
{
    (void)metric;
    return measured(&sample->sample.peak_rss_bytes, why);
}

/* The peak grows over the life of the process: its last value. */
static double peak_memory(const tm_metric *metric, const tm_process_records *process, char *why)
{
    double most = NAN;
    snprintf(why, WHY_SIZE, "no valid sample");
    for (int i = 0; i < process->n_samples; i++)
        most = fmax(most, peak_of_sample(metric, process->samples[i], why));
    return most;
}

static double counter_of_sample(const tm_metric *metric, const tm_record *sample, char *why)
{
    const tm_record_sample *s = &sample->sample;
    for (int i = 0; i < s->n_counters; i++)
        if (strcmp(s->counters[i].name, metric->counter) == 0)
            return measured(&s->counters[i].figure, why) / s->n_tokens;
    return missing(why, "not counted: ask for it with --counters");
}

static double counter_per_token(const tm_metric *metric, const tm_process_records *process,
                                char *why)
{
    return median_of(metric, process, counter_of_sample, why);
}

/* Gross joules per token of the test: a window repeats one phase as often as its time allows, so
 * the phases are weighted by the tokens of the test. All windows must have one source and scope. */
static double joules(const tm_metric *metric, const tm_process_records *process, char *why)
{
    double sum[TM_PHASES] = {0}, tokens[TM_PHASES] = {0}, all = 0, n_all = 0;
    const tm_record_energy *first = NULL;
    (void)metric;
    for (int i = 0; i < process->n_windows; i++) {
        const tm_record_energy *e = &process->windows[i]->energy;
        if (e->fake) return missing(why, "the joules are fake");
        if (e->gross_joules.missing[0]) return missing(why, e->gross_joules.missing);
        if (!first) first = e;
        if (strcmp(first->source, e->source) != 0 || strcmp(first->scope, e->scope) != 0)
            return missing(why, "its windows have different sources or scopes");
        sum[e->phase] += e->gross_joules.value;
        tokens[e->phase] += (double)(e->n_prompt_tokens + e->n_output_tokens);
    }
    if (!first) return missing(why, "energy was not measured: ask for it with --energy");
    for (int i = 0; i < TM_PHASES; i++) {
        const double n = tm_phase_tokens(&process->windows[0]->cell, (tm_phase)i);
        if (n > 0 && !(tokens[i] > 0)) return missing(why, "a phase of the test has no window");
        if (n > 0) all += n * sum[i] / tokens[i];
        n_all += n;
    }
    return n_all > 0 ? all / n_all : missing(why, "the windows have no tokens");
}

/* --- from the summary of a cell --- */

static tm_interval lone(double value)
{
    return (tm_interval){.value = value, .low = NAN, .high = NAN};
}

static tm_interval speed_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    (void)metric;
    return cell->tokens_per_second;
}

static tm_interval first_token_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    (void)metric;
    return cell->first_token_ms;
}

static tm_interval token_time_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    return lone(metric->quantile == 0.5   ? cell->token_p50.value_ms
                : metric->quantile == 0.9 ? cell->token_p90.value_ms
                                          : cell->token_p99.value_ms);
}

static tm_interval peak_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    (void)metric;
    return lone(cell->peak_rss_bytes.value);
}

static tm_interval joules_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    (void)metric;
    return cell->energy.fake ? lone(NAN) : cell->energy.joules_per_token;
}

static tm_interval counter_of_cell(const tm_metric *metric, const tm_cell_summary *cell)
{
    const tm_cell *c = &cell->cell;
    const double n_tokens =
        tm_phase_tokens(c, TM_PHASE_PROMPT) + tm_phase_tokens(c, TM_PHASE_GENERATION);
    for (int i = 0; i < cell->n_counters; i++)
        if (strcmp(cell->counters[i].name, metric->counter) == 0)
            return lone(cell->counters[i].figure.value / n_tokens);
    return lone(NAN);
}

#define TIME "faster", "slower"
#define LESS "lower", "higher"

/* One row per metric. */
#define METRICS(X)                                                                                 \
    X("tokens_per_second", "speed", "tokens/s", true, TIME, speed, speed_of_cell, NULL, 0, false)  \
    X("first_token", "time to first token", "ms", false, TIME, first_token, first_token_of_cell,   \
      NULL, 0, true)                                                                               \
    X("token_p50", "median token time", "ms", false, TIME, token_time, token_time_of_cell, NULL,   \
      0.5, false)                                                                                  \
    X("token_p90", "token time p90", "ms", false, TIME, token_time, token_time_of_cell, NULL, 0.9, \
      false)                                                                                       \
    X("token_p99", "token time p99", "ms", false, TIME, token_time, token_time_of_cell, NULL,      \
      0.99, false)                                                                                 \
    X("peak_rss", "peak memory", "bytes", false, LESS, peak_memory, peak_of_cell, NULL, 0, false)  \
    X("joules_per_token", "energy per token", "J/token", false, LESS, joules, joules_of_cell,      \
      NULL, 0, false)                                                                              \
    X("instructions_per_token", "instructions per token", "", false, LESS, counter_per_token,      \
      counter_of_cell, "instructions", 0, false)                                                   \
    X("cycles_per_token", "cycles per token", "", false, LESS, counter_per_token, counter_of_cell, \
      "cycles", 0, false)

#define ROW(name, ...)  {name, __VA_ARGS__},
#define NAME(name, ...) name,
const tm_metric tm_metrics[] = {METRICS(ROW){0}};
_Static_assert(sizeof tm_metrics / sizeof *tm_metrics <= TM_METRICS_MAX + 1, "TM_METRICS_MAX");
const char *const tm_metric_names[] = {METRICS(NAME) "all", NULL};

tm_status tm_metric_need(const char *name, const tm_metric **out, tm_error *err)
{
    for (const tm_metric *m = tm_metrics; m->name; m++) {
        if (strcmp(m->name, name) != 0) continue;
        *out = m;
        return TM_OK;
    }
    return tm_unknown_name(err, "metric", name, tm_metric_names);
}

bool tm_metric_applies(const tm_metric *metric, const tm_cell *cell)
{
    if (metric->of_prompt) return cell->n_prompt > 0;
    return metric->quantile == 0 || cell->n_gen > 0;
}

double tm_metric_cost(const tm_metric *metric, double value)
{
    return metric->higher_is_better ? 1 / value : value;
}

char *tm_metric_text(const tm_metric *metric, double value, char *text, size_t size)
{
    char number[64];
    if (strcmp(metric->unit, "bytes") == 0)
        snprintf(text, size, "%s MiB", tm_number(value / 0x1p20, 4, number, sizeof number));
    else
        snprintf(text, size, "%s%s%s", tm_number(value, 4, number, sizeof number),
                 metric->unit[0] ? " " : "", metric->unit);
    return text;
}
