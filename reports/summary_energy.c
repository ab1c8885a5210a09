#include "reports/summary_energy.h"

#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tm_interval none = {.value = NAN, .low = NAN, .high = NAN, .method = "none"};

const char *tm_energy_token_name(tm_phase phase)
{
    return phase == TM_PHASE_PROMPT ? "prompt" : "output";
}

void tm_cell_energy_free(tm_cell_energy *energy)
{
    for (int i = 0; i < TM_PHASES; i++) tm_free(energy->phases[i].processes);
    *energy = (tm_cell_energy){0};
}

static void miss_phase(tm_energy_phase *p, const char *why)
{
    p->joules_per_token = p->net_joules_per_token = none;
    p->watts = p->net_watts = p->idle_watts = none;
    p->largest_error = p->largest_net_error = NAN;
    snprintf(p->missing, sizeof p->missing, "%s", why[0] ? why : "not measured");
    memcpy(p->net_missing, p->missing, sizeof p->net_missing);
}

static bool is_asked_by(const tm_json *run)
{
    const tm_json *energy = tm_json_get(run, "energy");
    return energy && strcmp(tm_json_text(tm_json_get(energy, "source"), ""), "none") != 0;
}

void tm_cell_energy_miss(tm_cell_energy *out, const tm_json *run, const char *why)
{
    out->is_asked = is_asked_by(run);
    for (int i = 0; i < TM_PHASES; i++) {
        out->phases[i].phase = (tm_phase)i;
        miss_phase(&out->phases[i], why);
    }
    out->joules_per_token = none;
    snprintf(out->missing, sizeof out->missing, "%s", out->phases[0].missing);
}

char *tm_energy_counts(const tm_energy_phase *phase, char *text, size_t size)
{
    text[0] = '\0';
    size_t used = 0;
    for (int i = 0; i <= TM_PROBE_MISSING; i++) {
        if (!phase->n_windows[i] || used >= size) continue;
        used += (size_t)snprintf(text + used, size - used, "%s%d %s", used ? ", " : "",
                                 phase->n_windows[i], tm_probe_state_text((tm_probe_state)i));
    }
    return text;
}

char *tm_energy_origin(const tm_energy_phase *phase, char *text, size_t size)
{
    snprintf(text, size, "%s%s, %s, %s", phase->fake ? "fake: " : "", phase->source, phase->scope,
             phase->method);
    return text;
}

/* The same meter, read in the same way: only such joules may be averaged. */
static bool same_meter(const tm_record_energy *a, const tm_record_energy *b)
{
    return a->fake == b->fake && strcmp(a->source, b->source) == 0 &&
           strcmp(a->scope, b->scope) == 0 && strcmp(a->method, b->method) == 0;
}

/* By process and slot, then by run and by order in the store. */
static int by_process(const void *a, const void *b)
{
    const tm_record *x = *(const tm_record *const *)a, *y = *(const tm_record *const *)b;
    if (x->process != y->process) return x->process < y->process ? -1 : 1;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    int runs = strcmp(x->run_id, y->run_id);
    if (runs != 0) return runs;
    return (x > y) - (x < y);
}

/* The meter of the cell: that of its last good window; a real meter is preferred to a fake one. */
static const tm_record_energy *choose_meter(const tm_record **windows, int n, tm_phase phase)
{
    const tm_record_energy *chosen = NULL;
    const tm_record *last = NULL;
    for (int i = 0; i < n; i++) {
        const tm_record_energy *e = &windows[i]->energy;
        if (e->phase != phase || e->state != TM_PROBE_OK) continue;
        if (chosen && chosen->fake != e->fake ? e->fake : last && windows[i] < last) continue;
        chosen = e;
        last = windows[i];
    }
    return chosen;
}

