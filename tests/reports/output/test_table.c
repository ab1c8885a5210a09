#include "reports/output/table.h"
#include "tests/tm_test.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void assert_written(const tm_table *table, tm_table_writer write, const char *expected)
{
    tm_text out = {0};
    tm_error err = {0};
    assert_int_equal(write(table, &out, &err), TM_OK);
    assert_string_equal(tm_text_string(&out), expected);
    tm_text_free(&out);
}

static void make_small(tm_table *table)
{
    tm_table_init(table, "speed");
    tm_table_add_column(table, "row", TM_LEFT);
    tm_table_add_column(table, "125M", TM_RIGHT);
    tm_table_add_column(table, "7B", TM_RIGHT);
    tm_table_add_group(table, "measured: here");
    tm_table_add_row(table);
    tm_table_add_cell(table, "fp16");
    tm_table_add_cell(table, "12.4 [12.1, 12.8]");
    tm_table_add_cell_with_note(table, "N/A", "needs 14 GB");
    tm_table_add_row(table);
    tm_table_add_cell(table, "ternary");
    tm_table_add_cell(table, "%d", 50);
    tm_table_add_cell_with_note(table, "N/A", "needs 14 GB");
    tm_table_add_group(table, "published: there");
    tm_table_add_row(table);
    tm_table_add_cell(table, "fp16");
    tm_table_add_cell_with_note(table, "N/A", "not printed");
    tm_table_add_note(table, "lengths not stated");
}

static void text_is_aligned_and_grouped(void **state)
{
    (void)state;
    tm_table table;
    make_small(&table);
    assert_written(&table, tm_table_write_text,
                   "speed\n"
                   "  row                   125M       7B\n"
                   "-------------------------------------\n"
                   "measured: here\n"
                   "  fp16     12.4 [12.1, 12.8]  N/A (a)\n"
                   "  ternary                 50  N/A (a)\n"
                   "published: there\n"
                   "  fp16               N/A (b)         \n"
                   "(a) needs 14 GB\n"
                   "(b) not printed\n"
                   "lengths not stated\n");
    tm_table_free(&table);
}

static void rows_and_columns_are_exchanged(void **state)
{
    (void)state;
    tm_table table;
    make_small(&table);
    tm_table_transpose(&table);
    assert_true(table.is_sheet);
    assert_written(&table, tm_table_write_text,
                   "speed\n"
                   "                     fp16         ternary              fp16\n"
                   "-----------------------------------------------------------\n"
                   "Origin     measured: here  measured: here  published: there\n"
                   "125M    12.4 [12.1, 12.8]              50           N/A (a)\n"
                   "7B                N/A (b)         N/A (b)                  \n"
                   "(a) not printed\n"
                   "(b) needs 14 GB\n"
                   "lengths not stated\n");
    tm_table_free(&table);
    /* One group stays a heading; a row without cells has an empty column. */
    tm_table_init(&table, "");
    tm_table_add_column(&table, "row", TM_LEFT);
    tm_table_add_column(&table, "W", TM_RIGHT);
    tm_table_add_group(&table, "measured");
    tm_table_add_row(&table);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "b");
    tm_table_add_cell(&table, "5");
    tm_table_link(&table, "c1");
    tm_table_transpose(&table);
    assert_int_equal(table.n_columns, 3);
    assert_int_equal(table.n_rows, 1);
    assert_int_equal(table.n_groups, 1);
    assert_string_equal(table.rows[0].cells[2].link, "c1");
    assert_string_equal(table.rows[0].cells[1].text, "");
    tm_table_free(&table);
}

