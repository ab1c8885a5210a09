#include "kernels/peak/peak.h"

#include <immintrin.h>

static uint64_t read_memory(const void *data, size_t bytes, size_t ahead)
{
    const char *p = data;
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes; i += 256) {
        if (ahead) {
            _mm_prefetch(p + i + ahead, _MM_HINT_T1);
            _mm_prefetch(p + i + ahead + 64, _MM_HINT_T1);
            _mm_prefetch(p + i + ahead + 128, _MM_HINT_T1);
            _mm_prefetch(p + i + ahead + 192, _MM_HINT_T1);
        }
        a = _mm512_xor_si512(a, _mm512_load_si512(p + i));
        b = _mm512_xor_si512(b, _mm512_load_si512(p + i + 64));
        c = _mm512_xor_si512(c, _mm512_load_si512(p + i + 128));
        d = _mm512_xor_si512(d, _mm512_load_si512(p + i + 192));
    }
    a = _mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d));
    return (uint64_t)_mm512_reduce_add_epi64(a);
}

static float multiply_fp32(uint64_t steps)
{
    __m512 w = _mm512_set1_ps(0.25f), x = _mm512_set1_ps(0.5f);
    __asm__ volatile("" : "+v"(w), "+v"(x));
#define DECLARE(i) __m512 a##i = _mm512_set1_ps(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = _mm512_fmadd_ps(w, x, a##i);
        TM_PEAK_EACH(STEP)
    }
    __m512 sum = _mm512_setzero_ps();
#define ADD(i) sum = _mm512_add_ps(sum, a##i);
    TM_PEAK_EACH(ADD)
    return _mm512_cvtss_f32(sum);
}

const tm_peak tm_peak_avx512 = {
    .name = "peak_avx512",
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512,
    .read = read_memory,
    .fp32 = multiply_fp32,
    .fp32_macs_per_step = TM_PEAK_CHAINS * 16,
    .fp32_instruction = "vfmadd, 512 bit",
};