static void add_process(tm_energy_phase *out, const tm_record *r)
{
    const tm_record_energy *e = &r->energy;
    const bool is_prompt = e->phase == TM_PHASE_PROMPT;
    const tm_record_energy_tokens tokens = is_prompt ? TM_TOKENS_PROMPT : TM_TOKENS_OUTPUT;
    tm_energy_process *p = &out->processes[out->n_processes++];
    *p = (tm_energy_process){.number = r->process, .slot = r->slot};
    memcpy(p->run, r->run_id, sizeof p->run);
    p->joules_per_token = tm_record_energy_per_token(e, tokens, false).value;
    p->net_joules_per_token = tm_record_energy_per_token(e, tokens, true).value;
    p->watts = e->gross_joules.value / e->window_seconds;
    p->net_watts = e->net_joules.value / e->window_seconds;
    p->idle_watts = (e->idle_before_watts.value + e->idle_after_watts.value) / 2;
    if (!isfinite(p->idle_watts))
        snprintf(out->idle_missing, sizeof out->idle_missing, "%s%s", e->fake ? "fake: " : "",
                 isfinite(e->idle_before_watts.value) ? e->idle_after_watts.missing
                                                      : e->idle_before_watts.missing);
    if (isfinite(p->net_joules_per_token))
        out->n_net++;
    else
        snprintf(out->net_missing, sizeof out->net_missing, "%s%s", e->fake ? "fake: " : "",
                 e->net_joules.missing);
    double error = e->error_bound_joules.value / e->gross_joules.value;
    if (isfinite(error) && !(error <= out->largest_error)) out->largest_error = error;
    const tm_measured bound = tm_record_energy_net_bound(e);
    error = bound.value / e->net_joules.value;
    if (isfinite(error) && !(error <= out->largest_net_error)) out->largest_net_error = error;
    if (!isfinite(error))
        snprintf(out->net_error_missing, sizeof out->net_error_missing, "%s%s",
                 e->fake ? "fake: " : "", bound.missing);
    if (e->marks[0] && !strstr(out->warning, e->marks))
        tm_add_sentence(out->warning, sizeof out->warning, "%s", e->marks);
}

/* One window represents a process: its last good one by the chosen meter, else its last one. A
 * number that has a good window in some run counts only the runs with one: what another run lost
 * was measured again. */
static void choose_windows(const tm_record **windows, int n, const tm_record_energy *meter,
                           tm_energy_phase *out)
{
    int n_left_out = 0;
    for (int begin = 0, end; begin < n; begin = end) {
        const tm_record *good = NULL, *lost = NULL;
        int n_good = 0;
        for (end = begin; end < n && windows[end]->process == windows[begin]->process &&
                          windows[end]->slot == windows[begin]->slot;
             end++) {
            const tm_record_energy *e = &windows[end]->energy;
            if (e->phase != out->phase) continue;
            if (good && strcmp(good->run_id, windows[end]->run_id) != 0) {
                add_process(out, good);
                n_good++;
                good = NULL;
            }
            if (e->state == TM_PROBE_OK && same_meter(e, meter))
                good = windows[end];
            else if (e->state == TM_PROBE_OK)
                n_left_out++;
            else
                lost = windows[end];
        }
        if (good) {
            add_process(out, good);
            n_good++;
        }
        out->n_windows[TM_PROBE_OK] += n_good;
        if (n_good == 0 && lost) {
            out->n_windows[lost->energy.state]++;
            snprintf(out->missing, sizeof out->missing, "%s: %.440s",
                     tm_probe_state_text(lost->energy.state), lost->energy.reason);
        }
    }
    if (n_left_out)
        tm_add_sentence(out->warning, sizeof out->warning,
                        "%d window%s of another source, scope or method not counted", n_left_out,
                        tm_plural(n_left_out));
}

static double joules_of(const tm_energy_process *p)
{
    return p->joules_per_token;
}
static double net_joules_of(const tm_energy_process *p)
{
    return p->net_joules_per_token;
}
static double watts_of(const tm_energy_process *p)
{
    return p->watts;
}
static double net_watts_of(const tm_energy_process *p)
{
    return p->net_watts;
}
static double idle_watts_of(const tm_energy_process *p)
{
    return p->idle_watts;
}

/* values: room for n_processes. */
static tm_interval over_processes(const tm_energy_phase *p,
                                  double (*figure)(const tm_energy_process *), double *values)
{
    int n = 0;
    for (int i = 0; i < p->n_processes; i++)
        if (isfinite(figure(&p->processes[i]))) values[n++] = figure(&p->processes[i]);
    return n ? tm_processes_interval(values, n) : none;
}

