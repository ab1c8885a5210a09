/* Writes synthetic models as Hugging Face checkpoints, as their converters and trainers do. */
#ifndef TM_TESTS_ENGINE_HF_FOLDER_H
#define TM_TESTS_ENGINE_HF_FOLDER_H

#include "engine/hf.h"
#include "kernels/half.h"
#include "tests/engine/tiny.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* How matrices are stored: floats, or packed with a scale that multiplies or divides. */
typedef enum hf_kind { HF_F32, HF_F16, HF_BF16, HF_MULTIPLIES, HF_DIVIDES } hf_kind;

/* One file of the model while it is written. */
typedef struct hf_file {
    char header[1 << 16];
    uint8_t *data; /* owned */
    size_t n_header, n_data;
} hf_file;

enum { HF_MAX_FILES = 4 };

typedef struct hf_folder {
    char path[64];
    hf_file *files; /* owned, [n_files] */
    int n_files;
    char map[1 << 16]; /* of the index */
    size_t n_map;
} hf_folder;

static inline void hf_write(const hf_folder *f, const char *name, const void *data, size_t size)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static inline void hf_write_text(const hf_folder *f, const char *name, const char *text)
{
    hf_write(f, name, text, strlen(text));
}

static inline void hf_start(hf_folder *f, int n_files)
{
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/test_hf_XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->n_files = n_files;
    f->files = calloc((size_t)n_files, sizeof *f->files);
    assert_non_null(f->files);
}

/* Adds a tensor to the file that the hash of its name chooses. */
static inline void hf_add(hf_folder *f, const char *name, const char *dtype, int rows, int cols,
                          const void *data, size_t bytes)
{
    unsigned sum = 0;
    for (const char *c = name; *c; c++) sum = sum * 31 + (unsigned char)*c;
    int which = (int)(sum % (unsigned)f->n_files);
    hf_file *file = &f->files[which];
    file->data = realloc(file->data, file->n_data + bytes + 1);
    assert_non_null(file->data);
    memcpy(file->data + file->n_data, data, bytes);
    char shape[40];
    if (rows > 0)
        snprintf(shape, sizeof shape, "%d,%d", rows, cols);
    else
        snprintf(shape, sizeof shape, "%d", cols);
    file->n_header += (size_t)snprintf(
        file->header + file->n_header, sizeof file->header - file->n_header,
        "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
        file->n_header ? "," : "", name, dtype, shape, file->n_data, file->n_data + bytes);
    f->n_map += (size_t)snprintf(f->map + f->n_map, sizeof f->map - f->n_map,
                                 "%s\"%s\":\"model-%05d-of-%05d.safetensors\"", f->n_map ? "," : "",
                                 name, which + 1, f->n_files);
    file->n_data += bytes;
}

/* Writes the files, and an index if there are several. */
static inline void hf_finish(hf_folder *f)
{
    for (int i = 0; i < f->n_files; i++) {
        hf_file *file = &f->files[i];
        char name[64], *all = malloc(file->n_header + file->n_data + 16);
        assert_non_null(all);
        uint64_t length = file->n_header + 2;
        memcpy(all, &length, 8);
        all[8] = '{';
        memcpy(all + 9, file->header, file->n_header);
        all[9 + file->n_header] = '}';
        memcpy(all + 10 + file->n_header, file->data, file->n_data);
        snprintf(name, sizeof name, "model-%05d-of-%05d.safetensors", i + 1, f->n_files);
        hf_write(f, f->n_files == 1 ? "model.safetensors" : name, all,
                 10 + file->n_header + file->n_data);
        free(all);
        free(file->data);
    }
    free(f->files);
    f->files = NULL;
    if (f->n_files == 1) return;
    char *index = malloc(f->n_map + 64);
    assert_non_null(index);
    sprintf(index, "{\"metadata\":{\"total_size\":1},\"weight_map\":{%s}}", f->map);
    hf_write_text(f, "model.safetensors.index.json", index);
    free(index);
}

