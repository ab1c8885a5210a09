/* Block codecs against the bytes that the quantizers of llama.cpp and bitnet.cpp wrote. */
#include "engine/gguf.h"
#include "kernels/half.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

#define N_ROWS 4
#define N_COLS 512
#define N_ALL  (N_ROWS * N_COLS)

static tm_gguf_tensor make_tensor(tm_gguf_type type, const uint8_t *data, int64_t ne0, int64_t ne1)
{
    tm_gguf_tensor tensor = {
        .name = {"w", 1}, .type = type, .n_dims = 2, .ne = {ne0, ne1, 1, 1}, .data = data};
    tensor.bytes = tm_gguf_bytes(type, tensor.ne, 2);
    return tensor;
}

/* The vectors file: just enough JSON to find a string of hexadecimal digits. */

typedef struct vectors {
    char *text;             /* owned */
    float values[2][N_ALL]; /* ternary, gaussian */
} vectors;

static const char *const matrix_names[2] = {"ternary", "gaussian"};

static size_t unhex(const char *text, uint8_t *out, size_t room)
{
    size_t n = 0;
    unsigned byte;
    for (; n < room && sscanf(text + 2 * n, "%2x", &byte) == 1; n++) out[n] = (uint8_t)byte;
    return n;
}

static const char *find_matrix(const vectors *v, int matrix)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"name\": \"%s\"", matrix_names[matrix]);
    const char *at = strstr(v->text, wanted);
    assert_non_null(at);
    return at;
}

/* The stored bytes of a type by its name in the file; returns how many. */
static size_t stored_as(const vectors *v, int matrix, const char *name, uint8_t *out, size_t room)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\": {", name);
    const char *at = strstr(find_matrix(v, matrix), wanted);
    assert_non_null(at);
    at = strstr(at, "\"hex\": \"");
    assert_non_null(at);
    return unhex(at + strlen("\"hex\": \""), out, room);
}

static size_t stored(const vectors *v, int matrix, tm_gguf_type type, uint8_t *out, size_t room)
{
    return stored_as(v, matrix, tm_gguf_type_name(type), out, room);
}

static int read_vectors(void **state)
{
    char path[512];
    *state = NULL;
    if (!tm_fixture("quantizers/vectors.json", path, sizeof path)) return 0;
    vectors *v = calloc(1, sizeof *v);
    FILE *file = fopen(path, "rb");
    if (!v || !file || !(v->text = calloc(1, 1 << 20)) ||
        fread(v->text, 1, (1 << 20) - 1, file) == 0)
        return -1;
    fclose(file);
    for (int m = 0; m < 2; m++) {
        const char *at = strstr(find_matrix(v, m), "\"f32_hex\": \"");
        if (!at || unhex(at + strlen("\"f32_hex\": \""), (uint8_t *)v->values[m],
                         sizeof v->values[m]) != sizeof v->values[m])
            return -1;
    }
    *state = v;
    return 0;
}

static int free_vectors(void **state)
{
    vectors *v = *state;
    if (v) free(v->text);
    free(v);
    return 0;
}

#define NEED_VECTORS(state)                                                                        \
    vectors *v = *(state);                                                                         \
    if (!v) TM_SKIP("no fixture quantizers/vectors.json: set TM_FIXTURES")

