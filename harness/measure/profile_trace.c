#include "harness/measure/profile_trace.h"

#include "harness/base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A JSON string with its quotes. */
static void put_string(FILE *file, const char *text)
{
    tm_json *json = tm_json_string(text);
    char *quoted = tm_json_print(json, false);
    fputs(quoted ? quoted : "\"\"", file);
    free(quoted);
    tm_json_free(json);
}

tm_status tm_profile_trace_open(const char *path, tm_profile_trace *out, tm_error *err)
{
    *out = (tm_profile_trace){.output.fd = -1};
    tm_status status = tm_atomic_file_open(path, &out->output, err);
    if (status != TM_OK) return status;
    int fd = dup(out->output.fd); /* the stream closes its own */
    out->file = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out->file) {
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        tm_atomic_file_abandon(&out->output);
        return status;
    }
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out->file);
    return TM_OK;
}

tm_status tm_profile_trace_close(tm_profile_trace *trace, tm_error *err)
{
    if (!trace->file) return TM_OK;
    fputs("\n]}\n", trace->file);
    errno = 0;
    bool failed = fflush(trace->file) != 0 || ferror(trace->file) != 0;
    if (fclose(trace->file) != 0) failed = true;
    trace->file = NULL;
    if (!failed) return tm_atomic_file_commit(&trace->output, err);
    tm_status status = tm_fail(err, TM_IO, "%s: cannot write the whole trace: %s",
                               trace->output.path, strerror(errno ? errno : EIO));
    tm_atomic_file_abandon(&trace->output);
    return status;
}

void tm_profile_trace_abandon(tm_profile_trace *trace)
{
    if (!trace->file) return;
    fclose(trace->file);
    trace->file = NULL;
    tm_atomic_file_abandon(&trace->output);
}

/* The context of an event. */
typedef struct writer {
    FILE *file;
    const tm_stamps *stamps;
    uint64_t zero;
    double rate; /* ticks per ns */
    int cell, thread;
} writer;

/* Whole nanoseconds since the start of the trace. Each stamp is rounded once, so that adjacent
 * events stay adjacent. */
static int64_t at_ns(const writer *w, uint64_t ticks)
{
    return ticks > w->zero ? (int64_t)((double)(ticks - w->zero) / w->rate + 0.5) : 0;
}

/* A complete event without its name and arguments; its times are in microseconds. */
static void begin_event(const writer *w, const char *category, uint64_t begin, uint64_t end)
{
    int64_t from = at_ns(w, begin), span = at_ns(w, end) - from;
    if (span < 0) span = 0;
    fprintf(w->file,
            ",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":%d,\"tid\":%d,\"ts\":%lld.%03d,\"dur\":%lld.%03d",
            category, w->cell, w->thread, (long long)(from / 1000), (int)(from % 1000),
            (long long)(span / 1000), (int)(span % 1000));
}

static void put_pass(const writer *w, int pass, uint64_t begin, uint64_t end)
{
    const tm_stamps_pass *p = &w->stamps->passes[pass];
    fprintf(w->file, ",\n{\"name\":\"pass\"");
    begin_event(w, "pass", begin, end);
    fprintf(w->file, ",\"args\":{\"pass\":%d,\"tokens\":%d,\"position\":%d,\"logits\":%d}}", pass,
            p->n_tokens, p->position, p->n_logits);
}

static void put_layer(const writer *w, int layer, uint64_t begin, uint64_t end)
{
    fprintf(w->file, ",\n{\"name\":\"layer %d\"", layer);
    begin_event(w, "layer", begin, end);
    fputc('}', w->file);
}

static void put_piece(const writer *w, const tm_event *e)
{
    bool waits = e->piece == TM_PIECE_WAIT;
    if (waits)
        fputs(",\n{\"name\":\"barrier\"", w->file);
    else
        fprintf(w->file, ",\n{\"name\":\"%s\"", tm_op_name((tm_op)e->op));
    begin_event(w, waits ? "barrier" : "operation", e[-1].ticks, e->ticks);
    fprintf(w->file, ",\"args\":{\"layer\":%d,\"after\":\"%s\"}}", e->layer,
            waits ? tm_op_name((tm_op)e->op) : "");
}

static void put_name(const writer *w, const char *kind, const char *name)
{
    fprintf(w->file,
            "\n{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":", kind,
            w->cell, w->thread);
    put_string(w->file, name);
    fputs("}}", w->file);
}

