/* Configs, roles and GGUF files as models: values and errors. */
#include "engine/source.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

static tm_config good_config(void)
{
    tm_config c = {.name = "test",
                   .n_layers = 2,
                   .n_hidden = 256,
                   .n_ffn = 640,
                   .n_heads = 4,
                   .n_kv_heads = 2,
                   .head_dim = 96,
                   .n_rot = 96,
                   .n_vocab = 300,
                   .n_context = 512,
                   .rope_base = 10000,
                   .rms_epsilon = 1e-5f,
                   .tied_head = true};
    assert_true(tm_config_set_arch(&c, "bitnet"));
    return c;
}

static void check_config(const tm_config *c, const char *fragment)
{
    tm_error err = {0};
    assert_int_equal(tm_config_check(c, &err), fragment ? TM_FORMAT : TM_OK);
    if (fragment && !strstr(err.message, fragment))
        fail_msg("'%s' lacks '%s'", err.message, fragment);
}

static void impossible_sizes_are_errors(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        int value;
        const char *fragment;
    } cases[] = {
#define CASE(field, value, fragment) {offsetof(tm_config, field), value, fragment}
        CASE(n_layers, 0, "the number of layers is 0; it must be 1 to 1024"),
        CASE(n_layers, 1025, "1025"),
        CASE(n_layers, 1024, NULL),
        CASE(n_hidden, 0, "the hidden size is 0"),
        CASE(n_hidden, 1 << 24, NULL),
        CASE(n_hidden, (1 << 24) + 1, "it must be 1 to 16777216"),
        CASE(n_ffn, -1, "the feed-forward size is -1"),
        CASE(n_heads, 0, "the number of heads is 0"),
        CASE(n_heads, 1 << 30, "the number of heads"),
        CASE(n_kv_heads, 0, "key-value heads is 0"),
        CASE(n_kv_heads, 5, "key-value heads is 5; it must be 1 to 4"),
        CASE(n_kv_heads, 3, "3 key-value heads do not divide 4 heads"),
        CASE(head_dim, 95, "the head size is 95; it must be even"),
        CASE(head_dim, 0, "the head size is 0"),
        CASE(head_dim, 1 << 23, "heads times head size is 33554432"),
        CASE(n_rot, 98, "the rotated part of a head is 98; it must be 2 to 96"),
        CASE(n_rot, 95, "must be even"),
        CASE(n_rot, 48, NULL),
        CASE(n_vocab, 0, "the vocabulary size is 0"),
        CASE(n_context, -1, "the context length is -1"),
        CASE(n_context, 0, NULL),
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_config c = good_config();
        memcpy((char *)&c + cases[i].offset, &cases[i].value, sizeof(int));
        check_config(&c, cases[i].fragment);
    }
    static const float bad[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        tm_config c = good_config();
        c.rope_base = bad[i];
        check_config(&c, "the rope base is");
        c = good_config();
        c.rms_epsilon = bad[i];
        check_config(&c, "the norm epsilon is");
    }
    tm_config c = good_config();
    memset(c.name, 'x', sizeof c.name);
    check_config(&c, "is not terminated");
}

static void architectures_set_rotation_norms_and_gate(void **state)
{
    (void)state;
    tm_config c = good_config();
    assert_true(c.rope_half_split && c.sub_norms && !c.relu2);
    assert_true(tm_config_set_arch(&c, "bitnet-b1.58"));
    assert_true(c.rope_half_split && c.sub_norms && c.relu2);
    assert_true(tm_config_set_arch(&c, "bitnet-25"));
    assert_true(c.rope_half_split && c.sub_norms && c.relu2);
    assert_true(tm_config_set_arch(&c, "llama"));
    assert_true(!c.rope_half_split && !c.sub_norms && !c.qk_norms && !c.relu2);
    assert_true(tm_config_set_arch(&c, "qwen3"));
    assert_true(c.rope_half_split && !c.sub_norms && c.qk_norms && !c.relu2);
    assert_true(tm_config_set_arch(&c, "minicpm"));
    assert_true(!c.rope_half_split && !c.sub_norms && !c.qk_norms && !c.relu2);
    assert_false(tm_config_set_arch(&c, "gpt2"));
    assert_string_equal(c.arch, "minicpm");
}

