/* The GGUF writer: files are read back, and errors name the file. */
#include "engine/source.h"
#include "kernels/half.h"
#include "tests/tm_test.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static char folder[] = "/tmp/tm_gguf_write_XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder)) return -1;
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); /* fails if a test left a file */
}

/* The file that a test writes. */
static int output = -1;

static int open_output(void)
{
    output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    assert_true(output >= 0);
    return output;
}

static void close_output(void)
{
    close(output);
    output = -1;
}

static tm_status write_model(tm_source *source, tm_gguf_type type, tm_error *err)
{
    tm_status status = tm_source_write_gguf(source, type, open_output(), path, err);
    close_output();
    return status;
}

/* Fills with the tensor's number; tensor *arg is an error. */
static tm_status fill(void *arg, int index, uint8_t *data, size_t bytes, tm_error *err)
{
    if (arg && index == *(int *)arg) return tm_fail(err, TM_CHECK, "tensor %d is refused", index);
    memset(data, index + 1, bytes);
    return TM_OK;
}

static tm_gguf_writer *begin_file(void)
{
    tm_gguf_writer *w;
    tm_error err;
    if (tm_gguf_create(open_output(), path, &w, &err) != TM_OK) fail_msg("%s", err.message);
    return w;
}

static void put_matrix(tm_gguf_writer *w, const char *name, tm_gguf_type type, int64_t ne0,
                       int64_t ne1)
{
    int64_t ne[2] = {ne0, ne1};
    tm_gguf_put_tensor(w, name, type, ne, 2);
}

static void all_kinds_are_read_back(void **state)
{
    (void)state;
    static const char *const words[] = {"one", "", "three"};
    static const float floats[] = {1, -2};
    static const int32_t ints[] = {-7, 8, 9};
    tm_gguf_writer *w = begin_file();
    tm_gguf_put_u32(w, "u32", 4000000000u);
    tm_gguf_put_f32(w, "f32", 0.1f);
    tm_gguf_put_bool(w, "bool", true);
    tm_gguf_put_str(w, "str", "text");
    tm_gguf_put_str_array(w, "words", words, 3);
    tm_gguf_put_f32_array(w, "floats", floats, 2);
    tm_gguf_put_i32_array(w, "ints", ints, 3);
    tm_gguf_put_str_array(w, "none", NULL, 0);
    put_matrix(w, "a", TM_GGUF_F32, 3, 1); /* 12 bytes, so that the next one needs padding */
    put_matrix(w, "b", TM_GGUF_I2_S, 128, 3);
    put_matrix(w, "c", TM_GGUF_TQ2_0, 256, 1);
    tm_error err;
    if (tm_gguf_finish(w, fill, NULL, &err) != TM_OK) fail_msg("%s", err.message);
    close_output();

    tm_gguf *g;
    uint32_t n;
    float x;
    bool yes;
    tm_gguf_string text;
    tm_gguf_array array;
    uint64_t length;
    if (tm_gguf_open(path, &g, &err) != TM_OK) fail_msg("%s", err.message);
    assert_int_equal(tm_gguf_u32(g, "u32", &n, NULL, &err), TM_OK);
    assert_true(n == 4000000000u);
    assert_int_equal(tm_gguf_f32(g, "f32", &x, NULL, &err), TM_OK);
    assert_true(x == 0.1f);
    assert_int_equal(tm_gguf_bool(g, "bool", &yes, NULL, &err), TM_OK);
    assert_true(yes);
    assert_int_equal(tm_gguf_str(g, "str", &text, NULL, &err), TM_OK);
    assert_true(text.length == 4 && memcmp(text.data, "text", 4) == 0);
    assert_int_equal(tm_gguf_array_length(g, "words", &length, NULL, &err), TM_OK);
    assert_int_equal(length, 3);
    assert_int_equal(tm_gguf_array_length(g, "none", &length, NULL, &err), TM_OK);
    assert_int_equal(length, 0);
    assert_int_equal(tm_gguf_find_array(g, "floats", &array, NULL, &err), TM_OK);
    assert_true(array.item_type == 6 && array.n_items == 2 && memcmp(array.data, floats, 8) == 0);
    assert_int_equal(tm_gguf_find_array(g, "ints", &array, NULL, &err), TM_OK);
    assert_true(array.item_type == 5 && array.n_items == 3 && memcmp(array.data, ints, 12) == 0);

    assert_int_equal(tm_gguf_n_tensors(g), 3);
    for (int i = 0; i < 3; i++) {
        const tm_gguf_tensor *tensor = tm_gguf_tensor_at(g, i);
        assert_int_equal((uintptr_t)tensor->data % 32, 0); /* the map is aligned, so offsets are */
        for (size_t k = 0; k < tensor->bytes; k++) assert_int_equal(tensor->data[k], i + 1);
    }
    assert_int_equal(tm_gguf_find_tensor(g, "b")->bytes, 128 * 3 / 4 + 32);
    assert_int_equal(tm_gguf_file_bytes(g) % 32, 0);
    tm_gguf_close(g);
    unlink(path);
}