static float absmax(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

static const tm_gguf_type written_types[] = {TM_GGUF_F16,    TM_GGUF_TQ1_0, TM_GGUF_TQ2_0,
                                             TM_GGUF_I2_S,   TM_GGUF_Q8_0,  TM_GGUF_Q4_0,
                                             TM_GGUF_IQ1_BN, TM_GGUF_IQ2_BN};

static void encoders_give_the_bytes_of_the_original_quantizers(void **state)
{
    NEED_VECTORS(state);
    static uint8_t expected[N_ALL * 4], written[N_ALL * 4];
    int64_t ne[2] = {N_COLS, N_ROWS};
    for (int m = 0; m < 2; m++)
        for (size_t t = 0; t < sizeof written_types / sizeof written_types[0]; t++) {
            tm_gguf_type type = written_types[t];
            size_t n = tm_gguf_bytes(type, ne, 2), compared = n - (type == TM_GGUF_I2_S ? 28 : 0);
            assert_int_equal(stored(v, m, type, expected, sizeof expected), n);
            memset(written, 0xee, sizeof written);
            float scale = absmax(v->values[m], N_ALL);
            /* Row by row from the last: pieces must not depend on each other. */
            for (int row = N_ROWS - 1; row >= 0; row--)
                tm_gguf_write_floats(type, v->values[m] + row * N_COLS, N_COLS, N_ROWS, row,
                                     row + 1, scale, written);
            for (size_t i = 0; i < compared; i++)
                if (written[i] != expected[i])
                    fail_msg("%s of %s: byte %zu is %02x, the original is %02x",
                             tm_gguf_type_name(type), matrix_names[m], i, written[i], expected[i]);
            for (size_t i = compared; i < n; i++) assert_int_equal(written[i], 0);
            assert_int_equal(written[n], 0xee);
        }
}

static void i2_s_is_packed_as_the_original_quantizers_do(void **state)
{
    NEED_VECTORS(state);
    static const char *const packings[][2] = {{"I2_S_arm64", "64"}, {"I2_S_x4row", "rows"}};
    static uint8_t expected[N_ALL * 4], written[N_ALL * 4];
    static int8_t codes[4 * N_COLS];
    for (int i = 0; i < 4; i++) {
        stored_as(v, i / 2, packings[i % 2][0], expected, sizeof expected);
        tm_gguf_write_floats(TM_GGUF_I2_S, v->values[i / 2], N_COLS, N_ROWS, 0, N_ROWS, 1, written);
        tm_gguf_i2_s_pack(packings[i % 2][1], written, N_ALL / 4, N_COLS, codes);
        assert_memory_equal(written, expected, N_ALL / 4);
    }
}

/* First blocks of the ternary matrix. ggml wrote those of Q1_0 and Q2_0. */
static void encoders_give_the_documented_blocks(void **state)
{
    NEED_VECTORS(state);
    static const char *const blocks[][2] = {
        {"Q1_0", "4d34bd3968ea"},
        {"Q2_0", "ec3592854205802484a85419260989910a2a"},
        {"PQ2_0", "ec3592854205802484a85419260989910a2a541208808502582482a2a58624885a52"},
        {"PTQ1_0", "ae1160f5658547b1c42f138f66a8403b6c9325e1c4224c1cdecbec35"}};
    static uint8_t written[N_ALL * 4];
    for (int i = 0; i < 4; i++) {
        tm_gguf_type type;
        uint8_t expected[64];
        size_t n = unhex(blocks[i][1], expected, sizeof expected);
        assert_true(tm_gguf_type_find(blocks[i][0], &type));
        tm_gguf_write_floats(type, v->values[0], N_COLS, N_ROWS, 0, N_ROWS, 1, written);
        if (memcmp(written, expected, n) != 0) fail_msg("%s", blocks[i][0]);
    }
}

/* The search for Q6_K's scales compares sums that another compiler may add in another order, so a
 * group of 16 may get another scale, but not a worse one. */
static void q6_k_is_as_exact_as_the_original_quantizer(void **state)
{
    NEED_VECTORS(state);
    static uint8_t bytes[2][N_ALL * 4];
    static float out[N_ALL];
    for (int m = 0; m < 2; m++) {
        double errors[2] = {0, 0};
        tm_gguf_write_floats(TM_GGUF_Q6_K, v->values[m], N_COLS, N_ROWS, 0, N_ROWS, 1, bytes[0]);
        size_t n = stored(v, m, TM_GGUF_Q6_K, bytes[1], sizeof bytes[1]), n_differing = 0;
        for (size_t i = 0; i < n; i++) n_differing += bytes[0][i] != bytes[1][i];
        assert_true(n_differing <= 32);
        for (int k = 0; k < 2; k++) {
            tm_gguf_tensor tensor = make_tensor(TM_GGUF_Q6_K, bytes[k], N_COLS, N_ROWS);
            tm_gguf_read_floats(&tensor, 0, N_ROWS, out);
            for (int i = 0; i < N_ALL; i++)
                errors[k] += pow((double)out[i] - (double)v->values[m][i], 2);
        }
        assert_true(errors[0] <= errors[1] * 1.001);
    }
}

static void ternary_values_round_trip(void **state)
{
    NEED_VECTORS(state);
    static const tm_gguf_type exact[] = {TM_GGUF_F16,  TM_GGUF_TQ1_0,  TM_GGUF_TQ2_0,
                                         TM_GGUF_I2_S, TM_GGUF_IQ1_BN, TM_GGUF_IQ2_BN};
    static uint8_t bytes[N_ALL * 4];
    static float out[N_ALL];
    for (size_t t = 0; t < sizeof exact / sizeof exact[0]; t++) {
        stored(v, 0, exact[t], bytes, sizeof bytes);
        tm_gguf_tensor tensor = make_tensor(exact[t], bytes, N_COLS, N_ROWS);
        tm_gguf_read_floats(&tensor, 0, N_ROWS, out);
        for (int i = 0; i < N_ALL; i++)
            if (out[i] != v->values[0][i])
                fail_msg("%s: weight %d is %g, not %g", tm_gguf_type_name(exact[t]), i,
                         (double)out[i], (double)v->values[0][i]);
    }
}

/* The largest rounding error of a weight, relative to the largest of its block: half a step of
 * 1/127; 7/8 stands for 1 in Q4_0, whose steps are 1/8; 1/32 with a scale of 8 bits; 8 bits of
 * mantissa; 11 bits. */
static const struct {
    tm_gguf_type type;
    int block;
    float error;
} lossy[] = {
    {TM_GGUF_Q8_0, 32, 0.5f / 127 + 1e-3f},
    {TM_GGUF_Q4_0, 32, 0.125f + 1e-3f},
    {TM_GGUF_Q6_K, 16, 0.6f / 31},
    {TM_GGUF_BF16, 1, 0x1p-8f},
    {TM_GGUF_F16, 1, 0x1p-11f},
};

static void values_round_trip_within_rounding(void **state)
{
    NEED_VECTORS(state);
    static uint8_t bytes[N_ALL * 4];
    static float out[N_ALL];
    for (int m = 0; m < 2; m++)
        for (size_t t = 0; t < sizeof lossy / sizeof lossy[0]; t++) {
            stored(v, m, lossy[t].type, bytes, sizeof bytes);
            tm_gguf_tensor tensor = make_tensor(lossy[t].type, bytes, N_COLS, N_ROWS);
            tm_gguf_read_floats(&tensor, 0, N_ROWS, out);
            const float *x = v->values[m];
            for (int i = 0; i < N_ALL; i++) {
                float most = absmax(x + i / lossy[t].block * lossy[t].block, lossy[t].block);
                if (fabsf(out[i] - x[i]) > lossy[t].error * most + 1e-7f)
                    fail_msg("%s of %s: weight %d is %g, was %g", tm_gguf_type_name(lossy[t].type),
                             matrix_names[m], i, (double)out[i], (double)x[i]);
            }
        }
}

static void trits_and_scale_round_trip(void **state)
{
    NEED_VECTORS(state);
    static const tm_gguf_type ternary[] = {TM_GGUF_F16,   TM_GGUF_BF16, TM_GGUF_TQ1_0,
                                           TM_GGUF_TQ2_0, TM_GGUF_I2_S, TM_GGUF_IQ1_BN,
                                           TM_GGUF_IQ2_BN};
    static uint8_t bytes[N_ALL * 4];
    static int8_t trits[N_ALL];
    for (size_t t = 0; t < sizeof ternary / sizeof ternary[0]; t++) {
        tm_error err;
        float scale = -1;
        stored(v, 0, ternary[t], bytes, sizeof bytes);
        tm_gguf_tensor tensor = make_tensor(ternary[t], bytes, N_COLS, N_ROWS);
        assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, &err), TM_OK);
        if (ternary[t] != TM_GGUF_BF16) assert_true(scale == 0.3701171875f);
        tm_gguf_read_trits(&tensor, 0, N_ROWS, trits);
        for (int i = 0; i < N_ALL; i++) {
            float x = v->values[0][i];
            assert_int_equal(trits[i], (x > 0) - (x < 0));
        }
    }
}

