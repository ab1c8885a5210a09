#include "harness/cli/text_model.h"

#include "harness/base/user_file.h"
#include "harness/cli/cell_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S tm_text_settings

const tm_option tm_text_options[] = {
    {"model", "m", TM_FILE(S, model), "FILE",
     .help = "a GGUF file, or the folder of a checkpoint, with a vocabulary", .is_required = true},
    {"threads", "t", TM_TEXT(S, threads), "N", .help = "number of threads, or all (default all)"},
    {"kernel", NULL, TM_TEXT(S, kernel), "NAME",
     .help = "kernel or layout of the linear weights (default auto: as stored)",
     .choices = tm_cell_kernel_names},
    TM_KV_OPTION(S, "f16"),
    {"oversubscribe", NULL, TM_FLAG(S, oversubscribe), NULL, .help = TM_OVERSUBSCRIBE_HELP},
    {"pre", NULL, TM_TEXT(S, pre), "NAME",
     .help = "split text into words as NAME, not as tokenizer.ggml.pre says (default: as the file "
             "says, and \"default\" where it says nothing)"},
    {0},
};

static tm_status read_machine(const tm_text_settings *s, tm_text_model *out, tm_error *err)
{
    tm_machine machine = {0};
    tm_status status = tm_machine_read("/", &machine, err);
    if (status == TM_OK)
        status = tm_threads_of_text(s->threads, &machine, s->oversubscribe, &out->n_threads, err);
    out->available_bytes = machine.memory_available_bytes;
    memcpy(out->memory_limit, machine.memory_limit, sizeof out->memory_limit);
    return status;
}

tm_status tm_text_model_open(const tm_text_settings *s, tm_text_model *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    if (strncmp(s->model, "synth:", 6) == 0)
        return tm_fail(err, TM_ARG, "%s has no vocabulary; --model needs a GGUF file", s->model);
    tm_gguf *gguf;
    out->f16_kv = strcmp(s->kv, "f16") == 0;
    tm_status status = read_machine(s, out, err);
    if (status == TM_OK) status = tm_gguf_open(s->model, &gguf, err);
    if (status == TM_OK) status = tm_source_from_gguf(gguf, &out->source, err);
    if (status != TM_OK) return status;
    out->gguf = gguf;
    status = tm_tokenizer_open(gguf, s->pre, &out->tokenizer, err);
    if (status != TM_OK) tm_text_model_close(out);
    return status;
}

/* Without this the system would end the process instead. */
static tm_status check_memory(const tm_text_model *m, const char *what, size_t bytes,
                              const char *advice, tm_error *err)
{
    if (m->available_bytes < 0 || bytes <= (size_t)m->available_bytes) return TM_OK;
    return tm_fail(err, TM_NOMEM, "%s %.3g GB, but %.3g GB are available (%s)%s", what,
                   1e-9 * (double)bytes, 1e-9 * (double)m->available_bytes, m->memory_limit,
                   advice);
}

/* kernel: NULL for auto. */
static tm_status check_weights(tm_text_model *m, const tm_kernel *kernel, tm_error *err)
{
    tm_model_families families;
    const tm_kernel *head;
    tm_status status = tm_model_auto(&m->source, kernel, false, &families, err);
    if (status == TM_OK && !kernel) status = tm_kernel_pick(families.linear, &kernel, err);
    if (status == TM_OK) status = tm_kernel_pick(families.head, &head, err);
    if (status != TM_OK) return status;
    tm_costs c = tm_model_costs(&m->source.config, kernel, head, m->f16_kv);
    return check_memory(m, "the weights take", c.linear_bytes + c.head_bytes + c.embedding_bytes,
                        "", err);
}

tm_status tm_text_model_load(tm_text_model *m, const tm_text_settings *s, tm_error *err)
{
    tm_pool_options pool = {
        .n_threads = m->n_threads, .pin = true, .oversubscribe = s->oversubscribe};
    tm_model_options options = {0};
    tm_status status = TM_OK;
    if (s->kernel && strcmp(s->kernel, "auto") != 0)
        status = tm_kernel_resolve(s->kernel, &options.kernel, err);
    if (status == TM_OK) status = check_weights(m, options.kernel, err);
    if (status == TM_OK) status = tm_pool_open(&pool, &m->pool, err);
    if (status == TM_OK) status = tm_model_open(&m->source, &options, m->pool, &m->model, err);
    m->loaded = status == TM_OK;
    return status;
}

tm_status tm_text_session_open(tm_text_model *m, tm_session_options options, tm_session **out,
                               tm_error *err)
{
    char what[64];
    options.f16_kv = m->f16_kv;
    size_t bytes = tm_session_bytes(&m->source.config, m->model.kernel, m->model.head_kernel,
                                    &options, m->n_threads);
    snprintf(what, sizeof what, "a context of %d positions takes", options.n_context);
    tm_status status = check_memory(m, what, bytes, "; use a smaller --context", err);
    return status == TM_OK ? tm_session_open(&m->model, m->pool, &options, out, err) : status;
}

void tm_text_model_close(tm_text_model *m)
{
    if (m->loaded) tm_model_close(&m->model);
    if (m->pool) tm_pool_close(m->pool);
    tm_tokenizer_close(m->tokenizer);
    if (m->gguf) tm_source_close(&m->source);
    memset(m, 0, sizeof *m);
}

static tm_status read_all(int fd, const char *name, char **text, size_t *length, tm_error *err)
{
    for (size_t room = 0;;) {
        if (*length == room) {
            char *more = realloc(*text, room = room ? 2 * room : 65536);
            if (!more) return tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", name, room);
            *text = more;
        }
        ssize_t got = read(fd, *text + *length, room - *length);
        if (got == 0) return TM_OK;
        if (got < 0 && errno != EINTR) return tm_fail(err, TM_IO, "%s: %s", name, strerror(errno));
        if (got > 0) *length += (size_t)got;
    }
}

tm_status tm_text_read(const char *prompt, const char *file, char **text, size_t *length,
                       tm_error *err)
{
    int fd;
    *text = NULL;
    *length = 0;
    if (!prompt == !file)
        return tm_fail(err, TM_ARG, "give the text with either --prompt or --file");
    if (prompt) {
        *text = strdup(prompt);
        *length = strlen(prompt);
        return *text ? TM_OK : tm_fail(err, TM_NOMEM, "--prompt: no memory for %zu bytes", *length);
    }
    if (strcmp(file, "-") == 0) return read_all(STDIN_FILENO, "standard input", text, length, err);
    tm_status status = tm_user_file_open(file, TM_USER_FILE_TIMEOUT_MS, &fd, err);
    if (status != TM_OK) return status;
    status = read_all(fd, file, text, length, err);
    close(fd);
    return status;
}
