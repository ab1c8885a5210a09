#include "harness/measure/shapes.h"

#include "engine/hf.h"
#include "harness/base/embedded.h"
#include "harness/base/json_reader.h"
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

/* Values of a synthetic model where models.json has null because none is published. */
#define DEFAULT_ROPE_BASE 10000.0
#define DEFAULT_EPSILON   1e-5

/* A required number above 0 that may be null. */
static double read_positive_or(tm_json_reader *r, const char *key, double otherwise)
{
    return tm_json_is_null(tm_json_get(r->json, key)) ? otherwise : tm_read_number(r, key, 0, 1e30);
}

/* The sizes of the matrices, and the numbers of weights that were published with them. */
static void read_sizes(tm_json_reader *r, tm_shape *out)
{
    tm_config *config = &out->config;
    const struct {
        const char *key;
        int *target;
    } numbers[] = {{"hidden_size", &config->n_hidden}, {"intermediate_size", &config->n_ffn},
                   {"layers", &config->n_layers},      {"heads", &config->n_heads},
                   {"kv_heads", &config->n_kv_heads},  {"head_dim", &config->head_dim},
                   {"vocab", &config->n_vocab}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i].target = (int)tm_read_int(r, numbers[i].key, 1, INT_MAX);
    out->linear_weights = tm_read_int(r, "linear_params_non_embedding", 1, 1ll << 50);
    out->embedding_weights = tm_read_int(r, "embedding_params", 1, 1ll << 50);
    config->n_rot = config->head_dim; /* every published shape rotates whole heads */
}

/* "run_as" may name another architecture than the model's own, one with the same matrices; null
 * means that the engine cannot run the shape. */
static void read_architecture(tm_json_reader *r, tm_shape *out)
{
    tm_config *config = &out->config;
    char activation[8] = "", run_as[sizeof config->arch] = "";
    tm_read_text(r, "architecture", out->architecture, sizeof out->architecture);
    tm_read_text(r, "activation", activation, sizeof activation);
    if (tm_json_is_null(tm_json_get(r->json, "run_as"))) {
        memcpy(config->arch, out->architecture, sizeof config->arch);
        return;
    }
    tm_read_text(r, "run_as", run_as, sizeof run_as);
    if (r->status != TM_OK) return;
    out->is_supported = tm_config_set_arch(config, run_as);
    const char *gate = config->relu2 ? "relu2" : "silu";
    if (!out->is_supported)
        tm_read_fail(r, "\"run_as\" is \"%s\", which the engine does not support", run_as);
    else if (strcmp(run_as, out->architecture) == 0 && strcmp(activation, gate) != 0)
        tm_read_fail(r, "\"activation\" is \"%s\"; architecture %s has %s", activation, run_as,
                     gate);
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
                                        "ternary_tables",
                                        NULL};
    tm_config *config = &out->config;
    char what[160];
    const char *name = tm_json_text(tm_json_get(json, "name"), "without a name");
    memset(out, 0, sizeof *out);
    snprintf(what, sizeof what, "%s: model %d (%.64s)", file, index + 1, name);
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "%s: not an object", what);
    tm_json_reader r = {.json = json, .err = err, .what = what};
    tm_read_only_keys(&r, known);
    const bool has_tables = tm_json_get(json, "ternary_tables");
    for (const char *const *key = known; key[1]; key++) /* the last may be missing */
        if (!tm_json_get(json, *key)) tm_read_fail(&r, "\"%s\" is missing", *key);
    tm_read_text(&r, "name", out->name, sizeof out->name);
    tm_read_text(&r, "short_name", out->short_name, sizeof out->short_name);
    tm_read_text(&r, "source", out->source, sizeof out->source);
    tm_read_text(&r, "note", out->note, sizeof out->note);
    read_sizes(&r, out);
    read_architecture(&r, out);
    config->tied_head = tm_read_bool(&r, "tied_embeddings");
    config->ternary_tables = has_tables && tm_read_bool(&r, "ternary_tables");
    config->rope_base = (float)read_positive_or(&r, "rope_base", DEFAULT_ROPE_BASE);
    config->rms_epsilon = (float)read_positive_or(&r, "epsilon", DEFAULT_EPSILON);
    if (!tm_json_is_null(tm_json_get(json, "context")))
        config->n_context = (int)tm_read_int(&r, "context", 1, INT_MAX);
    if (r.status != TM_OK) return r.status;
    tm_config_set_default_scales(config);
    memcpy(config->name, out->name, sizeof out->name);
    tm_status status = tm_config_check(config, err);
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

/* "bitnet_b1_58-large" is enough for "bitnet_b1_58-large (700M)". */
static bool has_name(const char *full, const char *name)
{
    size_t n = strlen(name);
    if (strncasecmp(full, name, n) != 0) return false;
    return !full[n] || (n > 0 && strncmp(full + n, " (", 2) == 0);
}

const tm_shape *tm_shapes_find(const tm_shapes *shapes, const char *name)
{
    for (int i = 0; i < shapes->n; i++) {
        const tm_shape *shape = &shapes->items[i];
        if (has_name(shape->name, name) || has_name(shape->short_name, name)) return shape;
    }
    return NULL;
}

