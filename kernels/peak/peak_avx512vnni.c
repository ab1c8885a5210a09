#include "kernels/peak/peak.h"

#include <immintrin.h>

static uint64_t multiply_int8(uint64_t steps)
{
    __m512i w = _mm512_set1_epi8(1), x = _mm512_set1_epi8(3);
    __asm__ volatile("" : "+v"(w), "+v"(x));
#define DECLARE(i) __m512i a##i = _mm512_set1_epi32(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i)                                                                                    \
    a##i = _mm512_dpbusd_epi32(a##i, w, x);                                                        \
    TM_KEEP_IN_REGISTER(a##i);
        TM_PEAK_EACH(STEP)
    }
    __m512i sum = _mm512_setzero_si512();
#define ADD(i) sum = _mm512_xor_si512(sum, a##i);
    TM_PEAK_EACH(ADD)
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

const tm_peak tm_peak_avx512vnni = {
    .name = "peak_avx512vnni",
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS * 64,
    .int8_instruction = "vpdpbusd, 512 bit",
};
