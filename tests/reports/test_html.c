#include "harness/base/embedded.h"
#include "reports/output/page.h"
#include "reports/output/plot_layout.h"
#include "reports/report.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

#include <unistd.h>

static const char evil[] = "<script>alert(\"1\")</script> & 'größe' *x* `y` \\";
static const char safe[] =
    "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;größe&#39; "
    "*x* `y` \\";

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" is not in: %.3000s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
    const char *at = strstr(text, part);
    if (at) fail_msg("\"%s\" is in: %.200s", part, at);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

static bool is_void(const char *name)
{
    static const char *const names[] = {"meta", "link", "input", NULL};
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* Every tag is closed in order, every id occurs once, and every link leads to an id. Style and
 * script are skipped: they are files of ours. */
static void assert_sound(const char *html)
{
    char open[64][16];
    int depth = 0;
    for (const char *at = strchr(html, '<'); at; at = strchr(at, '<')) {
        char name[16] = "";
        const char *end = strchr(at, '>');
        assert_non_null(end);
        const bool is_end = at[1] == '/', is_empty = end[-1] == '/';
        if (at[1] == '!') {
            at = end;
            continue;
        }
        assert_int_equal(sscanf(at + 1 + is_end, "%15[a-z0-9]", name), 1);
        if (is_end) {
            assert_true(depth > 0);
            if (strcmp(open[--depth], name) != 0)
                fail_msg("</%s> closes <%s> at %.80s", name, open[depth], at);
        } else if (!is_empty && !is_void(name)) {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
        }
        at = end;
        if (!is_end && (strcmp(name, "style") == 0 || strcmp(name, "script") == 0)) {
            char close[24];
            snprintf(close, sizeof close, "</%s>", name);
            at = strstr(at, close);
            assert_non_null(at);
        }
    }
    assert_int_equal(depth, 0);
    for (const char *at = html; (at = strstr(at, "href=\"#")); at++) {
        char id[128], anchor[160];
        assert_int_equal(sscanf(at, "href=\"#%127[^\"]", id), 1);
        snprintf(anchor, sizeof anchor, " id=\"%s\"", id);
        if (count(html, anchor) != 1) fail_msg("%s occurs %d times", anchor, count(html, anchor));
    }
}

static void table_is_escaped_and_linked(void **state)
{
    (void)state;
    tm_table table;
    tm_text out = {0};
    tm_error err = {0};
    tm_table_init(&table, evil);
    tm_table_add_column(&table, evil, TM_LEFT);
    tm_table_add_column(&table, "tokens/s", TM_RIGHT);
    tm_table_add_group(&table, "%s", evil);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "%s", evil);
    tm_table_link(&table, "a\"b");
    tm_table_add_cell_with_note(&table, "-", evil);
    assert_int_equal(tm_table_write_html(&table, &out, &err), TM_OK);
    const char *html = tm_text_string(&out);
    assert_lacks(html, "<script");
    assert_int_equal(count(html, safe), 7); /* label, caption, heading, group, cell, note twice */
    assert_has(html, "<th scope=\"row\" class=\"long\"><a href=\"#cell-a&quot;b\">");
    assert_has(html, "<td class=\"num missing\">-<sup title=\"");
    assert_lacks(html, "\n\n"); /* a blank line would end it inside of Markdown */
    tm_text_free(&out);
    tm_table_free(&table);
}

/* A row of the table of cells would be ten lines high by the marks of its samples. */
static void long_text_is_folded(void **state)
{
    (void)state;
    tm_table table;
    tm_text out = {0};
    tm_error err = {0};
    char text[300] = "";
    for (int i = 0; i < 30; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%d-words ", i);
    }
    tm_table_init(&table, "");
    tm_table_add_column(&table, "", TM_LEFT);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "%s", text);
    assert_int_equal(tm_table_write_html(&table, &out, &err), TM_OK);
    const char *html = tm_text_string(&out);
    assert_has(html, "<thead><tr><td></td></tr></thead>");
    assert_has(html, "><details><summary>0-words 1-words ");
    assert_has(html, "10-words</summary> 11-words ");
    assert_has(html, " 29-words </details></th>");
    tm_text_free(&out);
    tm_table_free(&table);
}

