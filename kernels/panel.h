/* Matrix times many tokens: panels of activations, tiles of weights, one loop for every variant.
 *
 * A unit is 4 bytes of a token: 4 int8 columns or 1 float column. A variant provides a micro-kernel
 * that multiplies some row groups by one block of tokens, in registers, over up to TM_PANEL_UNITS
 * units; this file walks the matrix so that the micro-kernel reads from L1 and L2:
 *
 *   for each chunk of tokens                      its panel of a K-block: at most 144 KiB, L2
 *     for each 8 row groups                       their sums: at most 144 KiB, L2
 *       for each K-block of 128 units (or fewer: whole blocks of the layout)
 *         for each 1, 2 or 4 of the row groups    unpack them into a tile: 8 to 32 KiB, L1
 *           for each block of tokens              micro-kernel: adds into the sums
 *       sums -> y
 *
 * The panel is made by `prepare` from the activations: [K-block][block of tokens][unit][token of
 * the block], so that one pointer and small displacements reach all tokens of a block, and the
 * blocks are in the order in which they are read. For instructions that multiply matrices, two
 * units of a token stay together. Few blocks of tokens read the packed weights in place, since a
 * tile would not be used often enough. A thread needs 200 KiB of stack here.
 *
 * Only static inline: every file that includes this compiles it for its own instruction set.
 */
#ifndef TM_KERNELS_PANEL_H
#define TM_KERNELS_PANEL_H

#include "kernels/kernel.h"

#include <stdalign.h>
#include <string.h>

#define TM_PANEL_UNITS      128 /* units of a K-block at most: 512 int8 or 128 float columns */
#define TM_PANEL_GROUPS     8   /* row groups of a tile */
#define TM_TILE_GROUPS      4   /* most row groups a micro-kernel takes */
#define TM_PANEL_TOKENS     288 /* tokens of a chunk at most; a multiple of every width_max */
#define TM_PANEL_ROWS       (TM_PANEL_GROUPS * TM_GROUP)
#define TM_TILE_GROUP_BYTES (TM_GROUP * TM_PANEL_UNITS * 4) /* 4 bytes per row and unit */

/* Prefetch distance of the packed weights, for all row groups of a multiply together: enough lines
 * in flight to cover a memory latency of 100 ns at 40 GB/s per core, with a margin. It serves
 * several tokens, and layouts whose decoding is bound by arithmetic; kernels that only stream use
 * tm_kernel_ahead. */
#define TM_PREFETCH_BYTES 8192

/* Row groups that are read side by side prefetch the next groups at the same columns into L2, so
 * that no group begins with a miss. If that took more of L2 than this, they prefetch further
 * columns of the same groups. */
#define TM_PREFETCH_GROUPS_BYTES ((size_t)512 << 10)

/* The panel of a wide matrix does not fit L2. The micro-kernels of a tile read it from end to end,
 * but a hardware prefetcher stops at the end of a page. So they prefetch it into L1 at this
 * distance: 20 units of 12 tokens, for which a core multiplies more than 100 ns. 512 to 2048
 * perform alike. */
#define TM_PANEL_AHEAD 1024

/* What a layout of floats stores: the values of TM_FMA_WEIGHT in
 * kernels/floats/fma_<isa>_template.h. */
#define TM_FMA_F32  0
#define TM_FMA_F16  1
#define TM_FMA_BF16 2 /* pairs of columns: kernels/floats/format_float.c */

/* Rounding of f32 sums, relative to sum|w x|: a product, 128 sums in a piece and n_cols / 128 <=
 * 512 pieces (n_cols <= 65536) are each rounded by at most 2^-24; 768 leaves room for more partial
 * sums than one and for the second order. */
#define TM_FLOAT_TOLERANCE (768 * 0x1p-24f)

/* Sums of one row and token: int32 for int8 activations, float for float. */
typedef union tm_panel_sum {
    int32_t i;
    float f;
} tm_panel_sum;

/* sums[token][row] (+)= weights x panel.
 *   weights: of the first row group; the next begins group_bytes later. [n_units][16 rows][4 bytes]
 *            if unpacked, else n_units of the layout.
 *   panel:   [n_units][width][4 bytes]; in pairs [n_units / 2][width][8 bytes].
 *   sums:    [width][TM_PANEL_ROWS], the first row of the first group; replaced unless `add`. */
