/* Machines: the records of several stores, by machine, and the values that compare them.
 *
 * A column is one machine in one state: the same host, hardware, firmware, kernel and instruction
 * sets. An upgrade, or a restriction to fewer instruction sets, begins another column that says
 * what changed. Alike machines stay apart by host. Every column has its own summaries, so a value
 * never mixes machines.
 *
 * Times that were emulated, scripted or taken by a checked build are shown, but they get no ratio,
 * no share of a limit and no rank.
 */
#ifndef TM_REPORTS_MACHINES_H
#define TM_REPORTS_MACHINES_H

#include "harness/record/store.h"
#include "reports/output/text.h"
#include "reports/speedup.h"

/* A store. Everything is borrowed. */
typedef struct tm_machine_store {
    const char *path;
    const tm_records *records;
} tm_machine_store;

typedef struct tm_machine_column {
    char name[128];        /* no other column has it */
    char stores[400];      /* names of the stores it comes from */
    int family;            /* the columns of one physical machine share it */
    char changed[600];     /* what differs from the earlier column of the family; "" */
    char unranked[96];     /* why none of its times counts; "" */
    int cores;             /* physical ones that its runs could use; 0: not recorded */
    bool emulated;         /* its instructions were emulated */
    const tm_json *run;    /* its newest run; borrowed; NULL: no run is recorded */
    const tm_json *first;  /* its first run, the same way */
    const tm_json *limits; /* its newest run that measured limits, or `run` */
    tm_record *records;    /* [n_records] shallow copies, whose members are borrowed */
    int n_records;
    tm_summaries summaries;
    tm_speedups speedups;
} tm_machine_column;

typedef struct tm_machines {
    tm_machine_column *items; /* in order of first appearance; owned */
    int n;
    tm_text remarks; /* what a reader must know about stores and machines; lines of Markdown */
} tm_machines;

/* Errors: ARG (no store holds a cell), FORMAT (a store contradicts itself: one run with two
 * fingerprints), NOMEM. Free *out also after an error. */
tm_status tm_machines_make(const tm_machine_store *stores, int n, tm_machines *out,
                           tm_error *err) TM_MUST_USE;
void tm_machines_free(tm_machines *machines);

/* A text of a run: "environment", "kernel" -> "6.1.0"; "" if it is not known. */
const char *tm_machines_text(const tm_json *run, const char *part, const char *key);
/* The reason recorded for a missing text. */
const char *tm_machines_text_missing(const tm_json *run, const char *part, const char *key);

/* One comparison: a model and a test at a number of threads, or at all cores of each machine. */
typedef struct tm_machine_place {
    const tm_cell *cell; /* one of its cells: engine, model and test */
    int threads;         /* 0: as many as each machine has cores */
    bool is_all;         /* all cores of every machine that has a cell here */
    bool is_prompt;      /* a prompt; otherwise generation, perhaps after a prompt */
    int n_machines;      /* with a cell here */
} tm_machine_place;

typedef struct tm_machine_places {
    tm_machine_place *items; /* by model size, test and threads; owned */
    int n;
} tm_machine_places;
/* Errors: NOMEM. */
tm_status tm_machine_places_make(const tm_machines *machines, tm_machine_places *out,
                                 tm_error *err) TM_MUST_USE;
void tm_machine_places_free(tm_machine_places *places);
/* "1 thread", "2 threads (all cores)", "all cores of each machine". Returns text. */
char *tm_machine_place_threads(const tm_machine_place *place, char *text, size_t size);

/* The column of a machine's speed-up table that belongs to a place; NULL if it has none. */
const tm_speedup *tm_machine_speedup(const tm_machine_column *machine,
                                     const tm_machine_place *place);

/* What is compared in a place. */
typedef enum tm_machine_arm_kind {
    TM_MACHINE_TERNARY,
    TM_MACHINE_BASELINE,
    TM_MACHINE_KERNEL
} tm_machine_arm_kind;
typedef struct tm_machine_arm {
    tm_machine_arm_kind kind; /* the fastest ternary kernel, the baseline, or a kernel by name */
    const char *kernel;       /* of TM_MACHINE_KERNEL; borrowed */
} tm_machine_arm;

/* A value with its interval, or the reason why it is missing. */
typedef struct tm_machine_figure {
    tm_interval value; /* .value NaN: missing */
    char missing[400];
} tm_machine_figure;

typedef enum tm_machine_quantity {
    TM_MACHINE_SPEED,    /* tokens/s */
    TM_MACHINE_PER_CORE, /* tokens/s per physical core */
    TM_MACHINE_PER_GHZ,  /* tokens/s per GHz of the measured clock */
    TM_MACHINE_SHARE,    /* % of the read bandwidth (generation) or of the peak (prompt) */
    TM_MACHINE_JOULES,   /* J/token */
    TM_MACHINE_SPEEDUP,  /* over the baseline of the same machine, by pairs; of TERNARY only */
    TM_MACHINE_QUANTITIES
} tm_machine_quantity;

/* The values of one arm on one machine. */
typedef struct tm_machine_values {
    const tm_cell_summary *cell; /* borrowed; NULL: the machine has none */
    char unranked[96];           /* why its times do not count; "" */
    int cores;                   /* that its threads can use; 0: not known */
    tm_measured clock_ghz;
    const char *scope; /* of its joules; "" without any; borrowed */
    tm_machine_figure figures[TM_MACHINE_QUANTITIES];
} tm_machine_values;

/* Fills out[machines->n]. Joules stay only where they have the scope that most machines have. */
void tm_machines_values(const tm_machines *machines, const tm_machine_place *place,
                        const tm_machine_arm *arm, tm_machine_values *out);
/* The kernels that at least two machines ran in a place, beyond those that TERNARY and BASELINE
 * show everywhere. Returns their number, at most max. */
int tm_machine_kernels(const tm_machines *machines, const tm_machine_place *place, const char **out,
                       int max);

/* A share above this, in %, has no rank: a cache served it, or the limit was disturbed. */
#define TM_MACHINE_SHARE_MAX 105.0
/* Whether a value may be compared. If not, *why (unless NULL) is the reason; borrowed. */
bool tm_machines_is_ranked(const tm_machine_values *values, tm_machine_quantity quantity,
                           const char **why);

/* Which machine is best in a quantity. */
typedef struct tm_machine_rank {
    int best, next;    /* indices; -1: there are not that many values */
    bool is_clear;     /* the intervals of the two do not overlap */
    tm_interval ratio; /* of the larger value to the smaller one, with the widest bounds */
} tm_machine_rank;
tm_machine_rank tm_machines_rank(const tm_machine_values *values, int n,
                                 tm_machine_quantity quantity);

#endif