static void roles_have_names_and_shapes(void **state)
{
    (void)state;
    static const struct {
        tm_role role;
        const char *name;
        int n_rows, n_cols;
        bool linear, per_layer;
    } cases[] = {
        {TM_ROLE_EMBEDDING, "token_embd.weight", 300, 256, false, false},
        {TM_ROLE_OUTPUT_NORM, "output_norm.weight", 1, 256, false, false},
        {TM_ROLE_HEAD, "output.weight", 300, 256, false, false},
        {TM_ROLE_ROPE_FREQS, "rope_freqs.weight", 1, 48, false, false},
        {TM_ROLE_ATTN_NORM, "blk.17.attn_norm.weight", 1, 256, false, true},
        {TM_ROLE_Q, "blk.17.attn_q.weight", 384, 256, true, true},
        {TM_ROLE_K, "blk.17.attn_k.weight", 192, 256, true, true},
        {TM_ROLE_V, "blk.17.attn_v.weight", 192, 256, true, true},
        {TM_ROLE_ATTN_SUB_NORM, "blk.17.attn_sub_norm.weight", 1, 384, false, true},
        {TM_ROLE_O, "blk.17.attn_output.weight", 256, 384, true, true},
        {TM_ROLE_FFN_NORM, "blk.17.ffn_norm.weight", 1, 256, false, true},
        {TM_ROLE_GATE, "blk.17.ffn_gate.weight", 640, 256, true, true},
        {TM_ROLE_UP, "blk.17.ffn_up.weight", 640, 256, true, true},
        {TM_ROLE_FFN_SUB_NORM, "blk.17.ffn_sub_norm.weight", 1, 640, false, true},
        {TM_ROLE_DOWN, "blk.17.ffn_down.weight", 256, 640, true, true},
        {TM_ROLE_Q_NORM, "blk.17.attn_q_norm.weight", 1, 96, false, true},
        {TM_ROLE_K_NORM, "blk.17.attn_k_norm.weight", 1, 96, false, true},
        {TM_ROLE_ROPE_SHORT, "rope_factors_short.weight", 1, 48, false, false},
        {TM_ROLE_ROPE_LONG, "rope_factors_long.weight", 1, 48, false, false},
    };
    tm_config c = good_config();
    int64_t weights = 0;
    assert_int_equal(sizeof cases / sizeof cases[0], TM_ROLE_COUNT);
    for (size_t i = 0; i < TM_ROLE_COUNT; i++) {
        char name[64];
        int n_rows, n_cols;
        tm_role_name(cases[i].role, 17, name, sizeof name);
        assert_string_equal(name, cases[i].name);
        tm_role_shape(&c, cases[i].role, &n_rows, &n_cols);
        assert_int_equal(n_rows, cases[i].n_rows);
        assert_int_equal(n_cols, cases[i].n_cols);
        assert_int_equal(tm_role_is_linear(cases[i].role), cases[i].linear);
        assert_int_equal(tm_role_is_per_layer(cases[i].role), cases[i].per_layer);
        if (cases[i].linear) weights += 2 * (int64_t)n_rows * n_cols;
    }
    assert_int_equal(tm_config_linear_weights(&c), weights);
    assert_false(tm_role_present(&c, TM_ROLE_HEAD));
    assert_true(tm_role_present(&c, TM_ROLE_ATTN_SUB_NORM));
    assert_false(tm_role_present(&c, TM_ROLE_ROPE_FREQS));
    tm_config_set_arch(&c, "llama");
    c.tied_head = false;
    assert_true(tm_role_present(&c, TM_ROLE_HEAD));
    assert_false(tm_role_present(&c, TM_ROLE_FFN_SUB_NORM));
    assert_true(tm_role_present(&c, TM_ROLE_ROPE_FREQS));
    assert_false(tm_role_present(&c, TM_ROLE_Q_NORM));
    assert_false(tm_role_present(&c, TM_ROLE_ROPE_LONG));
    assert_true(tm_role_is_optional(TM_ROLE_ROPE_FREQS) && tm_role_is_optional(TM_ROLE_ROPE_LONG));
    assert_true(tm_role_present(&c, TM_ROLE_DOWN));
    tm_config largest = {.n_layers = 1024,
                         .n_hidden = 1 << 24,
                         .n_ffn = 1 << 24,
                         .n_heads = 1 << 16,
                         .n_kv_heads = 1 << 16,
                         .head_dim = 256};
    assert_true(tm_config_linear_weights(&largest) == (int64_t)7 * 1024 << 48);
}