typedef void tm_panel_micro(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                            int n_units, tm_panel_sum *sums, bool add);

typedef struct tm_panel_ops {
    tm_act_kind act;
    int unit_cols;       /* columns of a unit; 0: 1 float or 4 int8 */
    int width_max;       /* tokens of a block, at most */
    int width_step;      /* the width of a block is a multiple of it; missing tokens are zeros */
    bool pairs;          /* the panel keeps two units of a token together; block_units is even */
    int block_units;     /* units of 16 rows that the layout stores together */
    int block_bytes;     /* packed bytes of those; a group is padded to whole blocks */
    int block_groups;    /* row groups that a block holds, 4 of every 16 bytes each; 0: one */
    int blocks_in_place; /* up to this many blocks of tokens use no tile */
    /* packed -> tile: [n_units][16 rows][4 bytes]. NULL: the layout is that already. */
    void (*unpack)(const uint8_t *packed, int n_units, uint8_t *tile);
    /* Most row groups (1, 2 or 4) the micro-kernel takes for blocks up to `width` tokens. */
    int (*groups)(int width);
    /* packed: for weights in the layout; else for tiles. */
    tm_panel_micro *(*micro)(int groups, int width, bool packed);
} tm_panel_ops;

static inline int tm_panel_units(const tm_panel_ops *ops, int n_cols)
{
    int unit_cols = ops->unit_cols != 0 ? ops->unit_cols : ops->act == TM_ACT_F32 ? 1 : 4;
    int block_cols = unit_cols * ops->block_units;
    return (n_cols + block_cols - 1) / block_cols * ops->block_units;
}

/* Units of a K-block: whole blocks of the layout. */
static inline int tm_panel_piece_units(const tm_panel_ops *ops)
{
    return TM_PANEL_UNITS / ops->block_units * ops->block_units;
}

/* Packed bytes of n_units units: whole blocks, of all their groups. */
static inline size_t tm_panel_bytes(const tm_panel_ops *ops, int n_units)
{
    return (size_t)(n_units / ops->block_units) * (size_t)ops->block_bytes;
}

/* From a row group to the next, which may be in the same block. */
static inline size_t tm_panel_group_bytes(const tm_panel_ops *ops, int n_units)
{
    return ops->block_groups > 1 ? 4 : tm_panel_bytes(ops, n_units);
}

static inline int tm_panel_slots(const tm_panel_ops *ops, int n_tokens)
{
    return (n_tokens + ops->width_step - 1) / ops->width_step;
}

static inline int tm_panel_blocks(const tm_panel_ops *ops, int n_tokens)
{
    int per_block = ops->width_max / ops->width_step;
    return (tm_panel_slots(ops, n_tokens) + per_block - 1) / per_block;
}

/* First token of block i. Blocks differ by at most one step, so that none is left over narrow. */
static inline int tm_panel_begin(const tm_panel_ops *ops, int n_tokens, int i)
{
    int64_t n_slots = tm_panel_slots(ops, n_tokens), n_blocks = tm_panel_blocks(ops, n_tokens);
    return (int)(n_slots * i / n_blocks) * ops->width_step;
}

/* Offset in the panel of the block of tokens at token_begin, of the K-block of n_piece units at
 * u. */
static inline size_t tm_panel_at(const tm_panel_ops *ops, int n_tokens, int token_begin, int u,
                                 int n_piece)
{
    size_t n_all = (size_t)tm_panel_slots(ops, n_tokens) * (size_t)ops->width_step;
    return 4 * ((size_t)u * n_all + (size_t)token_begin * (size_t)n_piece);
}

/* A single token is read in place. */
static inline size_t tm_panel_size(const tm_panel_ops *ops, int n_cols, int n_tokens)
{
    if (n_tokens <= 1) return 0;
    size_t n_slots = (size_t)tm_panel_slots(ops, n_tokens) * (size_t)ops->width_step;
    return tm_round_up(n_slots * (size_t)tm_panel_units(ops, n_cols) * 4, 64);
}

/* The token's 2 units at `from`; read as one number, the first is its low half. */
TM_ALWAYS_INLINE uint64_t tm_panel_load_2(const uint8_t *from)
{
    uint64_t v;
    memcpy(&v, from, sizeof v);
    return v;
}

