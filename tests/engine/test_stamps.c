/* Time stamps: the pieces of a thread lie end to end inside their pass, in its order, and stamping
 * does not change results. */
#include "engine/forward.h"
#include "tests/engine/tiny.h"

enum { N_PROMPT = 11, N_BATCH = 4, N_DECODE = 5, N_PASSES = 3 + N_DECODE, N_VOCAB = 100 };

typedef struct setup {
    tm_pool *pool;
    tm_model model;
    tm_session *session;
    tm_stamps stamps;
} setup;

static void open_setup(setup *s, const char *kernel, int n_threads, int n_passes)
{
    *s = (setup){0};
    tm_config config = tiny_config("bitnet");
    tm_session_options options = {.n_context = 64, .n_batch = N_BATCH};
    s->pool = tiny_pool(n_threads);
    s->model = tiny_model(&config, kernel, NULL, s->pool);
    s->session = tiny_session(&s->model, s->pool, options);
    if (n_passes > 0) TINY_OK(tm_stamps_open(config.n_layers, n_passes, s->pool, &s->stamps, &err));
}

static void close_setup(setup *s)
{
    tm_session_close(s->session);
    tm_stamps_close(&s->stamps);
    tm_model_close(&s->model);
    tm_pool_close(s->pool);
}

/* A prompt in three passes, then single tokens; *last: the logits after them. */
static void evaluate(setup *s, float last[N_VOCAB])
{
    int32_t tokens[N_PROMPT];
    const float *logits = NULL;
    for (int i = 0; i < N_PROMPT; i++) tokens[i] = i * 7 % N_VOCAB;
    tm_session_reset(s->session);
    TINY_OK(tm_session_eval(s->session, tokens, N_PROMPT, TM_LOGITS_LAST, &logits, &err));
    for (int i = 0; i < N_DECODE; i++)
        TINY_OK(tm_session_eval(s->session, &tokens[i], 1, TM_LOGITS_LAST, &logits, &err));
    memcpy(last, logits, N_VOCAB * sizeof *last);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(tm_op_name(TM_OP_EMBED), "embed");
    assert_string_equal(tm_op_name(TM_OP_FFN_SUB_NORM), "ffn_sub_norm");
    assert_string_equal(tm_op_name(TM_OP_HEAD), "head");
    /* Every norm is followed by its prepare. */
    const tm_op norms[] = {TM_OP_ATTN_NORM, TM_OP_ATTN_SUB_NORM, TM_OP_FFN_NORM, TM_OP_FFN_SUB_NORM,
                           TM_OP_OUTPUT_NORM};
    for (int i = 0; i < 5; i++)
        assert_memory_equal(tm_op_name(norms[i] + 1), "prepare_", strlen("prepare_"));
}

/* How often a thread does an operation in a pass. The last layer is computed only for tokens with
 * logits: without any it ends after the cache, otherwise its queries may have a norm of their own.
 */
static int wanted_count(const setup *s, const tm_stamps_pass *p, tm_op op)
{
    const tm_config *config = &s->model.config;
    const tm_kernel *kernel = s->model.kernel;
    bool head = p->n_logits > 0, apart = head && p->n_logits < p->n_tokens;
    bool for_cache = op == TM_OP_ATTN_NORM || op == TM_OP_PREPARE_QKV || op == TM_OP_K ||
                     op == TM_OP_V || op == TM_OP_ROPE;
    if (op == TM_OP_EMBED) return 1;
    if (op >= TM_OP_OUTPUT_NORM) return head;
    int wanted = config->n_layers - (!for_cache && !head);
    if (op == TM_OP_ATTN_NORM) return wanted + apart;
    if (strncmp(tm_op_name(op), "prepare_", 8) != 0) return wanted;
    int n_cols = op == TM_OP_PREPARE_DOWN ? config->n_ffn : config->n_hidden;
    bool all = kernel->prepare && kernel->scratch_size(n_cols, p->n_tokens) > 0;
    bool few = kernel->prepare && kernel->scratch_size(n_cols, p->n_logits) > 0;
    if (op == TM_OP_PREPARE_QKV) return wanted * all + (apart && few);
    return (config->n_layers - 1) * all + (head && few);
}