static tm_status describe_all(tm_source *source, tm_error *err)
{
    tm_tensor_info info;
    for (int layer = 0; layer < source->config.n_layers; layer++)
        for (int role = 0; role < TM_ROLE_COUNT; role++) {
            if (layer && !tm_role_is_per_layer(role)) continue;
            tm_status status = source->describe(source, role, layer, &info, err);
            if (status) return status;
        }
    return TM_OK;
}

/* Every file of INDEX.md and its error; NULL: accepted. Where the index allows both, a bool of 2
 * and a code 3 are errors, and text that is not UTF-8 is accepted, since the tokenizer checks it.
 */
static const struct {
    const char *name;
    tm_status status;
    const char *fragment;
} malformed[] = {
    {"good_tq2", TM_OK, NULL},
    {"good_baseline", TM_OK, NULL},
    {"empty", TM_FORMAT, "the file has 0 bytes; a GGUF header has 24"},
    {"magic_only", TM_FORMAT, "the file has 4 bytes"},
    {"wrong_magic", TM_FORMAT, "begins with 47 47 55 47"},
    {"magic_ggml_old", TM_FORMAT, "begins with 6c 6d 67 67"},
    {"big_endian", TM_UNSUPPORTED, "big-endian"},
    {"version_1", TM_UNSUPPORTED, "version 1; versions 2 and 3"},
    {"version_99", TM_UNSUPPORTED, "version 99"},
    {"trunc_header", TM_FORMAT, "the file has 14 bytes"},
    {"trunc_kv_mid", TM_FORMAT, "states 13 tensors, but the file has room for 12"},
    {"trunc_tokens", TM_FORMAT,
     "'tokenizer.ggml.tokens': a string of an array at offset 4070 needs 8 bytes"},
    {"trunc_data_start", TM_FORMAT, "of the data, which has 0 bytes"},
    {"trunc_data_last_byte", TM_FORMAT,
     "'blk.0.ffn_down.weight' of type F16 has 4096 bytes at offset 32000"},
    {"huge_tensor_count", TM_FORMAT, "9223372036854775807 tensors"},
    {"tensor_count_plus_one", TM_FORMAT,
     "a tensor's name at offset 7327 needs 8 bytes, but 0 remain"},
    {"kv_count_max", TM_FORMAT, "18446744073709551615 keys"},
    {"huge_key_length", TM_FORMAT, "a key at offset 32 needs 4611686018427387904 bytes"},
    {"huge_string_value", TM_FORMAT,
     "'general.name': a string at offset 102 needs 1099511627776 bytes"},
    {"huge_array_count", TM_FORMAT, "an array of 1152921504606846976 items"},
    {"deeply_nested_array", TM_FORMAT, "arrays of arrays are not supported"},
    {"bad_kv_type", TM_FORMAT, "value type 77"},
    {"bool_two", TM_FORMAT, "'x.flag': a bool of value 2"},
    {"align_not_pow2", TM_FORMAT, "general.alignment is 24"},
    {"align_wrong_type", TM_FORMAT, "'general.alignment' is of type string"},
    {"align_huge", TM_FORMAT, "general.alignment is 2147483648"},
    {"good_align_64", TM_OK, NULL},
    {"duplicate_tensor", TM_FORMAT, "'blk.0.attn_norm.weight' occurs twice"},
    {"tensor_name_65", TM_FORMAT, "has 65 bytes; it must have 1 to 63"},
    {"five_dims", TM_FORMAT, "has 5 dimensions"},
    {"dim_zero", TM_FORMAT, "has 0 as dimension 0"},
    {"dim_negative", TM_FORMAT, "has 9223372036854775808 as dimension 0"},
    {"dims_overflow_64", TM_FORMAT, "more than can be counted"},
    {"row_not_block_multiple", TM_FORMAT,
     "rows of 200 weights; type TQ2_0 needs a multiple of 256"},
    {"tensor_type_unknown", TM_UNSUPPORTED, "has type 9999"},
    {"offset_unaligned", TM_FORMAT, "begins at offset 17668, not a multiple of the alignment 32"},
    {"offset_past_end", TM_FORMAT, "at offset 1099511627776 of the data"},
    {"offset_overlap", TM_FORMAT, "'token_embd.weight' and 'blk.0.attn_k.weight' overlap"},
    {"missing_architecture", TM_FORMAT, "'general.architecture' is missing"},
    {"missing_head_count", TM_FORMAT, "'bitnet.attention.head_count' is missing"},
    {"missing_embedding_length", TM_FORMAT, "'bitnet.embedding_length' is missing"},
    {"unknown_arch", TM_UNSUPPORTED,
     "'nonsense' is not supported; supported are bitnet, bitnet-25, "},
    {"missing_tensor", TM_FORMAT, "'blk.0.ffn_down.weight' is missing"},
    {"head_count_zero", TM_FORMAT, "'bitnet.attention.head_count' is 0"},
    {"kv_heads_not_divisor", TM_FORMAT, "3 key-value heads do not divide 4 heads"},
    {"shape_mismatch", TM_FORMAT, "the keys say"},
    {"key_wrong_type", TM_FORMAT, "'bitnet.embedding_length' is of type string"},
    {"rope_base_zero", TM_FORMAT, "the rope base is 0"},
    {"scale_nan", TM_FORMAT, "the scale of weight 0 of row 0 is nan"},
    {"scale_inf", TM_FORMAT, "the scale of weight 0 of row 0 is inf"},
    {"tq2_code_3", TM_FORMAT, "has code 3"},
    {"i2s_code_3", TM_FORMAT, "has code 3"},
    {"good_i2s_tensor", TM_OK, NULL},
    {"bos_out_of_range", TM_FORMAT,
     "'tokenizer.ggml.bos_token_id' is 2147483647; it must be below"},
    {"token_bad_utf8", TM_OK, NULL},
    {"trailing_garbage", TM_OK, NULL},
    {"good_version_2", TM_OK, NULL},
};
#define N_MALFORMED (sizeof malformed / sizeof malformed[0])

