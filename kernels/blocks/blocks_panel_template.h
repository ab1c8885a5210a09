/* Template: prompts of a block layout. A piece of the weights becomes a tile of codes once, for all
 * tokens.
 *
 *   for each chunk of tokens                    its panel is read in order
 *     for each TM_BLOCK_PANEL_ROWS rows         their totals: at most 36 KiB
 *       for each piece of 256 columns           unpacked into a tile: at most 10 KiB, L1
 *         for each block of tokens              micro-kernel: the integer sums of a block in
 *                                               registers, then total += (float)sum * (d_w * d_a)
 *
 * Lanes are rows, so the blocks of a row are added in order, as kernels/blocks/blocks.h requires:
 * the bits are those of one token at a time. A unit is 4 bytes of a row or token: 4 codes, or 2 of
 * 16 bits.
 *
 * `prepare` makes the panel: [block of tokens][block of weights][TM_BLOCK_DWORDS][token of the
 * block]. For every TM_BLOCK_SCALE_UNITS units, the dwords of a block hold the first value of their
 * sum, then the units; the last dword is the scale of the activations. Codes are too large by
 * TM_BLOCK_CODE_OFFSET, so the first value is -TM_BLOCK_CODE_OFFSET times the sum of the
 * activations.
 *
 * A kernel file defines before it
 *   TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES, TM_BLOCK_SCALE_AT
 *                             weights and bytes of a block, offset of its scale
 *   TM_BLOCK_CODE_OFFSET      what its codes exceed the weights by
 *   TM_BLOCK_SCALE_UNITS      units that share a scale inside the block; all of them if none do
 *   TM_BLOCK_TOKENS_MIN       fewer tokens read the rows in place: a tile is not worth its cost
 *                             (default 3)
 *   TM_BLOCK_ROWS_IN_PLACE    the function that does so (default rows_of_8)
 * and after it `codes` and, with scales inside a block, `scales`. The template of an instruction
 * set, which includes this one, defines
 *   TM_BLOCK_PANEL_ROWS, TM_BLOCK_WIDTH_MAX, TM_BLOCK_CODE_BYTES
 *   transpose(from, stride, to)   16 rows of 64 bytes -> 16 units, each of TM_BLOCK_PANEL_ROWS x 4
 *                                 bytes
 *   first_sum(even, odd)          the first value of a sum: of columns 0, 1 mod 4 and of 2, 3
 *   multiply(tile, b, panel, n_units, sums, width)
 *   add_scaled_sums(sums, d, scale, width, totals)
 * It defines the functions of a kernel row; all are static.
 */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_PANEL_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_PANEL_TEMPLATE_H

#if !defined TM_BLOCK_CODE_OFFSET || !defined TM_BLOCK_SCALE_UNITS ||                              \
    !defined TM_BLOCK_PANEL_ROWS || !defined TM_BLOCK_WIDTH_MAX || !defined TM_BLOCK_CODE_BYTES
#error "blocks_panel_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"

#include <stdalign.h>

#define TM_BLOCK_PIECE_COLS   TM_K_WEIGHTS
#define TM_BLOCK_PIECE_BLOCKS (TM_BLOCK_PIECE_COLS / TM_BLOCK_WEIGHTS)
#define TM_BLOCK_PIECE_UNITS  (TM_BLOCK_PIECE_COLS * TM_BLOCK_CODE_BYTES / 4)
#define TM_BLOCK_UNITS        (TM_BLOCK_WEIGHTS * TM_BLOCK_CODE_BYTES / 4)
#define TM_BLOCK_N_SCALES     (TM_BLOCK_UNITS / TM_BLOCK_SCALE_UNITS)
#define TM_BLOCK_DWORDS       (TM_BLOCK_UNITS + TM_BLOCK_N_SCALES + 1)
#ifndef TM_BLOCK_ROWS_IN_PLACE
#define TM_BLOCK_ROWS_IN_PLACE rows_of_8
#endif
#ifndef TM_BLOCK_TOKENS_MIN
#define TM_BLOCK_TOKENS_MIN 3 /* fewer read the rows in place */
#endif

typedef struct block_tile {
    alignas(64) uint8_t codes[TM_BLOCK_PIECE_UNITS][TM_BLOCK_PANEL_ROWS][4];
    int32_t scales[TM_BLOCK_PIECE_BLOCKS * TM_BLOCK_N_SCALES]
                  [TM_BLOCK_PANEL_ROWS];                 /* used where TM_BLOCK_N_SCALES > 1 */
    float d[TM_BLOCK_PIECE_BLOCKS][TM_BLOCK_PANEL_ROWS]; /* of the blocks */
} block_tile;

/* sums[token][row] = block b of the tile x its panel. sums: [width][TM_BLOCK_PANEL_ROWS]. n_units
 * is TM_BLOCK_SCALE_UNITS, as an argument: gcc 12 spills the sums of a loop of known length. */
typedef void block_micro(const block_tile *tile, int b, const uint32_t *panel, int n_units,
                         int32_t *sums);