void tm_model_own_name(const char *model, char *text, size_t size)
{
    tm_shapes shapes;
    tm_error ignored;
    snprintf(text, size, "%s", model);
    if (strncmp(model, SYNTH, strlen(SYNTH)) != 0 || tm_shapes_read(&shapes, &ignored) != TM_OK)
        return;
    const tm_shape *shape = tm_shapes_find(&shapes, model + strlen(SYNTH));
    if (shape) snprintf(text, size, SYNTH "%s", shape->short_name);
    tm_shapes_free(&shapes);
}

/* A shape that runs as another architecture than its own says nothing about files of either. */
static bool is_of_shape(const tm_config *c, const tm_shape *shape)
{
    const tm_config *s = &shape->config;
    return shape->is_supported && strcmp(shape->architecture, s->arch) == 0 &&
           c->rope_half_split == s->rope_half_split && c->sub_norms == s->sub_norms &&
           c->qk_norms == s->qk_norms && (c->logit_scale != 0) == (s->logit_scale != 0) &&
           c->relu2 == s->relu2 && c->n_hidden == s->n_hidden && c->n_ffn == s->n_ffn &&
           c->n_layers == s->n_layers && c->n_heads == s->n_heads &&
           c->n_kv_heads == s->n_kv_heads && c->head_dim == s->head_dim && c->n_rot == s->n_rot &&
           c->n_vocab == s->n_vocab && c->tied_head == s->tied_head;
}

void tm_model_shape(const char *model, const tm_config *config, char *text, size_t size)
{
    tm_shapes shapes;
    tm_error ignored;
    const bool is_synthetic = strncmp(model, SYNTH, strlen(SYNTH)) == 0;
    if (size) text[0] = '\0';
    if (tm_shapes_read(&shapes, &ignored) != TM_OK) return;
    const tm_shape *shape = is_synthetic ? tm_shapes_find(&shapes, model + strlen(SYNTH)) : NULL;
    for (int i = 0; i < shapes.n && !is_synthetic && !shape; i++)
        if (is_of_shape(config, &shapes.items[i])) shape = &shapes.items[i];
    if (shape) snprintf(text, size, "%s", shape->short_name);
    tm_shapes_free(&shapes);
}

static tm_status unknown_shape(const tm_shapes *shapes, const char *name, tm_error *err)
{
    const char **names = calloc((size_t)shapes->n * 2 + 1, sizeof *names);
    if (!names) return tm_fail(err, TM_NOMEM, "no memory for %d names", shapes->n * 2);
    for (int i = 0, n = 0; i < shapes->n; i++) {
        const tm_shape *shape = &shapes->items[i];
        names[n++] = shape->short_name;
        if (strcmp(shape->name, shape->short_name) != 0) names[n++] = shape->name;
    }
    tm_status status = tm_unknown_name(err, "model shape", name, names);
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
    tm_config config;
    if (strncmp(model, SYNTH, strlen(SYNTH)) != 0) {
        tm_error ignored;
        bool is_shape =
            access(model, F_OK) != 0 && tm_shape_config(model, &config, &ignored) == TM_OK;
        if (is_shape)
            return tm_fail(err, TM_IO, "%s: no such file; for synthetic weights use " SYNTH "%s",
                           model, model);
        return tm_source_open_gguf(model, out, err);
    }
    tm_status status = tm_shape_config(model + strlen(SYNTH), &config, err);
    return status == TM_OK ? tm_source_open_synth(&config, seed, out, err) : status;
}

/* Size, first and last 64 KiB, and 64 blocks of 4 KiB spread evenly between. */
static tm_status hash_file(const char *path, uint64_t *hash, tm_error *err)
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
    *hash = tm_hash(*hash, &st.st_size, sizeof st.st_size);
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
        *hash = tm_hash(*hash, bytes, (size_t)got);
    }
    close(fd);
    return TM_OK;
}

/* Of config.json and all files of weights, wherever the checkpoint lies. */
static tm_status hash_checkpoint(const char *path, uint64_t *hash, tm_error *err)
{
    tm_gguf *gguf;
    tm_status status = tm_gguf_open(path, &gguf, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < tm_gguf_n_files(gguf) && status == TM_OK; i++)
        status = hash_file(tm_gguf_file_path(gguf, i), hash, err);
    tm_gguf_close(gguf);
    return status;
}

/* Of all parts of a split model, whichever is named. Opening the model names a missing one. */
static tm_status hash_parts(const char *path, uint64_t *hash, tm_error *err)
{
    int index, n_parts = tm_gguf_name_parts(path, &index);
    char *part = NULL;
    tm_status status = tm_alloc((void **)&part, strlen(path) + 1, 1, "a path", err);
    for (int i = 0; i < n_parts && status == TM_OK; i++) {
        if (i == index) {
            status = hash_file(path, hash, err);
            continue;
        }
        tm_gguf_name_part(path, i, part);
        if (access(part, F_OK) == 0) status = hash_file(part, hash, err);
    }
    tm_free(part);
    return status;
}

static tm_status file_identity(const char *path, char *text, size_t size, tm_error *err)
{
    uint64_t hash = TM_HASH_START;
    tm_status status = tm_hf_is_checkpoint(path) ? hash_checkpoint(path, &hash, err)
                                                 : hash_parts(path, &hash, err);
    bool is_other_layout = strcmp(tm_gguf_i2_s_layout(), "128") != 0;
    snprintf(text, size, "file %016llx%s%s", (unsigned long long)hash,
             is_other_layout ? " I2_S in groups of " : "",
             is_other_layout ? tm_gguf_i2_s_layout() : "");
    return status;
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
