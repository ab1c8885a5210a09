/* What Slurm is told and asked: the job scripts of a fleet, its nodes, and its commands as child
 * processes. It starts no process on another machine itself. */
#ifndef TM_HARNESS_CLI_FLEET_H
#define TM_HARNESS_CLI_FLEET_H

#include "harness/base/interrupt.h"
#include "reports/output/text.h"

#define TM_FLEET_NODES_MAX 1024

typedef struct tm_fleet_node {
    char name[64], partition[64];
    int n_cpus; /* as Slurm has it; 0: unknown */
} tm_fleet_node;

/* What the user asks for; texts that were not given are NULL. */
typedef struct tm_fleet_settings {
    const char *folder, *program, *partitions, *nodes, *cpu_freq, *time, *account, *constraint;
    int64_t threads_per_core; /* 0: not given */
    double poll_seconds;
    bool one_per_partition, print, no_wait, quiet;
} tm_fleet_settings;

/* The script of the array: a task measures `suite` (a name, or a file that all nodes see) into
 * FOLDER/NODE.jsonl. n_tasks: of the array. */
void tm_fleet_job_script(const tm_fleet_settings *settings, const char *name, const char *suite,
                         int n_tasks, tm_text *out);
/* The script of the job that reports on what the array left. */
void tm_fleet_report_script(const tm_fleet_settings *settings, const char *name, tm_text *out);

/* Errors: ARG if a path or a name could not stand in a job script. */
tm_status tm_fleet_check_text(const char *what, const char *text, tm_error *err) TM_MUST_USE;

/* Runs one of Slurm's commands: argv[0] is looked up in PATH, the list ends with NULL. *text: its
 * output; free it. Errors: UNSUPPORTED (not installed), CHILD (it failed: its last words),
 * INTERRUPTED, TIMEOUT, NOMEM. */
tm_status tm_fleet_ask(const char *const *argv, const tm_interrupt *interrupt, char **text,
                       tm_error *err) TM_MUST_USE;

/* The nodes that are asked for, each once, in Slurm's order. Errors: ARG (none; a node that Slurm
 * does not know), those of asking. */
tm_status tm_fleet_find_nodes(const tm_fleet_settings *settings, const tm_interrupt *interrupt,
                              tm_fleet_node *out, int *n, tm_error *err) TM_MUST_USE;

#endif
