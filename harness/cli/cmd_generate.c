/* ternmark generate: continues a text, or answers messages. */
#include "engine/chat.h"
#include "engine/generate.h"
#include "harness/cli/commands.h"
#include "harness/cli/generate_output.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/text_model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_SEPARATOR  '\x1f' /* a control character that no stop string has */
#define STOPS_MAX       32
#define DEFAULT_TOKENS  128
#define DEFAULT_CONTEXT 4096 /* of a conversation, and of a model that does not say it */
#define UNSET           (-1)

typedef struct request {
    tm_text_settings text;
    const char *prompt, *file, *system, *chat_template, *stops;
    int64_t n_tokens, context, top_k, repeat_last, seed;
    double temperature, top_p, min_p, repeat_penalty;
    bool chat, special, quiet;
} request;

typedef struct job {
    const request *r;
    char *prompt; /* owned, [prompt_length]; NULL: messages come from standard input */
    size_t prompt_length;
    char *stop_text; /* owned */
    const char *stops[STOPS_MAX];
    int n_stops;
    const tm_chat_layout *layout; /* NULL: no chat */
    tm_text_model model;
    tm_session *session;
    tm_sampler *sampler;
    int n_context;
    tm_token_ids ids;        /* owned: what the model is given next */
    tm_generated last;       /* n_tokens 0: none yet */
    tm_generated total;      /* of all replies, added up */
    tm_gguf_string ended_by; /* the token or string that ended the last reply; length 0: none */
    tm_generate_output output;
    bool to_file; /* the output does not go to standard output */
    tm_status status;
    tm_error err;
} job;

/* How many tokens a reply may have; 0: as many as the context holds. */
static int most_tokens(const job *j)
{
    if (j->r->n_tokens != UNSET) return (int)j->r->n_tokens;
    return j->layout ? 0 : DEFAULT_TOKENS;
}

static tm_status find_layout(job *j, tm_error *err)
{
    const request *r = j->r;
    tm_gguf_string text = {"", 0};
    bool found;
    j->layout = r->chat_template ? tm_chat_find(r->chat_template) : NULL;
    if (j->layout) return TM_OK;
    tm_status status = tm_gguf_str(j->model.gguf, "tokenizer.chat_template", &text, &found, err);
    if (status != TM_OK) return status;
    j->layout = tm_chat_recognise(text);
    if (j->layout) return TM_OK;
    if (!found)
        return tm_fail(err, TM_ARG,
                       "%s: has no chat template; use --chat-template to choose a layout",
                       r->text.model);
    char start[64];
    size_t n = 0;
    for (size_t i = 0; i < text.length && n < sizeof start - 1; i++)
        start[n++] = text.data[i] >= ' ' && text.data[i] <= '~' ? text.data[i] : ' ';
    start[n] = '\0';
    return tm_fail(err, TM_ARG,
                   "%s: its chat template is unknown (\"%s...\"); use --chat-template to choose a "
                   "layout",
                   r->text.model, start);
}

/* Appends the ids of a text; begins: nothing came before. */
static tm_status encode(job *j, const char *text, size_t length, bool begins, bool special,
                        tm_error *err)
{
    const tm_tokenizer *t = j->model.tokenizer;
    tm_encode_options options = {
        .bos = begins && tm_tokenizer_adds_bos(t) && tm_tokenizer_bos(t) >= 0, .special = special};
    tm_status status = tm_tokenizer_encode(t, text, length, options, &j->ids, err);
    if (status == TM_OK && j->ids.n == 0)
        return tm_fail(err, TM_ARG,
                       "the prompt is empty, and this model has no BOS token to begin with");
    if (status == TM_OK) return TM_OK;
    return tm_fail_in(err, "%s",
                      !j->prompt   ? "standard input"
                      : j->r->file ? j->r->file
                                   : "--prompt");
}

