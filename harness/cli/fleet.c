#include "harness/cli/fleet.h"

#include "harness/base/child.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE   60
#define MAX_ANSWER (4 << 20)

tm_status tm_fleet_check_text(const char *what, const char *text, tm_error *err)
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "._-+/,:@=[]&|*()";
    size_t n = text ? strspn(text, fine) : 0;
    if (!text || !text[n]) return TM_OK;
    return tm_fail(err, TM_ARG,
                   "%s \"%.200s\" contains \"%c\", which cannot stand in a job script; letters, "
                   "digits and ._-+/,:@=[]&|*() can",
                   what, text, isprint((unsigned char)text[n]) ? text[n] : '?');
}

static void directive(tm_text *out, const char *option, const char *value)
{
    if (value) tm_text_format(out, "#SBATCH --%s=%s\n", option, value);
}

/* A node may be lost or needed by others: a task that starts again continues its store. */
void tm_fleet_job_script(const tm_fleet_settings *s, const char *name, const char *suite,
                         int n_tasks, tm_text *out)
{
    tm_text_format(
        out,
        "#!/bin/bash\n"
        "# Measures the suite %s, one node a task. Without Slurm, run it on each machine.\n"
        "#SBATCH --job-name=ternmark-%s\n"
        "#SBATCH --array=0-%d\n"
        "#SBATCH --nodes=1\n"
        "#SBATCH --ntasks=1\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --requeue\n"
        "#SBATCH --open-mode=append\n"
        "#SBATCH --output=%s/task-%%a.log\n",
        name, name, n_tasks - 1, s->folder);
    directive(out, "partition", s->partitions);
    directive(out, "constraint", s->constraint);
    directive(out, "cpu-freq", s->cpu_freq);
    if (s->threads_per_core > 0)
        tm_text_format(out, "#SBATCH --threads-per-core=%d\n", (int)s->threads_per_core);
    directive(out, "time", s->time);
    directive(out, "account", s->account);
    tm_text_format(out,
                   "set -u\n"
                   "folder='%s'\n"
                   "program='%s'\n"
                   "node=${SLURMD_NODENAME:-$(uname -n)}\n"
                   "rm -f \"$folder/$node.status\"\n"
                   "echo \"ternmark fleet: $node, restart ${SLURM_RESTART_COUNT:-0}, $(date)\"\n"
                   "# Slurm's hardware is what its administrator wrote; the node has what it has.\n"
                   "cpus=$(getconf _NPROCESSORS_ONLN)\n"
                   "written=$(awk -v node=\"$node\" '$1 == node { print $3 }' \"$folder/nodes\" "
                   "2>/dev/null)\n"
                   "rm -f \"$folder/$node.differs\"\n"
                   "if [ \"${written:-0}\" -gt 0 ] && [ \"$written\" -ne \"$cpus\" ]; then\n"
                   "    echo \"Slurm says $written CPUs, the node has $cpus\" | tee "
                   "\"$folder/$node.differs\"\n"
                   "fi\n",
                   s->folder, s->program);
    /* The batch step keeps the governor's clock and all threads: only steps of srun get what was
     * asked. */
    const bool needs_step = s->cpu_freq || s->threads_per_core > 0;
    tm_text_format(out, "launch=()\n");
    if (needs_step) {
        tm_text_format(out, "[ -z \"${SLURM_JOB_ID:-}\" ] || launch=(srun --nodes=1 --ntasks=1 "
                            "\"--cpus-per-task=$SLURM_CPUS_ON_NODE\"");
        if (s->cpu_freq) tm_text_format(out, " --cpu-freq=%s", s->cpu_freq);
        if (s->threads_per_core > 0)
            tm_text_format(out, " --threads-per-core=%d", (int)s->threads_per_core);
        tm_text_format(out, ")\n");
    }
    tm_text_format(out,
                   "\"${launch[@]}\" \"$program\" run '%s' --store \"$folder/$node.jsonl\" -q\n"
                   "status=$?\n"
                   "echo \"$status\" >\"$folder/$node.status\"\n"
                   "exit \"$status\"\n",
                   suite);
}

void tm_fleet_report_script(const tm_fleet_settings *s, const char *name, tm_text *out)
{
    tm_text_format(out,
                   "#!/bin/bash\n"
                   "# Reports on what the nodes have measured.\n"
                   "#SBATCH --job-name=ternmark-%s-report\n"
                   "#SBATCH --ntasks=1\n"
                   "#SBATCH --output=%s/report.log\n",
                   name, s->folder);
    directive(out, "partition", s->partitions);
    directive(out, "time", s->time);
    directive(out, "account", s->account);
    tm_text_format(
        out,
        "set -u\n"
        "folder='%s'\n"
        "program='%s'\n"
        "status=0\n"
        "stores=(\"$folder\"/*.jsonl)\n"
        "for store in \"${stores[@]}\"; do\n"
        "    \"$program\" report \"$store\" -o \"${store%%.jsonl}-report\" >/dev/null || "
        "status=$?\n"
        "done\n"
        "if [ ${#stores[@]} -gt 1 ]; then\n"
        "    \"$program\" report \"${stores[@]}\" -o \"$folder/machines-report\" || status=$?\n"
        "fi\n"
        "echo \"$status\" >\"$folder/report.status\"\n"
        "exit \"$status\"\n",
        s->folder, s->program);
}

