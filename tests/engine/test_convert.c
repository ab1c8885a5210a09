/* Models written in other types: the same weights, or an error that names the tensor. */
#include "engine/convert.h"
#include "engine/weights.h"
#include "tests/engine/hf_folder.h"

#include <math.h>

static tm_source made(const char *arch)
{
    tm_config config = tiny_config(arch);
    config.n_hidden = 256;
    config.head_dim = 64;
    config.n_rot = 64;
    tm_source source;
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    return source;
}

/* Opens a model, writes it to a new file and opens that. */
static tm_status converted(const char *from, tm_convert_options options, char path[64],
                           tm_source *out, tm_error *err)
{
    tm_gguf *gguf;
    tm_source source;
    snprintf(path, 64, "/tmp/test_convert_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (tm_gguf_open(from, &gguf, err) != TM_OK) fail_msg("%s", err->message);
    if (tm_source_from_gguf(gguf, &source, err) != TM_OK) fail_msg("%s", err->message);
    tm_status status = tm_convert_gguf(&source, gguf, &options, fd, path, NULL, err);
    close(fd);
    tm_source_close(&source);
    if (status == TM_OK && tm_source_open_gguf(path, out, err) != TM_OK)
        fail_msg("%s", err->message);
    return status;
}

static void expect_same(tm_source *a, tm_source *b)
{
    assert_int_equal(a->config.n_layers, b->config.n_layers);
    for (int layer = 0; layer < a->config.n_layers; layer++)
        for (tm_role role = 0; role < TM_ROLE_COUNT; role++) {
            tm_weights_difference d;
            if (!tm_role_present(&a->config, role) || role == TM_ROLE_ROPE_FREQS) continue;
            TINY_OK(tm_weights_compare(a, b, role, layer, &d, &err));
            assert_int_equal(d.n_different, 0);
        }
}

static void write_file(tm_source *source, tm_gguf_type type, char path[64])
{
    snprintf(path, 64, "/tmp/test_convert_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    TINY_OK(tm_source_write_gguf(source, type, fd, path, &err));
    close(fd);
}

static const tm_gguf_type types[] = {TM_GGUF_F32,    TM_GGUF_F16,   TM_GGUF_TQ1_0,  TM_GGUF_TQ2_0,
                                     TM_GGUF_Q2_0,   TM_GGUF_PQ2_0, TM_GGUF_PTQ1_0, TM_GGUF_IQ1_BN,
                                     TM_GGUF_IQ2_BN, TM_GGUF_I2_S};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* From each type to itself, to F32 and from F32. Keys stay, the embedding keeps its type. */
static void test_all_types(void **state)
{
    (void)state;
    tm_source source = made("bitnet-b1.58");
    for (int from = 0; from < N_TYPES; from++) {
        char path[64];
        write_file(&source, types[from], path);
        for (int to = 0; to < N_TYPES; to++) {
            if (from != to && types[from] != TM_GGUF_F32 && types[to] != TM_GGUF_F32) continue;
            tm_source out;
            tm_error wrong = {0};
            char written[64];
            tm_convert_options o = {.type = types[to], .keeps_tables = true};
            if (converted(path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
            assert_int_equal(out.type(&out, TM_ROLE_GATE, 1), types[to]);
            assert_int_equal(out.type(&out, TM_ROLE_EMBEDDING, 0), TM_GGUF_F16);
            expect_same(&source, &out);
            tm_source_close(&out);
            tm_gguf *before, *after;
            uint32_t type = 99;
            TINY_OK(tm_gguf_open(path, &before, &err));
            TINY_OK(tm_gguf_open(written, &after, &err));
            assert_int_equal(tm_gguf_n_keys(before), tm_gguf_n_keys(after));
            for (int i = 0; i < tm_gguf_n_keys(before); i++) {
                const tm_gguf_key *a = tm_gguf_key_at(before, i), *b = tm_gguf_key_at(after, i);
                bool is_type =
                    a->name.length == 17 && memcmp(a->name.data, "general.file_type", 17) == 0;
                assert_memory_equal(a->name.data, b->name.data, a->name.length);
                assert_true(is_type || tm_gguf_same_value(a, b));
            }
            TINY_OK(tm_gguf_u32(after, "general.file_type", &type, NULL, &err));
            assert_int_equal(type, tm_convert_file_type(types[to]));
            tm_gguf_close(after);
            tm_gguf_close(before);
            unlink(written);
        }
        unlink(path);
    }
    tm_source_close(&source);
}

static void test_checkpoints(void **state)
{
    (void)state;
    static const char *const archs[] = {"bitnet", "bitnet-b1.58", "llama"};
    for (int i = 0; i < 3; i++)
        for (hf_kind kind = HF_F32; kind <= HF_MULTIPLIES; kind++) {
            tm_source source = made(archs[i]), folder, out;
            tm_error wrong = {0};
            char written[64];
            hf_folder f;
            hf_make(&f, &source, kind, 2);
            TINY_OK(tm_source_open_gguf(f.path, &folder, &err));
            tm_convert_options o = {.type = TM_GGUF_TQ2_0, .keeps_tables = true};
            if (converted(f.path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
            assert_string_equal(out.config.arch, archs[i]);
            expect_same(&folder, &out);
            tm_source_close(&out);
            unlink(written);
            /* Rows in another order are not copied as they lie. */
            o.type = TM_GGUF_F16;
            if (converted(f.path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
            expect_same(&folder, &out);
            tm_source_close(&out);
            unlink(written);
            tm_source_close(&folder);
            tm_source_close(&source);
            hf_remove(&f);
        }
}

static void test_layouts_of_i2_s(void **state)
{
    (void)state;
    tm_source source = made("bitnet"), out;
    tm_error wrong = {0};
    char path[64], written[64];
    write_file(&source, TM_GGUF_I2_S, path);
    for (const char *const *name = tm_gguf_i2_s_layout_names(); *name; name++) {
        tm_convert_options o = {.type = TM_GGUF_I2_S, .keeps_tables = true, .i2_s_layout = *name};
        if (converted(path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
        tm_weights_difference d;
        TINY_OK(tm_weights_compare(&source, &out, TM_ROLE_UP, 0, &d, &err));
        /* read in groups of 128 */
        assert_true(strcmp(*name, "128") == 0 ? d.n_different == 0 : d.n_different > 1000);
        tm_source_close(&out);
        assert_true(tm_gguf_set_i2_s_layout(*name));
        TINY_OK(tm_source_open_gguf(written, &out, &err));
        expect_same(&source, &out);
        tm_source_close(&out);
        assert_true(tm_gguf_set_i2_s_layout("128"));
        unlink(written);
    }
    unlink(path);
    tm_source_close(&source);
}

static void test_tables(void **state)
{
    (void)state;
    tm_source source = made("bitnet"), out;
    tm_error wrong = {0};
    char path[64], written[64];
    write_file(&source, TM_GGUF_I2_S, path);
    tm_convert_options o = {.type = TM_GGUF_TQ1_0, .table_type = TM_GGUF_Q8_0};
    if (converted(path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
    assert_int_equal(out.type(&out, TM_ROLE_EMBEDDING, 0), TM_GGUF_Q8_0);
    tm_weights_difference d;
    TINY_OK(tm_weights_compare(&source, &out, TM_ROLE_EMBEDDING, 0, &d, &err));
    assert_true(d.n_different > 0 && d.largest < 0.05);
    tm_source_close(&out);
    /* What is Q8_0 stays Q8_0, byte for byte. */
    char again[64];
    o.keeps_tables = true;
    TINY_OK(tm_source_open_gguf(written, &out, &err));
    tm_source third;
    if (converted(written, o, again, &third, &wrong) != TM_OK) fail_msg("%s", wrong.message);
    assert_int_equal(third.type(&third, TM_ROLE_EMBEDDING, 0), TM_GGUF_Q8_0);
    expect_same(&out, &third);
    tm_source_close(&third);
    tm_source_close(&out);
    o = (tm_convert_options){.type = TM_GGUF_TQ1_0, .table_type = TM_GGUF_TQ2_0};
    unlink(again);
    assert_int_equal(converted(path, o, again, &third, &wrong), TM_ARG);
    assert_non_null(strstr(wrong.message, "embedding and head cannot be written as TQ2_0"));
    unlink(again);
    unlink(written);
    unlink(path);
    tm_source_close(&source);
}

/* A Llama checkpoint whose matrices have any values: no ternary type holds them. */
static void any_folder(hf_folder *f, tm_source *source)
{
    static float values[256 * 256];
    const tm_config *c = &source->config;
    hf_start(f, 1);
    for (int layer = 0; layer < c->n_layers; layer++)
        for (tm_role role = 0; role < TM_ROLE_COUNT; role++) {
            char name[80], full[96];
            int rows, cols;
            if (!tm_role_present(c, role) || role == TM_ROLE_ROPE_FREQS) continue;
            if (layer && !tm_role_is_per_layer(role)) continue;
            if (!tm_role_is_linear(role)) {
                hf_add_floats(f, source, role, layer, HF_F32);
                continue;
            }
            tm_role_shape(c, role, &rows, &cols);
            for (int i = 0; i < rows * cols; i++)
                values[i] = (float)((double)(tm_mix64((uint64_t)i) >> 40) * 0x1p-24 - 0.5);
            snprintf(full, sizeof full, "%s.weight", hf_name(role, layer, name));
            hf_add(f, full, "F32", rows, cols, values, (size_t)rows * (size_t)cols * 4);
        }
    hf_write_config(f, c, HF_F32);
    hf_finish(f);
}

static void test_what_a_type_cannot_hold(void **state)
{
    (void)state;
    static const tm_gguf_type ternary[] = {TM_GGUF_I2_S, TM_GGUF_TQ1_0, TM_GGUF_TQ2_0,
                                           TM_GGUF_Q2_0};
    tm_source source = made("llama"), folder, out;
    hf_folder f;
    any_folder(&f, &source);
    TINY_OK(tm_source_open_gguf(f.path, &folder, &err));
    for (int i = 0; i < 4; i++) {
        char written[64];
        tm_error wrong = {0};
        tm_convert_options o = {.type = ternary[i], .keeps_tables = true};
        assert_int_equal(converted(f.path, o, written, &out, &wrong), TM_ARG);
        unlink(written);
        if (!strstr(wrong.message, "tensor blk.0.attn_q.weight cannot be written as "))
            fail_msg("%s", wrong.message);
        o.rounds = true;
        if (converted(f.path, o, written, &out, &wrong) != TM_OK) fail_msg("%s", wrong.message);
        tm_tensor_info info;
        TINY_OK(out.describe(&out, TM_ROLE_Q, 1, &info, &err));
        assert_true(info.ternary);
        static float before[256 * 256], after[256 * 256];
        folder.floats(&folder, TM_ROLE_Q, 1, 0, 256, before);
        out.floats(&out, TM_ROLE_Q, 1, 0, 256, after);
        double sum = 0;
        for (int k = 0; k < 256 * 256; k++) sum += fabs((double)before[k]);
        float scale = (float)(sum / (256 * 256));
        for (int k = 0; k < 256 * 256; k++) {
            float t = nearbyintf(before[k] / scale);
            t = t > 1 ? 1 : t < -1 ? -1 : t;
            assert_true(fabsf(after[k] - t * scale) <= 0x1p-10f * scale);
        }
        tm_source_close(&out);
        unlink(written);
    }
    tm_source_close(&folder);
    tm_source_close(&source);
    hf_remove(&f);
}

/* Q1_0 has no zeros. */
static void test_q1_0_refuses_zeros(void **state)
{
    (void)state;
    tm_source source = made("bitnet"), out;
    char path[64], written[64];
    tm_error wrong = {0};
    tm_convert_options o = {.type = TM_GGUF_Q1_0, .keeps_tables = true};
    write_file(&source, TM_GGUF_F32, path);
    assert_int_equal(converted(path, o, written, &out, &wrong), TM_ARG);
    if (!strstr(wrong.message, "tensor blk.0.attn_q.weight cannot be written as Q1_0: weight "))
        fail_msg("%s", wrong.message);
    unlink(written);
    unlink(path);
    tm_source_close(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_layouts_of_i2_s),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_what_a_type_cannot_hold),
        cmocka_unit_test(test_q1_0_refuses_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
