/* Trees of sys/ for tests of the energy sources: written file by file, and one whose counter runs. */
#ifndef TM_TESTS_HARNESS_PROBE_ENERGY_TREE_H
#define TM_TESTS_HARNESS_PROBE_ENERGY_TREE_H

#include "harness/base/clock.h"
#include "harness/probe/probe.h"
#include "tests/harness/scratch.h"

#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

/* Writes root/path, making the folders above it; the text gets a newline. A reader sees the old or
 * the new text, never a part. */
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

/* One powercap zone: "intel-rapl:0", "package-0". */
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

/* A thread that keeps files of a tree at `watts`, as counters of microjoules modulo `range`. While a test
 * holds it no counter moves: what has passed between two holds is known to the microjoule. */
typedef struct tree_meter {
    const char *root;
    const char *paths[4]; /* NULL: none */
    double watts[4];
    uint64_t range[4];
    double step_seconds; /* the most that one write adds; 0: the counters keep up with the clock */
    uint64_t total[4];   /* microjoules, without wrapping, from where they begin; while held */
    int broken;          /* 1 + the file that reads as no number; while held */
    bool stop;
    pthread_mutex_t lock;
    pthread_t thread;
} tree_meter;

/* For step_seconds: a thread that was kept waiting does not catch up, so that no two reads of a counter
 * show more than its watts explain with the 10 ms of grace that a probe gives. */
#define TREE_STEP_SECONDS 5e-3

static inline void tree_meter_hold(tree_meter *m)
{
    pthread_mutex_lock(&m->lock);
}

static inline void tree_meter_release(tree_meter *m)
{
    pthread_mutex_unlock(&m->lock);
}

static inline uint64_t tree_meter_total(tree_meter *m, int i)
{
    tree_meter_hold(m);
    uint64_t total = m->total[i];
    tree_meter_release(m);
    return total;
}

static inline void tree_meter_write(tree_meter *m, double seconds)
{
    if (m->step_seconds > 0 && seconds > m->step_seconds) seconds = m->step_seconds;
    for (int i = 0; i < 4 && m->paths[i]; i++) {
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
        tree_meter_hold(m);
        bool stop = m->stop;
        int64_t now = tm_now_ns();
        if (!stop) tree_meter_write(m, 1e-9 * (double)(now - last));
        last = now;
        tree_meter_release(m);
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
    tree_meter_hold(m);
    m->stop = true;
    tree_meter_release(m);
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
