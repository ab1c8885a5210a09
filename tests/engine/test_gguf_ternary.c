/* Ternary types with scales of blocks or rows, and types that share a number. */
#include "engine/gguf.h"
#include "tests/engine/gguf_bytes.h"
#include "tests/tm_test.h"

#include <math.h>

static tm_gguf_tensor make_tensor(tm_gguf_type type, const uint8_t *data, int64_t ne0, int64_t ne1)
{
    tm_gguf_tensor tensor = {
        .name = {"w", 1}, .type = type, .n_dims = 2, .ne = {ne0, ne1, 1, 1}, .data = data};
    tensor.bytes = tm_gguf_bytes(type, tensor.ne, 2);
    return tensor;
}

static void expect_not_ternary(const tm_gguf_tensor *tensor, tm_status status, const char *fragment)
{
    tm_error err = {0};
    float scale;
    assert_int_equal(tm_gguf_ternary_scale(tensor, &scale, &err), status);
    if (!strstr(err.message, fragment)) fail_msg("'%s' lacks '%s'", err.message, fragment);
}

/* The same 128 trits in four types; the first 32 are written out. */
static const char worked_trits[] = "+-0+00-++--000-----+-0+--0-+-+++";
static const uint8_t worked_pq2_0[] = {0xec, 0x35, 0x92, 0x85, 0x42, 0x05, 0x80, 0x24, 0x84,
                                       0xa8, 0x54, 0x19, 0x26, 0x09, 0x89, 0x91, 0x0a, 0x2a,
                                       0x54, 0x12, 0x08, 0x80, 0x85, 0x02, 0x58, 0x24, 0x82,
                                       0xa2, 0xa5, 0x86, 0x24, 0x88, 0x5a, 0x52};
static const uint8_t worked_ptq1_0[] = {0xae, 0x11, 0x60, 0xf5, 0x65, 0x85, 0x47, 0xb1, 0xc4, 0x2f,
                                        0x13, 0x8f, 0x66, 0xa8, 0x40, 0x3b, 0x6c, 0x93, 0x25, 0xe1,
                                        0xc4, 0x22, 0x4c, 0x1c, 0xde, 0xcb, 0xec, 0x35};

static void codes_of_q2_0_match_a_worked_example(void **state)
{
    float x[128], y[128], scale = -1;
    uint8_t q2[36];
    (void)state;
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_PQ2_0, worked_pq2_0, 128, 1);
    tm_gguf_read_floats(&tensor, 0, 1, x);
    for (int i = 0; i < 32; i++) {
        char c = worked_trits[i];
        assert_true(x[i] == (c == '+' ? 0.3701171875f : c == '-' ? -0.3701171875f : 0));
    }
    tensor = make_tensor(TM_GGUF_PTQ1_0, worked_ptq1_0, 128, 1);
    tm_gguf_read_floats(&tensor, 0, 1, y);
    assert_memory_equal(x, y, sizeof x);
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0.3701171875f);

    tm_gguf_write_floats(TM_GGUF_Q2_0, x, 128, 1, 0, 1, 1, q2);
    assert_memory_equal(q2, worked_pq2_0, 18);
    assert_memory_equal(q2 + 18, worked_pq2_0, 2);
    assert_memory_equal(q2 + 20, worked_pq2_0 + 18, 16);
    tensor = make_tensor(TM_GGUF_Q2_0, q2, 64, 2);
    tm_gguf_read_floats(&tensor, 1, 2, y);
    assert_memory_equal(x + 64, y, 64 * sizeof *y);

    uint8_t q1[18] = {0x4d, 0x34, 0xbd}; /* 10111101 */
    tensor = make_tensor(TM_GGUF_Q1_0, q1, 128, 1);
    tm_gguf_read_floats(&tensor, 0, 1, y);
    for (int i = 0; i < 8; i++) assert_true(y[i] == (0xbd >> i & 1 ? 1 : -1) * 0.268798828125f);
}

