#include "harness/tune/prefetch.h"

#include "harness/base/clock.h"
#include "harness/measure/kernel_timer.h"
#include "harness/stats/stats.h"
#include "harness/tune/tune_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS       9
#define N_ROWS       4096 /* the matrix is wide enough that a prefetch stays in its row group */
#define N_COLS       2560
#define SAMPLE_BYTES 32e6 /* about a millisecond */
#define TIE          1.01 /* within this ratio of the best the shortest distance wins */

const int tm_prefetch_distances[TM_PREFETCH_DISTANCES] = {0, 2048, 4096, 8192, 16384};

tm_status tm_prefetch_from_environment(tm_error *err)
{
    const char *text = getenv(TM_PREFETCH_VARIABLE);
    char *end;
    if (!text || !*text) return TM_OK;
    long bytes = strtol(text, &end, 10);
    if (*end || end == text || bytes < 0 || bytes > TM_AHEAD_MAX)
        return tm_fail(err, TM_ARG, "%s: \"%s\" is not a number of bytes from 0 to %d",
                       TM_PREFETCH_VARIABLE, text, TM_AHEAD_MAX);
    tm_kernel_ahead = (int)bytes;
    return TM_OK;
}

static double sample(tm_kernel_job *job, int distance)
{
    double bytes = 0;
    tm_kernel_ahead = distance;
    int64_t begin = tm_now_ns();
    for (; bytes < SAMPLE_BYTES; bytes += tm_kernel_job_pass_bytes(job)) tm_kernel_job_pass(job);
    return bytes / (double)(tm_now_ns() - begin);
}

/* Every round runs the distances in the opposite order, so that drift affects all alike. The first
 * round is the warm-up. */
static void race(tm_kernel_job *job, tm_prefetch *out)
{
    double rates[TM_PREFETCH_DISTANCES][ROUNDS], best = 0;
    for (int round = -1; round < ROUNDS; round++)
        for (int i = 0; i < TM_PREFETCH_DISTANCES; i++) {
            int at = round % 2 ? TM_PREFETCH_DISTANCES - 1 - i : i;
            rates[at][round < 0 ? 0 : round] = sample(job, tm_prefetch_distances[at]);
        }
    for (int i = 0; i < TM_PREFETCH_DISTANCES; i++) {
        out->gb_per_second[i] = tm_median(rates[i], ROUNDS);
        if (out->gb_per_second[i] > best) best = out->gb_per_second[i];
    }
    for (int i = TM_PREFETCH_DISTANCES - 1; i >= 0; i--)
        if (out->gb_per_second[i] * TIE >= best) out->bytes = tm_prefetch_distances[i];
}

tm_status tm_prefetch_measure(const tm_machine *machine, tm_prefetch *out, tm_error *err)
{
    tm_kernel_timer_options options = tm_kernel_timer_options_for(machine);
    tm_kernel_weights weights;
    tm_kernel_job job;
    const tm_kernel *kernel;
    int before = tm_kernel_ahead;
    memset(out, 0, sizeof *out);
    tm_status status = tm_kernel_pick("f16", &kernel, err);
    if (status != TM_OK) return status;
    status = tm_kernel_weights_open(kernel->format, N_ROWS, N_COLS, true, &options, &weights, err);
    if (status != TM_OK) return status;
    status = tm_kernel_job_open(kernel, &weights, 1, options.seed, &job, err);
    if (status == TM_OK) {
        race(&job, out);
        tm_kernel_job_close(&job);
    }
    tm_kernel_weights_close(&weights);
    tm_kernel_ahead = before;
    return status;
}

/* Everything that the measurement depends on. */
static uint64_t key_of(const tm_tuner *tuner)
{
    char text[256], isa[128];
    int n = snprintf(text, sizeof text, "prefetch %s %s %s", tuner->machine->fingerprint,
                     tuner->build, tm_isa_text(tm_cpu_isa(), isa, sizeof isa));
    return tm_hash(TM_HASH_START, text, (size_t)n);
}

/* False: not in the cache, or damaged. */
static bool read_cached(const char *path, int *bytes)
{
    tm_json *json = tm_tune_cache_read(path);
    int64_t value = -1;
    tm_error ignored;
    bool found = json && tm_json_need_int(json, "prefetch_bytes", path, 0, TM_AHEAD_MAX, &value,
                                          &ignored) == TM_OK;
    tm_json_free(json);
    if (found) *bytes = (int)value;
    return found;
}

static void write_cached(const char *path, const tm_prefetch *prefetch)
{
    tm_json *json = tm_json_object(), *rates = tm_json_array();
    tm_error ignored;
    for (int i = 0; i < TM_PREFETCH_DISTANCES; i++) {
        tm_json *rate = tm_json_object();
        tm_json_put_int(rate, "bytes", tm_prefetch_distances[i]);
        tm_json_put_number(rate, "gb_per_second", prefetch->gb_per_second[i]);
        tm_json_append(rates, rate);
    }
    tm_json_put_int(json, "prefetch_bytes", prefetch->bytes);
    tm_json_set(json, "measured", rates);
    /* Without a cache the next run measures again, which takes tenths of a second. */
    (void)!tm_tune_cache_write(path, json, &ignored);
    tm_json_free(json);
}

/* Sets tm_kernel_ahead; how: a sentence on where its value comes from. */
static void choose(const tm_tuner *tuner, char *how, size_t size)
{
    char path[TM_TUNE_CACHE_PATH];
    bool lasting = tm_tune_cache_path(tuner->folder, key_of(tuner), path);
    tm_prefetch prefetch;
    tm_error why = {0};
    const char *wish = getenv(TM_PREFETCH_VARIABLE);
    if (wish && *wish) {
        snprintf(how, size, "set by %s", TM_PREFETCH_VARIABLE);
    } else if (lasting && !tuner->retune && read_cached(path, &tm_kernel_ahead)) {
        snprintf(how, size, "cached from an earlier measurement on this machine");
    } else if (!tuner->measure || tuner->machine->emulated) {
        snprintf(how, size, "not measured: %s",
                 tuner->measure ? "instructions are emulated here" : "nothing is run");
    } else if (tm_prefetch_measure(tuner->machine, &prefetch, &why) != TM_OK) {
        snprintf(how, size, "not measured: %s", why.message);
    } else {
        int n =
            snprintf(how, size, "measured, GB/s of fp16 weights by prefetch distance in bytes:");
        for (int i = 0; i < TM_PREFETCH_DISTANCES; i++)
            n += snprintf(how + n, size - (size_t)n, " %d: %.1f", tm_prefetch_distances[i],
                          prefetch.gb_per_second[i]);
        tm_kernel_ahead = prefetch.bytes;
        if (lasting) write_cached(path, &prefetch);
    }
}

void tm_prefetch_choose(const tm_tuner *tuner, tm_prefetch_choice *out)
{
    char bytes[16];
    choose(tuner, out->how, sizeof out->how);
    out->bytes = tm_kernel_ahead;
    snprintf(bytes, sizeof bytes, "%d", out->bytes);
    setenv(TM_PREFETCH_VARIABLE, bytes, 1);
}
