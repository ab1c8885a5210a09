/* t3r16 with VBMI: byte permutes unpack a block, look-ups give its trits to vpdpbusd. */
#include <immintrin.h>
#include <stdalign.h>

#include "kernels/panel.h"
#include "kernels/t3.h"

#define BLOCK_UNITS     TM_T3_UNITS
#define BLOCK_BYTES     TM_T3_BLOCK
#define BLOCKS_IN_PLACE 1

/* A block's 40 bytes in 8 lanes of 5; what the upper 3 bytes of a lane hold never matters. */
#define LANE(i) 5 * i, 5 * i + 1, 5 * i + 2, 5 * i + 3, 5 * i + 4, 5 * i, 5 * i, 5 * i
alignas(64) static const uint8_t lanes[64] = {LANE(0), LANE(1), LANE(2), LANE(3),
                                              LANE(4), LANE(5), LANE(6), LANE(7)};

/* Bits 5j .. 5j + 7 of a lane in its byte j: code j, and above it bits of the next. The look-up
 * ignores the two highest; its table has every entry twice, for bit 5. */
#define TRIT_0 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2,
#define TRIT_1 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 1, 1, 2, 2, 2,
#define TRIT_2 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2,
#define UNUSED 0, 0, 0, 0, 0, /* 27 .. 31 are no codes */
alignas(64) static const uint8_t trits[TM_T3_UNITS][64] = {
    {TRIT_0 UNUSED TRIT_0 UNUSED},
    {TRIT_1 UNUSED TRIT_1 UNUSED},
    {TRIT_2 UNUSED TRIT_2 UNUSED},
};

/* Codes of the block that begins `bytes`. */
static inline __m512i codes_of(__m512i bytes)
{
    const __m512i shifts = _mm512_set1_epi64(0x231e19140f0a0500); /* 5j in byte j */
    bytes = _mm512_permutexvar_epi8(_mm512_load_si512(lanes), bytes);
    return _mm512_multishift_epi64_epi8(shifts, bytes);
}

/* Reads the 40 bytes alone: the last block may end the matrix. */
static inline __m512i load_block(const uint8_t *at)
{
    return codes_of(_mm512_maskz_loadu_epi8((__mmask64)0xffffffffff, at));
}

static inline __m512i block_plane(__m512i block, int p)
{
    return _mm512_permutexvar_epi8(block, _mm512_load_si512(trits[p]));
}

#include "kernels/mad_avx512vnni.h"

/* Trits of codes 0 .. 26 as t0 | t1 << 2 | t2 << 4. */
#define NINE(n) n, n + 1, n + 2, n + 4, n + 5, n + 6, n + 8, n + 9, n + 10,
#define FIELDS  NINE(0) NINE(16) NINE(32)
alignas(64) static const uint8_t fields[64] = {FIELDS UNUSED FIELDS UNUSED};

/* sums[p] += trits p of a block's codes times its columns. */
TM_ALWAYS_INLINE void multiply_add(__m512i *sums, __m512i codes, __m512i table, const __m512i *mask,
                                   const int8_t *q)
{
    __m512i v = _mm512_permutexvar_epi8(codes, table);
#pragma GCC unroll 3
    for (int p = 0; p < TM_T3_UNITS; p++)
        sums[p] = _mm512_dpbusd_epi32(sums[p], _mm512_and_si512(v, mask[p]),
                                      _mm512_set1_epi32(tm_load_i32(q + 4 * p)));
}

/* One token. One look-up gives the three trits, which stay where they are in the byte and are summed
 * apart: trit p counts 4^p-fold. A sum is at most 32 x 127 x n_cols / 3 in size: below 2^31 up to
 * n_cols = 1,585,000. It is a multiple of 4^p, so the final shift is exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m512i table = _mm512_load_si512(fields);
    const __m512i mask[TM_T3_UNITS] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c),
                                       _mm512_set1_epi8(0x30)};
    size_t n_blocks = tm_t3_blocks(w->n_cols);
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_T3_BLOCK;
    int8_t last[TM_T3_COLS];
    tm_t3_last_columns(x, 0, last);

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m512i a[TM_T3_UNITS], b[TM_T3_UNITS];
        const int8_t *q = x->i8;
        size_t i = 0;
#pragma GCC unroll 3
        for (int p = 0; p < TM_T3_UNITS; p++) a[p] = b[p] = _mm512_setzero_si512();
        /* While a block follows, 64 bytes of each may be read. */
        for (; i + 3 <= n_blocks; i += 2, q += 2 * TM_T3_COLS) {
            _mm_prefetch((const char *)data + TM_PREFETCH_BYTES, _MM_HINT_T0);
            _mm_prefetch((const char *)data + TM_PREFETCH_BYTES + 64, _MM_HINT_T0);
            multiply_add(a, codes_of(_mm512_loadu_si512(data)), table, mask, q);
            multiply_add(b, codes_of(_mm512_loadu_si512(data + TM_T3_BLOCK)), table, mask,
                         q + TM_T3_COLS);
            data += 2 * TM_T3_BLOCK;
        }
        for (; i < n_blocks; i++, data += TM_T3_BLOCK, q += TM_T3_COLS)
            multiply_add(a, load_block(data), table, mask, i + 1 == n_blocks ? last : q);
#pragma GCC unroll 3
        for (int p = 0; p < TM_T3_UNITS; p++)
            a[p] = _mm512_srai_epi32(_mm512_add_epi32(a[p], b[p]), (unsigned)(2 * p));
        __m512i total = _mm512_add_epi32(a[0], _mm512_add_epi32(a[1], a[2]));
        store_rows(y + row, total, w, x, row_end - row);
    }
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_t3r16_lut_avx512vbmi = {
    .name = "t3r16_lut_avx512vbmi",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVX512VBMI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "three trits in five bits as in bitnet.cpp's TL2 (2502.11880, 3.1); unpacked by "
              "vpermb and vpmultishiftqb, panels as in BLIS",
};