static void malformed_files_are_errors_with_a_reason(void **state)
{
    (void)state;
    char path[512];
    TM_NEED_FIXTURE("malformed/INDEX.md", path);
    for (size_t i = 0; i < N_MALFORMED; i++) {
        char name[64];
        tm_source source;
        tm_error err = {0};
        snprintf(name, sizeof name, "malformed/%s.gguf", malformed[i].name);
        TM_NEED_FIXTURE(name, path);
        tm_status status = tm_source_open_gguf(path, &source, &err);
        if (status == TM_OK) {
            status = describe_all(&source, &err);
            tm_source_close(&source);
        }
        if (status != malformed[i].status)
            fail_msg("%s: status %d, '%s'", path, (int)status, err.message);
        if (status && !strstr(err.message, malformed[i].fragment))
            fail_msg("'%s' lacks '%s'", err.message, malformed[i].fragment);
        if (status && strncmp(err.message, path, strlen(path)) != 0)
            fail_msg("'%s' lacks the path", err.message);
    }
}

/* The table above has every file of the index, with the outcome that the index states. */
static void errors_agree_with_the_index(void **state)
{
    (void)state;
    char path[512], line[512];
    size_t n_seen = 0;
    TM_NEED_FIXTURE("malformed/INDEX.md", path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char name[64], verdict[32];
        if (sscanf(line, "| %63[^.].gguf | %*d | %31s |", name, verdict) != 2) continue;
        size_t i = 0;
        while (i < N_MALFORMED && strcmp(malformed[i].name, name) != 0) i++;
        if (i == N_MALFORMED) fail_msg("%s is not in the table", name);
        if (strcmp(verdict, "accept") == 0)
            assert_int_equal(malformed[i].status, TM_OK);
        else if (strcmp(verdict, "reject") == 0)
            assert_int_not_equal(malformed[i].status, TM_OK);
        else
            assert_string_equal(verdict, "either");
        n_seen++;
    }
    fclose(file);
    assert_int_equal(n_seen, N_MALFORMED);
}

static bool open_model(const char *name, tm_source *source)
{
    char path[512], file[96];
    tm_error err = {0};
    snprintf(file, sizeof file, "models/%s.gguf", name);
    if (!tm_fixture(file, path, sizeof path)) return false;
    if (tm_source_open_gguf(path, source, &err) != TM_OK) fail_msg("%s", err.message);
    return true;
}
#define NEED_MODEL(name, source)                                                                   \
    do {                                                                                           \
        if (!open_model(name, source))                                                             \
            TM_SKIP("no fixture models/%s.gguf: set TM_FIXTURES", name);                           \
    } while (0)

