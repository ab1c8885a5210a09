/* ternmark model: makes a synthetic model file, or shows what a model holds. */
#include "engine/model.h"
#include "harness/base/atomic_file.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/shapes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

typedef struct writing {
    tm_source source;
    tm_gguf_type type;
    const char *path;
    tm_atomic_file file;
    tm_status status;
    tm_error err;
} writing;

static void write_source(void *arg)
{
    writing *w = arg;
    w->status = tm_source_write_gguf(&w->source, w->type, w->file.fd, w->path, &w->err);
}

/* Leaves the program on an interrupt: the thread that writes uses what would be freed. */
static tm_status write_file(writing *w, tm_error *err)
{
    tm_status status = tm_atomic_file_open(w->path, &w->file, err);
    if (status != TM_OK) return status;
    tm_interrupt interrupt = tm_interrupt_open();
    if (!tm_interrupt_run(&interrupt, write_source, w)) {
        tm_atomic_file_abandon(&w->file);
        fprintf(stderr, "ternmark model: interrupted; %s is not written\n", w->path);
        _exit(tm_interrupt_exit_status(&interrupt));
    }
    if (w->status == TM_OK) return tm_atomic_file_commit(&w->file, err);
    tm_atomic_file_abandon(&w->file);
    *err = w->err;
    return w->status;
}

/* arch: NULL for the shape's own. */
static tm_status make(const char *name, const char *type_text, const char *arch, const char *output,
                      uint64_t seed, tm_error *err)
{
    writing w = {.path = output};
    tm_config config;
    if (!output) return tm_fail(err, TM_ARG, "--output is missing; it names the file to write");
    if (!tm_gguf_type_find(type_text, &w.type))
        return tm_fail(err, TM_ARG,
                       "--type is \"%s\"; it must be f32, f16, bf16, tq1_0, tq2_0 or i2_s",
                       type_text);
    tm_status status =
        tm_shape_config(strncmp(name, "synth:", 6) == 0 ? name + 6 : name, &config, err);
    char names[80];
    if (status == TM_OK && arch && !tm_config_set_arch(&config, arch))
        status = tm_fail(err, TM_ARG, "--arch is \"%s\"; supported are %s", arch,
                         tm_config_arch_names(names, sizeof names));
    if (status == TM_OK) status = tm_source_open_synth(&config, seed, &w.source, err);
    if (status != TM_OK) return status;
    status = write_file(&w, err);
    tm_source_close(&w.source);
    if (status == TM_OK) fprintf(stderr, "wrote %s\n", output);
    return status;
}

static tm_status show(const char *name, uint64_t seed, FILE *out, tm_error *err)
{
    tm_source source;
    tm_status status = tm_source_open_name(name, seed, &source, err);
    if (status != TM_OK) return status;
    const tm_config *c = &source.config;
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
    if (source.type(&source, TM_ROLE_Q, 0) == TM_GGUF_I2_S && source.stored)
        fprintf(out, "I2_S layout    groups of %d (--i2s-layout %d for files made on %s)\n",
                tm_gguf_i2_s_layout(), tm_gguf_i2_s_layout() == 128 ? 64 : 128,
                tm_gguf_i2_s_layout() == 128 ? "ARM" : "x86");
    for (int role = 0; status == TM_OK && role < TM_ROLE_COUNT; role++) {
        tm_tensor_info info;
        int rows, cols;
        if (!tm_role_present(c, (tm_role)role)) continue;
        status = source.describe(&source, (tm_role)role, 0, &info, err);
        if (status != TM_OK || !info.present) continue;
        tm_role_shape(c, (tm_role)role, &rows, &cols);
        char tensor[64];
        tm_role_name((tm_role)role, 0, tensor, sizeof tensor);
        fprintf(out, "  %-28s [%d][%d] %s", tensor, rows, cols, tm_gguf_type_name(info.type));
        if (info.ternary) fprintf(out, ", ternary x %g", (double)info.scale);
        if (tm_gguf_is_expanded(info.type)) fprintf(out, ", expanded to f16 when loaded");
        fprintf(out, "\n");
    }
    tm_source_close(&source);
    return status;
}

/* path: the file that gets the text; NULL: `out` gets it. */
static tm_status show_in(const char *path, const char *name, uint64_t seed, FILE *out,
                         tm_error *err)
{
    char *text = NULL;
    size_t length = 0;
    if (!path) return show(name, seed, out, err);
    tm_status status = tm_atomic_file_check(path, err);
    if (status != TM_OK) return status;
    FILE *file = open_memstream(&text, &length);
    if (!file) return tm_fail(err, TM_NOMEM, "no memory for the output");
    status = show(name, seed, file, err);
    if (fclose(file) != 0 && status == TM_OK)
        status = tm_fail(err, TM_NOMEM, "no memory for the output");
    if (status == TM_OK) status = tm_atomic_file_write(path, text, length, err);
    free(text);
    return status;
}

typedef struct settings {
    const char *output, *type, *arch;
    int64_t seed;
} settings;

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const char *action = call->arguments[0], *name = call->arguments[1];
    if (strcmp(action, "make") == 0)
        return make(name, s->type, s->arch, s->output, (uint64_t)s->seed, err);
    if (strcmp(action, "show") == 0)
        return show_in(s->output, name, (uint64_t)s->seed, call->out, err);
    return tm_fail(err, TM_ARG, "\"%s\" is not an action; expected make or show", action);
}

static const char *const *actions(void)
{
    static const char *const names[] = {"make", "show", NULL};
    return names;
}

static const tm_option rows[] = {
    {"output", "o", TM_FILE(settings, output), "FILE",
     .help = "make: write this GGUF file; show: write to FILE instead of standard output"},
    {"type", NULL, TM_TEXT(settings, type), "TYPE",
     .help =
         "make: type of the linear weights: f32, f16, bf16, tq1_0, tq2_0 or i2_s (default i2_s)"},
    {"arch", NULL, TM_TEXT(settings, arch), "NAME",
     .help = "make: write another architecture, for programs that lack the shape's own"},
    {"seed", NULL, TM_INTEGER(settings, seed), "N",
     .help = "seed for the random weights (default 1)", .high = TM_SEED_MAX},
    {0},
};

const tm_command tm_command_model = {
    .name = "model",
    .synopsis = "make NAME -o FILE.gguf [--type TYPE] [--arch NAME] | show MODEL [-o FILE]",
    .summary = "write a synthetic model file, or show a model's tensors",
    .description =
        "Writes a GGUF file with random weights of a published shape, or shows the "
        "sizes and tensors "
        "of a model.\n"
        "No I2_S file tells whether it was made on x86 or ARM. If a model makes no sense, try "
        "--i2s-layout 64.",
    .examples = "ternmark model make 125M -o small.gguf --type i2_s\n"
                "ternmark model show small.gguf",
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_names = actions,
    .argument_is_file = true,
    .min_arguments = 2,
    .max_arguments = 2,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.type = "i2_s", .seed = 1},
    .run = run,
};