static void forest_plot_has_rows(void **state)
{
    (void)state;
    tm_plot plot;
    tm_text out = {0};
    tm_plot_init(&plot, "p", "B compared with A", "row", "ratio B / A (logarithmic)");
    plot.is_rows = true;
    tm_plot_add_series(&plot, "", TM_MEASURED, 0, 0, false);
    for (int i = 1; i <= 3; i++) {
        char label[8];
        snprintf(label, sizeof label, "row %d", i);
        tm_plot_add_tic(&plot, i, label);
        tm_plot_add_point(&plot, i, 1, 0.5, 2);
    }
    tm_plot_write_html(&plot, &out);
    const char *html = tm_text_string(&out);
    assert_has(html, "<title>row: row 2&#10;ratio B / A: 1.00 [0.50, 2.00]</title>");
    /* Ratios of 0.5 and 2 are as far to the left and to the right of 1, in the middle. */
    assert_has(html, "<path class=\"line dashed c6\" d=\"M300 ");
    assert_int_equal(count(html, "<title>"), 3);
    tm_text_free(&out);
    tm_plot_free(&plot);
}

static void markdown_becomes_html(void **state)
{
    (void)state;
    tm_page page;
    tm_text text = {0};
    tm_page_begin(&page, "p");
    tm_text_add(&text, "# left out\n\n");
    tm_markdown_escape(evil, &text);
    tm_text_add(&text, "\nnext **strong** *em* `co*de` a < b\n\n## Head <ing>\n- one\n- **two**\n"
                       "text\n\n<div>\n<p>raw</p>\n</div>\n\nend");
    tm_page_prose(&page, tm_text_string(&text));
    assert_string_equal(tm_text_string(&page.body),
                        "<p>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; "
                        "&#39;größe&#39; *x* `y` \\ next "
                        "<strong>strong</strong> <em>em</em> <code>co*de</code> a &lt; b</p>\n"
                        "<section id=\"section-1\">\n<h2>Head &lt;ing&gt;</h2>\n"
                        "<ul>\n<li>one</li>\n<li><strong>two</strong> text</li>\n</ul>\n"
                        "<div>\n<p>raw</p>\n</div>\n<p>end</p>\n");
    tm_text_free(&text);
    tm_page_free(&page);
}

static void plot_shows_values(void **state)
{
    (void)state;
    tm_plot plot;
    tm_text out = {0};
    tm_plot_init(&plot, "p", evil, "model size (parameters; logarithmic)",
                 "tokens/s (logarithmic)");
    plot.log_x = plot.log_y = true;
    tm_plot_add_series(&plot, evil, TM_MEASURED, TM_HUE_BASELINE, 0, true);
    tm_plot_add_point(&plot, 1e9, 20, 18, 22.5);
    tm_plot_link(&plot, "c1");
    tm_plot_add_point(&plot, 2e9, NAN, NAN, NAN);
    tm_plot_add_tic(&plot, 1e9, "1B<");
    tm_plot_add_series(&plot, "paper", TM_PUBLISHED, TM_HUE_OTHER, 1, false);
    tm_plot_add_point(&plot, 1e9, 2000, 1e-9, 1e9); /* an interval beyond the axis */
    tm_plot_write_html(&plot, &out);
    const char *html = tm_text_string(&out);
    assert_lacks(html, "<script");
    assert_lacks(html, "nan");
    assert_has(html, "<a href=\"#cell-c1\" tabindex=\"0\" class=\"point c1\"><title>");
    assert_has(html, "&#10;model size: 1B&lt;&#10;tokens/s: 20.0 [18.0, 22.5]</title>");
    assert_has(html, "<g role=\"img\" tabindex=\"-1\" class=\"point c2 hollow\"><title>published: "
                     "paper&#10;");
    assert_int_equal(count(html, "<title>"), 2); /* none for the missing value */
    assert_has(html, "An arrow: the interval goes on beyond the axis.");
    assert_has(html, "<summary>Values</summary>");
    tm_text_free(&out);
    tm_plot_free(&plot);
}

