/* The options of energy that `run` and `bench` share, and what is said of the sources. */
#ifndef TM_HARNESS_CLI_ENERGY_OPTIONS_H
#define TM_HARNESS_CLI_ENERGY_OPTIONS_H

#include "harness/cli/options.h"
#include "harness/sweep/suite.h"

/* As given; absent numbers are NaN. */
typedef struct tm_energy_settings {
    const char *energy, *meter, *meter_csv, *root;
    double seconds, idle, offset;
    bool marker;
} tm_energy_settings;

#define TM_ENERGY_OPTIONS 8

/* Nothing given. */
void tm_energy_settings_init(tm_energy_settings *settings);
/* Puts the rows behind those of a command's table, which has room for TM_ENERGY_OPTIONS more. */
void tm_energy_add_options(tm_option *options, tm_energy_settings *settings);

/* Puts them in the place of the suite's. Errors: ARG. */
tm_status tm_energy_adjust(const tm_energy_settings *settings, tm_suite *suite,
                           tm_error *err) TM_MUST_USE;

/* Chooses a source; says on stderr, in a line each, why others are not. Returns 0, or the exit status of
 * a failure that has been reported: 2, or 5 when a required meter is missing. */
int tm_energy_choose(const char *command, const tm_suite *suite, tm_energy_source_choice *choice);

#endif
