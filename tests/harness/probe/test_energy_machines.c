/* Whole machines, one file each in energy_machines/: the files that matter to energy, written after the
 * kernel's documentation and drivers, and what every source must make of them.
 *
 *   PATH TEXT                             a file of the tree
 *   expect SOURCE has NAME=SCOPE; ...     all its channels, in order
 *   expect SOURCE sum SCOPE JOULES        when every counter advances by 1 J
 *   expect SOURCE watts SCOPE WATTS       of sampled power
 *   expect SOURCE misses SCOPE SENTENCE   no such sum, and why
 *   expect SOURCE refused|stuck SENTENCE  it does not open, and says so */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

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

static void wrong(const char *expectation, const char *got)
{
    fail_msg("%s: expected %s, got %s", m.name, expectation, got);
}

static tm_probe *open_source(const char *source, double spin, tm_probe_health *health)
{
    tm_probe *probe = NULL;
    tm_error err = {0};
    tm_probe_options options = {
        .root = m.root, .spin_seconds = spin, .min_seconds = 0.02, .rate_hz = 400};
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
    if (strcmp(text, wanted) != 0) wrong(expectation, text);
}

/* The sum of a scope over a window in which every counter advances by 1 J. */
static void expect_sum(tm_probe *probe, const char *expectation, const char *what, char *rest)
{
    char got[300];
    tm_probe_window window;
    tm_probe_value sum;
    char *behind = strcmp(what, "misses") == 0 ? strchr(rest, ' ') : strrchr(rest, ' ');
    assert_non_null(behind);
    *behind++ = 0;
    for (int turn = 0; turn < 8; turn++) {
        for (int i = 0; i < m.n_counters; i++) tree_put(m.root, m.counters[i], "1000");
        tm_probe_start(probe);
        for (int i = 0; i < m.n_counters; i++) tree_put(m.root, m.counters[i], "1001000");
        /* Power wants ten samples, two of them the edges'. */
        for (int i = 0; i < tm_probe_n_channels(probe); i++)
            wait_until(probe->channels[i].kind != TM_CHANNEL_POWER ||
                       probe->channels[i].state != TM_PROBE_OK || has_read(probe, i, 10));
        usleep(30000);
        tm_probe_stop(probe, &window);
        tm_probe_sum(&window, rest, &sum);
        /* Refused where the machine stood still. */
        if (sum.state != TM_PROBE_INVALID ||
            !(sum.largest_gap_seconds > 2 || strstr(sum.reason, "at both edges took so long")))
            break;
    }
    snprintf(got, sizeof got, "%.6g J (%s)", sum.value, sum.reason);
    if (strcmp(what, "misses") == 0) {
        if (sum.state != TM_PROBE_MISSING || !strstr(sum.reason, behind) || !isnan(sum.value))
            wrong(expectation, got);
        return;
    }
    double wanted = atof(behind) * (strcmp(what, "watts") == 0 ? window.seconds : 1);
    double slack = strcmp(what, "watts") == 0 ? sum.error_bound : 1e-6;
    if (sum.state != TM_PROBE_OK || !(fabs(sum.value - wanted) <= slack)) wrong(expectation, got);
}

static void check(const char *expectation)
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
    /* A tree's counters do not run: only where that is the point are they asked for life. */
    tm_probe *probe = open_source(source, is_stuck ? 0.1 : -1, &health);
    if (is_stuck || strcmp(what, "refused") == 0) {
        tm_probe_state state = is_stuck ? TM_PROBE_STUCK : TM_PROBE_MISSING;
        if (probe || health.state != state || !strstr(health.reason, rest))
            wrong(expectation, probe ? "an open source" : health.reason);
        return;
    }
    if (!probe) wrong(expectation, health.reason);
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
            for (int k = 0; k < m.n_expectations; k++) check(m.expectations[k]);
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