tm_status tm_fleet_ask(const char *const *argv, const tm_interrupt *interrupt, char **text,
                       tm_error *err)
{
    const char *line[24] = {"/usr/bin/env"}; /* looks the command up */
    int n = 0;
    size_t length;
    tm_child *child;
    tm_child_end end = {0};
    tm_error why = {0};
    while (argv[n] && n + 2 < (int)(sizeof line / sizeof *line)) {
        line[n + 1] = argv[n];
        n++;
    }
    *text = NULL;
    tm_status status = tm_child_open(line, &child, err);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, MAX_ANSWER, PATIENCE, interrupt, text, &length, &why);
    tm_child_close(child, status == TM_OK ? 5 : 0, &end);
    if (status != TM_OK) return tm_fail(err, status, "%s: %s", argv[0], why.message);
    char *whole = end.ok ? realloc(*text, length + 1) : NULL;
    if (whole) {
        whole[length] = 0;
        *text = whole;
        return TM_OK;
    }
    free(*text);
    *text = NULL;
    if (end.ok) return tm_fail(err, TM_NOMEM, "%s: no memory for its answer", argv[0]);
    if (end.exit_code == 127)
        return tm_fail(err, TM_UNSUPPORTED,
                       "%s is not installed: this machine submits no Slurm jobs; `ternmark fleet "
                       "SUITE --print` prints the job script for other systems",
                       argv[0]);
    return tm_fail(err, TM_CHILD, "%s %s%s%s", argv[0], end.reason, end.last_words[0] ? ": " : "",
                   end.last_words);
}

static bool is_known(const tm_fleet_node *nodes, int n, const char *name, const char *partition,
                     bool one_per_partition)
{
    for (int i = 0; i < n; i++)
        if (strcmp(nodes[i].name, name) == 0 ||
            (one_per_partition && strcmp(nodes[i].partition, partition) == 0))
            return true;
    return false;
}

/* Lines "node|partition|CPUs|state"; the partition is the default one if it ends in a star. */
static void read_nodes(const tm_fleet_settings *s, char *text, tm_fleet_node *out, int *n,
                       char *left_out, size_t size)
{
    char *rest = NULL;
    const bool is_limited = s->partitions || s->nodes;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        tm_fleet_node node = {0};
        char state[64];
        if (sscanf(line, "%63[^|]|%63[^|]|%d|%63s", node.name, node.partition, &node.n_cpus,
                   state) != 4)
            continue;
        size_t length = strlen(node.partition);
        const bool is_default = length > 0 && node.partition[length - 1] == '*';
        if (is_default) node.partition[length - 1] = 0;
        if ((!is_limited && !is_default) || *n >= TM_FLEET_NODES_MAX ||
            is_known(out, *n, node.name, node.partition, s->one_per_partition))
            continue;
        static const char *const gone[] = {"down", "drain", "drng", "fail", "maint", "unk", NULL};
        bool is_gone = false;
        for (int i = 0; gone[i]; i++) is_gone |= strncmp(state, gone[i], strlen(gone[i])) == 0;
        size_t used = strlen(left_out);
        if (is_gone)
            snprintf(left_out + used, size - used, "%s%s (%s)", used ? ", " : "", node.name, state);
        else
            out[(*n)++] = node;
    }
}

/* sinfo leaves out names that it does not know. */
static tm_status check_names(const tm_fleet_settings *s, const tm_interrupt *interrupt,
                             const char *answer, tm_error *err)
{
    char *names, *rest = NULL;
    const char *argv[] = {"scontrol", "show", "hostnames", s->nodes, NULL};
    tm_status status = tm_fleet_ask(argv, interrupt, &names, err);
    if (status != TM_OK) return status;
    for (char *name = strtok_r(names, "\n", &rest); name && status == TM_OK;
         name = strtok_r(NULL, "\n", &rest)) {
        const size_t n = strlen(name);
        const char *line = answer;
        while (line && !(strncmp(line, name, n) == 0 && line[n] == '|')) {
            line = strchr(line, '\n');
            if (line) line++;
        }
        if (!line)
            status = tm_fail(err, TM_ARG, "--nodes: Slurm has no node %.64s%s%.64s", name,
                             s->partitions ? " in the partition " : "",
                             s->partitions ? s->partitions : "");
    }
    free(names);
    return status;
}

tm_status tm_fleet_find_nodes(const tm_fleet_settings *s, const tm_interrupt *interrupt,
                              tm_fleet_node *out, int *n, tm_error *err)
{
    char *text, left_out[400] = "";
    const char *argv[12] = {"sinfo", "-h", "-N", "-o", "%N|%P|%c|%t"};
    int k = 5;
    if (s->partitions) {
        argv[k++] = "-p";
        argv[k++] = s->partitions;
    }
    if (s->nodes) {
        argv[k++] = "-n";
        argv[k++] = s->nodes;
    }
    *n = 0;
    tm_status status = tm_fleet_ask(argv, interrupt, &text, err);
    if (status == TM_OK && s->nodes) status = check_names(s, interrupt, text, err);
    if (status != TM_OK) {
        free(text);
        return status;
    }
    read_nodes(s, text, out, n, left_out, sizeof left_out);
    free(text);
    if (left_out[0]) fprintf(stderr, "ternmark fleet: left out: %s\n", left_out);
    if (*n > 0) return TM_OK;
    return tm_fail(err, TM_ARG, "Slurm has no usable node %s%s%s%s%s",
                   s->nodes ? "named " : "in the ", s->nodes ? s->nodes : "",
                   s->nodes && s->partitions ? " in the " : "",
                   s->nodes && !s->partitions ? ""
                   : s->partitions            ? "partition "
                                              : "default partition",
                   s->partitions ? s->partitions : "");
}
