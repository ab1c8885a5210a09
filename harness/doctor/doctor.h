/* What can be measured on a machine and what not, line by line, with the command that would mend it.
 * Looks only: changes nothing, and runs no command it names. */
#ifndef TM_HARNESS_DOCTOR_DOCTOR_H
#define TM_HARNESS_DOCTOR_DOCTOR_H

#include "harness/machine/machine.h"

typedef enum tm_doctor_status {
    TM_DOCTOR_OK,
    TM_DOCTOR_WARN,    /* figures can be had, and may be worse than they look */
    TM_DOCTOR_MISSING, /* not to be had here */
} tm_doctor_status;

typedef struct tm_doctor_line {
    char name[40]; /* "governor", "energy powercap" */
    tm_doctor_status status;
    char value[200];  /* as the machine says it; "" when it does not */
    char detail[480]; /* why that matters, or why there is none; "" nothing to say */
    char fix[400];    /* a command; "" none */
} tm_doctor_line;

typedef struct tm_doctor {
    tm_doctor_line lines[64];
    int n_lines;
} tm_doctor;

typedef struct tm_doctor_options {
    const char *root;         /* "/" for this machine, else a folder holding proc/ and sys/ */
    double spin_seconds;      /* per energy source, as tm_probe_options */
    double bandwidth_seconds; /* 0: 0.1; below 0: not measured */
    const char
        *papi_library; /* a file; NULL: the system's, which a recorded machine is not asked */
} tm_doctor_options;

const char *tm_doctor_status_text(tm_doctor_status status);

/* Errors: IO when root has no proc/cpuinfo, NOMEM. */
tm_status tm_doctor_read(const tm_doctor_options *options, tm_doctor *out,
                         tm_error *err) TM_MUST_USE;

/* An array of {name,status,value,detail,fix}; value is null, with value_missing, when there is none.
 * NULL: no memory. */
tm_json *tm_doctor_to_json(const tm_doctor *doctor);

/* The next line, for doctor*.c; never NULL: the last one is used again when there is no room. */
tm_doctor_line *tm_doctor_add(tm_doctor *doctor, const char *name);
/* Lines of the machine's condition, the libraries opened at run time, and memory's bandwidth. */
void tm_doctor_read_live(const tm_doctor_options *options, const tm_machine *env, tm_doctor *out);
/* Lines of the energy sources and of the counters. */
void tm_doctor_read_probes(const tm_doctor_options *options, tm_doctor *out);

#endif
