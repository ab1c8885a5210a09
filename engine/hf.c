/* A Hugging Face checkpoint as a GGUF reader, with the keys and tensors that a converter would have
 * written. */
#include "engine/hf.h"

#include "engine/hf_private.h"

#include <stdio.h>
#include <stdlib.h>

/* Names in a layer, and outside of layers. Several checkpoints have names of their own. */
static const struct {
    const char *hf, *gguf;
} names[] =
    {
        {"embed_tokens.weight", "token_embd.weight"},
        {"norm.weight", "output_norm.weight"},
        {"lm_head.weight", "output.weight"},
},
  layer_names[] = {
      {"input_layernorm", "attn_norm"},
      {"post_attention_layernorm", "ffn_norm"},
      {"self_attn.q_proj", "attn_q"},
      {"self_attn.k_proj", "attn_k"},
      {"self_attn.v_proj", "attn_v"},
      {"self_attn.o_proj", "attn_output"},
      {"self_attn.q_norm", "attn_q_norm"},
      {"self_attn.k_norm", "attn_k_norm"},
      {"self_attn.attn_sub_norm", "attn_sub_norm"},
      {"self_attn.inner_attn_ln", "attn_sub_norm"},
      {"mlp.gate_proj", "ffn_gate"},
      {"mlp.up_proj", "ffn_up"},
      {"mlp.down_proj", "ffn_down"},
      {"mlp.ffn_sub_norm", "ffn_sub_norm"},
      {"mlp.ffn_layernorm", "ffn_sub_norm"},
};

#define MAX_NAME 64 /* of a GGUF tensor, with its NUL */

/* "model.layers.3.mlp.up_proj.weight" becomes "blk.3.ffn_up.weight"; other names stay, cut to
 * MAX_NAME. *is_matrix: it is one of a layer's seven matrices. */
static void translate(const char *hf, char out[MAX_NAME], bool *is_matrix)
{
    int layer, n = 0;
    const char *name = strncmp(hf, "model.", 6) == 0 ? hf + 6 : hf;
    *is_matrix = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].hf) == 0) {
            snprintf(out, MAX_NAME, "%s", names[i].gguf);
            return;
        }
    if (sscanf(name, "layers.%5d.%n", &layer, &n) == 1 && n && layer >= 0) {
        name += n;
        for (size_t i = 0; i < sizeof layer_names / sizeof layer_names[0]; i++) {
            size_t length = strlen(layer_names[i].hf);
            if (strncmp(name, layer_names[i].hf, length) != 0 || name[length] != '.') continue;
            snprintf(out, MAX_NAME, "blk.%d.%.16s%.24s", layer, layer_names[i].gguf, name + length);
            *is_matrix = tm_hf_ends(hf, "_proj.weight");
            return;
        }
    }
    snprintf(out, MAX_NAME, "%.63s", hf);
}

static bool float_type(tm_safetensors_type type, tm_gguf_type *out)
{
    switch (type) {
    case TM_SAFETENSORS_F32:
        *out = TM_GGUF_F32;
        return true;
    case TM_SAFETENSORS_F16:
        *out = TM_GGUF_F16;
        return true;
    case TM_SAFETENSORS_BF16:
        *out = TM_GGUF_BF16;
        return true;
    default:
        return false;
    }
}

/* Whether modules_to_not_convert has a part of the name. */
static bool is_excluded(const tm_hf_checkpoint *c, const char *name)
{
    tm_json_text item;
    char part[128];
    for (size_t cursor = 0; tm_json_text_next(c->config.not_converted, &cursor, NULL, &item);)
        if (tm_json_text_copy(item, part, sizeof part) && strstr(name, part)) return true;
    return false;
}

