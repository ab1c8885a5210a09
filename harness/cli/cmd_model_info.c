/* ternmark model info: what a model's file holds. */
#include "engine/weights.h"
#include "harness/cli/cmd_model.h"
#include "harness/measure/shapes.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

tm_status tm_model_file_open(const char *name, uint64_t seed, tm_model_file *out, tm_error *err)
{
    *out = (tm_model_file){.gguf = NULL};
    if (strncmp(name, "synth:", strlen("synth:")) == 0 || access(name, F_OK) != 0)
        return tm_source_open_name(name, seed, &out->source, err);
    tm_status status = tm_gguf_open(name, &out->gguf, err);
    return status == TM_OK ? tm_source_from_gguf(out->gguf, &out->source, err) : status;
}

bool tm_model_tensor(const tm_config *config, int n, tm_role *role, int *layer)
{
    const int n_global = TM_ROLE_ATTN_NORM, n_per_layer = TM_ROLE_COUNT - TM_ROLE_ATTN_NORM;
    bool is_global = n < n_global;
    *role = (tm_role)(is_global ? n : n_global + (n - n_global) % n_per_layer);
    *layer = is_global ? 0 : (n - n_global) / n_per_layer;
    return *layer < config->n_layers;
}

/* One tensor of a model. */
typedef struct row {
    char name[64];
    const char *type; /* in the file */
    int n_rows, n_cols;
    size_t bytes;
    tm_tensor_info info;
    tm_weights weights;
} row;

/* info.present is false for a tensor that the model does not have. */
static tm_status read_row(tm_model_file *file, tm_role role, int layer, row *out, tm_error *err)
{
    tm_source *source = &file->source;
    memset(out, 0, sizeof *out);
    if (!tm_role_present(&source->config, role)) return TM_OK;
    tm_status status = source->describe(source, role, layer, &out->info, err);
    if (status != TM_OK || !out->info.present) return status;
    tm_role_name(role, layer, out->name, sizeof out->name);
    tm_role_shape(&source->config, role, &out->n_rows, &out->n_cols);
    const tm_gguf_tensor *t = file->gguf ? tm_gguf_find_tensor(file->gguf, out->name) : NULL;
    out->type = t ? tm_gguf_stored_type(t) : tm_gguf_type_name(out->info.type);
    out->bytes = t ? t->bytes
                   : tm_gguf_bytes(out->info.type, (const int64_t[]){out->n_cols, out->n_rows}, 2);
    return tm_weights_read(source, role, layer, &out->weights, err);
}

static double zero_share(const row *r)
{
    return (double)r->weights.n_zero / (double)r->weights.n;
}

/* Sums over the tensors. */
typedef struct totals {
    int n_tensors;
    int64_t n_weights;
    size_t bytes;
    uint64_t hash;
} totals;

static void add_row(totals *t, const row *r)
{
    t->n_tensors++;
    t->n_weights += r->weights.n;
    t->bytes += r->bytes;
    t->hash = tm_mix64(t->hash + r->weights.hash);
}

static void print_rope_scaling(const tm_rope_scaling *s, FILE *out)
{
    bool is_long = !s->yarn && s->n_context != 0;
    if (s->factor == 0 && !is_long) return;
    fprintf(out, "rope scaling   %s, factor %g",
            s->yarn   ? "yarn"
            : is_long ? "longrope"
                      : "linear",
            s->factor == 0 ? 1.0 : (double)s->factor);
    if (s->n_context != 0)
        fprintf(out, ", original context %d, attention factor %g", s->n_context,
                (double)tm_rope_attention_factor(s));
    fprintf(out, "\n");
}

static void print_i2_s_layout(const char *name, FILE *out)
{
    bool of_x86 = strcmp(name, "128") == 0;
    if (strcmp(name, "rows") == 0)
        fprintf(out, "I2_S layout    four rows in a byte");
    else
        fprintf(out, "I2_S layout    groups of %s", name);
    fprintf(out, " (--i2s-layout %s for files made on %s)\n", of_x86 ? "64" : "128",
            of_x86 ? "ARM" : "x86");
}