static void markdown_separates_columns_with_pipes(void **state)
{
    (void)state;
    tm_table table;
    make_small(&table);
    assert_written(&table, tm_table_write_markdown,
                   "**speed**\n\n"
                   "| Origin | row | 125M | 7B |\n"
                   "|---|---|---:|---:|\n"
                   "| measured: here | fp16 | 12.4 [12.1, 12.8] | N/A <sup>a</sup> |\n"
                   "| measured: here | ternary | 50 | N/A <sup>a</sup> |\n"
                   "| published: there | fp16 | N/A <sup>b</sup> |  |\n"
                   "\n<sup>a</sup> needs 14 GB\n"
                   "\n<sup>b</sup> not printed\n"
                   "\nlengths not stated\n");
    tm_table_free(&table);

    tm_table_init(&table, "");
    tm_table_add_column(&table, "a|b", TM_LEFT);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "x|y\nz <b> & `c` *d* \\");
    assert_written(&table, tm_table_write_markdown,
                   "| a\\|b |\n|---|\n| x\\|y z &lt;b> &amp; \\`c\\` \\*d\\* \\\\ |\n");
    tm_table_free(&table);
}

static void latex_escapes_special_characters(void **state)
{
    (void)state;
    tm_table table;
    make_small(&table);
    assert_written(&table, tm_table_write_latex,
                   "% needs \\usepackage{array,booktabs,longtable,pdflscape} and "
                   "\\usepackage[T1]{fontenc}\n"
                   "{\\small\n\\begin{longtable}{@{}lrr@{}}\n"
                   "\\caption{speed} \\\\\n"
                   "\\toprule\nrow & 125M & 7B \\\\\n\\midrule\n\\endfirsthead\n"
                   "\\toprule\nrow & 125M & 7B \\\\\n\\midrule\n\\endhead\n"
                   "\\bottomrule\n\\endfoot\n"
                   "\\multicolumn{3}{@{}l}{\\emph{measured: here}} \\\\\n\\nopagebreak\n"
                   "fp16 & 12.4 {[}12.1, 12.8] & N/A\\textsuperscript{a} \\\\\n"
                   "ternary & 50 & N/A\\textsuperscript{a} \\\\\n"
                   "\\addlinespace\n"
                   "\\multicolumn{3}{@{}l}{\\emph{published: there}} \\\\\n\\nopagebreak\n"
                   "fp16 & N/A\\textsuperscript{b} &  \\\\\n"
                   "\\end{longtable}\n}\n"
                   "{\\footnotesize\\raggedright\n"
                   "\\noindent \\textsuperscript{a}~needs 14 GB\\par\n"
                   "\\noindent \\textsuperscript{b}~not printed\\par\n"
                   "\\noindent lengths not stated\\par\n}\n");
    tm_table_free(&table);

    tm_text out = {0};
    tm_latex_escape("a_b%c$d&e#f{g}\\~^<>|\"--[*\x01", &out);
    assert_string_equal(tm_text_string(&out),
                        "a\\_b\\%c\\$d\\&e\\#f\\{g\\}\\textbackslash{}\\textasciitilde{}"
                        "\\textasciicircum{}\\textless{}\\textgreater{}\\textbar{}"
                        "\\textquotedbl{}-{}-{[}{*} ");
    tm_text_free(&out);
}

static int count_of(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)); at += strlen(part)) n++;
    return n;
}

/* The shares of the line that the columns of a wrapped table take, summed up. */
static double sum_of_shares(const char *text)
{
    double sum = 0;
    for (const char *at = text; (at = strstr(at, "p{\\dimexpr."));) {
        at += strlen("p{\\dimexpr");
        sum += strtod(at, NULL);
    }
    return sum;
}

static void make_wide(tm_table *table, int n_columns, int n_rows)
{
    tm_table_init(table, "wide");
    for (int c = 0; c < n_columns; c++) {
        char name[32];
        snprintf(name, sizeof name, "size%dB", c);
        tm_table_add_column(table, c ? name : "kernel", c ? TM_RIGHT : TM_LEFT);
    }
    tm_table_add_group(table, "measured: a processor with a long name");
    for (int r = 0; r < n_rows; r++) {
        tm_table_add_row(table);
        tm_table_add_cell(table, "row_%d", r);
        for (int c = 1; c < n_columns; c++) tm_table_add_cell(table, "5.25 [5.16, 5.40]");
    }
    tm_table_add_note(table, "a note");
}

