/* ternmark tokenize: the token ids of a text. */
#include "engine/tokenizer.h"
#include "harness/cli/commands.h"
#include "harness/cli/text_model.h"

#include <stdlib.h>
#include <string.h>

typedef struct request {
    const char *model, *prompt, *file, *pre;
    bool bos, special;
} request;

static tm_status print_ids(const tm_token_ids *ids, tm_call *call, tm_error *err)
{
    if (strcmp(call->format, "text") == 0) {
        for (size_t i = 0; i < ids->n; i++) fprintf(call->out, "%s%d", i ? " " : "", ids->ids[i]);
        fputc('\n', call->out);
        return TM_OK;
    }
    tm_json *array = tm_json_array(), *object = tm_json_object();
    for (size_t i = 0; i < ids->n; i++) tm_json_append(array, tm_json_number(ids->ids[i]));
    tm_json_set(object, "token_ids", array);
    return tm_print_json(call->out, object, err);
}

static tm_status encode(const request *r, const char *text, size_t length, tm_token_ids *ids,
                        tm_error *err)
{
    tm_gguf *gguf;
    tm_tokenizer *tokenizer;
    tm_encode_options options = {.bos = r->bos, .special = r->special};
    tm_status status = tm_gguf_open(r->model, &gguf, err);
    if (status != TM_OK) return status;
    status = tm_tokenizer_open(gguf, r->pre, &tokenizer, err);
    if (status == TM_OK) {
        status = tm_tokenizer_encode(tokenizer, text, length, options, ids, err);
        if (status != TM_OK) tm_fail_in(err, "%s", r->file ? r->file : "--prompt");
        tm_tokenizer_close(tokenizer);
    }
    tm_gguf_close(gguf);
    return status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const request *r = settings;
    tm_token_ids ids = {0};
    char *text = NULL;
    size_t length;
    if (strncmp(r->model, "synth:", 6) == 0)
        return tm_fail(err, TM_ARG, "%s has no vocabulary; --model needs a GGUF file", r->model);
    tm_status status = tm_text_read(r->prompt, r->file, &text, &length, err);
    if (status == TM_OK) status = encode(r, text, length, &ids, err);
    if (status == TM_OK) status = print_ids(&ids, call, err);
    tm_token_ids_free(&ids);
    free(text);
    return status;
}

static const tm_option rows[] = {
    {"model", "m", TM_FILE(request, model), "FILE",
     .help = "a GGUF file, or the folder of a checkpoint, with a vocabulary", .is_required = true},
    {"prompt", "p", TM_TEXT(request, prompt), "TEXT", .help = "the text", .may_be_empty = true},
    {"file", "f", TM_FILE(request, file), "FILE",
     .help = "read the text from FILE, every byte of it, the last newline included; - is standard "
             "input"},
    {"bos", NULL, TM_FLAG(request, bos), NULL,
     .help = "begin with the model's BOS token (default: without)"},
    {"special", NULL, TM_FLAG(request, special), NULL,
     .help = "recognise control tokens in the text, such as <|eot_id|> (default: they are "
             "ordinary text)"},
    {"pre", NULL, TM_TEXT(request, pre), "NAME",
     .help = "split text into words as NAME, not as tokenizer.ggml.pre says (default: as the file "
             "says, and \"default\" where it says nothing)"},
    {0},
};

const tm_command tm_command_tokenize = {
    .name = "tokenize",
    .synopsis = "-m FILE (-p TEXT | -f FILE) [--bos] [--special]",
    .summary = "print the token ids of a text",
    .description =
        "Prints the token ids of a text on one line, with the vocabulary of a model file: "
        "byte-level BPE or SentencePiece.\n\n"
        "BitNet-b1.58-2B-4T's file does not name the rule that splits text into words, so "
        "llama.cpp and ternmark use \"default\". --pre llama-bpe gives the ids of Hugging Face.",
    .examples = "ternmark tokenize -m model.gguf -p \"Hello world\" --bos\n"
                "ternmark tokenize -m model.gguf -f prompt.txt --special",
    .formats = (const char *const[]){"text", "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .settings_size = sizeof(request),
    .run = run,
};
