#include "kernels/peak/peak.h"

#include <arm_neon.h>

static uint64_t read_memory(const void *data, size_t bytes, size_t ahead)
{
    const uint8_t *p = data;
    uint8x16_t a = vdupq_n_u8(0), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes; i += 64) {
        if (ahead) __builtin_prefetch(p + i + ahead, 0, 2);
        a = veorq_u8(a, vld1q_u8(p + i));
        b = veorq_u8(b, vld1q_u8(p + i + 16));
        c = veorq_u8(c, vld1q_u8(p + i + 32));
        d = veorq_u8(d, vld1q_u8(p + i + 48));
    }
    a = veorq_u8(veorq_u8(a, b), veorq_u8(c, d));
    return vgetq_lane_u64(vreinterpretq_u64_u8(a), 0) ^ vgetq_lane_u64(vreinterpretq_u64_u8(a), 1);
}

static uint64_t multiply_int8(uint64_t steps)
{
    int8x8_t w = vdup_n_s8(1), x = vdup_n_s8(3);
    __asm__ volatile("" : "+w"(w), "+w"(x));
#define DECLARE(i) int16x8_t a##i = vdupq_n_s16(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = vmlal_s8(a##i, w, x);
        TM_PEAK_EACH(STEP)
#undef STEP
    }
    int16x8_t sum = vdupq_n_s16(0);
#define ADD(i) sum = veorq_s16(sum, a##i);
    TM_PEAK_EACH(ADD)
#undef ADD
#undef DECLARE
    return (uint64_t)vgetq_lane_s16(sum, 0);
}

static float multiply_fp32(uint64_t steps)
{
    float32x4_t w = vdupq_n_f32(0.25f), x = vdupq_n_f32(0.5f);
    __asm__ volatile("" : "+w"(w), "+w"(x));
#define DECLARE(i) float32x4_t a##i = vdupq_n_f32(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = vfmaq_f32(a##i, w, x);
        TM_PEAK_EACH(STEP)
    }
    float32x4_t sum = vdupq_n_f32(0);
#define ADD(i) sum = vaddq_f32(sum, a##i);
    TM_PEAK_EACH(ADD)
    return vgetq_lane_f32(sum, 0);
}

const tm_peak tm_peak_neon = {
    .name = "peak_neon",
    .isa = TM_ISA_NEON,
    .read = read_memory,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS * 8,
    .int8_instruction = "smlal",
    .fp32 = multiply_fp32,
    .fp32_macs_per_step = TM_PEAK_CHAINS * 4,
    .fp32_instruction = "fmla",
};