static void latex_wraps_wide_tables_and_turns_the_widest(void **state)
{
    (void)state;
    static const struct {
        int n_columns;
        bool is_wrapped, is_landscape;
    } shapes[] = {
        {3, false, false}, {4, false, false}, {5, true, false}, {6, true, true}, {14, true, true}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int n = shapes[i].n_columns;
        tm_table table;
        tm_text out = {0};
        tm_error err = {0};
        make_wide(&table, n, 40);
        assert_int_equal(tm_table_write_latex(&table, &out, &err), TM_OK);
        const char *text = tm_text_string(&out);
        assert_int_equal(count_of(text, "\\begin{longtable}"), 1);
        assert_int_equal(count_of(text, "\\begin{landscape}"), shapes[i].is_landscape);
        assert_int_equal(count_of(text, "\\end{landscape}"), shapes[i].is_landscape);
        assert_int_equal(count_of(text, "p{\\dimexpr."), shapes[i].is_wrapped ? n : 0);
        assert_true(sum_of_shares(text) <= 1.0);
        assert_int_equal(count_of(text, shapes[i].is_wrapped ? "5.25\\newline {[}5.16,~5.40]"
                                                             : "5.25 {[}5.16, 5.40]"),
                         (n - 1) * 40);
        assert_int_equal(count_of(text, "row\\_\\allowbreak{}7 "), shapes[i].is_wrapped);
        assert_int_equal(count_of(text, "a note"), 1);
        tm_text_free(&out);
        tm_table_free(&table);
    }
}

/* Parses CSV by RFC 4180: '\x1f' ends a field, '\x1e' a record. False where a quote is not
 * allowed. */
static bool read_csv(const char *csv, char *out, size_t size)
{
    size_t n = 0;
    const char *c = csv;
    while (*c) {
        bool is_quoted = *c == '"';
        if (is_quoted) c++;
        for (;; c++) {
            if (is_quoted && *c == '"' && c[1] == '"')
                c++;
            else if (is_quoted && *c == '"') {
                c++;
                break;
            } else if (!is_quoted && (*c == ',' || *c == '\r'))
                break;
            else if (!is_quoted && (*c == '"' || *c == '\n'))
                return false;
            if (!*c || n + 2 >= size) return false;
            out[n++] = *c;
        }
        if (*c == ',') {
            out[n++] = '\x1f';
            c++;
            if (*c == '\r') continue;
        } else if (c[0] == '\r' && c[1] == '\n') {
            out[n++] = '\x1e';
            c += 2;
        } else
            return false;
    }
    out[n] = '\0';
    return true;
}

static void csv_reads_back_equal(void **state)
{
    (void)state;
    char back[512];
    tm_table table;
    tm_text out = {0};
    tm_error err = {0};
    make_small(&table);
    assert_int_equal(tm_table_write_csv(&table, &out, &err), TM_OK);
    assert_true(read_csv(tm_text_string(&out), back, sizeof back));
    assert_string_equal(back, "Origin\x1frow\x1f"
                              "125M\x1f"
                              "7B\x1e"
                              "measured: here\x1f"
                              "fp16\x1f"
                              "12.4 [12.1, 12.8]\x1fN/A [needs 14 GB]\x1e"
                              "measured: here\x1fternary\x1f"
                              "50\x1fN/A [needs 14 GB]\x1e"
                              "published: there\x1f"
                              "fp16\x1fN/A [not printed]\x1f\x1e");
    tm_text_free(&out);
    tm_table_free(&table);

    tm_table_init(&table, "odd");
    tm_table_add_column(&table, "a,b", TM_LEFT);
    tm_table_add_column(&table, "c", TM_LEFT);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "say \"no\"\r\nand go");
    tm_table_add_cell(&table, "%s", "");
    assert_int_equal(tm_table_write_csv(&table, &out, &err), TM_OK);
    assert_string_equal(tm_text_string(&out), "\"a,b\",c\r\n\"say \"\"no\"\"\r\nand go\",\r\n");
    assert_true(read_csv(tm_text_string(&out), back, sizeof back));
    assert_string_equal(back, "a,b\x1f"
                              "c\x1esay \"no\"\r\nand go\x1f\x1e");
    tm_text_free(&out);
    tm_table_free(&table);
}

