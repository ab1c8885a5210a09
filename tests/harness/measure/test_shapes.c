/* Model shapes: workloads/models.json, its reader, and models by name. */
#include "harness/measure/shapes.h"
#include "tests/harness/scratch.h"

/* The published weight counts follow from the shapes: an independent check of both. */
static void test_weight_counts_follow_from_shapes(void **state)
{
    (void)state;
    tm_shapes shapes;
    tm_error err = {0};
    assert_ok(tm_shapes_read(&shapes, &err), err);
    assert_int_equal(shapes.n, 47);
    for (int i = 0; i < shapes.n; i++) {
        const tm_shape *s = &shapes.items[i];
        assert_true(tm_config_linear_weights(&s->config) == s->linear_weights);
        assert_true((int64_t)s->config.n_vocab * s->config.n_hidden == s->embedding_weights);
        assert_ptr_equal(tm_shapes_find(&shapes, s->name), s);
        assert_ptr_equal(tm_shapes_find(&shapes, s->short_name), s);
    }
    tm_shapes_free(&shapes);
}

static void test_stated_architectures(void **state)
{
    static const struct {
        const char *name, *whole, *architecture, *arch;
        float rope_base, epsilon;
        int n_context;
        bool tied_head, is_supported;
    } cases[] = {
        {"125m", "dummy 125M", "bitnet", "bitnet", 10000, 1e-5f, 2048, true, true},
        {"2b-4t", "BitNet-b1.58-2B-4T", "bitnet-b1.58", "bitnet-b1.58", 500000, 1e-5f, 4096, true,
         true},
        {"Falcon3-7B", "Falcon3-7B", "llama", "llama", 1000042, 1e-6f, 32768, false, true},
        {"Falcon-E-1B", "Falcon-E-1B", "llama", "llama", 10000, 1e-5f, 0, false, true},
        {"TriLM 3.9B", "TriLM 3.9B", "llama", "llama", 10000, 1e-5f, 2048, false, true},
        {"Qwen2.5 1.5B", "Qwen2.5 1.5B", "qwen2", "llama", 10000, 1e-5f, 0, true, true},
        {"Ternary-Bonsai-4B", "Ternary-Bonsai-4B", "qwen3", "qwen3", 5000000, 1e-6f, 0, true, true},
        {"BitCPM-CANN-8B", "BitCPM-CANN-8B", "minicpm", "minicpm", 10000, 1e-5f, 32768, false,
         true},
    };
    (void)state;
    tm_shapes shapes;
    tm_error err = {0};
    assert_ok(tm_shapes_read(&shapes, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tm_shape *s = tm_shapes_find(&shapes, cases[i].name);
        assert_non_null(s);
        assert_string_equal(s->name, cases[i].whole);
        assert_string_equal(s->architecture, cases[i].architecture);
        assert_string_equal(s->config.arch, cases[i].arch);
        assert_true(s->config.rope_base == cases[i].rope_base);
        assert_true(s->config.rms_epsilon == cases[i].epsilon);
        assert_int_equal(s->config.n_context, cases[i].n_context);
        assert_int_equal(s->config.tied_head, cases[i].tied_head);
        assert_int_equal(s->is_supported, cases[i].is_supported);
    }
    const tm_shape *real = tm_shapes_find(&shapes, "2B-4T");
    assert_true(real->config.relu2 && real->config.sub_norms && real->config.rope_half_split);
    const tm_shape *dummy = tm_shapes_find(&shapes, "3.8B");
    assert_true(dummy->config.sub_norms && !dummy->config.relu2 && dummy->config.head_dim == 120);
    assert_false(real->config.ternary_tables || real->config.qk_norms);
    const tm_shape *bonsai = tm_shapes_find(&shapes, "Ternary-Bonsai-8B");
    assert_true(bonsai->config.ternary_tables && bonsai->config.qk_norms);
    const tm_shape *cpm = tm_shapes_find(&shapes, "BitCPM-CANN-8B");
    assert_true(cpm->config.embedding_scale == 12 && cpm->config.logit_scale == 16);
    assert_null(tm_shapes_find(&shapes, "126M"));
    tm_shapes_free(&shapes);
}

/* A file has the shape of its sizes and architecture, whatever it is called. */
static void test_shapes_of_files(void **state)
{
    (void)state;
    tm_shapes shapes;
    tm_error err = {0};
    char shape[32];
    assert_ok(tm_shapes_read(&shapes, &err), err);
    for (int i = 0; i < shapes.n; i++) {
        const tm_shape *s = &shapes.items[i];
        const bool runs_as_itself = s->is_supported && strcmp(s->architecture, s->config.arch) == 0;
        tm_model_shape("synth:70B.gguf", &s->config, shape, sizeof shape);
        assert_string_equal(shape, "");
        tm_model_shape("70B.gguf", &s->config, shape, sizeof shape);
        /* bitnet_b1_58-large is the paper's 700M. */
        assert_string_equal(shape, !runs_as_itself ? ""
                                   : strcmp(s->short_name, "bitnet_b1_58-large (700M)") == 0
                                       ? "700M"
                                       : s->short_name);
    }
    const tm_config real = tm_shapes_find(&shapes, "2B-4T")->config;
    tm_config changed[] = {real, real, real, real, real, real, real, real};
    changed[0].n_layers++;
    changed[1].n_hidden += 256;
    changed[2].n_ffn += 256;
    changed[3].n_heads = changed[3].n_kv_heads;
    changed[4].n_kv_heads = changed[4].n_heads;
    changed[5].n_vocab++;
    changed[6].tied_head = false;
    assert_true(tm_config_set_arch(&changed[7], "bitnet"));
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        tm_model_shape("bitnet-2b-4t.gguf", &changed[i], shape, sizeof shape);
        assert_string_equal(shape, "");
    }
    tm_config older = real; /* the name that the first converters wrote */
    assert_true(tm_config_set_arch(&older, "bitnet-25"));
    tm_model_shape("x.gguf", &older, shape, sizeof shape);
    assert_string_equal(shape, "2B-4T");
    tm_shapes_free(&shapes);
}