static void print_config(const tm_model_file *file, FILE *out)
{
    const tm_config *c = &file->source.config;
    const tm_gguf_tensor *q =
        file->gguf ? tm_gguf_find_tensor(file->gguf, "blk.0.attn_q.weight") : NULL;
    fprintf(
        out,
        "name           %s\narchitecture   %s\nlayers         %d\nhidden         %d\nffn        "
        "    %d\n"
        "heads          %d (%d for keys and values) of %d\nvocabulary     %d (%s head)\n"
        "rope           base %g, %d of %d, %s\ngate           %s\nsub-norms      %s\n"
        "linear weights %" PRId64 "\n",
        c->name, c->arch, c->n_layers, c->n_hidden, c->n_ffn, c->n_heads, c->n_kv_heads,
        c->head_dim, c->n_vocab, c->tied_head ? "tied" : "separate", (double)c->rope_base, c->n_rot,
        c->head_dim, c->rope_half_split ? "half-split" : "interleaved",
        c->relu2 ? "squared ReLU" : "SiLU", c->sub_norms ? "yes" : "no",
        tm_config_linear_weights(c));
    print_rope_scaling(&c->rope_scaling, out);
    if (c->qk_norms) fprintf(out, "q, k norms     yes\n");
    if (c->embedding_scale != 0)
        fprintf(out, "scales         embedding %g, residual %g, logits 1/%g\n",
                (double)c->embedding_scale, (double)c->residual_scale, (double)c->logit_scale);
    if (q && q->type == TM_GGUF_I2_S && !q->view) print_i2_s_layout(tm_gguf_i2_s_layout(), out);
}

static void print_keys(const tm_gguf *gguf, FILE *out)
{
    fprintf(out, "\n%-48s %-16s value\n", "key", "type");
    for (int i = 0; i < tm_gguf_n_keys(gguf); i++) {
        tm_gguf_key_text text = tm_gguf_print_key(tm_gguf_key_at(gguf, i));
        fprintf(out, "%-48s %-16s %s\n", text.name, text.type, text.value);
    }
}

static void print_row(const row *r, FILE *out)
{
    char scale[24] = "", zeros[24] = "";
    if (r->info.ternary) {
        snprintf(scale, sizeof scale, "%.6g", (double)r->info.scale);
        snprintf(zeros, sizeof zeros, "%.2f", 100 * zero_share(r));
    }
    fprintf(out, "%-28s %-5s %7d %7d %12zu %8s %12s  %016" PRIx64 "%s\n", r->name, r->type,
            r->n_rows, r->n_cols, r->bytes, zeros, scale, r->weights.hash,
            tm_gguf_is_expanded(r->info.type) ? "  expanded to f16 when loaded" : "");
}

static tm_status print_text(tm_model_file *file, FILE *out, tm_error *err)
{
    totals t = {0};
    tm_role role;
    int layer;
    print_config(file, out);
    if (file->gguf) print_keys(file->gguf, out);
    fprintf(out, "\n%-28s %-5s %7s %7s %12s %8s %12s  %s\n", "tensor", "type", "rows", "columns",
            "bytes", "zeros (%)", "scale", "hash");
    for (int n = 0; tm_model_tensor(&file->source.config, n, &role, &layer); n++) {
        row r;
        tm_status status = read_row(file, role, layer, &r, err);
        if (status != TM_OK) return status;
        if (!r.info.present) continue;
        print_row(&r, out);
        add_row(&t, &r);
    }
    fprintf(out, "\n%d tensors, %" PRId64 " weights, %zu bytes, hash %016" PRIx64 "\n", t.n_tensors,
            t.n_weights, t.bytes, t.hash);
    return TM_OK;
}