static void put_thread(const writer *w, int first_pass)
{
    const tm_stamps_thread *own = &w->stamps->threads[w->thread];
    for (int i = 0; i < own->n_events;) {
        int pass = own->events[i].pass, end = i + 1;
        while (end < own->n_events && own->events[end].piece != TM_PIECE_ENTER) end++;
        if (pass >= first_pass) {
            put_pass(w, pass, own->events[i].ticks, w->stamps->passes[pass].end);
            for (int k = i + 1; k < end;) { /* consecutive events of one layer */
                int layer = own->events[k].layer, behind = k + 1;
                while (behind < end && own->events[behind].layer == layer) behind++;
                if (layer >= 0)
                    put_layer(w, layer, own->events[k - 1].ticks, own->events[behind - 1].ticks);
                for (; k < behind; k++) put_piece(w, &own->events[k]);
            }
        }
        i = end;
    }
}

static void put_cell(writer *w, const char *name, int first_pass)
{
    put_name(w, "process_name", name);
    for (w->thread = 0; w->thread < w->stamps->n_threads; w->thread++) {
        char thread[32];
        snprintf(thread, sizeof thread, "thread %d", w->thread);
        fputc(',', w->file);
        put_name(w, "thread_name", thread);
        put_thread(w, first_pass);
    }
}

void tm_profile_trace_add(tm_profile_trace *trace, const char *name, const tm_stamps *stamps,
                          int first_pass, double ticks_per_ns)
{
    writer w = {.file = trace->file,
                .stamps = stamps,
                .zero = stamps->passes[first_pass].begin,
                .rate = ticks_per_ns,
                .cell = ++trace->n_cells};
    if (trace->n_cells > 1) fputc(',', trace->file);
    put_cell(&w, name, first_pass);
}

tm_status tm_profile_trace_add_file(const char *path, int number, const char *name,
                                    const tm_stamps *stamps, int first_pass, double ticks_per_ns,
                                    tm_error *err)
{
    writer w = {.file = fopen(path, "w"),
                .stamps = stamps,
                .zero = stamps->passes[first_pass].begin,
                .rate = ticks_per_ns,
                .cell = number};
    if (!w.file) return tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
    put_cell(&w, name, first_pass);
    errno = 0;
    bool failed = fflush(w.file) != 0 || ferror(w.file) != 0;
    if (fclose(w.file) == 0 && !failed) return TM_OK;
    return tm_fail(err, TM_IO, "%s: cannot write the whole trace: %s", path,
                   strerror(errno ? errno : EIO));
}

tm_status tm_profile_trace_splice(tm_profile_trace *trace, const char *path, tm_error *err)
{
    char block[1 << 14];
    size_t n;
    FILE *file = fopen(path, "r");
    if (!file) return tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
    if (++trace->n_cells > 1) fputc(',', trace->file);
    while ((n = fread(block, 1, sizeof block, file)) > 0) fwrite(block, 1, n, trace->file);
    bool failed = ferror(file) != 0;
    fclose(file);
    unlink(path);
    return failed ? tm_fail(err, TM_IO, "%s: reading failed", path) : TM_OK;
}

/* ';' separates frames and a newline ends a stack, so neither may occur in a name. */
static void put_frame(FILE *file, const char *name)
{
    for (; *name; name++) fputc(*name == ';' || (unsigned char)*name < 0x20 ? '_' : *name, file);
}

static void put_stack(FILE *file, const char *name, int layer, const char *op, const char *leaf,
                      double ns)
{
    if (!(ns >= 0.5)) return;
    put_frame(file, name);
    if (layer >= 0) fprintf(file, ";layer %d", layer);
    fprintf(file, ";%s%s %.0f\n", op, leaf, ns);
}

void tm_folded_add(FILE *file, const char *name, const tm_profile *profile)
{
    for (int l = -1; l < profile->n_layers; l++)
        for (int o = 0; o < TM_OP_COUNT; o++) {
            const tm_profile_op *op = &profile->ops[(size_t)(l + 1) * TM_OP_COUNT + (size_t)o];
            const char *called = tm_op_name((tm_op)o);
            put_stack(file, name, l, called, "", op->part.work_ns * profile->n_threads);
            put_stack(file, name, l, called, ";barrier", op->part.wait_ns * profile->n_threads);
        }
    put_stack(file, name, -1, "idle", "", tm_profile_idle_ns(profile) * profile->n_threads);
}
