/* The choices that a plan leaves open, and what measuring them gave: the fastest kernel of each
 * family for a model and number of threads, and the prefetch distance. A plan lists them,
 * tm_tune_resolve measures or recalls them, and the plan looks them up. */
#ifndef TM_HARNESS_TUNE_TUNE_CHOICES_H
#define TM_HARNESS_TUNE_TUNE_CHOICES_H

#include "harness/record/cell.h"
#include "harness/tune/prefetch.h"
#include "harness/tune/tuner.h"

typedef struct tm_tune_choice {
    char model[TM_MODEL_NAME_SIZE];
    char family[48];
    int n_threads;
    char cpus[TM_CPU_CHOICE_SIZE]; /* that the threads may use; "": all */
    tm_config config;              /* of the model */
    const tm_kernel *kernel;       /* the fastest here; NULL: not resolved */
    char why[TM_TUNER_WHY];        /* one sentence on what decided */
} tm_tune_choice;

typedef struct tm_tune_choices {
    tm_tune_choice *items; /* [n], owned */
    int n;
    bool has_kernels;            /* a kernel of ours will run, so the prefetch distance matters */
    tm_prefetch_choice prefetch; /* how is "" unless resolved */
} tm_tune_choices;

/* Adds an open choice unless it is there. Errors: NOMEM. */
tm_status tm_tune_choices_add(tm_tune_choices *choices, const char *model, const tm_config *config,
                              const char *family, int n_threads, const char *cpus,
                              tm_error *err) TM_MUST_USE;
/* NULL: not there, or not resolved. */
const tm_kernel *tm_tune_choices_find(const tm_tune_choices *choices, const char *model,
                                      const char *family, int n_threads, const char *cpus);
void tm_tune_choices_free(tm_tune_choices *choices);

/* Measures or recalls every choice, the prefetch distance first, and applies that distance to this
 * process and its children. Errors: as tm_tuner_choose. */
tm_status tm_tune_resolve(const tm_tuner *tuner, tm_tune_choices *choices,
                          tm_error *err) TM_MUST_USE;
/* "prefetch_bytes" and "kernel_choices", each with how it was chosen, into a run's environment. */
void tm_tune_choices_put(tm_json *environment, const tm_tune_choices *choices);

#endif