/* In Q2_0 a code 3 is twice the scale: not an error, but not ternary. */
static void code_3_of_q2_0_is_twice_the_scale(void **state)
{
    uint8_t data[18] = {0, 0x38}; /* 0.5 */
    float x[64];
    (void)state;
    memset(data + 2, 0x55, 16);
    data[2 + 7] = 0x75; /* 01 11 01 01 */
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_Q2_0, data, 64, 1);
    expect_not_ternary(&tensor, TM_UNSUPPORTED, "weight 30 of row 0 is twice the scale 0.5");
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_OK);
    tm_gguf_read_floats(&tensor, 0, 1, x);
    for (int i = 0; i < 64; i++) assert_true(x[i] == (i == 30 ? 1 : 0));
    data[1] = 0x7c;
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_FORMAT);
}

static void scales_of_rows_are_checked(void **state)
{
    uint8_t data[3 * (4 + 16)] = {0};
    float scales[3] = {0.5f, 0.5f, -0.5f}, x[64], scale = -1;
    int8_t trits[64];
    (void)state;
    memset(data, 0x55, sizeof data);
    for (int r = 0; r < 3; r++) {
        memcpy(data + 20 * r, &scales[r], 4);
        data[20 * r + 4 + 3] = 0x95; /* 10 01 01 01: weight 48 + 3 is + */
    }
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_IQ2_BN, data, 64, 3);
    assert_int_equal(tensor.bytes, sizeof data);
    assert_int_equal(tm_gguf_ternary_scale(&tensor, &scale, NULL), TM_OK);
    assert_true(scale == 0.5f);
    tm_gguf_read_floats(&tensor, 2, 3, x);
    tm_gguf_read_trits(&tensor, 2, 3, trits);
    for (int i = 0; i < 64; i++) {
        assert_true(x[i] == (i == 51 ? -0.5f : 0));
        assert_int_equal(trits[i], i == 51 ? -1 : 0);
    }
    data[20 + 4] = 0xd5; /* weight 48 of row 1 */
    expect_not_ternary(&tensor, TM_FORMAT, "weight 48 of row 1 has code 3");
    data[20 + 4] = 0x55;
    scales[1] = 0.25f;
    memcpy(data + 20, &scales[1], 4);
    expect_not_ternary(&tensor, TM_UNSUPPORTED,
                       "from weight 0 of row 1 on is 0.25, but it was 0.5");
    scales[2] = NAN;
    memcpy(data + 40, &scales[2], 4);
    assert_int_equal(tm_gguf_check_finite(&tensor, NULL), TM_FORMAT);
}

/* As in a matrix whose parts were quantized separately. */
static void floats_may_be_ternary_in_blocks(void **state)
{
    static float x[2 * 128];
    (void)state;
    for (int i = 0; i < 256; i++) x[i] = (float)(i % 3 - 1) * (float)(1 + i / 64);
    tm_gguf_tensor tensor = make_tensor(TM_GGUF_F32, (const uint8_t *)x, 128, 2);
    assert_true(tm_gguf_is_ternary_in_blocks(&tensor));
    x[255] = 0.5f;
    assert_false(tm_gguf_is_ternary_in_blocks(&tensor));
    for (int i = 192; i < 256; i++) x[i] = (float)(i % 3 - 1) * 0.1f; /* no half is 0.1 */
    assert_false(tm_gguf_is_ternary_in_blocks(&tensor));
    for (int i = 192; i < 256; i++) x[i] = 0;
    assert_true(tm_gguf_is_ternary_in_blocks(&tensor));
    tensor = make_tensor(TM_GGUF_F32, (const uint8_t *)x, 32, 8);
    assert_false(tm_gguf_is_ternary_in_blocks(&tensor));
}

static void expect_error(const gguf_bytes *b, tm_status status, const char *fragment)
{
    tm_gguf *gguf = NULL;
    tm_error err = {0};
    tm_status got = tm_gguf_open_memory(b->data, b->n, &gguf, &err);
    if (got != status || !strstr(err.message, fragment))
        fail_msg("status %d, '%s' lacks '%s'", (int)got, err.message, fragment);
}

/* Tensors of one type and shape, `apart` bytes from each other, then one of floats. */
static void make_apart(gguf_bytes *b, uint32_t type, uint64_t ne0, const uint64_t *apart, int n)
{
    static const char *const names[] = {"a", "b", "c"};
    uint64_t at = 0;
    b->n = 0;
    add_header(b, (uint64_t)n + 1, 0);
    for (int i = 0; i < n; at += apart[i++]) add_info(b, names[i], ne0, 1, type, at);
    add_info(b, "last", 8, 1, TM_GGUF_F32, at);
    add_padding(b, 32);
    add_zeros(b, at + 32);
}

