/* The energy options of `run` and `bench`, and the messages about the energy sources. */
#ifndef TM_HARNESS_CLI_ENERGY_OPTIONS_H
#define TM_HARNESS_CLI_ENERGY_OPTIONS_H

#include "harness/cli/options.h"
#include "harness/sweep/suite.h"

#include <math.h>

/* The values given by the user. Absent texts are NULL, absent numbers NaN. */
typedef struct tm_energy_settings {
    const char *energy, *root;
    double seconds, idle;
    bool marker;
    /* The options of the sources, by the index of tm_probe_user_option. */
    const char *texts[TM_ENERGY_SETTINGS_MAX];
    double numbers[TM_ENERGY_SETTINGS_MAX];
} tm_energy_settings;

/* Every value absent. */
#define TM_ENERGY_DEFAULTS                                                                         \
    {                                                                                              \
        .seconds = NAN, .idle = NAN, .numbers = { [0 ... TM_ENERGY_SETTINGS_MAX - 1] = NAN }       \
    }

/* The options, and those of the sources. Offsets are those of tm_energy_settings. */
extern const tm_option tm_energy_options[];
const tm_option *tm_energy_source_rows(void);

/* Overrides the suite's energy options with the given ones. Errors: ARG. */
tm_status tm_energy_adjust(const tm_energy_settings *settings, tm_suite *suite,
                           tm_error *err) TM_MUST_USE;

/* Chooses a source and prints to stderr why each other one does not work. Errors: those of
 * tm_energy_source_choose; UNSUPPORTED if a required or named source does not work, which is
 * exit status 5. */
tm_status tm_energy_choose(const char *command, const tm_suite *suite,
                           tm_energy_source_choice *choice, tm_error *err) TM_MUST_USE;

#endif
