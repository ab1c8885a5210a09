/* The kernel that a family stands for on this machine: measured once per machine, build, model
 * shape and number of threads by a child process (`ternmark tune`), then cached.
 *
 * If nothing is measured (a dry run, emulation, a failing child), the order of kernels.def decides,
 * and a note says so.
 */
#ifndef TM_HARNESS_TUNE_TUNER_H
#define TM_HARNESS_TUNE_TUNER_H

#include "harness/base/interrupt.h"
#include "harness/machine/machine.h"
#include "harness/tune/tune.h"

typedef struct tm_tuner {
    const char *folder;      /* of the cache; NULL: tm_tune_cache_folder */
    const char *worker_path; /* the program that measures; NULL: this one */
    const char *build;       /* hash of the program */
    const tm_machine *machine;
    uint64_t seed;
    const char *cpus; /* that the child may use (see cpu_choice.h); NULL or "": all */
    bool oversubscribe;
    bool retune;                               /* measure again what is cached */
    bool measure;                              /* false: use the cache, or the fixed order */
    const tm_interrupt *interrupt;             /* NULL: never */
    void (*note)(void *arg, const char *text); /* before and after each measured choice; or NULL */
    void *note_arg;
    int number, n_choices; /* of the choice, for notes: "3 of 10"; 0: not known */
} tm_tuner;

#define TM_TUNER_WHY 640

/* The kernel of `family` for a model of this name and config. why: one sentence on what decided.
 * A failing file or child is not an error. Errors: ARG, UNSUPPORTED (as tm_kernel_pick),
 * INTERRUPTED, NOMEM. */
tm_status tm_tuner_choose(const tm_tuner *tuner, const char *model, const tm_config *config,
                          const char *family, int n_threads, const tm_kernel **out,
                          char why[TM_TUNER_WHY], tm_error *err) TM_MUST_USE;

#endif
