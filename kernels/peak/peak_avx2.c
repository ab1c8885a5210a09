#include "kernels/peak/peak.h"

#include <immintrin.h>

static uint64_t read_memory(const void *data, size_t bytes, size_t ahead)
{
    const char *p = data;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes; i += 128) {
        if (ahead) {
            _mm_prefetch(p + i + ahead, _MM_HINT_T1);
            _mm_prefetch(p + i + ahead + 64, _MM_HINT_T1);
        }
        a = _mm256_xor_si256(a, _mm256_load_si256((const __m256i *)(p + i)));
        b = _mm256_xor_si256(b, _mm256_load_si256((const __m256i *)(p + i + 32)));
        c = _mm256_xor_si256(c, _mm256_load_si256((const __m256i *)(p + i + 64)));
        d = _mm256_xor_si256(d, _mm256_load_si256((const __m256i *)(p + i + 96)));
    }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    __m128i half = _mm_xor_si128(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    return (uint64_t)_mm_extract_epi64(half, 0) ^ (uint64_t)_mm_extract_epi64(half, 1);
}

/* One maddubs and one 16-bit addition per 32 products: the least that an exact loop needs. */
static uint64_t multiply_int8(uint64_t steps)
{
    __m256i w = _mm256_set1_epi8(1), x = _mm256_set1_epi8(3);
    __asm__ volatile("" : "+x"(w), "+x"(x));
#define DECLARE(i) __m256i a##i = _mm256_set1_epi16(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
        /* In asm, so that every chain makes its own product. With a mere barrier on w, the compiler
         * computes all products first and keeps the sums in memory. */
#define STEP(i)                                                                                    \
    {                                                                                              \
        __m256i product;                                                                           \
        __asm__ volatile("vpmaddubsw %3, %2, %0\n\tvpaddw %0, %1, %1"                              \
                         : "=&x"(product), "+x"(a##i)                                              \
                         : "x"(w), "x"(x));                                                        \
    }
        TM_PEAK_EACH(STEP)
#undef STEP
    }
    __m256i sum = _mm256_setzero_si256();
#define ADD(i) sum = _mm256_xor_si256(sum, a##i);
    TM_PEAK_EACH(ADD)
#undef ADD
#undef DECLARE
    return (uint64_t)_mm256_extract_epi64(sum, 0);
}

static float multiply_fp32(uint64_t steps)
{
    __m256 w = _mm256_set1_ps(0.25f), x = _mm256_set1_ps(0.5f);
    __asm__ volatile("" : "+x"(w), "+x"(x));
#define DECLARE(i) __m256 a##i = _mm256_set1_ps(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = _mm256_fmadd_ps(w, x, a##i);
        TM_PEAK_EACH(STEP)
    }
    __m256 sum = _mm256_setzero_ps();
#define ADD(i) sum = _mm256_add_ps(sum, a##i);
    TM_PEAK_EACH(ADD)
    return _mm256_cvtss_f32(sum);
}

const tm_peak tm_peak_avx2 = {
    .name = "peak_avx2",
    .isa = TM_ISA_AVX2,
    .read = read_memory,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS * 32,
    .int8_instruction = "vpmaddubsw + vpaddw, 256 bit",
    .fp32 = multiply_fp32,
    .fp32_macs_per_step = TM_PEAK_CHAINS * 8,
    .fp32_instruction = "vfmadd, 256 bit",
};