static void gaussian_is_not_ternary(void **state)
{
    NEED_VECTORS(state);
    static const tm_gguf_type types[] = {TM_GGUF_F16,  TM_GGUF_BF16, TM_GGUF_TQ1_0, TM_GGUF_TQ2_0,
                                         TM_GGUF_Q8_0, TM_GGUF_Q4_0, TM_GGUF_Q6_K};
    static uint8_t bytes[N_ALL * 4];
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        tm_error err = {0};
        float scale;
        stored(v, 1, types[t], bytes, sizeof bytes);
        tm_gguf_tensor tensor = make_tensor(types[t], bytes, N_COLS, N_ROWS);
        assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, &err), TM_UNSUPPORTED);
        assert_non_null(strstr(err.message, "'w' is not ternary"));
        assert_int_equal(tm_gguf_check_finite(&tensor, &err), TM_OK);
    }
}

static void row_ranges_equal_the_whole(void **state)
{
    NEED_VECTORS(state);
    static const tm_gguf_type types[] = {TM_GGUF_F16,    TM_GGUF_BF16,  TM_GGUF_Q4_0,  TM_GGUF_Q8_0,
                                         TM_GGUF_Q6_K,   TM_GGUF_TQ1_0, TM_GGUF_TQ2_0, TM_GGUF_I2_S,
                                         TM_GGUF_IQ1_BN, TM_GGUF_IQ2_BN};
    static uint8_t bytes[N_ALL * 4];
    static float whole[N_ALL], part[N_ALL];
    static int8_t trits[N_ALL], some[N_ALL];
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        stored(v, 0, types[t], bytes, sizeof bytes);
        tm_gguf_tensor tensor = make_tensor(types[t], bytes, N_COLS, N_ROWS);
        float scale;
        bool is_ternary = tm_gguf_ternary_scale(&tensor, &scale, NULL) == TM_OK;
        tm_gguf_read_floats(&tensor, 0, N_ROWS, whole);
        if (is_ternary) tm_gguf_read_trits(&tensor, 0, N_ROWS, trits);
        for (int begin = 0; begin <= N_ROWS; begin++)
            for (int end = begin; end <= N_ROWS; end++) {
                size_t n = (size_t)(end - begin) * N_COLS;
                tm_gguf_read_floats(&tensor, begin, end, part);
                assert_memory_equal(part, whole + begin * N_COLS, n * sizeof *part);
                if (!is_ternary) continue;
                tm_gguf_read_trits(&tensor, begin, end, some);
                assert_memory_equal(some, trits + begin * N_COLS, n);
            }
    }
}