static void a_failing_tensor_is_an_error(void **state)
{
    (void)state;
    int refused = 1;
    tm_error err;
    tm_gguf_writer *w = begin_file();
    put_matrix(w, "a", TM_GGUF_F32, 64, 64);
    put_matrix(w, "b", TM_GGUF_F32, 64, 64);
    assert_int_equal(tm_gguf_finish(w, fill, &refused, &err), TM_CHECK);
    assert_string_equal(err.message, "tensor 1 is refused");
    close_output();
    unlink(path);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    tm_error err;
    struct rlimit old, low = {.rlim_cur = 100000};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low.rlim_max = old.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    tm_gguf_writer *w = begin_file();
    put_matrix(w, "a", TM_GGUF_F32, 64, 64);
    put_matrix(w, "b", TM_GGUF_F32, 256, 256);
    tm_status status = tm_gguf_finish(w, fill, NULL, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, TM_IO);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "File too large"));
    close_output();
    unlink(path);
}

static void wrong_arguments_are_errors(void **state)
{
    (void)state;
    tm_error err;
    tm_gguf_writer *w = begin_file();
    put_matrix(w, "odd", TM_GGUF_TQ2_0, 200, 2);
    tm_gguf_put_u32(w, "after", 1);
    assert_int_equal(tm_gguf_finish(w, fill, NULL, &err), TM_ARG);
    assert_non_null(
        strstr(err.message, "tensor odd with rows of 200 weights cannot be stored as TQ2_0"));
    close_output();
    unlink(path);
    w = begin_file();
    tm_gguf_put_u32(w, "key", 1);
    tm_gguf_abandon(w);
    close_output();
    unlink(path);
    tm_gguf_abandon(NULL);
}

/* Models. */

static tm_config make_config(const char *arch, int n_hidden, int n_ffn, int n_vocab, bool tied_head)
{
    tm_config c = {.name = "tiny",
                   .n_layers = 2,
                   .n_hidden = n_hidden,
                   .n_ffn = n_ffn,
                   .n_heads = 4,
                   .n_kv_heads = 2,
                   .head_dim = n_hidden / 4,
                   .n_rot = n_hidden / 4,
                   .n_vocab = n_vocab,
                   .n_context = 128,
                   .rope_base = 10000,
                   .rms_epsilon = 1e-5f,
                   .tied_head = tied_head};
    assert_true(tm_config_set_arch(&c, arch));
    return c;
}

static void check_same_config(const tm_config *a, const tm_config *b)
{
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->arch, b->arch);
    assert_true(a->n_layers == b->n_layers && a->n_hidden == b->n_hidden && a->n_ffn == b->n_ffn);
    assert_true(a->n_heads == b->n_heads && a->n_kv_heads == b->n_kv_heads &&
                a->head_dim == b->head_dim);
    assert_true(a->n_rot == b->n_rot && a->n_vocab == b->n_vocab && a->n_context == b->n_context);
    assert_true(a->rope_base == b->rope_base && a->rms_epsilon == b->rms_epsilon);
    assert_true(a->rope_half_split == b->rope_half_split && a->sub_norms == b->sub_norms);
    assert_true(a->relu2 == b->relu2 && a->tied_head == b->tied_head);
    assert_true(a->qk_norms == b->qk_norms);
    assert_memory_equal(&a->rope_scaling.factor, &b->rope_scaling.factor, sizeof(float));
    assert_true(a->rope_scaling.yarn == b->rope_scaling.yarn &&
                a->rope_scaling.n_context == b->rope_scaling.n_context &&
                a->rope_scaling.ext == b->rope_scaling.ext &&
                a->rope_scaling.attention == b->rope_scaling.attention &&
                a->rope_scaling.beta_fast == b->rope_scaling.beta_fast &&
                a->rope_scaling.beta_slow == b->rope_scaling.beta_slow);
    assert_true(a->embedding_scale == b->embedding_scale &&
                a->residual_scale == b->residual_scale && a->logit_scale == b->logit_scale);
}

static float rounded(tm_gguf_type type, float value)
{
    return type == TM_GGUF_BF16 ? tm_bf16_to_float(tm_bf16_from_float(value))
                                : tm_half_to_float(tm_half_from_float(value));
}

