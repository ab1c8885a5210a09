/* Hugging Face checkpoints: the same weights and logits as GGUF files of the same model, wherever
 * the folder lies; what is wrong with one is named. */
#include "engine/weights.h"
#include "tests/engine/hf_folder.h"

#include <math.h>

static tm_source made(const char *arch, bool tied)
{
    tm_config config = tiny_config(arch);
    config.n_hidden = 256;
    config.head_dim = 64;
    config.n_rot = 64;
    config.tied_head = tied;
    tm_source source;
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    return source;
}

static void write_gguf(tm_source *source, tm_gguf_type type, char path[64])
{
    snprintf(path, 64, "/tmp/test_hf_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    TINY_OK(tm_source_write_gguf(source, type, fd, path, &err));
    close(fd);
}

enum { N_TOKENS = 5 };

/* [n_vocab] of the last of N_TOKENS; free it. */
static float *logits_of(tm_source *source)
{
    static const int32_t tokens[N_TOKENS] = {1, 5, 9, 17, 3};
    tm_model model;
    tm_model_options options = {0};
    tm_pool *pool = tiny_pool(1);
    TINY_OK(tm_model_open(source, &options, pool, &model, &err));
    tm_session *session =
        tiny_session(&model, pool, (tm_session_options){.n_context = 16, .n_batch = 8});
    const float *last;
    TINY_OK(tm_session_eval(session, tokens, N_TOKENS, TM_LOGITS_LAST, &last, &err));
    size_t bytes = (size_t)source->config.n_vocab * sizeof(float);
    float *logits = malloc(bytes);
    assert_non_null(logits);
    memcpy(logits, last, bytes);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
    return logits;
}

/* Every tensor of both. Returns the largest difference of weights. */
static double compare_weights(tm_source *a, tm_source *b)
{
    double largest = 0;
    for (int layer = 0; layer < a->config.n_layers; layer++)
        for (int role = 0; role < TM_ROLE_COUNT; role++) {
            tm_weights_difference d;
            if (!tm_role_present(&a->config, (tm_role)role) || role == TM_ROLE_ROPE_FREQS) continue;
            TINY_OK(tm_weights_compare(a, b, (tm_role)role, layer, &d, &err));
            if (d.largest > largest) largest = d.largest;
        }
    return largest;
}

static void same_as_gguf(const char *arch, bool tied, hf_kind kind, tm_gguf_type type, int n_files)
{
    tm_source source = made(arch, tied), folder, file;
    hf_folder f;
    char path[64];
    hf_make(&f, &source, kind, n_files);
    write_gguf(&source, type, path);
    TINY_OK(tm_source_open_gguf(f.path, &folder, &err));
    TINY_OK(tm_source_open_gguf(path, &file, &err));
    assert_string_equal(folder.config.arch, arch);
    assert_int_equal(folder.config.tied_head, tied);
    assert_int_equal(folder.config.n_context, source.config.n_context);
    double largest = compare_weights(&folder, &file);
    assert_true(largest <= (kind == HF_DIVIDES ? 1e-7 : 0)); /* 1 / (1 / scale) */
    float *a = logits_of(&folder), *b = logits_of(&file);
    for (int i = 0; i < folder.config.n_vocab; i++)
        if (kind == HF_DIVIDES ? fabsf(a[i] - b[i]) > 1e-3f : a[i] != b[i])
            fail_msg("%s, kind %d: logit %d is %.9g, of the GGUF file %.9g", arch, kind, i,
                     (double)a[i], (double)b[i]);
    free(a);
    free(b);
    tm_source_close(&file);
    tm_source_close(&folder);
    tm_source_close(&source);
    unlink(path);
    hf_remove(&f);
}

static void test_packed(void **state)
{
    (void)state;
    same_as_gguf("bitnet-b1.58", true, HF_MULTIPLIES, TM_GGUF_I2_S, 1);
    same_as_gguf("bitnet", true, HF_DIVIDES, TM_GGUF_I2_S, 1);
    same_as_gguf("llama", false, HF_MULTIPLIES, TM_GGUF_I2_S, 1);
    same_as_gguf("llama", true, HF_DIVIDES, TM_GGUF_I2_S, 1);
}

static void test_floats(void **state)
{
    (void)state;
    same_as_gguf("llama", false, HF_F32, TM_GGUF_F32, 1);
    same_as_gguf("llama", true, HF_F16, TM_GGUF_F16, 1);
    same_as_gguf("bitnet", true, HF_F16, TM_GGUF_I2_S, 1); /* ternary: nothing to round */
    same_as_gguf("bitnet-b1.58", false, HF_F32, TM_GGUF_I2_S, 1);
}

static void test_shards(void **state)
{
    (void)state;
    same_as_gguf("bitnet-b1.58", false, HF_MULTIPLIES, TM_GGUF_I2_S, 3);
    same_as_gguf("llama", false, HF_F16, TM_GGUF_F16, 4);
}

/* A master has weights of all sizes: trits are round(w / mean|w|). */
static void test_masters_are_rounded(void **state)
{
    (void)state;
    enum { ROWS = 48, COLS = 128, N = ROWS * COLS };
    static float values[N], floats[N], scale;
    static int8_t trits[N];
    double sum = 0;
    tm_config config = tiny_config("bitnet-b1.58");
    tm_gguf *gguf;
    hf_folder f;
    for (int i = 0; i < N; i++) {
        values[i] = (float)((double)(tm_mix64((uint64_t)i) >> 40) * 0x1p-24 - 0.5);
        sum += fabs((double)values[i]);
    }
    hf_start(&f, 1);
    hf_add(&f, "model.layers.0.mlp.up_proj.weight", "F32", ROWS, COLS, values, sizeof values);
    hf_write_config(&f, &config, HF_F32);
    hf_finish(&f);
    TINY_OK(tm_gguf_open(f.path, &gguf, &err));
    const tm_gguf_tensor *t = tm_gguf_find_tensor(gguf, "blk.0.ffn_up.weight");
    assert_non_null(t);
    assert_int_equal(t->type, TM_GGUF_I2_S);
    assert_string_equal(tm_gguf_stored_type(t), "F32");
    TINY_OK(tm_gguf_ternary_scale(t, &scale, &err));
    assert_true(scale == (float)(sum / N));
    tm_gguf_read_trits(t, 0, ROWS, trits);
    tm_gguf_read_floats(t, 0, ROWS, floats);
    for (int i = 0; i < N; i++) {
        float wanted = nearbyintf(values[i] / scale);
        assert_int_equal(trits[i], wanted > 1 ? 1 : wanted < -1 ? -1 : (int)wanted);
        assert_true(floats[i] == (float)trits[i] * scale);
    }
    tm_gguf_close(gguf);
    hf_remove(&f);
}

static void path_in(const hf_folder *f, const char *name, char out[300])
{
    snprintf(out, 300, "%s/%s", f->path, name);
}

/* blobs, snapshots of symbolic links, refs/main. */
static void test_the_hubs_cache(void **state)
{
    (void)state;
    static const char *const names[] = {"config.json", "model.safetensors.index.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors"};
    char cache[] = "/tmp/test_hf_cache_XXXXXX", from[300], to[300], text[200];
    tm_source source = made("bitnet-b1.58", true), opened;
    hf_folder f;
    assert_non_null(mkdtemp(cache));
    hf_make(&f, &source, HF_MULTIPLIES, 2);
    hf_folder all = {.path = ""};
    snprintf(all.path, sizeof all.path, "%s", cache);
    static const char *const folders[] = {"", "/blobs", "/refs", "/snapshots",
                                          "/snapshots/67a9b8b00464fce66686bdabc0f5d1fc2a63d8b8"};
    char root[160];
    snprintf(root, sizeof root, "%s/models--microsoft--bitnet-tiny", cache);
    for (size_t i = 0; i < 5; i++) {
        snprintf(to, sizeof to, "%s%s", root, folders[i]);
        assert_int_equal(mkdir(to, 0700), 0);
    }
    for (int i = 0; i < 4; i++) {
        path_in(&f, names[i], from);
        snprintf(to, sizeof to, "%s/blobs/%d", root, i);
        assert_int_equal(rename(from, to), 0);
        snprintf(from, sizeof from, "../../blobs/%d", i);
        snprintf(to, sizeof to, "%s%s/%s", root, folders[4], names[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    snprintf(text, sizeof text, "models--microsoft--bitnet-tiny/refs/main");
    hf_write_text(&all, text, "67a9b8b00464fce66686bdabc0f5d1fc2a63d8b8\n");
    const char *const ways[] = {"", folders[4],
                                "/snapshots/67a9b8b00464fce66686bdabc0f5d1fc2a63d8b8/"
                                "model-00002-of-00002.safetensors"};
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof to, "%s%s", root, ways[i]);
        TINY_OK(tm_source_open_gguf(to, &opened, &err));
        assert_string_equal(opened.config.name, "bitnet-tiny");
        assert_true(compare_weights(&source, &opened) == 0);
        tm_source_close(&opened);
    }
    tm_error err = {0};
    hf_write_text(&all, text, "main");
    assert_int_equal(tm_source_open_gguf(root, &opened, &err), TM_IO);
    assert_non_null(strstr(err.message, "/snapshots/main is missing, but "));
    hf_write_text(&all, text, "../../..");
    assert_int_equal(tm_source_open_gguf(root, &opened, &err), TM_FORMAT);
    tm_source_close(&source);
    hf_remove(&all);
    hf_remove(&f);
}

/* The same model with "rope_scaling": TEXT in config.json. */
static tm_rope_scaling scaling_of(const char *text)
{
    tm_source source = made("llama", true), folder;
    hf_folder f;
    char path[300], config[2048];
    hf_make(&f, &source, HF_F16, 1);
    path_in(&f, "config.json", path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(config, 1, 1024, file);
    fclose(file);
    assert_true(n > 0 && config[n - 1] == '}');
    snprintf(config + n - 1, sizeof config - n, ",\"rope_scaling\":%s}", text);
    hf_write_text(&f, "config.json", config);
    TINY_OK(tm_source_open_gguf(f.path, &folder, &err));
    tm_rope_scaling scaling = folder.config.rope_scaling;
    tm_source_close(&folder);
    tm_source_close(&source);
    hf_remove(&f);
    return scaling;
}

static void test_yarn(void **state)
{
    (void)state;
    tm_rope_scaling s = scaling_of("{\"type\":\"yarn\",\"factor\":4,"
                                   "\"original_max_position_embeddings\":16}");
    assert_true(s.yarn && s.factor == 4 && s.n_context == 16);
    assert_true(s.beta_fast == 32 && s.beta_slow == 1);
    assert_true(fabs((double)tm_rope_attention_factor(&s) - (1 + 0.1 * log(4))) < 1e-6);
    s = scaling_of("{\"rope_type\":\"yarn\",\"factor\":4,\"beta_fast\":8,\"beta_slow\":2,"
                   "\"attention_factor\":0.5}");
    assert_true(s.beta_fast == 8 && s.beta_slow == 2);
    assert_true(fabs((double)tm_rope_attention_factor(&s) - (0.5)) < 1e-6);
    s = scaling_of("{\"rope_type\":\"yarn\",\"factor\":10,\"mscale\":2,\"mscale_all_dim\":1}");
    assert_true(fabs((double)tm_rope_attention_factor(&s) -
                     ((1 + 0.2 * log(10)) / (1 + 0.1 * log(10)))) < 1e-6);
    s = scaling_of("{\"rope_type\":\"linear\",\"factor\":4}");
    assert_true(!s.yarn && s.factor == 4 && tm_rope_attention_factor(&s) == 1);
}

/* What is written over a good folder, and what the message says. */
static const struct mistake {
    const char *file, *text, *message;
    tm_status status;
} mistakes[] = {
    {"config.json", "{\"architectures\":[\"LlamaForCausalLM\"]", "the JSON ends after", TM_FORMAT},
    {"config.json", "[]", "it is no JSON object", TM_FORMAT},
    {"config.json", "{}", "key 'architectures' is missing or empty", TM_FORMAT},
    {"config.json", "{\"architectures\":[\"GPT2LMHeadModel\"]}",
     "the architecture is GPT2LMHeadModel, which is not supported", TM_UNSUPPORTED},
    {"config.json", "version https://git-lfs.github.com/spec/v1\noid sha256:abc\n",
     "config.json is a Git LFS pointer", TM_FORMAT},
    {"config.json", NULL, " has no config.json; weights are read with", TM_IO},
    {"model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x.safetensors\"}}",
     "not the name of a file", TM_FORMAT},
    {"model.safetensors.index.json", "{\"weight_map\":{}}", "'weight_map' is missing or empty",
     TM_FORMAT},
    {"model.safetensors.index.json",
     "{\"weight_map\":{\"model.norm.weight\":\"model-00009-of-00009.safetensors\"}}",
     "model-00009-of-00009.safetensors is missing; download", TM_IO},
    {"model.safetensors.index.json",
     "{\"weight_map\":{\"lm_head.bias\":\"model-00001-of-00002.safetensors\"}}",
     "does not hold tensor 'lm_head.bias', which model.safetensors.index.json says it does",
     TM_FORMAT},
    {"model-00001-of-00002.safetensors", NULL, "model-00001-of-00002.safetensors is missing",
     TM_IO},
    {"model-00001-of-00002.safetensors", "version https://git-lfs.github.com/spec/v1\noid x\n",
     "model-00001-of-00002.safetensors is a Git LFS pointer", TM_FORMAT},
    {"model-00001-of-00002.safetensors", "1234",
     "the file has 4 bytes; a safetensors header has 10", TM_FORMAT},
    {"model-00001-of-00002.safetensors", "<!DOCTYPE html><html>", "is an HTML page", TM_FORMAT},
};

static void test_mistakes_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        const struct mistake *m = &mistakes[i];
        tm_source source = made("bitnet-b1.58", true), opened;
        tm_error err = {0};
        hf_folder f;
        char path[300];
        hf_make(&f, &source, HF_MULTIPLIES, 2);
        path_in(&f, m->file, path);
        if (m->text)
            hf_write_text(&f, m->file, m->text);
        else
            assert_int_equal(unlink(path), 0);
        /* A folder without config.json is named as such. The file is a checkpoint's in any case. */
        path_in(&f, "model-00002-of-00002.safetensors", path);
        tm_status got = tm_source_open_gguf(path, &opened, &err);
        if (got != m->status || !strstr(err.message, m->message))
            fail_msg("%s: status %d, \"%s\"; expected %d, \"%s\"", m->file, got, err.message,
                     m->status, m->message);
        tm_source_close(&source);
        hf_remove(&f);
    }
}

/* Parts of two models have the same tensors in different files. */
static void test_mixed_shards(void **state)
{
    (void)state;
    tm_source source = made("bitnet-b1.58", true), opened;
    tm_error err = {0};
    hf_folder f, g;
    char from[300], to[300];
    hf_make(&f, &source, HF_MULTIPLIES, 2);
    hf_make(&g, &source, HF_MULTIPLIES, 3);
    path_in(&g, "model-00001-of-00003.safetensors", from);
    path_in(&f, "model-00001-of-00002.safetensors", to);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(tm_source_open_gguf(f.path, &opened, &err), TM_FORMAT);
    if (!strstr(err.message, "different models") && !strstr(err.message, "another model"))
        fail_msg("%s", err.message);
    tm_source_close(&source);
    hf_remove(&f);
    hf_remove(&g);
}

static void test_a_scale_may_not_be_missing_or_strange(void **state)
{
    (void)state;
    static const struct {
        float scale;
        const char *type, *message;
    } scales[] = {
        {0, NULL, "it is packed, but tensor 'model.layers.0.mlp.up_proj.weight_scale' is missing"},
        {0, "F32", "weight_scale' is 0; it must be finite and above 0"},
        {-1, "F32", "is -1; it must"},
        {INFINITY, "F32", "is inf; it must"},
        {NAN, "F32", "nan; it must"},
        {1, "I32", "must be one value of F32, F16 or BF16"},
    };
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        static const uint8_t bytes[64 * 256];
        tm_config config = tiny_config("bitnet-b1.58");
        tm_error err = {0};
        tm_gguf *gguf;
        hf_folder f;
        hf_start(&f, 1);
        hf_add(&f, "model.layers.0.mlp.up_proj.weight", "U8", 64, 256, bytes, sizeof bytes);
        if (scales[i].type)
            hf_add(&f, "model.layers.0.mlp.up_proj.weight_scale", scales[i].type, 0, 1,
                   &scales[i].scale, 4);
        hf_write_config(&f, &config, HF_MULTIPLIES);
        hf_finish(&f);
        assert_int_equal(tm_gguf_open(f.path, &gguf, &err), TM_FORMAT);
        if (!strstr(err.message, scales[i].message)) fail_msg("%s", err.message);
        hf_remove(&f);
    }
}

