#include "reports/output/plot.h"
#include "tests/tm_test.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

typedef struct scratch {
    char dir[64];
} scratch;

static int make_dir(void **state)
{
    static scratch s;
    snprintf(s.dir, sizeof s.dir, "/tmp/ternmark-plot-XXXXXX");
    *state = &s;
    return mkdtemp(s.dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    const scratch *s = *state;
    DIR *dir = opendir(s->dir);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", s->dir, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (dir) closedir(dir);
    return rmdir(s->dir);
}

static char *slurp(const scratch *s, const char *name)
{
    static char text[1 << 16];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", s->dir, name);
    FILE *in = fopen(path, "r");
    if (!in) return NULL;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static void make_plot(tm_plot *plot)
{
    tm_plot_init(plot, "size", "speed-up \"over\" size", "parameters", "ratio");
    snprintf(plot->note, sizeof plot->note, "published points are hollow");
    plot->log_x = true;
    tm_plot_add_series(plot, "2 threads i2_x", TM_MEASURED, 0, 0, true);
    tm_plot_add_point(plot, 125e6, 2.5, 2.25, 2.75);
    tm_plot_add_point(plot, 350e6, NAN, NAN, NAN);
    tm_plot_add_point(plot, 700e6, 3.0, NAN, NAN);
    tm_plot_add_series(plot, "nothing", TM_MEASURED, 3, 2, true);
    tm_plot_add_series(plot, "i7", TM_PUBLISHED, 1, 1, true);
    tm_plot_add_point(plot, 125e6, 2.64, NAN, NAN);
    tm_plot_add_series(plot, "bound", TM_PREDICTED, 2, -1, false);
    tm_plot_add_point(plot, 125e6, 1, NAN, NAN);
    tm_plot_add_point(plot, 7e9, 9, NAN, NAN);
    tm_plot_add_tic(plot, 125e6, "125M");
    tm_plot_add_tic(plot, 125e6, "again");
}

static void data_has_every_series_and_no_zero_for_missing(void **state)
{
    tm_plot plot;
    tm_error err = {0};
    make_plot(&plot);
    assert_int_equal(tm_plot_count_points(&plot), 5);
    assert_int_equal(plot.n_tics, 1);
    assert_int_equal(tm_plot_write(&plot, ((scratch *)*state)->dir, &err), TM_OK);
    assert_string_equal(slurp(*state, "size.dat"),
                        "# speed-up \"over\" size\n# x: parameters\n"
                        "# value, low, high: ratio (95 % interval; ?: missing)\n"
                        "# index 0, measured: 2 threads i2_x\n# x value low high\n"
                        "125000000 2.5 2.25 2.75\n"
                        "350000000 ? ? ?\n"
                        "700000000 3 ? ?\n"
                        "\n\n# index 1, measured: nothing\n# x value low high\n"
                        "? ? ? ?\n"
                        "\n\n# index 2, published: i7\n# x value low high\n"
                        "125000000 2.64 ? ?\n"
                        "\n\n# index 3, predicted: bound\n# x value low high\n"
                        "125000000 1 ? ?\n"
                        "7000000000 9 ? ?\n");
    tm_plot_free(&plot);
}

static void script_distinguishes_origins(void **state)
{
    tm_plot plot;
    tm_error err = {0};
    make_plot(&plot);
    assert_int_equal(tm_plot_write(&plot, ((scratch *)*state)->dir, &err), TM_OK);
    const char *script = slurp(*state, "size.gp");
    assert_non_null(script);
    assert_non_null(strstr(script, "title \"2 threads i2_x\""));
    assert_non_null(strstr(script, "title \"published: i7\""));
    assert_null(strstr(script, "measured: "));
    assert_non_null(strstr(script, "Series without an origin in the legend are measured."));
    assert_non_null(strstr(script, "title \"predicted: bound\""));
    assert_null(strstr(script, "nothing")); /* a series without points is not in the legend */
    assert_non_null(strstr(script, "set title \"speed-up \\\"over\\\" size\""));
    assert_non_null(strstr(script, "set xlabel \"parameters"));
    assert_non_null(strstr(script, "set ylabel \"ratio\""));
    /* filled circle, hollow square, a line without markers */
    assert_non_null(
        strstr(script, "index 0 using 1:2 with linespoints lt rgb \"#0072B2\" lw 2 dt 1 pt 7"));
    assert_non_null(
        strstr(script, "index 2 using 1:2 with linespoints lt rgb \"#D55E00\" lw 2 dt 3 pt 4"));
    assert_non_null(
        strstr(script, "index 3 using 1:2 with lines lt rgb \"#009E73\" lw 2 dt 2 title"));
    /* Only the series with intervals has bars; a linear axis starts at 0. */
    assert_non_null(strstr(script, "index 0 using 1:2:3:4 with yerrorbars"));
    assert_null(strstr(script, "index 2 using 1:2:3:4"));
    assert_non_null(strstr(script, "set yrange [0:"));
    tm_plot_free(&plot);
}

/* An interval that the axis shows whole has no arrow, although it is wide. */
static void arrows_stand_where_the_axis_ends(void **state)
{
    (void)state;
    const double highs[] = {36, 400};
    for (int i = 0; i < 2; i++) {
        tm_plot plot;
        tm_text script = {0};
        tm_plot_init(&plot, "wide", "t", "x", "y");
        plot.log_y = true;
        tm_plot_add_series(&plot, "s", TM_MEASURED, 0, 0, false);
        tm_plot_add_point(&plot, 1, 10, 9, highs[i]);
        tm_plot_put_script(&plot, &script);
        assert_int_equal(strstr(tm_text_string(&script), "with vectors head") != NULL, i == 1);
        assert_int_equal(strstr(tm_text_string(&script), "goes on beyond the axis") != NULL,
                         i == 1);
        tm_text_free(&script);
        tm_plot_free(&plot);
    }
}

static void a_forest_plot_has_a_row_per_label(void **state)
{
    (void)state;
    tm_plot plot;
    tm_text script = {0};
    tm_plot_init(&plot, "compare", "B compared with A", "row", "ratio");
    plot.is_rows = true;
    tm_plot_add_series(&plot, "", TM_MEASURED, 0, 0, false);
    tm_plot_add_tic(&plot, 1, "125M, speed");
    tm_plot_add_point(&plot, 1, 1.1, 1.05, 1.2);
    tm_plot_add_tic(&plot, 2, "350M, speed");
    tm_plot_add_point(&plot, 2, 0.9, NAN, NAN);
    tm_plot_put_script(&plot, &script);
    const char *text = tm_text_string(&script);
    assert_non_null(strstr(text, "set ytics (\"125M, speed\" -1, \"350M, speed\" -2)"));
    assert_non_null(strstr(text, "set yrange [-2.5:-0.5]"));
    assert_non_null(strstr(text, "set arrow 1 from 1, graph 0 to 1, graph 1 nohead"));
    assert_non_null(strstr(text, "using 2:(-$1):3:4 with xerrorbars"));
    tm_text_free(&script);
    tm_plot_free(&plot);
}

static void a_second_line_of_labels_moves_the_axis_label(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        tm_plot plot;
        tm_text script = {0};
        tm_plot_init(&plot, "tics", "t", "size", "y");
        tm_plot_add_series(&plot, "s", TM_MEASURED, 0, 0, false);
        for (int k = 0; k < 3; k++) tm_plot_add_point(&plot, k, 1, NAN, NAN);
        tm_plot_add_tic(&plot, 0, "one");
        tm_plot_add_tic(&plot, i ? 0.01 : 2, "other");
        tm_plot_put_script(&plot, &script);
        assert_non_null(
            strstr(tm_text_string(&script), i ? "set xlabel \"\\nsize" : "set xlabel \"size"));
        tm_text_free(&script);
        tm_plot_free(&plot);
    }
}

static void plot_without_a_value_is_an_error(void **state)
{
    tm_plot plot;
    tm_error err = {0};
    tm_plot_init(&plot, "none", "t", "x", "y");
    plot.log_y = true;
    tm_plot_add_series(&plot, "s", TM_MEASURED, 0, 0, true);
    tm_plot_add_point(&plot, 1, 0.0, NAN, NAN); /* 0 is missing on a logarithmic axis */
    tm_plot_add_point(&plot, 2, NAN, 1, 2);
    assert_int_equal(tm_plot_count_points(&plot), 0);
    assert_int_equal(tm_plot_write(&plot, ((scratch *)*state)->dir, &err), TM_ARG);
    assert_non_null(strstr(err.message, "none"));
    tm_plot_free(&plot);
}

/* 40 long labels would make a legend higher than the plot. */
static void legend_is_at_most_half_as_high_as_the_plot(void **state)
{
    (void)state;
    tm_plot plot;
    tm_text out = {0};
    int n_titles = 0;
    tm_plot_init(&plot, "many", "many series", "x", "y");
    for (int i = 0; i < 40; i++) {
        char label[128];
        snprintf(label, sizeof label,
                 "series %d with a label that is much too long for two columns", i);
        tm_plot_add_series(&plot, label, TM_MEASURED, i, i, false);
        tm_plot_add_point(&plot, i, 1 + i, NAN, NAN);
    }
    tm_plot_put_script(&plot, &out);
    const char *script = tm_text_string(&out);
    for (const char *at = script; (at = strstr(at, "title \"series ")); at++) n_titles++;
    assert_int_equal(n_titles, 13);
    assert_non_null(strstr(script, "maxrows 13"));
    assert_non_null(strstr(script, "The legend names 13 of 40 series; many.dat names all."));
    tm_text_free(&out);
    tm_plot_free(&plot);
}

/* The labels of 1B and 1.1B would touch in one line, and so would those of 1.2B in two. */
static void labels_of_the_x_axis_never_touch(void **state)
{
    static const double at[] = {7e9, 1e9, 1.1e9, 1.2e9};
    static const char *const labels[] = {"7B", "one billion", "eleven", "1.2B"};
    tm_plot plot;
    tm_text out = {0};
    (void)state;
    tm_plot_init(&plot, "tics", "t", "x", "y");
    plot.log_x = true;
    tm_plot_add_series(&plot, "s", TM_MEASURED, 0, 0, false);
    for (int i = 0; i < 4; i++) {
        tm_plot_add_point(&plot, at[i], 1, NAN, NAN);
        tm_plot_add_tic(&plot, at[i], labels[i]);
    }
    tm_plot_put_script(&plot, &out);
    const char *script = tm_text_string(&out);
    assert_non_null(strstr(script,
                           "set xtics (\"one billion\" 1000000000, \"\\neleven\" 1100000000, "
                           "\"\" 1200000000, \"7B\" 7000000000)\n"));
    assert_null(strstr(script, "rotate by -"));
    tm_text_free(&out);
    tm_plot_free(&plot);
}

/* Small points and crosses share the place of their series; the legend names crosses once. */
static void details_belong_to_the_series_before(void **state)
{
    tm_plot plot;
    tm_text out = {0};
    int n_titles = 0;
    (void)state;
    tm_plot_init(&plot, "details", "t", "x", "y");
    plot.is_spread = true;
    for (int i = 0; i < 2; i++) {
        tm_plot_add_series(&plot, i ? "right" : "left", TM_MEASURED, i, 0, false);
        tm_plot_add_point(&plot, 1, 2, NAN, NAN);
        tm_plot_add_point(&plot, 2, 2, NAN, NAN);
        tm_plot_add_detail(&plot, "single processes", TM_DETAIL_PARTS);
        tm_plot_add_point(&plot, 1, 1.5, NAN, NAN);
        tm_plot_add_detail(&plot, "of an older build", TM_DETAIL_CROSS);
        tm_plot_add_point(&plot, 2, 2, NAN, NAN);
    }
    tm_plot_put_script(&plot, &out);
    const char *script = tm_text_string(&out);
    for (int i = 0; i < 6; i++) {
        char text[64];
        /* Two series, each 0.6 % of the axis of 1.16 away from the middle. */
        snprintf(text, sizeof text, "index %d using ($1+%s0.00696):2 with points", i,
                 i < 3 ? "-" : "");
        if (!strstr(script, text)) fail_msg("no %s: %s", text, script);
    }
    for (const char *at = script; (at = strstr(at, "title \"of an older build\"")); at++)
        n_titles++;
    assert_int_equal(n_titles, 1);
    assert_null(strstr(script, "single processes"));
    assert_non_null(strstr(script, "pt 2 ps 2.2"));
    tm_text_free(&out);
    tm_plot_free(&plot);
}

/* Series beyond the hues get other shades: no two of 21 share a colour. */
static void colours_are_unique(void **state)
{
    tm_plot plot;
    char *colours[TM_COLOURS];
    tm_text out = {0};
    (void)state;
    tm_plot_init(&plot, "colours", "t", "x", "y");
    for (int i = 0; i < TM_COLOURS; i++) {
        tm_plot_add_series(&plot, "", TM_MEASURED, i, i, false);
        tm_plot_add_point(&plot, i, 1, NAN, NAN);
    }
    tm_plot_put_script(&plot, &out);
    char *at = strstr(out.data, "plot \\\n");
    for (int i = 0; i < TM_COLOURS; i++) {
        at = strstr(at + 1, "lt rgb ");
        assert_non_null(at);
        colours[i] = at;
        for (int k = 0; k < i; k++) assert_memory_not_equal(colours[k], at, 16);
    }
    tm_text_free(&out);
    tm_plot_free(&plot);
}

/* Runs gnuplot if it is installed; otherwise the message says how to draw the plot. */
static void gnuplot_draws_png_and_svg(void **state)
{
    const scratch *s = *state;
    static const bool logs[][2] = {{true, false}, {false, false}, {true, true}, {false, true}};
    for (size_t i = 0; i < sizeof logs / sizeof *logs; i++) {
        for (int n_points = 1; n_points <= 2; n_points++) {
            tm_plot plot;
            tm_error err = {0};
            unsigned char magic[4] = "";
            char path[512];
            tm_plot_init(&plot, "one", "one `point` \\ $x_1^2$", "threads", "tokens/s");
            plot.log_x = logs[i][0];
            plot.log_y = logs[i][1];
            tm_plot_add_series(&plot, "2B-4T", TM_MEASURED, 0, 0, true);
            tm_plot_add_point(&plot, 2, 13.2, 12.9, 13.6);
            tm_plot_add_series(&plot, "empty", TM_PUBLISHED, 1, 1, true);
            if (n_points == 2) tm_plot_add_point(&plot, 1, 7, NAN, NAN);
            assert_int_equal(tm_plot_write(&plot, s->dir, &err), TM_OK);
            tm_status status = tm_plot_run(s->dir, "one", &err);
            tm_plot_free(&plot);
            if (status == TM_UNSUPPORTED && strstr(err.message, "not installed")) {
                assert_non_null(strstr(err.message, "gnuplot *.gp"));
                TM_SKIP("%s", err.message);
            }
            if (status != TM_OK) fail_msg("%s", err.message);
            snprintf(path, sizeof path, "%s/one.png", s->dir);
            FILE *png = fopen(path, "rb");
            assert_non_null(png);
            assert_int_equal(fread(magic, 1, 4, png), 4);
            fclose(png);
            assert_memory_equal(magic, "\x89PNG", 4);
            assert_non_null(strstr(slurp(s, "one.svg"), "<svg"));
            assert_non_null(strstr(slurp(s, "one.svg"), "2B-4T"));
        }
    }
}

static void gnuplot_failure_is_an_error(void **state)
{
    const scratch *s = *state;
    char path[512];
    tm_error err = {0};
    snprintf(path, sizeof path, "%s/bad.gp", s->dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs("plot nonsense(\n", out);
    fclose(out);
    tm_status status = tm_plot_run(s->dir, "bad", &err);
    if (status == TM_UNSUPPORTED && strstr(err.message, "not installed")) {
        TM_SKIP("%s", err.message);
    }
    assert_int_equal(status, TM_CHILD);
    assert_non_null(strstr(err.message, "bad.gp"));
    /* A script that draws nothing is an error, although gnuplot exits with 0. An earlier picture
     * stays as it was. */
    out = fopen(path, "w");
    assert_non_null(out);
    fputs("print 1\n", out);
    fclose(out);
    snprintf(path, sizeof path, "%s/bad.png", s->dir);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs("earlier", out);
    fclose(out);
    assert_int_equal(tm_plot_run(s->dir, "bad", &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "bad.png"));
    assert_non_null(strstr(err.message, "; earlier pictures were kept"));
    assert_string_equal(slurp(s, "bad.png"), "earlier");
    assert_int_equal(tm_plot_run("/nowhere/at/all", "bad", &err), TM_IO);
}

static void missing_gnuplot_is_explained(void **state)
{
    const scratch *s = *state;
    tm_error err = {0};
    char path[4096] = "";
    if (getenv("PATH")) snprintf(path, sizeof path, "%s", getenv("PATH"));
    setenv("PATH", s->dir, 1);
    tm_status status = tm_plot_run(s->dir, "size", &err);
    setenv("PATH", path, 1);
    assert_int_equal(status, TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "not installed"));
    assert_non_null(strstr(err.message, s->dir));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_has_every_series_and_no_zero_for_missing),
        cmocka_unit_test(script_distinguishes_origins),
        cmocka_unit_test(legend_is_at_most_half_as_high_as_the_plot),
        cmocka_unit_test(labels_of_the_x_axis_never_touch),
        cmocka_unit_test(details_belong_to_the_series_before),
        cmocka_unit_test(colours_are_unique),
        cmocka_unit_test(arrows_stand_where_the_axis_ends),
        cmocka_unit_test(a_forest_plot_has_a_row_per_label),
        cmocka_unit_test(a_second_line_of_labels_moves_the_axis_label),
        cmocka_unit_test(plot_without_a_value_is_an_error),
        cmocka_unit_test(gnuplot_draws_png_and_svg),
        cmocka_unit_test(gnuplot_failure_is_an_error),
        cmocka_unit_test(missing_gnuplot_is_explained),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
