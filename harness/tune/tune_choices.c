#include "harness/tune/tune_choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_tune_choice *find(const tm_tune_choices *choices, const char *model, const char *family,
                            int n_threads, const char *cpus)
{
    for (int i = 0; i < choices->n; i++) {
        tm_tune_choice *c = &choices->items[i];
        if (c->n_threads == n_threads && strcmp(c->model, model) == 0 &&
            strcmp(c->family, family) == 0 && strcmp(c->cpus, cpus) == 0)
            return c;
    }
    return NULL;
}

tm_status tm_tune_choices_add(tm_tune_choices *choices, const char *model, const tm_config *config,
                              const char *family, int n_threads, const char *cpus, tm_error *err)
{
    if (find(choices, model, family, n_threads, cpus)) return TM_OK;
    size_t n = (size_t)choices->n + 1;
    tm_tune_choice *more = realloc(choices->items, n * sizeof *more);
    if (!more) return tm_fail(err, TM_NOMEM, "no memory for %zu kernel choices", n);
    choices->items = more;
    tm_tune_choice *c = &more[choices->n++];
    *c = (tm_tune_choice){.n_threads = n_threads, .config = *config};
    snprintf(c->model, sizeof c->model, "%s", model);
    snprintf(c->family, sizeof c->family, "%s", family);
    snprintf(c->cpus, sizeof c->cpus, "%s", cpus);
    return TM_OK;
}

const tm_kernel *tm_tune_choices_find(const tm_tune_choices *choices, const char *model,
                                      const char *family, int n_threads, const char *cpus)
{
    const tm_tune_choice *c = choices ? find(choices, model, family, n_threads, cpus) : NULL;
    return c ? c->kernel : NULL;
}

void tm_tune_choices_free(tm_tune_choices *choices)
{
    free(choices->items);
    *choices = (tm_tune_choices){0};
}

/* Whether more than one kernel may be chosen here. */
static bool needs_race(const tm_tune_choice *choice)
{
    const tm_kernel *kernels[TM_TUNE_MAX];
    return tm_tune_candidates(choice->family, kernels) > 1;
}

tm_status tm_tune_resolve(const tm_tuner *tuner, tm_tune_choices *choices, tm_error *err)
{
    tm_status status = TM_OK;
    tm_tuner numbered = *tuner;
    if (choices->has_kernels) tm_prefetch_choose(tuner, &choices->prefetch);
    for (int i = 0; i < choices->n; i++) numbered.n_choices += needs_race(&choices->items[i]);
    for (int i = 0; i < choices->n && status == TM_OK; i++) {
        tm_tune_choice *c = &choices->items[i];
        numbered.number += needs_race(c);
        numbered.cpus = c->cpus;
        status = tm_tuner_choose(&numbered, c->model, &c->config, c->family, c->n_threads,
                                 &c->kernel, c->why, err);
    }
    return status;
}

void tm_tune_choices_put(tm_json *environment, const tm_tune_choices *choices)
{
    if (!choices->has_kernels) {
        tm_json_put_missing(environment, "prefetch_bytes", "no kernel of ours runs");
        return;
    }
    tm_json_put_int(environment, "prefetch_bytes", choices->prefetch.bytes);
    tm_json_put_string(environment, "prefetch_chosen", choices->prefetch.how);
    tm_json *list = tm_json_array();
    for (int i = 0; i < choices->n; i++) {
        const tm_tune_choice *c = &choices->items[i];
        if (!c->kernel) continue;
        tm_json *one = tm_json_object();
        tm_json_put_string(one, "model", c->model);
        tm_json_put_string(one, "family", c->family);
        tm_json_put_int(one, "threads", c->n_threads);
        if (c->cpus[0]) tm_json_put_string(one, "cpus", c->cpus);
        tm_json_put_string(one, "kernel", c->kernel->name);
        tm_json_put_string(one, "why", c->why);
        tm_json_append(list, one);
    }
    tm_json_set(environment, "kernel_choices", list);
}
