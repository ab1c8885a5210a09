#include "kernels/peak/peak.h"

#include <arm_neon.h>

static uint64_t multiply_int8(uint64_t steps)
{
    int8x16_t w = vdupq_n_s8(1), x = vdupq_n_s8(3);
    __asm__ volatile("" : "+w"(w), "+w"(x));
#define DECLARE(i) int32x4_t a##i = vdupq_n_s32(i);
    TM_PEAK_EACH(DECLARE)
    for (uint64_t s = 0; s < steps; s++) {
#define STEP(i) a##i = vmmlaq_s32(a##i, w, x);
        TM_PEAK_EACH(STEP)
    }
    int32x4_t sum = vdupq_n_s32(0);
#define ADD(i) sum = veorq_s32(sum, a##i);
    TM_PEAK_EACH(ADD)
    return (uint64_t)vgetq_lane_s32(sum, 0);
}

const tm_peak tm_peak_i8mm = {
    .name = "peak_i8mm",
    .isa = TM_ISA_NEON | TM_ISA_I8MM,
    .int8 = multiply_int8,
    .int8_macs_per_step = TM_PEAK_CHAINS * 32, /* 2 x 8 times 8 x 2 */
    .int8_instruction = "smmla",
};
