#include "engine/chat.h"

#include "engine/tokenizer_private.h"

/* Sources: the models' chat templates, as llama.cpp and ik_llama.cpp recognise and write them. The
 * first row that fits a template wins. */
static const tm_chat_layout layouts[] = {
    {.name = "chatml", /* Qwen3, Ternary-Bonsai, MiniCPM4, BitCPM, SmolLM2 */
     .markers = {"<|im_start|>"},
     .system = {"<|im_start|>system\n", "<|im_end|>\n"},
     .user = {"<|im_start|>user\n", "<|im_end|>\n"},
     .reply = {"<|im_start|>assistant\n", "<|im_end|>\n"}},
    {.name = "llama3", /* Llama3-8B-1.58 */
     .markers = {"<|start_header_id|>", "<|end_header_id|>"},
     .system = {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
     .user = {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
     .reply = {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
     .trims = true},
    /* Converters stored a template in the GGUF files of 2B-4T with which the model talks nonsense.
     * It says BITNETAssistant, and stands for the right one here. */
    {.name = "bitnet", /* BitNet-b1.58-2B-4T */
     .markers = {"<|eot_id|>", "Assistant: "},
     .or_marker = "BITNETAssistant",
     .system = {"System: ", "<|eot_id|>"},
     .user = {"User: ", "<|eot_id|>"},
     .reply = {"Assistant: ", "<|eot_id|>"},
     .trims = true},
    {.name = "falcon3", /* Falcon3 */
     .markers = {"<|user|>", "<|assistant|>"},
     .unless = "<|end|>", /* Phi 3 */
     .system = {"<|system|>\n", "\n"},
     .user = {"<|user|>\n", "\n"},
     .reply = {"<|assistant|>\n", "\n"}},
    {.name = "gemma", /* Gemma 3 */
     .markers = {"<start_of_turn>"},
     .system = {"", "\n\n"},
     .user = {"<start_of_turn>user\n", "<end_of_turn>\n"},
     .reply = {"<start_of_turn>model\n", "<end_of_turn>\n"},
     .trims = true,
     .system_in_user = true},
    {.name = "minicpm", /* MiniCPM */
     /* "user" in Chinese */
     .markers = {"<\xe7\x94\xa8\xe6\x88\xb7>"},
     .system = {"", ""},
     .user = {"<\xe7\x94\xa8\xe6\x88\xb7>", "<AI>"},
     .reply = {"", ""},
     .trims = true},
    /* As ik_llama.cpp writes it; no marker tells it apart. */
    {.name = "falcon-e", /* Falcon-E */
     .system = {"system", "\n"},
     .user = {"user", "\n"},
     .reply = {"assistant\n", "\n"}},
    {0},
};

static bool holds(tm_gguf_string text, const char *marker)
{
    return marker && memmem(text.data, text.length, marker, strlen(marker));
}

const tm_chat_layout *tm_chat_recognise(tm_gguf_string text)
{
    for (const tm_chat_layout *l = layouts; l->name; l++) {
        bool fits = l->markers[0] && !holds(text, l->unless);
        for (int i = 0; l->markers[i]; i++) fits = fits && holds(text, l->markers[i]);
        if (fits || holds(text, l->or_marker)) return l;
    }
    return NULL;
}

const tm_chat_layout *tm_chat_find(const char *name)
{
    for (const tm_chat_layout *l = layouts; l->name; l++)
        if (strcmp(l->name, name) == 0) return l;
    return NULL;
}

static tm_status add(tm_token_text *out, const char *text, size_t length, tm_error *err)
{
    if (length == 0) return TM_OK;
    tm_status status = tm_grow((void **)&out->data, &out->capacity, out->length + length, 1, err);
    if (status != TM_OK) return status;
    memcpy(out->data + out->length, text, length);
    out->length += length;
    return TM_OK;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static tm_status add_message(tm_token_text *out, const tm_chat_layout *l, const tm_chat_role *role,
                             const char *text, size_t length, tm_error *err)
{
    while (l->trims && length > 0 && is_space(text[length - 1])) length--;
    for (; l->trims && length > 0 && is_space(*text); length--) text++;
    tm_status status = add(out, role->before, strlen(role->before), err);
    if (status == TM_OK) status = add(out, text, length, err);
    return status == TM_OK ? add(out, role->after, strlen(role->after), err) : status;
}

tm_status tm_chat_write(const tm_chat_layout *l, const char *system, const char *message,
                        size_t length, bool after_reply, tm_token_text *out, tm_error *err)
{
    const char *begin = l->user.before, *end_of_reply = after_reply ? l->reply.after : "";
    tm_status status = add(out, end_of_reply, strlen(end_of_reply), err);
    if (status == TM_OK && system) {
        if (l->system_in_user) {
            status = add(out, begin, strlen(begin), err);
            begin = "";
        }
        if (status == TM_OK) status = add_message(out, l, &l->system, system, strlen(system), err);
    }
    if (status == TM_OK)
        status = add_message(out, l, &(tm_chat_role){begin, l->user.after}, message, length, err);
    return status == TM_OK ? add(out, l->reply.before, strlen(l->reply.before), err) : status;
}
