/* The progress of a sweep on stderr: one line that is redrawn on a terminal, otherwise a line per
 * arm. */
#ifndef TM_HARNESS_CLI_PROGRESS_H
#define TM_HARNESS_CLI_PROGRESS_H

#include "harness/sweep/sweep.h"

typedef struct tm_progress {
    bool terminal, colour, quiet;
    bool line_open; /* the progress line is on the terminal */
    double last_rate;
    char last_label[512];
} tm_progress;

/* Checks stderr, NO_COLOR and TERM. quiet: print only failed cells. */
void tm_progress_init(tm_progress *progress, bool quiet);
/* For tm_sweep_options.on_event; its argument is the progress. */
void tm_progress_event(void *progress, const tm_sweep_event *event);
/* Prints a sentence on its own line. For tm_tuner.note; its argument is the progress. */
void tm_progress_note(void *progress, const char *text);
/* Clears the progress line. */
void tm_progress_end(tm_progress *progress);

/* "4 s", "3 min 20 s", "2 h 5 min". Returns text. */
char *tm_duration_text(double seconds, char *text, size_t size);

#endif