static void configs_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name, *arch;
        int n_layers, n_hidden, n_ffn, n_heads, n_kv_heads, head_dim, n_vocab;
        float rope_base, rms_epsilon;
        bool tied_head;
    } cases[] = {
        {"bn_t-F16", "bn_t-f32.gguf", "bitnet", 1, 256, 256, 4, 1, 64, 300, 10000, 1e-5f, true},
        {"bn_b-I2_S", "bn_b-f32.gguf", "bitnet", 1, 768, 1024, 8, 8, 96, 384, 500000, 1e-5f, true},
        {"ll_d-TQ2_0", "ll_d-f32.gguf", "llama", 2, 256, 768, 4, 2, 64, 512, 1000042, 1e-6f, false},
        {"ll_e-I2_S", "ll_e-f32.gguf", "llama", 2, 256, 512, 2, 1, 256, 300, 10000, 1e-5f, true},
        {"b158_g-I2_S", "b158_g-f32.gguf", "bitnet-b1.58", 2, 512, 768, 4, 2, 128, 320, 500000,
         1e-5f, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_source source;
        NEED_MODEL(cases[i].file, &source);
        const tm_config *c = &source.config;
        assert_string_equal(c->name, cases[i].name);
        assert_string_equal(c->arch, cases[i].arch);
        assert_true(c->n_layers == cases[i].n_layers && c->n_hidden == cases[i].n_hidden);
        assert_true(c->n_ffn == cases[i].n_ffn && c->n_vocab == cases[i].n_vocab);
        assert_true(c->n_heads == cases[i].n_heads && c->n_kv_heads == cases[i].n_kv_heads);
        assert_true(c->head_dim == cases[i].head_dim && c->n_rot == cases[i].head_dim);
        assert_true(c->n_context == 512 && c->tied_head == cases[i].tied_head);
        assert_true(c->rope_base == cases[i].rope_base && c->rms_epsilon == cases[i].rms_epsilon);
        tm_source_close(&source);
    }
}

/* The same model in two types has the same trits, and the same scales up to the rounding of the
 * types.
 */
static void stored_types_hold_the_same_model(void **state)
{
    (void)state;
    static const struct {
        const char *one, *other;
        float error;
    } pairs[] = {
        {"bn_t-f32", "bn_t-F16", 0x1p-11f},    {"bn_t-f32", "bn_t-I2_S", 0},
        {"bn_t-f32", "bn_t-TQ1_0", 0x1p-11f},  {"bn_t-I2_S_q6k", "bn_t-TQ2_0_q6k", 0x1p-11f},
        {"bn_a-I2_S", "bn_a-TQ2_0", 0x1p-11f}, {"bn_s-I2_S", "bn_s-TQ1_0", 0},
        {"bn_s-I2_S", "bn_s-TQ2_0", 0},        {"ll_d-I2_S", "ll_d-TQ2_0", 0x1p-11f},
        {"ll_e-I2_S", "ll_e-TQ1_0", 0x1p-11f},
    };
    static int8_t a[1024 * 1024], b[1024 * 1024];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        tm_source one, other;
        NEED_MODEL(pairs[i].one, &one);
        NEED_MODEL(pairs[i].other, &other);
        for (int layer = 0; layer < one.config.n_layers; layer++)
            for (int role = 0; role < TM_ROLE_COUNT; role++) {
                tm_tensor_info x, y;
                int n_rows, n_cols;
                tm_error err;
                if (!tm_role_is_linear(role)) continue;
                assert_int_equal(one.describe(&one, role, layer, &x, &err), TM_OK);
                assert_int_equal(other.describe(&other, role, layer, &y, &err), TM_OK);
                assert_true(x.present && y.present && x.ternary && y.ternary && x.scale > 0);
                if (fabsf(x.scale - y.scale) > pairs[i].error * x.scale)
                    fail_msg("%s and %s: scales %.9g and %.9g", pairs[i].one, pairs[i].other,
                             (double)x.scale, (double)y.scale);
                tm_role_shape(&one.config, role, &n_rows, &n_cols);
                one.trits(&one, role, layer, 0, n_rows, a);
                other.trits(&other, role, layer, 0, n_rows, b);
                assert_memory_equal(a, b, (size_t)n_rows * (size_t)n_cols);
            }
        tm_source_close(&one);
        tm_source_close(&other);
    }
}