/* The scale beside a packed matrix. */
static tm_status read_scale(tm_hf_checkpoint *c, const char *weight, float *out, tm_error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%.500s_scale", weight);
    const tm_hf_member *m = tm_hf_find(c, (tm_gguf_string){name, strlen(name)});
    tm_gguf_type type;
    if (!m) return tm_fail(err, TM_FORMAT, "it is packed, but tensor '%.80s' is missing", name);
    size_t size = float_type(m->tensor->type, &type) ? type == TM_GGUF_F32 ? 4 : 2 : 0;
    if (!size || m->tensor->bytes != size)
        return tm_fail(err, TM_FORMAT, "tensor '%.80s' must be one value of F32, F16 or BF16",
                       name);
    tm_gguf_tensor one = {
        .type = type, .ne = {1, 1, 1, 1}, .data = m->file->data + m->tensor->offset, .bytes = size};
    float scale;
    tm_gguf_read_floats(&one, 0, 1, &scale);
    float weight_scale = c->config.divides ? 1.0f / scale : scale;
    if (!(weight_scale > 0) || weight_scale - weight_scale != 0)
        return tm_fail(err, TM_FORMAT, "tensor '%.80s' is %g; it must be finite and above 0", name,
                       (double)scale);
    *out = weight_scale;
    return TM_OK;
}

static tm_status pack_view(tm_hf_checkpoint *c, const char *name, tm_gguf_tensor *t,
                           tm_gguf_view *v, tm_error *err)
{
    if (!c->config.has_packing)
        return tm_fail(err, TM_FORMAT,
                       "it is packed, but config.json has no quantization_config, which tells "
                       "whether its scale multiplies or divides");
    v->is_packed = true;
    t->type = TM_GGUF_I2_S;
    if (__builtin_mul_overflow(t->ne[1], 4, &t->ne[1]))
        return tm_fail(err, TM_FORMAT, "its shape overflows");
    return read_scale(c, name, &v->scale, err);
}

/* Sets type, shape, data and, where one is needed, the view of a tensor that has its name. */
static tm_status bind(tm_hf_checkpoint *c, const char *hf, bool is_matrix, const tm_hf_member *m,
                      tm_gguf_tensor *t, tm_gguf_view *v, tm_error *err)
{
    const tm_safetensor *s = m->tensor;
    tm_gguf_type type = TM_GGUF_F32;
    t->n_dims = s->n_dims;
    t->ne[0] = t->ne[1] = t->ne[2] = t->ne[3] = 1;
    for (int i = 0; i < s->n_dims; i++) t->ne[i] = s->shape[s->n_dims - 1 - i];
    t->data = m->file->data + s->offset;
    t->bytes = s->bytes;
    t->gguf = m->file;
    if (s->bytes == 0) return tm_fail(err, TM_FORMAT, "it is empty");
    bool is_packed = s->type == TM_SAFETENSORS_U8 && is_matrix && s->n_dims == 2;
    if (!is_packed && !float_type(s->type, &type))
        return tm_fail(err, TM_UNSUPPORTED,
                       "its dtype is %s; supported are F32, F16, BF16 and matrices packed in U8",
                       tm_safetensors_type_name(s->type));
    t->type = type;
    v->stored = *t;
    if (is_packed) {
        tm_status status = pack_view(c, hf, t, v, err);
        if (status != TM_OK) return status;
    }
    if (is_matrix && !is_packed && c->config.rounds && !is_excluded(c, hf)) {
        v->may_round = true;
        t->type = TM_GGUF_I2_S;
    }
    bool is_q = tm_hf_ends(t->name.data, ".attn_q.weight"),
         is_k = tm_hf_ends(t->name.data, ".attn_k.weight");
    int heads = is_q ? c->config.n_heads : c->config.n_kv_heads;
    if (c->config.is_interleaved && (is_q || is_k)) {
        if (t->ne[1] % (2 * heads))
            return tm_fail(err, TM_FORMAT, "its %lld rows are not %d heads of an even size",
                           (long long)t->ne[1], heads);
        v->head_dim = (int)(t->ne[1] / heads);
    }
    if (v->is_packed || v->may_round || v->head_dim) t->view = v;
    return TM_OK;
}

static int compare_tensor_names(const void *a, const void *b)
{
    return tm_gguf_compare_names((*(const tm_gguf_tensor *const *)a)->name,
                                 (*(const tm_gguf_tensor *const *)b)->name);
}