/* Checks one thread's events of one pass, from index `at`; returns the index after them. */
static int expect_pass(const setup *s, int thread, int pass, int at)
{
    const tm_stamps_thread *own = &s->stamps.threads[thread];
    const tm_stamps_pass *p = &s->stamps.passes[pass];
    assert_true(at < own->n_events);
    assert_int_equal(own->events[at].piece, TM_PIECE_ENTER);
    assert_true(own->events[at].ticks >= p->begin);
    int layer = -1, op = -1, seen[TM_OP_COUNT] = {0};
    for (at++; at < own->n_events && own->events[at].piece != TM_PIECE_ENTER; at++) {
        const tm_event *e = &own->events[at];
        assert_int_equal(e->pass, pass);
        assert_true(e->ticks >= own->events[at - 1].ticks);
        assert_true(e->ticks <= p->end);
        if (e->piece == TM_PIECE_WAIT) { /* after the work that it is named after */
            assert_true(s->stamps.n_threads > 1);
            assert_int_equal(e->op, op);
            assert_int_equal(own->events[at - 1].piece, TM_PIECE_WORK);
            continue;
        }
        seen[e->op]++;
        if (e->layer != layer && e->layer >= 0) {
            assert_int_equal(e->layer, layer + 1);
            assert_int_equal(e->op, TM_OP_ATTN_NORM);
        } else if (e->op <= op) { /* queries separately */
            assert_int_equal(e->op, TM_OP_ATTN_NORM);
            assert_int_equal(op, TM_OP_V);
            assert_int_equal(layer, s->model.config.n_layers - 1);
        }
        if (e->layer >= 0) layer = e->layer;
        op = e->op;
    }
    assert_int_equal(layer, s->model.config.n_layers - 1);
    for (int i = 0; i < TM_OP_COUNT; i++)
        if (i != TM_OP_PREPARE_HEAD) /* the head has a kernel of its own */
            assert_int_equal(seen[i], wanted_count(s, p, (tm_op)i));
    return at;
}

/* Shares that are cut into pieces, which threads take over from each other, leave the same events.
 */
static void expect_end_to_end(bool cut)
{
    static const char *const kernels[] = {"trit_mad_scalar", "ternary", "f16r16"};
    for (int k = 0; k < 3; k++) {
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            float logits[N_VOCAB];
            setup s;
            open_setup(&s, kernels[k], n_threads, N_PASSES);
            s.session->habit = (tm_steal_habit){.unevenness = cut ? 1e9 : -1e9, .cut = cut};
            tm_session_set_stamps(s.session, &s.stamps);
            evaluate(&s, logits);
            assert_int_equal(s.stamps.n_passes, N_PASSES);
            const int n_tokens[3] = {N_BATCH, N_BATCH, N_PROMPT - 2 * N_BATCH};
            for (int i = 0, position = 0; i < N_PASSES; i++) {
                const tm_stamps_pass *p = &s.stamps.passes[i];
                assert_int_equal(p->n_tokens, i < 3 ? n_tokens[i] : 1);
                assert_int_equal(p->position, position);
                assert_int_equal(p->n_logits, i < 2 ? 0 : 1);
                assert_true(p->begin < p->end);
                if (i > 0) assert_true(p->begin >= s.stamps.passes[i - 1].end);
                position += p->n_tokens;
            }
            for (int t = 0; t < n_threads; t++) {
                int at = 0;
                for (int i = 0; i < N_PASSES; i++) at = expect_pass(&s, t, i, at);
                assert_int_equal(at, s.stamps.threads[t].n_events);
                assert_int_equal(s.stamps.threads[t].n_dropped, 0);
            }
            close_setup(&s);
        }
    }
}

static void test_pieces_lie_end_to_end(void **state)
{
    (void)state;
    expect_end_to_end(false);
    expect_end_to_end(true);
}

static void test_logits_stay_the_same(void **state)
{
    float with[N_VOCAB], without[N_VOCAB];
    (void)state;
    setup s;
    open_setup(&s, "ternary", 2, N_PASSES);
    evaluate(&s, without);
    assert_int_equal(s.stamps.n_passes, 0);
    tm_session_set_stamps(s.session, &s.stamps);
    evaluate(&s, with);
    assert_int_equal(s.stamps.n_passes, N_PASSES);
    assert_memory_equal(with, without, sizeof with);
    tm_session_set_stamps(s.session, NULL);
    evaluate(&s, without);
    assert_int_equal(s.stamps.n_passes, N_PASSES);
    assert_int_equal(s.stamps.n_dropped, 0);
    close_setup(&s);
}

