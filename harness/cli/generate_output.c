#include "harness/cli/generate_output.h"

#include "harness/cli/command.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void tm_generate_output_init(tm_generate_output *o, FILE *out, bool json)
{
    *o = (tm_generate_output){.out = out, .json = json, .replies = tm_json_array()};
    pthread_mutex_init(&o->lock, NULL);
}

void tm_generate_output_free(tm_generate_output *o)
{
    free(o->text.data);
    free(o->printed.data);
    tm_token_ids_free(&o->ids);
    tm_json_free(o->replies);
    pthread_mutex_destroy(&o->lock);
}

static void keep(tm_generate_output *o, tm_token_text *text, const char *data, size_t length)
{
    if (text->length + length > text->capacity) {
        size_t room = 2 * (text->length + length);
        char *more = realloc(text->data, room);
        o->is_lost = o->is_lost || !more;
        if (!more) return;
        text->data = more;
        text->capacity = room;
    }
    if (length > 0) memcpy(text->data + text->length, data, length);
    text->length += length;
}

static void print(tm_generate_output *o, const char *text, size_t length)
{
    if (o->json || length == 0) return;
    fwrite(text, 1, length, o->out);
    fflush(o->out);
    if (o->out != stdout) keep(o, &o->printed, text, length);
}

void tm_generate_output_begin(tm_generate_output *o)
{
    pthread_mutex_lock(&o->lock);
    o->text.length = o->ids.n = 0;
    o->is_open = true;
    pthread_mutex_unlock(&o->lock);
}

void tm_generate_output_token(void *output, int32_t id, const char *text, size_t length)
{
    tm_generate_output *o = output;
    tm_error ignored;
    pthread_mutex_lock(&o->lock);
    if (id >= 0 && tm_token_ids_add(&o->ids, id, &ignored) != TM_OK) o->is_lost = true;
    if (o->json) keep(o, &o->text, text, length);
    print(o, text, length);
    pthread_mutex_unlock(&o->lock);
}

/* JSON strings of C end at NUL, so that it becomes U+FFFD. */
static tm_json *text_json(tm_generate_output *o, const char *data, size_t length)
{
    tm_token_text text = {0};
    for (size_t i = 0; i < length; i++)
        keep(o, &text, data[i] ? &data[i] : REPLACEMENT, data[i] ? 1 : 3);
    keep(o, &text, "", 1);
    tm_json *json = tm_json_string(text.data ? text.data : "");
    free(text.data);
    return json;
}

static double per_second(int n, int64_t ns)
{
    return n > 0 && ns > 0 ? n / (1e-9 * (double)ns) : NAN;
}

/* g NULL: interrupted. */
static tm_json *reply_json(tm_generate_output *o, const tm_generated *g, tm_gguf_string stop)
{
    tm_json *json = tm_json_object(), *ids = tm_json_array();
    const char *why = g ? "only one token was generated" : "interrupted";
    for (size_t i = 0; i < o->ids.n; i++) tm_json_append(ids, tm_json_number(o->ids.ids[i]));
    tm_json_set(json, "text", text_json(o, o->text.data, o->text.length));
    tm_json_set(json, "token_ids", ids);
    tm_json_put_string(json, "end", g ? tm_end_name(g->end) : "interrupted");
    tm_json_set(json, "stop",
                stop.length > 0 ? text_json(o, stop.data, stop.length) : tm_json_null());
    if (g)
        tm_json_put_int(json, "prompt_tokens", g->n_prompt);
    else
        tm_json_put_missing(json, "prompt_tokens", why);
    tm_json_put_finite(json, "prompt_tokens_per_second",
                       g ? per_second(g->n_prompt, g->prompt_ns) : NAN, why);
    tm_json_put_finite(json, "tokens_per_second", g ? per_second(g->n_steps, g->steps_ns) : NAN,
                       why);
    tm_json_put_finite(json, "first_token_ms", g ? 1e-6 * (double)g->first_token_ns : NAN, why);
    tm_json_put_string(json, "kernel", o->kernel);
    tm_json_put_int(json, "threads", o->n_threads);
    tm_json_put_string(json, "kv", o->kv);
    return json;
}

/* Needs the lock. */
static void end_reply(tm_generate_output *o, const tm_generated *g, tm_gguf_string stop)
{
    o->is_open = false;
    print(o, "\n", 1);
    if (o->json) tm_json_append(o->replies, reply_json(o, g, stop));
}

tm_status tm_generate_output_end(tm_generate_output *o, const tm_generated *generated,
                                 tm_gguf_string stop, tm_error *err)
{
    pthread_mutex_lock(&o->lock);
    end_reply(o, generated, stop);
    bool is_lost = o->is_lost;
    pthread_mutex_unlock(&o->lock);
    return is_lost ? tm_fail(err, TM_NOMEM, "no memory for the text") : TM_OK;
}

static tm_json *whole(tm_generate_output *o, bool as_array)
{
    return tm_json_copy(as_array ? o->replies : tm_json_at(o->replies, 0));
}

tm_status tm_generate_output_finish(tm_generate_output *o, bool as_array, tm_error *err)
{
    return o->json ? tm_print_json(o->out, whole(o, as_array), err) : TM_OK;
}

void tm_generate_output_interrupt(tm_generate_output *o, bool as_array)
{
    tm_error ignored;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    /* The other thread holds the lock for long only if its reader has stopped reading. */
    if (pthread_mutex_timedlock(&o->lock, &until) != 0) return;
    if (o->is_open) end_reply(o, NULL, (tm_gguf_string){"", 0});
    if (o->json && tm_json_count(o->replies) > 0 &&
        tm_print_json(stdout, whole(o, as_array), &ignored) != TM_OK)
        return;
    if (o->out != stdout) fwrite(o->printed.data, 1, o->printed.length, stdout);
    fflush(stdout);
}