TM_ALWAYS_INLINE void tm_panel_store_2(uint32_t *to, uint64_t v)
{
    memcpy(to, &v, sizeof v);
}

/* n units, an even number, of two tokens side by side: token after token of each unit at `to`,
 * units `step` apart. In pairs: two units of a token, then those of the next. */
TM_ALWAYS_INLINE void tm_panel_interleave(const uint8_t *first, const uint8_t *second, int n,
                                          bool pairs, uint32_t *to, size_t step)
{
    const uint64_t low = 0xffffffff;
    for (int k = 0; k < n; k += 2, first += 8, second += 8, to += 2 * step) {
        uint64_t a = tm_panel_load_2(first), b = tm_panel_load_2(second);
        tm_panel_store_2(to, pairs ? a : (a & low) | b << 32);
        tm_panel_store_2(to + (pairs ? 2 : step), pairs ? b : a >> 32 | (b & ~low));
    }
}

/* Units of one token from `from`, of which it has n_read; the others are 0. */
static inline void tm_panel_place(const uint8_t *from, int n, int n_read, bool pairs, uint32_t *to,
                                  size_t step)
{
    for (int k = 0; k < n; k++) {
        uint32_t unit = 0;
        if (k < n_read) memcpy(&unit, from + (size_t)k * 4, sizeof unit);
        to[pairs ? (size_t)(k / 2) * 2 * step + (size_t)(k % 2) : (size_t)k * step] = unit;
    }
}

/* Makes part `part` of `n_parts` of the panel: the same share of the units of every block of
 * tokens. */
static inline void tm_panel_prepare(const tm_panel_ops *ops, const tm_act *x, void *scratch,
                                    int part, int n_parts)
{
    if (x->n_tokens <= 1) return;
    const uint8_t *data = ops->act == TM_ACT_F32 ? (const uint8_t *)x->f32 : (const uint8_t *)x->i8;
    size_t item = ops->act == TM_ACT_F32 ? sizeof(float) : 1;
    size_t token_bytes = (size_t)x->stride * item;
    int n_units = tm_panel_units(ops, x->n_cols), n_lines = (n_units + 15) / 16;
    int piece_units = tm_panel_piece_units(ops);
    int n_stored =
        (int)(token_bytes / 4); /* units of a token; the layout's padding may exceed it */
    int u_begin = (int)((int64_t)n_lines * part / n_parts) * 16;
    int u_end = (int)((int64_t)n_lines * (part + 1) / n_parts) * 16;
    if (u_end > n_units) u_end = n_units;

    for (int i = 0, begin = 0, end; begin < x->n_tokens; i++, begin = end) {
        end = tm_panel_begin(ops, x->n_tokens, i + 1);
        size_t width = (size_t)(end - begin);
        /* 16 units at a time, a cache line of each token; at the end of a K-block an even number,
         * then one. */
        for (int u = u_begin, n; u < u_end; u += n) {
            int first = u / piece_units * piece_units;
            int n_piece = n_units - first < piece_units ? n_units - first : piece_units;
            uint8_t *panel =
                (uint8_t *)scratch + tm_panel_at(ops, x->n_tokens, begin, first, n_piece);
            const uint8_t *from = data + (size_t)begin * token_bytes + (size_t)u * 4;
            uint32_t *to = (uint32_t *)(void *)panel + (size_t)(u - first) * width;
            int left = first + n_piece < u_end ? first + n_piece - u : u_end - u;
            int t = begin, step = ops->pairs ? 2 : 1;
            n = left >= 16 ? 16 : left > 1 ? left / 2 * 2 : 1;
            if (n % 2 == 0 && u + n <= n_stored)
                for (; t + 2 <= end && t + 2 <= x->n_tokens; t += 2, to += 2 * step) {
                    tm_panel_interleave(from, from + token_bytes, n, ops->pairs, to, width);
                    from += 2 * token_bytes;
                }
            for (; t < end; t++, from += token_bytes, to += step)
                tm_panel_place(from, n, t < x->n_tokens ? n_stored - u : 0, ops->pairs, to, width);
        }
    }
}

/* n rows of a token: codes are trit + 1, and sum(code q) - sum(q) = sum(trit q). */
TM_ALWAYS_INLINE void tm_panel_scale(const tm_panel_sum *restrict sums, int32_t sum, float scale,
                                     float w_scale, const int n, float *restrict y)
{
    for (int r = 0; r < n; r++) y[r] = ((float)(sums[r].i - sum) * scale) * w_scale;
}

