/* ternmark doctor: what can be measured on this machine, what not, and what would mend it. */
#include "harness/cli/commands.h"
#include "harness/cli/options.h"
#include "harness/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_json(const tm_doctor *doctor)
{
    tm_json *array = tm_doctor_to_json(doctor);
    char *text = array ? tm_json_print(array, true) : NULL;
    tm_error err;
    tm_json_free(array);
    if (!text) {
        (void)tm_fail(&err, TM_NOMEM, "no memory to print %d lines", doctor->n_lines);
        return tm_report_error("doctor", &err);
    }
    puts(text);
    free(text);
    return 0;
}

static void print_text(const tm_doctor *doctor)
{
    for (int i = 0; i < doctor->n_lines; i++) {
        const tm_doctor_line *line = &doctor->lines[i];
        printf("%-8s %-25s %s\n", tm_doctor_status_text(line->status), line->name,
               line->value[0] ? line->value : "-");
        if (line->detail[0]) printf("%34s %s\n", "", line->detail);
        if (line->fix[0]) printf("%34s mend: %s\n", "", line->fix);
    }
}

int tm_cmd_doctor(int argc, char **argv)
{
    const char *output = "text", *root = "/";
    bool json = false;
    const tm_option options[] = {
        {"output", "o", TM_OPTION_TEXT, &output, 0, 0, "FORMAT", "text or json (default text)"},
        {"json", NULL, TM_OPTION_FLAG, &json, 0, 0, NULL, "the same as --output json"},
        {"root", NULL, TM_OPTION_TEXT, &root, 0, 0, "FOLDER",
         "look at a recorded machine: a folder holding proc/ and sys/ (default /)"},
        {0},
    };
    const tm_command command = {
        "doctor",
        "[-o text|json]",
        "Says what can be measured on this machine, what not and why, and the command that would\n"
        "mend it. Changes nothing.",
        options,
        0,
        0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    if (tm_options_parse(&command, argc, argv, arguments, &n, &help, &err) != TM_OK)
        return tm_report_error("doctor", &err);
    if (help) return 0;
    if (json) output = "json";
    if (strcmp(output, "json") != 0 && strcmp(output, "text") != 0) {
        (void)tm_fail(&err, TM_ARG, "--output is \"%s\", not text or json", output);
        return tm_report_error("doctor", &err);
    }
    tm_doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor) {
        (void)tm_fail(&err, TM_NOMEM, "no memory for the doctor's lines");
        return tm_report_error("doctor", &err);
    }
    const tm_doctor_options reading = {.root = root};
    int exit_status = 0;
    if (tm_doctor_read(&reading, doctor, &err) != TM_OK)
        exit_status = tm_report_error("doctor", &err);
    else if (strcmp(output, "json") == 0)
        exit_status = print_json(doctor);
    else
        print_text(doctor);
    free(doctor);
    return exit_status;
}
