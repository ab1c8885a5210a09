#include "reports/report.h"
#include "reports/speedup_sheet.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

#include <ftw.h>
#include <sys/stat.h>

#define TABLES "results/published/tables.jsonl"

typedef struct fixture {
    char dir[64];
    tm_published published;
} fixture;

static char *slurp(const char *dir, const char *name)
{
    static char text[1 << 20];
    char path[512];
    snprintf(path, sizeof path, "%s%s%s", dir, dir[0] ? "/" : "", name);
    FILE *in = fopen(path, "rb");
    if (!in) return NULL;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static int open_fixture(void **state)
{
    static fixture f;
    tm_error err = {0};
    char *text = slurp("", TABLES);
    if (!text) {
        fprintf(stderr, "%s: cannot be read; run the tests from the repository's root\n", TABLES);
        return -1;
    }
    if (tm_published_parse(text, strlen(text), TABLES, &f.published, &err) != TM_OK) return -1;
    snprintf(f.dir, sizeof f.dir, "/tmp/ternmark-report-XXXXXX");
    *state = &f;
    return mkdtemp(f.dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    tm_published_free(&f->published);
    return nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The tables of a store as text; the caller frees it with tm_text_free. */
static void make_text(fixture *f, const sample_store *store, int cores, tm_text *out)
{
    tm_error err = {0};
    tm_summaries summaries;
    tm_speedups speedups;
    tm_tables tables;
    assert_int_equal(tm_summaries_make(store->records.items, store->records.n, &summaries, &err),
                     TM_OK);
    assert_int_equal(tm_speedups_make(&summaries, &speedups, &err), TM_OK);
    tm_sheet_machine machine = {.name = "Imaginary CPU", .cores = cores};
    tm_sheet_input input = {
        .speedups = &speedups, .published = &f->published, .machines = &machine, .n_machines = 1};
    assert_int_equal(tm_speedup_sheets(&input, &tables, &err), TM_OK);
    for (int i = 0; i < tables.n; i++)
        assert_int_equal(tm_table_write_text(&tables.items[i], out, &err), TM_OK);
    tm_tables_free(&tables);
    tm_speedups_free(&speedups);
    tm_summaries_free(&summaries);
}

/* Adds pairs without noise, so that every digit is known. */
static void add_exact(sample_store *store, const char *model, int threads, int n_prompt, int n_gen,
                      int n_pairs, double fp16, double ternary)
{
    for (int i = 0; i < n_pairs; i++) {
        sample_add_process(store, model, "f16_fma_x", threads, n_prompt, n_gen, i, i % 2, fp16,
                           1e9);
        sample_add_process(store, model, "i2_mad_x", threads, n_prompt, n_gen, i, 1 - i % 2,
                           ternary, 2e8);
    }
}

static void speedup_table_has_the_form_of_the_paper(void **state)
{
    sample_store store = {0};
    tm_text text = {0};
    add_exact(&store, "synth:125M", 2, 0, 16, 6, 100, 250);
    sample_add_skipped(&store, "synth:30B", "f16_fma_x", 2, 0, 16, "needs 60 GB, 8 GB available");
    sample_add_skipped(&store, "synth:30B", "i2_mad_x", 2, 0, 16, "needs 9 GB, 8 GB available");
    make_text(*state, &store, 4, &text);
    assert_string_equal(
        tm_text_string(&text),
        "Decode (tg16), 2 threads: tokens/s and speed-up of ternary over fp16\n"
        "                                          125M      30B\n"
        "-------------------------------------------------------\n"
        "measured: Imaginary CPU, 2 threads, tg16\n"
        "  fp16, tokens/s                100 [100, 100]  N/A (a)\n"
        "  Ternary, tokens/s             250 [250, 250]  N/A (b)\n"
        "  Speed-up                   2.50 [2.50, 2.50]  N/A (c)\n"
        "  Pairs                                      6        -\n"
        "  fp16 kernel                        f16_fma_x        -\n"
        "  Ternary kernel                      i2_mad_x        -\n"
        "  Processes, fp16 / ternary              6 / 6    - / -\n"
        "published: 1-bit AI Infra 1.1 (arXiv:2410.16144), Table 5, Intel Core i7-13700H, 2 "
        "threads\n"
        "  llama.cpp fp16, tokens/s              119.84  N/A (d)\n"
        "  bitnet.cpp best, tokens/s             316.35     3.23\n"
        "  Speed-up (their ratio)                  2.64  N/A (d)\n"
        "published: 1-bit AI Infra 1.1 (arXiv:2410.16144), Table 5, Apple M2 Ultra, 2 threads\n"
        "  llama.cpp fp16, tokens/s              251.95      1.6\n"
        "  bitnet.cpp best, tokens/s             401.76     3.89\n"
        "  Speed-up (their ratio)                  1.59     2.43\n"
        "(a) needs 60 GB, 8 GB available\n"
        "(b) needs 9 GB, 8 GB available\n"
        "(c) i2_mad_x: needs 9 GB, 8 GB available; f16_fma_x: needs 60 GB, 8 GB available\n"
        "(d) published as N/A\n"
        "value [low, high]: for tokens/s a within-run interval (t on logarithms over processes, "
        "below 4\n"
        "processes their range), which does not cover drift between runs; for a speed-up the 95 % "
        "interval\n"
        "over pairs of processes that ran next to each other, in which drift cancels (by t on "
        "logarithms\n"
        "below 6 pairs, below 4 pairs their range).\n"
        "Published values come from other machines. The paper states neither prompt and output "
        "lengths "
        "nor\n"
        "the kernel of a cell; its speed-up is over its own fp16 baseline.\n"
        "Sizes of the paper that this store lacks: 350M, 700M, 1B, 1.5B, 2.5B, 3.8B, 7B, 13B, 70B, "
        "100B.\n");
    tm_text_free(&text);
    sample_free(&store);
}

static void comparable_paper_table_is_shown(void **state)
{
    const struct {
        int threads, cores, n_prompt, n_gen, depth;
        const char *table;
    } cases[] = {
        {2, 4, 0, 128, 0, "Table 5"}, {2, 2, 0, 128, 0, "Table 5"}, {4, 4, 0, 128, 0, "Table 4"},
        {1, 4, 0, 128, 0, NULL},      {1, 1, 0, 16, 0, "Table 4"},  {4, 0, 0, 16, 0, NULL},
        {2, 4, 512, 0, 0, NULL},      {4, 4, 512, 128, 0, NULL},    {2, 4, 0, 16, 512, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_cell cell = {.threads = cases[i].threads,
                        .n_prompt = cases[i].n_prompt,
                        .n_gen = cases[i].n_gen,
                        .depth = cases[i].depth};
        const char *table = tm_paper_speed_table(&cell, cases[i].cores);
        if (cases[i].table)
            assert_string_equal(table, cases[i].table);
        else
            assert_null(table);
    }
    sample_store store = {0};
    tm_text text = {0};
    add_exact(&store, "synth:700M", 4, 0, 16, 6, 100, 250);
    add_exact(&store, "synth:700M", 4, 64, 0, 6, 100, 250);
    add_exact(&store, "synth:700M", 1, 0, 16, 6, 100, 250);
    make_text(*state, &store, 4, &text);
    const char *all = tm_text_string(&text);
    assert_non_null(strstr(all, "Table 4, Intel Core i7-13700H, unlimited threads"));
    assert_null(strstr(all, "(arXiv:2410.16144), Table 5"));
    assert_non_null(strstr(all, "prints no prompt speeds"));
    assert_non_null(strstr(
        all, "(arXiv:2410.16144) prints 2 threads (Table 5) and unlimited threads (Table 4), so"));
    /* Decode comes before prompts, and one thread first. */
    assert_true(strstr(all, "Decode (tg16), 1 thread:") < strstr(all, "Decode (tg16), 4 threads:"));
    assert_true(strstr(all, "Decode (tg16), 4 threads:") <
                strstr(all, "Prompt (pp64), 4 threads:"));
    tm_text_free(&text);
    sample_free(&store);
}

static void other_models_have_a_separate_table(void **state)
{
    sample_store store = {0};
    tm_text text = {0};
    add_exact(&store, "synth:2B-4T", 2, 0, 16, 1, 5, 20);
    add_exact(&store, "null:1000", 2, 0, 16, 6, 10, 20);
    make_text(*state, &store, 2, &text);
    const char *all = tm_text_string(&text);
    assert_non_null(strstr(
        all, "published: BitNet b1.58 2B4T (arXiv:2504.12285), Table 1, Intel i7-13800H (Surface "
             "Laptop Studio 2), 8 threads\n  bitnet.cpp, ms/token"));
    assert_non_null(strstr(all, "29\n"));
    /* One pair: a ratio without an interval, and a note. */
    assert_non_null(strstr(all, "Speed-up                             4.00 (b)\n"));
    assert_non_null(strstr(all, "(b) one pair: no interval"));
    assert_non_null(strstr(all, "Ternary, ms/token                    50.0 (a)\n"));
    /* A scripted model is not called measured. */
    const char *fake = strstr(all, "scripted models");
    assert_non_null(fake);
    assert_non_null(strstr(fake, "fake (scripted model, tests the harness): Imaginary CPU"));
    assert_null(strstr(fake, "measured:"));
    tm_text_free(&text);
    sample_free(&store);
}

/* All rows of a table must have the same number of unescaped pipes. */
static void assert_markdown_tables(const char *text)
{
    int expected = 0, n_tables = 0;
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        int pipes = 0;
        for (size_t i = 0; i < n; i++) pipes += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
        if (line[0] != '|') {
            expected = 0;
        } else {
            n_tables += expected == 0;
            if (expected) assert_int_equal(pipes, expected);
            assert_true(pipes >= 2);
            expected = pipes;
        }
        line += n + (line[n] == '\n');
    }
    assert_true(n_tables > 0);
}

static void write_demo(fixture *f, const char *directory, unsigned formats, bool draw,
                       tm_report *out)
{
    static const tm_model_size sizes[] = {{"125M", 103809024, 24577536, true}};
    sample_store store;
    tm_error err = {0};
    sample_demo(&store);
    tm_report_options options = {.store = "demo.jsonl",
                                 .directory = directory,
                                 .formats = formats,
                                 .published = &f->published,
                                 .sizes = sizes,
                                 .n_sizes = 1,
                                 .run_gnuplot = draw};
    tm_status status = tm_report_write(&store.records, &options, out, &err);
    sample_free(&store);
    if (status != TM_OK) fail_msg("%s", err.message);
}

static void whole_report_is_written(void **state)
{
    fixture *f = *state;
    tm_report report;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/a/b", f->dir);
    write_demo(f, dir, TM_REPORT_ALL, false, &report);
    for (const char *line = tm_text_string(&report.files); *line;) {
        char path[512];
        struct stat st;
        int n = (int)strcspn(line, "\n");
        snprintf(path, sizeof path, "%.*s", n, line);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 0);
        line += n + 1;
    }
    static const char *const names[] = {"report.md",
                                        "speedup.csv",
                                        "speedup.tex",
                                        "speedup.txt",
                                        "cells.csv",
                                        "plots/decode-speed.gp",
                                        "plots/prompt-speedup.dat",
                                        "plots/roofline.gp",
                                        "plots/memory.dat",
                                        NULL};
    for (int i = 0; names[i]; i++) assert_non_null(strstr(tm_text_string(&report.files), names[i]));
    assert_non_null(strstr(tm_text_string(&report.remarks), "run `gnuplot *.gp`"));
    assert_string_equal(slurp(dir, "speedup.txt"), tm_text_string(&report.text));
    tm_report_free(&report);

    const char *page = slurp(dir, "report.md");
    assert_markdown_tables(page);
    assert_non_null(strstr(page, "| measured | 125M | 0.0751 | i2_mad_x | 1 | tg16 |"));
    assert_non_null(strstr(page, "224 per-token times; at least 368 are required"));
    assert_non_null(strstr(page, "the run did not ask for energy"));
    assert_non_null(strstr(page, "- 7B, f16_fma_x, 2 threads, tg16: skipped: needs 14.2 GB"));
    assert_non_null(strstr(page, "| machine.product | - (/sys/class/dmi/id is not readable) |"));
    assert_non_null(strstr(page, "| machine.caches | level 1, type Data, size_bytes 49152 |"));
    assert_non_null(strstr(page, "| read_gb_per_second | 2 | 31.6 |"));
    assert_null(strstr(page, "reads weights at"));
    assert_non_null(strstr(page, "the roofline of the run has no fp32_gmac_per_second"));
    assert_non_null(strstr(page, "![Decode speed by model (tg16)](plots/decode-speed.png)"));
}

static void only_requested_formats_are_written(void **state)
{
    fixture *f = *state;
    tm_report report;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/csv", f->dir);
    write_demo(f, dir, 1u << TM_TABLE_CSV, false, &report);
    assert_null(slurp(dir, "report.md"));
    assert_null(slurp(dir, "speedup.tex"));
    assert_null(slurp(dir, "speedup.txt"));
    assert_non_null(strstr(tm_text_string(&report.text), "Decode (tg16), 2 threads"));
    tm_report_free(&report);

    const char *csv = slurp(dir, "speedup.csv");
    assert_non_null(csv);
    assert_non_null(
        strstr(csv, "origin,paper,table,device,threads,test,model,kernel,quantity,unit,value,"
                    "low,high,n,n_of,method,missing,engine,cell_id,build,older_build,"
                    "fastest_of,remark,interval_percent,older_model\r\n"));
    assert_non_null(strstr(
        csv, "published,2410.16144,Table 5,Intel Core i7-13700H,2,"
             "\"generation, length not stated\",700M,,fp16,tokens/s,18.56,,,,,,,,,,,,,,\r\n"));
    /* A value that is neither measured nor published: empty fields and the reason. */
    assert_non_null(strstr(csv,
                           "measured,,,Imaginary CPU 9000,2,tg16,7B,f16_fma_x,fp16,tokens/s,,,,,,,"
                           "\"needs 14.2 GB, 7.8 GB available\",ternmark,"));
}

/* The fields of the line that begins with `start`, split at commas outside quotes. */
static int csv_fields(char *csv, const char *start, char *fields[], int max)
{
    char *line = strstr(csv, start);
    int n = 0;
    bool is_quoted = false;
    if (!line) return 0;
    fields[n++] = line;
    for (char *c = line; *c && (is_quoted || *c != '\r'); c++) {
        if (*c == '"') is_quoted = !is_quoted;
        if (*c != ',' || is_quoted) continue;
        *c = '\0';
        if (n < max) fields[n++] = c + 1;
    }
    return n;
}

static void missing_values_are_never_zero(void **state)
{
    fixture *f = *state;
    tm_error err = {0};
    tm_report report;
    sample_store store = {0};
    char dir[128], *names[64], *values[64];
    sample_add_process(&store, "synth:125M", "i2_mad_x", 2, 64, 0, 0, 0, 100, 0.0);
    for (int i = 0; i < store.records.n; i++) {
        tm_record *r = &store.records.items[i];
        tm_measured *const figures[] = {
            &r->sample.peak_rss_bytes,      &r->sample.rss_anonymous_bytes,
            &r->sample.rss_file_bytes,      &r->sample.minor_faults,
            &r->sample.major_faults,        &r->sample.steal_percent,
            &r->sample.cpu_user_seconds,    &r->sample.cpu_system_seconds,
            &r->sample.voluntary_switches,  &r->sample.involuntary_switches,
            &r->sample.harness_ns_per_token};
        for (size_t k = 0; k < sizeof figures / sizeof *figures; k++)
            tm_measured_miss(figures[k], "not readable");
        r->sample.bits_per_weight = r->sample.macs_per_token = 0.0;
        r->predicted_bytes = 0;
        r->sample.first_token_ns = 0;
        r->sample.load_ns = 0;
    }
    snprintf(dir, sizeof dir, "%s/missing", f->dir);
    tm_report_options options = {
        .store = "s", .directory = dir, .formats = TM_REPORT_ALL, .published = &f->published};
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    assert_non_null(strstr(tm_text_string(&report.text), "no baseline cell was run"));
    tm_report_free(&report);
    sample_free(&store);

    const char *page = slurp(dir, "report.md");
    assert_non_null(strstr(
        page, "| measured | 125M | - <sup>a</sup> | i2_mad_x | 2 | pp64 | 100 | 1 x 2 | - "));
    assert_null(strstr(page, "| 0 |"));
    assert_null(strstr(page, "| 0.00"));
    assert_non_null(strstr(page, "this machine (CPU not recorded)"));

    char *csv = slurp(dir, "cells.csv");
    char copy[4096];
    snprintf(copy, sizeof copy, "%s", csv);
    int n = csv_fields(csv, "origin,", names, 64);
    assert_true(n > 40);
    assert_int_equal(csv_fields(copy, "measured,", values, 64), n);
    static const char *const counts[] = {"n_outliers", "n_failed", "n_token_times", NULL};
    for (int i = 0; i < n; i++) {
        bool is_count = false;
        for (int k = 0; counts[k]; k++) is_count |= strcmp(names[i], counts[k]) == 0;
        if (!is_count && strcmp(values[i], "0") == 0) fail_msg("%s is printed as 0", names[i]);
    }
}

static void plots_show_measured_and_published_series(void **state)
{
    fixture *f = *state;
    tm_report report;
    char dir[128];
    snprintf(dir, sizeof dir, "%s/plots", f->dir);
    write_demo(f, dir, 1u << TM_TABLE_TEXT, false, &report);
    tm_report_free(&report);
    const char *dat = slurp(dir, "plots/decode-speedup.dat");
    assert_non_null(
        strstr(dat, "measured: Imaginary CPU 9000, 2 threads\n# x value low high\n125000000 2.69"));
    assert_non_null(strstr(
        dat, "measured: BitNet-b1.58-2B-4T, 2 threads\n# x value low high\n2000000000 3.59"));
    assert_non_null(
        strstr(dat, "published: Intel Core i7-13700H, 2 threads (arXiv:2410.16144, Table 5)\n"
                    "# x value low high\n125000000 2.63976969 ? ?\n"));
    assert_non_null(strstr(dat, "\n30000000000 ? ? ?\n"));
    /* The bandwidth limit: 31.6 GB/s at the x of its end. */
    double x = 0, y = 0;
    const char *line =
        strstr(slurp(dir, "plots/roofline.dat"), "read bandwidth of 2 threads, 31.6 GB/s");
    assert_non_null(line);
    assert_int_equal(sscanf(strchr(strchr(line, '\n') + 1, '\n'), "%lf %lf", &x, &y), 2);
    assert_float_equal(x * 1e6 * y, 31.6e9, 31.6e9 * 1e-6);
    dat = slurp(dir, "plots/memory.dat");
    assert_non_null(strstr(dat, "predicted: fp16, before the run"));
    assert_non_null(strstr(dat, "\n7000000000 13351."));
    assert_null(slurp(dir, "plots/memory.png"));
}

static void changed_conditions_are_warnings(void **state)
{
    fixture *f = *state;
    tm_error err = {0};
    tm_report report;
    sample_store store = {0};
    char dir[128];
    snprintf(dir, sizeof dir, "%s/conditions", f->dir);
    sample_add_run(&store, SAMPLE_RUN);
    add_exact(&store, "synth:125M", 2, 0, 16, 6, 100, 250);
    tm_report_options options = {.store = "s.jsonl",
                                 .directory = dir,
                                 .formats = (1u << TM_TABLE_MARKDOWN) | (1u << TM_TABLE_CSV),
                                 .published = &f->published};
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    assert_null(strstr(slurp(dir, "report.md"), "the clock of the samples"));
    for (int i = 1; i < store.records.n; i++) { /* 3.0 to 3.1 GHz: below the 5 % that warn */
        tm_measured_set(&store.records.items[i].sample.frequency_after_hz, 3e9 + 1e8 * (i % 2));
        tm_measured_set(&store.records.items[i].sample.temperature_before_celsius, 50 + i % 3);
    }
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    assert_null(strstr(slurp(dir, "report.md"), "of the samples ranged"));
    tm_measured_set(&store.records.items[5].sample.frequency_after_hz, 2.5e9);
    tm_measured_set(&store.records.items[6].sample.temperature_before_celsius, 71.5);
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    const char *text = slurp(dir, "report.md");
    assert_non_null(strstr(text, "- the clock of the samples ranged from 2.50 to 3.10 GHz\n"));
    assert_non_null(
        strstr(text, "- the temperature at the start of the samples ranged from 50.0 to 71.5 C\n"));
    text = slurp(dir, "cells.csv");
    assert_non_null(strstr(text, ",frequency_after_hz,throttle_events,temperature_after_celsius,"));
    assert_non_null(strstr(text, "throttle_events: this machine does not show it"));
    sample_free(&store);
}

/* A cell of a replaced model is marked where it is shown, and a kernel without pairs is named. */
static void older_results_are_marked(void **state)
{
    fixture *f = *state;
    tm_error err = {0};
    tm_report report;
    sample_store store = {0};
    char dir[128];
    snprintf(dir, sizeof dir, "%s/older", f->dir);
    sample_add_run(&store, SAMPLE_RUN);
    add_exact(&store, "synth:125M", 2, 0, 16, 4, 100, 250);
    for (int i = 0; i < 4; i++)
        sample_add_process(&store, "synth:125M", "t5_lut_x", 2, 0, 16, 10 + i, 0, 300, 1e9);
    tm_report_options options = {.store = "s.jsonl",
                                 .directory = dir,
                                 .formats = (1u << TM_TABLE_MARKDOWN) | (1u << TM_TABLE_CSV),
                                 .published = &f->published};
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    const char *text = slurp(dir, "report.md");
    assert_non_null(strstr(text, "125M, t5_lut_x, 2 threads, tg16: not in the speed-up: no pair in "
                                 "one run with f16_fma_x\n"));
    assert_null(strstr(text, "an earlier model of this name"));
    assert_non_null(strstr(text,
                           "3 cells, the first 125M, f16_fma_x, 2 threads, tg16: reads weights "
                           "at 316 % of the measured 31.6 GB/s"));
    for (int i = 1; i < store.records.n; i++) {
        tm_cell *c = &store.records.items[i].cell;
        strcpy(c->model_hash, strcmp(c->kernel, "t5_lut_x") == 0 ? "new" : "old");
    }
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    assert_non_null(strstr(tm_text_string(&report.text), "an earlier model of this name"));
    tm_report_free(&report);
    text = slurp(dir, "report.md");
    const char *cells = strstr(text, "## Cells"), *warnings = strstr(text, "## Warnings");
    assert_non_null(strstr(text, "an earlier model of this name"));
    assert_non_null(strstr(cells, "an earlier model of this name"));
    assert_true(strstr(warnings, "an earlier model of this name") < cells);
    sample_free(&store);
}

static void counters_have_a_table(void **state)
{
    fixture *f = *state;
    tm_error err = {0};
    tm_report report;
    sample_store store = {0};
    char dir[128];
    snprintf(dir, sizeof dir, "%s/counters", f->dir);
    sample_add_run(&store, SAMPLE_RUN);
    add_exact(&store, "synth:125M", 2, 0, 16, 3, 100, 250);
    tm_report_options options = {
        .store = "s.jsonl", .directory = dir, .formats = TM_REPORT_ALL, .published = &f->published};
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    assert_null(strstr(slurp(dir, "report.md"), "## Counters"));
    assert_null(slurp(dir, "counters.csv"));
    for (int i = 1; i < store.records.n; i++) {
        tm_record *r = &store.records.items[i];
        if (strcmp(r->cell.kernel, "i2_mad_x") != 0) continue;
        snprintf(r->sample.counter_group, sizeof r->sample.counter_group, "mine");
        r->sample.n_counters = 2;
        r->sample.counters = calloc(2, sizeof *r->sample.counters);
        r->sample.counters[0] = (tm_counter){.name = "cycles", .unit = "count", .method = "perf"};
        r->sample.counters[0].share = r->process == 1 ? 0.4 : 0.75;
        tm_measured_set(&r->sample.counters[0].figure, 1000 * (r->process + 1));
        r->sample.counters[1] =
            (tm_counter){.name = "ipc", .unit = "ratio", .method = "formula", .share = 1};
        tm_measured_miss(&r->sample.counters[1].figure, "the kernel has no such event here");
    }
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_OK);
    tm_report_free(&report);
    const char *text = slurp(dir, "counters.csv");
    /* The median of 1000, 2000 and 3000; the smallest share. */
    assert_non_null(strstr(text, "125M,i2_mad_x,2,tg16,cycles,2000,count,perf,0.4,"));
    assert_non_null(strstr(text, "ipc,,ratio,formula,1,the kernel has no such event here"));
    assert_null(strstr(text, "f16_fma_x"));
    text = slurp(dir, "report.md");
    assert_non_null(strstr(text, "## Counters"));
    assert_non_null(strstr(text, "the kernel has no such event here"));
    sample_free(&store);
}

static void errors_name_what_is_wrong(void **state)
{
    fixture *f = *state;
    tm_error err = {0};
    tm_report report;
    unsigned formats;
    tm_records none = {0};
    tm_report_options options = {.store = "empty.jsonl",
                                 .directory = f->dir,
                                 .formats = TM_REPORT_ALL,
                                 .published = &f->published};
    assert_int_equal(tm_report_write(&none, &options, &report, &err), TM_ARG);
    assert_non_null(strstr(err.message, "empty.jsonl"));
    tm_report_free(&report);

    sample_store store = {0};
    char file[128], below[160];
    add_exact(&store, "synth:125M", 2, 0, 16, 2, 100, 250);
    snprintf(file, sizeof file, "%s/file", f->dir);
    snprintf(below, sizeof below, "%s/report", file);
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fclose(out);
    options.directory = below;
    assert_int_equal(tm_report_write(&store.records, &options, &report, &err), TM_IO);
    assert_non_null(strstr(err.message, file));
    tm_report_free(&report);
    sample_free(&store);

    assert_int_equal(tm_report_formats("md,csv", &formats, &err), TM_OK);
    assert_int_equal(formats, (1u << TM_TABLE_MARKDOWN) | (1u << TM_TABLE_CSV));
    assert_int_equal(tm_report_formats("all", &formats, &err), TM_OK);
    assert_int_equal(formats, TM_REPORT_ALL);
    assert_int_equal(tm_report_formats("md,latx", &formats, &err), TM_ARG);
    assert_non_null(strstr(err.message, "did you mean \"latex\"?"));
    assert_int_equal(tm_report_formats("", &formats, &err), TM_ARG);
    assert_int_equal(tm_report_formats("md,", &formats, &err), TM_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speedup_table_has_the_form_of_the_paper),
        cmocka_unit_test(comparable_paper_table_is_shown),
        cmocka_unit_test(other_models_have_a_separate_table),
        cmocka_unit_test(whole_report_is_written),
        cmocka_unit_test(only_requested_formats_are_written),
        cmocka_unit_test(missing_values_are_never_zero),
        cmocka_unit_test(plots_show_measured_and_published_series),
        cmocka_unit_test(changed_conditions_are_warnings),
        cmocka_unit_test(older_results_are_marked),
        cmocka_unit_test(counters_have_a_table),
        cmocka_unit_test(errors_name_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
