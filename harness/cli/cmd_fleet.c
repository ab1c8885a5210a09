/* ternmark fleet: measures a suite on every node of a Slurm cluster, one store a node, and follows
 * the jobs. Slurm starts, requeues and ends them; this command and the nodes meet in a folder. */
#include "harness/base/atomic_file.h"
#include "harness/cli/commands.h"
#include "harness/cli/fleet.h"
#include "harness/cli/interrupt.h"
#include "harness/record/store.h"
#include "harness/sweep/suite.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FOLDER     "results/fleet"
#define FULL_BYTES 65536
#define LOST_MAX   10 /* answers of squeue in a row that may be missing */

/* What became of a node. */
typedef struct node_result {
    int status; /* exit status of its `run`; -1: none, it did not end */
    int n_samples;
    char cpu_model[96], remark[400];
} node_result;

typedef struct fleet {
    const tm_fleet_settings *s;
    tm_fleet_settings resolved; /* with absolute paths */
    char folder[PATH_MAX], program[PATH_MAX], suite[PATH_MAX], name[64];
    tm_fleet_node *nodes;
    node_result *results; /* [n] */
    int n;
    char job[32], report_job[32];
    tm_interrupt interrupt;
} fleet;

static void path_in(const fleet *f, const char *name, const char *end, char *out, size_t size)
{
    snprintf(out, size, "%.3000s/%.200s%s", f->folder, name, end);
}

static tm_status save(const fleet *f, const char *name, tm_text *text, tm_error *err)
{
    char path[PATH_MAX];
    path_in(f, name, "", path, sizeof path);
    tm_status status = tm_text_save(text, path, err);
    tm_text_free(text);
    return status;
}

static tm_status write_files(const fleet *f, const tm_suite *suite, tm_error *err)
{
    tm_text text = {0};
    tm_status status = tm_text_put_json(&text, tm_suite_to_json(suite), true, err);
    if (status == TM_OK) status = save(f, "suite.json", &text, err);
    for (int i = 0; status == TM_OK && i < f->n; i++)
        tm_text_format(&text, "%s %s %d\n", f->nodes[i].name, f->nodes[i].partition,
                       f->nodes[i].n_cpus);
    if (status == TM_OK) status = save(f, "nodes", &text, err);
    if (status == TM_OK) tm_fleet_job_script(&f->resolved, f->name, f->suite, f->n, &text);
    if (status == TM_OK) status = save(f, "job.sh", &text, err);
    if (status == TM_OK) tm_fleet_report_script(&f->resolved, f->name, &text);
    if (status == TM_OK) status = save(f, "report.sh", &text, err);
    tm_text_free(&text);
    return status;
}

/* "3" or "3;cluster". */
static tm_status submit(const fleet *f, const char *option, const char *script, char *id,
                        size_t size, tm_error *err)
{
    char path[PATH_MAX], *text;
    path_in(f, script, "", path, sizeof path);
    const char *argv[] = {"sbatch", "--parsable", option, path, NULL};
    tm_status status = tm_fleet_ask(argv, &f->interrupt, &text, err);
    if (status != TM_OK) return status;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n >= size)
        status = tm_fail(err, TM_CHILD, "sbatch printed \"%.80s\", not the number of a job", text);
    else
        snprintf(id, size, "%.*s", (int)n, text);
    free(text);
    return status;
}

static tm_status control(const fleet *f, const char *const *argv, tm_error *err)
{
    char *text;
    tm_status status = tm_fleet_ask(argv, &f->interrupt, &text, err);
    free(text);
    return status;
}

static void cancel(const fleet *f)
{
    tm_error ignored;
    tm_interrupt never = TM_INTERRUPT_NEVER;
    char *text = NULL;
    const char *argv[] = {"scancel", f->job, NULL};
    if (tm_fleet_ask(argv, &never, &text, &ignored) == TM_OK) free(text);
}

/* An array's tasks are alike; held ones can be given their nodes before any starts. */
static tm_status submit_all(fleet *f, tm_error *err)
{
    char after[64];
    tm_status status = submit(f, "--hold", "job.sh", f->job, sizeof f->job, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < f->n && status == TM_OK; i++) {
        char task[64], node[96], partition[96];
        snprintf(task, sizeof task, "JobId=%s_%d", f->job, i);
        snprintf(node, sizeof node, "ReqNodeList=%s", f->nodes[i].name);
        snprintf(partition, sizeof partition, "Partition=%s", f->nodes[i].partition);
        const char *argv[] = {"scontrol", "update", task, partition, node, NULL};
        status = control(f, argv, err);
    }
    snprintf(after, sizeof after, "--dependency=afterany:%s", f->job);
    if (status == TM_OK)
        status = submit(f, after, "report.sh", f->report_job, sizeof f->report_job, err);
    const char *release[] = {"scontrol", "release", f->job, NULL};
    if (status == TM_OK) status = control(f, release, err);
    if (status != TM_OK) cancel(f);
    return status;
}