/* totals[token][row] += (float)sum * (d * scale). scale: [width], d: [TM_BLOCK_PANEL_ROWS]. */
TM_ALWAYS_INLINE void add_scaled_sums(const int32_t *sums, const float *d, const uint32_t *scale,
                                      int width, float *totals);

/* The codes of a block, TM_BLOCK_CODE_BYTES each, in the order of its columns. */
TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to);
#if TM_BLOCK_SCALE_UNITS < TM_BLOCK_WEIGHTS * TM_BLOCK_CODE_BYTES / 4
/* The 16 scales inside a block, each as a factor of a sum. */
TM_ALWAYS_INLINE void scales(const uint8_t *block, int32_t *to);
#endif
TM_ALWAYS_INLINE void transpose(const uint8_t *from, size_t stride, uint8_t *to);
TM_ALWAYS_INLINE uint32_t first_sum(int32_t even, int32_t odd);

static const tm_panel_ops block_widths = {.width_max = TM_BLOCK_WIDTH_MAX, .width_step = 1};

static inline size_t n_blocks_of(int n_cols)
{
    return ((size_t)n_cols + TM_BLOCK_WEIGHTS - 1) / TM_BLOCK_WEIGHTS;
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    if (n_tokens < TM_BLOCK_TOKENS_MIN) return 0;
    return tm_round_up((size_t)n_tokens * n_blocks_of(n_cols) * TM_BLOCK_DWORDS * 4, 64);
}

