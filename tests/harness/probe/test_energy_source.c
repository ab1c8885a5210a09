/* The user's request for energy: words, options of sources, overrides, JSON, and the choice. */
#include "harness/probe/energy_source.h"

#include "harness/probe/probe_source.h"
#include "tests/harness/scratch.h"

#include <math.h>

static tm_energy_source_options options;

/* The index of an option, for overrides. */
static int index_of(const char *key)
{
    const tm_probe_option *option;
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++)
        if (strcmp(option->key, key) == 0) return i;
    fail_msg("no option %s", key);
    return 0;
}

/* Overrides a text and, unless it is NaN, the meter's offset. */
static void override_text(const char *key, const char *text, double offset, bool may_select)
{
    tm_error err = {0};
    const char *texts[TM_ENERGY_SETTINGS_MAX] = {0};
    double numbers[TM_ENERGY_SETTINGS_MAX];
    for (int i = 0; i < TM_ENERGY_SETTINGS_MAX; i++) numbers[i] = NAN;
    texts[index_of(key)] = text;
    numbers[index_of("meter_offset_seconds")] = offset;
    assert_ok(tm_energy_source_override(&options, texts, numbers, may_select, &err), err);
}

static const char *text_of(const char *key)
{
    return tm_energy_source_setting(&options, key)->text;
}

static void test_every_source_fits(void **state)
{
    (void)state;
    const tm_probe_source *source;
    int n = 0;
    while (tm_probe_user_option(n, NULL)) n++;
    assert_true(n > 0);
    if (n > TM_ENERGY_SETTINGS_MAX)
        fail_msg("the sources have %d options; raise TM_ENERGY_SETTINGS_MAX, which is %d", n,
                 TM_ENERGY_SETTINGS_MAX);
    for (int i = 0; (source = tm_probe_source_at(i)); i++) {
        assert_true(strlen(source->name) < sizeof options.source && source->own_size <= 128);
        for (const tm_probe_option *o = source->options; o && o->key; o++)
            assert_true(o->name && o->help && o->placeholder && o->offset < source->own_size);
    }
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *source;
        bool required;
    } rows[] = {{"auto", "auto", false},   {"none", "none", false},
                {"require", "auto", true}, {"powercap", "powercap", false},
                {"fake", "fake", false},   {"require=perf", "perf", true}};
    tm_error err = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_energy_source_init(&options);
        assert_ok(tm_energy_source_parse(rows[i].text, &options, &err), err);
        assert_string_equal(options.source, rows[i].source);
        assert_true(options.required == rows[i].required);
    }
    assert_int_equal(tm_energy_source_parse("powrcap", &options, &err), TM_ARG);
    assert_says(err.message, "did you mean \"powercap\"");
    assert_int_equal(tm_energy_source_parse("counters", &options, &err), TM_ARG);
    assert_int_equal(tm_energy_source_parse("require=none", &options, &err), TM_ARG);
}

/* An option that names what to read selects its source, and replaces the other such options. */
static void test_overrides(void **state)
{
    (void)state;
    tm_energy_source_init(&options);
    override_text("meter", "read-meter", NAN, true);
    assert_string_equal(options.source, "meter");
    override_text("meter_csv", "log.csv", -3, true);
    assert_string_equal(text_of("meter"), "");
    assert_string_equal(text_of("meter_csv"), "log.csv");
    assert_true(tm_energy_source_setting(&options, "meter_offset_seconds")->number == -3);
    strcpy(options.source, "none");
    override_text("meter_csv", "log.csv", NAN, false);
    assert_string_equal(options.source, "none");
    strcpy(options.source, "auto");
    override_text("meter_csv", "log.csv", NAN, true);
    assert_string_equal(options.source, "auto");
    char text[600];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    const char *texts[TM_ENERGY_SETTINGS_MAX] = {text};
    double numbers[TM_ENERGY_SETTINGS_MAX];
    for (int i = 0; i < TM_ENERGY_SETTINGS_MAX; i++) numbers[i] = NAN;
    tm_error err = {0};
    assert_int_equal(tm_energy_source_override(&options, texts, numbers, true, &err), TM_ARG);
    assert_says(err.message, "is longer than 479 characters");
}

