#include "engine/rows.h"
#include "tests/engine/tiny.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const tm_role linear_roles[] = {TM_ROLE_Q,    TM_ROLE_K,  TM_ROLE_V,   TM_ROLE_O,
                                       TM_ROLE_GATE, TM_ROLE_UP, TM_ROLE_DOWN};

static const tm_matrix *matrix_of(const tm_model *model, tm_role role, int layer)
{
    const tm_layer *l = &model->layers[layer];
    switch (role) {
    case TM_ROLE_Q:
        return &l->q;
    case TM_ROLE_K:
        return &l->k;
    case TM_ROLE_V:
        return &l->v;
    case TM_ROLE_O:
        return &l->o;
    case TM_ROLE_GATE:
        return &l->gate;
    case TM_ROLE_UP:
        return &l->up;
    case TM_ROLE_DOWN:
        return &l->down;
    default:
        return &model->head;
    }
}

static tm_config odd_config(void)
{
    tm_config config = tiny_config("llama");
    config.n_hidden = 100;
    config.n_ffn = 333;
    config.n_heads = 3;
    config.n_kv_heads = 1;
    config.head_dim = config.n_rot = 50;
    config.n_vocab = 77;
    config.tied_head = false;
    return config;
}

/* Packed weights equal those of the source, row by row, in every layout. */
static void check_rows(const tm_source *source, const tm_weight *w, tm_role role, int layer)
{
    size_t n = (size_t)w->n_cols;
    int8_t *trits = malloc(2 * n);
    float *floats = malloc(2 * n * sizeof *floats);
    for (int r = 0; r < w->n_rows; r++) {
        if (w->format->ternary) {
            w->format->unpack_trits(w->data, r, w->n_rows, w->n_cols, trits);
            source->trits(source, role, layer, r, r + 1, trits + n);
            assert_memory_equal(trits, trits + n, n);
        } else {
            w->format->unpack_floats(w->data, r, w->n_rows, w->n_cols, floats);
            source->floats(source, role, layer, r, r + 1, floats + n);
            float room = 0; /* halves and trits are exact; other blocks round, Q4_0 most */
            bool exact = w->format->block == 0 || strncmp(w->format->name, "tq", 2) == 0;
            bool bf16 = w->format == &tm_format_bf16r16; /* rounds a scale by 2^-8 */
            for (size_t c = 0; c < n && bf16; c++) room = fmaxf(room, fabsf(floats[c]) / 255);
            for (size_t c = 0; c < n && !exact; c++) room = fmaxf(room, fabsf(floats[n + c]) / 7);
            for (size_t c = 0; c < n; c++) assert_true(fabsf(floats[c] - floats[n + c]) <= room);
        }
    }
    free(trits);
    free(floats);
}

static void test_packed_weights_equal_the_source(void **state)
{
    (void)state;
    tm_config configs[2] = {tiny_config("bitnet-b1.58"), odd_config()};
    for (const tm_format *const *f = tm_formats(); *f; f++) {
        for (int i = 0; i < 2; i++) {
            tm_source source;
            tm_pool *pool = tiny_pool(1 + i * 2);
            tm_model model = tiny_model(&configs[i], (*f)->name, "f16r16", pool);
            TINY_OK(tm_source_open_synth(&configs[i], 7, &source, &err));
            for (int l = 0; l < configs[i].n_layers; l++)
                for (int r = 0; r < 7; r++) {
                    const tm_matrix *matrix = matrix_of(&model, linear_roles[r], l);
                    assert_ptr_equal(matrix->weight.format, *f);
                    assert_true(matrix->post_scale == 1);
                    assert_int_equal((uintptr_t)matrix->weight.data % 64, 0);
                    check_rows(&source, &matrix->weight, linear_roles[r], l);
                }
            check_rows(&source, &model.head.weight, i ? TM_ROLE_HEAD : TM_ROLE_EMBEDDING, 0);
            check_rows(&source, &model.embedding, TM_ROLE_EMBEDDING, 0);
            if (i == 0) assert_ptr_equal(model.embedding.data, model.head.weight.data);
            tm_source_close(&source);
            tm_model_close(&model);
            tm_pool_close(pool);
        }
    }
}