static tm_status index_tensors(tm_gguf *g, tm_error *err)
{
    size_t n = (size_t)g->n_tensors;
    char quoted[TM_GGUF_QUOTED];
    tm_status status =
        tm_alloc((void **)&g->by_name, n, sizeof *g->by_name, "the model's tensors", err);
    if (status != TM_OK) return status;
    for (size_t i = 0; i < n; i++) g->by_name[i] = &g->tensors[i];
    qsort(g->by_name, n, sizeof *g->by_name, compare_tensor_names);
    for (size_t i = 1; i < n; i++)
        if (compare_tensor_names(&g->by_name[i - 1], &g->by_name[i]) == 0)
            return tm_fail(err, TM_FORMAT, "%s: tensor %s is there under two names", g->path,
                           tm_gguf_quote(g->by_name[i]->name, quoted));
    return TM_OK;
}

/* Whether a tensor is no weight of the model: scales, which belong to others, tables that are
 * computed, and a head that is the embedding. */
static bool is_ignored(const tm_hf_checkpoint *c, const char *name)
{
    return tm_hf_ends(name, ".weight_scale") || tm_hf_ends(name, ".rotary_emb.inv_freq") ||
           (c->config.is_tied && strcmp(name, "lm_head.weight") == 0);
}

static tm_status bind_all(tm_hf_checkpoint *c, tm_gguf *g, tm_error *err)
{
    size_t n = c->n_members;
    tm_status status = tm_alloc((void **)&g->tensors, n, sizeof *g->tensors, "tensors", err);
    if (status == TM_OK) status = tm_alloc((void **)&g->views, n, sizeof *g->views, "tensors", err);
    if (status == TM_OK) status = tm_alloc((void **)&g->names, n, MAX_NAME, "tensors", err);
    for (size_t i = 0; status == TM_OK && i < n; i++) {
        char hf[512];
        bool is_matrix;
        const tm_hf_member *m = &c->members[i];
        tm_gguf_string name = m->tensor->name;
        tm_gguf_tensor *t = &g->tensors[g->n_tensors];
        snprintf(hf, sizeof hf, "%.*s", (int)(name.length < 500 ? name.length : 500), name.data);
        if (is_ignored(c, hf)) continue;
        char *own = g->names + (size_t)g->n_tensors * MAX_NAME;
        translate(hf, own, &is_matrix);
        t->name = (tm_gguf_string){own, strlen(own)};
        status = bind(c, hf, is_matrix, m, t, &g->views[g->n_tensors], err);
        if (status == TM_OK)
            g->n_tensors++;
        else
            tm_fail_in(err, "%s: tensor '%.80s'", m->file->path, hf);
    }
    return status == TM_OK && g->n_tensors ? index_tensors(g, err) : status;
}

/* Rows of the embedding, or 0 without one. The vocabulary may have another size. */
static int64_t embedding_rows(const tm_hf_checkpoint *c)
{
    static const char *const spellings[] = {"model.embed_tokens.weight", "embed_tokens.weight"};
    for (int i = 0; i < 2; i++) {
        const tm_hf_member *m = tm_hf_find(c, (tm_gguf_string){spellings[i], strlen(spellings[i])});
        if (!m || m->tensor->n_dims != 2) continue;
        /* Rows without columns could be any number, and memory is taken for each. */
        int64_t n = m->tensor->shape[0];
        return (uint64_t)n <= m->tensor->bytes ? n : 0;
    }
    return 0;
}

static tm_status put_config(tm_hf_checkpoint *c, tm_gguf_writer *w, tm_error *err)
{
    char name[96];
    tm_hf_name(c->folder, name, sizeof name);
    tm_status status = tm_hf_put_config(w, c->json.text, name, &c->config, err);
    return status == TM_OK ? TM_OK : tm_fail_in(err, "%s", c->json.file->path);
}

/* Since 2025 the template has a file of its own. */
static tm_status put_template(const tm_hf_checkpoint *c, tm_gguf_writer *w, tm_error *err)
{
    tm_gguf *file;
    tm_error missing;
    char *path = NULL;
    tm_status status = tm_hf_join(c->folder, "chat_template.jinja", &path, err);
    if (status != TM_OK) return status;
    if (tm_gguf_map(path, 1, "a template", &file, &missing) == TM_OK) {
        tm_gguf_string text = {(const char *)file->data, file->size};
        tm_gguf_put_string(w, "tokenizer.chat_template", text);
        tm_gguf_close(file);
    }
    tm_free(path);
    return TM_OK;
}