static void summarise_phase(tm_energy_phase *p, double *values)
{
    if (p->n_processes == 0) {
        char why[480];
        snprintf(why, sizeof why, "%s", p->missing);
        miss_phase(p, why);
        return;
    }
    char lost[480];
    memcpy(lost, p->missing, sizeof lost);
    p->missing[0] = '\0';
    p->joules_per_token = over_processes(p, joules_of, values);
    p->net_joules_per_token = over_processes(p, net_joules_of, values);
    p->watts = over_processes(p, watts_of, values);
    p->net_watts = over_processes(p, net_watts_of, values);
    p->idle_watts = over_processes(p, idle_watts_of, values);
    if (p->n_net > 0) {
        if (p->n_net < p->n_processes)
            tm_add_sentence(p->warning, sizeof p->warning,
                            "net values from %d of %d processes (%s)", p->n_net, p->n_processes,
                            p->net_missing);
        p->net_missing[0] = '\0';
    }
    if (lost[0]) {
        char counts[96];
        tm_add_sentence(p->warning, sizeof p->warning, "energy windows: %s (%s)",
                        tm_energy_counts(p, counts, sizeof counts), lost);
    }
}

/* Why a cell has no windows, from its run record. */
static void explain_no_windows(const tm_json *run, char *text, size_t size)
{
    const tm_json *energy = tm_json_get(run, "energy");
    const char *why = tm_json_text(tm_json_get(energy, "chosen_missing"), NULL);
    if (!energy)
        snprintf(text, size, "the run did not ask for energy");
    else
        snprintf(text, size, "%s", why ? why : "no energy window is recorded");
}

double tm_phase_tokens(const tm_cell *cell, tm_phase phase)
{
    if (phase == TM_PHASE_PROMPT) return cell->n_prompt;
    return (double)cell->n_gen * (cell->n_sequences > 1 ? cell->n_sequences : 1);
}

static bool same_process(const tm_energy_process *a, const tm_energy_process *b)
{
    return a->number == b->number && a->slot == b->slot && strcmp(a->run, b->run) == 0;
}

/* Joules per token of the whole test: per process, weighted by the tokens of both phases. */
static void combine_phases(const tm_cell *cell, tm_cell_energy *out, double *values)
{
    const tm_energy_phase *prompt = &out->phases[TM_PHASE_PROMPT];
    const tm_energy_phase *gen = &out->phases[TM_PHASE_GENERATION];
    const double n_prompt = tm_phase_tokens(cell, TM_PHASE_PROMPT),
                 n_output = tm_phase_tokens(cell, TM_PHASE_GENERATION);
    if (cell->n_prompt == 0 || cell->n_gen == 0) {
        const tm_energy_phase *only = cell->n_prompt > 0 ? prompt : gen;
        out->joules_per_token = only->joules_per_token;
        out->fake = only->fake;
        memcpy(out->missing, only->missing, sizeof out->missing);
        return;
    }
    int n = 0;
    out->joules_per_token = none;
    out->fake = prompt->fake || gen->fake;
    if (prompt->missing[0] || gen->missing[0]) {
        snprintf(out->missing, sizeof out->missing, "%s",
                 prompt->missing[0] ? prompt->missing : gen->missing);
        return;
    }
    if (prompt->fake != gen->fake || strcmp(prompt->source, gen->source) != 0 ||
        strcmp(prompt->scope, gen->scope) != 0) {
        snprintf(out->missing, sizeof out->missing,
                 "prompt and generation were measured over different scopes: %s %s and %s %s",
                 prompt->source, prompt->scope, gen->source, gen->scope);
        return;
    }
    for (int i = 0; i < prompt->n_processes; i++) {
        const tm_energy_process *p = &prompt->processes[i];
        int k = 0;
        while (k < gen->n_processes && !same_process(&gen->processes[k], p)) k++;
        if (k == gen->n_processes) continue;
        values[n++] =
            (p->joules_per_token * n_prompt + gen->processes[k].joules_per_token * n_output) /
            (n_prompt + n_output);
    }
    if (n > 0)
        out->joules_per_token = tm_processes_interval(values, n);
    else
        snprintf(out->missing, sizeof out->missing,
                 "no process has both a prompt and a generation window");
}