static void test_threads_do_not_change_packed_bytes(void **state)
{
    (void)state;
    tm_config config = odd_config();
    tm_pool *one = tiny_pool(1);
    tm_model wanted = tiny_model(&config, "ternary", "f16r16", one);
    for (int n = 2; n <= 9; n += 7) { /* 9: more threads than some matrices have row groups */
        tm_pool *pool = tiny_pool(n);
        tm_model model = tiny_model(&config, "ternary", "f16r16", pool);
        assert_int_equal(model.pages.bytes, wanted.pages.bytes);
        assert_memory_equal(model.pages.data, wanted.pages.data, wanted.pages.bytes);
        tm_model_close(&model);
        tm_pool_close(pool);
    }
    tm_model_close(&wanted);
    tm_pool_close(one);
}

static void test_costs_equal_the_mapping(void **state)
{
    static const char *const kernels[] = {"ternary", "f16r16", "f32r16"};
    (void)state;
    tm_config configs[3] = {tiny_config("bitnet"), tiny_config("llama"), odd_config()};
    for (int i = 0; i < 3; i++) {
        tm_pool *pool = tiny_pool(2);
        tm_model model = tiny_model(&configs[i], kernels[i], "f16r16", pool);
        tm_costs costs = tm_model_costs(&configs[i], model.kernel, model.head_kernel, true);
        assert_memory_equal(&costs, &model.costs, sizeof costs);
        assert_int_equal(costs.linear_bytes + costs.head_bytes + costs.embedding_bytes +
                             costs.norm_bytes,
                         model.pages.bytes);
        assert_true((costs.embedding_bytes == 0) == configs[i].tied_head);
        assert_true(costs.linear_bits_per_weight >= model.kernel->format->bits_per_weight);
        tm_model_close(&model);
        tm_pool_close(pool);
    }
}

/* BitNet-b1.58-2B-4T, by hand: a layer is q and o 2 x 2560^2, k and v 2 x 640 x 2560, three of
 * 2560 x 6912; the head 128256 x 2560 halves; 30 layers. */
static void test_costs_of_a_published_shape(void **state)
{
    const tm_kernel *kernel = NULL, *head = NULL;
    (void)state;
    tm_config config = tiny_config("bitnet-b1.58");
    config.n_layers = 30;
    config.n_hidden = 2560;
    config.n_ffn = 6912;
    config.n_heads = 20;
    config.n_kv_heads = 5;
    config.head_dim = config.n_rot = 128;
    config.n_vocab = 128256;
    TINY_OK(tm_kernel_resolve("i2r16_mad_scalar", &kernel, &err));
    TINY_OK(tm_kernel_resolve("f16r16_fma_scalar", &head, &err));
    tm_costs costs = tm_model_costs(&config, kernel, head, true);
    int64_t weights = 30 * (2 * 2560 * 2560LL + 2 * 640 * 2560LL + 3 * 2560 * 6912LL);
    assert_int_equal(costs.linear_macs, weights);
    assert_int_equal(costs.linear_bytes, weights / 4);
    assert_true(costs.linear_bits_per_weight == 2);
    assert_int_equal(costs.head_bytes, 128256LL * 2560 * 2);
    assert_int_equal(costs.head_macs, 128256LL * 2560);
    assert_int_equal(costs.embedding_bytes, 0);
    assert_int_equal(costs.norm_bytes, (30LL * (3 * 2560 + 6912) + 2560) * 4);
    assert_int_equal(costs.kv_bytes_per_position, 30 * 5 * 128 * 2 * 2);
    assert_int_equal(tm_model_costs(&config, kernel, head, false).kv_bytes_per_position,
                     30 * 5 * 128 * 2 * 4);
    assert_int_equal(costs.attention_macs_per_position, 30 * 20 * 128 * 2);
    assert_int_equal(costs.last_macs, 2 * 2560 * 2560 + 3 * 2560 * 6912);
    assert_int_equal(costs.last_bytes, costs.last_macs / 4);
    assert_int_equal(costs.n_layers, 30);
}

/* A synthetic source with one tensor whose description is changed. */
static tm_tensor_info changed;
static tm_role changed_role;
static tm_status (*describe_original)(tm_source *, tm_role, int, tm_tensor_info *, tm_error *);

static tm_status describe_changed(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                                  tm_error *err)
{
    tm_status status = describe_original(source, role, layer, out, err);
    if (role == changed_role && (layer == 1 || !tm_role_is_per_layer(role))) *out = changed;
    return status;
}

static tm_gguf_type (*type_original)(const tm_source *, tm_role, int);

static tm_gguf_type type_changed(const tm_source *source, tm_role role, int layer)
{
    bool is_changed = role == changed_role && (layer == 1 || !tm_role_is_per_layer(role));
    return is_changed ? changed.type : type_original(source, role, layer);
}

