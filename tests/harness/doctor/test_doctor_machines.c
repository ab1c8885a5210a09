/* Whole machines, one file each in machines/, and what the doctor must report for them. They come
 * from records of other projects or from the kernel's sources.
 *
 *   PATH TEXT                   a file; "cpu[0-3,8]" in PATH makes one per CPU, whose number
 *                               replaces "%d" in TEXT
 *   cpuinfo LIST TEXT           blocks of /proc/cpuinfo, in ascending order of the CPUs; "\n" is a
 *                               new line
 *   expect NAME: STATUS VALUE   a line of the doctor
 *   detail NAME: PART           text that the line's detail contains
 *   absent NAME                 a line that must not exist
 *   machine KEY VALUE           a member of the machine's hardware JSON; "(none)": missing */
#include "harness/doctor/doctor.h"

#include "harness/base/sysfs.h"
#include "tests/harness/probe/energy_tree.h"

#include <dirent.h>

#define MACHINES "tests/harness/doctor/machines/"
#define MAX_CPUS 64

static struct {
    char name[64];
    const char *root;
    char cpuinfo[MAX_CPUS][400];
    char expectations[16][300];
    int n_expectations;
    tm_doctor doctor;
    tm_machine machine;
} m;

static void put_for_each(char *path, const char *text)
{
    int cpus[MAX_CPUS];
    char one[300], shown[200];
    char *open = strchr(path, '['), *close = open ? strchr(open, ']') : NULL;
    if (!close) {
        tree_put(m.root, path, text);
        return;
    }
    int n = tm_sysfs_cpu_list(open + 1, cpus, MAX_CPUS);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        const char *number = strstr(text, "%d");
        snprintf(one, sizeof one, "%.*s%d%s", (int)(open - path), path, cpus[i], close + 1);
        if (number)
            snprintf(shown, sizeof shown, "%.*s%d%s", (int)(number - text), text, cpus[i],
                     number + 2);
        else
            snprintf(shown, sizeof shown, "%s", text);
        tree_put(m.root, one, shown);
    }
}

/* Replaces the escapes "\n" and "\t" by their characters. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *c = text; *c; c++)
        if (*c == '\\' && (c[1] == 'n' || c[1] == 't'))
            *to++ = *++c == 'n' ? '\n' : '\t';
        else
            *to++ = *c;
    *to = 0;
}

static void read_machine(const char *name)
{
    static char cpuinfo[MAX_CPUS * 420];
    char path[200], line[400];
    size_t at = 0;
    memset(&m, 0, sizeof m);
    snprintf(m.name, sizeof m.name, "%.60s", name);
    m.root = scratch_path(m.name);
    tree_put(m.root, "sys/class/nothing", "");
    snprintf(path, sizeof path, MACHINES "%s", m.name);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        if (!line[0] || line[0] == '#') continue;
        size_t n = strcspn(line, " ");
        char *text = line[n] ? line + n + 1 : line + n;
        bool expected = strncmp(line, "expect ", 7) == 0 || strncmp(line, "detail ", 7) == 0 ||
                        strncmp(line, "absent ", 7) == 0 || strncmp(line, "machine ", 8) == 0;
        line[n] = expected ? ' ' : 0;
        if (expected) {
            assert_true(m.n_expectations < 16 && strlen(line) < sizeof m.expectations[0]);
            strcpy(m.expectations[m.n_expectations++], line);
        } else if (strcmp(line, "cpuinfo") == 0) {
            int cpus[MAX_CPUS];
            char *fields = strchr(text, ' ');
            assert_non_null(fields);
            unescape(++fields);
            for (int i = 0, k = tm_sysfs_cpu_list(text, cpus, MAX_CPUS); i < k; i++) {
                assert_true(cpus[i] < MAX_CPUS && strlen(fields) < sizeof m.cpuinfo[0]);
                strcpy(m.cpuinfo[cpus[i]], fields);
            }
        } else {
            unescape(text);
            put_for_each(line, text);
        }
    }
    fclose(in);
    for (int cpu = 0; cpu < MAX_CPUS; cpu++)
        if (m.cpuinfo[cpu][0])
            at += (size_t)snprintf(cpuinfo + at, sizeof cpuinfo - at, "processor\t: %d\n%s\n\n",
                                   cpu, m.cpuinfo[cpu]);
    tree_put(m.root, "proc/cpuinfo", cpuinfo);
    assert_true(m.n_expectations > 0);
}

static const tm_doctor_line *line_of(const char *name)
{
    for (int i = 0; i < m.doctor.n_lines; i++)
        if (strcmp(m.doctor.lines[i].name, name) == 0) return &m.doctor.lines[i];
    fail_msg("%s: no line \"%s\"", m.name, name);
    return &m.doctor.lines[0];
}

static void check(char *expectation)
{
    char got[900];
    char *name = strchr(expectation, ' ') + 1, *wanted = strstr(name, ": ");
    if (expectation[0] == 'm') {
        wanted = strchr(name, ' ');
        assert_non_null(wanted);
        *wanted++ = 0;
        tm_json *json = tm_machine_hardware_to_json(&m.machine);
        snprintf(got, sizeof got, "%s", tm_json_text(tm_json_get(json, name), "(none)"));
        tm_json_free(json);
        if (strcmp(got, wanted) != 0)
            fail_msg("%s: %s is \"%s\"; expected \"%s\"", m.name, name, got, wanted);
        return;
    }
    if (expectation[0] == 'a') {
        for (int i = 0; i < m.doctor.n_lines; i++)
            if (strcmp(m.doctor.lines[i].name, name) == 0)
                fail_msg("%s: unexpected line %s: %s", m.name, name, m.doctor.lines[i].value);
        return;
    }
    assert_non_null(wanted);
    *wanted = 0;
    wanted += 2;
    const tm_doctor_line *line = line_of(name);
    if (expectation[0] == 'd') {
        if (!strstr(line->detail, wanted))
            fail_msg("%s: the detail of %s is \"%s\" and lacks \"%s\"", m.name, name, line->detail,
                     wanted);
        return;
    }
    snprintf(got, sizeof got, "%s%s%s", tm_doctor_status_text(line->status),
             line->value[0] ? " " : "", line->value);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s: %s: %s (%s); expected %s", m.name, name, got, line->detail, wanted);
}

static void test_every_machine(void **state)
{
    (void)state;
    struct dirent **entries;
    tm_error err = {0};
    int n_machines = 0, n = scandir(MACHINES, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.') {
            n_machines++;
            read_machine(entries[i]->d_name);
            tm_doctor_options options = {
                .root = m.root, .spin_seconds = 0.02, .bandwidth_seconds = -1};
            assert_ok(tm_doctor_read(&options, &m.doctor, &err), err);
            assert_ok(tm_machine_read(m.root, &m.machine, &err), err);
            for (int k = 0; k < m.n_expectations; k++) check(m.expectations[k]);
        }
        free(entries[i]);
    }
    if (n > 0) free(entries);
    assert_true(n_machines >= 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_machine)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
