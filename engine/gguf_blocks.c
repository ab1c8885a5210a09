#include "engine/gguf_private.h"
#include "kernels/half.h"

static float half_at(const uint8_t *at)
{
    return tm_half_to_float(tm_load_u16(at));
}

/* Weight i of the first half of a block of 32 is in the low nibble of byte i, i + 16 in the high
 * nibble. */
static int nibble_32(const uint8_t *qs, int i)
{
    return qs[i % 16] >> 4 * (i / 16) & 15;
}

/* Offsets: 0 d, 2 m, 4 nibbles. */
void tm_gguf_q4_1_decode(const uint8_t *block, float *out)
{
    float d = half_at(block), m = half_at(block + 2);
    for (int i = 0; i < 32; i++) out[i] = (float)nibble_32(block + 4, i) * d + m;
}

/* Offsets: 0 d, 2 fifth bits (bit i: weight i), 6 nibbles. */
void tm_gguf_q5_0_decode(const uint8_t *block, float *out)
{
    float d = half_at(block);
    uint32_t fifth = tm_load_u32(block + 2);
    for (int i = 0; i < 32; i++) {
        int code = nibble_32(block + 6, i) | (int)(fifth >> i & 1) << 4;
        out[i] = (float)(code - 16) * d;
    }
}

/* Offsets: 0 d, 2 m, 4 fifth bits, 8 nibbles. */
void tm_gguf_q5_1_decode(const uint8_t *block, float *out)
{
    float d = half_at(block), m = half_at(block + 2);
    uint32_t fifth = tm_load_u32(block + 4);
    for (int i = 0; i < 32; i++) {
        int code = nibble_32(block + 8, i) | (int)(fifth >> i & 1) << 4;
        out[i] = (float)code * d + m;
    }
}

/* The K types have groups of 16 or 32 weights with integer scales, in blocks of 256. */

/* Offsets: 0 scales (low nibble) and minima (high), 16 two-bit codes, 80 d, 82 d of the minima. */
void tm_gguf_q2_k_decode(const uint8_t *block, float *out)
{
    const uint8_t *qs = block + 16;
    float d = half_at(block + 80), d_min = half_at(block + 82);
    for (int i = 0; i < 256; i++) {
        int code = qs[32 * (i / 128) + i % 32] >> 2 * (i % 128 / 32) & 3;
        float scale = d * (float)(block[i / 16] & 15),
              minimum = d_min * (float)(block[i / 16] >> 4);
        out[i] = scale * (float)code - minimum;
    }
}

/* Offsets: 0 high bits (clear: 4 less), 32 two-bit codes, 96 six-bit scales, 108 d. */
void tm_gguf_q3_k_decode(const uint8_t *block, float *out)
{
    const uint8_t *qs = block + 32, *scales = block + 96;
    float d = half_at(block + 108);
    for (int i = 0; i < 256; i++) {
        int group = i / 16, plane = i % 128 / 32;
        int low = scales[group % 8] >> 4 * (group / 8) & 15;
        int high = scales[8 + group % 4] >> 2 * (group / 4) & 3;
        int is_high = block[i % 32] >> (4 * (i / 128) + plane) & 1;
        int code = (qs[32 * (i / 128) + i % 32] >> 2 * plane & 3) - (is_high ? 0 : 4);
        out[i] = d * (float)((low | high << 4) - 32) * (float)code;
    }
}

/* Six-bit scale and minimum of group j of 8, as Q4_K and Q5_K pack them into 12 bytes. */
static void scale_and_minimum(const uint8_t *q, int j, int *scale, int *minimum)
{
    if (j < 4) {
        *scale = q[j] & 63;
        *minimum = q[j + 4] & 63;
    } else {
        *scale = (q[j + 4] & 15) | q[j - 4] >> 6 << 4;
        *minimum = q[j + 4] >> 4 | q[j] >> 6 << 4;
    }
}

/* Groups of 32: two groups share 32 bytes of nibbles. fifth: bit j of byte m belongs to weight m of
 * group j; NULL: codes have four bits. */
static void decode_groups(const uint8_t *block, const uint8_t *fifth, const uint8_t *qs, float *out)
{
    float d = half_at(block), d_min = half_at(block + 2);
    for (int j = 0; j < 8; j++) {
        int scale, minimum;
        scale_and_minimum(block + 4, j, &scale, &minimum);
        float d_group = d * (float)scale, m_group = d_min * (float)minimum;
        for (int m = 0; m < 32; m++) {
            int code = qs[32 * (j / 2) + m] >> 4 * (j & 1) & 15;
            if (fifth) code |= (fifth[m] >> j & 1) << 4;
            out[32 * j + m] = d_group * (float)code - m_group;
        }
    }
}

/* Offsets: 0 d, 2 d of the minima, 4 scales and minima, 16 nibbles. */
void tm_gguf_q4_k_decode(const uint8_t *block, float *out)
{
    decode_groups(block, NULL, block + 16, out);
}

/* Offsets: 0 d, 2 d of the minima, 4 scales and minima, 16 fifth bits, 48 nibbles. */
void tm_gguf_q5_k_decode(const uint8_t *block, float *out)
{
    decode_groups(block, block + 16, block + 48, out);
}