static tm_source changed_source(tm_role role, tm_tensor_info info)
{
    tm_source source;
    tm_config config = tiny_config("bitnet");
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    describe_original = source.describe;
    source.describe = describe_changed;
    type_original = source.type;
    source.type = type_changed;
    changed_role = role;
    changed = info;
    return source;
}

static void test_one_float_matrix_in_a_ternary_model(void **state)
{
    tm_model model;
    tm_error why = {0};
    tm_model_options options = {0};
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_source source =
        changed_source(TM_ROLE_DOWN, (tm_tensor_info){.present = true,
                                                      .scale = 1,
                                                      .post_scale = 1,
                                                      .type = TM_GGUF_Q4_0,
                                                      .why_not = "row 3 holds 0.875"});
    /* With kernel auto only that tensor runs as floats. */
    TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
    assert_true(model.kernel->format->ternary);
    assert_ptr_equal(model.layers[0].down.kernel, model.kernel);
    assert_ptr_equal(model.layers[1].down.kernel, model.head_kernel);
    assert_ptr_equal(model.layers[1].up.kernel, model.kernel);
    tm_costs uniform = tm_model_costs(&model.config, model.kernel, model.head_kernel, true);
    assert_true(model.costs.linear_bytes > uniform.linear_bytes);
    assert_int_equal(model.costs.linear_bytes + model.costs.head_bytes + model.costs.norm_bytes,
                     model.pages.bytes);
    tm_model_close(&model);

    /* A ternary kernel that is named cannot run the model. */
    TINY_OK(tm_kernel_resolve("i2r16_mad_scalar", &options.kernel, &err));
    assert_int_equal(tm_model_open(&source, &options, pool, &model, &why), TM_UNSUPPORTED);
    assert_non_null(strstr(why.message, "blk.1.ffn_down.weight"));
    assert_non_null(strstr(why.message, "row 3 holds 0.875"));
    assert_null(model.layers);

    options = (tm_model_options){0};
    TINY_OK(tm_kernel_resolve("i2r16_mad_scalar", &options.head_kernel, &err));
    assert_int_equal(tm_model_open(&source, &options, pool, &model, &why), TM_UNSUPPORTED);
    assert_non_null(strstr(why.message, "token_embd.weight"));
    tm_source_close(&source);
    tm_pool_close(pool);
}

/* The types of a simulated file. */
static struct {
    tm_gguf_type layers[2], embedding, head;
    bool ternary[2];
} file_types;

static tm_gguf_type file_type(const tm_source *source, tm_role role, int layer)
{
    (void)source;
    if (role == TM_ROLE_EMBEDDING) return file_types.embedding;
    return role == TM_ROLE_HEAD ? file_types.head : file_types.layers[layer];
}

static tm_status file_describe(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                               tm_error *err)
{
    (void)err;
    *out = (tm_tensor_info){.present = true, .type = file_type(source, role, layer)};
    out->ternary = tm_role_is_linear(role) && file_types.ternary[layer];
    return TM_OK;
}

static const uint8_t *file_stored(const tm_source *source, tm_role role, int layer)
{
    (void)source, (void)role, (void)layer;
    return NULL;
}