static void check_linear(tm_source *made, tm_source *read, tm_role role, int layer,
                         tm_gguf_type type)
{
    static int8_t a[512 * 512], b[512 * 512];
    tm_tensor_info x, y;
    tm_error err;
    int n_rows, n_cols;
    tm_role_shape(&made->config, role, &n_rows, &n_cols);
    bool falls_back = (type == TM_GGUF_TQ1_0 || type == TM_GGUF_TQ2_0) ? n_cols % 256
                      : type == TM_GGUF_Q2_0                           ? n_cols % 64
                                                                       : false;
    assert_int_equal(made->describe(made, role, layer, &x, &err), TM_OK);
    if (read->describe(read, role, layer, &y, &err) != TM_OK) fail_msg("%s", err.message);
    assert_true(x.ternary && y.ternary);
    assert_int_equal(y.type, falls_back ? TM_GGUF_F16 : type);
    float expected = x.scale;
    if (y.type != TM_GGUF_F32 && y.type != TM_GGUF_I2_S) expected = rounded(type, expected);
    assert_true(y.scale == expected);
    made->trits(made, role, layer, 0, n_rows, a);
    read->trits(read, role, layer, 0, n_rows, b);
    assert_memory_equal(a, b, (size_t)n_rows * (size_t)n_cols);
}

static void check_other(const tm_source *made, const tm_source *read, tm_role role, int layer,
                        tm_gguf_type type)
{
    static float a[512 * 512], b[512 * 512];
    int n_rows, n_cols;
    tm_role_shape(&made->config, role, &n_rows, &n_cols);
    made->floats(made, role, layer, 0, n_rows, a);
    read->floats(read, role, layer, 0, n_rows, b);
    bool is_table = role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD;
    for (int i = 0; i < n_rows * n_cols; i++)
        assert_true(b[i] == (is_table ? rounded(type, a[i]) : a[i]));
}

static void check_model(const tm_config *config, tm_gguf_type type)
{
    tm_source made, read;
    tm_error err;
    if (tm_source_open_synth(config, 7, &made, &err) != TM_OK) fail_msg("%s", err.message);
    if (write_model(&made, type, &err) != TM_OK) fail_msg("%s", err.message);
    if (tm_source_open_gguf(path, &read, &err) != TM_OK) fail_msg("%s", err.message);
    check_same_config(&read.config, config);
    for (int layer = 0; layer < config->n_layers; layer++)
        for (int role = 0; role < TM_ROLE_COUNT; role++) {
            if (layer && !tm_role_is_per_layer(role)) continue;
            if (!tm_role_present(config, role) || tm_role_is_optional(role)) continue;
            if (tm_role_is_linear(role))
                check_linear(&made, &read, role, layer, type);
            else
                check_other(&made, &read, role, layer, type);
        }
    tm_source_close(&read);
    tm_source_close(&made);
    unlink(path);
}

static void models_are_read_back(void **state)
{
    (void)state;
    static const tm_gguf_type types[] = {TM_GGUF_F32,   TM_GGUF_F16,  TM_GGUF_BF16, TM_GGUF_TQ1_0,
                                         TM_GGUF_TQ2_0, TM_GGUF_Q2_0, TM_GGUF_I2_S};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        tm_config c = make_config("bitnet", 256, 384, 300, true); /* 384 is not a multiple of 256 */
        check_model(&c, types[i]);
        c = make_config("llama", 256, 512, 270, false);
        c.head_dim = c.n_rot = 48;                               /* not hidden / heads */
        if (types[i] != TM_GGUF_I2_S) check_model(&c, types[i]); /* rows of 4 x 48 */
        c = make_config("bitnet-b1.58", 128, 256, 5, false);
        check_model(&c, types[i]);
        c = make_config("bitnet-25", 128, 128, 2, true);
        c.head_dim = 64, c.n_rot = 32;
        check_model(&c, types[i]);
        c = make_config("qwen3", 128, 256, 70, true);
        c.head_dim = c.n_rot = 64;
        c.rope_scaling = (tm_rope_scaling){4, true, 100, 0.5f, 1.25f, 16, 2};
        c.ternary_tables = true;
        check_model(&c, types[i]);
        c = make_config("minicpm", 128, 256, 5, false);
        tm_config_set_default_scales(&c);
        c.rope_scaling.factor = 2;
        check_model(&c, types[i]);
        c.rope_scaling = (tm_rope_scaling){.n_context = 50, .attention = 1.5f};
        check_model(&c, types[i]);
    }
    tm_config odd = make_config("llama", 60, 100, 1, true); /* no size is a multiple of a block */
    odd.head_dim = odd.n_rot = 30;
    check_model(&odd, TM_GGUF_F16);
    check_model(&odd, TM_GGUF_TQ2_0);
    check_model(&odd, TM_GGUF_Q2_0);
}

