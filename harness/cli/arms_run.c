#include "harness/cli/arms_run.h"

#include "harness/base/child.h"
#include "harness/base/version.h"
#include "harness/cli/plan_roofline.h"
#include "harness/measure/worker.h"
#include "kernels/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_SECONDS 30

/* Appends "KEY=VALUE" to the variant that people read. */
static void add_variant(tm_arm_setting *setting, const char *key, const char *value)
{
    size_t n = strlen(setting->variant);
    snprintf(setting->variant + n, sizeof setting->variant - n, "%s%s=%s", n ? "," : "", key,
             value);
}

static tm_status copy_value(const char *key, const char *value, char *out, size_t size,
                            tm_error *err)
{
    if (strlen(value) >= size)
        return tm_fail(err, TM_ARG, "%s=%.40s...: longer than %zu characters", key, value,
                       size - 1);
    memcpy(out, value, strlen(value) + 1);
    return TM_OK;
}

static tm_status set_isa(tm_arm_setting *setting, const char *value, tm_error *err)
{
    unsigned isa;
    tm_status status = tm_isa_parse(value, &isa, err);
    if (status == TM_OK) status = copy_value("isa", value, setting->isa, sizeof setting->isa, err);
    if (status == TM_OK) add_variant(setting, "isa", value);
    return status;
}

static tm_status set_prefetch(tm_arm_setting *setting, const char *value, tm_error *err)
{
    if (!*value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 9)
        return tm_fail(err, TM_ARG, "prefetch=%.40s: must be a number of bytes", value);
    add_variant(setting, "prefetch", value);
    return copy_value("prefetch", value, setting->prefetch, sizeof setting->prefetch, err);
}

static tm_status set_kv(tm_arm_setting *setting, const char *value, tm_error *err)
{
    if (strcmp(value, "f16") != 0 && strcmp(value, "f32") != 0)
        return tm_fail(err, TM_ARG, "kv=%.40s: must be f16 or f32", value);
    setting->f32_kv = strcmp(value, "f32") == 0;
    if (setting->f32_kv) add_variant(setting, "kv", value);
    return TM_OK;
}

static tm_status set_build(tm_arm_setting *setting, const char *value, tm_error *err)
{
    char hash[24];
    tm_status status = copy_value("build", value, setting->program, sizeof setting->program, err);
    if (status == TM_OK) status = tm_build_check(value, err);
    if (status == TM_OK) status = tm_build_hash(value, hash, sizeof hash, err);
    hash[8] = 0; /* enough to tell builds apart */
    if (status == TM_OK) add_variant(setting, "build", hash);
    return status;
}

static tm_status apply(const char *key, const char *value, tm_arm_request *arm, tm_error *err)
{
    static const char *const keys[] = {"kernel", "head_kernel", "threads", "model",
                                       "isa",    "prefetch",    "kv",      "peer",
                                       "build",  "cpus",        NULL};
    int k = 0;
    while (keys[k] && strcmp(keys[k], key) != 0) k++;
    tm_suite *suite = &arm->suite;
    switch (k) {
    case 0:
    case 7: /* a peer takes the place of a kernel */
        suite->n_kernels = 0;
        return tm_suite_add_kernels(suite, value, err);
    case 1:
        suite->n_head_kernels = 0;
        return tm_suite_add_head_kernels(suite, value, err);
    case 2:
        suite->n_threads = 0;
        return tm_suite_add_threads(suite, value, err);
    case 3:
        suite->n_models = 0;
        return tm_suite_add_models(suite, value, err);
    case 4:
        return set_isa(&arm->setting, value, err);
    case 5:
        return set_prefetch(&arm->setting, value, err);
    case 6:
        return set_kv(&arm->setting, value, err);
    case 8:
        return set_build(&arm->setting, value, err);
    case 9:
        suite->n_cpus = 0;
        return tm_suite_add_cpus(suite, value, err);
    default:
        return tm_unknown_name(err, "key of an arm", key, keys);
    }
}

tm_status tm_arm_parse(const char *text, tm_arm_request *arm, tm_error *err)
{
    char part[4200], *equals;
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n == 0 || n >= sizeof part)
            return tm_fail(err, TM_ARG, "arm \"%.60s\": a part is %s", text,
                           n ? "too long" : "empty");
        memcpy(part, text, n);
        part[n] = 0;
        equals = strchr(part, '=');
        if (!equals || !equals[1])
            return tm_fail(err, TM_ARG,
                           "arm \"%.100s\": expected KEY=VALUE with a key of " TM_ARM_KEYS
                           ", or the file of a store",
                           part);
        *equals = 0;
        tm_status status = apply(part, equals + 1, arm, err);
        if (status != TM_OK) return status;
        text += n;
        if (*text == ',' && !*++text)
            return tm_fail(err, TM_ARG, "the list of an arm ends with a comma");
    }
    return TM_OK;
}