/* Fills ids with what a message adds to the conversation. */
static tm_status encode_message(job *j, const char *message, size_t length, tm_error *err)
{
    bool begins = j->last.n_tokens == 0;
    tm_token_text text = {0};
    tm_status status = TM_OK;
    j->ids.n = 0;
    /* The last token was printed but not evaluated; one that ends a reply is part of the layout. */
    if (!begins && (j->last.end == TM_END_LENGTH || j->last.end == TM_END_CONTEXT))
        status = tm_token_ids_add(&j->ids, j->last.last, err);
    if (status == TM_OK)
        status = tm_chat_write(j->layout, begins ? j->r->system : NULL, message, length, !begins,
                               &text, err);
    if (status == TM_OK) status = encode(j, text.data, text.length, begins, true, err);
    free(text.data);
    return status;
}

/* As many positions as are needed, at most those that the model was trained with. */
static tm_status choose_context(job *j, tm_error *err)
{
    const request *r = j->r;
    int trained =
        j->model.source.config.n_context ? j->model.source.config.n_context : DEFAULT_CONTEXT;
    int n = most_tokens(j);
    int64_t wanted = (int64_t)j->ids.n + (n && j->prompt ? n : DEFAULT_CONTEXT);
    if (r->context != UNSET)
        j->n_context = (int)r->context;
    else
        j->n_context = wanted < trained ? (int)wanted : trained;
    if (j->n_context > trained && !r->quiet)
        fprintf(stderr,
                "ternmark generate: the model was trained with %d positions, fewer than the %d of "
                "--context\n",
                trained, j->n_context);
    if (j->ids.n <= (size_t)j->n_context) return TM_OK;
    return tm_fail(err, TM_ARG,
                   "the prompt has %zu tokens, but the context has %d positions; shorten the "
                   "prompt or raise --context",
                   j->ids.n, j->n_context);
}

static tm_status load(job *j, tm_error *err)
{
    const request *r = j->r;
    const tm_sampling sampling = {.temperature = r->temperature,
                                  .top_k = r->top_k == UNSET ? 40 : (int)r->top_k,
                                  .top_p = r->top_p == UNSET ? 0.95 : r->top_p,
                                  .min_p = r->min_p == UNSET ? 0.05 : r->min_p,
                                  .repeat_penalty = r->repeat_penalty,
                                  .repeat_last = (int)r->repeat_last,
                                  .seed = (uint64_t)r->seed};
    const tm_session_options session = {.n_context = j->n_context};
    tm_status status = tm_text_model_load(&j->model, &r->text, err);
    if (status == TM_OK) status = tm_text_session_open(&j->model, session, &j->session, err);
    j->output.kernel = status == TM_OK ? j->model.model.kernel->name : NULL;
    j->output.kv = r->text.kv;
    j->output.n_threads = j->model.n_threads;
    return status == TM_OK
               ? tm_sampler_open(&sampling, j->model.source.config.n_vocab, &j->sampler, err)
               : status;
}

/* One reply to ids. */
static tm_status reply(job *j, tm_error *err)
{
    const tm_generate_options options = {.n_tokens = most_tokens(j),
                                         .n_context = j->n_context,
                                         .stops = j->stops,
                                         .n_stops = j->n_stops,
                                         .on_token = tm_generate_output_token,
                                         .arg = &j->output};
    tm_generated *g = &j->last, *total = &j->total;
    tm_generate_output_begin(&j->output);
    tm_status status =
        tm_generate(j->session, j->model.tokenizer, j->sampler, &j->ids, &options, g, err);
    if (status != TM_OK) return status;
    j->ended_by = (tm_gguf_string){"", 0};
    if (g->end == TM_END_TOKEN) j->ended_by = tm_tokenizer_text(j->model.tokenizer, g->last);
    if (g->end == TM_END_STRING)
        j->ended_by = (tm_gguf_string){j->stops[g->end_stop], strlen(j->stops[g->end_stop])};
    status = tm_generate_output_end(&j->output, g, j->ended_by, err);
    if (g->end == TM_END_CONTEXT)
        fprintf(stderr, "ternmark generate: the context of %d positions is full\n", j->n_context);
    if (total->n_tokens == 0) total->first_token_ns = g->first_token_ns;
    total->n_prompt += g->n_prompt;
    total->n_tokens += g->n_tokens;
    total->n_steps += g->n_steps;
    total->prompt_ns += g->prompt_ns;
    total->steps_ns += g->steps_ns;
    return status;
}