static void expect_type(const gguf_bytes *b, tm_gguf_type type, size_t bytes)
{
    tm_gguf *g;
    tm_error err;
    if (tm_gguf_open_memory(b->data, b->n, &g, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(tm_gguf_find_tensor(g, "a")->type, type);
    assert_int_equal(tm_gguf_find_tensor(g, "a")->bytes, bytes);
    tm_gguf_close(g);
}

/* 2048 weights: 576 bytes in blocks of 64, 544 in blocks of 128. */
static void type_42_is_told_by_the_distance_of_tensors(void **state)
{
    (void)state;
    gguf_bytes b;
    make_apart(&b, 42, 2048, (uint64_t[]){576, 576}, 2);
    expect_type(&b, TM_GGUF_Q2_0, 576);
    make_apart(&b, 42, 2048, (uint64_t[]){544, 544}, 2);
    expect_type(&b, TM_GGUF_PQ2_0, 544);
    make_apart(&b, 42, 2048, (uint64_t[]){576, 544}, 2);
    expect_error(&b, TM_FORMAT,
                 "tensors 'a' and 'b' have type 42, but the first has the bytes of Q2_0 and the "
                 "second those of PrismML's older Q2_0");
    make_apart(&b, 42, 128, (uint64_t[]){64, 64}, 2); /* 36 or 34 */
    expect_error(&b, TM_UNSUPPORTED, "its bytes fit both Q2_0 and PrismML's older Q2_0");
    make_apart(&b, 42, 192, (uint64_t[]){64, 64}, 2); /* not a multiple of 128 */
    expect_type(&b, TM_GGUF_Q2_0, 54);
    make_apart(&b, 42, 2048, (uint64_t[]){448}, 1);
    expect_error(&b, TM_UNSUPPORTED, "room for 448 bytes; as Q2_0 it would have 576");
    expect_error(&b, TM_UNSUPPORTED, "TL2 of bitnet.cpp, convert the checkpoint to I2_S");
    make_apart(&b, 142, 2048, (uint64_t[]){544}, 1);
    expect_type(&b, TM_GGUF_PQ2_0, 544);
    make_apart(&b, 142, 2048, (uint64_t[]){512}, 1);
    expect_error(&b, TM_UNSUPPORTED, "if it is IQ2_TN of ik_llama.cpp");
    make_apart(&b, 143, 2048, (uint64_t[]){448}, 1);
    expect_type(&b, TM_GGUF_PTQ1_0, 448);
    make_apart(&b, 135, 2048, (uint64_t[]){512}, 1); /* no room for the row's scale */
    expect_error(&b, TM_FORMAT, "overlap: they begin 512 bytes apart, the first has 516 as IQ2_BN");
}

/* Where no tensor follows, the end of the file decides; it may also be missing. */
static void type_42_at_the_end_of_the_file(void **state)
{
    (void)state;
    gguf_bytes b = {.n = 0};
    for (size_t bytes = 512; bytes <= 576; bytes += 32) {
        b.n = 0;
        add_header(&b, 1, 0);
        add_info(&b, "a", 2048, 1, 42, 0);
        add_padding(&b, 32);
        add_zeros(&b, bytes);
        if (bytes == 576)
            expect_type(&b, TM_GGUF_Q2_0, 576);
        else if (bytes == 544)
            expect_type(&b, TM_GGUF_PQ2_0, 544);
        else
            expect_error(&b, TM_FORMAT, "tensor 'a' of type Q2_0 has 576 bytes at offset 0");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_q2_0_match_a_worked_example),
        cmocka_unit_test(code_3_of_q2_0_is_twice_the_scale),
        cmocka_unit_test(scales_of_rows_are_checked),
        cmocka_unit_test(floats_may_be_ternary_in_blocks),
        cmocka_unit_test(type_42_is_told_by_the_distance_of_tensors),
        cmocka_unit_test(type_42_at_the_end_of_the_file),
    };
    return cmocka_run_group_tests_name("gguf ternary types", tests, NULL, NULL);
}