tm_status tm_cell_energy_make(const tm_record **windows, int n, const tm_cell *cell,
                              const tm_json *run, tm_cell_energy *out, tm_error *err)
{
    *out = (tm_cell_energy){0};
    void *memory;
    tm_status status = tm_alloc(&memory, (size_t)n + 1, sizeof(double), "energy windows", err);
    if (status != TM_OK) return status;
    double *values = memory;
    out->is_asked = n > 0 || is_asked_by(run);
    qsort(windows, (size_t)n, sizeof *windows, by_process);
    for (int i = 0; i < TM_PHASES && status == TM_OK; i++) {
        tm_energy_phase *p = &out->phases[i];
        p->phase = (tm_phase)i;
        if ((p->phase == TM_PHASE_PROMPT ? cell->n_prompt : cell->n_gen) == 0) {
            miss_phase(p, p->phase == TM_PHASE_PROMPT ? "the test has no prompt"
                                                      : "the test generates no tokens");
            continue;
        }
        p->largest_error = p->largest_net_error = NAN;
        explain_no_windows(run, p->missing, sizeof p->missing);
        const tm_record_energy *meter = choose_meter(windows, n, p->phase);
        status = tm_alloc(&memory, (size_t)n + 1, sizeof *p->processes, "energy windows", err);
        if (status != TM_OK) break;
        p->processes = memory;
        if (meter) {
            p->missing[0] = '\0';
            p->fake = meter->fake;
            memcpy(p->source, meter->source, sizeof p->source);
            memcpy(p->scope, meter->scope, sizeof p->scope);
            memcpy(p->method, meter->method, sizeof p->method);
        }
        choose_windows(windows, n, meter, p);
        summarise_phase(p, values);
    }
    if (status == TM_OK) combine_phases(cell, out, values);
    tm_free(values);
    if (status != TM_OK) tm_cell_energy_free(out);
    return status;
}

tm_interval tm_energy_tokens_per_joule(const tm_interval *joules_per_token)
{
    tm_interval tokens = *joules_per_token;
    tokens.value = 1 / joules_per_token->value;
    tokens.low = 1 / joules_per_token->high;
    tokens.high = 1 / joules_per_token->low;
    return tokens;
}

tm_interval tm_energy_saving_percent(const tm_interval *ratio)
{
    tm_interval percent = *ratio;
    percent.value = 100 * (1 - ratio->value);
    percent.low = 100 * (1 - ratio->high);
    percent.high = 100 * (1 - ratio->low);
    return percent;
}

/* Whether a ratio can be computed; otherwise out->missing has the reason. */
static bool may_compare(const tm_energy_phase *a, const tm_energy_phase *b, tm_energy_ratio *out)
{
    char *why = out->missing;
    const size_t size = sizeof out->missing;
    if (a->missing[0] || b->missing[0]) {
        snprintf(why, size, "%s", a->missing[0] ? a->missing : b->missing);
        return false;
    }
    if (a->fake || b->fake)
        snprintf(why, size, "fake: no ratio is computed from fake joules");
    else if (strcmp(a->scope, b->scope) != 0)
        snprintf(why, size,
                 "joules of different scopes are not comparable: %s (%s) and %s (%s); use a wall "
                 "meter for both",
                 a->scope, a->source, b->scope, b->source);
    else if (strcmp(a->source, b->source) != 0 || strcmp(a->method, b->method) != 0)
        snprintf(why, size, "joules of different meters are not comparable: %s (%s) and %s (%s)",
                 a->source, a->method, b->source, b->method);
    out->is_refused = why[0] != '\0';
    return !out->is_refused;
}

/* The process of the other arm with the same number in the same run, of the other slot if it has
 * two; NULL if there is none. */
static const tm_energy_process *partner_of(const tm_energy_process *process,
                                           const tm_energy_phase *other)
{
    const tm_energy_process *found = NULL;
    for (int i = 0; i < other->n_processes; i++) {
        const tm_energy_process *q = &other->processes[i];
        if (q->number == process->number && strcmp(q->run, process->run) == 0 &&
            (!found || (found->slot == process->slot && q->slot != process->slot)))
            found = q;
    }
    return found;
}