static void test_code_3_is_an_error(void **state)
{
    (void)state;
    tm_config config = tiny_config("bitnet-b1.58");
    uint8_t bytes[64 * 256];
    float scale = 1;
    tm_error wrong = {0};
    tm_gguf *gguf;
    hf_folder f;
    memset(bytes, 0x55, sizeof bytes);
    bytes[3 * 256 + 7] = 0x75;
    hf_start(&f, 1);
    hf_add(&f, "model.layers.0.mlp.up_proj.weight", "U8", 64, 256, bytes, sizeof bytes);
    hf_add(&f, "model.layers.0.mlp.up_proj.weight_scale", "F32", 0, 1, &scale, 4);
    hf_write_config(&f, &config, HF_MULTIPLIES);
    hf_finish(&f);
    TINY_OK(tm_gguf_open(f.path, &gguf, &err));
    const tm_gguf_tensor *t = tm_gguf_find_tensor(gguf, "blk.0.ffn_up.weight");
    assert_non_null(t);
    assert_int_equal(t->ne[1], 256);
    assert_string_equal(tm_gguf_stored_type(t), "U8");
    assert_int_equal(tm_gguf_ternary_scale(t, &scale, &wrong), TM_FORMAT);
    assert_non_null(strstr(wrong.message, "byte 7 of row 3 has a code 3"));
    tm_gguf_close(gguf);
    hf_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_masters_are_rounded),
        cmocka_unit_test(test_the_hubs_cache),
        cmocka_unit_test(test_yarn),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_mixed_shards),
        cmocka_unit_test(test_a_scale_may_not_be_missing_or_strange),
        cmocka_unit_test(test_code_3_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
