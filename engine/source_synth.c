#include "engine/source.h"
#include "kernels/half.h"

#include <math.h>
#include <string.h>

/* A 64-bit word of the stream gives 8 bytes, a byte 5 trits. */
#define TRITS_PER_BYTE 5
#define TRITS_PER_WORD 40

typedef struct synth {
    uint64_t seed;
    int8_t trits[256][8]; /* the 5 trits of a byte, then zeros so that 8 can be stored at once */
} synth;

/* Byte b becomes the five base-3 digits, most significant first, of b * 243 / 256 rounded down. 13
 * of the 243 values come from two bytes instead of one, evenly spread: a digit is -1 in 86 of 256
 * cases, 0 and +1 in 85 each, so the mean of a trit is -1/256. */
static void fill_table(int8_t table[256][8])
{
    static const int power[TRITS_PER_BYTE] = {81, 27, 9, 3, 1};
    memset(table, 0, 256 * sizeof table[0]);
    for (int b = 0; b < 256; b++)
        for (int i = 0; i < TRITS_PER_BYTE; i++)
            table[b][i] = (int8_t)(b * 243 / 256 / power[i] % 3 - 1);
}

/* The stream of one tensor, of one row of it, and a word of a row. */
static uint64_t tensor_key(uint64_t seed, tm_role role, int layer)
{
    return tm_mix64(tm_mix64(seed + TM_GOLDEN * ((uint64_t)role + 1)) + (uint64_t)layer + 1);
}
static uint64_t row_key(uint64_t tensor, int row)
{
    return tm_mix64(tensor + TM_GOLDEN * ((uint64_t)row + 1));
}
static uint64_t word_at(uint64_t row, int index)
{
    return tm_mix64(row + TM_GOLDEN * (uint64_t)index);
}

/* scale = 1 / sqrt(n_cols * 2/3) keeps the size of a normalised input (a trit's variance is 2/3);
 * times a log-uniform factor 0.5 .. 2, as trained scales differ between matrices. Rounded to half,
 * so that files of every type can hold it. After 100 layers the residual's deviation is about 15.
 */
static float scale_of(const synth *s, tm_role role, int layer, int n_cols)
{
    if (!tm_role_is_linear(role)) return 0.34375f; /* of a table: as wide as a normal one */
    double u = (double)(tm_mix64(tensor_key(s->seed, role, layer) ^ TM_GOLDEN) >> 11) * 0x1p-53;
    double scale = exp2(2 * u - 1) / sqrt(n_cols * (2.0 / 3.0));
    return tm_half_to_float(tm_half_from_float((float)scale));
}

static tm_gguf_type synth_type(const tm_source *source, tm_role role, int layer)
{
    int n_rows, n_cols;
    (void)layer;
    bool is_table = role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD;
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    if (source->config.ternary_tables && n_cols % 64 == 0 && (is_table || tm_role_is_linear(role)))
        return TM_GGUF_Q2_0;
    if (is_table) return TM_GGUF_F16;
    if (!tm_role_is_linear(role)) return TM_GGUF_F32;
    return n_cols % 128 == 0 ? TM_GGUF_I2_S : TM_GGUF_TQ2_0;
}

static tm_status synth_describe(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                                tm_error *err)
{
    int n_rows, n_cols;
    (void)err;
    *out = (tm_tensor_info){.scale = 1, .post_scale = 1, .extra = 1, .type = TM_GGUF_F32};
    if (tm_role_is_optional(role) || !tm_role_present(&source->config, role)) return TM_OK;
    out->present = true;
    out->type = synth_type(source, role, layer);
    if (!tm_role_is_linear(role)) return TM_OK;
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    out->ternary = true;
    out->scale = scale_of(source->self, role, layer, n_cols);
    return TM_OK;
}

/* Trits col_begin .. of a row; col_begin is a multiple of TRITS_PER_WORD. */
static void fill_trits(const synth *s, uint64_t row, int col_begin, int n, int8_t *out)
{
    int index = col_begin / TRITS_PER_WORD, done = 0;
    /* Each store writes 3 bytes too many, which the next one overwrites; the last word is written
     * to a buffer first. */
    for (; done + TRITS_PER_WORD + 3 <= n; done += TRITS_PER_WORD) {
        uint64_t word = word_at(row, index++);
        for (int b = 0; b < 8; b++, word >>= 8)
            memcpy(out + done + b * TRITS_PER_BYTE, s->trits[word & 255], 8);
    }
    while (done < n) {
        int8_t rest[TRITS_PER_WORD + 3];
        uint64_t word = word_at(row, index++);
        for (int b = 0; b < 8; b++, word >>= 8)
            memcpy(rest + b * TRITS_PER_BYTE, s->trits[word & 255], 8);
        int take = n - done < TRITS_PER_WORD ? n - done : TRITS_PER_WORD;
        memcpy(out + done, rest, (size_t)take);
        done += take;
    }
}

