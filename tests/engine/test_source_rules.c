/* The rules for a GGUF model, each broken once in a file of a few kilobytes. */
#include "engine/source.h"
#include "tests/tm_test.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>

/* A llama of one layer, hidden 8, ffn 12, 4 heads of 2, 2 key-value heads. Cases change these. */
typedef struct sample {
    const char *arch;
    int n_tokens; /* length of the token list */
    uint32_t bos;
    uint32_t rotation; /* prism.hadamard.version; 0: not written */
    float rms_epsilon;
    uint32_t key_length, value_length; /* 0: not written */
    const char *rope_type;             /* NULL: not written */
    float rope_factor;
    float q_scale;        /* .scale tensor of attn_q; 0: none */
    float norm_value;     /* of attn_norm */
    float rope_freq;      /* of rope_freqs; 0: none */
    const char *stranger; /* one more tensor; NULL: none */
    tm_gguf_type norm_type;
    int n_hidden, norm_rows;
} sample;

static const sample good = {.arch = "llama",
                            .n_tokens = 5,
                            .bos = 1,
                            .rms_epsilon = 1e-5f,
                            .norm_value = 1,
                            .n_hidden = 8,
                            .norm_rows = 1,
                            .norm_type = TM_GGUF_F32};

static char path[] = "/tmp/tm_rules_XXXXXX";

typedef struct filling {
    float values[24];
    int n;
} filling;

static tm_status fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    const filling *f = arg;
    (void)err;
    memset(data, 0, bytes);
    for (size_t i = 0; i + 4 <= bytes; i += 4) memcpy(data + i, &f->values[index], 4);
    return TM_OK;
}

static void put(tm_gguf_writer *w, filling *f, const char *name, int64_t n_cols, int64_t n_rows,
                float value, tm_gguf_type type)
{
    int64_t ne[2] = {n_cols, n_rows};
    tm_gguf_put_tensor(w, name, type, ne, n_rows > 1 ? 2 : 1);
    f->values[f->n++] = value;
}

