/* Any bytes as a chat template, and as a message: a template is recognised or not, and a layout
 * writes the message whole, between its own pieces. */
#include "engine/chat.h"
#include "tests/fuzz/replay.h"

#include <string.h>

static bool ends_with(const tm_token_text *text, const char *end)
{
    size_t n = strlen(end);
    return text->length >= n && memcmp(text->data + text->length - n, end, n) == 0;
}

static void write_message(const tm_chat_layout *l, const char *message, size_t length, bool later)
{
    tm_token_text text = {0};
    tm_error err = {0};
    const char *system = later ? NULL : " S ";
    if (tm_chat_write(l, system, message, length, later, &text, &err) != TM_OK) abort();
    while (l->trims && length > 0 && strchr(" \t\n\v\f\r", message[length - 1]) &&
           message[length - 1])
        length--;
    for (; l->trims && length > 0 && *message && strchr(" \t\n\v\f\r", *message); length--)
        message++;
    if (length > 0 && !memmem(text.data, text.length, message, length)) abort();
    if (text.length > length + 256) abort();
    if (!ends_with(&text, l->reply.before)) abort();
    free(text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {TM_CHAT_NAMES};
    const char *text = (const char *)data;
    const tm_chat_layout *l = tm_chat_recognise((tm_gguf_string){text, size});
    if (l && tm_chat_find(l->name) != l) abort();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        write_message(tm_chat_find(names[i]), text, size, false);
        write_message(tm_chat_find(names[i]), text, size, true);
    }
    return 0;
}
