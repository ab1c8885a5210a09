/* From energy windows to figures per cell and phase, and from two cells to the share that one saves.
 *
 * Joules of different sources, scopes or methods are never averaged and never put in a ratio, and
 * made-up ones (`fake`) are never set beside measured ones. What cannot be said is missing with a reason.
 */
#ifndef TM_REPORTS_ENERGY_CELL_H
#define TM_REPORTS_ENERGY_CELL_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"

/* One fresh process: the unit of replication, as for speed. */
typedef struct tm_energy_process {
    int number, slot;
    char run[24];
    double joules_per_token;                       /* gross, per token of the phase */
    double net_joules_per_token, watts, net_watts; /* net: NaN when missing */
} tm_energy_process;

/* One phase of one cell. */
typedef struct tm_energy_phase {
    tm_phase phase;
    bool fake;
    char source[16], scope[80], method[24]; /* of every window that counts; "" none */
    tm_energy_process *processes; /* [n_processes] ascending by number, then slot; owned */
    int n_processes;
    int n_windows[TM_PROBE_MISSING + 1]; /* by status, the last word of each process */
    int n_net;                           /* processes with net figures */
    /* Over processes. Gross: all that the scope drew; net: above idle. */
    tm_interval joules_per_token, net_joules_per_token, watts, net_watts;
    double
        largest_error; /* of reading, as a share of a window's joules; NaN: no window states one */
    char missing[480]; /* why there are no joules; "" when there are */
    char net_missing[480];
    char warning[480]; /* windows that were lost or left out, and marks; "" nothing */
} tm_energy_phase;

typedef struct tm_cell_energy {
    tm_energy_phase phases[TM_PHASES];
    /* Per token, prompt and output together, of a test that has both; else that of its one phase. */
    tm_interval joules_per_token;
    char missing[480];
    bool fake;
    bool is_asked; /* there are windows, or the run asked for them and says why there are none */
} tm_cell_energy;

/* windows: [n] energy records of the cell in the order of the store, which it may reorder; NULL run: no
 * run line. Errors: NOMEM. */
tm_status tm_cell_energy_make(const tm_record **windows, int n, const tm_cell *cell,
                              const tm_json *run, tm_cell_energy *out, tm_error *err) TM_MUST_USE;
void tm_cell_energy_free(tm_cell_energy *energy);
/* Everything missing for one reason. */
void tm_cell_energy_miss(tm_cell_energy *out, const tm_json *run, const char *why);

/* "7 ok", "5 ok, 2 invalid", "" without a window. Returns `text`. */
char *tm_energy_counts(const tm_energy_phase *phase, char *text, size_t size);
/* "powercap, package+dram, counter", with "fake: " before made-up ones. Returns `text`. */
char *tm_energy_origin(const tm_energy_phase *phase, char *text, size_t size);
/* "output" or "prompt": the tokens a phase's joules are divided by. */
const char *tm_energy_token_name(tm_phase phase);

/* What a draws for a token over what b does, by pairs of processes of one run. */
typedef struct tm_energy_ratio {
    int n_pairs;
    tm_interval gross, net;
    char missing[480]; /* why there is none; "" when there is */
    char net_missing[480];
} tm_energy_ratio;

/* Refuses (as missing): either side without joules, made-up ones, different source, scope or method.
 * Errors: NOMEM. */
tm_status tm_energy_compare(const tm_energy_phase *a, const tm_energy_phase *b,
                            tm_energy_ratio *out, tm_error *err) TM_MUST_USE;
/* 100 x (1 - ratio) with its interval. */
tm_interval tm_energy_saving_percent(const tm_interval *ratio);

/* One object per phase of the cell: origin, source, scope, method, status and its figures. */
tm_json *tm_cell_energy_to_json(const tm_cell_energy *energy, const tm_cell *cell);

#endif