tm_status tm_build_check(const char *program, tm_error *err)
{
    const char *argv[] = {program, "worker", NULL};
    const char *text;
    tm_child *child;
    tm_child_end end = {0};
    tm_error why;
    tm_worker_line line;
    tm_status status = tm_child_open(argv, &child, &why);
    if (status != TM_OK) return tm_fail(err, TM_ARG, "build %s: %s", program, why.message);
    status = tm_child_read_line(child, HELLO_SECONDS, NULL, &text, &why);
    if (status == TM_OK && text) {
        status = tm_worker_line_parse(text, &line, &why);
        if (status == TM_OK && (line.kind != TM_WORKER_HELLO))
            status = tm_fail(&why, TM_ARG, "its first line is not the hello of a worker");
        else if (status == TM_OK && line.protocol != TM_WORKER_PROTOCOL)
            status = tm_fail(&why, TM_ARG,
                             "its workers (%s) use protocol %d; this program uses protocol %d",
                             line.program, line.protocol, TM_WORKER_PROTOCOL);
        if (status == TM_OK) tm_worker_line_free(&line);
    }
    bool silent = status == TM_OK && !text;
    tm_child_close(child, silent ? 5 : 0, &end);
    if (silent)
        status = tm_fail(&why, TM_ARG, "`%s worker` %s%s%s", program, end.reason,
                         end.last_words[0] ? " and said: " : "", end.last_words);
    if (status == TM_OK) return TM_OK;
    return tm_fail(err, TM_ARG, "build %s: not a usable ternmark: %s", program, why.message);
}

/* The plan of one arm, in which every arm of the plan runs alone. */
static tm_status plan_arm(const tm_arms_request *r, tm_arm_request *arm, const char *own_build,
                          const tm_machine *machine, tm_progress *progress,
                          tm_tune_choices *choices, tm_plan *out, tm_error *err)
{
    char build[24];
    const char *program = arm->setting.program[0] ? arm->setting.program : NULL;
    const unsigned all = tm_cpu_isa();
    unsigned isa = all;
    tm_status status = tm_build_hash(program, build, sizeof build, err);
    if (status == TM_OK && arm->setting.isa[0]) status = tm_isa_parse(arm->setting.isa, &isa, err);
    /* What "auto" means is decided by this build for both arms, so that they run one kernel. */
    tm_tuner tuner = tm_cell_choice(r->cells, own_build, machine, progress, r->interrupt);
    tm_plan_options options = {.need_models = true,
                               .seed = (uint64_t)r->cells->seed,
                               .oversubscribe = r->cells->oversubscribe,
                               .build = build,
                               .choices = choices,
                               .energy = r->energy && r->energy->source[0],
                               .setting = &arm->setting};
    for (int i = 0; r->peers && i < r->peers->n; i++)
        if (arm->suite.n_kernels == 1 &&
            strcmp(arm->suite.kernels[0], r->peers->items[i].name) == 0) {
            options.peers = &r->peers->items[i];
            options.n_peers = 1;
        }
    tm_cpu_limit(isa);
    if (status == TM_OK)
        status = tm_plan_list_choices(&arm->suite, machine, &options, choices, err);
    /* A race on restricted instruction sets would be cached as this machine's: use the fixed
     * order. */
    tuner.measure = isa == all;
    if (status == TM_OK) status = tm_tune_resolve(&tuner, choices, err);
    if (status == TM_OK) status = tm_plan_make(&arm->suite, machine, &options, out, err);
    tm_cpu_limit(all);
    return status;
}

tm_status tm_arms_of_plan(const tm_plan *plan, const tm_record *records, int n,
                          const tm_metric *const *metrics, int n_metrics, int only_pair,
                          tm_arms *arms, tm_error *err)
{
    tm_status status = TM_OK;
    for (int i = 0; i < plan->n_pairs; i++) {
        const tm_arm *a = &plan->arms[plan->pairs[i].a], *b = &plan->arms[plan->pairs[i].b];
        if (only_pair >= 0 && i != only_pair) continue;
        for (int k = 0; k < a->n_cells && k < b->n_cells; k++)
            for (int m = 0; m < n_metrics && status == TM_OK; m++)
                status = tm_arms_add_pairs(arms, records, n, &a->cells[k], a->cell_ids[k],
                                           &b->cells[k], b->cell_ids[k], metrics[m], err);
    }
    return status;
}

