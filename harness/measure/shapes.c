#include "harness/measure/shapes.h"

#include "harness/base/embedded.h"
#include "harness/base/json.h"
#include "harness/base/user_file.h"
#include "harness/machine/machine.h"
#include "harness/measure/backend.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNTH  "synth:"
#define MODELS "workloads/models.json"

/* What a synthetic model takes where models.json has null: the value is not published. */
#define DEFAULT_ROPE_BASE 10000.0
#define DEFAULT_EPSILON   1e-5

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

/* *out stays as it is where the value is null. */
static tm_status read_number_or_null(const tm_json *json, const char *key, const char *what,
                                     double *out, tm_error *err)
{
    if (tm_json_is_null(tm_json_get(json, key))) return TM_OK;
    return tm_json_need_number(json, key, what, out, err);
}

/* The sizes of the matrices, and the numbers of weights that were published with them. */
static tm_status read_sizes(const tm_json *json, const char *what, tm_shape *out, tm_error *err)
{
    tm_config *config = &out->config;
    const struct {
        const char *key;
        int *target;
    } numbers[] = {{"hidden_size", &config->n_hidden}, {"intermediate_size", &config->n_ffn},
                   {"layers", &config->n_layers},      {"heads", &config->n_heads},
                   {"kv_heads", &config->n_kv_heads},  {"head_dim", &config->head_dim},
                   {"vocab", &config->n_vocab}};
    const struct {
        const char *key;
        int64_t *target;
    } weights[] = {{"linear_params_non_embedding", &out->linear_weights},
                   {"embedding_params", &out->embedding_weights}};
    tm_status status = TM_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && status == TM_OK; i++) {
        int64_t value;
        status = tm_json_need_int(json, numbers[i].key, what, 1, INT_MAX, &value, err);
        if (status == TM_OK) *numbers[i].target = (int)value;
    }
    for (size_t i = 0; i < sizeof weights / sizeof weights[0] && status == TM_OK; i++)
        status = tm_json_need_int(json, weights[i].key, what, 1, 1ll << 50, weights[i].target, err);
    config->n_rot = config->head_dim; /* every published shape rotates whole heads */
    return status;
}

/* Rotation, context, epsilon and head. */
static tm_status read_numerics(const tm_json *json, const char *what, tm_config *config,
                               tm_error *err)
{
    double rope_base = DEFAULT_ROPE_BASE, epsilon = DEFAULT_EPSILON;
    int64_t context = 0; /* unknown */
    tm_status status = read_number_or_null(json, "rope_base", what, &rope_base, err);
    if (status == TM_OK) status = read_number_or_null(json, "epsilon", what, &epsilon, err);
    if (status == TM_OK && !tm_json_is_null(tm_json_get(json, "context")))
        status = tm_json_need_int(json, "context", what, 1, INT_MAX, &context, err);
    if (status == TM_OK && !tm_json_is_bool(tm_json_get(json, "tied_embeddings")))
        status = tm_fail(err, TM_FORMAT, "%s: \"tied_embeddings\" must be true or false", what);
    config->rope_base = (float)rope_base;
    config->rms_epsilon = (float)epsilon;
    config->n_context = (int)context;
    config->tied_head = tm_json_true(tm_json_get(json, "tied_embeddings"));
    return status;
}

/* "run_as" may name another architecture than the model's own, one with the same matrices; null
 * means that the engine cannot run the shape. */
static tm_status read_architecture(const tm_json *json, const char *what, tm_shape *out,
                                   tm_error *err)
{
    tm_config *config = &out->config;
    char activation[8], run_as[sizeof config->arch];
    tm_status status =
        copy_text(json, "architecture", what, out->architecture, sizeof out->architecture, err);
    if (status == TM_OK)
        status = copy_text(json, "activation", what, activation, sizeof activation, err);
    if (status != TM_OK) return status;
    if (tm_json_is_null(tm_json_get(json, "run_as"))) {
        memcpy(config->arch, out->architecture, sizeof config->arch);
        return TM_OK;
    }
    status = copy_text(json, "run_as", what, run_as, sizeof run_as, err);
    if (status != TM_OK) return status;
    if (!tm_config_set_arch(config, run_as))
        return tm_fail(err, TM_FORMAT,
                       "%s: \"run_as\" is \"%s\", which the engine does not support", what, run_as);
    out->is_supported = true;
    if (strcmp(run_as, out->architecture) != 0) return TM_OK;
    if (strcmp(activation, config->relu2 ? "relu2" : "silu") != 0)
        return tm_fail(err, TM_FORMAT, "%s: \"activation\" is \"%s\"; architecture %s has %s", what,
                       activation, run_as, config->relu2 ? "relu2" : "silu");
    return TM_OK;
}

static tm_status read_shape(const tm_json *json, const char *file, int index, tm_shape *out,
                            tm_error *err)
{
    static const char *const known[] = {"name",
                                        "short_name",
                                        "architecture",
                                        "run_as",
                                        "hidden_size",
                                        "intermediate_size",
                                        "layers",
                                        "heads",
                                        "kv_heads",
                                        "head_dim",
                                        "vocab",
                                        "tied_embeddings",
                                        "activation",
                                        "rope_base",
                                        "context",
                                        "epsilon",
                                        "linear_params_non_embedding",
                                        "embedding_params",
                                        "source",
                                        "note",
                                        NULL};
    char what[160];
    const char *name = tm_json_text(tm_json_get(json, "name"), "without a name");
    memset(out, 0, sizeof *out);
    snprintf(what, sizeof what, "%s: model %d (%.64s)", file, index + 1, name);
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "%s: not an object", what);
    tm_status status = tm_json_only_keys(json, known, what, err);
    for (const char *const *key = known; *key && status == TM_OK; key++)
        if (!tm_json_get(json, *key))
            status = tm_fail(err, TM_FORMAT, "%s: \"%s\" is missing", what, *key);
    if (status == TM_OK) status = copy_text(json, "name", what, out->name, sizeof out->name, err);
    if (status == TM_OK)
        status = copy_text(json, "short_name", what, out->short_name, sizeof out->short_name, err);
    if (status == TM_OK)
        status = copy_text(json, "source", what, out->source, sizeof out->source, err);
    if (status == TM_OK) status = copy_text(json, "note", what, out->note, sizeof out->note, err);
    if (status == TM_OK) status = read_sizes(json, what, out, err);
    if (status == TM_OK) status = read_numerics(json, what, &out->config, err);
    if (status == TM_OK) status = read_architecture(json, what, out, err);
    if (status != TM_OK) return status;
    memcpy(out->config.name, out->name, sizeof out->name);
    status = tm_config_check(&out->config, err);
    return status == TM_OK ? TM_OK : tm_fail_in(err, "%s", what);
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
        status = tm_fail(err, TM_FORMAT, "%s: must be a list of at least one model", what);
        goto done;
    }
    out->items = calloc((size_t)n, sizeof *out->items);
    if (!out->items) {
        status = tm_fail(err, TM_NOMEM, "%s: no memory for %d shapes", what, n);
        goto done;
    }
    const tm_json *item = tm_json_at(json, 0);
    for (; status == TM_OK && out->n < n; item = tm_json_next(item)) {
        status = read_shape(item, what, out->n, &out->items[out->n], err);
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