/* Tests without fixtures. */

/* w0 = +, w32 = -, w64 = -, w96 = +, w128 = 0: the first bytes of worked examples of the formats.
 */
static void first_bytes_match_worked_examples(void **state)
{
    (void)state;
    float x[256] = {0};
    uint8_t out[96]; /* I2_S: 64 of codes, then 32 */
    x[0] = x[96] = 0.3701171875f;
    x[32] = x[64] = -0.3701171875f;
    tm_gguf_write_floats(TM_GGUF_TQ1_0, x, 256, 1, 0, 1, 0, out);
    assert_int_equal(out[0], 0xb3);
    assert_int_equal(out[52] | out[53] << 8, 0x35ec);
    tm_gguf_write_floats(TM_GGUF_TQ2_0, x, 256, 1, 0, 1, 0, out);
    assert_int_equal(out[0], 0x82);
    assert_int_equal(out[64] | out[65] << 8, 0x35ec);
    x[96] = 0;
    x[2] = 0, x[34] = 0, x[66] = 0, x[98] = -0.3701171875f;
    tm_gguf_write_floats(TM_GGUF_TQ2_0, x, 256, 1, 0, 1, 0, out);
    assert_int_equal(out[2], 0x15); /* the first weight in the lowest bits */
    tm_gguf_write_floats(TM_GGUF_I2_S, x, 256, 1, 0, 1, 0.3701171875f, out);
    assert_int_equal(out[2], 0x54); /* the first weight in the highest bits */
    static const uint8_t scale[4] = {0x00, 0x80, 0xbd, 0x3e};
    assert_memory_equal(out + 64, scale, 4);
}

