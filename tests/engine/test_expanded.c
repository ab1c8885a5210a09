/* Models with tensors in types that have no kernel: their values run in another layout. */
#include "engine/model.h"
#include "kernels/half.h"
#include "tests/engine/tiny.h"

#include <fcntl.h>
#include <unistd.h>

static char path[] = "/tmp/tm_expanded_XXXXXX";

enum { N_HIDDEN = 256, N_VOCAB = 7, N_ALL = N_HIDDEN * N_HIDDEN };

/* Blocks of bytes without a pattern; norms of ones. */
static tm_status fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    const tm_gguf_type *types = arg;
    (void)err;
    for (size_t i = 0; i < bytes; i++) data[i] = (uint8_t)(i * 2654435761u >> 13);
    if (types[index] == TM_GGUF_F32) {
        for (size_t i = 0; i + 4 <= bytes; i += 4) memcpy(data + i, &(float){1}, 4);
    } else { /* every two bytes are a half in [2^-10, 2^-6), so that any of them can be a scale */
        for (size_t i = 1; i < bytes; i += 2) data[i] = (uint8_t)(0x14 + (data[i] & 15));
    }
    return TM_OK;
}

static void write_model(tm_gguf_type table, tm_gguf_type head, tm_gguf_type linear)
{
    static const struct {
        const char *name;
        int rows;
        char kind; /* t table, h head, n norm, l linear */
    } tensors[] = {
        {"token_embd.weight", N_VOCAB, 't'},
        {"output_norm.weight", 1, 'n'},
        {"output.weight", N_VOCAB, 'h'},
        {"blk.0.attn_norm.weight", 1, 'n'},
        {"blk.0.ffn_norm.weight", 1, 'n'},
        {"blk.0.attn_q.weight", N_HIDDEN, 'l'},
        {"blk.0.attn_k.weight", N_HIDDEN, 'l'},
        {"blk.0.attn_v.weight", N_HIDDEN, 'l'},
        {"blk.0.attn_output.weight", N_HIDDEN, 'l'},
        {"blk.0.ffn_gate.weight", N_HIDDEN, 'l'},
        {"blk.0.ffn_up.weight", N_HIDDEN, 'l'},
        {"blk.0.ffn_down.weight", N_HIDDEN, 'l'},
    };
    enum { N = sizeof tensors / sizeof tensors[0] };
    tm_gguf_writer *w;
    tm_gguf_type types[N];
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    TINY_OK(tm_gguf_create(fd, path, &w, &err));
    tm_gguf_put_str(w, "general.architecture", "llama");
    tm_gguf_put_u32(w, "llama.block_count", 1);
    tm_gguf_put_u32(w, "llama.embedding_length", N_HIDDEN);
    tm_gguf_put_u32(w, "llama.feed_forward_length", N_HIDDEN);
    tm_gguf_put_u32(w, "llama.attention.head_count", 4);
    tm_gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    for (int i = 0; i < N; i++) {
        int64_t ne[2] = {N_HIDDEN, tensors[i].rows};
        char kind = tensors[i].kind;
        types[i] = kind == 't' ? table : kind == 'h' ? head : kind == 'l' ? linear : TM_GGUF_F32;
        tm_gguf_put_tensor(w, tensors[i].name, types[i], ne, tensors[i].rows > 1 ? 2 : 1);
    }
    TINY_OK(tm_gguf_finish(w, fill, types, &err));
    close(fd);
}

/* Every weight is the file's, rounded to a half. */
static void expect_halves(const tm_source *source, const tm_weight *w, tm_role role)
{
    static float stored[N_ALL], held[N_HIDDEN];
    assert_string_equal(w->format->name, "f16r16");
    source->floats(source, role, 0, 0, w->n_rows, stored);
    for (int r = 0; r < w->n_rows; r++) {
        w->format->unpack_floats(w->data, r, w->n_rows, w->n_cols, held);
        for (int c = 0; c < w->n_cols; c++) {
            tm_half wanted = tm_half_from_float(stored[r * w->n_cols + c]);
            assert_true(held[c] == tm_half_to_float(wanted));
        }
    }
}