bool tm_arms_are_narrow(const tm_plan *plan, int pair, const tm_records *records,
                        const tm_looks *looks, double precision, bool or_decided)
{
    const tm_metric *const speed[] = {&tm_metrics[0]};
    tm_arms arms = {0};
    tm_error ignored;
    bool is_narrow =
        tm_arms_of_plan(plan, records->items, records->n, speed, 1, pair, &arms, &ignored) == TM_OK;
    tm_arms_judge(&arms, looks);
    for (int i = 0; i < arms.n_rows; i++) {
        const tm_interval *ratio = &arms.rows[i].ratio;
        bool excludes_one = ratio->low > 1 || ratio->high < 1;
        is_narrow = is_narrow && arms.rows[i].n_a >= TM_FIRST_LOOK &&
                    (tm_interval_half_width(*ratio) <= precision || (or_decided && excludes_one));
    }
    tm_arms_free(&arms);
    return is_narrow;
}

static tm_status differ(const tm_plan *plan, tm_error *err)
{
    char label[512];
    for (int i = 0; i < plan->n_pairs; i++)
        for (int k = 0; k < plan->arms[plan->pairs[i].a].n_cells; k++) {
            if (plan->pairs[i].b < 0) continue;
            const tm_arm *a = &plan->arms[plan->pairs[i].a];
            const tm_arm *b = &plan->arms[plan->pairs[i].b];
            if (k < b->n_cells && strcmp(a->cell_ids[k], b->cell_ids[k]) == 0)
                return tm_fail(err, TM_ARG,
                               "A and B are the same: %s; --aa compares an arm with itself",
                               tm_cell_label(&a->cells[k], label, sizeof label));
        }
    return TM_OK;
}

tm_status tm_arms_run(const tm_arms_request *r, tm_plan *plan, tm_sweep_outcome *outcome,
                      tm_machine *machine, tm_error *err)
{
    tm_plan of_a = {0}, of_b = {0};
    tm_tune_choices a_choices = {0}, b_choices = {0};
    tm_progress progress;
    char build[24];
    tm_progress_init(&progress, r->cells->quiet);
    if (r->is_aa) snprintf(r->b->setting.variant, sizeof r->b->setting.variant, "repeat");
    tm_status status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", machine, err);
    if (status == TM_OK && r->store) status = tm_sweep_check_store(r->store, machine, false, err);
    if (status == TM_OK)
        status = plan_arm(r, r->a, build, machine, &progress, &a_choices, &of_a, err);
    if (status == TM_OK && r->b)
        status = plan_arm(r, r->b, build, machine, &progress, &b_choices, &of_b, err);
    if (status == TM_OK && r->b) {
        status = tm_plan_join(&of_a, &of_b, plan, err);
    } else if (status == TM_OK) {
        *plan = of_a;
        of_a = (tm_plan){0};
    }
    if (status == TM_OK) status = differ(plan, err);
    for (int i = 0; i < plan->n_arms && r->is_aa; i++)
        for (int k = 0; k < plan->arms[i].n_cells; k++)
            strcpy(plan->arms[i].cells[k].role, TM_ROLE_AA);
    tm_plan_roofline_request limits = {.command = r->command,
                                       .machine = machine,
                                       .plan = plan,
                                       .oversubscribe = r->cells->oversubscribe,
                                       .interrupt = r->interrupt};
    tm_sweep_options so = {.suite = &r->a->suite,
                           .machine = machine,
                           .plan = plan,
                           .store_path = r->store,
                           .again = true,
                           .build = build,
                           .limits = r->measure_limits ? tm_plan_roofline_of_run : NULL,
                           .limits_arg = &limits,
                           .energy = r->energy,
                           .seed = (uint64_t)r->cells->seed,
                           .wants = r->wants,
                           .wants_arg = r->wants_arg,
                           .oversubscribe = r->cells->oversubscribe,
                           .interrupt = r->interrupt,
                           .on_event = tm_progress_event,
                           .on_event_arg = &progress};
    if (status == TM_OK && r->begin) r->begin(r->wants_arg, plan, &outcome->records);
    if (status == TM_OK) status = tm_sweep_run(&so, outcome, err);
    tm_progress_end(&progress);
    plan->choices = NULL; /* freed here */
    tm_plan_free(&of_a);
    tm_plan_free(&of_b);
    tm_tune_choices_free(&a_choices);
    tm_tune_choices_free(&b_choices);
    return status;
}
