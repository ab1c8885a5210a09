/* The summary at the top of a report. */
#include "reports/report.h"
#include "tests/harness/scratch.h"
#include "tests/reports/sample_store.h"

/* One disturbed sample does not make the machine busy; more than a tenth of them do, and so does a
 * hypervisor that takes more than 5 % on average. */
static void the_summary_says_when_the_machine_was_busy(void **state)
{
    static const char others[] = "other processes took 0.3 s of the CPUs' 1 s";
    static const char both[] = "other processes took 0.3 s of the CPUs' 1 s; the hypervisor took "
                               "0.2 s of the CPUs' 1 s";
    static const char cold[] = "continues an interrupted process";
    (void)state;
    tm_error err = {0};
    tm_report report;
    tm_published published = {0};
    sample_store store = {0};
    char dir[512], page_path[600], expected[160];
    snprintf(dir, sizeof dir, "%s", scratch_path("busy"));
    snprintf(page_path, sizeof page_path, "%s/report.md", dir);
    sample_demo(&store);
    tm_report_options options = {.store = "s.jsonl",
                                 .directory = dir,
                                 .formats = 1u << TM_TABLE_MARKDOWN,
                                 .published = &published};
    int n = 0;
    for (int i = 0; i < store.records.n; i++) n += store.records.items[i].kind == TM_RECORD_SAMPLE;
    assert_true(n >= 20);
    const struct {
        const char *mark;
        int n_marked;
        double steal_percent;
        bool is_busy;
    } cases[] = {
        {others, 0, 0, false},       {others, 1, 0, false},
        {others, n / 10, 0, false},  {others, n / 10 + 1, 0, true},
        {others, n, 0, true},        {both, n / 10, 0, false},
        {both, n / 10 + 1, 0, true}, {cold, n, 0, false},
        {"", 0, 4.9, false},         {"", 0, 5.1, true},
        {"", 0, NAN, false},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        int marked = 0;
        for (int i = 0; i < store.records.n; i++) {
            tm_record *r = &store.records.items[i];
            if (r->kind != TM_RECORD_SAMPLE) continue;
            snprintf(r->marks, sizeof r->marks, "%s",
                     marked < cases[c].n_marked ? cases[c].mark : "");
            r->sample.steal_percent.value = cases[c].steal_percent;
            marked++;
        }
        assert_ok(tm_report_write(&store.records, &options, &report, &err), err);
        tm_report_free(&report);
        size_t size;
        char *page = read_file(page_path, &size);
        snprintf(expected, sizeof expected, "%d of %d samples are marked as disturbed",
                 cases[c].n_marked, n);
        if (!strstr(page, expected)) fail_msg("no \"%s\" in the summary", expected);
        assert_int_equal(strstr(page, "The machine was busy.") ? 1 : 0, cases[c].is_busy);
        free(page);
    }
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_summary_says_when_the_machine_was_busy),
    };
    return cmocka_run_group_tests_name("report head", tests, scratch_make, scratch_remove);
}
