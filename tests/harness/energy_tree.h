/* Trees of sys/ for tests of the energy sources: written file by file, and one whose counter runs. */
#ifndef TM_TESTS_HARNESS_ENERGY_TREE_H
#define TM_TESTS_HARNESS_ENERGY_TREE_H

#include "harness/clock.h"
#include "harness/probe.h"
#include "tests/harness/scratch.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
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

/* A thread that keeps files of a tree at `watts`, as a counter of microjoules modulo `range`. */
typedef struct tree_meter {
    const char *root;
    const char *paths[4]; /* NULL: none */
    double watts[4];
    uint64_t range[4];
    _Atomic uint64_t shown[4]; /* microjoules since the start, without wrapping */
    atomic_bool stop;
    atomic_int broken; /* 1 + the file that reads as no number */
    pthread_t thread;
    int64_t begin_ns;
} tree_meter;

static inline void *tree_meter_run(void *arg)
{
    tree_meter *m = arg;
    while (!atomic_load(&m->stop)) {
        for (int i = 0; i < 4 && m->paths[i]; i++) {
            char text[32];
            double seconds = 1e-9 * (double)(tm_now_ns() - m->begin_ns);
            uint64_t total = (uint64_t)(seconds * m->watts[i] * 1e6);
            snprintf(text, sizeof text, "%llu", (unsigned long long)(total % m->range[i]));
            tree_put(m->root, m->paths[i], atomic_load(&m->broken) == i + 1 ? "nothing" : text);
            atomic_store(&m->shown[i], total);
        }
        usleep(1000);
    }
    return NULL;
}

static inline void tree_meter_start(tree_meter *m)
{
    m->begin_ns = tm_now_ns();
    assert_int_equal(pthread_create(&m->thread, NULL, tree_meter_run, m), 0);
    while (!atomic_load(&m->shown[0])) usleep(1000);
}

static inline void tree_meter_stop(tree_meter *m)
{
    atomic_store(&m->stop, true);
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
