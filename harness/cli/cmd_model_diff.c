/* ternmark model diff: which keys, tensors and weights of two models differ. */
#include "engine/weights.h"
#include "harness/cli/cmd_model.h"

#include <inttypes.h>
#include <string.h>

/* Where the differences go: lines, or items of a JSON array. */
typedef struct output {
    FILE *lines; /* NULL: JSON */
    tm_json *items;
    int n_keys, n_tensors, n_weights; /* keys and tensors that differ, tensors with other weights */
} output;

/* left, right: NULL: that model lacks it. */
static void report(output *o, const char *kind, const char *name, const char *what,
                   const char *left, const char *right)
{
    if (o->lines) {
        fprintf(o->lines, "%s %s: %s: %s / %s\n", kind, name, what, left ? left : "missing",
                right ? right : "missing");
        return;
    }
    tm_json *item = tm_json_object();
    tm_json_put_string(item, "kind", kind);
    tm_json_put_string(item, "name", name);
    tm_json_put_string(item, "difference", what);
    tm_json_put_string(item, "a", left);
    tm_json_put_string(item, "b", right);
    tm_json_append(o->items, item);
}

static void report_weights(output *o, const char *name, int64_t n_weights,
                           const tm_weights_difference *d)
{
    o->n_weights++;
    if (o->lines) {
        fprintf(o->lines, "tensor %s: %" PRId64 " of %" PRId64 " weights differ, by up to %.6g\n",
                name, d->n_different, n_weights, d->largest);
        return;
    }
    tm_json *item = tm_json_object();
    tm_json_put_string(item, "kind", "tensor");
    tm_json_put_string(item, "name", name);
    tm_json_put_string(item, "difference", "weights");
    tm_json_put_int(item, "n_weights", n_weights);
    tm_json_put_int(item, "n_different", d->n_different);
    tm_json_put_number(item, "largest_difference", d->largest);
    tm_json_append(o->items, item);
}

/* a, b: one may be NULL. */
static void compare_key(output *o, const tm_gguf_key *a, const tm_gguf_key *b)
{
    if (a && b && tm_gguf_same_value(a, b)) return;
    tm_gguf_key_text left = {.name = ""}, right = left;
    if (a) left = tm_gguf_print_key(a);
    if (b) right = tm_gguf_print_key(b);
    bool is_type = a && b && strcmp(left.type, right.type) != 0;
    o->n_keys++;
    report(o, "key", a ? left.name : right.name, is_type ? "type" : "value",
           !a        ? NULL
           : is_type ? left.type
                     : left.value,
           !b        ? NULL
           : is_type ? right.type
                     : right.value);
}

/* A synthetic model has no keys. */
static void compare_keys(output *o, const tm_gguf *a, const tm_gguf *b)
{
    for (int i = 0; a && i < tm_gguf_n_keys(a); i++) {
        const tm_gguf_key *key = tm_gguf_key_at(a, i);
        compare_key(o, key, b ? tm_gguf_find_key(b, key->name) : NULL);
    }
    for (int i = 0; b && i < tm_gguf_n_keys(b); i++) {
        const tm_gguf_key *key = tm_gguf_key_at(b, i);
        if (!a || !tm_gguf_find_key(a, key->name)) compare_key(o, NULL, key);
    }
}

/* A tensor of one model. */
typedef struct side {
    tm_tensor_info info; /* not present: the model does not have it */
    int n_rows, n_cols;
    char shape[40];
} side;

static tm_status look(tm_source *source, tm_role role, int layer, side *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    const tm_config *c = &source->config;
    if ((tm_role_is_per_layer(role) && layer >= c->n_layers) || !tm_role_present(c, role))
        return TM_OK;
    tm_role_shape(c, role, &out->n_rows, &out->n_cols);
    snprintf(out->shape, sizeof out->shape, "%d x %d", out->n_rows, out->n_cols);
    return source->describe(source, role, layer, &out->info, err);
}

static tm_status compare_tensor(output *o, tm_source *a, tm_source *b, tm_role role, int layer,
                                bool weights_only, tm_error *err)
{
    char name[64];
    side left, right;
    tm_role_name(role, layer, name, sizeof name);
    tm_status status = look(a, role, layer, &left, err);
    if (status == TM_OK) status = look(b, role, layer, &right, err);
    if (status != TM_OK || (!left.info.present && !right.info.present)) return status;
    if (left.n_rows != right.n_rows || left.n_cols != right.n_cols ||
        left.info.present != right.info.present) {
        report(o, "tensor", name, "shape", left.info.present ? left.shape : NULL,
               right.info.present ? right.shape : NULL);
        o->n_tensors++;
        o->n_weights++;
        return TM_OK;
    }
    bool same_type = left.info.type == right.info.type || weights_only;
    if (!same_type)
        report(o, "tensor", name, "type", tm_gguf_type_name(left.info.type),
               tm_gguf_type_name(right.info.type));
    tm_weights_difference d;
    status = tm_weights_compare(a, b, role, layer, &d, err);
    if (status != TM_OK) return status;
    if (d.n_different > 0) report_weights(o, name, (int64_t)left.n_rows * left.n_cols, &d);
    o->n_tensors += !same_type || d.n_different > 0;
    return TM_OK;
}

static tm_status compare(output *o, tm_model_file files[2], bool weights_only, tm_error *err)
{
    tm_config deeper = files[0].source.config;
    if (files[1].source.config.n_layers > deeper.n_layers) deeper = files[1].source.config;
    tm_status status = TM_OK;
    tm_role role;
    int layer;
    if (!weights_only) compare_keys(o, files[0].gguf, files[1].gguf);
    for (int n = 0; status == TM_OK && tm_model_tensor(&deeper, n, &role, &layer); n++)
        status =
            compare_tensor(o, &files[0].source, &files[1].source, role, layer, weights_only, err);
    return status;
}

static tm_status print(const output *o, bool weights_only, FILE *out, tm_error *err)
{
    if (o->lines && weights_only)
        fprintf(out, "%d tensor%s with different weights\n", o->n_weights, tm_plural(o->n_weights));
    else if (o->lines)
        fprintf(out, "%d key%s and %d tensor%s differ, %d tensor%s in weights\n", o->n_keys,
                tm_plural(o->n_keys), o->n_tensors, tm_plural(o->n_tensors), o->n_weights,
                tm_plural(o->n_weights));
    if (o->lines) return TM_OK;
    tm_json *object = tm_json_object();
    tm_json_put_bool(object, "equal", o->n_keys + o->n_tensors == 0);
    tm_json_put_bool(object, "equal_weights", o->n_weights == 0);
    tm_json_set(object, "differences", o->items);
    return tm_print_json(out, object, err);
}

tm_status tm_model_diff(const char *const names[2], uint64_t seed, bool weights_only, bool is_json,
                        FILE *out, bool *equal, tm_error *err)
{
    output o = {.lines = is_json ? NULL : out};
    tm_model_file files[2];
    tm_status status = tm_model_file_open(names[0], seed, &files[0], err);
    if (status != TM_OK) return status;
    status = tm_model_file_open(names[1], seed, &files[1], err);
    if (status == TM_OK) {
        if (is_json) o.items = tm_json_array();
        status = compare(&o, files, weights_only, err);
        if (status == TM_OK) {
            status = print(&o, weights_only, out, err);
            *equal = weights_only ? o.n_weights == 0 : o.n_keys + o.n_tensors == 0;
        } else {
            tm_json_free(o.items);
        }
        tm_source_close(&files[1].source);
    }
    tm_source_close(&files[0].source);
    return status;
}
