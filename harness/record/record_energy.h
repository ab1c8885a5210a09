/* Energy windows: the energy of one phase of one cell, repeated in one process for some seconds.
 *
 * A window is a record of its own because it is much longer than a repetition: counters tick once a
 * millisecond, and power is read ten times a second. A prompt and the generation after it are two
 * windows. A value that could not be measured is missing with its reason, a window that is not `ok`
 * has no joules, and nothing is estimated.
 *
 * Gross joules are those of the scope over the window, with all processes of the machine. Net
 * joules are gross minus idle power times the length of the window. Idle includes sleep states that
 * a loaded machine never enters, so net is not "what the model costs".
 */
#ifndef TM_HARNESS_RECORD_RECORD_ENERGY_H
#define TM_HARNESS_RECORD_RECORD_ENERGY_H

#include "harness/probe/probe.h"
#include "harness/record/measured.h"

#define TM_ENERGY_DOMAINS_MAX 64
#define TM_ENERGY_TRACE_MAX   2000

typedef enum tm_phase { TM_PHASE_PROMPT, TM_PHASE_GENERATION, TM_PHASES } tm_phase;

const char *tm_phase_text(tm_phase phase); /* "prompt", "generation" */

/* One channel of the source, in the scope or not. */
typedef struct tm_energy_domain {
    char name[64];
    char scope[80];
    tm_probe_state state;
    char reason[240];
    double joules; /* NaN unless ok */
} tm_energy_domain;

typedef struct tm_record_energy {
    tm_phase phase;
    char source[16]; /* "powercap", "perf", "hwmon", "meter", "fake"; "": none was available */
    bool fake;       /* generated, or read from a test tree: never shown as measured */
    char scope[80];  /* "package", "package+dram", "psys", "rail VDD_IN", "system"; "" unknown */
    char method
        [24]; /* "counter", "integrated", "imported", or "fake " and one of them; "" unknown */
    tm_probe_state state;
    char reason[480]; /* one sentence unless ok; "" when ok */

    double begin_unix_seconds;                /* wall clock at its begin; 0: it never began */
    double window_seconds;                    /* 0: it never began */
    int n_repeats;                            /* whole repetitions of the phase */
    int64_t n_prompt_tokens, n_output_tokens; /* in all repetitions */

    tm_measured gross_joules;       /* present if and only if the window is ok */
    tm_measured error_bound_joules; /* of reading; not of the instrument */
    tm_measured idle_before_watts, idle_after_watts;
    tm_measured idle_before_error_bound_watts, idle_after_error_bound_watts; /* of reading */
    double idle_seconds; /* of each idle time at least; 0: not measured */
    /* Their begins; 0: not measured. */
    double idle_before_unix_seconds, idle_after_unix_seconds;
    tm_measured net_joules;

    tm_measured rate_hz; /* of reads */
    int64_t wraps, n_samples;
    tm_measured largest_gap_seconds;
    tm_measured sampler_cpu_percent; /* CPU time of reading, as a share of one CPU */

    tm_energy_domain *domains; /* [n_domains], owned */
    int n_domains;
    /* Mean watts of the scope from the point before to this one, on an axis whose 0 is the window's
     * begin: idle before it is below 0, idle after it above window_seconds. watts is NaN where
     * nothing was read since the point before: at the first point, and behind a gap. */
    tm_probe_point *trace; /* [n_trace], owned */
    int n_trace;
    char marks[480]; /* "; "-separated reasons to distrust this window; "" none */
} tm_record_energy;

/* All members 0, all figures missing. */
void tm_record_energy_init(tm_record_energy *energy);
void tm_record_energy_free(tm_record_energy *energy);

/* Marks the window as not ok: gross, net and their bound become missing with this reason. */
void tm_record_energy_lose(tm_record_energy *energy, tm_probe_state state, const char *fmt, ...)
    TM_PRINTF(3, 4);

/* Sets net_joules from gross_joules, window_seconds and the two idle figures. Missing if one of
 * them is, if the idle powers differ by more than a tenth of the larger, or if nothing is left. */
void tm_record_energy_set_net(tm_record_energy *energy);
/* The bound of net joules: that of gross joules, and for the length of the window half the
 * difference of the two idle powers and the mean of their bounds. Missing if one of them is. */
tm_measured tm_record_energy_net_bound(const tm_record_energy *energy);

/* Joules per token of the window, or the reason why they are missing. */
typedef enum tm_record_energy_tokens {
    TM_TOKENS_PROMPT,
    TM_TOKENS_OUTPUT,
    TM_TOKENS_ALL
} tm_record_energy_tokens;
tm_measured tm_record_energy_per_token(const tm_record_energy *energy,
                                       tm_record_energy_tokens tokens, bool net);

/* Puts the members of a window into the object. Per-token figures are for readers of the file; they
 * must agree with the others when they are read back. */
void tm_record_energy_put(tm_json *object, const tm_record_energy *energy);
/* Refuses a window that contradicts itself. After an error *out is empty.
 * Errors: FORMAT (the key, what is wrong), NOMEM. */
tm_status tm_record_energy_from_json(const tm_json *object, tm_record_energy *out,
                                     tm_error *err) TM_MUST_USE;

#endif