/* Lines of a store, which are records. */
static int count_lines(const char *path)
{
    char block[1 << 14];
    size_t n;
    int lines = 0;
    FILE *in = fopen(path, "r");
    if (!in) return 0;
    while ((n = fread(block, 1, sizeof block, in)) > 0)
        for (size_t i = 0; i < n; i++) lines += block[i] == '\n';
    fclose(in);
    return lines;
}

/* One line on the tasks that squeue lists; *n_left counts them. */
static void describe(const fleet *f, char *text, int *n_left, tm_text *out)
{
    char *rest = NULL, path[PATH_MAX];
    tm_text tasks = {0};
    *n_left = 0;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char state[32] = "", reason[100] = "";
        int task = -1;
        if (sscanf(line, "%*[0-9]_%d|%31[^|]|%99[^\n]", &task, state, reason) < 2 || task < 0 ||
            task >= f->n)
            continue;
        const char *name = f->nodes[task].name;
        path_in(f, name, ".jsonl", path, sizeof path);
        for (char *c = state; *c; c++) *c = (char)tolower((unsigned char)*c);
        tm_text_format(&tasks, "%s%s %s", *n_left ? "; " : "", name, state);
        if (strcmp(state, "running") == 0)
            tm_text_format(&tasks, ", %d records", count_lines(path));
        else if (reason[0] && strcmp(reason, "None") != 0)
            tm_text_format(&tasks, " (%s)", reason);
        (*n_left)++;
    }
    tm_text_format(out, "%d of %d nodes done%s%s", f->n - *n_left, f->n, *n_left ? "; " : "",
                   tm_text_string(&tasks));
    tm_text_free(&tasks);
}

/* *n_left: tasks of a job that are not done. */
static tm_status ask_queue(const fleet *f, const char *job, int *n_left, tm_text *line,
                           tm_error *err)
{
    char *text;
    const char *argv[] = {"squeue", "-h", "-r", "-o", "%i|%T|%r", "-j", job, NULL};
    *n_left = 0;
    tm_status status = tm_fleet_ask(argv, &f->interrupt, &text, err);
    /* Slurm forgets jobs some minutes after their end. */
    if (status == TM_CHILD && strstr(err->message, "Invalid job id")) return TM_OK;
    if (status != TM_OK) return status;
    if (line)
        describe(f, text, n_left, line);
    else
        *n_left = text[0] != 0;
    free(text);
    return TM_OK;
}

/* Waits until the job has left the queue; the number of missing answers in a row is limited. */
static tm_status follow(const fleet *f, const char *job, bool is_array, tm_error *err)
{
    char shown[2000] = "";
    for (int n_lost = 0;;) {
        tm_text line = {0};
        int n_left;
        tm_status status = ask_queue(f, job, &n_left, is_array ? &line : NULL, err);
        const char *text = tm_text_string(&line);
        if (status == TM_OK && is_array && !f->s->quiet && strncmp(shown, text, 1900) != 0) {
            fprintf(stderr, "%s\n", text);
            snprintf(shown, sizeof shown, "%.1900s", text);
        }
        tm_text_free(&line);
        if (status == TM_OK && n_left == 0) return TM_OK;
        n_lost = status == TM_OK ? 0 : n_lost + 1;
        if (status == TM_INTERRUPTED || status == TM_UNSUPPORTED || n_lost > LOST_MAX)
            return status;
        struct pollfd wait = {.fd = tm_interrupt_fd(&f->interrupt), .events = POLLIN};
        if (poll(&wait, 1, (int)(1000 * f->s->poll_seconds)) > 0)
            return tm_fail(err, TM_INTERRUPTED, "interrupted");
    }
}

static void read_line(const fleet *f, const char *name, const char *end, char *out, size_t size)
{
    char path[PATH_MAX];
    out[0] = 0;
    path_in(f, name, end, path, sizeof path);
    FILE *in = fopen(path, "r");
    if (!in) return;
    if (!fgets(out, (int)size, in)) out[0] = 0;
    out[strcspn(out, "\n")] = 0;
    fclose(in);
}

