#include "kernels/peak/peak.h"

static uint64_t read_memory(const void *data, size_t bytes, size_t ahead)
{
    const uint64_t *p = data;
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (size_t i = 0; i < bytes / 8; i += 8) {
        if (ahead) __builtin_prefetch((const char *)(p + i) + ahead, 0, 2);
        a += p[i] ^ p[i + 4];
        b += p[i + 1] ^ p[i + 5];
        c += p[i + 2] ^ p[i + 6];
        d += p[i + 3] ^ p[i + 7];
    }
    return a ^ b ^ c ^ d;
}

static uint64_t multiply_int8(uint64_t steps)
{
    int8_t x = 3, w = 1;
    __asm__ volatile("" : "+r"(x), "+r"(w));
#define DECLARE(i) int32_t a##i = i;
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i)                                                                                    \
    a##i += x * w;                                                                                 \
    __asm__ volatile("" : "+r"(a##i));
        TM_PEAK_EACH(STEP)
#undef STEP
    }
    uint64_t sum = 0;
#define ADD(i) sum += (uint64_t)a##i;
    TM_PEAK_EACH(ADD)
    return sum;
}

static float multiply_fp32(uint64_t steps)
{
    float x = 0.5f, w = 0.25f;
    __asm__ volatile("" : "+m"(x), "+m"(w));
#undef DECLARE
#undef ADD
#define DECLARE(i) float a##i = i;
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = a##i * x + w;
        TM_PEAK_EACH(STEP)
    }
    float sum = 0;
#define ADD(i) sum += a##i;
    TM_PEAK_EACH(ADD)
    return sum;
}

const tm_peak tm_peak_scalar = {
    .name = "peak_scalar",
    .isa = TM_ISA_NONE,
    .read = read_memory,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS,
    .int8_instruction = "scalar multiply and add",
    .fp32 = multiply_fp32,
    .fp32_macs_per_step = TM_PEAK_CHAINS,
    .fp32_instruction = "scalar multiply and add",
};
