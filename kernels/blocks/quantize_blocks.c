/* Activations in blocks. Plain C on every machine: about a tenth of the time of one row group of
 * the matrices that read them, and the same bits everywhere. */
#include "kernels/blocks/blocks.h"

/* Round to nearest even for |x| < 2^22: adding 1.5 * 2^23 leaves no bit for the fraction. */
static inline int32_t round_even(float x)
{
    return (int32_t)(tm_bits_from_float(x + 0x1.8p23f) - tm_bits_from_float(0x1.8p23f));
}

/* The bits of the largest magnitude: positive floats are in the order of their bits, NaN last. */
static inline int32_t magnitude_bits(const float *x, int n)
{
    int32_t most = 0;
    for (int i = 0; i < n; i++) {
        int32_t bits = (int32_t)(tm_bits_from_float(x[i]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    return most;
}

/* q = x * factor, rounded, within -127 .. 127 (also when the factor is not finite), and its
 * sums. */
static inline void quantize(const float *x, int n, float factor, int8_t *q, int32_t *sum)
{
    for (int i = 0; i < n; i += 16) {
        int32_t total = 0;
        for (int k = i; k < i + 16; k++) {
            float t = x[k] * factor;
            t = t > -127 ? t : -127; /* false for NaN */
            t = t < 127 ? t : 127;
            int32_t value = round_even(t);
            q[k] = (int8_t)value;
            total += value;
        }
        sum[i / 16] = total;
    }
}

static void block_q8k(const float *x, int8_t *q, float *scale, int32_t *sum)
{
    int32_t most = magnitude_bits(x, TM_K_WEIGHTS);
    int first = 0;
    while ((int32_t)(tm_bits_from_float(x[first]) & 0x7fffffffu) != most) first++;
    float factor = most != 0 ? -127 / x[first] : 0;
    quantize(x, TM_K_WEIGHTS, factor, q, sum);
    *scale = most != 0 ? 1 / factor : 0;
}

static void block_q80(const float *x, int8_t *q, float *scale, int32_t *sum)
{
    float most = tm_float_from_bits((uint32_t)magnitude_bits(x, TM_Q_WEIGHTS));
    quantize(x, TM_Q_WEIGHTS, most != 0 ? 127 / most : 0, q, sum);
    *scale = tm_half_to_float(tm_half_from_float(most / 127));
}

typedef void block_fn(const float *x, int8_t *q, float *scale, int32_t *sum);

static inline void all_blocks(block_fn *block, int size, const float *x, int n, int n_padded,
                              int8_t *q, float *scale, int32_t *sum)
{
    for (int i = 0; i < n_padded; i += size, scale++) {
        float last[TM_K_WEIGHTS] = {0};
        const float *from = x + i;
        if (n - i < size) {
            if (n > i) memcpy(last, x + i, (size_t)(n - i) * sizeof *last);
            from = last;
        }
        block(from, q + i, scale, sum + i / 16);
    }
}

void tm_act_quantize_q8k(const float *x, int n, int n_padded, int8_t *q, float *scale, int32_t *sum)
{
    all_blocks(block_q8k, TM_K_WEIGHTS, x, n, n_padded, q, scale, sum);
}

void tm_act_quantize_q80(const float *x, int n, int n_padded, int8_t *q, float *scale, int32_t *sum)
{
    all_blocks(block_q80, TM_Q_WEIGHTS, x, n, n_padded, q, scale, sum);
}