/* sums -> y for tokens token_begin .. and rows row_begin .. row_end-1. */
static inline void tm_panel_finish(const tm_panel_ops *ops, const tm_weight *w, const tm_act *x,
                                   const tm_panel_sum *sums, int token_begin, int token_end,
                                   int row_begin, int row_end, float *y)
{
    if (token_end > x->n_tokens) token_end = x->n_tokens;
    for (int t = token_begin; t < token_end; t++, sums += TM_PANEL_ROWS) {
        float *out = y + (size_t)t * (size_t)w->n_rows + (size_t)row_begin;
        int n = row_end - row_begin, r = 0;
        if (ops->act == TM_ACT_F32) {
            memcpy(out, sums, (size_t)n * sizeof *out);
            continue;
        }
        /* Whole groups have a constant size, so that compilers vectorize them. Row by row, matrices
         * of 768 columns spent an eighth of their time here. */
        for (; r + TM_GROUP <= n; r += TM_GROUP)
            tm_panel_scale(sums + r, x->sum[t], x->scale[t], w->scale, TM_GROUP, out + r);
        tm_panel_scale(sums + r, x->sum[t], x->scale[t], w->scale, n - r, out + r);
    }
}

/* One chunk of tokens on its way through the matrix. */
typedef struct tm_panel_walk {
    const tm_panel_ops *ops;
    const tm_weight *w;
    const uint8_t *panel;  /* of the whole activation */
    const int *begin;      /* [n_blocks + 1] first token of each block of the chunk */
    int n_blocks;          /* of the chunk */
    int n_tokens, n_units; /* of the activation, of the matrix */
    int piece_units;       /* of a K-block */
    int groups_max;        /* that a micro-kernel takes at this width */
    bool in_place;         /* the layout is read, no tile */
    float *y;              /* [n_tokens][n_rows] */
    uint8_t *tile;
    tm_panel_sum *sums; /* [tokens of the chunk][TM_PANEL_ROWS] */
} tm_panel_walk;

/* A piece of packed weights: `groups` row groups from `group` on, over the K-block at unit u. */
typedef struct tm_panel_piece {
    int group, groups, u;
} tm_panel_piece;

static inline const uint8_t *tm_panel_packed(const tm_panel_walk *k, int group, int u)
{
    int together = k->ops->block_groups > 1 ? k->ops->block_groups : 1;
    return (const uint8_t *)k->w->data +
           (size_t)(group / together) * tm_panel_bytes(k->ops, k->n_units) +
           (size_t)(group % together) * 4 + tm_panel_bytes(k->ops, u);
}

/* Prefetches part i of n of the lines of a piece. Always inline: gcc 12 regards a function that
 * only prefetches as one without effects and drops its calls. */
TM_ALWAYS_INLINE void tm_panel_prefetch(const tm_panel_walk *k, tm_panel_piece next, int i, int n)
{
    int units = k->n_units - next.u < k->piece_units ? k->n_units - next.u : k->piece_units;
    int lines = (int)((tm_panel_bytes(k->ops, units) + 63) / 64);
    for (int g = 0; g < next.groups; g++) {
        const uint8_t *at = tm_panel_packed(k, next.group + g, next.u);
        if (k->ops->block_groups > 1 && (next.group + g) % k->ops->block_groups != 0) continue;
        for (int line = lines * i / n; line < lines * (i + 1) / n; line++)
            __builtin_prefetch(at + 64 * line, 0, 2);
    }
}

/* Prefetches the lines of y for the sums of these row groups into L2, before they are written: one
 * line for each token and group. */
TM_ALWAYS_INLINE void tm_panel_prefetch_y(const tm_panel_walk *k, tm_panel_piece piece,
                                          int token_begin, int token_end)
{
    size_t n_rows = (size_t)k->w->n_rows;
    if (token_end > k->n_tokens) token_end = k->n_tokens;
    for (int t = token_begin; t < token_end; t++)
        for (int g = piece.group; g < piece.group + piece.groups; g++)
            __builtin_prefetch(k->y + (size_t)t * n_rows + (size_t)g * TM_GROUP, 1, 2);
}

/* sums (+)= a piece of the weights x the chunk, for the rows from first_group on. Meanwhile the
 * next piece is prefetched into L2: its rows are too far apart for a hardware prefetcher. */