static void test_full_stamps_count_lost_events(void **state)
{
    float full[N_VOCAB], roomy[N_VOCAB];
    (void)state;
    setup s;
    open_setup(&s, "ternary", 2, 2);
    evaluate(&s, roomy);
    tm_session_set_stamps(s.session, &s.stamps);
    evaluate(&s, full);
    assert_int_equal(s.stamps.n_passes, 2);
    assert_int_equal(s.stamps.n_dropped, N_PASSES - 2);
    assert_memory_equal(full, roomy, sizeof full);
    int at = expect_pass(&s, 1, 0, 0);
    assert_int_equal(expect_pass(&s, 1, 1, at), s.stamps.threads[1].n_events);

    /* A list too short for its passes loses events, and nothing is written past it. */
    tm_stamps_clear(&s.stamps);
    tm_stamps_thread *own = &s.stamps.threads[1];
    own->max_events = 10;
    tm_event behind = own->events[10];
    evaluate(&s, full);
    assert_int_equal(own->n_events, 10);
    assert_int_equal(own->n_events + own->n_dropped, s.stamps.threads[0].n_events);
    assert_memory_equal(&behind, &own->events[10], sizeof behind);
    assert_memory_equal(full, roomy, sizeof full);
    close_setup(&s);
}

static void test_errors(void **state)
{
    tm_error err = {0};
    tm_stamps stamps;
    (void)state;
    tm_pool *pool = tiny_pool(1);
    assert_int_equal(tm_stamps_open(0, 1, pool, &stamps, &err), TM_ARG);
    assert_int_equal(tm_stamps_open(1, 0, pool, &stamps, &err), TM_ARG);
    assert_int_equal(tm_stamps_open(1000, 1000000, pool, &stamps, &err), TM_NOMEM);
    assert_non_null(strstr(err.message, "1000000 passes of 1000 layers"));
    tm_pool_close(pool);
}

/* Operations that take turns become one piece each, as long as all their laps. */
static void test_laps_become_one_piece_each(void **state)
{
    tm_event events[8];
    tm_stamps_thread list = {.events = events, .max_events = 8, .by_clock = true};
    uint64_t spent[3] = {0}, last;
    (void)state;
    tm_stamps_add(&list, TM_PIECE_ENTER, TM_OP_EMBED, -1);
    last = events[0].ticks;
    tm_stamps_lap_begin(&list);
    for (int turn = 0; turn < 30; turn++) {
        tm_stamps_lap(&list, turn * 7 % 3);
        spent[turn * 7 % 3] += list.lap_ticks - last;
        last = list.lap_ticks;
    }
    tm_stamps_lap_end(&list, (const tm_op[]){TM_OP_GATE, TM_OP_UP, TM_OP_ACTIVATION}, 3, 5);
    assert_int_equal(list.n_events, 4);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(events[i + 1].op, TM_OP_GATE + i);
        assert_int_equal(events[i + 1].piece, TM_PIECE_WORK);
        assert_int_equal(events[i + 1].layer, 5);
        assert_int_equal(events[i + 1].ticks - events[i].ticks, spent[i]);
    }
    assert_int_equal(events[3].ticks, last);
}

/* The rate converts the counter to the clock's time. Each span of one clock is read inside a span
 * of the other, so that preemption can only lengthen the outer one. */
static void test_ticks_become_nanoseconds(void **state)
{
    (void)state;
    tm_stamps stamps;
    tm_pool *pool = tiny_pool(1);
    TINY_OK(tm_stamps_open(1, 1, pool, &stamps, &err));
    double rate = tm_stamps_ticks_per_ns(&stamps);
    assert_true(rate > 0.005 && rate < 20);
    uint64_t outer = tm_stamps_ticks(stamps.by_clock), begin = tm_stamps_ticks(true), now = begin;
    while (now - begin < 10000000) now = tm_stamps_ticks(true);
    double counted = (double)(tm_stamps_ticks(stamps.by_clock) - outer) / rate;
    assert_true(counted > 0.98 * 10e6);
    begin = tm_stamps_ticks(true);
    outer = tm_stamps_ticks(stamps.by_clock);
    while ((double)(tm_stamps_ticks(stamps.by_clock) - outer) / rate < 10e6) {
    }
    assert_true((double)(tm_stamps_ticks(true) - begin) > 0.98 * 10e6);
    assert_true(strlen(tm_stamps_clock(&stamps)) > 5);
    tm_stamps_close(&stamps);
    tm_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pieces_lie_end_to_end),
        cmocka_unit_test(test_logits_stay_the_same),
        cmocka_unit_test(test_full_stamps_count_lost_events),
        cmocka_unit_test(test_laps_become_one_piece_each),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_ticks_become_nanoseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
