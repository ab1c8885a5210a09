/* Energy windows: what a meter saw while one phase of one cell was repeated in one process.
 *
 * A window is a record of its own, beside the samples, because it is much longer than a repetition:
 * counters tick once a millisecond, power is read ten times a second. A prompt and the generation
 * behind it are two windows. Whatever could not be measured is missing with its reason, a window that
 * is not `ok` has no joules, and nothing here is ever estimated.
 *
 * Gross joules are what the scope drew over the window, all processes of the machine included. Net
 * joules are gross less the idle power beside the window times its length; idle includes sleep states
 * that a loaded machine never enters, so net is not "what the model costs".
 */
#ifndef TM_HARNESS_RECORD_RECORD_ENERGY_H
#define TM_HARNESS_RECORD_RECORD_ENERGY_H

#include "harness/record/measured.h"
#include "harness/probe/probe.h"

#define TM_ENERGY_DOMAINS_MAX 64
#define TM_ENERGY_TRACE_MAX   2000

typedef enum tm_phase { TM_PHASE_PROMPT, TM_PHASE_GENERATION, TM_PHASES } tm_phase;

const char *tm_phase_text(tm_phase phase); /* "prompt", "generation" */

/* What one channel of the source saw, also those outside the scope. */
typedef struct tm_energy_domain {
    char name[64];
    char scope[80];
    tm_probe_state state;
    char reason[240];
    double joules; /* NaN unless ok */
} tm_energy_domain;

typedef struct tm_record_energy {
    tm_phase phase;
    char source[16]; /* "powercap", "perf", "hwmon", "meter", "fake"; "" none was to be had */
    bool fake; /* made up, or read from a tree that stands in for "/": never shown as measured */
    char scope[80];  /* "package", "package+dram", "psys", "rail VDD_IN", "system"; "" unknown */
    char method[24]; /* "counter", "integrated", "imported", with "fake " before; "" unknown */
    tm_probe_state state;
    char reason[480]; /* one sentence unless ok; "" when ok */

    double begin_unix_seconds; /* wall clock at the window's begin; 0: it never began */
    double window_seconds;     /* 0: it never began */
    int n_repeats;             /* of the phase, whole ones */
    int64_t n_prompt_tokens, n_output_tokens; /* evaluated inside the window, over all repeats */

    tm_measured gross_joules;       /* there if and only if the window is ok */
    tm_measured error_bound_joules; /* of reading, not of the instrument */
    tm_measured idle_before_watts, idle_after_watts;
    double idle_seconds; /* each of them at least; 0: not measured */
    double idle_before_unix_seconds,
        idle_after_unix_seconds; /* where they begin; 0: not measured */
    tm_measured net_joules;

    tm_measured rate_hz; /* of reads */
    int64_t wraps, n_samples;
    tm_measured largest_gap_seconds;
    tm_measured sampler_cpu_percent; /* of one CPU, what reading cost inside the window */

    tm_energy_domain *domains; /* [n_domains], owned */
    int n_domains;
    /* Mean watts of the scope from the point before to this one, on an axis whose 0 is the window's
     * begin: idle before it is below 0, idle after it above window_seconds. watts is NaN where nothing
     * was read since the point before: at the first point, and behind a gap. */
    tm_probe_point *trace; /* [n_trace], owned */
    int n_trace;
    char marks[480]; /* "; "-separated reasons to distrust this window; "" none */
} tm_record_energy;

/* All zero but the figures, which are missing. */
void tm_record_energy_init(tm_record_energy *energy);
void tm_record_energy_free(tm_record_energy *energy);

/* Makes the window not ok: gross, net and their bound go, with this sentence as their reason. */
void tm_record_energy_lose(tm_record_energy *energy, tm_probe_state state, const char *fmt, ...)
    TM_PRINTF(3, 4);

/* net_joules from gross_joules, window_seconds and the two idle figures. Missing when one of these is,
 * when the idles differ by more than a tenth of the larger, or when nothing is left. */
void tm_record_energy_set_net(tm_record_energy *energy);

/* Joules per token of the window; missing with a reason. */
typedef enum tm_record_energy_tokens {
    TM_TOKENS_PROMPT,
    TM_TOKENS_OUTPUT,
    TM_TOKENS_ALL
} tm_record_energy_tokens;
tm_measured tm_record_energy_per_token(const tm_record_energy *energy,
                                       tm_record_energy_tokens tokens, bool net);

/* The members of a window, into an object that may have others; per-token figures are written for
 * readers, and must agree when read back. */
void tm_record_energy_put(tm_json *object, const tm_record_energy *energy);
/* Everything is checked: a window that contradicts itself is refused. On an error *out is empty.
 * Errors: FORMAT (the key, what is wrong), NOMEM. */
tm_status tm_record_energy_from_json(const tm_json *object, tm_record_energy *out,
                                     tm_error *err) TM_MUST_USE;

#endif
