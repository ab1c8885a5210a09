/* i2r16 x int8 with AMX: activations as the signed rows of one operand, codes as the unsigned one,
 * which i2r16's unit of 16 rows x 4 columns already is. The kernel file and the test that emulates
 * the tiles include it.
 *
 *   for each chunk of tokens                     their sums: at most 36 KiB
 *     for each 32 rows
 *       for each piece of 512 columns            unpacked: 16 KiB, L1
 *         for each 32 tokens                     4 tiles of 16 tokens x 16 rows, 64 columns a step
 *       sums -> y
 *
 * Columns beyond the last whole step make a piece of their own with shorter tiles, and so do tokens
 * beyond the last 16: nothing is read past an activation's stride or past the last token. */
#ifndef TM_KERNELS_TERNARY_I2_AMX_H
#define TM_KERNELS_TERNARY_I2_AMX_H

#include "kernels/panel.h"
#include "kernels/ternary/amx.h"
#include "kernels/ternary/i2.h"

#include <stdalign.h>
#include <string.h>

#define AMX_ROWS       32 /* of weights: two tiles */
#define AMX_TOKENS     32 /* two tiles */
#define AMX_UNITS      16 /* of a step: a tile's rows of codes */
#define AMX_STEPS      8  /* of a piece */
#define AMX_UNIT_BYTES 64

/* A step of a piece for one block of tokens. */
typedef struct amx_shape {
    int first, second; /* tokens of its two tiles; 0: no second */
    int units;         /* of a step */
} amx_shape;

/* Tiles 0, 1 and 2, 3: sums of the first and second 16 tokens x 16 and 16 rows; 4, 5: activations
 * of the first and second 16 tokens; 6, 7: codes of the first and second 16 rows. */
static inline void amx_configure(amx_shape s)
{
    const int of_tile[8][2] = {{s.first, 64},
                               {s.first, 64},
                               {s.second, 64},
                               {s.second, 64},
                               {s.first, 4 * s.units},
                               {s.second, 4 * s.units},
                               {s.units, AMX_UNIT_BYTES},
                               {s.units, AMX_UNIT_BYTES}};
    alignas(64) tm_tile_config config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.rows[i] = (uint8_t)of_tile[i][0];
        config.row_bytes[i] = (uint16_t)(of_tile[i][0] != 0 ? of_tile[i][1] : 0);
    }
    tm_tile_configure(&config);
}

/* sums [token][AMX_ROWS] (+)= n_steps steps. codes: [step][2][units][AMX_UNIT_BYTES]; q: of the
 * first token, the first column. */
static inline void amx_multiply(const uint8_t *codes, const int8_t *q, size_t stride, amx_shape s,
                                int n_steps, int32_t *sums, bool add)
{
    const long sum_stride = AMX_ROWS * (long)sizeof *sums;
    int32_t *second = sums + 16 * AMX_ROWS;
    size_t codes_bytes = (size_t)s.units * AMX_UNIT_BYTES;
    tm_tile_zero(0);
    tm_tile_zero(1);
    if (add) {
        tm_tile_load(0, sums, sum_stride);
        tm_tile_load(1, sums + 16, sum_stride);
    }
    if (s.second != 0) {
        tm_tile_zero(2);
        tm_tile_zero(3);
    }
    if (s.second != 0 && add) {
        tm_tile_load(2, second, sum_stride);
        tm_tile_load(3, second + 16, sum_stride);
    }
    for (int i = 0; i < n_steps; i++, q += 4 * s.units, codes += 2 * codes_bytes) {
        tm_tile_load(6, codes, AMX_UNIT_BYTES);
        tm_tile_load(7, codes + codes_bytes, AMX_UNIT_BYTES);
        tm_tile_load(4, q, (long)stride);
        tm_tile_dpbsud(0, 4, 6);
        tm_tile_dpbsud(1, 4, 7);
        if (s.second == 0) continue;
        tm_tile_load(5, q + 16 * stride, (long)stride);
        tm_tile_dpbsud(2, 5, 6);
        tm_tile_dpbsud(3, 5, 7);
    }
    tm_tile_store(0, sums, sum_stride);
    tm_tile_store(1, sums + 16, sum_stride);
    if (s.second == 0) return;
    tm_tile_store(2, second, sum_stride);
    tm_tile_store(3, second + 16, sum_stride);
}