static inline void tm_panel_step(const tm_panel_walk *k, int first_group, tm_panel_piece piece,
                                 tm_panel_piece next)
{
    const tm_panel_ops *ops = k->ops;
    bool use_tile = !k->in_place && ops->unpack;
    const uint8_t *weights = tm_panel_packed(k, piece.group, piece.u);
    size_t group_bytes = tm_panel_group_bytes(ops, k->n_units);
    int n = k->n_units - piece.u < k->piece_units ? k->n_units - piece.u : k->piece_units;
    tm_panel_sum *sums = k->sums + (piece.group - first_group) * TM_GROUP;
    if (use_tile) {
        for (int g = 0; g < piece.groups; g++)
            ops->unpack(weights + (size_t)g * group_bytes, n, k->tile + g * TM_TILE_GROUP_BYTES);
        weights = k->tile;
        group_bytes = TM_TILE_GROUP_BYTES;
    }
    tm_panel_micro *micro = NULL;
    int last_width = 0;
    for (int i = 0; i < k->n_blocks; i++) {
        int begin = k->begin[i], width = k->begin[i + 1] - begin;
        size_t at = tm_panel_at(ops, k->n_tokens, begin, piece.u, n);
        if (width != last_width) micro = ops->micro(piece.groups, width, k->in_place);
        last_width = width;
        if (!k->in_place) tm_panel_prefetch(k, next, i, k->n_blocks);
        if (!k->in_place && piece.u + n == k->n_units)
            tm_panel_prefetch_y(k, piece, begin, k->begin[i + 1]);
        micro(weights, group_bytes, k->panel + at, n, sums + (begin - k->begin[0]) * TM_PANEL_ROWS,
              piece.u > 0);
    }
}

/* Advances to the next piece in the tile group_begin .. group_end-1; false after the last. */
static inline bool tm_panel_next(const tm_panel_walk *k, int group_begin, int group_end,
                                 tm_panel_piece *piece)
{
    piece->group += piece->groups;
    if (piece->group >= group_end) {
        piece->group = group_begin;
        piece->u += k->piece_units;
    }
    for (piece->groups = k->groups_max; piece->groups > group_end - piece->group;)
        piece->groups /= 2;
    return piece->u < k->n_units;
}

/* Rows row_begin .. row_end-1 for all tokens; the `rows` of a kernel for n_tokens > 1. */
static inline void tm_panel_rows(const tm_panel_ops *ops, const tm_weight *w, const tm_act *x,
                                 const void *scratch, int row_begin, int row_end, float *y)
{
    alignas(64) uint8_t tile[TM_TILE_GROUPS * TM_TILE_GROUP_BYTES];
    alignas(64) tm_panel_sum sums[TM_PANEL_TOKENS * TM_PANEL_ROWS];
    int begins[TM_PANEL_TOKENS + 1];

    int n_blocks = tm_panel_blocks(ops, x->n_tokens);
    int chunk_blocks = TM_PANEL_TOKENS / ops->width_max;
    int n_chunks = (n_blocks + chunk_blocks - 1) / chunk_blocks;
    int widest = (tm_panel_slots(ops, x->n_tokens) + n_blocks - 1) / n_blocks * ops->width_step;
    int group_end = (row_end + TM_GROUP - 1) / TM_GROUP;
    tm_panel_walk k = {
        ops,          w,           scratch, begins, .groups_max = ops->groups(widest), .y = y,
        .tile = tile, .sums = sums};
    k.n_tokens = x->n_tokens;
    k.n_units = tm_panel_units(ops, w->n_cols);
    k.piece_units = tm_panel_piece_units(ops);
    k.in_place = n_blocks <= ops->blocks_in_place;
    /* Without a tile, many groups gain nothing: read a few from end to end. */
    int tile_groups = k.in_place ? k.groups_max : TM_PANEL_GROUPS;
    if (tile_groups < ops->block_groups) tile_groups = ops->block_groups;

    for (int chunk = 0; chunk < n_chunks; chunk++) {
        int block = (int)((int64_t)n_blocks * chunk / n_chunks);
        k.n_blocks = (int)((int64_t)n_blocks * (chunk + 1) / n_chunks) - block;
        for (int i = 0; i <= k.n_blocks; i++)
            begins[i] = tm_panel_begin(ops, x->n_tokens, block + i);
        for (int group = row_begin / TM_GROUP; group < group_end; group += tile_groups) {
            int n_groups = group_end - group < tile_groups ? group_end - group : tile_groups;
            int rows_end = (group + n_groups) * TM_GROUP;
            tm_panel_piece next = {.group = group};
            bool more = tm_panel_next(&k, group, group + n_groups, &next);
            while (more) {
                tm_panel_piece piece = next;
                more = tm_panel_next(&k, group, group + n_groups, &next);
                if (!more) /* the last piece of a tile: the first of the next tile follows */
                    next = (tm_panel_piece){group + n_groups, group_end - group - n_groups, 0};
                if (next.groups > k.groups_max) next.groups = k.groups_max;
                tm_panel_step(&k, group, piece, next);
            }
            tm_panel_finish(ops, w, x, sums, begins[0], begins[k.n_blocks], group * TM_GROUP,
                            rows_end < row_end ? rows_end : row_end, y);
        }
    }
}

