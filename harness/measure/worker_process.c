#include "harness/measure/worker_process.h"

#include "harness/base/child.h"

#include <stdlib.h>
#include <string.h>

#define HELLO_SECONDS 30
#define GRACE_SECONDS 5
#define STOP_SECONDS  2

typedef struct conversation {
    const tm_worker_process *process;
    tm_child *child;
    bool said_hello, said_error, is_done;
    bool ended_early; /* its output ended before DONE */
} conversation;

static tm_status send_request(conversation *c, tm_error *err)
{
    char *text = tm_worker_request_print(c->process->request);
    if (!text) return tm_fail(err, TM_NOMEM, "no memory for a request");
    size_t length = strlen(text);
    text[length] = '\n'; /* replaces the terminating NUL */
    /* If the worker does not read it, its lines or its end tell more than the broken pipe. */
    tm_status status = tm_child_write(c->child, text, length + 1, err);
    free(text);
    return status == TM_CHILD ? TM_OK : status;
}

static tm_status take_hello(conversation *c, const tm_worker_line *line, tm_error *err)
{
    if (line->kind != TM_WORKER_HELLO)
        return tm_fail(err, TM_FORMAT, "the worker did not say hello");
    if (line->protocol != TM_WORKER_PROTOCOL)
        return tm_fail(err, TM_CHILD, "the worker (%s) uses protocol %d; this program uses %d",
                       line->program, line->protocol, TM_WORKER_PROTOCOL);
    c->said_hello = true;
    return TM_OK;
}

static tm_status take_line(conversation *c, const char *text, tm_error *err)
{
    tm_worker_line line;
    tm_status status = tm_worker_line_parse(text, &line, err);
    if (status != TM_OK) return status;
    if (!c->said_hello) {
        status = take_hello(c, &line, err);
    } else if (line.kind == TM_WORKER_HELLO) {
        status = tm_fail(err, TM_FORMAT, "the worker said hello twice");
    } else if (line.kind == TM_WORKER_ERROR) {
        c->said_error = true;
        status = tm_fail(err, line.error.status, "%s", line.error.message);
    } else {
        c->is_done = line.kind == TM_WORKER_DONE;
        return c->process->on_line(c->process->arg, &line, err);
    }
    tm_worker_line_free(&line);
    return status;
}

static tm_status converse(conversation *c, tm_error *err)
{
    const tm_worker_process *p = c->process;
    tm_status status = send_request(c, err);
    while (status == TM_OK && !c->is_done) {
        const char *line;
        double seconds = p->patience(p->arg);
        if (!c->said_hello && seconds > HELLO_SECONDS) seconds = HELLO_SECONDS;
        status = tm_child_read_line(c->child, seconds, p->interrupt, &line, err);
        c->ended_early = status == TM_OK && !line;
        if (c->ended_early) status = tm_fail(err, TM_CHILD, "the worker ended early");
        if (status == TM_OK) status = take_line(c, line, err);
    }
    return status;
}

tm_status tm_worker_process_run(const tm_worker_process *process, tm_error *err)
{
    conversation c = {.process = process};
    tm_child_end end = {0};
    tm_status status = tm_child_open_with(process->argv, process->variables, &c.child, err);
    if (status != TM_OK) return status;
    status = converse(&c, err);
    /* A worker that is done or gone gets time to end; any other is terminated, which lets one of
     * another engine end that engine's processes. */
    if (status == TM_OK || status == TM_CHILD || c.said_error)
        tm_child_close(c.child, GRACE_SECONDS, &end);
    else
        tm_child_stop(c.child, STOP_SECONDS, &end);
    if (c.ended_early)
        return tm_fail(err, TM_CHILD, "the worker %s%s%s", end.reason,
                       end.last_words[0] ? "; it said: " : "", end.last_words);
    return status;
}
