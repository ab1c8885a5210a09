/* Weight layouts as rows of one table, and the activations their kernels read.
 *
 * A matrix has n_rows output features and n_cols input features: y[r] = sum_c W[r][c] x[c]. A
 * layout pads internally: any n_rows and n_cols >= 1 work, and padding counts as zero. Each layout
 * has a drawing of its bytes and bits beside its functions, in a file format_*.c.
 */
#ifndef TM_KERNELS_FORMAT_H
#define TM_KERNELS_FORMAT_H

#include "kernels/base.h"

/* What a kernel of a layout reads of the activations. */
typedef enum tm_act_kind {
    TM_ACT_F32, /* the float values themselves */
    TM_ACT_I8,  /* int8 per token, one absmax scale: q = round-half-even(x * 127 / max|x|) */
    TM_ACT_Q8K, /* int8 per block of 256 with a scale each (llama.cpp's Q8_K) */
    TM_ACT_Q80, /* int8 per block of 32 with a scale each (llama.cpp's Q8_0) */
    TM_ACT_KINDS
} tm_act_kind;

/* Activations of n_tokens tokens. Every array is 64-byte aligned; a token's elements from n_cols
 * to stride are zero, so kernels may read them. int8 values lie in -127 .. 127. */
typedef struct tm_act {
    int n_tokens;
    int n_cols;
    int stride;         /* elements from one token to the next: n_cols up to a multiple of 256 */
    const float *f32;   /* [n_tokens][stride]; NULL unless the kind needs it */
    const int8_t *i8;   /* [n_tokens][stride]; NULL unless the kind needs it */
    const float *scale; /* x = i8 * scale. I8: [n_tokens]. Q8K: [n_tokens][stride / 256]. Q80:
                           [n_tokens][stride / 32] */
    const int32_t *sum; /* I8: [n_tokens], sum of i8 over the token. Q8K, Q80:
                           [n_tokens][stride / 16], of 16 values each */
} tm_act;

#define TM_ACT_STRIDE_STEP 256

/* Values of a token that share a scale; 0: all of them, or floats. */
static inline int tm_act_block(tm_act_kind kind)
{
    return kind == TM_ACT_Q8K ? 256 : kind == TM_ACT_Q80 ? 32 : 0;
}

#define TM_ACT_SUM_STEP 16 /* values per sum of Q8K and Q80 */

#define TM_GROUP 16 /* rows of a group, in every r16 layout */

typedef struct tm_format tm_format;
struct tm_format {
    const char *name; /* "i2r16" */
    tm_act_kind act;
    bool ternary;           /* holds trits with one float scale per matrix */
    int block;              /* weights that share a scale stored with them; 0: none do */
    bool block_trits;       /* in blocks, and each weight is -d, 0 or d (q2r16: also 2d), with d the
                               block's scale */
    double bits_per_weight; /* without padding */
    int row_group;          /* rows stored together: a pack call begins on a multiple of it */

    /* Bytes of a whole matrix, a multiple of 64; 0 when it does not fit size_t. */
    size_t (*size)(int n_rows, int n_cols);

    /* Packs rows row_begin .. row_end-1 into `data` (the whole matrix). row_begin is a multiple of
     * row_group; row_end too unless it is n_rows. Ternary layouts take trits in {-1, 0, 1},
     * [row_end - row_begin][n_cols]; the others floats of the same shape, which a layout in blocks
     * rounds as llama.cpp's quantizer does. The unused one is NULL. Different row groups may be
     * packed by different threads. */
    void (*pack_trits)(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data);
    void (*pack_floats)(const float *values, int row_begin, int row_end, int n_rows, int n_cols,
                        void *data);

    /* The reverse for one row: [n_cols] trits or floats. */
    void (*unpack_trits)(const void *data, int row, int n_rows, int n_cols, int8_t *trits);
    void (*unpack_floats)(const void *data, int row, int n_rows, int n_cols, float *values);
    const char *source; /* paper and section, or project and format name */
};

/* One matrix in a layout. Borrowed: the caller frees `data`. */
typedef struct tm_weight {
    const tm_format *format;
    int n_rows, n_cols;
    float scale;      /* ternary: w = trit * scale; else 1 */
    const void *data; /* 64-byte aligned, format->size(n_rows, n_cols) bytes */
} tm_weight;

/* One symbol per layout, tm_format_<name>. To add a layout, add a line here and its functions. */
#define TM_FORMATS(X)                                                                              \
    X(trit)    /* canonical: one int8 per weight */                                                \
    X(f32r16)  /* floats, 16 rows interleaved */                                                   \
    X(f16r16)  /* halves, 16 rows interleaved */                                                   \
    X(bf16r16) /* bfloat16, 16 rows x 2 columns interleaved */                                     \
    X(i2r16)   /* 2 bits per trit, blocks of 16 rows x 16 columns */                               \
    X(t3r16)   /* 3 trits in 5 bits, blocks of 16 rows x 24 columns */                             \
    X(t5r64)   /* 5 trits in 8 bits, blocks of 64 rows x 20 columns */                             \
    X(tl1r16)  /* 2 trits in 4 bits, an index; blocks of 16 rows x 16 columns */                   \
    X(tq1_0)   /* llama.cpp's, as stored in its files: kernels/blocks/blocks.h */                  \
    X(tq2_0)                                                                                       \
    X(q2r16) /* 2-bit codes, a scale for every 64 of a row, pieces of 16 rows x 128 columns */     \
    X(q4_0)                                                                                        \
    X(q8_0)                                                                                        \
    X(q6_k)
#define TM_FORMAT_EXTERN(name) extern const tm_format tm_format_##name;
TM_FORMATS(TM_FORMAT_EXTERN)
#undef TM_FORMAT_EXTERN

/* The rows, ended by NULL. find: NULL when no layout has that name. */
const tm_format *const *tm_formats(void);
const tm_format *tm_format_find(const char *name);

#endif
