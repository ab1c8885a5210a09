/* ternmark model: makes a synthetic model file, shows, compares and converts models. */
#include "engine/convert.h"
#include "harness/base/atomic_file.h"
#include "harness/cli/cmd_model.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MATRIX_TYPES                                                                               \
    "f32, f16, bf16, tq1_0, tq2_0, q1_0, q2_0, pq2_0, ptq1_0, iq1_bn, iq2_bn or i2_s"
#define TABLE_TYPES "f32, f16, bf16, q8_0, q6_k or q4_0"

typedef struct writing {
    tm_source source;
    const tm_gguf *gguf; /* borrowed: whose keys are kept; NULL: synthetic */
    tm_convert_options options;
    const char *path;
    tm_atomic_file file;
    int n_f16;
    tm_status status;
    tm_error err;
} writing;

static void write_source(void *arg)
{
    writing *w = arg;
    w->status =
        w->gguf ? tm_convert_gguf(&w->source, w->gguf, &w->options, w->file.fd, w->path, &w->n_f16,
                                  &w->err)
                : tm_source_write_gguf(&w->source, w->options.type, w->file.fd, w->path, &w->err);
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

typedef struct settings {
    const char *output, *type, *arch, *format, *table_type, *quantize, *i2_s_layout;
    int64_t seed;
    bool weights;
} settings;

static tm_status find_type(const char *option, const char *text, const char *names,
                           tm_gguf_type *out, tm_error *err)
{
    if (tm_gguf_type_find(text, out)) return TM_OK;
    return tm_fail(err, TM_ARG, "%s is \"%s\"; it must be %s", option, text, names);
}

static tm_status make(const settings *s, const char *name, tm_error *err)
{
    writing w = {.path = s->output};
    tm_config config;
    char names[80];
    if (!s->output) return tm_fail(err, TM_ARG, "--output is missing; it names the file to write");
    tm_status status =
        find_type("--type", s->type ? s->type : "i2_s", MATRIX_TYPES, &w.options.type, err);
    if (status == TM_OK)
        status = tm_shape_config(strncmp(name, "synth:", 6) == 0 ? name + 6 : name, &config, err);
    if (status == TM_OK && s->arch && !tm_config_set_arch(&config, s->arch))
        status = tm_fail(err, TM_ARG, "--arch is \"%s\"; supported are %s", s->arch,
                         tm_config_arch_names(names, sizeof names));
    if (status == TM_OK) status = tm_source_open_synth(&config, (uint64_t)s->seed, &w.source, err);
    if (status != TM_OK) return status;
    status = write_file(&w, err);
    tm_source_close(&w.source);
    if (status == TM_OK) fprintf(stderr, "wrote %s\n", s->output);
    return status;
}

static tm_status convert(const settings *s, const char *from, const char *to, tm_error *err)
{
    writing w = {.path = to};
    tm_convert_options *o = &w.options;
    if (!s->type) return tm_fail(err, TM_ARG, "--type is missing; it must be " MATRIX_TYPES);
    tm_status status = find_type("--type", s->type, MATRIX_TYPES, &o->type, err);
    if (status == TM_OK && s->table_type)
        status = find_type("--embedding-type", s->table_type, TABLE_TYPES, &o->table_type, err);
    if (status != TM_OK) return status;
    o->keeps_tables = !s->table_type;
    o->rounds = s->quantize;
    o->i2_s_layout = s->i2_s_layout;
    tm_model_file file;
    status = tm_model_file_open(from, (uint64_t)s->seed, &file, err);
    if (status != TM_OK) return status;
    w.source = file.source;
    w.gguf = file.gguf;
    status = w.gguf ? write_file(&w, err)
                    : tm_fail(err, TM_ARG, "%s is synthetic; write it with make", from);
    tm_source_close(&w.source);
    if (status != TM_OK) return status;
    if (w.n_f16 > 0)
        fprintf(stderr, "%d matri%s F16: the rows are not a multiple of %s's blocks\n", w.n_f16,
                w.n_f16 == 1 ? "x is" : "ces are", tm_gguf_type_name(o->type));
    fprintf(stderr, "wrote %s\n", to);
    return TM_OK;
}

/* What an action that reads models prints. */
typedef struct reading {
    const char *const *names; /* two for diff */
    uint64_t seed;
    bool is_diff, weights_only, is_json, equal;
} reading;

static tm_status print(reading *r, FILE *out, tm_error *err)
{
    if (r->is_diff)
        return tm_model_diff(r->names, r->seed, r->weights_only, r->is_json, out, &r->equal, err);
    return tm_model_info(r->names[0], r->seed, r->is_json, out, err);
}

/* path: the file that gets the text; NULL: `out` gets it. */
static tm_status print_to(const char *path, reading *r, FILE *out, tm_error *err)
{
    char *text = NULL;
    size_t length = 0;
    if (!path) return print(r, out, err);
    tm_status status = tm_atomic_file_check(path, err);
    if (status != TM_OK) return status;
    FILE *file = open_memstream(&text, &length);
    if (!file) return tm_fail(err, TM_NOMEM, "no memory for the output");
    status = print(r, file, err);
    if (fclose(file) != 0 && status == TM_OK)
        status = tm_fail(err, TM_NOMEM, "no memory for the output");
    if (status == TM_OK) status = tm_atomic_file_write(path, text, length, err);
    free(text);
    return status;
}

enum { MAKE, INFO, DIFF, CONVERT, SHOW }; /* SHOW: the name that INFO had in 0.1 */
static const char *const actions[] = {"make", "info", "diff", "convert", "show", NULL};

static const char *const *action_names(void)
{
    return actions;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const char *name = call->arguments[0];
    int action = 0, wanted;
    while (actions[action] && strcmp(actions[action], name) != 0) action++;
    if (!actions[action]) return tm_unknown_name(err, "action", name, actions);
    wanted = action == DIFF || action == CONVERT ? 3 : 2;
    if (call->n_arguments != wanted)
        return tm_fail(err, TM_ARG, "%s takes %s; %d given", name,
                       action == DIFF      ? "two models"
                       : action == CONVERT ? "a model and the file to write"
                                           : "one model",
                       call->n_arguments - 1);
    if (action == MAKE) return make(s, call->arguments[1], err);
    if (action == CONVERT) return convert(s, call->arguments[1], call->arguments[2], err);
    reading r = {.names = call->arguments + 1,
                 .seed = (uint64_t)s->seed,
                 .is_diff = action == DIFF,
                 .weights_only = s->weights,
                 .is_json = strcmp(s->format, "json") == 0,
                 .equal = true};
    tm_status status = print_to(s->output, &r, call->out, err);
    if (status == TM_OK && !r.equal) call->exit_status = 1;
    return status;
}

static const char *const formats[] = {"text", "json", NULL};
static const char *const packings[] = {"128", "64", "4", "rows", NULL};
static const char *const methods[] = {"absmean", NULL};

static const tm_option rows[] = {
    {"output", "o", TM_FILE(settings, output), "FILE",
     .help = "make: write this GGUF file; info, diff: write to FILE instead of standard output"},
    {"type", NULL, TM_TEXT(settings, type), "TYPE",
     .help = "make, convert: type of the matrices: " MATRIX_TYPES " (default of make i2_s)"},
    {"embedding-type", NULL, TM_TEXT(settings, table_type), "TYPE",
     .help = "convert: type of embedding and head: " TABLE_TYPES " (default as they are)"},
    {"quantize", NULL, TM_CHOICE(settings, quantize), "METHOD",
     .help = "convert: round matrices that are not ternary; absmean: to round(w / mean|w|) "
             "(default: such a matrix is an error)",
     .choices = methods},
    {"write-i2s-layout", NULL, TM_CHOICE(settings, i2_s_layout), "NAME",
     .help = "convert: packing of an I2_S file, as in --i2s-layout (default 128)",
     .choices = packings},
    {"arch", NULL, TM_TEXT(settings, arch), "NAME",
     .help = "make: write another architecture, for programs that lack the shape's own"},
    {"format", NULL, TM_CHOICE(settings, format), "NAME",
     .help = "info, diff: print in this format (default text)", .choices = formats},
    {"weights", NULL, TM_FLAG(settings, weights), NULL,
     .help = "diff: compare weights only, not keys and types"},
    {"seed", NULL, TM_INTEGER(settings, seed), "N",
     .help = "seed for the random weights (default 1)", .high = TM_SEED_MAX},
    {0},
};

const tm_command tm_command_model = {
    .name = "model",
    .synopsis =
        "make NAME -o FILE.gguf [--type TYPE] | info MODEL | diff MODEL MODEL [--weights] | "
        "convert MODEL FILE.gguf --type TYPE",
    .summary = "write a synthetic model file, show, compare or convert models",
    .description =
        "make writes a GGUF file with random weights of a published shape. info shows a model's "
        "keys and tensors; a tensor's hash depends on its weights only, whatever type stores them. "
        "diff lists the keys, tensors and weights that differ, and exits with status 1 if any "
        "does. convert writes a GGUF file from another or from a Hugging Face checkpoint, with its "
        "keys and tokenizer; a matrix that the type cannot hold is an error.\n\n"
        "No I2_S file tells whether it was made on x86 or ARM. If a model makes no sense, try "
        "--i2s-layout 64; rows and 4 read files of other builds of bitnet.cpp.",
    .examples = "ternmark model make 125M -o small.gguf --type i2_s\n"
                "ternmark model info small.gguf\n"
                "ternmark model diff small.gguf other.gguf --weights\n"
                "ternmark model convert small.gguf tq2.gguf --type tq2_0 --embedding-type q8_0",
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_names = action_names,
    .argument_is_file = true,
    .min_arguments = 2,
    .max_arguments = 3,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.format = "text", .seed = 1},
    .run = run,
};
