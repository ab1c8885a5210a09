/* From the samples of one cell to its values. Internal to summary*.c, compare.c and speedup*.c. */
#ifndef TM_REPORTS_SUMMARY_CELL_H
#define TM_REPORTS_SUMMARY_CELL_H

#include "reports/summary.h"

/* The valid samples of one cell, its processes, and scratch space for one value of each. All
 * borrowed. */
typedef struct tm_samples {
    const tm_record **records; /* [n] by run, number, slot, repetition */
    int n;
    int *begins; /* [n_processes + 1] first sample of each process */
    int n_processes;
    double *values;     /* [n] */
    double *medians;    /* [n_processes] */
    bool *flags;        /* [n_processes] */
    const tm_json *run; /* the record of the last run; NULL: there is none */
} tm_samples;

/* Fills all members but cell, cell_id, superseded, n_failed and failure, which must be set. With n
 * = 0 every value is missing for the reason in out->missing. Errors: NOMEM. */
tm_status tm_cell_summarise(const tm_samples *samples, tm_cell_summary *out,
                            tm_error *err) TM_MUST_USE;

/* Whether it is a sample with status ok and tokens and elapsed time above 0. */
bool tm_record_is_valid_sample(const tm_record *record);

/* Equal machine, model, threads and test. */
bool tm_same_place(const tm_cell *a, const tm_cell *b);
/* Processes of equal number in one run: they ran next to each other. */
bool tm_processes_are_pair(const tm_process *a, const tm_process *b);
/* The process among others that is a pair with this one, of the other slot if there are two; NULL
 * if there is none. */
const tm_process *tm_process_partner(const tm_process *process, const tm_process *others, int n);
/* Equal machine, engine, model, threads and test; tm_same_names: equal kernels too. */
bool tm_same_column(const tm_cell *a, const tm_cell *b);
bool tm_same_names(const tm_cell *a, const tm_cell *b);

/* Appends a sentence to a text after "; ". One that does not fit is left out whole, and "..."
 * stands for it and all that follow. */
void tm_add_sentence(char *text, size_t size, const char *fmt, ...) TM_PRINTF(3, 4);
/* Adds the "; "-separated marks of a sample that are not in the text yet. */
void tm_collect_marks(const char *marks, char *text, size_t size);

/* What gives a cell with n processes more of them: another run if a time budget or an interruption
 * ended the last one before the number that its suite asks for, else more processes. run: the
 * record of that run, or NULL. Returns out. */
char *tm_more_processes(const tm_json *run, int n, int at_least, char *out, size_t size);

#endif
