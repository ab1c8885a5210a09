/* What a sweep says on stderr while it runs: one line that changes on a terminal, a line per arm
 * elsewhere. */
#ifndef TM_HARNESS_CLI_PROGRESS_H
#define TM_HARNESS_CLI_PROGRESS_H

#include "harness/sweep/sweep.h"

typedef struct tm_progress {
    bool terminal, colour, quiet;
    bool line_open; /* the terminal's line has something on it */
    double last_rate;
    char last_label[512];
} tm_progress;

/* Looks at stderr, NO_COLOR and TERM. quiet: skipped and failed cells only. */
void tm_progress_init(tm_progress *progress, bool quiet);
/* For tm_sweep_options.on_event, with the progress as its argument. */
void tm_progress_event(void *progress, const tm_sweep_event *event);
/* One sentence on a line of its own; for tm_tuner.note, with the progress as its argument. */
void tm_progress_note(void *progress, const char *text);
/* Takes the changing line away. */
void tm_progress_end(tm_progress *progress);

/* "4 s", "3 min 20 s", "2 h 5 min". Returns text. */
char *tm_duration_text(double seconds, char *text, size_t size);

#endif