/* Reads messages, one a line, and answers each. */
static tm_status converse(job *j, tm_error *err)
{
    char *line = NULL;
    size_t room = 0;
    bool asks = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
    tm_status status = TM_OK;
    while (status == TM_OK && j->last.end != TM_END_CONTEXT) {
        if (asks) fputs("> ", stderr);
        ssize_t n = getline(&line, &room, stdin);
        if (n < 0) break;
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r')) n--;
        if (n == 0) continue;
        status = encode_message(j, line, (size_t)n, err);
        if (status == TM_OK) status = reply(j, err);
    }
    if (asks) fputc('\n', stderr);
    free(line);
    return status;
}

/* "38.1", "160141" */
static char *figure_text(double value, char *text, size_t size)
{
    snprintf(text, size, value < 100 ? "%.3g" : "%.0f", value);
    return text;
}

static void print_times(const job *j)
{
    const tm_generated *t = &j->total;
    char speed[32], first[32];
    if (j->r->quiet || t->n_tokens == 0) return;
    figure_text(t->n_prompt / (1e-9 * (double)t->prompt_ns), speed, sizeof speed);
    figure_text(1e-6 * (double)t->first_token_ns, first, sizeof first);
    fprintf(stderr, "prompt: %d token%s, %s tokens/s, first token after %s ms\n", t->n_prompt,
            tm_plural(t->n_prompt), speed, first);
    fprintf(stderr, "generated: %d token%s", t->n_tokens, tm_plural(t->n_tokens));
    figure_text(t->n_steps / (1e-9 * (double)t->steps_ns), speed, sizeof speed);
    if (t->n_steps > 0) fprintf(stderr, ", %s tokens/s", speed);
    if (j->ended_by.length > 0 && j->prompt)
        fprintf(stderr, ", ended by \"%.*s\"", (int)j->ended_by.length, j->ended_by.data);
    fprintf(stderr, " (%s, %d thread%s)\n", j->model.model.kernel->name, j->model.n_threads,
            tm_plural(j->model.n_threads));
}

static tm_status work(job *j, tm_error *err)
{
    const request *r = j->r;
    tm_status status = tm_text_model_open(&r->text, &j->model, err);
    if (status == TM_OK && r->chat) status = find_layout(j, err);
    if (status == TM_OK && j->prompt)
        status = j->layout ? encode_message(j, j->prompt, j->prompt_length, err)
                           : encode(j, j->prompt, j->prompt_length, true, r->special, err);
    if (status == TM_OK) status = choose_context(j, err);
    if (status == TM_OK) status = load(j, err);
    if (status == TM_OK) status = j->prompt ? reply(j, err) : converse(j, err);
    if (status == TM_OK) status = tm_generate_output_finish(&j->output, !j->prompt, err);
    if (status == TM_OK) print_times(j);
    tm_sampler_close(j->sampler);
    tm_session_close(j->session);
    tm_text_model_close(&j->model);
    return status;
}

static void run_job(void *arg)
{
    job *j = arg;
    j->status = work(j, &j->err);
}

/* On an interrupt. */
static void keep_text(void *arg)
{
    job *j = arg;
    tm_generate_output_interrupt(&j->output, !j->prompt);
    if (j->to_file)
        fprintf(stderr, "ternmark generate: no file is written, the text is printed instead\n");
}

