/* One process of one arm: what a worker is asked to measure, and records of its answer. */
#ifndef TM_HARNESS_SWEEP_WORKER_CLIENT_H
#define TM_HARNESS_SWEEP_WORKER_CLIENT_H

#include "harness/measure/worker.h"
#include "harness/sweep/sweep_store.h"

typedef struct tm_worker_client {
    const tm_sweep_options *options;
    const tm_arm *arm;
    tm_sweep_store *log;
    int process, slot;
    bool anew;               /* repeat what other runs measured of this process */
    const char *marks;       /* for every sample of this process; "" none */
    bool todo[TM_SUITE_MAX]; /* cells of the arm to run */
    void (*on_record)(void *arg, const tm_record *record); /* sample, profile or energy window */
    void *on_record_arg;
} tm_worker_client;

/* Whether a process of a cell still lacks the energy window of a phase. */
bool tm_arm_needs_energy(const tm_sweep_options *options, const tm_sweep_store *log,
                         const tm_arm *arm, int cell, int process, tm_phase phase);

/* Whether a process of a cell still lacks its profile. */
bool tm_arm_needs_profile(const tm_sweep_options *options, const tm_sweep_store *log,
                          const tm_arm *arm, int cell, int process);

/* Runs the repetitions, profiles and energy windows of the cells in `todo` that the store lacks.
 * *failed: the cell in which it failed; -1: before any. Errors: INTERRUPTED, those of the worker
 * (with *failed), and those of the store, which set *fatal. */
tm_status tm_worker_client_run(tm_worker_client *process, int *failed, bool *fatal,
                               tm_error *err) TM_MUST_USE;

#endif
