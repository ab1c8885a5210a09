#include "kernels/peak/peak.h"

extern const tm_peak tm_peak_scalar;
#if defined(__x86_64__)
extern const tm_peak tm_peak_avx2, tm_peak_avxvnni, tm_peak_avx512, tm_peak_avx512vnni;
#elif defined(__aarch64__)
extern const tm_peak tm_peak_neon, tm_peak_dotprod, tm_peak_i8mm;
#endif

static const tm_peak *const peaks[] = {
    &tm_peak_scalar,
#if defined(__x86_64__)
    &tm_peak_avx2,
    &tm_peak_avxvnni,
    &tm_peak_avx512,
    &tm_peak_avx512vnni,
#elif defined(__aarch64__)
    &tm_peak_neon,
    &tm_peak_dotprod,
    &tm_peak_i8mm,
#endif
    NULL,
};

const tm_peak *const *tm_peaks(void)
{
    return peaks;
}