static tm_status split_stops(job *j, tm_error *err)
{
    static const char separator[] = {STOP_SEPARATOR, '\0'};
    if (!j->r->stops) return TM_OK;
    j->stop_text = strdup(j->r->stops);
    if (!j->stop_text) return tm_fail(err, TM_NOMEM, "no memory for the stop strings");
    char *rest = j->stop_text;
    for (char *stop; (stop = strsep(&rest, separator));) {
        bool complete = true;
        for (size_t i = 0, n = strlen(stop); i < n && complete;)
            i += (size_t)tm_utf8_scan(stop + i, n - i, &complete);
        if (!*stop || !complete)
            return tm_fail(err, TM_ARG, "--stop %s", complete ? "is empty" : "is not valid UTF-8");
        if (j->n_stops == STOPS_MAX)
            return tm_fail(err, TM_ARG, "more than %d stop strings", STOPS_MAX);
        j->stops[j->n_stops++] = stop;
    }
    return TM_OK;
}

static tm_status check(const request *r, tm_error *err)
{
    bool filters = r->top_k != UNSET || r->top_p != UNSET || r->min_p != UNSET;
    if (!r->chat && (r->system || r->chat_template))
        return tm_fail(err, TM_ARG, "--%s needs --chat", r->system ? "system" : "chat-template");
    if (r->chat && r->special)
        return tm_fail(err, TM_ARG,
                       "--special does not apply to --chat, which recognises control "
                       "tokens anyway");
    if (!r->chat && !r->prompt && !r->file)
        return tm_fail(err, TM_ARG, "give a text with --prompt or --file, or use --chat");
    if (filters && r->temperature == 0 && !r->quiet)
        fprintf(stderr, "ternmark generate: --top-k, --top-p and --min-p have no effect at "
                        "temperature 0; use --temp\n");
    return TM_OK;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const request *r = settings;
    job *j = calloc(1, sizeof *j);
    if (!j) return tm_fail(err, TM_NOMEM, "no memory to generate text");
    j->r = r;
    j->to_file = call->out != stdout;
    tm_generate_output_init(&j->output, call->out, strcmp(call->format, "json") == 0);
    tm_status status = check(r, err);
    if (status == TM_OK) status = split_stops(j, err);
    if (status == TM_OK && (r->prompt || r->file))
        status = tm_text_read(r->prompt, r->file, &j->prompt, &j->prompt_length, err);
    /* Editors end files with a newline that nobody means; llama.cpp drops it too. */
    if (r->file && j->prompt_length > 0 && j->prompt[j->prompt_length - 1] == '\n')
        j->prompt_length--;
    if (status == TM_OK) {
        tm_interrupt_run_or_exit("generate", run_job, j, keep_text);
        status = j->status;
        *err = j->err;
    }
    tm_generate_output_free(&j->output);
    tm_token_ids_free(&j->ids);
    free(j->stop_text);
    free(j->prompt);
    free(j);
    return status;
}

#define CHOICE "Choosing tokens"

