/* Reasons to distrust what a peer reports. */
#include "harness/machine/roofline.h"
#include "harness/measure/backend.h"
#include "harness/measure/peer.h"
#include "harness/measure/shapes.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

/* A generation reads its weights once per token. Less than a tenth of what the machine reads, on
 * few threads, is what bitnet.cpp does without its kernels: 1.4 to 2 tokens/s on one thread of a
 * modern core at 2 to 3 x 10^9 parameters, where it does 10 and more. */
#define SLOW_SHARE 0.1
/* Above this share the peer cannot have read its file for every token. Caches may hold a part. */
#define FAST_SHARE 1.5
/* Only what lies outside these bounds is compared with the machine, which takes a second. */
#define ODD_LOW_GB  3.0 /* per thread */
#define ODD_HIGH_GB 100.0
/* Smaller files are served from caches, and overhead counts. */
#define SMALL_FILE (64 << 20)
/* Kernels that scale hide behind the memory on many threads. */
#define FEW_THREADS 8

static double file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) ? (double)st.st_size : NAN;
}

double tm_peer_read_gb(const tm_peer *peer, const tm_test *test, const tm_peer_answer *answer)
{
    double bytes = answer->model_bytes > 0 ? answer->model_bytes : file_bytes(peer->file);
    if (test->n_gen == 0 || test->n_prompt > 0 || answer->n_samples == 0) return NAN;
    return 1e-9 * bytes * tm_peer_rate(test, answer);
}

bool tm_peer_is_odd(const tm_peer *peer, const tm_test *test, int n_threads,
                    const tm_peer_answer *answer)
{
    double gb = tm_peer_read_gb(peer, test, answer);
    if (!(file_bytes(peer->file) > SMALL_FILE)) return false;
    return (gb < ODD_LOW_GB * n_threads && n_threads <= FEW_THREADS) || gb > ODD_HIGH_GB;
}

double tm_peer_machine_gb(int n_threads)
{
    static tm_roofline roofline;
    tm_machine machine = {0};
    tm_error ignored = {0};
    if (tm_machine_read("/", &machine, &ignored) != TM_OK) return NAN;
    tm_roofline_options options = tm_roofline_options_for(&machine, &n_threads, 1);
    options.seconds_each = 0.2;
    options.no_arithmetic = true;
    options.oversubscribe = true;
    tm_status status = tm_roofline_measure(&options, &roofline, &ignored);
    return status == TM_OK && roofline.n_read > 0 ? roofline.read[0].value : NAN;
}

static bool read_shape(const char *model, tm_config *out)
{
    tm_source source;
    tm_error ignored = {0};
    if (tm_source_open_name(model, 1, &source, &ignored) != TM_OK) return false;
    *out = source.config;
    tm_source_close(&source);
    return true;
}

void tm_peer_doubt_model(const tm_peer *peer, const char *model, tm_record *record)
{
    tm_config a, b;
    if (tm_backend_is_null(model) || !read_shape(peer->file, &a) || !read_shape(model, &b)) return;
    if (a.n_layers != b.n_layers || a.n_hidden != b.n_hidden || a.n_ffn != b.n_ffn)
        tm_record_mark(record, "another model: its file has %d layers of %d, %.60s has %d of %d",
                       a.n_layers, a.n_hidden, model, b.n_layers, b.n_hidden);
}

/* What a command does not take as a placeholder it may have chosen itself. */
static void doubt_command(const tm_peer *peer, const tm_test *test, tm_record *record)
{
    const struct {
        const char *placeholder, *what;
    } needed[] = {{"{model}", "model file"},
                  {"{threads}", "number of threads"},
                  {test->n_gen > 0 ? "{gen}" : "{prompt}",
                   test->n_gen > 0 ? "number of tokens to generate" : "length of the prompt"}};
    if (!tm_peer_is_command(peer)) return;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        bool is_given = false;
        for (int k = 0; k < peer->n_arguments; k++)
            is_given = is_given || strstr(peer->arguments[k], needed[i].placeholder);
        if (!is_given)
            tm_record_mark(record, "its command has no %s: it chooses the %s itself",
                           needed[i].placeholder, needed[i].what);
    }
}

void tm_peer_mark_tokens(const tm_peer_tokens *tokens, tm_record *record)
{
    if (!tokens) return;
    if (tokens->missing[0])
        tm_record_mark(record, "results not checked");
    else if (tokens->n_same < tokens->n_compared && !tokens->is_tie)
        tm_record_mark(record, "tokens differ from ternmark's after %d of %d", tokens->n_same,
                       tokens->n_compared);
    else
        tm_record_mark(record, "%d greedy tokens equal ternmark's%s", tokens->n_same,
                       tokens->is_tie ? ", up to a near tie" : "");
}

void tm_peer_doubt(const tm_peer *peer, const tm_test *test, int n_threads, const tm_peer_answer *a,
                   double read_gb, tm_record *record)
{
    const double gb = tm_peer_read_gb(peer, test, a), file = file_bytes(peer->file);
    double told = 0;
    int part;
    if (a->gpu[0])
        tm_record_mark(record, "not a CPU result: it uses a GPU (%.20s, %.40s)", a->backend,
                       a->gpu);
    if (strstr(a->backend, "BLAS"))
        tm_record_mark(record, "built with BLAS, which computes prompts in fp32");
    if (a->n_batch == 1 && test->n_prompt > 1)
        tm_record_mark(record, "its batch is 1 (-b 1): prompts run token by token");
    if (n_threads <= FEW_THREADS && file > SMALL_FILE && gb < SLOW_SHARE * read_gb)
        tm_record_mark(record,
                       "reads less than %g %% of what this machine can: probably a build "
                       "without its kernels",
                       100 * SLOW_SHARE);
    if (file > SMALL_FILE && gb > FAST_SHARE * read_gb)
        tm_record_mark(record, "faster than this machine can read its model file");
    if (a->model_bytes > 0 && tm_gguf_name_parts(peer->file, &part) == 1 &&
        (a->model_bytes > 1.02 * file || a->model_bytes < 0.5 * file))
        tm_record_mark(record, "its model has another size than its file");
    for (int i = 0; i < a->n_samples; i++) told += 1e-9 * (double)a->samples_ns[i];
    if (told > a->seconds) tm_record_mark(record, "reports more time than its process ran");
    if (a->ended[0]) tm_record_mark(record, "%.60s after its answer", a->ended);
    doubt_command(peer, test, record);
}
