/* ternmark kernels: every variant this build knows, and why one cannot run here. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/json.h"
#include "kernels/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_json(void)
{
    tm_json *array = tm_json_array();
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error why = {0};
        char isa[96];
        bool available = tm_kernel_available(*k, &why) == TM_OK;
        tm_json *row = tm_json_object();
        tm_json_put_string(row, "name", (*k)->name);
        tm_json_put_string(row, "format", (*k)->format->name);
        tm_json_put_string(row, "isa", tm_isa_text((*k)->isa, isa, sizeof isa));
        tm_json_put_number(row, "bits_per_weight", (*k)->format->bits_per_weight);
        tm_json_put_bool(row, "exact", (*k)->tolerance == 0.0f);
        tm_json_put_number(row, "tolerance", (double)(*k)->tolerance);
        tm_json_put_bool(row, "available", available);
        tm_json_put_string(row, "reason", available ? "" : why.message);
        tm_json_put_string(row, "source", (*k)->source);
        tm_json_append(array, row);
    }
    char *text = tm_json_print(array, true);
    puts(text ? text : "[]");
    free(text);
    tm_json_free(array);
}

static void print_text(void)
{
    printf("%-26s %-8s %-28s %8s  %s\n", "name", "format", "isa", "bits/w", "here");
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error why = {0};
        char isa[96];
        bool available = tm_kernel_available(*k, &why) == TM_OK;
        printf("%-26s %-8s %-28s %8.2f  %s\n", (*k)->name, (*k)->format->name,
               tm_isa_text((*k)->isa, isa, sizeof isa), (*k)->format->bits_per_weight,
               available ? "yes" : why.message);
    }
}

int tm_cmd_kernels(int argc, char **argv)
{
    const char *output = "text";
    const tm_option options[] = {
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FORMAT", "text or json (default text)"},
        {0},
    };
    const tm_command command = {"kernels",
                                "[-o text|json]",
                                "Lists every kernel with its weight layout and instruction set.",
                                options,
                                0,
                                0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    if (tm_options_parse(&command, argc, argv, arguments, &n, &help, &err) != TM_OK)
        return tm_report_error("kernels", &err);
    if (help) return 0;
    if (strcmp(output, "json") == 0)
        print_json();
    else if (strcmp(output, "text") == 0)
        print_text();
    else {
        (void)tm_fail(&err, TM_ARG, "--output is \"%s\", not text or json", output);
        return tm_report_error("kernels", &err);
    }
    return 0;
}