static void add_remark(node_result *r, const char *fmt, ...) TM_PRINTF(2, 3);
static void add_remark(node_result *r, const char *fmt, ...)
{
    size_t used = strlen(r->remark);
    va_list args;
    if (used > 0 && used + 2 < sizeof r->remark) strcpy(r->remark + used, "; ");
    used = strlen(r->remark);
    va_start(args, fmt);
    vsnprintf(r->remark + used, sizeof r->remark - used, fmt, args);
    va_end(args);
}

static void read_store(const fleet *f, int i)
{
    node_result *r = &f->results[i];
    char path[PATH_MAX];
    tm_records records;
    tm_error why = {0};
    path_in(f, f->nodes[i].name, ".jsonl", path, sizeof path);
    if (access(path, F_OK) != 0) return;
    if (tm_records_read(path, &records, &why) != TM_OK) {
        add_remark(r, "%.200s", why.message);
        return;
    }
    for (int k = 0; k < records.n; k++) {
        const tm_record *record = &records.items[k];
        r->n_samples += record->kind == TM_RECORD_SAMPLE;
        if (record->kind != TM_RECORD_RUN) continue;
        const tm_json *machine = tm_json_get(record->run.document, "machine");
        snprintf(r->cpu_model, sizeof r->cpu_model, "%s",
                 tm_json_text(tm_json_get(machine, "cpu_model"), ""));
    }
    tm_records_free(&records);
}

static void collect(const fleet *f)
{
    for (int i = 0; i < f->n; i++) {
        node_result *r = &f->results[i];
        char text[200];
        *r = (node_result){.status = -1};
        read_line(f, f->nodes[i].name, ".status", text, sizeof text);
        if (isdigit((unsigned char)text[0]))
            r->status = atoi(text);
        else
            add_remark(r, "it did not end: see task-%d.log", i);
        if (r->status > 0) add_remark(r, "exit status %d: see task-%d.log", r->status, i);
        read_line(f, f->nodes[i].name, ".differs", text, sizeof text);
        if (text[0]) add_remark(r, "%s", text);
        read_store(f, i);
        for (int k = 0; k < i && r->cpu_model[0]; k++) {
            const node_result *other = &f->results[k];
            if (strcmp(f->nodes[k].partition, f->nodes[i].partition) != 0 || !other->cpu_model[0] ||
                strcmp(other->cpu_model, r->cpu_model) == 0)
                continue;
            add_remark(r, "its CPU is %s; %s of the same partition has %s", r->cpu_model,
                       f->nodes[k].name, other->cpu_model);
            break;
        }
    }
}

static tm_status print_json(const fleet *f, tm_call *call, tm_error *err)
{
    tm_json *root = tm_json_object(), *nodes = tm_json_array();
    tm_json_put_string(root, "folder", f->folder);
    tm_json_put_string(root, "job", f->job);
    tm_json_put_string(root, "report_job", f->report_job);
    for (int i = 0; i < f->n; i++) {
        const node_result *r = &f->results[i];
        char path[PATH_MAX];
        tm_json *o = tm_json_object();
        path_in(f, f->nodes[i].name, ".jsonl", path, sizeof path);
        tm_json_put_string(o, "node", f->nodes[i].name);
        tm_json_put_string(o, "partition", f->nodes[i].partition);
        tm_json_put_string(o, "store", path);
        if (r->status >= 0)
            tm_json_put_int(o, "exit_status", r->status);
        else
            tm_json_put_missing(o, "exit_status", "it did not end");
        tm_json_put_int(o, "samples", r->n_samples);
        tm_json_put_string(o, "remark", r->remark);
        tm_json_append(nodes, o);
    }
    tm_json_set(root, "nodes", nodes);
    return tm_print_json(call->out, root, err);
}