static void open_model(tm_source *source, tm_pool *pool, tm_model *model)
{
    tm_model_options options = {0};
    TINY_OK(tm_source_open_gguf(path, source, &err));
    TINY_OK(tm_model_open(source, &options, pool, model, &err));
}

static void every_tensor_may_be_expanded(void **state)
{
    static const tm_gguf_type types[] = {TM_GGUF_Q4_1, TM_GGUF_Q5_0, TM_GGUF_Q5_1, TM_GGUF_Q2_K,
                                         TM_GGUF_Q3_K, TM_GGUF_Q4_K, TM_GGUF_Q5_K};
    tm_pool *pool = tiny_pool(2);
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        tm_source source;
        tm_model model;
        assert_true(tm_gguf_is_expanded(types[t]));
        write_model(types[t], types[t], types[t]);
        open_model(&source, pool, &model);
        expect_halves(&source, &model.embedding, TM_ROLE_EMBEDDING);
        expect_halves(&source, &model.head.weight, TM_ROLE_HEAD);
        expect_halves(&source, &model.layers[0].q.weight, TM_ROLE_Q);
        expect_halves(&source, &model.layers[0].down.weight, TM_ROLE_DOWN);
        tm_model_close(&model);
        tm_source_close(&source);
    }
    tm_pool_close(pool);
}

static void expect_exact(const tm_source *source, const tm_weight *w, tm_role role)
{
    static float stored[N_ALL], held[N_HIDDEN];
    assert_string_equal(w->format->name, "q2r16");
    source->floats(source, role, 0, 0, w->n_rows, stored);
    for (int r = 0; r < w->n_rows; r++) {
        w->format->unpack_floats(w->data, r, w->n_rows, w->n_cols, held);
        for (int c = 0; c < w->n_cols; c++) assert_true(held[c] == stored[r * w->n_cols + c]);
    }
}

/* Types of 2 bits or less with a scale for 64 or 128 weights, code 3 included. */
static void blocks_of_64_and_128_are_held_exactly(void **state)
{
    static const tm_gguf_type types[] = {TM_GGUF_Q1_0, TM_GGUF_Q2_0, TM_GGUF_PQ2_0, TM_GGUF_PTQ1_0};
    tm_pool *pool = tiny_pool(2);
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        tm_source source;
        tm_model model;
        write_model(types[t], types[t], types[t]);
        open_model(&source, pool, &model);
        expect_exact(&source, &model.embedding, TM_ROLE_EMBEDDING);
        expect_exact(&source, &model.head.weight, TM_ROLE_HEAD);
        expect_exact(&source, &model.layers[0].q.weight, TM_ROLE_Q);
        expect_exact(&source, &model.layers[0].down.weight, TM_ROLE_DOWN);
        tm_model_close(&model);
        tm_source_close(&source);
    }
    tm_pool_close(pool);
}

/* What llama-quantize makes of a model asked for as TQ2_0. */
static void a_table_is_expanded_beside_kernels_of_blocks(void **state)
{
    tm_source source;
    tm_model model;
    tm_pool *pool = tiny_pool(2);
    (void)state;
    write_model(TM_GGUF_Q4_K, TM_GGUF_Q6_K, TM_GGUF_Q4_0);
    open_model(&source, pool, &model);
    assert_string_equal(model.layers[0].q.weight.format->name, "q4_0");
    assert_string_equal(model.head.weight.format->name, "q6_k");
    expect_halves(&source, &model.embedding, TM_ROLE_EMBEDDING);
    tm_model_close(&model);
    tm_source_close(&source);
    tm_pool_close(pool);
}

/* Types that are only expanded: values of a worked example of the formats. Byte i of the block is
 * 37 i + 11, but the scale is 0.5 and the second one, of a minimum, 0.25 (-1 in Q4_1 and Q5_1). */