static void every_tq1_0_byte_round_trips(void **state)
{
    (void)state;
    for (int value = 0; value < 243; value++) {
        float x[256] = {0}, back[256];
        uint8_t block[54];
        x[255] = 1; /* so that the block has a scale */
        for (int k = 0, rest = value; k < 5; k++, rest /= 3) x[32 * k + 7] = (float)(rest % 3 - 1);
        tm_gguf_write_floats(TM_GGUF_TQ1_0, x, 256, 1, 0, 1, 0, block);
        tm_gguf_tensor tensor = make_tensor(TM_GGUF_TQ1_0, block, 256, 1);
        tm_gguf_read_floats(&tensor, 0, 1, back);
        assert_memory_equal(x, back, sizeof x);
    }
}

static void expect_error(const tm_gguf_tensor *tensor, tm_status status, const char *fragment)
{
    tm_error err = {0};
    float scale;
    assert_int_equal(tm_gguf_ternary_scale(tensor, &scale, &err), status);
    if (!strstr(err.message, fragment)) fail_msg("'%s' lacks '%s'", err.message, fragment);
}

static void messages_name_the_float_that_is_not_ternary(void **state)
{
    (void)state;
    float x[8] = {0, 0.5f, -0.5f, 0, 0.5f, 0.25f, 0, 0};
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_F32, (const uint8_t *)x, 4, 2);
    expect_error(&tensor, TM_UNSUPPORTED, "weight 1 of row 1 is 0.25, but others are +-0.5");
    x[5] = NAN;
    expect_error(&tensor, TM_FORMAT, "weight 1 of row 1 is nan");
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_FORMAT);
    x[5] = 0;
    x[1] = INFINITY;
    expect_error(&tensor, TM_FORMAT, "weight 1 of row 0 is inf");
    float scale = -1;
    memset(x, 0, sizeof x);
    x[3] = -0.0f;
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0);
    x[6] = -0x1p-140f; /* subnormal, and the only one */
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0x1p-140f);
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_OK);
}

/* Rows are scanned in chunks: a value at every place of a long row must be found. */
static void one_wrong_value_is_found_at_any_place(void **state)
{
    (void)state;
    static tm_half x[1300];
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_F16, (const uint8_t *)x, 1300, 1);
    for (int i = 0; i < 1300; i++) x[i] = i % 3 ? 0x3800 : 0;
    for (int i = 2; i < 1300; i++) { /* the others are compared with 0 and 1 */
        tm_half kept = x[i];
        char fragment[40];
        snprintf(fragment, sizeof fragment, "weight %d of row 0", i);
        x[i] = 0xb801;
        expect_error(&tensor, TM_UNSUPPORTED, fragment);
        x[i] = 0x7c00;
        assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_FORMAT);
        x[i] = kept;
    }
}

static void ternary_blocks(tm_gguf_type type, int block_bytes, int scale_at)
{
    uint8_t data[4 * 66] = {0};
    int8_t trits[1024];
    float values[1024], scale = -1, x[1024];
    for (int i = 0; i < 1024; i++) x[i] = i / 256 == 1 ? 0 : 0.5f * (float)(i % 3 - 1);
    tm_gguf_tensor tensor = make_tensor(type, data, 512, 2);
    tm_gguf_write_floats(type, x, 512, 2, 0, 2, 0, data);
    uint8_t *zeros = data + block_bytes + scale_at, *last = data + 3 * block_bytes + scale_at;

    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0.5f);
    zeros[1] = 0x40; /* a block of zeros may have any scale */
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    last[1] |= 0x80; /* a negative scale flips its block */
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0.5f);
    tm_gguf_read_floats(&tensor, 0, 2, values);
    tm_gguf_read_trits(&tensor, 0, 2, trits);
    for (int i = 0; i < 1024; i++) assert_true((float)trits[i] * scale == values[i]);
    assert_int_equal(trits[1023], x[1023] > 0 ? -1 : x[1023] < 0);
    last[1] = last[0] = 0; /* a scale of zero makes its block zero, whatever the codes are */
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    tm_gguf_read_trits(&tensor, 1, 2, trits);
    for (int i = 256; i < 512; i++) assert_int_equal(trits[i], 0);
    last[1] = 0x39;
    expect_error(&tensor, TM_UNSUPPORTED, "from weight 256 of row 1 on is 0.625, but it was 0.5");
    last[1] = 0x7c;
    expect_error(&tensor, TM_FORMAT, "the scale of weight 256 of row 1 is inf");
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_FORMAT);
    last[0] = 1;
    expect_error(&tensor, TM_FORMAT, "nan");
}