static void plot_without_values_is_left_out(void **state)
{
    (void)state;
    tm_plot plot;
    tm_text out = {0};
    tm_plot_init(&plot, "p", "t", "x", "y");
    tm_plot_add_series(&plot, "s", TM_MEASURED, 0, 0, false);
    tm_plot_add_point(&plot, 1, NAN, NAN, NAN);
    tm_plot_write_html(&plot, &out);
    assert_string_equal(tm_text_string(&out), "");
    tm_plot_free(&plot);
}

/* A kernel has the same colour in the pictures of gnuplot and on the page. */
static void colours_are_those_of_plots(void **state)
{
    (void)state;
    const tm_embedded *style = tm_embedded_find("reports/output/page.css");
    assert_non_null(style);
    for (int i = 0; i < TM_COLOURS; i++) {
        char rule[48];
        snprintf(rule, sizeof rule, ".c%d{--c:%s}", i, tm_plot_colour(i));
        assert_has(style->text, rule);
    }
}

static char *read_page(const tm_records *records)
{
    static char text[1 << 20];
    char path[] = "/tmp/ternmark-page-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    tm_error err = {0};
    tm_report report;
    tm_published published = {0};
    const tm_report_options options = {.store = evil, .page = path, .published = &published};
    assert_int_equal(tm_report_write(records, &options, &report, &err), TM_OK);
    assert_has(tm_text_string(&report.files), path);
    tm_report_free(&report);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    close(fd);
    unlink(path);
    return text;
}

static void report_is_one_sound_page(void **state)
{
    (void)state;
    sample_store store = {0};
    sample_add_run(&store,
                   "{\"run\":\"run-1\",\"machine\":{\"cpu_model\":\"<b>CPU</b> & \\\"co\\\"\","
                   "\"<i>key\":\"<u>\"},\"environment\":{\"usable_cores\":2}}");
    for (int i = 0; i < 6; i++) {
        sample_add_process(&store, "<img src=x onerror=alert(1)>", "f16_fma_x", 2, 0, 16, i, i % 2,
                           100 + i, 1e9);
        sample_add_process(&store, "<img src=x onerror=alert(1)>", "i2_mad_x", 2, 0, 16, i,
                           1 - i % 2, 250 + i, 2e8);
    }
    sample_add_skipped(&store, "synth:30B", "i2_mad_x", 2, 0, 16, "<script>needs</script> 60 GB");
    const char *html = read_page(&store.records);
    assert_sound(html);
    assert_int_equal(count(html, "<script"), 1);
    assert_lacks(html, "<img");
    assert_lacks(html, "<b>");
    assert_lacks(html, "<i>");
    assert_lacks(html, "<u>");
    assert_lacks(html, "http:");
    assert_lacks(html, "https:");
    assert_has(html, "<h2>Summary</h2>");
    assert_has(html, "&lt;script&gt;needs&lt;/script&gt; 60 GB");
    /* The samples of a cell: two repetitions of each of six processes. */
    const char *cell = strstr(html, "f16_fma_x head f16_x 2 threads tg16: 12 samples</summary>");
    assert_non_null(cell);
    assert_has(cell, "<td class=\"num\">100.0</td>");
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_escaped_and_linked),
        cmocka_unit_test(long_text_is_folded),
        cmocka_unit_test(forest_plot_has_rows),
        cmocka_unit_test(markdown_becomes_html),
        cmocka_unit_test(plot_shows_values),
        cmocka_unit_test(plot_without_values_is_left_out),
        cmocka_unit_test(colours_are_those_of_plots),
        cmocka_unit_test(report_is_one_sound_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