static void test_models_by_name(void **state)
{
    (void)state;
    tm_config config;
    tm_source source;
    tm_error err = {0};
    assert_int_equal(tm_shape_config("125N", &config, &err), TM_ARG);
    assert_says(err.message, "did you mean \"125M\"?");
    assert_int_equal(tm_source_open_name("synth:", 1, &source, &err), TM_ARG);
    assert_int_equal(tm_source_open_name("/no/such.gguf", 1, &source, &err), TM_IO);
    assert_ok(tm_source_open_name("synth:Ternary-Bonsai-8B", 1, &source, &err), err);
    assert_int_equal(source.type(&source, TM_ROLE_HEAD, 0), TM_GGUF_Q2_0);
    tm_source_close(&source);
    assert_ok(tm_source_open_name("synth:TriLM 99M", 1, &source, &err), err);
    assert_string_equal(source.config.arch, "llama");
    tm_source_close(&source);
}

/* A valid model; `old` is replaced with `new` in it. */
static tm_status parse_changed(const char *old, const char *new, tm_error *err)
{
    static const char text[] =
        "[{\"name\": \"tiny\", \"short_name\": \"t\", \"architecture\": \"llama\", \"run_as\": "
        "\"llama\", \"hidden_size\": 64, \"intermediate_size\": 96, \"layers\": 2, \"heads\": 4, "
        "\"kv_heads\": 2, \"head_dim\": 16, \"vocab\": 100, \"tied_embeddings\": true, "
        "\"activation\": \"silu\", \"rope_base\": 10000, \"context\": 64, \"epsilon\": 1e-5, "
        "\"linear_params_non_embedding\": 1, \"embedding_params\": 1, \"source\": \"s\", \"note\": "
        "\"\"}]";
    char changed[1024];
    tm_shapes shapes;
    const char *at = strstr(text, old);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
    memset(err, 0, sizeof *err);
    tm_status status = tm_shapes_parse(changed, strlen(changed), "m.json", &shapes, err);
    if (status == TM_OK) tm_shapes_free(&shapes);
    return status;
}

