/* What `generate` prints: text as it comes, or JSON at the end, from the thread that generates. At
 * any time another thread can end the output, when the user interrupts.
 */
#ifndef TM_HARNESS_CLI_GENERATE_OUTPUT_H
#define TM_HARNESS_CLI_GENERATE_OUTPUT_H

#include "engine/generate.h"
#include "harness/base/json.h"

#include <pthread.h>
#include <stdio.h>

typedef struct tm_generate_output {
    FILE *out;
    bool json;
    const char *kernel, *kv; /* borrowed, for JSON */
    int n_threads;
    pthread_mutex_t lock;
    tm_token_text text;    /* owned: of the running reply */
    tm_token_text printed; /* owned: everything, where `out` is not stdout */
    tm_token_ids ids;      /* owned: of the running reply */
    tm_json *replies;      /* owned array, for JSON */
    bool is_open;          /* a reply is running */
    bool is_lost;          /* there was no memory for some of it */
} tm_generate_output;

void tm_generate_output_init(tm_generate_output *o, FILE *out, bool json);
void tm_generate_output_free(tm_generate_output *o);
void tm_generate_output_begin(tm_generate_output *o);
/* A tm_generate_fn; its argument is the output. */
void tm_generate_output_token(void *output, int32_t id, const char *text, size_t length);
/* Ends a reply. stop: the token or string that ended it; length 0: none. Errors: NOMEM. */
tm_status tm_generate_output_end(tm_generate_output *o, const tm_generated *generated,
                                 tm_gguf_string stop, tm_error *err) TM_MUST_USE;
/* Prints the JSON: the one reply, or an array. Errors: NOMEM. */
tm_status tm_generate_output_finish(tm_generate_output *o, bool as_array,
                                    tm_error *err) TM_MUST_USE;
/* Prints what there is to stdout, while the other thread may still generate: it prints nothing any
 * more. */
void tm_generate_output_interrupt(tm_generate_output *o, bool as_array);

#endif
