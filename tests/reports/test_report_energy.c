/* Reports of stores with energy windows: every format has the values, fake joules are marked fake
 * everywhere, and a store without a meter has the reason everywhere. */
#include "reports/report.h"
#include "tests/reports/sample_windows.h"
#include "tests/tm_test.h"

#include <ctype.h>
#include <ftw.h>

#define TABLES "results/published/tables.jsonl"

typedef struct fixture {
    char dir[64];
    tm_published published;
} fixture;

static fixture f;

/* The contents of a file, or NULL; valid until the next call. */
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
    tm_error err = {0};
    char *text = slurp("", TABLES);
    (void)state;
    if (!text) {
        fprintf(stderr, "%s: cannot be read; run the tests from the repository's root\n", TABLES);
        return -1;
    }
    if (tm_published_parse(text, strlen(text), TABLES, &f.published, &err) != TM_OK) return -1;
    snprintf(f.dir, sizeof f.dir, "/tmp/ternmark-energy-XXXXXX");
    return mkdtemp(f.dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int close_fixture(void **state)
{
    (void)state;
    tm_published_free(&f.published);
    return nftw(f.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void write_report(const sample_store *store, bool run_gnuplot, tm_report *out)
{
    static const tm_model_size sizes[] = {{"700M", 650000000, 50000000, true}};
    tm_error err = {0};
    tm_report_options options = {.store = "made-up.jsonl",
                                 .directory = f.dir,
                                 .formats = TM_REPORT_ALL,
                                 .published = &f.published,
                                 .sizes = sizes,
                                 .n_sizes = 1,
                                 .run_gnuplot = run_gnuplot};
    if (tm_report_write(&store->records, &options, out, &err) != TM_OK) fail_msg("%s", err.message);
}

static void assert_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text ? text : "(no file)");
}

/* Sentinels: joules and watts that no other value in these stores equals. 137 W at 20 tokens/s and
 * 93 W at 80, of which 4 W are idle. */
static const double sentinels[] = {137, 133, 6.85, 6.65, 93, 89, 1.1625, 1.1125};
enum { N_SENTINELS = sizeof sentinels / sizeof *sentinels };

static void make_store(sample_store *store, const sample_meter *meter)
{
    memset(store, 0, sizeof *store);
    sample_add_run(store, SAMPLE_ENERGY_RUN);
    for (int i = 0; i < 6; i++) {
        sample_add_process(store, "synth:700M", "f16_fma_x", 2, 0, 32, i, i % 2, 20, 1e9);
        sample_add_process(store, "synth:700M", "i2_mad_x", 2, 0, 32, i, 1 - i % 2, 80, 2e8);
        sample_add_window(store, "synth:700M", "f16_fma_x", 2, 0, 32, i, i % 2, TM_PHASE_GENERATION,
                          meter, 20, 137);
        sample_add_window(store, "synth:700M", "i2_mad_x", 2, 0, 32, i, 1 - i % 2,
                          TM_PHASE_GENERATION, meter, 80, 93);
    }
    /* One process had unsteady idle power: the reason for its missing net value contains watts. */
    sample_add_process(store, "synth:700M", "f16_fma_x", 2, 64, 0, 0, 0, 200, 1e9);
    tm_record_energy *e = sample_add_window(store, "synth:700M", "f16_fma_x", 2, 64, 0, 0, 0,
                                            TM_PHASE_PROMPT, meter, 200, 1370);
    tm_measured_set(&e->idle_before_watts, 133);
    tm_measured_set(&e->idle_after_watts, 93);
    tm_record_energy_set_net(e);
    /* The trace has the watts of its window; otherwise the plot would show others. */
    for (int i = 0; i < store->records.n; i++) {
        if (store->records.items[i].kind != TM_RECORD_ENERGY) continue;
        e = &store->records.items[i].energy;
        for (int k = 0; k < e->n_trace; k++)
            if (e->trace[k].watts > 10)
                e->trace[k].watts = e->gross_joules.value / e->window_seconds;
    }
}

/* The number of sentinels in a line, compared to the printed digits. */
static int count_sentinels(const char *line, size_t length)
{
    int n = 0;
    for (const char *c = line; c < line + length; c++) {
        bool starts =
            isdigit((unsigned char)*c) &&
            (c == line || !(isalnum((unsigned char)c[-1]) || c[-1] == '.' || c[-1] == '_'));
        if (!starts) continue;
        char *end;
        double value = strtod(c, &end);
        for (int i = 0; i < N_SENTINELS; i++)
            n += fabs(value - sentinels[i]) <= 0.003 * sentinels[i];
        c = end - 1;
    }
    return n;
}

/* Counts the sentinels of a text. wants_fake: every line with a sentinel must contain "fake". */
static int walk(const char *name, const char *text, bool wants_fake)
{
    int n = 0;
    if (!text) fail_msg("%s is missing", name);
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        int own = count_sentinels(line, length);
        char copy[8192];
        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        if (own && wants_fake && !strcasestr(copy, "fake"))
            fail_msg("%s: joules or watts without the word fake: %s", name, copy);
        n += own;
        line += length + (line[length] == '\n');
    }
    return n;
}

