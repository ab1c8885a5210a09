/* A profile with values computed by hand, for tests of the code that stores and shows it. */
#ifndef TM_TESTS_HARNESS_RECORD_PROFILES_H
#define TM_TESTS_HARNESS_RECORD_PROFILES_H

#include "harness/record/record_profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* 2 tokens on 2 threads in 1000 ns, of which 40 ns are idle. At 10 GB/s, 100 int8 and 20 fp32
 * GMAC/s the two parts of `down` take at least 200 ns (compute) and 50 ns (reading), and the head
 * takes at least 90 ns (compute). */
static inline tm_record_profile make_op_table(double scale)
{
    static const tm_record_profile_row entries[] = {
        {"attn_norm", 3, {4, 0, 3, {0, 300, 0, false}}},
        {"down", 2, {500, 60, 400, {300, 100, 20000, true}}},
        {"down", 1, {100, 20, 80, {400, 100, 2000, true}}},
        {"head", 0, {180, 96, 150, {700, 40, 1800, false}}},
    };
    tm_record_profile t = {.n_threads = 2,
                           .n_tokens = 2,
                           .n_passes = 2,
                           .n_pairs = 3,
                           .region_ns = 1000 * scale,
                           .idle_ns = 40 * scale,
                           .elapsed_ns = (int64_t)(1010 * scale),
                           .overhead = 1.02,
                           .overhead_low = 1.01,
                           .overhead_high = 1.03,
                           .stamp_ns = 9.5,
                           .stamps_per_thread = 44,
                           .clock = "invariant TSC",
                           .n_entries = sizeof entries / sizeof *entries};
    t.entries = calloc((size_t)t.n_entries, sizeof *t.entries);
    if (!t.entries) abort();
    memcpy(t.entries, entries, sizeof entries);
    for (int i = 0; i < t.n_entries; i++) {
        t.entries[i].part.work_ns *= scale;
        t.entries[i].part.wait_ns *= scale;
        t.entries[i].part.best_ns *= scale;
    }
    return t;
}

#endif
