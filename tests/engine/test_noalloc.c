/* tm_session_eval allocates, reads, writes and maps nothing: every allocation is counted, and a
 * process that may make no system call except waiting still finishes. */
#include "tests/engine/tiny.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static atomic_int n_allocations; /* since it was last set to 0, in any thread */

#if !TM_SANITIZED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size)
{
    n_allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
    n_allocations++;
    return __libc_calloc(n, size);
}
void *realloc(void *memory, size_t size)
{
    n_allocations++;
    return __libc_realloc(memory, size);
}
void *aligned_alloc(size_t alignment, size_t size)
{
    n_allocations++;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size)
{
    n_allocations++;
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}
void free(void *memory)
{
    if (memory) n_allocations++;
    __libc_free(memory);
}
#endif

enum { N_PROMPT = 50, N_DECODE = 20, N_CONTEXT = 2000 };

typedef struct setup {
    tm_pool *pool;
    tm_model model;
    tm_session *session;
    tm_stamps stamps; /* every test has them: stamping must not allocate either */
    tm_status status;
} setup;

static void open_setup(setup *s, const char *kernel, int n_threads, bool f16_kv)
{
    tm_config config = tiny_config("bitnet");
    tm_session_options options = {.n_context = N_CONTEXT, .n_batch = 16, .f16_kv = f16_kv};
    s->pool = tiny_pool(n_threads);
    s->model = tiny_model(&config, kernel, NULL, s->pool);
    s->session = tiny_session(&s->model, s->pool, options);
    TINY_OK(tm_stamps_open(config.n_layers, N_PROMPT + N_DECODE, s->pool, &s->stamps, &err));
    tm_session_set_stamps(s->session, &s->stamps);
}

static void close_setup(setup *s)
{
    tm_session_close(s->session);
    tm_stamps_close(&s->stamps);
    tm_model_close(&s->model);
    tm_pool_close(s->pool);
}

/* A prompt in batches and some decoding. It asserts nothing, since cmocka allocates. */
static void evaluate(setup *s)
{
    int32_t tokens[N_PROMPT];
    const float *logits;
    for (int i = 0; i < N_PROMPT; i++) tokens[i] = i * 7 % 100;
    s->status = tm_session_eval(s->session, tokens, N_PROMPT, TM_LOGITS_LAST, &logits, NULL);
    for (int i = 0; s->status == TM_OK && i < N_DECODE; i++) {
        int32_t token = tm_argmax(logits, s->model.config.n_vocab);
        s->status = tm_session_eval(s->session, &token, 1, TM_LOGITS_LAST, &logits, NULL);
    }
}

static void test_allocations_are_counted(void **state)
{
    (void)state;
    if (TM_SANITIZED) TM_SKIP("allocations: the sanitizer's allocator takes the place of ours");
    n_allocations = 0;
    void *volatile memory = malloc(10);
    int after = n_allocations;
    free(memory);
    assert_int_equal(after, 1);
    void *pages;
    assert_int_equal(tm_alloc(&pages, 1, 100, "a try", NULL), TM_OK);
    assert_true(n_allocations >= 3);
    tm_free(pages);
}

static void test_eval_allocates_nothing(void **state)
{
    static const char *const kernels[] = {"ternary", "f16r16", "f32r16"};
    (void)state;
    if (TM_SANITIZED) TM_SKIP("allocations: the sanitizer's allocator takes the place of ours");
    for (int i = 0; i < 3; i++) {
        setup s;
        open_setup(&s, kernels[i], 1 + i, i != 1);
        n_allocations = 0;
        evaluate(&s);
        int during = n_allocations;
        assert_int_equal(s.status, TM_OK);
        assert_int_equal(during, 0);
        assert_int_equal(s.stamps.n_passes, (N_PROMPT + 15) / 16 + N_DECODE);
        close_setup(&s);
    }
}

/* The arena was touched on opening, so filling the cache causes no page fault. */
static void test_eval_touches_no_new_pages(void **state)
{
    struct rusage before, after;
    (void)state;
    if (TM_SANITIZED) TM_SKIP("page faults: the sanitizer's shadow memory faults");
    setup s;
    open_setup(&s, "ternary", 2, false);
    evaluate(&s); /* stacks and code */
    tm_session_reset(s.session);
    static int32_t tokens[N_CONTEXT];
    size_t cache = N_CONTEXT * 2 * s.model.costs.kv_bytes_per_position;
    getrusage(RUSAGE_SELF, &before);
    s.status = tm_session_eval(s.session, tokens, N_CONTEXT, TM_LOGITS_NONE, NULL, NULL);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(s.status, TM_OK);
    assert_true(cache / 4096 > 400); /* otherwise there would be this many faults */
    assert_in_range(after.ru_minflt - before.ru_minflt, 0, 50);
    close_setup(&s);
}

/* From here on any system call except waiting and exiting kills the process, in every thread. */
static bool forbid_system_calls(void)
{
#define ALLOW(number)                                                                              \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),                                           \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_futex),
        ALLOW(SYS_clock_gettime), /* if the vDSO cannot answer */
        ALLOW(SYS_exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return false;
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

enum { DONE = 0, REFUSED = 9, FAILED = 8 };

static int wait_for_child(bool break_the_rule)
{
    int status;
    fflush(stdout);
    fflush(stderr);
    pid_t child = fork();
    if (child == 0) {
        setup s;
        open_setup(&s, "ternary", 2, true);
        if (!forbid_system_calls()) _exit(REFUSED);
        evaluate(&s);
        if (break_the_rule) (void)getppid();
        _exit(s.status == TM_OK ? DONE : FAILED);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void test_eval_only_waits_in_system_calls(void **state)
{
    (void)state;
    if (TM_SANITIZED) TM_SKIP("system calls: the sanitizer makes some of its own");
    int status = wait_for_child(true);
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
        TM_SKIP("system calls: this kernel does not let a process forbid them (seccomp)");
    assert_true(WIFSIGNALED(status)); /* the filter works */
    assert_int_equal(WTERMSIG(status), SIGSYS);
    status = wait_for_child(false);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_are_counted),
        cmocka_unit_test(test_eval_allocates_nothing),
        cmocka_unit_test(test_eval_touches_no_new_pages),
        cmocka_unit_test(test_eval_only_waits_in_system_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
