/* The energy part of a cell's summary: from energy windows to joules and watts per cell and phase,
 * and from two cells to a ratio.
 *
 * Joules of different sources, scopes or methods are never averaged or divided by each other, and
 * fake joules are never combined with measured ones. A value that cannot be given is missing with a
 * reason.
 */
#ifndef TM_REPORTS_SUMMARY_ENERGY_H
#define TM_REPORTS_SUMMARY_ENERGY_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"

/* One fresh process: the unit of replication, as for speed. */
typedef struct tm_energy_process {
    int number, slot;
    char run[24];
    double joules_per_token, watts;         /* gross; joules per token of the phase */
    double net_joules_per_token, net_watts; /* NaN when missing */
    double idle_watts; /* mean of the idle times next to the window; NaN unless both are known */
} tm_energy_process;

/* One phase of one cell. */
typedef struct tm_energy_phase {
    tm_phase phase;
    bool fake;
    char source[16], scope[80], method[24]; /* of every window that counts; "": none does */
    tm_energy_process *processes; /* [n_processes] ascending by number, slot and run; owned */
    int n_processes;
    int n_windows[TM_PROBE_MISSING + 1]; /* by state of the window that represents a process */
    int n_net;                           /* processes with net joules */
    /* Over processes. Gross: all that the scope drew. Net: above idle power. */
    tm_interval joules_per_token, net_joules_per_token, watts, net_watts, idle_watts;
    /* Largest reading error as a share of a window's gross joules, and largest bound of net joules
     * as a share of them; NaN: no window states one. */
    double largest_error, largest_net_error;
    char net_error_missing[176];
    char missing[480]; /* why there are no joules; "" when there are some */
    char net_missing[480];
    char idle_missing[176];
    char warning[480]; /* lost or excluded windows, and marks; "" without a warning */
} tm_energy_phase;

typedef struct tm_cell_energy {
    tm_energy_phase phases[TM_PHASES];
    /* Per token of the test: prompt and output tokens together if it has both. */
    tm_interval joules_per_token;
    char missing[480];
    bool fake;
    bool is_asked; /* the cell has energy windows, or its run asked for them */
} tm_cell_energy;

/* windows: [n] energy records of the cell in the order of the store; reordered here. run: the run
 * record, or NULL. Errors: NOMEM. */
tm_status tm_cell_energy_make(const tm_record **windows, int n, const tm_cell *cell,
                              const tm_json *run, tm_cell_energy *out, tm_error *err) TM_MUST_USE;
void tm_cell_energy_free(tm_cell_energy *energy);
/* All values missing for one reason. */
void tm_cell_energy_miss(tm_cell_energy *out, const tm_json *run, const char *why);

/* Why there is no error. */
#define TM_NO_READING_ERROR "the source states no error of its readings"

/* "7 ok", "5 ok, 2 invalid", "" without windows. Returns `text`. */
char *tm_energy_counts(const tm_energy_phase *phase, char *text, size_t size);
/* "powercap, package+dram, counter", after "fake: " for fake joules. Returns `text`. */
char *tm_energy_origin(const tm_energy_phase *phase, char *text, size_t size);
/* Tokens of a phase in one repetition of a test; of all sequences. */
double tm_phase_tokens(const tm_cell *cell, tm_phase phase);
/* "output" or "prompt": the tokens that the joules of a phase are divided by. */
const char *tm_energy_token_name(tm_phase phase);

/* Joules per token of a over those of b, by pairs of processes of one run. */
typedef struct tm_energy_ratio {
    int n_pairs;
    bool is_refused; /* both sides have joules that must not be divided by each other */
    tm_interval gross, net;
    char missing[480]; /* why there is no ratio; "" when there is one */
    char net_missing[480];
} tm_energy_ratio;

/* The ratio is missing if a side has no joules or fake ones, or if source, scope or method differ.
 * Errors: NOMEM. */
tm_status tm_energy_compare(const tm_energy_phase *a, const tm_energy_phase *b,
                            tm_energy_ratio *out, tm_error *err) TM_MUST_USE;
/* The inverse, with its interval. */
tm_interval tm_energy_tokens_per_joule(const tm_interval *joules_per_token);
/* 100 x (1 - ratio), with its interval. */
tm_interval tm_energy_saving_percent(const tm_interval *ratio);

/* One object per phase of the test: origin, source, scope, method, status and values. */
tm_json *tm_cell_energy_to_json(const tm_cell_energy *energy, const tm_cell *cell);

#endif
