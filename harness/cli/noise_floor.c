#include "harness/cli/noise_floor.h"

#include "harness/base/clock.h"
#include "harness/machine/machine.h"
#include "harness/tune/tune_cache.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Everything that the noise of a ratio may depend on. */
static bool path_of(const char *fingerprint, const tm_arms_row *row, char path[TM_TUNE_CACHE_PATH])
{
    char key[256];
    snprintf(key, sizeof key, "noise floor 2|%s|%s|%d|%s|%s", fingerprint, row->metric->name,
             row->b.threads, row->b.n_prompt > 0 ? "prompt" : "", row->b.n_gen > 0 ? "gen" : "");
    return tm_tune_cache_path(NULL, tm_hash(TM_HASH_START, key, strlen(key)), path);
}

tm_status tm_noise_floor_keep(const char *fingerprint, const tm_arms_row *row, tm_text *notes,
                              tm_error *err)
{
    char path[TM_TUNE_CACHE_PATH];
    double floor = exp(fmax(fabs(log(row->ratio.low)), fabs(log(row->ratio.high))));
    if (row->n_a < TM_NOISE_FLOOR_PAIRS || !isfinite(floor) || !path_of(fingerprint, row, path)) {
        tm_text_format(notes, "no noise floor of %s was kept: it needs %d pairs with values\n",
                       row->metric->label, TM_NOISE_FLOOR_PAIRS);
        return TM_OK;
    }
    tm_json *json = tm_json_object();
    if (!json) return tm_fail(err, TM_NOMEM, "no memory for a noise floor");
    tm_json_put_string(json, "fingerprint", fingerprint);
    tm_json_put_string(json, "metric", row->metric->name);
    tm_json_put_int(json, "threads", row->b.threads);
    tm_json_put_string(json, "test", row->b.test);
    tm_json_put_number(json, "ratio", floor);
    tm_json_put_int(json, "pairs", row->n_a);
    tm_json_put_number(json, "unix_seconds", tm_unix_now());
    tm_status status = tm_tune_cache_write(path, json, err);
    tm_json_free(json);
    if (status == TM_OK)
        tm_text_format(notes,
                       "noise floor of %s for %d thread%s and %s: %.2f, kept for this "
                       "machine\n",
                       row->metric->label, row->b.threads, row->b.threads == 1 ? "" : "s",
                       row->b.n_gen == 0      ? "prompts"
                       : row->b.n_prompt == 0 ? "generation"
                                              : "both",
                       floor);
    return status;
}

void tm_noise_floor_recall(const char *fingerprint, tm_arms_row *row)
{
    char path[TM_TUNE_CACHE_PATH];
    if (!path_of(fingerprint, row, path)) return;
    tm_json *json = tm_tune_cache_read(path);
    double ratio = tm_json_double(tm_json_get(json, "ratio"), NAN);
    double pairs = tm_json_double(tm_json_get(json, "pairs"), NAN);
    const char *of = tm_json_text(tm_json_get(json, "fingerprint"), "");
    if (ratio >= 1 && ratio < 100 && pairs >= TM_NOISE_FLOOR_PAIRS && pairs < 1e6 &&
        strcmp(of, fingerprint) == 0) {
        row->noise_floor = ratio;
        row->noise_pairs = (int)pairs;
    }
    tm_json_free(json);
}