static inline int hf_remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static inline void hf_remove(const hf_folder *f)
{
    nftw(f->path, hf_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* "model.layers.1.self_attn.q_proj" of a role. */
static inline const char *hf_name(tm_role role, int layer, char out[80])
{
    static const char *const names[TM_ROLE_COUNT] = {
        [TM_ROLE_EMBEDDING] = "embed_tokens",
        [TM_ROLE_OUTPUT_NORM] = "norm",
        [TM_ROLE_ATTN_NORM] = "input_layernorm",
        [TM_ROLE_Q] = "self_attn.q_proj",
        [TM_ROLE_K] = "self_attn.k_proj",
        [TM_ROLE_V] = "self_attn.v_proj",
        [TM_ROLE_ATTN_SUB_NORM] = "self_attn.attn_sub_norm",
        [TM_ROLE_O] = "self_attn.o_proj",
        [TM_ROLE_FFN_NORM] = "post_attention_layernorm",
        [TM_ROLE_GATE] = "mlp.gate_proj",
        [TM_ROLE_UP] = "mlp.up_proj",
        [TM_ROLE_FFN_SUB_NORM] = "mlp.ffn_sub_norm",
        [TM_ROLE_DOWN] = "mlp.down_proj",
    };
    if (role == TM_ROLE_HEAD)
        snprintf(out, 80, "lm_head");
    else if (tm_role_is_per_layer(role))
        snprintf(out, 80, "model.layers.%d.%s", layer, names[role]);
    else
        snprintf(out, 80, "model.%s", names[role]);
    return out;
}

/* A GGUF row of q or k lies at this row of a checkpoint whose model rotates halves. */
static inline int hf_row(const tm_config *c, tm_role role, int row)
{
    int d = c->head_dim, i = row % d;
    if (c->rope_half_split || (role != TM_ROLE_Q && role != TM_ROLE_K)) return row;
    return row - i + (i % 2 ? d / 2 + i / 2 : i / 2);
}

static inline void hf_add_floats(hf_folder *f, tm_source *source, tm_role role, int layer,
                                 hf_kind kind)
{
    char name[80], full[96];
    int rows, cols;
    tm_role_shape(&source->config, role, &rows, &cols);
    size_t n = (size_t)rows * (size_t)cols, size = kind == HF_F32 ? 4 : 2;
    float *values = malloc(n * sizeof *values);
    uint8_t *bytes = malloc(n * 4);
    assert_true(values && bytes);
    for (int r = 0; r < rows; r++)
        source->floats(source, role, layer, r, r + 1,
                       values + (size_t)hf_row(&source->config, role, r) * (size_t)cols);
    for (size_t i = 0; i < n; i++) {
        tm_half half = tm_half_from_float(values[i]);
        tm_bf16 bf16 = tm_bf16_from_float(values[i]);
        memcpy(bytes + i * size,
               kind == HF_F32   ? (void *)&values[i]
               : kind == HF_F16 ? (void *)&half
                                : (void *)&bf16,
               size);
    }
    snprintf(full, sizeof full, "%s.weight", hf_name(role, layer, name));
    static const char *const types[] = {"F32", "F16", "BF16"};
    bool is_vector = rows == 1;
    hf_add(f, full, types[kind], is_vector ? 0 : rows, cols, bytes, n * size);
    free(bytes);
    free(values);
}

static inline void hf_add_packed(hf_folder *f, tm_source *source, tm_role role, int layer,
                                 hf_kind kind)
{
    char name[80], full[96];
    int rows, cols;
    tm_tensor_info info;
    tm_role_shape(&source->config, role, &rows, &cols);
    TINY_OK(source->describe(source, role, layer, &info, &err));
    int quarter = rows / 4;
    int8_t *trits = malloc((size_t)cols);
    uint8_t *bytes = calloc((size_t)quarter, (size_t)cols);
    assert_true(trits && bytes);
    for (int r = 0; r < rows; r++) {
        int to = hf_row(&source->config, role, r);
        source->trits(source, role, layer, r, r + 1, trits);
        for (int i = 0; i < cols; i++)
            bytes[to % quarter * cols + i] |= (uint8_t)((trits[i] + 1) << to / quarter * 2);
    }
    snprintf(full, sizeof full, "%s.weight", hf_name(role, layer, name));
    hf_add(f, full, "U8", quarter, cols, bytes, (size_t)quarter * (size_t)cols);
    snprintf(full, sizeof full, "%s.weight_scale", name);
    float scale = kind == HF_DIVIDES ? 1 / info.scale : info.scale;
    hf_add(f, full, "F32", 0, 1, &scale, 4);
    free(bytes);
    free(trits);
}

static inline void hf_write_config(const hf_folder *f, const tm_config *c, hf_kind kind)
{
    char text[1024], quantization[160] = "";
    bool is_llama = strcmp(c->arch, "llama") == 0;
    if (kind >= HF_MULTIPLIES)
        snprintf(quantization, sizeof quantization,
                 ",\"quantization_config\":{\"quant_method\":\"bitnet\",\"linear_class\":\"%s\"}",
                 kind == HF_DIVIDES ? "bitlinear" : "autobitlinear");
    snprintf(text, sizeof text,
             "{\"architectures\":[\"%s\"],\"hidden_act\":\"%s\",\"hidden_size\":%d,"
             "\"intermediate_size\":%d,\"num_hidden_layers\":%d,\"num_attention_heads\":%d,"
             "\"num_key_value_heads\":%d,\"head_dim\":%d,\"rms_norm_eps\":%.9g,\"rope_theta\":%.9g,"
             "\"max_position_embeddings\":%d,\"vocab_size\":%d,\"tie_word_embeddings\":%s%s}",
             is_llama ? "LlamaForCausalLM" : "BitNetForCausalLM", c->relu2 ? "relu2" : "silu",
             c->n_hidden, c->n_ffn, c->n_layers, c->n_heads, c->n_kv_heads, c->head_dim,
             (double)c->rms_epsilon, (double)c->rope_base, c->n_context, c->n_vocab,
             c->tied_head ? "true" : "false", quantization);
    hf_write_text(f, "config.json", text);
}

/* Writes all of a model. */
static inline void hf_make(hf_folder *f, tm_source *source, hf_kind kind, int n_files)
{
    const tm_config *c = &source->config;
    hf_start(f, n_files);
    for (int layer = 0; layer < c->n_layers; layer++)
        for (int role = 0; role < TM_ROLE_COUNT; role++) {
            bool is_linear = tm_role_is_linear((tm_role)role);
            if (!tm_role_present(c, (tm_role)role) || role == TM_ROLE_ROPE_FREQS) continue;
            if (layer && !tm_role_is_per_layer((tm_role)role)) continue;
            if (is_linear && kind >= HF_MULTIPLIES)
                hf_add_packed(f, source, (tm_role)role, layer, kind);
            else /* the synthetic embedding holds half-precision numbers */
                hf_add_floats(f, source, (tm_role)role, layer,
                              is_linear                                           ? kind
                              : role == TM_ROLE_EMBEDDING || role == TM_ROLE_HEAD ? HF_F16
                                                                                  : HF_F32);
        }
    hf_write_config(f, c, kind);
    hf_finish(f);
}

#endif
