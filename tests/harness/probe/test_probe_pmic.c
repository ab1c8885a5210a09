/* The power chip of a Raspberry Pi 5: its rails from an answer of the firmware, in a file. */
#include "tests/harness/probe/fake_machine.h"

/* Written after an answer that ml-energy/zeus recorded on a Model B; fewer rails. */
#define ANSWER                                                                                     \
    "   3V3_SYS_A current(1)=0.08783370A\n"                                                        \
    "  DDR_VDDQ_A current(4)=0.00000000A\n"                                                        \
    "  VDD_CORE_A current(7)=%.8fA\n"                                                              \
    "   3V3_SYS_V volt(9)=3.31003300V\n"                                                           \
    "  DDR_VDDQ_V volt(12)=0.60146460V\n"                                                          \
    "  VDD_CORE_V volt(15)=0.80000000V\n"                                                          \
    "     EXT5V_V volt(24)=5.09066000V\n"                                                          \
    "      BATT_V volt(25)=0.00000000V\n"
#define OTHER_WATTS (0.08783370 * 3.31003300)
#define CORE_VOLTS  0.8

static fake_machine machine;

/* Keeps the file's inode, since the probe keeps it open. */
static void put_answer(const char *root, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/dev/vcio", root);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static const char *make_board(const char *name, const char *text)
{
    const char *root = scratch_path(name);
    tree_put(root, "dev/vcio", "");
    put_answer(root, text);
    return root;
}

/* A core that draws 10 A and a little noise, renewed every 70 ms. */
static struct {
    const char *root;
    int64_t shown;
} board;

static void show_board(fake_clock *fake)
{
    char text[1024];
    const int64_t now = fake->time_ns / 70000000;
    if (now == board.shown) return;
    board.shown = now;
    snprintf(text, sizeof text, ANSWER, 10 + 0.01 * (double)(now % 2));
    put_answer(board.root, text);
}

static void test_watts_are_the_sum_of_the_rails(void **state)
{
    (void)state;
    tm_probe_window window;
    tm_probe_value sum;
    machine_init(&machine);
    board.root = make_board("pi", "");
    board.shown = -1;
    machine.fake.on_sleep = show_board;
    show_board(&machine.fake);
    machine_open(&machine, "pmic", &(tm_probe_options){.root = board.root});
    assert_int_equal(tm_probe_n_channels(machine.probe), 1);
    assert_string_equal(tm_probe_channel(machine.probe, 0)->name, "pmic, 3 rails");
    assert_string_equal(tm_probe_scope(machine.probe), TM_SCOPE_PMIC);
    assert_false(tm_probe_is_foreign(machine.probe));
    assert_says(tm_probe_scope_covers(tm_probe_scope(machine.probe)), "not USB");
    machine_measure(&machine, 4, &window);
    tm_probe_sum(&window, TM_SCOPE_PMIC, &sum);
    assert_measured(&sum);
    assert_true(fabs(sum.value - 4 * (OTHER_WATTS + 10.005 * CORE_VOLTS)) <= sum.error_bound);
    assert_true(sum.error_bound < 0.02 * sum.value);
    machine_close(&machine);
}

static void test_a_wrong_answer_in_a_window_invalidates_it(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *reason;
    } rows[] = {
        {"VDD_CORE_A current(7)=1.0A\nVDD_CORE_V volt(15)=0.8V\n", "1 rails instead of 3"},
        {"", "0 rails instead of 3"},
        {"VDD_CORE_A current(7)=-1.0A\nVDD_CORE_V volt(15)=0.8V\n", "not a valid power"},
        {"VDD_CORE_A current(7)=1e300A\nVDD_CORE_V volt(15)=0.8V\n", "not a valid power"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];
        tm_probe_window window;
        machine_init(&machine);
        snprintf(text, sizeof text, ANSWER, 1.0);
        const char *root = make_board("wrong", text);
        machine_open(&machine, "pmic", &(tm_probe_options){.root = root, .spin_seconds = -1});
        tm_probe_start(machine.probe);
        machine_sleep(&machine, 1);
        put_answer(root, rows[i].answer);
        machine_sleep(&machine, 1);
        tm_probe_stop(machine.probe, &window);
        assert_not_measured(&window.values[0], TM_PROBE_INVALID, rows[i].reason);
        machine_close(&machine);
    }
}

static void assert_refused(const char *root, tm_probe_state state, const char *reason)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    machine_init(&machine);
    tm_probe_options options = {.root = root, .clock = &machine.clock};
    assert_int_equal(tm_probe_open("pmic", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, state);
    assert_says(err.message, reason);
}

static void test_boards_without_currents_are_refused(void **state)
{
    (void)state;
    char big[4096];
    assert_refused(scratch_path("no-board"), TM_PROBE_MISSING, "no Raspberry Pi 5");
    /* What a Raspberry Pi 4 answers. */
    assert_refused(make_board("pi4", "error=1 error_msg=\"Command not registered\""),
                   TM_PROBE_MISSING, "reports no currents");
    assert_refused(make_board("volts", "EXT5V_V volt(24)=5.09066000V\n"), TM_PROBE_MISSING,
                   "reports no currents");
    assert_refused(make_board("cut", "VDD_CORE_V volt(15)=0.8V\nVDD_CORE_A current(7)=1.9"),
                   TM_PROBE_MISSING, "reports no currents");
    assert_refused(make_board("nan", "VDD_CORE_V volt(15)=0.8V\nVDD_CORE_A current(7)=infA\n"),
                   TM_PROBE_INVALID, "not a valid power");
    memset(big, 'A', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_refused(make_board("big", big), TM_PROBE_MISSING, "reports no currents");
}

/* More rails than there is room for, or a name that is too long, must not write beyond it. */
static void test_many_rails(void **state)
{
    (void)state;
    char text[1024] = "";
    tm_probe_health health;
    tm_error err = {0};
    for (int i = 0; i < 60; i++) {
        const size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%d_V volt(0)=1V\n", i);
    }
    machine_init(&machine);
    tm_probe_options options = {.clock = &machine.clock, .root = make_board("many", text)};
    tm_probe *probe;
    assert_int_equal(tm_probe_open("pmic", &options, &probe, &health, &err), TM_UNSUPPORTED);
    put_answer(options.root, "A_NAME_THAT_IS_FAR_TOO_LONG_FOR_A_RAIL_A current(7)=1A\n"
                             "A_NAME_THAT_IS_FAR_TOO_LONG_FOR_A_RAIL_V volt(7)=1V\n");
    assert_int_equal(tm_probe_open("pmic", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_says(err.message, "reports no currents");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watts_are_the_sum_of_the_rails),
        cmocka_unit_test(test_a_wrong_answer_in_a_window_invalidates_it),
        cmocka_unit_test(test_boards_without_currents_are_refused),
        cmocka_unit_test(test_many_rails),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