static void expect_error(tm_source *source, tm_gguf_type type, tm_status status,
                         const char *fragment)
{
    tm_error err = {0};
    assert_int_equal(write_model(source, type, &err), status);
    if (!strstr(err.message, fragment)) fail_msg("'%s' lacks '%s'", err.message, fragment);
    unlink(path);
}

static void a_model_that_would_change_is_not_written(void **state)
{
    (void)state;
    tm_source source;
    tm_error err;
    tm_config c = make_config("bitnet", 256, 320, 300, true);
    assert_int_equal(tm_source_open_synth(&c, 1, &source, &err), TM_OK);
    expect_error(&source, TM_GGUF_I2_S, TM_ARG,
                 "blk.0.ffn_down.weight cannot be written as I2_S: it has rows of 320 weights");
    expect_error(&source, TM_GGUF_Q8_0, TM_ARG, "only as F32, F16, BF16 or in a ternary type");
    source.config.relu2 = true;
    expect_error(&source, TM_GGUF_F16, TM_ARG, "differs from architecture bitnet");
    source.config.relu2 = false;
    source.config.tied_head = false;
    expect_error(&source, TM_GGUF_F16, TM_ARG, "a separate head");
    source.config.tied_head = true;
    source.config.n_layers = 0;
    expect_error(&source, TM_GGUF_F16, TM_FORMAT, "the number of layers is 0");
    tm_source_close(&source);
}

/* A source that is not ternary, or whose embedding is too large for a half. */
static float bad_value;
static tm_role bad_role;
static void (*good_floats)(const tm_source *, tm_role, int, int, int, float *);
static tm_status (*good_describe)(tm_source *, tm_role, int, tm_tensor_info *, tm_error *);
static void bad_floats(const tm_source *source, tm_role role, int layer, int begin, int end,
                       float *out)
{
    good_floats(source, role, layer, begin, end, out);
    if (role == bad_role && begin == 0) out[3] = bad_value;
}
static tm_status bad_describe(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                              tm_error *err)
{
    tm_status status = good_describe(source, role, layer, out, err);
    if (role == bad_role && tm_role_is_linear(role)) {
        out->ternary = false;
        out->scale = 1;
        out->post_scale = 4;
        snprintf(out->why_not, sizeof out->why_not, "weight 3 of row 0 is odd");
    }
    return status;
}

static void values_that_a_type_cannot_hold_are_an_error(void **state)
{
    (void)state;
    tm_source source, read;
    tm_error err;
    tm_tensor_info info;
    float row[256];
    tm_config c = make_config("bitnet", 256, 256, 300, true);
    assert_int_equal(tm_source_open_synth(&c, 1, &source, &err), TM_OK);
    good_floats = source.floats;
    good_describe = source.describe;
    source.floats = bad_floats;
    source.describe = bad_describe;
    bad_role = TM_ROLE_EMBEDDING;
    bad_value = 70000;
    expect_error(&source, TM_GGUF_F32, TM_FORMAT,
                 "as F16: tensor 'token_embd.weight': weight 3 of row 0 is inf");
    bad_role = TM_ROLE_Q;
    bad_value = 0.25f;
    expect_error(&source, TM_GGUF_TQ1_0, TM_ARG,
                 "cannot be written as TQ1_0: weight 7 of row 0 is 0.24646 and would become 0");
    expect_error(&source, TM_GGUF_I2_S, TM_ARG,
                 "cannot be written as I2_S: weight 3 of row 0 is odd");
    assert_int_equal(write_model(&source, TM_GGUF_F32, &err), TM_OK);
    assert_int_equal(tm_source_open_gguf(path, &read, &err), TM_OK);
    assert_int_equal(read.describe(&read, TM_ROLE_Q, 0, &info, &err), TM_OK);
    assert_true(!info.ternary && info.post_scale == 1);
    read.floats(&read, TM_ROLE_Q, 0, 0, 1, row);
    assert_true(row[3] == 1); /* post_scale is multiplied into the weights */
    tm_source_close(&read);
    tm_source_close(&source);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds_are_read_back),
        cmocka_unit_test(a_failing_tensor_is_an_error),
        cmocka_unit_test(a_full_disk_is_an_error),
        cmocka_unit_test(wrong_arguments_are_errors),
        cmocka_unit_test(models_are_read_back),
        cmocka_unit_test(a_model_that_would_change_is_not_written),
        cmocka_unit_test(values_that_a_type_cannot_hold_are_an_error),
    };
    return cmocka_run_group_tests_name("gguf write", tests, make_folder, remove_folder);
}