/* n_steps steps of `units` units of one row group, each units a multiple of 4, to every second
 * place of codes. Eight codes at a time, as kernels/ternary/format_i2r16.c draws them. */
static inline void amx_unpack(const uint8_t *packed, int n_steps, int units, uint8_t *codes)
{
    for (int i = 0; i < n_steps; i++, codes += units * AMX_UNIT_BYTES)
        for (int u = 0; u < units; u += 4, packed += TM_I2_BLOCK)
            for (int p = 0; p < 4; p++, codes += AMX_UNIT_BYTES)
                for (int k = 0; k < AMX_UNIT_BYTES; k += 8) {
                    uint64_t eight;
                    memcpy(&eight, packed + k, sizeof eight);
                    eight = eight >> 2 * p & 0x0303030303030303u;
                    memcpy(codes + k, &eight, sizeof eight);
                }
}

/* Rows row .. row+n-1, at most AMX_ROWS, for tokens begin .. end-1. */
static inline void amx_tile_rows(const tm_weight *w, const tm_act *x, int row, int n, int begin,
                                 int end, float *y)
{
    alignas(64) uint8_t codes[AMX_STEPS * 2 * AMX_UNITS * AMX_UNIT_BYTES];
    alignas(64) int32_t sums[TM_PANEL_TOKENS * AMX_ROWS];
    amx_shape now = {0};
    size_t stride = (size_t)x->stride;
    int n_blocks = (w->n_cols + TM_I2_COLS - 1) / TM_I2_COLS, n_units = 4 * n_blocks;
    size_t group_bytes = (size_t)n_blocks * TM_I2_BLOCK;
    const uint8_t *first = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
    const uint8_t *second = n > TM_GROUP ? first + group_bytes : first; /* if missing, not stored */
    for (int u = 0; u < n_units;) {
        int units = n_units - u < AMX_UNITS ? n_units - u : AMX_UNITS;
        int n_steps = (n_units - u) / units < AMX_STEPS ? (n_units - u) / units : AMX_STEPS;
        size_t at = (size_t)u / 4 * TM_I2_BLOCK;
        amx_unpack(first + at, n_steps, units, codes);
        amx_unpack(second + at, n_steps, units, codes + units * AMX_UNIT_BYTES);
        for (int t = begin; t < end; t += AMX_TOKENS) {
            int n_tokens = end - t < AMX_TOKENS ? end - t : AMX_TOKENS;
            amx_shape shape = {n_tokens < 16 ? n_tokens : 16, n_tokens < 16 ? 0 : n_tokens - 16,
                               units};
            if (memcmp(&shape, &now, sizeof now) != 0) amx_configure(shape);
            now = shape;
            amx_multiply(codes, x->i8 + (size_t)t * stride + 4 * (size_t)u, stride, shape, n_steps,
                         sums + (t - begin) * AMX_ROWS, u > 0);
        }
        u += n_steps * units;
    }
    for (int t = begin; t < end; t++)
        for (int r = 0; r < n; r++) { /* codes are trit + 1 */
            int32_t sum = sums[(t - begin) * AMX_ROWS + r] - x->sum[t];
            y[(size_t)t * (size_t)w->n_rows + (size_t)(row + r)] =
                ((float)sum * x->scale[t]) * w->scale;
        }
}

static inline void amx_rows(const tm_weight *w, const tm_act *x, int row_begin, int row_end,
                            float *y)
{
    for (int begin = 0; begin < x->n_tokens; begin += TM_PANEL_TOKENS) {
        int end = x->n_tokens - begin < TM_PANEL_TOKENS ? x->n_tokens : begin + TM_PANEL_TOKENS;
        for (int row = row_begin; row < row_end; row += AMX_ROWS)
            amx_tile_rows(w, x, row, row_end - row < AMX_ROWS ? row_end - row : AMX_ROWS, begin,
                          end, y);
    }
    tm_tile_release();
}

#endif