static void equal_notes_are_stored_once_and_long_ones_wrapped(void **state)
{
    (void)state;
    char mark[8];
    const struct {
        int note;
        const char *mark;
    } marks[] = {{0, "a"},   {25, "z"},   {26, "aa"},  {51, "az"},
                 {52, "ba"}, {701, "zz"}, {702, "aaa"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        tm_table_note_mark(marks[i].note, mark);
        assert_string_equal(mark, marks[i].mark);
    }
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, "c", TM_LEFT);
    for (int i = 0; i < 40; i++) {
        char note[32];
        snprintf(note, sizeof note, "reason %d", i % 20);
        tm_table_add_row(&table);
        tm_table_add_cell_with_note(&table, "N/A", note);
    }
    assert_int_equal(table.n_notes, 20);
    assert_int_equal(table.n_rows, 40);
    tm_table_free(&table);

    tm_text out = {0}, words = {0};
    tm_error err = {0};
    for (int i = 0; i < 60; i++) tm_text_add(&words, i ? " word" : "word");
    tm_table_init(&table, "");
    tm_table_add_column(&table, "c", TM_LEFT);
    tm_table_add_row(&table);
    tm_table_add_cell_with_note(&table, "N/A", tm_text_string(&words));
    assert_int_equal(tm_table_write_text(&table, &out, &err), TM_OK);
    int n_lines = 0, n_words = 0;
    for (const char *line = tm_text_string(&out); *line;) {
        size_t n = strcspn(line, "\n");
        assert_true(n <= 100);
        n_lines++;
        line += n + 1;
    }
    for (const char *w = tm_text_string(&out); (w = strstr(w, "word")); w++) n_words++;
    assert_int_equal(n_words, 60);
    assert_true(n_lines > 5);
    tm_text_free(&out);
    tm_text_free(&words);
    tm_table_free(&table);
}

static void width_counts_characters_not_bytes(void **state)
{
    (void)state;
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, "n", TM_LEFT);
    tm_table_add_column(&table, "v", TM_RIGHT);
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "caf\xc3\xa9");
    tm_table_add_cell(&table, "1");
    tm_table_add_row(&table);
    tm_table_add_cell(&table, "cafe");
    tm_table_add_cell(&table, "10");
    assert_written(&table, tm_table_write_text, "n      v\n--------\ncaf\xc3\xa9   1\ncafe  10\n");
    tm_table_free(&table);
}

static void numbers_have_the_requested_digits(void **state)
{
    (void)state;
    const struct {
        double value;
        int digits;
        const char *text, *brief;
    } cases[] = {
        {0.0, 3, "0", "0"},
        {1.0, 3, "1.00", "1"},
        {12.345, 3, "12.3", "12.3"},
        {9.996, 3, "10.0", "10"},
        {99.96, 3, "100", "100"},
        {12345.6, 3, "12346", "12346"},
        {0.01234, 3, "0.0123", "0.0123"},
        {-3.14159, 3, "-3.14", "-3.14"},
        {1.177e9, 3, "1177000000", "1177000000"},
        {1e-6, 2, "1.0e-06", "1.0e-06"},
        {0.5, 4, "0.5000", "0.5"},
        {NAN, 3, "-", ""},
        {INFINITY, 3, "-", ""},
    };
    char text[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(tm_number(cases[i].value, cases[i].digits, text, sizeof text),
                            cases[i].text);
        assert_string_equal(tm_number_short(cases[i].value, cases[i].digits, text, sizeof text),
                            cases[i].brief);
    }
    tm_interval whole = {.value = 12.44, .low = 12.06, .high = 12.81, .n = 5};
    assert_string_equal(tm_number_interval(&whole, 3, text, sizeof text), "12.4 [12.1, 12.8]");
    tm_interval lone = {.value = 12.44, .low = NAN, .high = NAN, .n = 1};
    assert_string_equal(tm_number_interval(&lone, 3, text, sizeof text), "12.4");
    tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    assert_string_equal(tm_number_interval(&none, 3, text, sizeof text), "-");
    /* A bound that is not 0 is not printed as 0. */
    tm_interval wide = {.value = 12.4, .low = 0.004, .high = 9000.0, .n = 2};
    assert_string_equal(tm_number_interval(&wide, 3, text, sizeof text), "12.4 [0.0040, 9000.0]");
    /* Different bounds look different, unless they differ by the rounding of times. */
    tm_interval narrow = {.value = 1.0038, .low = 1.0032, .high = 1.0044, .n = 10};
    assert_string_equal(tm_number_interval(&narrow, 3, text, sizeof text), "1.004 [1.003, 1.004]");
    tm_interval exact = {.value = 3, .low = 2.99999999, .high = 3.00000001, .n = 10};
    assert_string_equal(tm_number_interval(&exact, 3, text, sizeof text), "3.00 [3.00, 3.00]");
    /* A bound that is not 1 does not look like 1: it decides about a difference. */
    tm_interval above = {.value = 1.03, .low = 1.0004, .high = 1.06, .n = 10};
    assert_string_equal(tm_number_interval(&above, 3, text, sizeof text),
                        "1.0300 [1.0004, 1.0600]");
}

