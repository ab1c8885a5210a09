/* The clock that tests replace, and the question whether the user interrupted. */
#include "harness/base/clock.h"

#include "harness/base/interrupt.h"
#include "tests/harness/fake_clock.h"
#include "tests/tm_test.h"

#include <poll.h>
#include <time.h>

static void test_system_clock_sleeps(void **state)
{
    (void)state;
    int64_t begin = tm_clock_now(NULL);
    tm_clock_sleep(NULL, 2000000);
    assert_true(tm_clock_now(NULL) >= begin + 2000000);
    tm_clock_sleep_until(NULL, begin + 4000000);
    assert_true(tm_now_ns() >= begin + 4000000);
    tm_clock_sleep(NULL, -1);
    tm_clock_sleep_until(NULL, begin);
    assert_int_equal(tm_clock_poll(NULL, NULL, 0, 1), 0);
}

static void test_replaced_clock_waits_for_nothing(void **state)
{
    fake_clock fake;
    int fds[2];
    (void)state;
    fake_clock_init(&fake);
    int64_t begin = tm_clock_now(&fake.clock);
    tm_clock_sleep(&fake.clock, 3600000000000);
    assert_int_equal(tm_clock_now(&fake.clock) - begin, 3600000000000);
    tm_clock_sleep_until(&fake.clock, begin + 3600000000001);
    assert_int_equal(tm_clock_now(&fake.clock) - begin, 3600000000001);
    assert_int_equal(pipe(fds), 0);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(tm_clock_poll(&fake.clock, &p, 1, 1000), 0);
    assert_int_equal(fake.n_sleeps, 3);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(tm_clock_poll(&fake.clock, &p, 1, 1000), 1);
    assert_int_equal(fake.n_sleeps, 3);
    close(fds[0]);
    close(fds[1]);
}

static void test_unix_time_follows_from_the_monotonic(void **state)
{
    (void)state;
    double difference = 1e-9 * (double)(tm_now_ns() + tm_unix_offset_ns()) - tm_unix_now();
    assert_true(difference > -60 && difference < 60);
    assert_true(tm_unix_now() > 1.5e9);
}

static void test_interrupt_is_a_readable_descriptor(void **state)
{
    int fds[2];
    (void)state;
    assert_false(tm_interrupted(NULL));
    assert_false(tm_interrupted(&TM_INTERRUPT_NEVER));
    assert_int_equal(tm_interrupt_fd(NULL), -1);
    assert_int_equal(pipe(fds), 0);
    tm_interrupt interrupt = {fds[0]};
    assert_false(tm_interrupted(&interrupt));
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(tm_interrupted(&interrupt));
    assert_true(tm_interrupted(&interrupt));
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_clock_sleeps),
        cmocka_unit_test(test_replaced_clock_waits_for_nothing),
        cmocka_unit_test(test_unix_time_follows_from_the_monotonic),
        cmocka_unit_test(test_interrupt_is_a_readable_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
