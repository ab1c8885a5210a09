/* Trees of sys/ for tests of the energy sources, and counters in them that advance. */
#ifndef TM_TESTS_HARNESS_PROBE_ENERGY_TREE_H
#define TM_TESTS_HARNESS_PROBE_ENERGY_TREE_H

#include "harness/probe/probe.h"
#include "tests/harness/scratch.h"

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

/* Writes root/path and a newline, and makes the folders above it. Readers see either the old or the
 * new text, never a part. */
static inline void tree_put(const char *root, const char *path, const char *text)
{
    char name[512], fresh[520];
    snprintf(name, sizeof name, "%s/%s", root, path);
    for (char *slash = name + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = 0;
        mkdir(name, 0755);
        *slash = '/';
    }
    snprintf(fresh, sizeof fresh, "%s.new", name);
    FILE *f = fopen(fresh, "w");
    assert_non_null(f);
    fprintf(f, "%s\n", text);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(fresh, name), 0);
}

/* Writes one powercap zone: "intel-rapl:0", "package-0". */
static inline void tree_zone(const char *root, const char *id, const char *name, const char *energy,
                             const char *range)
{
    char path[160];
    snprintf(path, sizeof path, "sys/class/powercap/%s/name", id);
    tree_put(root, path, name);
    snprintf(path, sizeof path, "sys/class/powercap/%s/energy_uj", id);
    tree_put(root, path, energy);
    snprintf(path, sizeof path, "sys/class/powercap/%s/max_energy_range_uj", id);
    tree_put(root, path, range);
}

/* Files of a tree that count microjoules modulo `range`, at `watts`. A test advances them with
 * tree_meter_write (see fake_machine.h), or a thread does with the system's clock. */
typedef struct tree_meter {
    const char *root;
    const char *paths[5]; /* NULL: none */
    double watts[5];
    uint64_t range[5];
    double step_seconds; /* the most that one write adds; 0: the counters keep up with the clock */
    double period_seconds; /* the files change once in this time; 0: at every write */
    double waiting_seconds;
    uint64_t total[5]; /* microjoules since the counters began, without wrapping */
    int broken;        /* 1 + the index of a file that does not hold a number; 0: none */
    bool stop;
    pthread_mutex_t lock;
    pthread_t thread;
} tree_meter;

static inline void tree_meter_write(tree_meter *m, double seconds)
{
    m->waiting_seconds += seconds;
    if (m->waiting_seconds < m->period_seconds) return;
    seconds = m->waiting_seconds;
    m->waiting_seconds = 0;
    if (m->step_seconds > 0 && seconds > m->step_seconds) seconds = m->step_seconds;
    for (int i = 0; i < 5 && m->paths[i]; i++) {
        char text[32];
        m->total[i] += (uint64_t)(seconds * m->watts[i] * 1e6 + 0.5);
        snprintf(text, sizeof text, "%llu", (unsigned long long)(m->total[i] % m->range[i]));
        tree_put(m->root, m->paths[i], m->broken == i + 1 ? "nothing" : text);
    }
}

static inline void *tree_meter_run(void *arg)
{
    tree_meter *m = arg;
    for (int64_t last = tm_now_ns();;) {
        pthread_mutex_lock(&m->lock);
        bool stop = m->stop;
        int64_t now = tm_now_ns();
        if (!stop) tree_meter_write(m, 1e-9 * (double)(now - last));
        last = now;
        pthread_mutex_unlock(&m->lock);
        if (stop) return NULL;
        usleep(1000);
    }
}

static inline void tree_meter_start(tree_meter *m)
{
    pthread_mutex_init(&m->lock, NULL);
    tree_meter_write(m, 0);
    assert_int_equal(pthread_create(&m->thread, NULL, tree_meter_run, m), 0);
}

static inline void tree_meter_stop(tree_meter *m)
{
    pthread_mutex_lock(&m->lock);
    m->stop = true;
    pthread_mutex_unlock(&m->lock);
    pthread_join(m->thread, NULL);
}

static inline const tm_probe_value *value_of(const tm_probe_window *window, const char *name)
{
    for (int i = 0; i < window->n_values; i++)
        if (strcmp(window->values[i].info->name, name) == 0) return &window->values[i];
    fail_msg("no channel \"%s\"", name);
    return &window->values[0];
}

#endif
