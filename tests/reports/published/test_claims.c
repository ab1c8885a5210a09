/* Claims of papers: the embedded file refers to what exists, and the reader refuses the rest. */
#include "harness/measure/shapes.h"
#include "kernels/kernel.h"
#include "reports/published/claims.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

typedef struct data {
    tm_published published;
    tm_claims claims;
} data;

static int load(void **state)
{
    static data d;
    tm_error err = {0};
    tm_status status = tm_published_load(&d.published, &err);
    if (status == TM_OK) status = tm_claims_load(&d.published, &d.claims, &err);
    if (status != TM_OK) fprintf(stderr, "%s\n", err.message);
    *state = &d;
    return status == TM_OK ? 0 : -1;
}

static int unload(void **state)
{
    data *d = *state;
    tm_claims_free(&d->claims);
    tm_published_free(&d->published);
    return 0;
}

static const tm_claim *find(const data *d, const char *id)
{
    for (int i = 0; i < d->claims.n; i++)
        if (strcmp(d->claims.items[i].id, id) == 0) return &d->claims.items[i];
    fail_msg("no claim %s", id);
    return NULL;
}

static void every_claim_has_a_known_shape(void **state)
{
    const data *d = *state;
    tm_shapes shapes;
    tm_error err = {0};
    assert_int_equal(tm_shapes_read(&shapes, &err), TM_OK);
    for (int i = 0; i < d->claims.n; i++) {
        const tm_claim *c = &d->claims.items[i];
        const tm_claim_group *g = c->group;
        if (!c->shape[0] || strcmp(c->shape, TM_CLAIM_ANY_SHAPE) == 0) {
            if (!c->shape[0] && !g->not_measured[0] && !g->not_comparable[0])
                fail_msg("%s: no shape, and nothing says why", c->id);
            continue;
        }
        if (!tm_shapes_find(&shapes, c->shape)) fail_msg("%s: no shape %s", c->id, c->shape);
    }
    tm_shapes_free(&shapes);
}

static bool is_layout(const char *name)
{
    for (const tm_kernel *const *k = tm_kernels(); *k; k++)
        if (strcmp((*k)->format->name, name) == 0) return true;
    return false;
}

static void every_claim_has_a_known_kernel(void **state)
{
    const data *d = *state;
    for (int i = 0; i < d->claims.n_groups; i++) {
        const tm_claim_group *g = &d->claims.groups[i];
        const char *const names[] = {g->kernel, g->baseline};
        for (int k = 0; k < 2; k++)
            if (names[k][0] && strcmp(names[k], TM_CLAIM_TERNARY) != 0 &&
                strcmp(names[k], TM_CLAIM_F16) != 0 && !is_layout(names[k]))
                fail_msg("%s: no kernel %s", g->id, names[k]);
    }
}

static void every_claim_has_a_value_or_the_reason(void **state)
{
    const data *d = *state;
    assert_int_equal(d->claims.n_papers, 12);
    assert_true(d->claims.n > 300);
    for (int i = 0; i < d->claims.n; i++) {
        const tm_claim *c = &d->claims.items[i];
        if (!isfinite(c->low) && !c->missing[0]) fail_msg("%s: neither value nor reason", c->id);
        if (isfinite(c->low) && !(c->low <= c->high)) fail_msg("%s: low above high", c->id);
    }
}

/* Printed in the papers, or the ratio of two printed values. */
static void claims_have_the_published_values(void **state)
{
    const data *d = *state;
    const struct {
        const char *id;
        double low, high;
    } wanted[] = {
        {"2410.16144-table5-i7:700M", 80.13 / 18.56, 80.13 / 18.56},
        {"2410.16144-table4-m2:30B", 17.07 / 3.78, 17.07 / 3.78},
        {"2410.16144-table6-i7:7B", 100 * (1 - 2.017 / 11.305), 100 * (1 - 2.017 / 11.305)},
        {"2410.16144-x86-speedup", 2.37, 6.17},
        {"2410.16144-arm-energy", 55.4, 70.0},
        {"2410.16144-table4-m2-rate:100B", 6.58, 6.58},
        {"2502.11880-table7-i7-tl2-tq1:3.8B", 35.43 / 26.59, 35.43 / 26.59},
        {"2504.12285-table1-latency", 29, 29},
        {"bitnet.cpp-2026-epyc-pp128-rate:12t", 402.27, 402.27},
        {"bitnet.cpp-2026-epyc-tg128-rate:2t", 28.58, 28.58},
        {"bitnet-t5b-t5b-i2s-tg128", 25.78 / 22.56, 25.78 / 22.56},
        {"2605.06485-avxvnni-speedup", 39.96 / 0.41, 39.96 / 0.41},
        {"llama.cpp-pr8151-tq2_0-q8_0-tg128", 33.89 / 10.3, 33.89 / 10.3},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const tm_claim *c = find(d, wanted[i].id);
        if (fabs(c->low - wanted[i].low) > 1e-9 || fabs(c->high - wanted[i].high) > 1e-9)
            fail_msg("%s: %.17g to %.17g", c->id, c->low, c->high);
    }
    const tm_claim *c = find(d, "2410.16144-table5-i7:700M");
    assert_string_equal(c->printed, "4.32");
    assert_string_equal(c->bandwidth, "<100");
    assert_int_equal(c->threads, 2);
    assert_true(c->baseline_value == 18.56);
}