/* The dwords of one token and block, `width` apart. */
TM_ALWAYS_INLINE void panel_block(const int8_t *q, float scale, uint32_t *to, size_t width)
{
    for (int s = 0; s < TM_BLOCK_N_SCALES; s++) {
        uint32_t *first = to;
        int32_t even = 0, odd = 0;
        to += width;
        for (int u = 0; u < TM_BLOCK_SCALE_UNITS; u++, q += 4 / TM_BLOCK_CODE_BYTES, to += width) {
            if (TM_BLOCK_CODE_BYTES == 1) {
                even += q[0] + q[1];
                odd += q[2] + q[3];
                memcpy(to, q, sizeof *to);
            } else {
                *to = (uint16_t)q[0] | (uint32_t)(uint16_t)q[1] << 16;
            }
        }
        *first = first_sum(even, odd);
    }
    memcpy(to, &scale, sizeof scale);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    size_t n_blocks = n_blocks_of(x->n_cols), n_scales = (size_t)(x->stride / TM_BLOCK_WEIGHTS);
    int64_t n_wide = tm_panel_blocks(&block_widths, x->n_tokens);
    if (x->n_tokens < TM_BLOCK_TOKENS_MIN) return;
    for (int i = (int)(n_wide * part / n_parts); i < (int)(n_wide * (part + 1) / n_parts); i++) {
        int begin = tm_panel_begin(&block_widths, x->n_tokens, i);
        size_t width = (size_t)(tm_panel_begin(&block_widths, x->n_tokens, i + 1) - begin);
        uint32_t *to = (uint32_t *)scratch + (size_t)begin * n_blocks * TM_BLOCK_DWORDS;
        for (size_t b = 0; b < n_blocks; b++, to += TM_BLOCK_DWORDS * width)
            for (size_t t = 0; t < width; t++) {
                size_t token = (size_t)begin + t;
                panel_block(x->i8 + token * (size_t)x->stride + b * TM_BLOCK_WEIGHTS,
                            x->scale[token * n_scales + b], to + t, width);
            }
    }
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

/* Blocks of TM_BLOCK_PANEL_ROWS rows at `at` -> tile. */
static inline void make_tile(const uint8_t *const *at, int n_blocks, block_tile *tile)
{
    alignas(64) uint8_t rows[16][TM_BLOCK_PIECE_COLS * TM_BLOCK_CODE_BYTES];
    for (int first = 0; first < TM_BLOCK_PANEL_ROWS; first += 16) {
        for (int r = 0; r < 16; r++)
            for (int b = 0; b < n_blocks; b++)
                codes(at[first + r] + b * TM_BLOCK_BYTES,
                      rows[r] + b * TM_BLOCK_WEIGHTS * TM_BLOCK_CODE_BYTES);
        for (int u = 0; u < n_blocks * TM_BLOCK_UNITS; u += 16)
            transpose(rows[0] + 4 * u, sizeof rows[0], tile->codes[u][first]);
        for (int b = 0; b < n_blocks; b++) {
#if TM_BLOCK_SCALE_UNITS < TM_BLOCK_WEIGHTS * TM_BLOCK_CODE_BYTES / 4
            alignas(64) int32_t inner[16][16];
            for (int r = 0; r < 16; r++) scales(at[first + r] + b * TM_BLOCK_BYTES, inner[r]);
            transpose((const uint8_t *)inner, sizeof inner[0],
                      (uint8_t *)(tile->scales[b * TM_BLOCK_N_SCALES] + first));
#endif
            for (int i = 0; i < 16; i += TM_BLOCK_ROWS)
                _mm256_storeu_ps(
                    tile->d[b] + first + i,
                    load_scales(at + first + i, (size_t)b * TM_BLOCK_BYTES + TM_BLOCK_SCALE_AT));
        }
    }
}

static block_micro *micro_of(int width);

/* Rows row .. row+n-1, at most TM_BLOCK_PANEL_ROWS, for blocks of tokens block_begin ..
 * block_end-1. */
static inline void panel_rows(const tm_weight *w, const tm_act *x, const uint32_t *panel, int row,
                              int n, int block_begin, int block_end, float *y)
{
    alignas(64) float totals[TM_PANEL_TOKENS * TM_BLOCK_PANEL_ROWS];
    alignas(64) int32_t sums[TM_BLOCK_WIDTH_MAX * TM_BLOCK_PANEL_ROWS];
    block_tile tile;
    const uint8_t *at[TM_BLOCK_PANEL_ROWS]; /* the last row stands in for missing ones */
    size_t row_bytes = tm_blocks_row_bytes(w->n_cols, TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES);
    int n_blocks = (int)n_blocks_of(w->n_cols);
    int first = tm_panel_begin(&block_widths, x->n_tokens, block_begin),
        last = tm_panel_begin(&block_widths, x->n_tokens, block_end);

    for (int i = 0; i < TM_BLOCK_PANEL_ROWS; i++)
        at[i] = (const uint8_t *)w->data + (size_t)(row + (i < n ? i : n - 1)) * row_bytes;
    memset(totals, 0, (size_t)(last - first) * TM_BLOCK_PANEL_ROWS * sizeof *totals);
    for (int b = 0; b < n_blocks; b += TM_BLOCK_PIECE_BLOCKS) {
        int n_piece = n_blocks - b < TM_BLOCK_PIECE_BLOCKS ? n_blocks - b : TM_BLOCK_PIECE_BLOCKS;
        for (int i = 0; i < TM_BLOCK_PANEL_ROWS; i++) /* the next rows' piece */
            for (int line = 0; line < TM_BLOCK_PIECE_BLOCKS * TM_BLOCK_BYTES; line += 64)
                _mm_prefetch((const char *)at[i] + TM_BLOCK_PANEL_ROWS * row_bytes + line,
                             _MM_HINT_T1);
        make_tile(at, n_piece, &tile);
        for (int i = 0; i < TM_BLOCK_PANEL_ROWS; i++) at[i] += n_piece * TM_BLOCK_BYTES;
        for (int i = block_begin; i < block_end; i++) {
            size_t begin = (size_t)tm_panel_begin(&block_widths, x->n_tokens, i);
            size_t width = (size_t)tm_panel_begin(&block_widths, x->n_tokens, i + 1) - begin;
            size_t from = (begin * (size_t)n_blocks + (size_t)b * width) * TM_BLOCK_DWORDS;
            block_micro *micro = micro_of((int)width);
            const uint32_t *at_block = panel + from;
            for (int k = 0; k < n_piece; k++, at_block += width * TM_BLOCK_DWORDS) {
                micro(&tile, k, at_block, TM_BLOCK_SCALE_UNITS, sums);
                add_scaled_sums(sums, tile.d[k], at_block + width * (TM_BLOCK_DWORDS - 1),
                                (int)width, totals + (begin - (size_t)first) * TM_BLOCK_PANEL_ROWS);
            }
        }
    }
    for (int t = first; t < last; t++)
        memcpy(y + (size_t)t * (size_t)w->n_rows + (size_t)row,
               totals + (size_t)(t - first) * TM_BLOCK_PANEL_ROWS, (size_t)n * sizeof *y);
}

/* scratch NULL: nothing was prepared, so every token reads the rows in place. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens < TM_BLOCK_TOKENS_MIN || !scratch) {
        TM_BLOCK_ROWS_IN_PLACE(w, x, row_begin, row_end, y);
        return;
    }
    int n_wide = tm_panel_blocks(&block_widths, x->n_tokens),
        per_chunk = TM_PANEL_TOKENS / TM_BLOCK_WIDTH_MAX;
    for (int block = 0; block < n_wide; block += per_chunk) {
        int end = n_wide - block < per_chunk ? n_wide : block + per_chunk;
        for (int row = row_begin; row < row_end; row += TM_BLOCK_PANEL_ROWS)
            panel_rows(w, x, scratch, row,
                       row_end - row < TM_BLOCK_PANEL_ROWS ? row_end - row : TM_BLOCK_PANEL_ROWS,
                       block, end, y);
    }
}

#define TM_BLOCK_MICRO(width, unused)                                                              \
    static void micro_##width(const block_tile *tile, int b, const uint32_t *panel, int n_units,   \
                              int32_t *sums)                                                       \
    {                                                                                              \
        multiply(tile, b, panel, n_units, sums, width);                                            \
    }
#define TM_BLOCK_MICRO_AT(width, unused) [width] = micro_##width,

#endif