static void decimal_point_does_not_depend_on_the_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "ru_RU.UTF-8",
                                         NULL};
    char text[64];
    int i = 0;
    while (commas[i] && !setlocale(LC_NUMERIC, commas[i])) i++;
    if (!commas[i]) {
        TM_SKIP("no locale with a decimal comma is installed");
    }
    tm_number(1.5, 3, text, sizeof text);
    setlocale(LC_NUMERIC, "C");
    assert_string_equal(text, "1.50");
}

static void save_error_names_the_path(void **state)
{
    (void)state;
    char path[] = "/tmp/ternmark-text-XXXXXX", line[64];
    int file = mkstemp(path);
    assert_true(file >= 0);
    tm_text text = {0};
    tm_error err = {0};
    tm_text_add(&text, "one line\n");
    assert_int_equal(tm_text_save(&text, path, &err), TM_OK);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    assert_non_null(fgets(line, sizeof line, in));
    assert_string_equal(line, "one line\n");
    fclose(in);
    assert_int_equal(tm_text_save(&text, "/nowhere/at/all", &err), TM_IO);
    assert_non_null(strstr(err.message, "/nowhere/at/all"));
    text.failed = true;
    assert_int_equal(tm_text_save(&text, path, &err), TM_NOMEM);
    text.failed = false;
    tm_text_free(&text);
    remove(path);
}

static void every_format_is_found_by_its_name(void **state)
{
    (void)state;
    tm_error err = {0};
    const tm_table_format *found;
    tm_table table;
    make_small(&table);
    for (int i = 0; i < TM_TABLE_N_FORMATS; i++) {
        const tm_table_format *f = &tm_table_formats[i];
        tm_text out = {0};
        assert_int_equal(tm_table_format_find(f->name, &found, &err), TM_OK);
        assert_ptr_equal(found, f);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(tm_table_formats[k].name, f->name);
            assert_string_not_equal(tm_table_formats[k].extension, f->extension);
        }
        assert_int_equal(f->write(&table, &out, &err), TM_OK);
        assert_non_null(strstr(tm_text_string(&out), "12.4"));
        tm_text_free(&out);
    }
    tm_table_free(&table);
    assert_string_equal(tm_table_formats[TM_TABLE_LATEX].extension, "tex");
    assert_int_equal(tm_table_format_find("latx", &found, &err), TM_ARG);
    assert_non_null(strstr(err.message, "did you mean \"latex\"?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_aligned_and_grouped),
        cmocka_unit_test(rows_and_columns_are_exchanged),
        cmocka_unit_test(markdown_separates_columns_with_pipes),
        cmocka_unit_test(latex_escapes_special_characters),
        cmocka_unit_test(latex_wraps_wide_tables_and_turns_the_widest),
        cmocka_unit_test(csv_reads_back_equal),
        cmocka_unit_test(equal_notes_are_stored_once_and_long_ones_wrapped),
        cmocka_unit_test(width_counts_characters_not_bytes),
        cmocka_unit_test(numbers_have_the_requested_digits),
        cmocka_unit_test(decimal_point_does_not_depend_on_the_locale),
        cmocka_unit_test(save_error_names_the_path),
        cmocka_unit_test(every_format_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