static void expect_contradiction(const char *says)
{
    tm_error err = {0};
    assert_int_equal(tm_energy_source_check(&options, &err), TM_ARG);
    assert_says(err.message, says);
}

static void test_contradictions_are_errors(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_energy_source_init(&options);
    strcpy(options.source, "meter");
    expect_contradiction("needs --meter, --meter-csv, or --meter-marker");
    options.marker = true;
    assert_ok(tm_energy_source_check(&options, &err), err);
    strcpy(tm_energy_source_setting(&options, "meter")->text, "read-meter");
    assert_ok(tm_energy_source_check(&options, &err), err);
    strcpy(options.source, "powercap");
    expect_contradiction("--meter \"read-meter\" belongs to the source meter");
    strcpy(options.source, "auto");
    assert_ok(tm_energy_source_check(&options, &err), err);
    strcpy(tm_energy_source_setting(&options, "meter_csv")->text, "log.csv");
    expect_contradiction("both given");
}

static void test_json_round_trip(void **state)
{
    (void)state;
    tm_error err = {0};
    static tm_energy_source_options back;
    tm_energy_source_init(&options);
    tm_energy_source_init(&back);
    strcpy(options.source, "meter");
    options.required = options.marker = true;
    options.seconds = 12.5;
    options.idle_seconds = 0;
    strcpy(tm_energy_source_setting(&options, "meter_csv")->text, "log.csv");
    tm_energy_source_setting(&options, "meter_offset_seconds")->number = -37.25;
    tm_json *json = tm_energy_source_to_json(&options);
    assert_string_equal(tm_json_text(tm_json_get(json, "meter_csv"), ""), "log.csv");
    assert_null(tm_json_get(json, "meter"));
    assert_ok(tm_energy_source_from_json(json, "energy", &back, &err), err);
    assert_memory_equal(&options, &back, sizeof back);
    tm_json_put_string(json, "metr", "x");
    assert_int_equal(tm_energy_source_from_json(json, "energy", &back, &err), TM_FORMAT);
    assert_says(err.message, "metr");
    tm_json_free(json);
    json = tm_json_string("fake");
    assert_ok(tm_energy_source_from_json(json, "energy", &back, &err), err);
    assert_string_equal(back.source, "fake");
    tm_json_free(json);
}

static void test_choice(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_energy_source_choice choice;
    tm_energy_source_init(&options);
    assert_ok(tm_energy_source_choose(&options, &choice, &err), err);
    assert_true(!choice.source[0] && choice.n_tried == 0);
    assert_says(choice.missing, "not requested");
    strcpy(options.source, "fake");
    assert_ok(tm_energy_source_choose(&options, &choice, &err), err);
    assert_string_equal(choice.source, "fake");
    assert_string_equal(choice.scope, "fake package");
    strcpy(options.source, "meter");
    options.marker = true;
    assert_ok(tm_energy_source_choose(&options, &choice, &err), err);
    assert_true(choice.later && strcmp(choice.scope, "system") == 0);
    options.marker = false;
    strcpy(options.source, "auto");
    snprintf(options.root, sizeof options.root, "%s", scratch_path("empty"));
    assert_ok(tm_energy_source_choose(&options, &choice, &err), err);
    assert_true(!choice.source[0] && choice.n_tried == 5);
    assert_says(choice.missing, "powercap: ");
    assert_says(choice.missing, "; meter: ");
    options.required = true;
    assert_int_equal(tm_energy_source_choose(&options, &choice, &err), TM_UNSUPPORTED);
    assert_says(err.message, "no source works");
    options.required = false;
    strcpy(options.source, "powercap");
    assert_int_equal(tm_energy_source_choose(&options, &choice, &err), TM_UNSUPPORTED);
    assert_says(err.message, "powercap: ");
    options.idle_seconds = 0.5;
    assert_int_equal(tm_energy_source_choose(&options, &choice, &err), TM_ARG);
    assert_says(err.message, "idle time of 0.5 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_source_fits), cmocka_unit_test(test_words),
        cmocka_unit_test(test_overrides),         cmocka_unit_test(test_contradictions_are_errors),
        cmocka_unit_test(test_json_round_trip),   cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