static const char *const files_with_joules[] = {"report.md",
                                                "energy.txt",
                                                "energy.tex",
                                                "energy.csv",
                                                "cells.csv",
                                                "plots/watts.dat",
                                                "plots/energy-speed.dat",
                                                NULL};

/* Every number derived from fake joules is marked fake, in every output. */
static void fake_joules_are_marked_everywhere(void **state)
{
    (void)state;
    for (int is_fake = 0; is_fake <= 1; is_fake++) {
        sample_store store;
        tm_report report;
        make_store(&store, is_fake ? &sample_fake : &sample_powercap);
        write_report(&store, false, &report);
        /* Without fake, the same numbers are found: the search works. */
        for (int i = 0; files_with_joules[i]; i++)
            if (walk(files_with_joules[i], slurp(f.dir, files_with_joules[i]), is_fake) == 0)
                fail_msg("%s holds no joules", files_with_joules[i]);
        assert_true(walk("stdout", tm_text_string(&report.text), is_fake) > 0);
        /* No other file contains them. */
        for (const char *path = tm_text_string(&report.files); *path;) {
            char name[512];
            int length = (int)strcspn(path, "\n");
            snprintf(name, sizeof name, "%.*s", length, path);
            bool is_known = strstr(name, ".gp") != NULL;
            for (int i = 0; files_with_joules[i]; i++)
                is_known |= strstr(name, files_with_joules[i]) != NULL;
            if (!is_known && walk(name, slurp("", name), false) != 0)
                fail_msg("%s holds joules: add it to the list of this test", name);
            path += length + (path[length] == '\n');
        }
        static const char *const scripts[] = {"plots/watts.gp", "plots/energy-speed.gp"};
        for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
            char *text = slurp(f.dir, scripts[i]);
            assert_has(text, is_fake ? "set title \"FAKE " : "set title ");
            assert_has(text, is_fake ? "\"fake: " : "measured.\"");
            assert_int_equal(strstr(text, is_fake ? "are measured" : "fake") != NULL, 0);
        }
        if (is_fake) {
            assert_has(tm_text_string(&report.remarks), "warning");
            /* In CSV none of these fields is a number or in a measured row. */
            assert_has(slurp(f.dir, "cells.csv"), ",fake 6.85,");
            assert_null(strstr(slurp(f.dir, "cells.csv"), ",6.85,"));
            assert_has(slurp(f.dir, "energy.csv"), "\nfake,");
            assert_null(strstr(slurp(f.dir, "energy.csv"), "\nmeasured,"));
            assert_has(slurp(f.dir, "report.md"),
                       "- the joules and watts of 3 cells are fake: they come from a test source");
        }
        tm_report_free(&report);
        sample_free(&store);
    }
}

static void fake_joules_give_no_saving(void **state)
{
    sample_store store;
    tm_report report;
    (void)state;
    make_store(&store, &sample_fake);
    write_report(&store, false, &report);
    const char *text = tm_text_string(&report.text);
    assert_has(text, "refused (");
    assert_has(text, "fake: no ratio is computed from fake joules");
    assert_null(strstr(text, "reproduced"));
    assert_null(strstr(text, "same direction"));
    tm_report_free(&report);
    sample_free(&store);
}

