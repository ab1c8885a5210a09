#include "harness/measure/shapes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/embedded.h"
#include "harness/machine/machine.h"
#include "harness/base/user_file.h"
#include "harness/base/json.h"
#include "harness/measure/backend.h"

#define SYNTH  "synth:"
#define MODELS "workloads/models.json"

/* Short names: "dummy 125M" -> "125M", "BitNet-b1.58-2B-4T" -> "2B-4T"; others keep their own. */
static void shorten(const char *name, char *out, size_t size)
{
    static const char *const prefixes[] = {"dummy ", "BitNet-b1.58-", NULL};
    for (const char *const *p = prefixes; *p; p++)
        if (strncmp(name, *p, strlen(*p)) == 0) name += strlen(*p);
    snprintf(out, size, "%.*s", (int)size - 1, name);
}

/* What models.json does not say and the released checkpoints do (config.json of each):
 * 1bitLLM's and the dummy models are BitNet's own architecture; 2B-4T has squared ReLU and a rope
 * base of 500000; the rest are run as plain llama, of which they are shapes. */
static void set_architecture(tm_config *config)
{
    bool dummy = strncmp(config->name, "dummy ", 6) == 0;
    bool released = strncmp(config->name, "bitnet_b1_58", 12) == 0;
    bool with_relu2 = strcmp(config->name, "BitNet-b1.58-2B-4T") == 0;
    bool bitnet = dummy || released || with_relu2;
    bool llama3 =
        strncmp(config->name, "Llama3", 6) == 0 || strncmp(config->name, "LLaMA 3", 7) == 0;
    tm_config_set_arch(config, with_relu2 ? "bitnet-b1.58" : bitnet ? "bitnet" : "llama");
    config->rope_base = with_relu2 || llama3 ? 500000.0f : 10000.0f;
    config->rms_epsilon = 1e-5f;
    config->n_context = with_relu2 ? 4096 : llama3 ? 8192 : 2048;
    config->n_rot = config->head_dim;
}

static tm_status copy_text(const tm_json *json, const char *key, const char *what, char *out,
                           size_t size, tm_error *err)
{
    const char *text;
    tm_status status = tm_json_need_string(json, key, what, &text, err);
    if (status != TM_OK) return status;
    if (strlen(text) >= size)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" is longer than %zu characters", what, key,
                       size - 1);
    strcpy(out, text);
    return TM_OK;
}

static tm_status read_shape(const tm_json *json, const char *what, tm_shape *out, tm_error *err)
{
    static const char *const known[] = {"name",
                                        "hidden_size",
                                        "intermediate_size",
                                        "layers",
                                        "heads",
                                        "kv_heads",
                                        "head_dim",
                                        "vocab",
                                        "tied_embeddings",
                                        "linear_params_non_embedding",
                                        "embedding_params",
                                        "source",
                                        "note",
                                        NULL};
    tm_config *config = &out->config;
    const struct {
        const char *key;
        int *target;
    } numbers[] = {{"hidden_size", &config->n_hidden}, {"intermediate_size", &config->n_ffn},
                   {"layers", &config->n_layers},      {"heads", &config->n_heads},
                   {"kv_heads", &config->n_kv_heads},  {"head_dim", &config->head_dim},
                   {"vocab", &config->n_vocab}};
    int64_t value;
    memset(out, 0, sizeof *out);
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "%s: not an object", what);
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = copy_text(json, "name", what, out->name, sizeof out->name, err);
    if (status == TM_OK)
        status = copy_text(json, "source", what, out->source, sizeof out->source, err);
    if (status == TM_OK) status = copy_text(json, "note", what, out->note, sizeof out->note, err);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == TM_OK; i++) {
        status = tm_json_need_int(json, numbers[i].key, what, 1, INT_MAX, &value, err);
        if (status == TM_OK) *numbers[i].target = (int)value;
    }
    if (status == TM_OK)
        status = tm_json_need_int(json, "linear_params_non_embedding", what, 1, 1ll << 50,
                                  &out->linear_weights, err);
    if (status == TM_OK)
        status = tm_json_need_int(json, "embedding_params", what, 1, 1ll << 50,
                                  &out->embedding_weights, err);
    if (status == TM_OK && !tm_json_is_bool(tm_json_get(json, "tied_embeddings")))
        status = tm_fail(err, TM_FORMAT, "%s: \"tied_embeddings\" is not true or false", what);
    if (status != TM_OK) return status;
    config->tied_head = tm_json_true(tm_json_get(json, "tied_embeddings"));
    memcpy(config->name, out->name, sizeof out->name);
    shorten(out->name, out->short_name, sizeof out->short_name);
    set_architecture(config);
    return tm_config_check(config, err);
}