static tm_json *json_keys(const tm_gguf *gguf)
{
    tm_json *keys = tm_json_array();
    for (int i = 0; gguf && i < tm_gguf_n_keys(gguf); i++) {
        tm_gguf_key_text text = tm_gguf_print_key(tm_gguf_key_at(gguf, i));
        tm_json *entry = tm_json_object();
        tm_json_put_string(entry, "key", text.name);
        tm_json_put_string(entry, "type", text.type);
        tm_json_put_string(entry, "value", text.value);
        tm_json_append(keys, entry);
    }
    return keys;
}

static tm_json *json_hash(uint64_t hash)
{
    char text[20];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return tm_json_string(text);
}

static tm_json *json_row(const row *r)
{
    tm_json *object = tm_json_object();
    tm_json_put_string(object, "name", r->name);
    tm_json_put_string(object, "type", r->type);
    tm_json_put_int(object, "rows", r->n_rows);
    tm_json_put_int(object, "columns", r->n_cols);
    tm_json_put_int(object, "bytes", (int64_t)r->bytes);
    tm_json_put_bool(object, "ternary", r->info.ternary);
    const char *reason = r->info.why_not[0] ? r->info.why_not : "not a matrix of a layer";
    tm_json_put_finite(object, "scale", r->info.ternary ? (double)r->info.scale : (double)NAN,
                       reason);
    tm_json_put_finite(object, "zero_share", r->info.ternary ? zero_share(r) : (double)NAN, reason);
    tm_json_set(object, "hash", json_hash(r->weights.hash));
    return object;
}

static tm_json *json_config(const tm_config *c)
{
    tm_json *object = tm_json_object();
    tm_json_put_string(object, "name", c->name);
    tm_json_put_string(object, "architecture", c->arch);
    tm_json_put_int(object, "layers", c->n_layers);
    tm_json_put_int(object, "hidden", c->n_hidden);
    tm_json_put_int(object, "ffn", c->n_ffn);
    tm_json_put_int(object, "heads", c->n_heads);
    tm_json_put_int(object, "kv_heads", c->n_kv_heads);
    tm_json_put_int(object, "head_dim", c->head_dim);
    tm_json_put_int(object, "vocabulary", c->n_vocab);
    tm_json_put_bool(object, "tied_head", c->tied_head);
    tm_json_put_number(object, "rope_base", (double)c->rope_base);
    tm_json_put_int(object, "linear_weights", tm_config_linear_weights(c));
    return object;
}

static tm_status print_json(tm_model_file *file, FILE *out, tm_error *err)
{
    totals t = {0};
    tm_role role;
    int layer;
    tm_json *object = json_config(&file->source.config), *tensors = tm_json_array();
    tm_status status = TM_OK;
    for (int n = 0; status == TM_OK && tm_model_tensor(&file->source.config, n, &role, &layer);
         n++) {
        row r;
        status = read_row(file, role, layer, &r, err);
        if (status != TM_OK || !r.info.present) continue;
        tm_json_append(tensors, json_row(&r));
        add_row(&t, &r);
    }
    tm_json_put_int(object, "n_tensors", t.n_tensors);
    tm_json_put_int(object, "n_weights", t.n_weights);
    tm_json_put_int(object, "bytes", (int64_t)t.bytes);
    tm_json_set(object, "hash", json_hash(t.hash));
    tm_json_set(object, "keys", json_keys(file->gguf));
    tm_json_set(object, "tensors", tensors);
    if (status == TM_OK) return tm_print_json(out, object, err);
    tm_json_free(object);
    return status;
}

tm_status tm_model_info(const char *name, uint64_t seed, bool is_json, FILE *out, tm_error *err)
{
    tm_model_file file;
    tm_status status = tm_model_file_open(name, seed, &file, err);
    if (status != TM_OK) return status;
    status = is_json ? print_json(&file, out, err) : print_text(&file, out, err);
    tm_source_close(&file.source);
    return status;
}
