/* i2r16 with 512-bit vpdpbusd: codes as the unsigned operand, lanes are rows. */
#include "kernels/panel.h"
#include "kernels/ternary/i2.h"

#include <immintrin.h>

#define TM_MAD_BLOCK_UNITS     4
#define TM_MAD_BLOCK_BYTES     TM_I2_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 6
#define TM_MAD_FOUR_GROUPS     6

typedef __m512i block;

static inline block load_block(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

static inline __m512i block_plane(block from, int p)
{
    return _mm512_and_si512(_mm512_srli_epi32(from, (unsigned)(2 * p)), _mm512_set1_epi8(3));
}

#include "kernels/ternary/mad_avx512vnni_template.h"

/* One token. The four planes keep their place in the byte and are summed separately: plane p counts
 * 4^p-fold, which saves the shifts. A sum is at most 192 x 127 x n_cols / 4 in size: below 2^31 up
 * to n_cols = 352,000. It is a multiple of 4^p, so the final shift is exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m512i mask0 = _mm512_set1_epi8(0x03), mask1 = _mm512_set1_epi8(0x0c);
    const __m512i mask2 = _mm512_set1_epi8(0x30), mask3 = _mm512_set1_epi8((char)0xc0);
    size_t n_blocks = tm_i2_blocks(w->n_cols), ahead = (size_t)tm_kernel_ahead;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
        __m512i b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        const int8_t *q = x->i8;
        size_t b = 0;
#define PLANE(acc, v, mask, at)                                                                    \
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v, mask),                                      \
                              _mm512_set1_epi32(tm_load_i32(q + (at))))
        for (; b + 2 <= n_blocks; b += 2, data += 2 * TM_I2_BLOCK, q += 32) {
            _mm_prefetch((const char *)data + ahead, _MM_HINT_T0);
            _mm_prefetch((const char *)data + ahead + 64, _MM_HINT_T0);
            __m512i u = _mm512_loadu_si512(data), v = _mm512_loadu_si512(data + TM_I2_BLOCK);
            PLANE(a0, u, mask0, 0);
            PLANE(a1, u, mask1, 4);
            PLANE(a2, u, mask2, 8);
            PLANE(a3, u, mask3, 12);
            PLANE(b0, v, mask0, 16);
            PLANE(b1, v, mask1, 20);
            PLANE(b2, v, mask2, 24);
            PLANE(b3, v, mask3, 28);
        }
        if (b < n_blocks) {
            __m512i u = _mm512_loadu_si512(data);
            PLANE(a0, u, mask0, 0);
            PLANE(a1, u, mask1, 4);
            PLANE(a2, u, mask2, 8);
            PLANE(a3, u, mask3, 12);
            data += TM_I2_BLOCK;
        }
#undef PLANE
        a0 = _mm512_add_epi32(a0, b0);
        a1 = _mm512_srai_epi32(_mm512_add_epi32(a1, b1), 2);
        a2 = _mm512_srai_epi32(_mm512_add_epi32(a2, b2), 4);
        a3 = _mm512_srai_epi32(_mm512_add_epi32(a3, b3), 6);
        __m512i total = _mm512_add_epi32(_mm512_add_epi32(a0, a1), _mm512_add_epi32(a2, a3));
        store_rows(y + row, total, w, x, row_end - row);
    }
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_avx512vnni = {
    .name = "i2r16_mad_avx512vnni",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