/* 4 bytes from any address, for a broadcast. */
TM_ALWAYS_INLINE int32_t tm_load_i32(const void *at)
{
    int32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

/* Prefetch distance in bytes for `n_groups` groups that are read side by side. */
TM_ALWAYS_INLINE size_t tm_panel_ahead(size_t group_bytes, int n_groups)
{
    size_t all = group_bytes * (size_t)n_groups;
    return all <= TM_PREFETCH_GROUPS_BYTES ? all : TM_PREFETCH_BYTES;
}

/* Applies X(width, ...) to block widths with a micro-kernel of their own. With at most 12 tokens a
 * block, two blocks or more are at least 6 wide; with at most 6, at least 3. */
#define TM_WIDTHS_2_4(X, ...) X(2, __VA_ARGS__) X(3, __VA_ARGS__) X(4, __VA_ARGS__)
#define TM_WIDTHS_2_6(X, ...) TM_WIDTHS_2_4(X, __VA_ARGS__) X(5, __VA_ARGS__) X(6, __VA_ARGS__)
#define TM_WIDTHS_7_12(X, ...)                                                                     \
    X(7, __VA_ARGS__)                                                                              \
    X(8, __VA_ARGS__) X(9, __VA_ARGS__) X(10, __VA_ARGS__) X(11, __VA_ARGS__) X(12, __VA_ARGS__)

#define TM_WIDTHS_4_12(X, ...) X(4, __VA_ARGS__) X(8, __VA_ARGS__) X(12, __VA_ARGS__)
#define TM_WIDTHS_EVEN_12(X, ...)                                                                  \
    X(2, __VA_ARGS__) X(6, __VA_ARGS__) X(10, __VA_ARGS__) TM_WIDTHS_4_12(X, __VA_ARGS__)

/* Defines micro_<groups>_<width>_<packed> as the file's multiply() with these constants. */
#define TM_MICRO(width, groups, packed)                                                            \
    static void micro_##groups##_##width##_##packed(const uint8_t *weights, size_t group_bytes,    \
                                                    const uint8_t *panel, int n_units,             \
                                                    tm_panel_sum *sums, bool add)                  \
    {                                                                                              \
        multiply(weights, group_bytes, panel, n_units, sums, add, groups, width, packed);          \
    }
#define TM_MICRO_AT(width, groups, packed) [width] = micro_##groups##_##width##_##packed,

/* The functions of a kernel row, from an ops row of this name. */
#define TM_PANEL_FUNCTIONS(ops)                                                                    \
    static size_t scratch_size(int n_cols, int n_tokens)                                           \
    {                                                                                              \
        return tm_panel_size(&ops, n_cols, n_tokens);                                              \
    }                                                                                              \
    static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)                \
    {                                                                                              \
        tm_panel_prepare(&ops, x, scratch, part, n_parts);                                         \
    }                                                                                              \
    static void prepare(const tm_act *x, void *scratch)                                            \
    {                                                                                              \
        tm_panel_prepare(&ops, x, scratch, 0, 1);                                                  \
    }                                                                                              \
    static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,      \
                     int row_end, float *y)                                                        \
    {                                                                                              \
        if (x->n_tokens == 1)                                                                      \
            decode(w, x, row_begin, row_end, y);                                                   \
        else                                                                                       \
            tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);                             \
    }

#endif
