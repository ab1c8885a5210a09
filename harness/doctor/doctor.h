/* What can be measured on a machine, what cannot and why, and the command that would fix it. The
 * doctor only reads: it changes nothing and runs no command that it names. */
#ifndef TM_HARNESS_DOCTOR_DOCTOR_H
#define TM_HARNESS_DOCTOR_DOCTOR_H

#include "harness/base/clock.h"
#include "harness/machine/machine.h"

typedef enum tm_doctor_status {
    TM_DOCTOR_OK,
    TM_DOCTOR_WARN,    /* can be measured, but results may be worse or less stable */
    TM_DOCTOR_MISSING, /* cannot be measured or read here */
} tm_doctor_status;

typedef struct tm_doctor_line {
    char name[40]; /* "governor", "energy powercap" */
    tm_doctor_status status;
    char value[200];  /* what the machine reports; "" if unknown */
    char detail[480]; /* why the value matters or is missing; may be "" */
    char fix[400];    /* a command or an action; "" if there is none */
} tm_doctor_line;

#define TM_DOCTOR_LINES_MAX 64

typedef struct tm_doctor {
    tm_doctor_line lines[TM_DOCTOR_LINES_MAX];
    int n_lines;
    tm_doctor_line spare; /* what has no room; tm_doctor_check reports it */
    int n_dropped;
} tm_doctor;

typedef struct tm_doctor_options {
    const char *root;         /* "/" for this machine, else a folder holding proc/ and sys/ */
    double spin_seconds;      /* per energy source, as in tm_probe_options */
    double bandwidth_seconds; /* 0: 0.1; below 0: do not measure */
    /* A libpapi file; NULL: the system's, which is not opened for a recorded machine. */
    const char *papi_library;
    const tm_clock *clock; /* of the energy sources, as in tm_probe_options; NULL: the system's */
} tm_doctor_options;

const char *tm_doctor_status_text(tm_doctor_status status);

/* Errors: IO if root has no proc/cpuinfo, NOMEM, UNSUPPORTED (tm_doctor_check). */
tm_status tm_doctor_read(const tm_doctor_options *options, tm_doctor *out,
                         tm_error *err) TM_MUST_USE;

/* An array of {name,status,value,detail,fix}. An unknown value is null and has a value_missing.
 * NULL: no memory. */
tm_json *tm_doctor_to_json(const tm_doctor *doctor);

/* For the files of this room. */

/* Appends a line. Never NULL: what has no room goes to `spare`. */
tm_doctor_line *tm_doctor_add(tm_doctor *doctor, const char *name);
/* Errors: UNSUPPORTED if more than TM_DOCTOR_LINES_MAX lines were added. */
tm_status tm_doctor_check(const tm_doctor *doctor, tm_error *err) TM_MUST_USE;
/* Sets the value, and the status ok. */
void tm_doctor_ok(tm_doctor_line *line, const char *fmt, ...) TM_PRINTF(2, 3);
/* These set the status, the detail and the command that would fix it ("": there is none). */
void tm_doctor_warn(tm_doctor_line *line, const char *fix, const char *fmt, ...) TM_PRINTF(3, 4);
void tm_doctor_missing(tm_doctor_line *line, const char *fix, const char *fmt, ...) TM_PRINTF(3, 4);

/* Fixes that several lines name. */
#define TM_DOCTOR_FIX_PMU                                                                          \
    "give the virtual machine a PMU (qemu: -cpu host,pmu=on), or measure on the machine itself"
#define TM_DOCTOR_FIX_PARANOID "sudo sysctl kernel.perf_event_paranoid=2"

/* The detail of what a recorded machine cannot show. */
#define TM_DOCTOR_RECORDED "not available from a recorded machine"

/* Lines of the processor, its clock, memory and load. */
void tm_doctor_read_machine(const tm_machine *machine, const char *root, tm_doctor *out);
/* Lines of the machine's condition, the libraries opened at run time and the memory bandwidth. */
void tm_doctor_read_live(const tm_doctor_options *options, const tm_machine *machine,
                         tm_doctor *out);
/* Lines of the energy sources, then one that sums them up; *out needs no other lines. */
void tm_doctor_read_energy(const tm_doctor_options *options, tm_doctor *out);
/* The same lines, and those of the counters. */
void tm_doctor_read_probes(const tm_doctor_options *options, tm_doctor *out);

#endif
