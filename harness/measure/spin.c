#include "harness/measure/spin.h"

#define N_STEPS 1000000 /* a multiplication and an addition each, which depend on the last one */
#define N_RUNS  3

int64_t tm_spin_ns(void)
{
    int64_t best = INT64_MAX;
    uint64_t x = 1;
    for (int run = 0; run < N_RUNS; run++) {
        int64_t begin = tm_now_ns();
        for (int i = 0; i < N_STEPS; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            __asm__ volatile("" : "+r"(x)); /* keeps every step */
        }
        int64_t took = tm_now_ns() - begin;
        if (took < best) best = took;
    }
    return best;
}