static const tm_option rows[] = {
    {"prompt", "p", TM_TEXT(request, prompt), "TEXT",
     .help = "continue TEXT; with --chat, answer it", .may_be_empty = true},
    {"file", "f", TM_FILE(request, file), "FILE",
     .help = "the same with the text of FILE, without its last newline; - is standard input"},
    {"chat", NULL, TM_FLAG(request, chat), NULL,
     .help =
         "write messages in the model's chat layout; read them from standard input, one a line, "
         "unless -p or -f is given"},
    {"gen", "n", TM_INTEGER(request, n_tokens), "N",
     .help = "generate at most N tokens, 0: until the context is full (default 128, with --chat 0)",
     .high = INT32_MAX},
    {"context", "c", TM_INTEGER(request, context), "N",
     .help = "positions of the KV cache (default: as many as are needed, with --chat 4096, at most "
             "those the model was trained with)",
     .low = 1, .high = INT32_MAX},
    {"stop", NULL, TM_LIST(request, stops), "TEXT", .help = "end before TEXT; may be repeated",
     .separator = STOP_SEPARATOR},
    {"special", NULL, TM_FLAG(request, special), NULL,
     .help = "recognise control tokens in the text, such as <|eot_id|> (default: they are ordinary "
             "text)"},
    {"system", NULL, TM_TEXT(request, system), "TEXT",
     .help = "begin the conversation with this system text"},
    {"chat-template", NULL, TM_CHOICE(request, chat_template), "NAME",
     .help = "chat layout (default: the one of the file's template)",
     .choices = (const char *const[]){TM_CHAT_NAMES, NULL}},
    {"quiet", "q", TM_FLAG(request, quiet), NULL, .help = "print no speeds and no remarks"},
    {"temp", NULL, TM_NUMBER(request, temperature), "NUMBER",
     .help = "temperature; 0 takes the most likely token (default 0)", .group = CHOICE,
     .high = 100},
    {"top-k", NULL, TM_INTEGER(request, top_k), "N",
     .help = "choose among the N most likely tokens, 0: all (default 40)", .group = CHOICE,
     .high = INT32_MAX},
    {"top-p", NULL, TM_NUMBER(request, top_p), "SHARE",
     .help = "choose among the fewest tokens with this share of the probability (default 0.95)",
     .group = CHOICE, .low = 1e-9, .high = 1},
    {"min-p", NULL, TM_NUMBER(request, min_p), "SHARE",
     .help = "choose among tokens at least this share as likely as the first (default 0.05)",
     .group = CHOICE, .high = 1},
    {"repeat-penalty", NULL, TM_NUMBER(request, repeat_penalty), "NUMBER",
     .help = "make tokens that came before less likely (default 1: no penalty)", .group = CHOICE,
     .low = 0.01, .high = 100},
    {"repeat-last", NULL, TM_INTEGER(request, repeat_last), "N",
     .help = "tokens that the penalty looks back on (default 64)", .group = CHOICE,
     .high = 1 << 20},
    {"seed", NULL, TM_INTEGER(request, seed), "N", .help = "seed of the random choice (default 1)",
     .group = CHOICE, .high = TM_SEED_MAX},
    {0},
};

const tm_command tm_command_generate = {
    .name = "generate",
    .synopsis = "-m FILE (-p TEXT | -f FILE | --chat) [OPTIONS]",
    .summary = "continue a text, or chat with a model",
    .description =
        "Continues a text with a model file and prints the new text as it comes. Without --temp "
        "the "
        "most likely token is taken each time, so that the text depends neither on chance nor on "
        "the kernel. Speeds follow on stderr; use `bench` to measure them.\n\n"
        "The text ends with a token that ends texts (eos_token_id, eot_token_id, <|eot_id|>, "
        "<|im_end|> and the like), before a stop string, after -n tokens, or when the context is "
        "full.\n\n"
        "--chat recognises the layout of messages from the file's chat template and keeps the "
        "conversation in the KV cache. The bad template in files of BitNet-b1.58-2B-4T is "
        "replaced by the model's own.",
    .examples = "ternmark generate -m model.gguf -p \"The capital of France is\" -n 16\n"
                "ternmark generate -m model.gguf --chat --system \"Be brief.\"\n"
                "ternmark generate -m model.gguf --chat -p \"Tell me a story.\" --temp 0.8",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{tm_text_options, offsetof(request, text)}, {rows, 0}, {0}},
    .settings_size = sizeof(request),
    .defaults = &(const request){.text = TM_TEXT_DEFAULTS,
                                 .n_tokens = UNSET,
                                 .context = UNSET,
                                 .top_k = UNSET,
                                 .top_p = UNSET,
                                 .min_p = UNSET,
                                 .repeat_penalty = 1,
                                 .repeat_last = 64,
                                 .seed = 1},
    .run = run,
};
