/* A test: numbers of prompt and generated tokens, after a number of cached ones. */
#ifndef TM_HARNESS_RECORD_CELL_TEST_H
#define TM_HARNESS_RECORD_CELL_TEST_H

#define TM_SUITE_MAX     64      /* values of one axis; excludes */
#define TM_THREADS_ALL   0       /* every physical core that this process may use */
#define TM_TOKENS_MAX    1000000 /* prompt, generated or cached tokens of a test */
#define TM_SEQUENCES_MAX 256

typedef struct tm_test {
    int n_prompt, n_gen, depth; /* tokens; at least one of the first two is not 0 */
    int n_sequences; /* decoded together, each at this depth, without a prompt; 0 and 1: one */
} tm_test;

/* Positions of a sequence of the test. */
static inline int tm_test_positions(const tm_test *test)
{
    return test->depth + test->n_prompt + test->n_gen;
}
/* Tokens of its timed region: prompt and generated, of all sequences. */
static inline int tm_test_tokens(const tm_test *test)
{
    return test->n_prompt + test->n_gen * (test->n_sequences > 1 ? test->n_sequences : 1);
}

#endif
