/* Chat layouts: how a model wants the messages of a conversation written. A layout is recognised by
 * the markers in a chat template (tokenizer.chat_template); templates are not run.
 *
 * A conversation is written turn by turn, so that what came before stays in the KV cache. Markers
 * become control tokens when the text is encoded with tm_encode_options.special. BOS comes from the
 * tokenizer.
 */
#ifndef TM_ENGINE_CHAT_H
#define TM_ENGINE_CHAT_H

#include "engine/tokenizer.h"

typedef struct tm_chat_role {
    const char *before, *after; /* the message */
} tm_chat_role;

typedef struct tm_chat_layout {
    const char *name; /* "llama3" */
    /* A template has this layout if it holds all of these; none: chosen by name only. */
    const char *markers[3];
    const char *unless;    /* and not this one; NULL: none */
    const char *or_marker; /* or if it holds this one; NULL: none */
    tm_chat_role system, user, reply;
    bool trims;          /* white space around messages is dropped */
    bool system_in_user; /* the system text begins the first message */
} tm_chat_layout;

/* Names of all layouts, for a list of choices. */
#define TM_CHAT_NAMES "chatml", "llama3", "bitnet", "falcon3", "gemma", "minicpm", "falcon-e"

/* The layout of a template; NULL: unknown. */
const tm_chat_layout *tm_chat_recognise(tm_gguf_string chat_template);
/* The layout of that name; NULL: unknown. */
const tm_chat_layout *tm_chat_find(const char *name);

/* Appends a message of the user and the beginning of the model's reply to it.
 * system: precedes the first message; NULL: none. after_reply: the model's reply to the message
 * before ends here. Errors: NOMEM. */
tm_status tm_chat_write(const tm_chat_layout *layout, const char *system, const char *message,
                        size_t length, bool after_reply, tm_token_text *out,
                        tm_error *err) TM_MUST_USE;

#endif
