#include "harness/cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define PLAIN  "\033[0m"

void tm_progress_init(tm_progress *progress, bool quiet)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    memset(progress, 0, sizeof *progress);
    progress->terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    progress->colour = progress->terminal && !(no_colour && *no_colour);
    progress->quiet = quiet;
}

char *tm_duration_text(double seconds, char *text, size_t size)
{
    if (!isfinite(seconds) || seconds < 0)
        snprintf(text, size, "unknown time");
    else if (seconds < 100)
        snprintf(text, size, "%.0f s", seconds);
    else if (seconds < 6000)
        snprintf(text, size, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    else
        snprintf(text, size, "%.0f h %02d min", floor(seconds / 3600), (int)fmod(seconds / 60, 60));
    return text;
}

static void clear_line(tm_progress *progress)
{
    if (progress->line_open) fprintf(stderr, "\r\033[K");
    progress->line_open = false;
}

/* The width of the terminal: a line that wraps could not be cleared. */
static int columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
    return 80;
}

static void show_arm(tm_progress *progress, const tm_sweep_event *event)
{
    const tm_cell *cell = &event->arm->cells[0];
    char left[64], line[1024];
    tm_duration_text(event->remaining_seconds, left, sizeof left);
    /* The remaining time comes first: a narrow terminal cuts off the end of the line. */
    char total[24] = "", rounds[24] = "";
    if (!event->has_budget) { /* with one, the end is not known */
        snprintf(total, sizeof total, "/%d", event->n_arms);
        snprintf(rounds, sizeof rounds, " of %d", event->n_rounds);
    }
    int n = snprintf(line, sizeof line, "[%d%s] %s %s left: %s %s, %d thread%s, round %d%s",
                     event->arm_number, total, event->may_end_early ? "at most" : "about", left,
                     cell->model, cell->kernel, cell->threads, tm_plural(cell->threads),
                     event->round + 1, rounds);
    if (progress->terminal && progress->last_rate > 0 && n > 0 && n < (int)sizeof line)
        snprintf(line + n, sizeof line - (size_t)n, "; last: %s %.2f tokens/s",
                 progress->last_label, progress->last_rate);
    if (progress->terminal) {
        clear_line(progress);
        fprintf(stderr, "%.*s", columns() - 1, line);
        progress->line_open = true;
    } else {
        fprintf(stderr, "%s\n", line);
    }
    fflush(stderr);
}

void tm_progress_event(void *arg, const tm_sweep_event *event)
{
    tm_progress *progress = arg;
    char label[512];
    switch (event->kind) {
    case TM_SWEEP_ARM:
        if (!progress->quiet) show_arm(progress, event);
        break;
    case TM_SWEEP_SAMPLE:
        /* Printed with the next arm: writing now would disturb the running measurement. */
        progress->last_rate = tm_record_rate(event->record);
        snprintf(progress->last_label, sizeof progress->last_label, "%s", event->record->cell.test);
        break;
    case TM_SWEEP_PROFILE: /* not printed, for the same reason */
    case TM_SWEEP_ENERGY:
        break;
    case TM_SWEEP_CELL: {
        bool failed = strcmp(event->record->status, "failed") == 0;
        if (progress->quiet && !failed) break;
        clear_line(progress);
        fprintf(stderr, "%s%s%s %s: %s\n", progress->colour ? (failed ? RED : YELLOW) : "",
                event->record->status, progress->colour ? PLAIN : "",
                tm_cell_label(&event->record->cell, label, sizeof label), event->record->reason);
        break;
    }
    case TM_SWEEP_NOTE:
        tm_progress_note(progress, event->text);
        break;
    }
}

void tm_progress_note(void *arg, const char *text)
{
    clear_line(arg);
    fprintf(stderr, "%s\n", text);
}

void tm_progress_end(tm_progress *progress)
{
    clear_line(progress);
    fflush(stderr);
}