static const struct {
    tm_gguf_type type;
    int block, scale_at, n_scales;
    uint16_t second;
    float values[10]; /* of the weights in `places`, as many as the block has */
} expanded[] = {
    {TM_GGUF_Q4_1, 32, 0, 2, 0xbc00, {6.5f, 1, 3.5f, 6, 3.5f, 5}},
    {TM_GGUF_Q5_0, 32, 0, 1, 0, {4.5f, -1, 1.5f, -4, 7, 0.5f}},
    {TM_GGUF_Q5_1, 32, 0, 2, 0xbc00, {8.5f, 11, 13.5f, 8, 8.5f, 1.5f}},
    {TM_GGUF_Q2_K,
     256,
     80,
     2,
     0x3400,
     {16.5f, 0, 5.5f, 11, -0.75f, -0.75f, 3.75f, 21, 3.75f, 2.25f}},
    {TM_GGUF_Q3_K, 256, 108, 1, 0, {40.5f, -54, 13.5f, -27, -48, 32, -11, 36, 1, 21}},
    {TM_GGUF_Q4_K,
     256,
     0,
     2,
     0x3400,
     {157.75f, -12.75f, 64.75f, 142.25f, 157.75f, 80.25f, 4, 40.5f, 211.5f, 24.25f}},
    {TM_GGUF_Q5_K,
     256,
     0,
     2,
     0x3400,
     {405.75f, -12.75f, 312.75f, 142.25f, 405.75f, 80.25f, 56, -1.5f, 523.5f, 54.25f}},
};

static void expanded_types_match_worked_examples(void **state)
{
    static const int places[] = {0, 1, 2, 3, 16, 31, 32, 127, 128, 255};
    (void)state;
    for (size_t t = 0; t < sizeof expanded / sizeof expanded[0]; t++) {
        uint8_t data[2 * 176];
        float x[2 * 256];
        int n = expanded[t].block;
        tm_gguf_tensor tensor = {.name = {"w", 1},
                                 .type = expanded[t].type,
                                 .n_dims = 2,
                                 .ne = {n, 2, 1, 1},
                                 .data = data};
        tensor.bytes = tm_gguf_bytes(tensor.type, tensor.ne, 2);
        size_t bytes = tensor.bytes / 2;
        for (size_t i = 0; i < tensor.bytes; i++) data[i] = (uint8_t)(37 * (i % bytes) + 11);
        for (size_t row = 0; row < 2; row++) {
            uint8_t *scales = data + row * bytes + expanded[t].scale_at;
            scales[0] = 0, scales[1] = 0x38;
            if (expanded[t].n_scales == 1) continue;
            scales[2] = 0, scales[3] = (uint8_t)(expanded[t].second >> 8);
        }
        tm_gguf_read_floats(&tensor, 0, 2, x);
        assert_memory_equal(x, x + n, (size_t)n * sizeof *x);
        for (int i = 0; i < 10 && places[i] < n; i++)
            if (x[places[i]] != expanded[t].values[i])
                fail_msg("%s: weight %d is %g, not %g", tm_gguf_type_name(expanded[t].type),
                         places[i], (double)x[places[i]], (double)expanded[t].values[i]);

        tm_error err;
        assert_int_equal(tm_gguf_check_finite(&tensor, &err), TM_OK);
        for (int k = 0; k < expanded[t].n_scales; k++) {
            uint8_t *high = data + bytes + expanded[t].scale_at + 2 * k + 1, kept = *high;
            *high = 0x7c; /* infinite */
            assert_int_equal(tm_gguf_check_finite(&tensor, &err), TM_FORMAT);
            assert_non_null(strstr(err.message, "weight 0 of row 1 is inf"));
            *high = kept;
        }
    }
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd >= 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expanded_types_match_worked_examples),
        cmocka_unit_test(every_tensor_may_be_expanded),
        cmocka_unit_test(blocks_of_64_and_128_are_held_exactly),
        cmocka_unit_test(a_table_is_expanded_beside_kernels_of_blocks),
    };
    return cmocka_run_group_tests_name("expanded types", tests, make_file, remove_file);
}