/* bn_s holds -1, 0 and 1; a .scale tensor belongs to each matrix. */
static void scale_tensors_are_multiplied_in(void **state)
{
    (void)state;
    static const struct {
        tm_role role;
        float scale;
    } expected[] = {
        {TM_ROLE_Q, 0.09503173828125f},   {TM_ROLE_K, 0.0819091796875f},
        {TM_ROLE_V, 0.042999267578125f},  {TM_ROLE_O, 0.044708251953125f},
        {TM_ROLE_GATE, 0.09130859375f},   {TM_ROLE_UP, 0.31494140625f},
        {TM_ROLE_DOWN, 0.0367431640625f},
    };
    static const char *const files[] = {"bn_s-I2_S", "bn_s-TQ1_0", "bn_s-TQ2_0"};
    for (size_t f = 0; f < 3; f++) {
        tm_source source;
        NEED_MODEL(files[f], &source);
        for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
            float row[512];
            int8_t trits[512];
            int n_rows, n_cols;
            tm_tensor_info info;
            source.floats(&source, expected[i].role, 0, 1, 2, row); /* works before describe, too */
            assert_int_equal(source.describe(&source, expected[i].role, 0, &info, NULL), TM_OK);
            assert_true(info.ternary && info.scale == expected[i].scale && info.post_scale == 1);
            source.trits(&source, expected[i].role, 0, 1, 2, trits);
            tm_role_shape(&source.config, expected[i].role, &n_rows, &n_cols);
            for (int c = 0; c < n_cols; c++) assert_true(row[c] == (float)trits[c] * info.scale);
        }
        tm_source_close(&source);
    }
}

static void description_says_why_a_tensor_is_not_ternary(void **state)
{
    (void)state;
    tm_source source;
    tm_tensor_info info;
    NEED_MODEL("bn_c-TQ2_0", &source); /* the quantizer fell back for its ffn of 640 */
    assert_int_equal(source.describe(&source, TM_ROLE_DOWN, 1, &info, NULL), TM_OK);
    assert_true(info.present && !info.ternary && info.scale == 1 && info.post_scale == 1);
    assert_int_equal(info.type, TM_GGUF_Q4_0);
    assert_string_equal(info.why_not,
                        "tensor 'blk.1.ffn_down.weight' is not ternary: its type is Q4_0");
    assert_int_equal(source.describe(&source, TM_ROLE_UP, 1, &info, NULL), TM_OK);
    assert_true(info.ternary && info.type == TM_GGUF_TQ2_0 && !info.why_not[0]);
    tm_source_close(&source);

    NEED_MODEL("ll_d-TQ2_0", &source);
    assert_int_equal(source.describe(&source, TM_ROLE_HEAD, 0, &info, NULL), TM_OK);
    assert_true(info.present && !info.ternary && info.type == TM_GGUF_Q6_K);
    assert_int_equal(source.describe(&source, TM_ROLE_ROPE_FREQS, 0, &info, NULL), TM_OK);
    assert_false(info.present);
    tm_source_close(&source);
}

static void a_vocabulary_is_not_a_model(void **state)
{
    (void)state;
    char path[512];
    tm_source source;
    tm_error err;
    TM_NEED_FIXTURE("tokenizers/ggml-vocab-llama-spm.gguf", path);
    assert_int_equal(tm_source_open_gguf(path, &source, &err), TM_FORMAT); /* not a model */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_sizes_are_errors),
        cmocka_unit_test(architectures_set_rotation_norms_and_gate),
        cmocka_unit_test(roles_have_names_and_shapes),
        cmocka_unit_test(malformed_files_are_errors_with_a_reason),
        cmocka_unit_test(errors_agree_with_the_index),
        cmocka_unit_test(configs_are_read),
        cmocka_unit_test(stored_types_hold_the_same_model),
        cmocka_unit_test(scale_tensors_are_multiplied_in),
        cmocka_unit_test(description_says_why_a_tensor_is_not_ternary),
        cmocka_unit_test(a_vocabulary_is_not_a_model),
    };
    return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
