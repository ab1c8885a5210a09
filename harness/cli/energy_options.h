/* The options of energy that `run` and `bench` share, and what is said of the sources. */
#ifndef TM_HARNESS_CLI_ENERGY_OPTIONS_H
#define TM_HARNESS_CLI_ENERGY_OPTIONS_H

#include <math.h>

#include "harness/cli/options.h"
#include "harness/sweep/suite.h"

/* As given; absent numbers are NaN. */
typedef struct tm_energy_settings {
    const char *energy, *meter, *meter_csv, *root;
    double seconds, idle, offset;
    bool marker;
} tm_energy_settings;

/* Nothing given. */
#define TM_ENERGY_DEFAULTS                                                                         \
    {                                                                                              \
        .seconds = NAN, .idle = NAN, .offset = NAN                                                 \
    }

/* Offsets are those of tm_energy_settings. */
extern const tm_option tm_energy_options[];

/* Puts them in the place of the suite's. Errors: ARG. */
tm_status tm_energy_adjust(const tm_energy_settings *settings, tm_suite *suite,
                           tm_error *err) TM_MUST_USE;

/* Chooses a source; says on stderr, in a line each, why others are not. Errors: those of
 * tm_energy_source_choose; UNSUPPORTED when a required meter is missing, which is exit status 5. */
tm_status tm_energy_choose(const char *command, const tm_suite *suite,
                           tm_energy_source_choice *choice, tm_error *err) TM_MUST_USE;

#endif