static void test_auto_follows_the_stored_types(void **state)
{
    const tm_gguf_type F32 = TM_GGUF_F32, F16 = TM_GGUF_F16, BF16 = TM_GGUF_BF16;
    const tm_gguf_type I2_S = TM_GGUF_I2_S, TQ1 = TM_GGUF_TQ1_0, TQ2 = TM_GGUF_TQ2_0;
    const tm_gguf_type Q4 = TM_GGUF_Q4_0, Q6 = TM_GGUF_Q6_K, Q2 = TM_GGUF_Q2_0;
    const tm_gguf_type IQ1 = TM_GGUF_IQ1_BN, PQ2 = TM_GGUF_PQ2_0;
    const struct {
        tm_gguf_type layers[2], embedding, head;
        bool ternary[2];
        const char *kernel, *linear, *head_family;
        const char *packed; /* linear when floats are packed; NULL: the same */
    } cases[] = {
        {{I2_S, I2_S}, F16, F16, {true, true}, NULL, "ternary", "f16", NULL},
        {{I2_S, I2_S}, Q6, Q6, {true, true}, NULL, "ternary", "q6_k", NULL},
        {{TQ2, I2_S}, F16, F16, {true, true}, NULL, "ternary", "f16", NULL},
        {{IQ1, IQ1}, F16, F16, {true, true}, NULL, "ternary", "f16", NULL},
        {{Q2, PQ2}, Q2, Q2, {false, false}, NULL, "q2r16", "q2r16", NULL},
        {{Q2, Q2}, F16, Q2, {false, true}, NULL, "q2r16", "f16", NULL},
        {{Q4, Q2}, F16, Q6, {false, false}, NULL, "q2r16", "q6_k", NULL},
        {{F16, TQ1}, F16, F16, {true, true}, NULL, "tq1_0", "f16", NULL},
        {{Q4, TQ2}, F16, Q6, {false, true}, NULL, "tq2_0", "q6_k", NULL},
        {{F16, TQ2}, F16, Q6, {false, true}, NULL, "tq2_0", "f16", NULL},
        {{F16, TQ2}, F16, Q6, {false, true}, "f16", "tq2_0", "q6_k", NULL},
        {{Q4, Q4}, F16, F16, {false, false}, NULL, "q4_0", "f16", NULL},
        {{Q4, F16}, F16, F16, {false, false}, NULL, "f16", "f16", NULL},
        {{F32, F32}, F32, F32, {true, true}, NULL, "f32", "f32", "ternary"},
        {{F32, F16}, F32, F16, {true, true}, NULL, "f16", "f16", "ternary"},
        {{F16, F16}, F16, F16, {true, true}, NULL, "f16", "f16", "ternary"},
        {{BF16, BF16}, BF16, BF16, {false, false}, NULL, "bf16", "bf16", NULL},
    };
    tm_config config = tiny_config("llama");
    tm_source source;
    (void)state;
    config.tied_head = false;
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    source.type = file_type;
    source.describe = file_describe;
    source.stored = file_stored;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tm_kernel *kernel = NULL;
        tm_model_families families;
        memcpy(file_types.layers, cases[i].layers, sizeof file_types.layers);
        memcpy(file_types.ternary, cases[i].ternary, sizeof file_types.ternary);
        file_types.embedding = cases[i].embedding;
        file_types.head = cases[i].head;
        if (cases[i].kernel) TINY_OK(tm_kernel_resolve(cases[i].kernel, &kernel, &err));
        TINY_OK(tm_model_auto(&source, kernel, false, &families, &err));
        assert_string_equal(families.linear, cases[i].linear);
        assert_string_equal(families.head, cases[i].head_family);
        TINY_OK(tm_model_auto(&source, kernel, true, &families, &err));
        assert_string_equal(families.linear, cases[i].packed ? cases[i].packed : cases[i].linear);
        assert_string_equal(families.head, cases[i].head_family);
    }
    tm_source_close(&source);
}

static void test_post_scale_multiplies_the_product(void **state)
{
    tm_model model;
    tm_model_options options = {0};
    float logits[2][100];
    (void)state;
    tm_pool *pool = tiny_pool(2);
    TINY_OK(tm_kernel_resolve("f32r16", &options.kernel, &err));
    for (int i = 0; i < 2; i++) {
        static const int32_t tokens[] = {5, 6, 7};
        const float *out;
        tm_source source = changed_source(TM_ROLE_O, (tm_tensor_info){.present = true,
                                                                      .scale = 1,
                                                                      .post_scale = i ? 0.25f : 1,
                                                                      .type = TM_GGUF_F32});
        TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
        assert_true(model.layers[1].o.post_scale == (i ? 0.25f : 1));
        if (i == 0) { /* the same, with scaled weights */
            const tm_weight *w = &model.layers[1].o.weight;
            for (size_t j = 0; j < w->format->size(w->n_rows, w->n_cols) / 4; j++)
                ((float *)w->data)[j] *= 0.25f;
        }
        tm_session *session = tiny_session(&model, pool, (tm_session_options){.n_context = 4});
        TINY_OK(tm_session_eval(session, tokens, 3, TM_LOGITS_LAST, &out, &err));
        memcpy(logits[i], out, sizeof logits[i]);
        tm_session_close(session);
        tm_model_close(&model);
        tm_source_close(&source);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]); /* 1/4 is exact everywhere */
    tm_pool_close(pool);
}

static void test_missing_tensor_is_an_error(void **state)
{
    tm_model model;
    tm_error why = {0};
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_source source = changed_source(TM_ROLE_GATE, (tm_tensor_info){.present = false});
    assert_int_equal(tm_model_open(&source, &(tm_model_options){0}, pool, &model, &why), TM_FORMAT);
    assert_non_null(strstr(why.message, "blk.1.ffn_gate.weight"));
    tm_source_close(&source);
    tm_pool_close(pool);
}

