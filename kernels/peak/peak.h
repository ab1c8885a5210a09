/* Loops that do nothing but reach a limit of the machine: reading memory, multiplying int8,
 * multiplying float. One row per instruction set, like vec; harness/machine/roofline.c times them.
 */
#ifndef TM_KERNELS_PEAK_PEAK_H
#define TM_KERNELS_PEAK_PEAK_H

#include "kernels/cpu.h"

typedef struct tm_peak {
    const char *name; /* the file's stem */
    unsigned isa;

    /* Loads every byte of `bytes` (a multiple of 1024, 64-byte aligned) once, asking for the line
     * `ahead` bytes further on (0: leave it to the hardware). Returns something that depends on all
     * of them. NULL where another row's serves. */
    uint64_t (*read)(const void *data, size_t bytes, size_t ahead);

    /* `steps` rounds of independent multiply-accumulates in registers. NULL: this set has no such
     * instruction of its own. int8_exact: sums of any length in int32; otherwise int16 (maddubs). */
    uint64_t (*int8)(uint64_t steps);
    double int8_macs_per_step;
    const char *int8_instruction;
    float (*fp32)(uint64_t steps);
    double fp32_macs_per_step;
    const char *fp32_instruction;
} tm_peak;

/* Every row built, ended by NULL. Not all can run here: see tm_cpu_isa(). */
const tm_peak *const *tm_peaks(void);

/* Applies X to 0 .. 11: enough accumulators to cover latency x throughput of today's cores. */
#define TM_PEAK_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define TM_PEAK_CHAINS  12

#endif
