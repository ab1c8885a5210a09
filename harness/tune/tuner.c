#include "harness/tune/tuner.h"

#include "harness/base/child.h"
#include "harness/machine/cpu_choice.h"
#include "harness/tune/tune_cache.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ANSWER      (64 << 10) /* of the child: some hundred bytes per kernel */
#define PATIENCE        900        /* loading, and TM_TUNE_MAX duels at worst */
#define GRACE           5
#define NOT_MEASURED(n) "the kernels of %s were not compared for %s: " n

static void note(const tm_tuner *tuner, const char *fmt, ...) TM_PRINTF(2, 3);
static void note(const tm_tuner *tuner, const char *fmt, ...)
{
    char text[640];
    va_list args;
    if (!tuner->note) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tuner->note(tuner->note_arg, text);
}

/* Everything that a measurement depends on. */
static uint64_t key_of(const tm_tuner *tuner, const tm_config *config, const char *family,
                       int n_threads, const tm_kernel *const *kernels, int n)
{
    char text[512];
    uint64_t hash = TM_HASH_START;
    int length =
        snprintf(text, sizeof text, "%s %s %s %d: %d %d %d %d %d %d %d %d %d",
                 tuner->machine->fingerprint, tuner->build, family, n_threads, config->n_layers,
                 config->n_hidden, config->n_ffn, config->n_heads, config->n_kv_heads,
                 config->head_dim, config->n_rot, config->sub_norms, config->relu2);
    hash = tm_hash(hash, text, (size_t)length);
    if (tuner->cpus) hash = tm_hash(hash, tuner->cpus, strlen(tuner->cpus));
    for (int i = 0; i < n; i++) hash = tm_hash(hash, kernels[i]->name, strlen(kernels[i]->name));
    return hash;
}

/* The candidate that the cache names; NULL: none, or a damaged file. */
static const tm_kernel *read_cached(const char *path, const tm_kernel *const *kernels, int n,
                                    char *why)
{
    tm_json *json = tm_tune_cache_read(path);
    tm_tune tune;
    tm_error ignored;
    const tm_kernel *found = NULL;
    if (json && tm_tune_from_json(json, &tune, &ignored) == TM_OK)
        for (int i = 0; i < n; i++)
            if (kernels[i] == tune.candidates[tune.best].kernel) found = kernels[i];
    if (found) tm_tune_why(&tune, why, TM_TUNER_WHY);
    tm_json_free(json);
    return found;
}

static void write_cached(const tm_tuner *tuner, const char *path, const tm_tune *tune)
{
    tm_error err = {0};
    tm_json *json = tm_tune_to_json(tune);
    tm_status status = tm_tune_cache_write(path, json, &err);
    tm_json_free(json);
    if (status != TM_OK)
        note(tuner,
             "the choice of a kernel could not be cached, so the next run measures again: %s",
             err.message);
}

static tm_status measure(const tm_tuner *tuner, const char *model, const char *family,
                         int n_threads, tm_tune *out, tm_error *err)
{
    char threads[16], seed[24];
    const char *program = tuner->worker_path ? tuner->worker_path : "/proc/self/exe";
    const char *argv[] = {program,
                          "tune",
                          "-m",
                          model,
                          "--family",
                          family,
                          "-t",
                          threads,
                          "--seed",
                          seed,
                          "-o",
                          "json",
                          tuner->oversubscribe ? "--oversubscribe" : NULL,
                          NULL};
    snprintf(threads, sizeof threads, "%d", n_threads);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)tuner->seed);
    tm_child *child;
    tm_child_end end;
    char *text = NULL;
    size_t length = 0;
    tm_json *json = NULL;
    tm_affinity before;
    tm_status status = tm_cpu_choice_enter(tuner->cpus ? tuner->cpus : "", &before, err);
    if (status == TM_OK) status = tm_child_open(argv, &child, err);
    tm_affinity_restore(&before);
    if (status != TM_OK) return status;
    status = tm_child_read_all(child, MAX_ANSWER, PATIENCE, tuner->interrupt, &text, &length, err);
    tm_child_close(child, status == TM_OK ? GRACE : 0, &end);
    if (status == TM_OK && !end.ok)
        status = tm_fail(err, TM_CHILD, "%s", end.last_words[0] ? end.last_words : end.reason);
    if (status == TM_OK) status = tm_json_parse(text, length, "tune", &json, err);
    if (status == TM_OK) status = tm_tune_from_json(json, out, err);
    tm_json_free(json);
    free(text);
    return status;
}

tm_status tm_tuner_choose(const tm_tuner *tuner, const char *model, const tm_config *config,
                          const char *family, int n_threads, const tm_kernel **out,
                          char why[TM_TUNER_WHY], tm_error *err)
{
    const tm_kernel *kernels[TM_TUNE_MAX];
    char path[TM_TUNE_CACHE_PATH], count[32] = "";
    tm_tune tune;
    tm_error lost = {0};
    tm_status status = tm_kernel_pick(family, out, err);
    int n = status == TM_OK ? tm_tune_candidates(family, kernels) : 0;
    if (n == 1) *out = kernels[0];
    snprintf(why, TM_TUNER_WHY, "%s",
             n == 1 ? "the only candidate" : "the fixed order of its kernels");
    if (n < 2) return status;
    bool lasting = tm_tune_cache_path(tuner->folder,
                                      key_of(tuner, config, family, n_threads, kernels, n), path);
    const tm_kernel *known = lasting && !tuner->retune ? read_cached(path, kernels, n, why) : NULL;
    if (known) {
        *out = known;
        return TM_OK;
    }
    if (!tuner->measure) return TM_OK;
    if (tuner->machine->emulated) {
        note(tuner, NOT_MEASURED("instructions are emulated here; using %s"), family, model,
             (*out)->name);
        return TM_OK;
    }
    if (tuner->n_choices > 0)
        snprintf(count, sizeof count, " (%d of %d)", tuner->number, tuner->n_choices);
    note(tuner, "comparing %s kernels on %s, %d thread%s%s", family, model, n_threads,
         tm_plural(n_threads), count);
    status = measure(tuner, model, family, n_threads, &tune, &lost);
    if (status == TM_INTERRUPTED) return tm_fail(err, status, "%s", lost.message);
    if (status != TM_OK) {
        note(tuner, NOT_MEASURED("%s; using %s"), family, model, lost.message, (*out)->name);
        return TM_OK;
    }
    *out = tune.candidates[tune.best].kernel;
    note(tuner, "  %s", tm_tune_why(&tune, why, TM_TUNER_WHY));
    if (lasting) write_cached(tuner, path, &tune);
    return TM_OK;
}
