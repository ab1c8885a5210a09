/* The noise floor: what ratio this machine reports for two equal arms, kept per machine and kind of
 * cell (metric, threads, prompt or generation) in the user's cache by `compare --aa`. */
#ifndef TM_HARNESS_CLI_NOISE_FLOOR_H
#define TM_HARNESS_CLI_NOISE_FLOOR_H

#include "reports/arms.h"

/* A floor of fewer pairs is mostly their own uncertainty: it is neither kept nor used. */
#define TM_NOISE_FLOOR_PAIRS 10

/* Keeps the bound of the A/A ratio that is farther from 1, from at least TM_NOISE_FLOOR_PAIRS
 * pairs, and adds a line that says so to notes. Errors: IO, NOMEM. */
tm_status tm_noise_floor_keep(const char *fingerprint, const tm_arms_row *row, tm_text *notes,
                              tm_error *err) TM_MUST_USE;
/* Sets noise_floor and noise_pairs of the row if they are known. */
void tm_noise_floor_recall(const char *fingerprint, tm_arms_row *row);

#endif