tm_status tm_energy_compare(const tm_energy_phase *a, const tm_energy_phase *b,
                            tm_energy_ratio *out, tm_error *err)
{
    *out = (tm_energy_ratio){.gross = none, .net = none};
    if (!may_compare(a, b, out)) {
        memcpy(out->net_missing, out->missing, sizeof out->net_missing);
        return TM_OK;
    }
    int n = a->n_processes, n_net = 0;
    void *memory;
    tm_status status = tm_alloc(&memory, (size_t)n * 4 + 1, sizeof(double), "pairs", err);
    if (status != TM_OK) return status;
    double *gross = memory, *net = gross + 2 * n;
    for (int i = 0; i < n; i++) {
        const tm_energy_process *p = &a->processes[i];
        const tm_energy_process *q = partner_of(p, b);
        if (!q || partner_of(q, a) != p) continue;
        gross[out->n_pairs] = p->joules_per_token;
        gross[n + out->n_pairs++] = q->joules_per_token;
        if (!isfinite(p->net_joules_per_token) || !isfinite(q->net_joules_per_token)) continue;
        net[n_net] = p->net_joules_per_token;
        net[n + n_net++] = q->net_joules_per_token;
    }
    if (out->n_pairs > 0)
        out->gross = tm_pairs_ratio(gross, gross + n, out->n_pairs, TM_CONFIDENCE);
    else
        snprintf(out->missing, sizeof out->missing,
                 "no pair of one run has good windows in both arms");
    if (n_net > 0)
        out->net = tm_pairs_ratio(net, net + n, n_net, TM_CONFIDENCE);
    else
        snprintf(out->net_missing, sizeof out->net_missing, "%s",
                 out->missing[0]     ? out->missing
                 : a->net_missing[0] ? a->net_missing
                 : b->net_missing[0] ? b->net_missing
                                     : "no pair has net joules in both arms");
    tm_free(memory);
    return TM_OK;
}

tm_json *tm_cell_energy_to_json(const tm_cell_energy *energy, const tm_cell *cell)
{
    tm_json *list = tm_json_array();
    for (int i = 0; i < TM_PHASES; i++) {
        const tm_energy_phase *p = &energy->phases[i];
        char text[96], key[48];
        if ((p->phase == TM_PHASE_PROMPT ? cell->n_prompt : cell->n_gen) == 0) continue;
        tm_json *o = tm_json_object();
        tm_json_put_string(o, "phase", tm_phase_text(p->phase));
        if (p->missing[0])
            tm_json_put_missing(o, "origin", p->missing);
        else
            tm_json_put_string(o, "origin", p->fake ? "fake" : "measured");
        tm_json_put_string(o, "source", p->source);
        tm_json_put_string(o, "scope", p->scope);
        tm_json_put_string(o, "method", p->method);
        tm_json_put_string(o, "status", tm_energy_counts(p, text, sizeof text));
        const char *fake = p->fake ? "fake_" : "", *tokens = tm_energy_token_name(p->phase);
        snprintf(key, sizeof key, "%sgross_joules_per_%s_token", fake, tokens);
        tm_interval_put(o, key, &p->joules_per_token, p->missing, TM_LONE_PROCESS);
        snprintf(key, sizeof key, "%snet_joules_per_%s_token", fake, tokens);
        tm_interval_put(o, key, &p->net_joules_per_token, p->net_missing, TM_LONE_PROCESS);
        const tm_interval per_joule = tm_energy_tokens_per_joule(&p->joules_per_token);
        snprintf(key, sizeof key, "%s%s_tokens_per_joule", fake, tokens);
        tm_interval_put(o, key, &per_joule, p->missing, TM_LONE_PROCESS);
        snprintf(key, sizeof key, "%sidle_watts", fake);
        tm_interval_put(o, key, &p->idle_watts, p->missing[0] ? p->missing : p->idle_missing,
                        TM_LONE_PROCESS);
        snprintf(key, sizeof key, "%sgross_watts", fake);
        tm_interval_put(o, key, &p->watts, p->missing, TM_LONE_PROCESS);
        snprintf(key, sizeof key, "%snet_watts", fake);
        tm_interval_put(o, key, &p->net_watts, p->net_missing, TM_LONE_PROCESS);
        snprintf(key, sizeof key, "%sreading_error_percent", fake);
        tm_json_put_finite(o, key, 100 * p->largest_error,
                           p->missing[0] ? p->missing : TM_NO_READING_ERROR);
        snprintf(key, sizeof key, "%snet_reading_error_percent", fake);
        tm_json_put_finite(o, key, 100 * p->largest_net_error,
                           p->missing[0] ? p->missing : p->net_error_missing);
        tm_json_append(list, o);
    }
    return list;
}
