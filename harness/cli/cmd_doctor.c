/* ternmark doctor: what can be measured on this machine, what cannot, and how to fix it. */
#include "harness/cli/commands.h"
#include "harness/doctor/doctor.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *root;
    bool json;
} settings;

static void print_text(const tm_doctor *doctor, FILE *out)
{
    for (int i = 0; i < doctor->n_lines; i++) {
        const tm_doctor_line *line = &doctor->lines[i];
        fprintf(out, "%-8s %-25s %s\n", tm_doctor_status_text(line->status), line->name,
                line->value[0] ? line->value : "-");
        if (line->detail[0]) fprintf(out, "%34s %s\n", "", line->detail);
        if (line->fix[0]) fprintf(out, "%34s fix: %s\n", "", line->fix);
    }
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    const settings *s = arg;
    const tm_doctor_options options = {.root = s->root};
    tm_doctor *doctor = calloc(1, sizeof *doctor);
    if (!doctor) return tm_fail(err, TM_NOMEM, "no memory for the results of %d checks", 64);
    tm_status status = tm_doctor_read(&options, doctor, err);
    if (status == TM_OK && (s->json || strcmp(call->format, "json") == 0))
        status = tm_print_json(call->out, tm_doctor_to_json(doctor), err);
    else if (status == TM_OK)
        print_text(doctor, call->out);
    free(doctor);
    return status;
}

static const tm_option rows[] = {
    {"json", NULL, TM_FLAG(settings, json), NULL, .help = "print JSON, as --format json does"},
    {"root", NULL, TM_DIR(settings, root), "DIR",
     .help = "examine a recorded machine, whose proc/ and sys/ are in DIR (default /)",
     .group = "Testing"},
    {0},
};

const tm_command tm_command_doctor = {
    .name = "doctor",
    .synopsis = "[OPTIONS]",
    .summary = "say what can be measured here, and how to fix what cannot",
    .description = "Says what can be measured on this machine, what cannot and why, and which "
                   "command would fix it. Changes nothing.",
    .examples = "ternmark doctor\n"
                "ternmark doctor --format json",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.root = "/"},
    .run = run,
};