static void a_paper_is_found_by_number_and_name(void **state)
{
    const data *d = *state;
    const tm_claim_paper *paper;
    tm_error err = {0};
    const char *const names[] = {"2410.16144", "arXiv:2410.16144", "BITNET.CPP"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tm_claims_need_paper(&d->claims, names[i], &paper, &err), TM_OK);
        assert_string_equal(paper->paper, "2410.16144");
    }
    assert_int_equal(tm_claims_need_paper(&d->claims, "2410.16145", &paper, &err), TM_ARG);
    assert_non_null(strstr(err.message, "did you mean \"2410.16144\""));
}

#define PAPERS "{\"papers\": [{\"paper\": \"2410.16144\", \"title\": \"T\", \"names\": []}],\n"
#define GROUP(machine, test, threads, more)                                                        \
    PAPERS "\"groups\": [\n"                                                                       \
           "{\"id\": \"a\", \"paper\": \"2410.16144\", \"table\": \"Table 5\",\n"                  \
           "\"device\": \"Intel\", \"machine\": \"" machine "\", \"metric\": \"speedup\",\n"       \
           "\"kernel\": \"ternary\", \"baseline\": \"f16\", \"tolerance\": 0.1,\n"                 \
           "\"test\": \"" test "\", \"threads\": " threads ",\n" more "}]}"
#define FIGURE                                                                                     \
    "\"models\": {\"700M\": \"700M\"},\n\"figure\": {\"metric\": \"inference speed\", "            \
    "\"system\": \"fp16\"}"

static void refuse(const data *d, const char *text, const char *message)
{
    tm_claims claims;
    tm_error err = {0};
    tm_status status = tm_claims_parse(text, strlen(text), "claims", &d->published, &claims, &err);
    tm_claims_free(&claims);
    if (status != TM_FORMAT || !strstr(err.message, message))
        fail_msg("status %d, \"%s\" instead of \"%s\"", (int)status, err.message, message);
}

static void a_good_group_is_read(void **state)
{
    const data *d = *state;
    tm_claims claims;
    tm_error err = {0};
    const char *text = GROUP("x86_64", "tg", "[2]", FIGURE);
    assert_int_equal(tm_claims_parse(text, strlen(text), "claims", &d->published, &claims, &err),
                     TM_OK);
    assert_int_equal(claims.n, 1);
    assert_true(claims.items[0].low == 18.56);
    assert_string_equal(claims.items[0].id, "a");
    tm_claims_free(&claims);
}

static void wrong_claims_are_refused_with_their_line(void **state)
{
    const data *d = *state;
    refuse(d, "[]", "claims");
    refuse(d, "{\"papers\": []}", "\"papers\" must be a list that is not empty");
    refuse(d, GROUP("x86_64", "tg", "[2]", FIGURE ",\n\"modles\": 1"), "claims: line 9");
    refuse(d, GROUP("x86_64", "tg", "[2]", FIGURE ",\n\"modles\": 1"), "\"models\"");
    refuse(d, GROUP("x68_64", "tg", "[2]", FIGURE), "did you mean \"x86_64\"");
    refuse(d, GROUP("x68_64", "tg", "[2]", FIGURE), "line 4");
    refuse(d, GROUP("x86_64", "tx", "[2]", FIGURE), "line 6: test \"tx\"");
    refuse(d, GROUP("x86_64", "tg0", "[2]", FIGURE), "line 6: test \"tg0\"");
    refuse(d, GROUP("x86_64", "tg", "[0]", FIGURE), "line 6: \"threads\"");
    refuse(d, GROUP("x86_64", "tg", "[1.5]", FIGURE), "line 6: \"threads\"");
    refuse(d, GROUP("x86_64", "tg", "[]", FIGURE), "line 6: \"threads\"");
    refuse(d, GROUP("x86_64", "tg", "[2]", "\"models\": {}"), "line 7: \"models\"");
    refuse(d, GROUP("x86_64", "tg", "[2]", "\"models\": {\"x\": 1}"), "line 7: the shape");
    refuse(d, GROUP("x86_64", "tg", "[2]", "\"models\": {\"700M\": \"700M\"}"), "\"figure\"");
    refuse(d,
           GROUP("x86_64", "tg", "[2]",
                 "\"models\": {\"701M\": \"\"},\n\"figure\": {\"metric\": \"inference speed\"}"),
           "line 8: claim \"a\"");
    refuse(d,
           GROUP("x86_64", "tg", "[2]",
                 "\"models\": {\"700M\": \"\"},\n\"figure\": {\"metric\": \"inference speed\"}"),
           "2 published values match");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_claim_has_a_known_shape),
        cmocka_unit_test(every_claim_has_a_known_kernel),
        cmocka_unit_test(every_claim_has_a_value_or_the_reason),
        cmocka_unit_test(claims_have_the_published_values),
        cmocka_unit_test(a_paper_is_found_by_number_and_name),
        cmocka_unit_test(a_good_group_is_read),
        cmocka_unit_test(wrong_claims_are_refused_with_their_line),
    };
    return cmocka_run_group_tests_name("claims", tests, load, unload);
}