static tm_status put_tokenizer(const tm_hf_checkpoint *c, tm_gguf_writer *w, tm_error *err)
{
    tm_hf_json tokenizer = {0}, settings = {0}, generation = {0};
    tm_status status = tm_hf_json_open(c->folder, "tokenizer.json", false, &tokenizer, err);
    if (status == TM_OK && !tokenizer.file)
        status = tm_fail(err, TM_IO, "%s has no tokenizer.json", c->folder);
    if (status == TM_OK)
        status = tm_hf_json_open(c->folder, "tokenizer_config.json", false, &settings, err);
    if (status == TM_OK)
        status = tm_hf_json_open(c->folder, "generation_config.json", false, &generation, err);
    if (status == TM_OK) {
        status = tm_hf_put_tokenizer(w, tokenizer.text, settings.text, generation.text,
                                     embedding_rows(c), err);
        if (status != TM_OK) tm_fail_in(err, "%s", tokenizer.file->path);
    }
    if (status == TM_OK && tm_json_text_is_null(tm_json_text_get(settings.text, "chat_template")))
        status = put_template(c, w, err);
    tm_hf_json_close(&generation);
    tm_hf_json_close(&settings);
    tm_hf_json_close(&tokenizer);
    return status;
}

/* The keys as a GGUF reader, which has no tensors yet. why_not: put in place of a tokenizer; ""
 * puts the tokenizer. */
static tm_status make_reader(tm_hf_checkpoint *c, char *why_not, size_t size, tm_gguf **out,
                             tm_error *err)
{
    tm_gguf_writer *w;
    tm_status status = tm_gguf_create(-1, c->folder, &w, err);
    if (status != TM_OK) return status;
    status = put_config(c, w, err);
    if (status == TM_OK && why_not[0]) {
        tm_gguf_put_str(w, TM_GGUF_TOKENIZER_MISSING, why_not);
    } else if (status == TM_OK) {
        status = put_tokenizer(c, w, err);
        if (status != TM_OK && status != TM_NOMEM) snprintf(why_not, size, "%s", err->message);
    }
    if (status == TM_OK) return tm_gguf_finish_in_memory(w, out, err);
    tm_gguf_abandon(w);
    return status;
}

/* A tokenizer that cannot be read does not keep the model from being measured. */
static tm_status read_keys(tm_hf_checkpoint *c, tm_gguf **out, tm_error *err)
{
    char why_not[sizeof err->message] = "";
    tm_status status = make_reader(c, why_not, sizeof why_not, out, err);
    return why_not[0] ? make_reader(c, why_not, sizeof why_not, out, err) : status;
}

/* Moves the maps of all files to the reader. */
static tm_status give_files(tm_hf_checkpoint *c, tm_gguf *g, tm_error *err)
{
    tm_status status = tm_alloc((void **)&g->others, (size_t)c->n_files + 1, sizeof *g->others,
                                "the model's files", err);
    if (status != TM_OK) return status;
    g->others[g->n_others++] = c->json.file;
    c->json.file = NULL;
    for (int i = 0; i < c->n_files; i++) {
        g->others[g->n_others++] = c->files[i];
        c->files[i] = NULL;
    }
    return TM_OK;
}

tm_status tm_hf_open(const char *path, tm_gguf **out, tm_error *err)
{
    tm_error local = {0};
    if (!err) err = &local; /* the tokenizer's message is kept */
    tm_hf_checkpoint c = {0};
    tm_gguf *g = NULL;
    tm_status status = tm_hf_open_files(path, &c, err);
    if (status == TM_OK) status = read_keys(&c, &g, err);
    if (status == TM_OK) status = bind_all(&c, g, err);
    if (status == TM_OK) status = give_files(&c, g, err);
    tm_hf_close_files(&c);
    if (status == TM_OK)
        *out = g;
    else
        tm_gguf_close(g);
    return status;
}