/* The default follows the stored types and the machine. */
static void test_default_kernels(void **state)
{
    tm_config config = tiny_config("bitnet");
    (void)state;
    tm_pool *pool = tiny_pool(1);
    tm_model model = tiny_model(&config, NULL, NULL, pool);
    assert_true(model.kernel->format->ternary);
    assert_string_equal(model.head_kernel->format->name, "f16r16");
    tm_model_close(&model);

    tm_cpu_limit(0);
    model = tiny_model(&config, NULL, NULL, pool);
    assert_int_equal(model.kernel->isa, TM_ISA_NONE);
    assert_int_equal(model.head_kernel->isa, TM_ISA_NONE);
    tm_model_close(&model);
    int n_lacking = 0;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_source source;
        tm_error why = {0};
        tm_model_options options = {.kernel = *k};
        if ((*k)->isa == TM_ISA_NONE || !(*k)->format) continue;
        TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
        assert_int_equal(tm_model_open(&source, &options, pool, &model, &why), TM_UNSUPPORTED);
        assert_non_null(strstr(why.message, (*k)->name));
        tm_source_close(&source);
        n_lacking++;
    }
    tm_cpu_limit(~0u);
    assert_true(n_lacking > 0);
    tm_pool_close(pool);
}

/* A bfloat16 file runs as stored: its weights are unchanged, bit for bit. */
static void test_bf16_files_run_as_bf16(void **state)
{
    char path[] = "/tmp/ternmark-bf16-XXXXXX";
    tm_config config = tiny_config("llama");
    tm_source source;
    tm_model model;
    tm_model_options options = {0};
    static float wanted[256], got[256];
    (void)state;
    int file = mkstemp(path);
    assert_true(file >= 0);
    config.tied_head = false;
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    TINY_OK(tm_source_write_gguf(&source, TM_GGUF_BF16, file, path, &err));
    close(file);
    tm_source_close(&source);
    tm_pool *pool = tiny_pool(2);
    TINY_OK(tm_source_open_gguf(path, &source, &err));
    unlink(path);
    TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
    assert_ptr_equal(model.kernel->format, &tm_format_bf16r16);
    assert_ptr_equal(model.head_kernel->format, &tm_format_bf16r16);
    const tm_weight *w[] = {&model.layers[1].down.weight, &model.head.weight, &model.embedding};
    const tm_role roles[] = {TM_ROLE_DOWN, TM_ROLE_HEAD, TM_ROLE_EMBEDDING};
    for (int i = 0; i < 3; i++)
        for (int row = 0; row < w[i]->n_rows; row += 13) {
            source.floats(&source, roles[i], 1, row, row + 1, wanted);
            w[i]->format->unpack_floats(w[i]->data, row, w[i]->n_rows, w[i]->n_cols, got);
            assert_memory_equal(got, wanted, (size_t)w[i]->n_cols * sizeof *got);
        }
    tm_model_close(&model);
    tm_source_close(&source);
    tm_pool_close(pool);
}

/* Shares have every row once, in multiples of the step, also over matrices end to end. */
static void test_shares_cover_every_row_once(void **state)
{
    static const int n_rows[3] = {2560, 640, 650};
    (void)state;
    for (int parts = 1; parts <= 67; parts += 3) {
        int next[3] = {0}, least = INT32_MAX, most = 0;
        for (int part = 0; part < parts; part++) {
            tm_rows shares[3];
            int units = 0;
            tm_rows_share(n_rows, 3, 16, part, parts, shares);
            for (int i = 0; i < 3; i++) {
                if (shares[i].begin == shares[i].end) continue;
                assert_int_equal(shares[i].begin, next[i]);
                assert_int_equal(shares[i].begin % 16, 0);
                assert_true(shares[i].end > shares[i].begin && shares[i].end <= n_rows[i]);
                next[i] = shares[i].end;
                units += (shares[i].end - shares[i].begin + 15) / 16;
            }
            if (units < least) least = units;
            if (units > most) most = units;
        }
        for (int i = 0; i < 3; i++) assert_int_equal(next[i], n_rows[i]);
        assert_true(most - least <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed_weights_equal_the_source),
        cmocka_unit_test(test_threads_do_not_change_packed_bytes),
        cmocka_unit_test(test_costs_equal_the_mapping),
        cmocka_unit_test(test_costs_of_a_published_shape),
        cmocka_unit_test(test_one_float_matrix_in_a_ternary_model),
        cmocka_unit_test(test_auto_follows_the_stored_types),
        cmocka_unit_test(test_post_scale_multiplies_the_product),
        cmocka_unit_test(test_missing_tensor_is_an_error),
        cmocka_unit_test(test_default_kernels),
        cmocka_unit_test(test_bf16_files_run_as_bf16),
        cmocka_unit_test(test_shares_cover_every_row_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