static tm_status print_result(const fleet *f, tm_call *call, tm_error *err)
{
    char report[64];
    int n_failed = 0;
    for (int i = 0; i < f->n; i++) n_failed += f->results[i].status != 0;
    read_line(f, "report", ".status", report, sizeof report);
    const bool is_reported = strcmp(report, "0") == 0;
    if (n_failed > 0 || !is_reported) call->exit_status = 4;
    struct statvfs fs;
    if (call->exit_status != 0 && statvfs(f->folder, &fs) == 0 &&
        (double)fs.f_bavail * (double)fs.f_frsize < FULL_BYTES)
        fprintf(stderr, "ternmark fleet: %s is full, so stores, logs and reports may end early\n",
                f->folder);
    if (strcmp(call->format, "json") == 0) return print_json(f, call, err);
    fprintf(call->out, "%-16s %-12s %8s %8s  %s\n", "node", "partition", "status", "samples", "");
    for (int i = 0; i < f->n; i++) {
        const node_result *r = &f->results[i];
        fprintf(call->out, "%-16s %-12s %8s %8d  %s\n", f->nodes[i].name, f->nodes[i].partition,
                r->status == 0  ? "ok"
                : r->status > 0 ? "failed"
                                : "missing",
                r->n_samples, r->remark);
    }
    if (is_reported)
        fprintf(call->out, "reports: %s/NODE-report%s\n", f->folder,
                f->n > 1 ? ", all nodes compared: machines-report" : "");
    else
        fprintf(call->out, "no report: see %s/report.log\n", f->folder);
    if (n_failed > 0)
        fprintf(call->out, "The same command continues what is missing in the stores.\n");
    return TM_OK;
}

static tm_status absolute(const char *path, char *out, tm_error *err)
{
    char here[PATH_MAX] = "";
    if (path[0] != '/' && !getcwd(here, sizeof here))
        return tm_fail(err, TM_IO, "the current folder cannot be read: %s", strerror(errno));
    int n = snprintf(out, PATH_MAX, "%s%s%s", here, here[0] ? "/" : "", path);
    return n < PATH_MAX - 300 ? TM_OK
                              : tm_fail(err, TM_ARG, "%.100s...: the path is too long", path);
}

/* The paths that job scripts name, and the checks of all that stands in them. */
static tm_status resolve(fleet *f, const char *asked, const tm_suite *suite, tm_error *err)
{
    const tm_fleet_settings *s = f->s;
    char folder[200];
    size_t n = 0;
    for (const char *c = suite->name; *c && n + 1 < sizeof f->name; c++)
        f->name[n++] = isalnum((unsigned char)*c) ? *c : '-';
    snprintf(folder, sizeof folder, FOLDER "/%s", f->name);
    tm_status status = absolute(s->folder ? s->folder : folder, f->folder, err);
    if (status == TM_OK && s->program) status = absolute(s->program, f->program, err);
    if (status == TM_OK && !s->program) {
        ssize_t length = readlink("/proc/self/exe", f->program, sizeof f->program - 1);
        f->program[length > 0 ? length : 0] = 0;
        if (length <= 0) status = tm_fail(err, TM_IO, "/proc/self/exe: %s", strerror(errno));
    }
    if (status == TM_OK && !s->print)
        path_in(f, "suite.json", "", f->suite, sizeof f->suite);
    else if (status == TM_OK && access(asked, F_OK) == 0)
        status = absolute(asked, f->suite, err);
    else if (status == TM_OK)
        snprintf(f->suite, sizeof f->suite, "%s", asked);
    f->resolved = *s;
    f->resolved.folder = f->folder;
    f->resolved.program = f->program;
    const struct {
        const char *what, *text;
    } texts[] = {{"--folder", f->folder},
                 {"--program", f->program},
                 {"the suite", f->suite},
                 {"--partition", s->partitions},
                 {"--nodes", s->nodes},
                 {"--cpu-freq", s->cpu_freq},
                 {"--time", s->time},
                 {"--account", s->account},
                 {"--constraint", s->constraint}};
    for (size_t i = 0; status == TM_OK && i < sizeof texts / sizeof *texts; i++)
        status = tm_fleet_check_text(texts[i].what, texts[i].text, err);
    return status;
}

