/* ternmark model: makes a synthetic model file, or shows what a model holds. */
#include "engine/model.h"
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/measure/shapes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* arch NULL: the shape's own. */
static tm_status make(const char *name, const char *type_text, const char *arch, const char *output,
                      uint64_t seed, tm_error *err)
{
    tm_gguf_type type;
    tm_source source;
    tm_config config;
    if (!output) return tm_fail(err, TM_ARG, "--output is missing: the file to make");
    if (!tm_gguf_type_find(type_text, &type))
        return tm_fail(err, TM_ARG, "--type is \"%s\", not f32, f16, bf16, tq1_0, tq2_0 or i2_s",
                       type_text);
    tm_status status =
        tm_shape_config(strncmp(name, "synth:", 6) == 0 ? name + 6 : name, &config, err);
    if (status == TM_OK && arch && !tm_config_set_arch(&config, arch))
        status = tm_fail(err, TM_ARG,
                         "--arch is \"%s\", not bitnet, bitnet-25, bitnet-b1.58 or llama", arch);
    if (status == TM_OK) status = tm_source_open_synth(&config, seed, &source, err);
    if (status != TM_OK) return status;
    status = tm_source_write_gguf(&source, type, output, err);
    tm_source_close(&source);
    if (status == TM_OK) fprintf(stderr, "wrote %s\n", output);
    return status;
}

static tm_status show(const char *name, uint64_t seed, tm_error *err)
{
    tm_source source;
    tm_status status = tm_source_open_name(name, seed, &source, err);
    if (status != TM_OK) return status;
    const tm_config *c = &source.config;
    printf("name           %s\narchitecture   %s\nlayers         %d\nhidden         %d\nffn        "
           "    %d\n"
           "heads          %d (%d for keys and values) of %d\nvocabulary     %d (%s head)\n"
           "rope           base %g, %d of %d, %s\ngate           %s\nsub-norms      %s\n"
           "linear weights %" PRId64 "\n",
           c->name, c->arch, c->n_layers, c->n_hidden, c->n_ffn, c->n_heads, c->n_kv_heads,
           c->head_dim, c->n_vocab, c->tied_head ? "tied" : "separate", (double)c->rope_base,
           c->n_rot, c->head_dim, c->rope_half_split ? "half-split" : "interleaved",
           c->relu2 ? "squared ReLU" : "SiLU", c->sub_norms ? "yes" : "no",
           tm_config_linear_weights(c));
    for (int role = 0; status == TM_OK && role < TM_ROLE_COUNT; role++) {
        tm_tensor_info info;
        int rows, cols;
        if (!tm_role_present(c, (tm_role)role)) continue;
        status = source.describe(&source, (tm_role)role, 0, &info, err);
        if (status != TM_OK || !info.present) continue;
        tm_role_shape(c, (tm_role)role, &rows, &cols);
        static const char *const names[] = {
#define NAME(upper, text) text,
            TM_ROLES(NAME)
#undef NAME
        };
        char tensor[64];
        snprintf(tensor, sizeof tensor, names[role], 0);
        printf("  %-28s [%d][%d] %s", tensor, rows, cols, tm_gguf_type_name(info.type));
        if (info.ternary) printf(", ternary x %g", (double)info.scale);
        printf("\n");
    }
    tm_source_close(&source);
    return status;
}

int tm_cmd_model(int argc, char **argv)
{
    const char *output = NULL, *type = "i2_s", *arch = NULL;
    int64_t seed = 1;
    const tm_option options[] = {
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FILE", "make: the GGUF file"},
        {"type", NULL, TM_OPTION_TEXT, &type, 0, 0, "TYPE",
         "make: f32, f16, bf16, tq1_0, tq2_0, i2_s (default i2_s)"},
        {"arch", NULL, TM_OPTION_TEXT, &arch, 0, 0, "NAME",
         "make: the shape under another architecture, for programs that do not know its own"},
        {"seed", NULL, TM_OPTION_INT, &seed, 0, 9e15, "N", "of the random weights (default 1)"},
        {0},
    };
    const tm_command command = {
        "model",
        "make NAME -o FILE.gguf [--type TYPE] [--arch NAME] | show MODEL",
        "Makes a synthetic model file of a published shape, or shows what a model holds.",
        options,
        2,
        2};
    tm_error err = {0};
    const char *arguments[2];
    int n;
    bool help;
    tm_status status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK) {
        if (strcmp(arguments[0], "make") == 0)
            status = make(arguments[1], type, arch, output, (uint64_t)seed, &err);
        else if (strcmp(arguments[0], "show") == 0)
            status = show(arguments[1], (uint64_t)seed, &err);
        else
            status = tm_fail(&err, TM_ARG, "\"%s\" is neither make nor show", arguments[0]);
    }
    return status == TM_OK ? 0 : tm_report_error("model", &err);
}
