/* Whole machines, one file each in machines/: the files that matter for energy, written from the
 * kernel's documentation and drivers, and what every source must find in them.
 *
 *   PATH TEXT                             a file of the tree
 *   expect SOURCE has NAME=SCOPE; ...     all its channels, in order
 *   expect SOURCE sum SCOPE JOULES        if every counter advances by 1 J
 *   expect SOURCE watts SCOPE WATTS       of sampled power
 *   expect SOURCE misses SCOPE SENTENCE   there is no such sum, with the reason
 *   expect SOURCE refused|stuck SENTENCE  it does not open, with the reason */
#include "tests/harness/probe/fake_machine.h"

#include <dirent.h>

#define MACHINES "tests/harness/probe/machines/"

typedef struct machine {
    char name[64];
    const char *root;
    char counters[32][160]; /* files that count microjoules */
    int n_counters;
    char expectations[32][600];
    int n_expectations;
} machine;

static machine m;
static fake_machine clocked;

static bool counts_energy(const char *path)
{
    const char *file = strrchr(path, '/') + 1;
    return strcmp(file, "energy_uj") == 0 ||
           (strncmp(file, "energy", 6) == 0 && strstr(file, "_input"));
}

static void read_machine(const char *name)
{
    char path[200], line[600];
    memset(&m, 0, sizeof m);
    snprintf(m.name, sizeof m.name, "%s", name);
    m.root = scratch_path(name);
    tree_put(m.root, "sys/class/nothing", "");
    snprintf(path, sizeof path, MACHINES "%s", name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (!line[0] || line[0] == '#') continue;
        if (strncmp(line, "expect ", 7) == 0) {
            assert_true(m.n_expectations < 32);
            strcpy(m.expectations[m.n_expectations++], line + 7);
            continue;
        }
        char file[160];
        size_t n = strcspn(line, " ");
        assert_true(line[n] == ' ' && n < sizeof file);
        memcpy(file, line, n);
        file[n] = 0;
        tree_put(m.root, file, line + n + 1);
        if (!counts_energy(file)) continue;
        assert_true(m.n_counters < 32);
        memcpy(m.counters[m.n_counters++], file, n + 1);
    }
    fclose(in);
    assert_true(m.n_expectations > 0);
}

static void fail_expectation(const char *expectation, const char *got)
{
    fail_msg("%s: expected %s, got %s", m.name, expectation, got);
}

static tm_probe *open_source(const char *source, double spin, tm_probe_health *health)
{
    tm_probe *probe = NULL;
    tm_error err = {0};
    tm_probe_options options = {.root = m.root, .clock = &clocked.clock, .spin_seconds = spin};
    machine_init(&clocked);
    tm_status status = tm_probe_open(source, &options, &probe, health, &err);
    assert_true(status == TM_OK || status == TM_UNSUPPORTED);
    return probe;
}

static void expect_channels(tm_probe *probe, const char *expectation, const char *wanted)
{
    char text[600] = "";
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const tm_probe_channel_info *c = tm_probe_channel(probe, i);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s=%s", at ? "; " : "", c->name, c->scope);
    }
    if (strcmp(text, wanted) != 0) fail_expectation(expectation, text);
}

/* Sums a scope over a window of 10 s in which every counter advances by 1 J. */
static void expect_sum(tm_probe *probe, const char *expectation, const char *what, char *rest)
{
    char got[300];
    tm_probe_window window;
    tm_probe_value sum;
    char *behind = strcmp(what, "misses") == 0 ? strchr(rest, ' ') : strrchr(rest, ' ');
    assert_non_null(behind);
    *behind++ = 0;
    clocked.probe = probe;
    for (int i = 0; i < m.n_counters; i++) tree_put(m.root, m.counters[i], "1000");
    tm_probe_start(probe);
    for (int i = 0; i < m.n_counters; i++) tree_put(m.root, m.counters[i], "1001000");
    machine_sleep(&clocked, 10);
    tm_probe_stop(probe, &window);
    clocked.probe = NULL;
    tm_probe_sum(&window, rest, &sum);
    snprintf(got, sizeof got, "%.6g J (%s)", sum.value, sum.reason);
    if (strcmp(what, "misses") == 0) {
        if (sum.state != TM_PROBE_MISSING || !strstr(sum.reason, behind) || !isnan(sum.value))
            fail_expectation(expectation, got);
        return;
    }
    double wanted = atof(behind) * (strcmp(what, "watts") == 0 ? window.seconds : 1);
    double slack = strcmp(what, "watts") == 0 ? sum.error_bound : 1e-6;
    if (sum.state != TM_PROBE_OK || !(fabs(sum.value - wanted) <= slack))
        fail_expectation(expectation, got);
}

static void check_expectation(const char *expectation)
{
    char text[600], *source = text, *what, *rest;
    tm_probe_health health;
    strcpy(text, expectation);
    what = strchr(source, ' ');
    assert_non_null(what);
    *what++ = 0;
    rest = strchr(what, ' ');
    assert_non_null(rest);
    *rest++ = 0;
    bool is_stuck = strcmp(what, "stuck") == 0;
    /* The counters of a tree do not advance, so test that only to find them stuck. */
    tm_probe *probe = open_source(source, is_stuck ? 0.5 : -1, &health);
    if (is_stuck || strcmp(what, "refused") == 0) {
        tm_probe_state state = is_stuck ? TM_PROBE_STUCK : TM_PROBE_MISSING;
        if (probe || health.state != state || !strstr(health.reason, rest))
            fail_expectation(expectation, probe ? "an open source" : health.reason);
        return;
    }
    if (!probe) fail_expectation(expectation, health.reason);
    if (strcmp(what, "has") == 0)
        expect_channels(probe, expectation, rest);
    else
        expect_sum(probe, expectation, what, rest);
    tm_probe_close(probe);
}

static void test_every_machine(void **state)
{
    (void)state;
    struct dirent **entries;
    int n_machines = 0, n = scandir(MACHINES, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            n_machines++;
            read_machine(entries[i]->d_name);
            for (int k = 0; k < m.n_expectations; k++) check_expectation(m.expectations[k]);
        }
        free(entries[i]);
    }
    if (n > 0) free(entries);
    assert_true(n_machines >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_machine)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