/* At most 0.2 of the joules of fp16: the saving, the paper's values, and a verdict. */
static void table_has_the_form_of_the_paper(void **state)
{
    sample_store store;
    tm_report report;
    (void)state;
    sample_energy_demo(&store, &sample_powercap);
    write_report(&store, false, &report);
    const char *text = tm_text_string(&report.text);
    assert_has(text, "Energy of generation (tg32), 2 threads: J/output token and saving of ternary "
                     "over fp16\n");
    assert_has(text, "measured: Imaginary CPU 9000, 2 threads (all cores), tg32, generation\n");
    assert_has(text, "  fp16, J/output token                   0.952 [0.952, 0.952]           9.09 "
                     "[9.09, 9.09]       N/A (");
    assert_has(text,
               "Against the paper's 71.9%-82.2%                  reproduced      same direction, "
               "larger  not measured\n");
    assert_has(text,
               "  llama.cpp fp16, J/token                               1.367                 "
               "     11.305       N/A (");
    assert_has(text,
               "  Saving (of these two), %                               55.4                  "
               "      64.6          70.0\n");
    assert_has(text, ") not measurable here: needs 139 GB, 7.8 GB available");
    assert_has(text, "powercap, package, counter");
    /* Prompts and other models have separate tables without published values. */
    assert_has(text, "Energy of prompt (pp128), 2 threads: J/prompt token");
    assert_has(text,
               "(arXiv:2410.16144) prints energy only for generation at unlimited threads (Table");
    assert_has(text, "Energy of generation (pp64+tg16), 2 threads: J/output token and saving of "
                     "ternary over fp16, other models\n");
    const char *csv = slurp(f.dir, "energy.csv");
    assert_has(csv, "measured,,,Imaginary CPU 9000,2,tg32,generation,700M,i2_mad_x,saving,%,80.9");
    assert_has(csv,
               "published,2410.16144,Table 6,Apple M2 Ultra,unlimited,\"generation, length not "
               "stated\",generation,70B,,fp16,J/token,28.02,");
    assert_has(csv, "i2_mad_x,\"ternary, idle power\",W,4,");
    assert_has(csv, "needs 139 GB");
    tm_report_free(&report);
    sample_free(&store);
}

/* Without a meter the paper's table is shown, and every missing value has the reason. */
static void machine_without_a_meter(void **state)
{
    sample_store store;
    tm_report report;
    (void)state;
    sample_energy_demo(&store, NULL);
    write_report(&store, false, &report);
    const char *text = tm_text_string(&report.text);
    assert_has(text,
               "  fp16, J/output token                       N/A (a)            N/A (a)       N/A "
               "(b)\n");
    assert_has(text,
               "(a) not measurable here: powercap: no RAPL zone under /sys/class/powercap; perf: "
               "no power events;\n");
    assert_has(text, "Against the paper's 71.9%-82.2%       not measured       not measured  not "
                     "measured\n");
    assert_has(text,
               "  bitnet.cpp, J/token                          0.384              2.017         "
               "17.33\n");
    assert_has(text, "joules not measured\n");
    assert_has(slurp(f.dir, "report.md"),
               "| 700M | f16_fma_x | 2 | tg32 | output | 21.0 [20.7, 21.3] | - <sup>a</sup> | "
               "- <sup>a</sup> | - <sup>a</sup> | - <sup>a</sup> |");
    assert_has(slurp(f.dir, "report.md"), "- no energy: " SAMPLE_NO_SOURCE);
    assert_has(slurp(f.dir, "cells.csv"), "joules_per_output_token: " SAMPLE_NO_SOURCE);
    assert_null(strstr(slurp(f.dir, "energy.csv"), ",J/output token,0"));
    tm_report_free(&report);
    sample_free(&store);
}