static tm_status print_script(const fleet *f, tm_call *call, tm_error *err)
{
    tm_text text = {0};
    int n = 1;
    for (const char *c = f->s->nodes ? f->s->nodes : ""; *c; c++) n += *c == ',';
    tm_fleet_job_script(&f->resolved, f->name, f->suite, n, &text);
    tm_status status = tm_text_status(&text, "the job script", err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    tm_text_free(&text);
    return status;
}

static tm_status measure(fleet *f, const tm_suite *suite, tm_call *call, tm_error *err)
{
    tm_status status = tm_fleet_find_nodes(&f->resolved, &f->interrupt, f->nodes, &f->n, err);
    if (status == TM_OK) status = tm_make_folders(f->folder, err);
    if (status == TM_OK) status = write_files(f, suite, err);
    if (status == TM_OK) status = submit_all(f, err);
    if (status != TM_OK) return status;
    fprintf(stderr, "job %s on %d node%s, then %s; stores in %s\n", f->job, f->n, tm_plural(f->n),
            f->report_job, f->folder);
    if (f->s->no_wait) return TM_OK;
    status = follow(f, f->job, true, err);
    if (status == TM_OK) status = follow(f, f->report_job, false, err);
    if (status == TM_INTERRUPTED) {
        fprintf(stderr, "the jobs continue without this command; to stop them: scancel %s %s\n",
                f->job, f->report_job);
        call->exit_status = tm_interrupt_exit_status(&f->interrupt);
    }
    if (status != TM_OK) return status;
    collect(f);
    return print_result(f, call, err);
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    fleet *f = calloc(1, sizeof *f);
    tm_suite *suite = malloc(sizeof *suite);
    tm_status status = f && suite ? TM_OK : tm_fail(err, TM_NOMEM, "no memory for a fleet");
    if (status == TM_OK) {
        f->s = settings;
        f->interrupt = TM_INTERRUPT_NEVER;
        f->nodes = calloc(TM_FLEET_NODES_MAX, sizeof *f->nodes);
        f->results = calloc(TM_FLEET_NODES_MAX, sizeof *f->results);
        if (!f->nodes || !f->results) status = tm_fail(err, TM_NOMEM, "no memory for nodes");
    }
    if (status == TM_OK) status = tm_suite_read(call->arguments[0], suite, err);
    if (status == TM_OK) status = resolve(f, call->arguments[0], suite, err);
    if (status == TM_OK && f->s->print) {
        status = print_script(f, call, err);
    } else if (status == TM_OK) {
        f->interrupt = tm_interrupt_open();
        status = measure(f, suite, call, err);
    }
    if (f) {
        free(f->nodes);
        free(f->results);
    }
    free(f);
    free(suite);
    return status;
}

#define S tm_fleet_settings
static const tm_option rows[] = {
    {"print", NULL, TM_FLAG(S, print), NULL, .help = "print the job script and submit nothing"},
    {"folder", NULL, TM_DIR(S, folder), "DIR",
     .help =
         "folder that every node sees, for stores, logs and reports (default " FOLDER "/SUITE)"},
    {"partition", "p", TM_LIST(S, partitions), "NAME,...",
     .help = "measure the nodes of these partitions (default: the default partition)"},
    {"nodes", NULL, TM_LIST(S, nodes), "LIST", .help = "only these nodes, e.g. n1,n[4-7]"},
    {"one-per-partition", NULL, TM_FLAG(S, one_per_partition), NULL,
     .help = "measure one node of each partition"},
    {"program", NULL, TM_FILE(S, program), "FILE",
     .help = "the ternmark that nodes run (default: this one, at the same path)"},
    {"cpu-freq", NULL, TM_TEXT(S, cpu_freq), "FREQ",
     .help = "clock in kHz, or a governor such as performance, for Slurm's srun"},
    {"threads-per-core", NULL, TM_INTEGER(S, threads_per_core), "N",
     .help = "use N hardware threads of each core", .low = 1, .high = 8},
    {"constraint", "C", TM_TEXT(S, constraint), "FEATURE", .help = "nodes with this feature"},
    {"time", NULL, TM_TEXT(S, time), "TIME", .help = "time limit of a node, as sbatch takes it"},
    {"account", "A", TM_TEXT(S, account), "NAME", .help = "charge this account"},
    {"no-wait", NULL, TM_FLAG(S, no_wait), NULL,
     .help = "submit the jobs and do not wait for them"},
    {"interval", NULL, TM_NUMBER(S, poll_seconds), "SECONDS",
     .help = "poll the queue every SECONDS (default 5)", .low = 0.1, .high = 3600},
    {"quiet", "q", TM_FLAG(S, quiet), NULL, .help = "print no progress"},
    {0},
};

const tm_command tm_command_fleet = {
    .name = "fleet",
    .synopsis = "[OPTIONS] SUITE",
    .summary = "measure a suite on the nodes of a Slurm cluster",
    .description =
        "Submits a job array to Slurm, a task for each node, and a job that reports when all have "
        "ended, then follows both. Each task has a node to itself and writes DIR/NODE.jsonl. A "
        "task that Slurm requeues continues its store, and so does the same command later. Nodes "
        "whose hardware differs from what Slurm says, or from their partition, are named.",
    .examples = "ternmark fleet quick --print\n"
                "ternmark fleet quick --print --partition arm,x86 --cpu-freq performance",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_names = tm_suite_names,
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(tm_fleet_settings),
    .defaults = &(const tm_fleet_settings){.poll_seconds = 5},
    .run = run,
};