static void ternary_blocks_have_one_scale(void **state)
{
    (void)state;
    ternary_blocks(TM_GGUF_TQ1_0, 54, 52);
    ternary_blocks(TM_GGUF_TQ2_0, 66, 64);
}

static void code_3_is_an_error(void **state)
{
    (void)state;
    uint8_t data[8 * 32 + 32], tq2[66];
    float one = 1;
    memset(data, 0x55, sizeof data);
    memcpy(data + 8 * 32, &one, sizeof one);
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_I2_S, data, 512, 2);
    float scale = -1;
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0); /* only zeros */
    data[5 * 32 + 3] = 0x57;
    expect_error(&tensor, TM_FORMAT, "weight 227 of row 1 has code 3"); /* 5 * 128 + 96 + 3 - 512 */
    data[5 * 32 + 3] = 0x56;
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 1);
    one = INFINITY;
    memcpy(data + 8 * 32, &one, sizeof one);
    expect_error(&tensor, TM_FORMAT, "its scale is inf");
    memset(tq2, 0x55, sizeof tq2);
    tq2[64] = 0, tq2[65] = 0x38;
    tq2[33] = 0xd5;
    tensor = make_tensor(TM_GGUF_TQ2_0, tq2, 256, 1);
    expect_error(&tensor, TM_FORMAT, "weight 225 of row 0 has code 3");
}

static void sizes_follow_the_formats(void **state)
{
    (void)state;
    static const struct {
        tm_gguf_type type;
        int64_t ne[4];
        int n_dims;
        size_t bytes;
    } cases[] = {
        {TM_GGUF_F32, {3, 5}, 2, 60},
        {TM_GGUF_F16, {3}, 1, 6},
        {TM_GGUF_BF16, {3, 2, 2, 2}, 4, 48},
        {TM_GGUF_Q4_0, {64, 2}, 2, 72},
        {TM_GGUF_Q8_0, {32, 1}, 2, 34},
        {TM_GGUF_Q6_K, {256, 3}, 2, 630},
        {TM_GGUF_TQ1_0, {512, 4}, 2, 432},
        {TM_GGUF_TQ2_0, {512, 4}, 2, 528},
        {TM_GGUF_I2_S, {512, 4}, 2, 544},
        {TM_GGUF_Q2_0, {512, 4}, 2, 576},
        {TM_GGUF_PQ2_0, {512, 4}, 2, 544},
        {TM_GGUF_PTQ1_0, {512, 4}, 2, 448},
        {TM_GGUF_Q1_0, {512, 4}, 2, 288},
        {TM_GGUF_IQ1_BN, {512, 2, 2}, 3, 424},
        {TM_GGUF_IQ2_BN, {512, 4}, 2, 528},
        {TM_GGUF_I2_S, {320, 4}, 2, 0},
        {TM_GGUF_TQ2_0, {128, 2}, 2, 0},
        {TM_GGUF_F32, {0, 5}, 2, 0},
        {TM_GGUF_F32, {(int64_t)1 << 32, (int64_t)1 << 32}, 2, 0},
        {TM_GGUF_F32, {(int64_t)1 << 62}, 1, 0},
        {TM_GGUF_F16, {INT64_MAX}, 1, SIZE_MAX - 1},
        {TM_GGUF_F16, {INT64_MAX, 2}, 2, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(tm_gguf_bytes(cases[i].type, cases[i].ne, cases[i].n_dims),
                         cases[i].bytes);
}

static void i2_s_has_four_layouts(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int plus, minus;
    } cases[] = {
        {"128", 128 + 3, 128 + 64 + 17},    /* byte 17 is in the same group of 128 */
        {"64", 128 + 3, 128 + 64 + 32 + 1}, /* or in the second of 64 */
        {"4", 128 + 12, 128 + 4 * 17 + 2},
        {"rows", 32 + 3, 2 * 128 + 32 + 17}, /* top bits: row 0, third: row 2 */
    };
    uint8_t data[128 + 32] = {0}; /* four rows of 128 */
    float scale = 2, x[4 * 128];
    int8_t trits[4 * 128];
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_I2_S, data, 128, 4);
    memset(data, 0x55, 128); /* zeros */
    memcpy(data + 128, &scale, sizeof scale);
    data[32 + 3] = 0x95;  /* 10 01 01 01: the first of its quarters is +1 */
    data[32 + 17] = 0x51; /* 01 01 00 01: the third is -1 */
    assert_string_equal(tm_gguf_i2_s_layout(), "128");
    assert_false(tm_gguf_set_i2_s_layout("32"));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        assert_true(tm_gguf_set_i2_s_layout(cases[k].name));
        assert_string_equal(tm_gguf_i2_s_layout(), cases[k].name);
        tm_gguf_read_floats(&tensor, 0, 4, x);
        tm_gguf_read_trits(&tensor, 0, 4, trits);
        for (int i = 0; i < 4 * 128; i++) {
            int wanted = i == cases[k].plus ? 1 : i == cases[k].minus ? -1 : 0;
            if (trits[i] != wanted || x[i] != 2.0f * (float)wanted)
                fail_msg("layout %s: weight %d is %d", cases[k].name, i, trits[i]);
        }
        data[127] = 0x57; /* 01 01 01 11: a code 3 in the lowest bits */
        expect_error(&tensor, TM_FORMAT, "weight 127 of row 3 has code 3");
        data[127] = 0x55;
    }
    assert_true(tm_gguf_set_i2_s_layout("128"));
}

