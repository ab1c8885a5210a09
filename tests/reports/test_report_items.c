#include "reports/report_items.h"
#include "reports/summary_cell.h"
#include "tests/tm_test.h"

#include <string.h>

static const tm_cell cells[] = {
    {.model = "synth:125M", .kernel = "i2_x", .threads = 1, .test = "tg8"},
    {.model = "synth:350M", .kernel = "i2_x", .threads = 2, .test = "tg8"},
    {.model = "synth:700M", .kernel = "i2_x", .threads = 2, .test = "tg8"}};

static tm_text list_of(tm_report_items *items, bool is_exact)
{
    const tm_sheet_input input = {.n_machines = 1};
    const tm_report_view view = {.input = &input};
    tm_text out = {0};
    tm_report_items_put(&view, items, is_exact, &out);
    assert_int_equal(items->n, 0);
    assert_false(out.failed);
    return out;
}

/* Sentences that differ in numbers are one line with the number of cells; others are not. */
static void sentences_of_one_kind_are_one_line(void **state)
{
    tm_report_items items = {0};
    (void)state;
    tm_report_items_add(&items, &cells[0], "took 0.5 s of 12 s");
    tm_report_items_add(&items, NULL, "took 1 s of 2 s");
    tm_report_items_add(&items, &cells[1], "took 10 s of 0.25 s");
    tm_report_items_add(&items, &cells[1], "took 11 s of 0.25 s");
    tm_report_items_add(&items, &cells[1], "took 10 s");
    tm_report_items_add(&items, &cells[2], "took s of 2 s");
    tm_text out = list_of(&items, false);
    assert_string_equal(tm_text_string(&out),
                        "- 2 cells, the first 125M, i2_x, 1 thread, tg8: took 0.5 s of 12 s\n"
                        "- took 1 s of 2 s\n"
                        "- 350M, i2_x, 2 threads, tg8: took 10 s\n"
                        "- 700M, i2_x, 2 threads, tg8: took s of 2 s\n");
    tm_text_free(&out);
}

static void exact_lines_keep_their_numbers(void **state)
{
    tm_report_items items = {0};
    (void)state;
    tm_report_items_add(&items, &cells[0], "needs 14.2 GB");
    tm_report_items_add(&items, &cells[1], "needs 14.2 GB");
    tm_report_items_add(&items, &cells[2], "needs 15.2 GB");
    tm_text out = list_of(&items, true);
    assert_string_equal(tm_text_string(&out),
                        "- 2 cells, the first 125M, i2_x, 1 thread, tg8: needs 14.2 GB\n"
                        "- 700M, i2_x, 2 threads, tg8: needs 15.2 GB\n");
    tm_text_free(&out);
}

static void parts_are_told_apart(void **state)
{
    tm_report_items items = {0};
    (void)state;
    tm_report_items_add_parts(&items, &cells[0], "cv 7 %: more; 2 of 3 samples marked: busy; hot");
    tm_report_items_add_parts(&items, &cells[1], "busy");
    tm_report_items_add_parts(&items, &cells[1], "");
    tm_text out = list_of(&items, false);
    assert_string_equal(tm_text_string(&out),
                        "- 125M, i2_x, 1 thread, tg8: cv 7 %: more\n"
                        "- 2 cells, the first 125M, i2_x, 1 thread, tg8: busy\n"
                        "- 125M, i2_x, 1 thread, tg8: hot\n");
    tm_text_free(&out);
}

static void sentences_are_added_whole_or_not_at_all(void **state)
{
    char text[24] = "";
    (void)state;
    tm_add_sentence(text, sizeof text, "%d rows", 12);
    tm_add_sentence(text, sizeof text, "busy");
    assert_string_equal(text, "12 rows; busy");
    tm_add_sentence(text, sizeof text, "other processes");
    assert_string_equal(text, "12 rows; busy; ...");
    tm_add_sentence(text, sizeof text, "hot");
    assert_string_equal(text, "12 rows; busy; ...");
    char one[12] = "";
    tm_add_sentence(one, sizeof one, "other processes");
    assert_string_equal(one, "other p...");
    char full[] = "0123456789";
    tm_add_sentence(full, sizeof full, "more");
    assert_string_equal(full, "0123456789");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences_of_one_kind_are_one_line),
                                       cmocka_unit_test(exact_lines_keep_their_numbers),
                                       cmocka_unit_test(parts_are_told_apart),
                                       cmocka_unit_test(sentences_are_added_whole_or_not_at_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
