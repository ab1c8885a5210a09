#include "kernels/peak/peak.h"

#include <immintrin.h>

static uint64_t multiply_int8(uint64_t steps)
{
    __m256i w = _mm256_set1_epi8(1), x = _mm256_set1_epi8(3);
    __asm__ volatile("" : "+x"(w), "+x"(x));
#define DECLARE(i) __m256i a##i = _mm256_set1_epi32(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i)                                                                                    \
    a##i = _mm256_dpbusd_avx_epi32(a##i, w, x);                                                    \
    TM_KEEP_IN_REGISTER(a##i);
        TM_PEAK_EACH(STEP)
    }
    __m256i sum = _mm256_setzero_si256();
#define ADD(i) sum = _mm256_xor_si256(sum, a##i);
    TM_PEAK_EACH(ADD)
    return (uint64_t)_mm256_extract_epi64(sum, 0);
}

const tm_peak tm_peak_avxvnni = {
    .name = "peak_avxvnni",
    .isa = TM_ISA_AVX2 | TM_ISA_AVXVNNI,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS * 32,
    .int8_instruction = "vpdpbusd, 256 bit",
};