/* A store whose runs did not ask for energy says so once and has no energy files. */
static void store_without_energy(void **state)
{
    sample_store store;
    tm_report report;
    (void)state;
    sample_demo(&store);
    write_report(&store, false, &report);
    assert_null(strstr(tm_text_string(&report.files), "/energy."));
    assert_null(strstr(tm_text_string(&report.text), "Energy"));
    assert_has(slurp(f.dir, "report.md"), "No run of this store asked for energy");
    tm_report_free(&report);
    sample_free(&store);
}

static void plots_are_drawn(void **state)
{
    sample_store store;
    tm_report report;
    (void)state;
    sample_energy_demo(&store, &sample_fake);
    /* The first trace has a lost window and a gap. */
    for (int i = 0; i < store.records.n; i++)
        if (store.records.items[i].kind == TM_RECORD_ENERGY) {
            store.records.items[i].energy.trace[60].watts = NAN;
            tm_record_energy_lose(&store.records.items[i].energy, TM_PROBE_INVALID,
                                  "a read failed");
            break;
        }
    write_report(&store, true, &report);
    if (strstr(tm_text_string(&report.remarks), "gnuplot")) {
        print_message("skipped: %s", tm_text_string(&report.remarks));
        tm_report_free(&report);
        sample_free(&store);
        skip();
    }
    static const char *const stems[] = {"watts", "energy-speed"};
    for (size_t i = 0; i < sizeof stems / sizeof *stems; i++) {
        char name[64];
        snprintf(name, sizeof name, "plots/%s.png", stems[i]);
        char *png = slurp(f.dir, name);
        assert_true(png && memcmp(png, "\x89PNG", 4) == 0);
        snprintf(name, sizeof name, "plots/%s.svg", stems[i]);
        assert_has(slurp(f.dir, name), "FAKE");
    }
    char *script = slurp(f.dir, "plots/watts.gp");
    assert_has(script, "set object 10 rectangle from ");
    assert_has(script, "\"700M fp16 output, 2 threads (lost)\"");
    assert_has(script, "with fsteps");
    tm_report_free(&report);
    sample_free(&store);
}

/* Meters of different scopes have separate series and means, and no saving is computed across
 * them. */
static void scopes_are_not_mixed(void **state)
{
    static const sample_meter wall = {"meter", "system", "imported", false};
    sample_store store = {0};
    tm_report report;
    (void)state;
    sample_add_run(&store, SAMPLE_ENERGY_RUN);
    for (int i = 0; i < 6; i++) {
        sample_add_process(&store, "synth:700M", "f16_fma_x", 2, 0, 32, i, i % 2, 20, 1e9);
        sample_add_process(&store, "synth:700M", "i2_mad_x", 2, 0, 32, i, 1 - i % 2, 80, 2e8);
        sample_add_window(&store, "synth:700M", "f16_fma_x", 2, 0, 32, i, i % 2,
                          TM_PHASE_GENERATION, &wall, 20, 60);
        sample_add_window(&store, "synth:700M", "i2_mad_x", 2, 0, 32, i, 1 - i % 2,
                          TM_PHASE_GENERATION, &sample_powercap, 80, 16);
    }
    write_report(&store, false, &report);
    const char *text = tm_text_string(&report.text);
    assert_has(text, " refused (");
    assert_has(slurp(f.dir, "energy.csv"),
               "joules of different scopes are not comparable: package (powercap) and system "
               "(meter);");
    assert_has(text, "meter, system, imported");
    const char *script = slurp(f.dir, "plots/energy-speed.gp");
    assert_has(script, "\"700M, fp16 (system)\"");
    assert_has(script, "\"700M, ternary (package)\"");
    script = slurp(f.dir, "plots/watts.gp");
    assert_has(script, "fp16, mean power of system");
    assert_null(strstr(script, "package"));
    tm_report_free(&report);
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fake_joules_are_marked_everywhere),
        cmocka_unit_test(fake_joules_give_no_saving),
        cmocka_unit_test(table_has_the_form_of_the_paper),
        cmocka_unit_test(machine_without_a_meter),
        cmocka_unit_test(store_without_energy),
        cmocka_unit_test(scopes_are_not_mixed),
        cmocka_unit_test(plots_are_drawn),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