static void test_errors_name_the_model(void **state)
{
    static const struct {
        const char *old, *new, *message;
    } cases[] = {
        {"\"vocab\": 100, ", "", "m.json: model 1 (tiny): \"vocab\" is missing"},
        {"\"epsilon\": 1e-5, ", "", "model 1 (tiny): \"epsilon\" is missing"},
        {"\"name\": \"tiny\", ", "", "model 1 (without a name): \"name\" is missing"},
        {"\"vocab\"", "\"vocabb\"", "model 1 (tiny): "},
        {"\"layers\": 2", "\"layers\": null", "model 1 (tiny): "},
        {"\"head_dim\": 16", "\"head_dim\": 15", "model 1 (tiny): the head size is 15"},
        {"\"rope_base\": 10000", "\"rope_base\": 0", "model 1 (tiny): the rope base is 0"},
        {"\"run_as\": \"llama\"", "\"run_as\": \"lama\"",
         "\"run_as\" is \"lama\", which the engine does not support"},
        {"\"activation\": \"silu\"", "\"activation\": \"relu2\"",
         "model 1 (tiny): \"activation\" is \"relu2\"; architecture llama has silu"},
        {"\"tied_embeddings\": true", "\"tied_embeddings\": 1", "is neither true nor false"},
    };
    static const char *const not_lists[] = {"{}", "[]", "[{}]", "[7]", "nonsense"};
    (void)state;
    tm_error err;
    tm_shapes shapes;
    assert_ok(parse_changed("tiny", "tiny", &err), err);
    assert_ok(parse_changed("1e-5", "null", &err), err);
    assert_ok(parse_changed("\"context\": 64", "\"context\": null", &err), err);
    assert_ok(parse_changed("\"run_as\": \"llama\"", "\"run_as\": null", &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(parse_changed(cases[i].old, cases[i].new, &err), TM_FORMAT);
        assert_says(err.message, cases[i].message);
    }
    for (size_t i = 0; i < sizeof not_lists / sizeof *not_lists; i++)
        assert_int_equal(
            tm_shapes_parse(not_lists[i], strlen(not_lists[i]), "m.json", &shapes, &err),
            TM_FORMAT);
}

static void test_identities(void **state)
{
    (void)state;
    char a[256], b[256];
    tm_error err = {0};
    assert_ok(tm_model_identity("synth:125M", 1, a, sizeof a, &err), err);
    assert_ok(tm_model_identity("synth:dummy 125m", 1, b, sizeof b, &err), err);
    assert_string_equal(a, b);
    assert_ok(tm_model_identity("synth:125M", 2, b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    size_t size = 3 << 20;
    char *bytes = calloc(1, size);
    write_file(scratch_path("m1"), bytes, size);
    bytes[size - 1] = 1; /* the last byte is always read */
    write_file(scratch_path("m2"), bytes, size);
    write_file(scratch_path("m3"), bytes, size - 1);
    assert_ok(tm_model_identity(scratch_path("m1"), 1, a, sizeof a, &err), err);
    assert_ok(tm_model_identity(scratch_path("m2"), 1, b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    assert_ok(tm_model_identity(scratch_path("m3"), 1, b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    /* Any part stands for all parts of a split model. */
    write_file(scratch_path("s-00001-of-00002.gguf"), bytes, 100);
    write_file(scratch_path("s-00002-of-00002.gguf"), bytes, 200);
    assert_ok(tm_model_identity(scratch_path("s-00001-of-00002.gguf"), 1, a, sizeof a, &err), err);
    assert_ok(tm_model_identity(scratch_path("s-00002-of-00002.gguf"), 1, b, sizeof b, &err), err);
    assert_string_equal(a, b);
    write_file(scratch_path("s-00002-of-00002.gguf"), bytes, 201);
    assert_ok(tm_model_identity(scratch_path("s-00001-of-00002.gguf"), 1, b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    free(bytes);
    assert_true(tm_gguf_set_i2_s_layout("64"));
    assert_ok(tm_model_identity(scratch_path("m1"), 1, a, sizeof a, &err), err);
    assert_true(tm_gguf_set_i2_s_layout("128"));
    assert_ok(tm_model_identity(scratch_path("m1"), 1, b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    assert_int_equal(tm_model_identity(scratch_path("m4"), 1, a, sizeof a, &err), TM_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight_counts_follow_from_shapes),
        cmocka_unit_test(test_stated_architectures),
        cmocka_unit_test(test_shapes_of_files),
        cmocka_unit_test(test_models_by_name),
        cmocka_unit_test(test_errors_name_the_model),
        cmocka_unit_test(test_identities),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