tm_status tm_shapes_parse(const char *text, size_t length, const char *what, tm_shapes *out,
                          tm_error *err)
{
    tm_json *json;
    memset(out, 0, sizeof *out);
    tm_status status = tm_json_parse(text, length, what, &json, err);
    if (status != TM_OK) return status;
    int n = tm_json_count(json);
    if (!tm_json_is_array(json) || n < 1) {
        status = tm_fail(err, TM_FORMAT, "%s: not a list of at least one model", what);
        goto done;
    }
    out->items = calloc((size_t)n, sizeof *out->items);
    if (!out->items) {
        status = tm_fail(err, TM_NOMEM, "%s: no memory for %d shapes", what, n);
        goto done;
    }
    const tm_json *item = tm_json_at(json, 0);
    for (; status == TM_OK && out->n < n; item = tm_json_next(item)) {
        char where[160];
        snprintf(where, sizeof where, "%s: model %d", what, out->n + 1);
        status = read_shape(item, where, &out->items[out->n], err);
        if (status == TM_OK) out->n++;
    }
done:
    tm_json_free(json);
    if (status != TM_OK) tm_shapes_free(out);
    return status;
}

tm_status tm_shapes_read(tm_shapes *out, tm_error *err)
{
    const tm_embedded *data = tm_embedded_find(MODELS);
    return tm_shapes_parse(data->text, data->length, MODELS, out, err);
}

void tm_shapes_free(tm_shapes *shapes)
{
    free(shapes->items);
    shapes->items = NULL;
    shapes->n = 0;
}

const tm_shape *tm_shapes_find(const tm_shapes *shapes, const char *name)
{
    for (int i = 0; i < shapes->n; i++) {
        const tm_shape *shape = &shapes->items[i];
        if (strcasecmp(shape->name, name) == 0 || strcasecmp(shape->short_name, name) == 0)
            return shape;
    }
    return NULL;
}

static tm_status unknown_shape(const tm_shapes *shapes, const char *name, tm_error *err)
{
    const char **names = calloc((size_t)shapes->n * 2 + 1, sizeof *names);
    if (!names) return tm_fail(err, TM_NOMEM, "no memory for %d names", shapes->n * 2);
    for (int i = 0; i < shapes->n; i++) {
        names[2 * i] = shapes->items[i].short_name;
        names[2 * i + 1] = shapes->items[i].name;
    }
    const char *nearest = tm_nearest_name(name, names);
    tm_status status =
        nearest
            ? tm_fail(err, TM_ARG, "unknown model shape \"%s\"; did you mean \"%s\"?", name,
                      nearest)
            : tm_fail(err, TM_ARG, "unknown model shape \"%s\"; `ternmark list` shows them", name);
    free(names);
    return status;
}

tm_status tm_shape_config(const char *name, tm_config *out, tm_error *err)
{
    tm_shapes shapes;
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    const tm_shape *shape = tm_shapes_find(&shapes, name);
    if (shape)
        *out = shape->config;
    else
        status = unknown_shape(&shapes, name, err);
    tm_shapes_free(&shapes);
    return status;
}

tm_status tm_source_open_name(const char *model, uint64_t seed, tm_source *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    if (strncmp(model, SYNTH, strlen(SYNTH)) != 0) return tm_source_open_gguf(model, out, err);
    tm_config config;
    tm_status status = tm_shape_config(model + strlen(SYNTH), &config, err);
    return status == TM_OK ? tm_source_open_synth(&config, seed, out, err) : status;
}

/* Size, first and last 64 KiB, and 64 blocks of 4 KiB spread evenly between. */
static tm_status file_identity(const char *path, char *text, size_t size, tm_error *err)
{
    enum { EDGE = 65536, BLOCK = 4096, N_BLOCKS = 64 };
    static _Thread_local unsigned char bytes[EDGE];
    struct stat st;
    int fd;
    tm_status status = tm_user_file_open(path, 0, &fd, err);
    if (status != TM_OK) return status;
    if (fstat(fd, &st) != 0) {
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
        close(fd);
        return status;
    }
    uint64_t hash = tm_hash(TM_HASH_START, &st.st_size, sizeof st.st_size);
    for (int i = 0; i <= N_BLOCKS + 1; i++) {
        off_t at = 0;
        size_t wanted = EDGE;
        if (i == N_BLOCKS + 1) {
            at = st.st_size > EDGE ? st.st_size - EDGE : 0;
        } else if (i > 0) {
            at = st.st_size / (N_BLOCKS + 1) * i;
            wanted = BLOCK;
        }
        ssize_t got = pread(fd, bytes, wanted, at);
        if (got < 0) {
            status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
            close(fd);
            return status;
        }
        hash = tm_hash(hash, bytes, (size_t)got);
    }
    close(fd);
    snprintf(text, size, "file %016llx", (unsigned long long)hash);
    return TM_OK;
}

tm_status tm_model_identity(const char *model, uint64_t seed, char *text, size_t size,
                            tm_error *err)
{
    if (tm_backend_is_null(model)) {
        snprintf(text, size, "%s", model);
        return TM_OK;
    }
    if (strncmp(model, SYNTH, strlen(SYNTH)) != 0) return file_identity(model, text, size, err);
    tm_config c;
    tm_status status = tm_shape_config(model + strlen(SYNTH), &c, err);
    if (status != TM_OK) return status;
    snprintf(text, size, "%s %s %d %d %d %d %d %d %d %d %g %llu", c.name, c.arch, c.n_layers,
             c.n_hidden, c.n_ffn, c.n_heads, c.n_kv_heads, c.head_dim, c.n_vocab, c.tied_head,
             (double)c.rope_base, (unsigned long long)seed);
    return TM_OK;
}
