/* IEEE 754 half precision and bfloat16 <-> float, in plain integer arithmetic, for the scalar code
 * and the tests on every machine. Round to nearest, ties to even; NaN stays NaN. */
#ifndef TM_KERNELS_HALF_H
#define TM_KERNELS_HALF_H

#include <stdint.h>
#include <string.h>

/* The bits of a half. */
typedef uint16_t tm_half;

static inline float tm_float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
static inline uint32_t tm_bits_from_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float tm_half_to_float(tm_half h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 1023;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 is exact in float */
        float magnitude = (float)mantissa * 0x1p-24f;
        return tm_float_from_bits(tm_bits_from_float(magnitude) | sign);
    }
    if (exponent == 31) return tm_float_from_bits(sign | 0x7f800000u | (mantissa << 13));
    return tm_float_from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

static inline tm_half tm_half_from_float(float f)
{
    uint32_t bits = tm_bits_from_float(f), sign = (bits >> 16) & 0x8000,
             magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return (tm_half)(sign | 0x7e00);  /* NaN */
    if (magnitude >= 0x477ff000u) return (tm_half)(sign | 0x7c00); /* rounds to 65536: infinity */
    if (magnitude < 0x38800000u) {                                 /* below 2^-14: subnormal */
        /* Adding 0.5 puts the rounding at 2^-24, the step of a subnormal half. */
        float shifted = tm_float_from_bits(magnitude) + 0.5f;
        return (tm_half)(sign | (tm_bits_from_float(shifted) - 0x3f000000u));
    }
    uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
    return (tm_half)(sign | ((rounded - 0x38000000u) >> 13));
}

/* The upper 16 bits of a float. */
typedef uint16_t tm_bf16;

static inline float tm_bf16_to_float(tm_bf16 h)
{
    return tm_float_from_bits((uint32_t)h << 16);
}

static inline tm_bf16 tm_bf16_from_float(float f)
{
    uint32_t bits = tm_bits_from_float(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (tm_bf16)(bits >> 16 | 0x40); /* NaN */
    return (tm_bf16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
