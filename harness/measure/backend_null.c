#include "harness/measure/backend_null.h"

#include "harness/base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NULL_NAME "null:"
#define N_VOCAB   64
#define MAX_NS    1000000000 /* per token */

/* The timer slack of a thread is 50 us (prctl(2), PR_SET_TIMERSLACK). */
#define OVERSLEEP_NS 100000

typedef enum fault {
    FAULT_NONE,
    FAULT_CRASH,
    FAULT_DIE,
    FAULT_EXIT,
    FAULT_HANG,
    FAULT_GARBAGE,
    FAULT_WRONG,
    FAULT_REFUSE,
} fault;

static const char *const fault_names[] = {"none",    "crash", "die",    "exit", "hang",
                                          "garbage", "wrong", "refuse", NULL};

typedef struct script {
    int64_t ns_per_token;
    fault fault;
    int64_t at_token;
    char only[48]; /* the only kernel that has the fault; "": all */
} script;

typedef struct fake {
    script script;
    bool armed;
    int64_t n_tokens; /* since its start */
    int garbage_fd;
    float logits[N_VOCAB];
} fake;

bool tm_backend_is_null(const char *model)
{
    return strncmp(model, NULL_NAME, strlen(NULL_NAME)) == 0;
}

/* NS[:FAULT@TOKEN[/KERNEL]] */
static tm_status read_script(const char *model, script *out, tm_error *err)
{
    char *end, name[16];
    const char *text = model + strlen(NULL_NAME);
    memset(out, 0, sizeof *out);
    errno = 0;
    out->ns_per_token = strtoll(text, &end, 10);
    if (end == text || errno || out->ns_per_token < 0 || out->ns_per_token > MAX_NS ||
        (*end && *end != ':'))
        goto bad;
    if (!*end) return TM_OK;
    const char *p = end + 1;
    size_t n = strcspn(p, "@");
    if (n >= sizeof name || p[n] != '@') goto bad;
    memcpy(name, p, n);
    name[n] = 0;
    while (fault_names[out->fault] && strcmp(fault_names[out->fault], name) != 0) out->fault++;
    if (!fault_names[out->fault]) goto bad;
    out->at_token = strtoll(p + n + 1, &end, 10);
    if (end == p + n + 1 || errno || out->at_token < 0) goto bad;
    if (*end == '/' && end[1] && strlen(end + 1) < sizeof out->only) {
        strcpy(out->only, end + 1);
        return TM_OK;
    }
    if (*end) goto bad;
    return TM_OK;
bad:
    return tm_fail(
        err, TM_ARG,
        "invalid fake model \"%s\": expected null:NS[:FAULT@TOKEN[/KERNEL]] with NS from 0 to %d "
        "and FAULT crash, die, exit, hang, garbage, wrong or refuse",
        model, MAX_NS);
}

tm_status tm_backend_check_null(const char *model, int64_t *ns_per_token, tm_error *err)
{
    script s;
    tm_status status = read_script(model, &s, err);
    *ns_per_token = s.ns_per_token;
    return status;
}

static tm_status misbehave(fake *self, tm_error *err)
{
    static const char nonsense[] = "Segmentation fault (just kidding)\n";
    switch (self->script.fault) {
    case FAULT_CRASH:
        signal(SIGSEGV, SIG_DFL); /* the handler of a sanitizer would exit instead */
        raise(SIGSEGV);
        break;
    case FAULT_DIE:
        raise(SIGKILL);
        break;
    case FAULT_EXIT:
        _exit(3);
    case FAULT_HANG:
        for (;;) pause();
    case FAULT_GARBAGE:
        self->armed = false;
        if (write(self->garbage_fd, nonsense, sizeof nonsense - 1) < 0) _exit(4);
        break;
    case FAULT_REFUSE:
        return tm_fail(err, TM_CHECK, "the fake model refuses token %lld",
                       (long long)self->script.at_token);
    case FAULT_WRONG:
    case FAULT_NONE:
        break;
    }
    return TM_OK;
}

static tm_status fake_eval(tm_backend *backend, const int32_t *tokens, int n_tokens,
                           tm_logits which, const float **logits, tm_error *err)
{
    fake *self = backend->self;
    const int64_t duration = self->script.ns_per_token * n_tokens, end = tm_now_ns() + duration;
    (void)tokens;
    (void)which;
    if (self->armed && self->n_tokens + n_tokens > self->script.at_token) {
        tm_status status = misbehave(self, err);
        if (status != TM_OK) return status;
    }
    self->n_tokens += n_tokens;
    tm_clock_sleep(NULL, duration - OVERSLEEP_NS);
    while (tm_now_ns() < end) {
    }
    if (logits) *logits = self->logits;
    return TM_OK;
}

static void fake_reset(tm_backend *backend)
{
    (void)backend;
}

static void fake_divide(tm_backend *backend, int n_sequences, int n_context)
{
    (void)backend;
    (void)n_sequences;
    (void)n_context;
}

static void fake_spread(tm_backend *backend, int n_sequences)
{
    (void)backend;
    (void)n_sequences;
}

static tm_status fake_step(tm_backend *backend, const int32_t *tokens, int n_sequences,
                           tm_error *err)
{
    return fake_eval(backend, tokens, n_sequences, TM_LOGITS_LAST, NULL, err);
}

static void fake_rewind(tm_backend *backend, int position)
{
    (void)backend;
    (void)position;
}

static tm_status fake_check(tm_backend *backend, tm_error *err)
{
    (void)backend;
    (void)err;
    return TM_OK;
}

/* The tokens without the fault. */
static tm_status fake_reference(tm_backend *backend, int n, char *text, size_t size, tm_error *err)
{
    fake *self = backend->self;
    float wrong = self->logits[9];
    self->logits[9] = 0;
    tm_status status = tm_backend_greedy(backend, n, text, size, err);
    self->logits[9] = wrong;
    return status;
}

static void fake_close(tm_backend *backend)
{
    free(backend->self);
}

tm_status tm_backend_open_null(const tm_backend_request *request, tm_backend *out, tm_error *err)
{
    fake *self = calloc(1, sizeof *self);
    if (!self) return tm_fail(err, TM_NOMEM, "no memory for a fake model");
    out->self = self;
    out->close = fake_close;
    tm_status status = read_script(request->model, &self->script, err);
    if (status != TM_OK) return status;
    self->armed = self->script.fault != FAULT_NONE &&
                  (!self->script.only[0] || strcmp(self->script.only, request->kernel) == 0);
    self->garbage_fd = request->garbage_fd;
    self->logits[7] = 1;
    if (self->armed && self->script.fault == FAULT_WRONG) self->logits[9] = 2;
    out->n_vocab = N_VOCAB;
    out->n_batch = request->session.n_batch;
    out->pinned = true; /* there are no threads to pin */
    out->load_ns = 1;
    out->eval = fake_eval;
    out->reset = fake_reset;
    out->divide = fake_divide;
    out->spread = fake_spread;
    out->step = fake_step;
    out->rewind = fake_rewind;
    out->check = fake_check;
    out->reference = fake_reference;
    return TM_OK;
}
