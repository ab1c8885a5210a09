/* Loops that only reach a limit of the machine: reading memory, multiplying int8, multiplying
 * float. One row per instruction set, like vec; harness/machine/roofline.c times them.
 */
#ifndef TM_KERNELS_PEAK_PEAK_H
#define TM_KERNELS_PEAK_PEAK_H

#include "kernels/cpu.h"

typedef struct tm_peak {
    const char *name; /* the file's stem */
    unsigned isa;

    /* Loads each of `bytes` bytes (a multiple of 1024, 64-byte aligned) once and prefetches the
     * line `ahead` bytes later (0: no prefetch). Returns a value that depends on all of them. NULL:
     * use the loop of another row. */
    uint64_t (*read)(const void *data, size_t bytes, size_t ahead);

    /* `steps` rounds of independent multiply-accumulates in registers. NULL: this instruction set
     * has no such instruction of its own. int8 sums are int32, or int16 where the instruction has
     * no other (vpmaddubsw, smlal). */
    uint64_t (*int8)(uint64_t steps);
    double int8_macs_per_step;
    const char *int8_instruction;
    float (*fp32)(uint64_t steps);
    double fp32_macs_per_step;
    const char *fp32_instruction;
} tm_peak;

/* Every row of this build, ended by NULL. Check `isa` against tm_cpu_isa() before running one. */
const tm_peak *const *tm_peaks(void);

/* Applies X to 0 .. 11: enough accumulators to cover latency x throughput of current cores. */
#define TM_PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define TM_PEAK_CHAINS  12

#endif