/* The bytes that bitnet.cpp's quantizers wrote. */
static void layouts_of_i2_s_hold_the_same_weights(void **state)
{
    NEED_VECTORS(state);
    static const struct {
        const char *layout, *key;
    } cases[] = {{"64", "I2_S_arm64"}, {"rows", "I2_S_x4row"}, {"128", "I2_S"}};
    static uint8_t bytes[N_ALL * 4];
    static float out[N_ALL];
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        stored_as(v, 0, cases[k].key, bytes, sizeof bytes);
        assert_true(tm_gguf_set_i2_s_layout(cases[k].layout));
        tm_gguf_tensor tensor = make_tensor(TM_GGUF_I2_S, bytes, N_COLS, N_ROWS);
        tm_gguf_read_floats(&tensor, 0, N_ROWS, out);
        assert_memory_equal(out, v->values[0], sizeof out);
    }
}

static void types_have_names(void **state)
{
    (void)state;
    tm_gguf_type type = TM_GGUF_F32;
    assert_string_equal(tm_gguf_type_name(36), "I2_S");
    assert_null(tm_gguf_type_name(9999));
    assert_true(tm_gguf_type_find("tq2_0", &type));
    assert_int_equal(type, TM_GGUF_TQ2_0);
    assert_false(tm_gguf_type_find("q9_k", &type));
    assert_int_equal(type, TM_GGUF_TQ2_0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encoders_give_the_bytes_of_the_original_quantizers),
        cmocka_unit_test(i2_s_is_packed_as_the_original_quantizers_do),
        cmocka_unit_test(encoders_give_the_documented_blocks),
        cmocka_unit_test(q6_k_is_as_exact_as_the_original_quantizer),
        cmocka_unit_test(ternary_values_round_trip),
        cmocka_unit_test(values_round_trip_within_rounding),
        cmocka_unit_test(trits_and_scale_round_trip),
        cmocka_unit_test(gaussian_is_not_ternary),
        cmocka_unit_test(row_ranges_equal_the_whole),
        cmocka_unit_test(first_bytes_match_worked_examples),
        cmocka_unit_test(every_tq1_0_byte_round_trips),
        cmocka_unit_test(messages_name_the_float_that_is_not_ternary),
        cmocka_unit_test(one_wrong_value_is_found_at_any_place),
        cmocka_unit_test(ternary_blocks_have_one_scale),
        cmocka_unit_test(code_3_is_an_error),
        cmocka_unit_test(sizes_follow_the_formats),
        cmocka_unit_test(layouts_of_i2_s_hold_the_same_weights),
        cmocka_unit_test(i2_s_has_four_layouts),
        cmocka_unit_test(types_have_names),
    };
    return cmocka_run_group_tests_name("gguf types", tests, read_vectors, free_vectors);
}