static void write_sample(const sample *s)
{
    static const char *const tokens[] = {"a", "b", "c", "d", "e", "f"};
    tm_gguf_writer *w;
    tm_error err;
    filling f = {.n = 0};
    char key[64];
#define KEY(rest) (snprintf(key, sizeof key, "%s." rest, s->arch), key)
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    if (tm_gguf_create(fd, path, &w, &err) != TM_OK) fail_msg("%s", err.message);
    tm_gguf_put_str(w, "general.architecture", s->arch);
    tm_gguf_put_u32(w, KEY("block_count"), 1);
    tm_gguf_put_u32(w, KEY("embedding_length"), (uint32_t)s->n_hidden);
    tm_gguf_put_u32(w, KEY("feed_forward_length"), 12);
    tm_gguf_put_u32(w, KEY("attention.head_count"), 4);
    tm_gguf_put_u32(w, KEY("attention.head_count_kv"), 2);
    tm_gguf_put_f32(w, KEY("attention.layer_norm_rms_epsilon"), s->rms_epsilon);
    if (s->key_length) tm_gguf_put_u32(w, KEY("attention.key_length"), s->key_length);
    if (s->value_length) tm_gguf_put_u32(w, KEY("attention.value_length"), s->value_length);
    if (s->rope_type) tm_gguf_put_str(w, KEY("rope.scaling.type"), s->rope_type);
    if (s->rope_factor != 0) tm_gguf_put_f32(w, KEY("rope.scaling.factor"), s->rope_factor);
    tm_gguf_put_str_array(w, "tokenizer.ggml.tokens", tokens, (size_t)s->n_tokens);
    tm_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", s->bos);
    if (s->rotation) tm_gguf_put_u32(w, "prism.hadamard.version", s->rotation);
    int h = s->n_hidden, heads = s->key_length ? 4 * (int)s->key_length : h;
    put(w, &f, "token_embd.weight", h, 5, 0.5f, TM_GGUF_F32);
    put(w, &f, "output_norm.weight", h, 1, 1, TM_GGUF_F32);
    put(w, &f, "output.weight", h, 5, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.attn_norm.weight", h, s->norm_rows, s->norm_value, s->norm_type);
    put(w, &f, "blk.0.ffn_norm.weight", h, 1, 1, TM_GGUF_F32);
    put(w, &f, "blk.0.attn_q.weight", h, heads, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.attn_k.weight", h, heads / 2, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.attn_v.weight", h, heads / 2, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.attn_output.weight", heads, h, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.ffn_gate.weight", h, 12, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.ffn_up.weight", h, 12, 0.5f, TM_GGUF_F32);
    put(w, &f, "blk.0.ffn_down.weight", 12, h, 0.5f, TM_GGUF_F32);
    if (strcmp(s->arch, "llama") != 0) {
        put(w, &f, "blk.0.attn_sub_norm.weight", heads, 1, 1, TM_GGUF_F32);
        put(w, &f, "blk.0.ffn_sub_norm.weight", 12, 1, 1, TM_GGUF_F32);
    }
    if (s->q_scale != 0) put(w, &f, "blk.0.attn_q.scale", 1, 1, s->q_scale, TM_GGUF_F32);
    if (s->rope_freq != 0) put(w, &f, "rope_freqs.weight", heads / 8, 1, s->rope_freq, TM_GGUF_F32);
    if (s->stranger) put(w, &f, s->stranger, h, 1, 1, TM_GGUF_F32);
    if (tm_gguf_finish(w, fill, &f, &err) != TM_OK) fail_msg("%s", err.message);
    close(fd);
}

static void open_sample(const sample *s, tm_source *source)
{
    tm_error err = {0};
    write_sample(s);
    if (tm_source_open_gguf(path, source, &err) != TM_OK) fail_msg("%s", err.message);
}

static void expect_error(const sample *s, tm_status status, const char *fragment)
{
    tm_source source = {0};
    tm_error err = {0};
    write_sample(s);
    tm_status got = tm_source_open_gguf(path, &source, &err);
    if (got != status || !strstr(err.message, fragment))
        fail_msg("status %d, '%s' lacks '%s'", (int)got, err.message, fragment);
    assert_null(source.self);
}

static void a_valid_model_is_opened(void **state)
{
    (void)state;
    tm_source source;
    tm_tensor_info info;
    sample s = good;
    open_sample(&s, &source);
    assert_true(source.config.head_dim == 2 && source.config.n_rot == 2 &&
                source.config.n_vocab == 5);
    assert_true(source.config.rope_base == 10000 && source.config.n_context == 0 &&
                !source.config.tied_head);
    assert_string_equal(source.config.name, strrchr(path, '/') + 1); /* there is no general.name */
    assert_int_equal(source.describe(&source, TM_ROLE_Q, 0, &info, NULL), TM_OK);
    assert_true(info.ternary && info.scale == 0.5f && info.type == TM_GGUF_F32);
    tm_source_close(&source);
    tm_source_close(&source); /* closing twice is allowed */

    s.key_length = s.value_length = 6;
    s.rope_type = "linear";
    s.rope_factor = 1;
    s.q_scale = 3;
    s.rope_freq = 2;
    open_sample(&s, &source);
    assert_int_equal(source.config.head_dim, 6);
    assert_int_equal(source.describe(&source, TM_ROLE_Q, 0, &info, NULL), TM_OK);
    assert_true(info.ternary && info.scale == 1.5f);
    assert_int_equal(source.describe(&source, TM_ROLE_ROPE_FREQS, 0, &info, NULL), TM_OK);
    assert_true(info.present);
    tm_source_close(&source);
}

static void heads_follow_the_architecture(void **state)
{
    (void)state;
    tm_source source;
    tm_tensor_info info;
    sample s = good;
    s.arch = "bitnet-b1.58";
    open_sample(&s, &source);
    assert_false(source.config.tied_head);
    tm_source_close(&source);
    s.arch = "bitnet"; /* other programs ignore its output.weight */
    open_sample(&s, &source);
    assert_true(source.config.tied_head);
    assert_int_equal(source.describe(&source, TM_ROLE_HEAD, 0, &info, NULL), TM_OK);
    assert_false(info.present);
    tm_source_close(&source);
}

/* llama.cpp writes -1 for a special token that the vocabulary lacks. */
static void a_missing_special_token_is_no_error(void **state)
{
    (void)state;
    tm_source source;
    sample s = good;
    s.bos = UINT32_MAX;
    open_sample(&s, &source);
    tm_source_close(&source);
}

static void messages_name_the_broken_rule(void **state)
{
    (void)state;
    sample s = good;
    s.n_tokens = 4;
    expect_error(&s, TM_FORMAT,
                 "'tokenizer.ggml.tokens' has 4 items, but the embedding has 5 rows");
    s = good, s.bos = 5;
    expect_error(&s, TM_FORMAT,
                 "'tokenizer.ggml.bos_token_id' is 5; it must be below the vocabulary size 5");
    s = good, s.rotation = 1;
    expect_error(&s, TM_UNSUPPORTED, "'prism.hadamard.version' is 1: the weights are rotated");
    s = good, s.rms_epsilon = NAN;
    expect_error(&s, TM_FORMAT, "layer_norm_rms_epsilon' is nan; it must be finite");
    s = good, s.rms_epsilon = 0;
    expect_error(&s, TM_FORMAT, "the norm epsilon is 0; it must be finite and above 0");
    s = good, s.n_hidden = 10;
    expect_error(&s, TM_FORMAT,
                 "4 heads do not divide the hidden size 10, and key 'llama.attention.key_length'");
    s = good, s.key_length = 3;
    expect_error(&s, TM_FORMAT, "the head size is 3; it must be even");
    s = good, s.key_length = 4, s.value_length = 2;
    expect_error(&s, TM_UNSUPPORTED, "'llama.attention.value_length' is 2, but keys have 4");
    s = good, s.rope_type = "su";
    expect_error(&s, TM_UNSUPPORTED,
                 "'llama.rope.scaling.type' must be none, linear, yarn or longrope");
    s = good, s.rope_type = "linear", s.rope_factor = -4;
    expect_error(&s, TM_FORMAT, "the rope scaling factor is -4; it must be finite and above 0");
    s = good, s.q_scale = NAN;
    expect_error(&s, TM_FORMAT, "'blk.0.attn_q.scale' is nan");
    s = good, s.q_scale = -1;
    expect_error(&s, TM_FORMAT, "'blk.0.attn_q.scale' is -1; it must be finite and at least 0");
    s = good, s.norm_value = INFINITY;
    expect_error(&s, TM_FORMAT, "'blk.0.attn_norm.weight': weight 0 of row 0 is inf");
    s = good, s.norm_rows = 2;
    expect_error(&s, TM_FORMAT, "'blk.0.attn_norm.weight' has the shape 8 x 2");
    s = good, s.n_hidden = 32, s.norm_type = TM_GGUF_Q8_0;
    expect_error(&s, TM_UNSUPPORTED,
                 "'blk.0.attn_norm.weight' is of type Q8_0; a vector must be F32, F16 or BF16");
    s = good, s.rope_freq = -1;
    expect_error(&s, TM_FORMAT, "'rope_freqs.weight': value 0 is -1; it must be above 0");
    s = good, s.stranger = "blk.0.attn_q.bias";
    expect_error(
        &s, TM_UNSUPPORTED,
        "'blk.0.attn_q.bias' does not belong to a model of architecture llama with 1 layers");
    s = good, s.stranger = "blk.1.attn_norm.weight";
    expect_error(&s, TM_UNSUPPORTED, "'blk.1.attn_norm.weight' does not belong");
}

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_model_is_opened),
        cmocka_unit_test(heads_follow_the_architecture),
        cmocka_unit_test(a_missing_special_token_is_no_error),
        cmocka_unit_test(messages_name_the_broken_rule),
    };
    return cmocka_run_group_tests_name("source rules", tests, make_path, remove_path);
}