static void synth_trits(const tm_source *source, tm_role role, int layer, int row_begin,
                        int row_end, int8_t *out)
{
    const synth *s = source->self;
    int n_rows, n_cols;
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    uint64_t tensor = tensor_key(s->seed, role, layer);
    for (int row = row_begin; row < row_end; row++, out += n_cols)
        fill_trits(s, row_key(tensor, row), 0, n_cols, out);
}

/* The sum of four uniform bytes less its mean, times 2^-9: nearly normal (it ends at 3.5
 * deviations, excess kurtosis -0.3), deviation 256 / sqrt(3) / 512 = 0.289, exact in half. */
static void fill_normal(uint64_t row, int n, float *out)
{
    const uint64_t low_bytes = 0x00ff00ff00ff00ffull;
    for (int i = 0; i < n; i += 2) {
        uint64_t word = word_at(row, i / 2);
        uint64_t pairs = (word & low_bytes) + ((word >> 8) & low_bytes);
        uint64_t sums = pairs + (pairs >> 16); /* in bits 0..15 and 32..47: at most 1020 */
        out[i] = (float)((int)(sums & 0xffff) - 510) * 0x1p-9f;
        if (i + 1 < n) out[i + 1] = (float)((int)((sums >> 32) & 0xffff) - 510) * 0x1p-9f;
    }
}

static void synth_floats(const tm_source *source, tm_role role, int layer, int row_begin,
                         int row_end, float *out)
{
    const synth *s = source->self;
    int n_rows, n_cols;
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    uint64_t tensor = tensor_key(s->seed, role, tm_role_is_per_layer(role) ? layer : 0);
    for (int row = row_begin; row < row_end; row++, out += n_cols) {
        uint64_t key = row_key(tensor, row);
        bool is_table = role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD;
        if (tm_role_is_linear(role) || (is_table && source->config.ternary_tables)) {
            float scale = scale_of(s, role, layer, n_cols);
            int8_t trits[16 * TRITS_PER_WORD];
            for (int col = 0; col < n_cols; col += (int)sizeof trits) {
                int n = n_cols - col < (int)sizeof trits ? n_cols - col : (int)sizeof trits;
                fill_trits(s, key, col, n, trits);
                for (int i = 0; i < n; i++) out[col + i] = (float)trits[i] * scale;
            }
        } else if (is_table) {
            fill_normal(key, n_cols, out);
        } else { /* norms: uniform in 0.5 .. 1.5, in steps of 2^-24 */
            for (int i = 0; i < n_cols; i++)
                out[i] = 0.5f + (float)(word_at(key, i) >> 40) * 0x1p-24f;
        }
    }
}

static void synth_close(tm_source *source)
{
    tm_free(source->self);
    source->self = NULL;
}

tm_status tm_source_open_synth(const tm_config *config, uint64_t seed, tm_source *out,
                               tm_error *err)
{
    void *memory;
    memset(out, 0, sizeof *out);
    tm_status status = tm_config_check(config, err);
    if (status != TM_OK) return status;
    tm_config known = *config;
    char names[80];
    if (!tm_config_set_arch(&known, config->arch))
        return tm_fail(err, TM_UNSUPPORTED,
                       "model %s has architecture %s, which is not supported yet; supported are %s",
                       config->name, config->arch, tm_config_arch_names(names, sizeof names));
    status = tm_alloc(&memory, 1, sizeof(synth), "synthetic model", err);
    if (status != TM_OK) return status;
    synth *s = memory;
    s->seed = seed;
    fill_table(s->trits);
    *out = (tm_source){
        .config = *config,
        .self = s,
        .type = synth_type,
        .describe = synth_describe,
        .trits = synth_trits,
        .floats = synth_floats,
        .close = synth_close,
    };
    return TM_OK;
}
