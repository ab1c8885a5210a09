/* Machines: which records belong to one, and what is compared. The values of the samples are round,
 * so that the right figures can be worked out by hand. */
#include "reports/machines_published.h"
#include "reports/machines_sheet.h"
#include "tests/reports/sample_windows.h"
#include "tests/tm_test.h"

static const char model[] = "synth:700M", fast[] = "i2_mad_x";

/* What a run of a machine records. */
typedef struct host {
    const char *run, *host, *id, *fingerprint, *cpu, *kernel, *isa, *emulated, *mode;
    int cores;
    const char *limits; /* members of its roofline */
} host;

static const host big = {.run = "r1",
                         .host = "big",
                         .id = "1",
                         .fingerprint = "f1",
                         .cpu = "Big",
                         .kernel = "6.1",
                         .isa = "avx2+avx512",
                         .emulated = "false",
                         .mode = "release",
                         .cores = 2,
                         .limits = "\"clock_ghz\":[{\"threads\":2,\"value\":4}],"
                                   "\"read_gb_per_second\":[{\"threads\":2,\"value\":40}],"
                                   "\"int8_gmac_per_second\":[{\"threads\":2,\"value\":500}]"};
static const host small = {.run = "r2",
                           .host = "small",
                           .id = "2",
                           .fingerprint = "f2",
                           .cpu = "Small",
                           .kernel = "6.6",
                           .isa = "neon",
                           .emulated = "false",
                           .mode = "release",
                           .cores = 4,
                           .limits = "\"clock_ghz\":[{\"threads\":2,\"value\":2},"
                                     "{\"threads\":4,\"value\":1.6}],"
                                     "\"read_gb_per_second\":[{\"threads\":2,\"value\":20},"
                                     "{\"threads\":4,\"value\":40}]"};

static void add_run(sample_store *store, const host *h)
{
    char text[2000];
    snprintf(
        text, sizeof text,
        "{\"run\":\"%s\",\"fingerprint\":\"%s\",\"machine\":{\"cpu_model\":\"%s\",\"cores\":%d,"
        "\"architecture\":\"x\",\"emulated\":%s},\"environment\":{\"host\":\"%s\","
        "\"host_id\":\"%s\",\"kernel\":\"%s\",\"isa_used\":\"%s\",\"build_mode\":\"%s\","
        "\"usable_cores\":%d,\"date\":\"2026-01-0%c\"},\"roofline\":{%s}}",
        h->run, h->fingerprint, h->cpu, h->cores, h->emulated, h->host, h->id, h->kernel, h->isa,
        h->mode, h->cores, h->run[1], h->limits);
    sample_add_run(store, text);
}

/* Says of the records since `from` that they belong to a run. */
static void own(sample_store *store, int from, const host *h)
{
    for (int i = from; i < store->records.n; i++)
        snprintf(store->records.items[i].run_id, sizeof store->records.items[i].run_id, "%s",
                 h->run);
}

/* A run with 5 processes of equal speed, each 10^8 bytes per token. */
static void add_machine(sample_store *store, const host *h, int threads, double rate)
{
    const int from = store->records.n;
    add_run(store, h);
    for (int i = 0; i < 5; i++)
        sample_add_process(store, model, fast, threads, 0, 16, i, 0, rate, 1e8);
    own(store, from, h);
}

static void make(const sample_store *stores, int n, tm_machines *out)
{
    static const char *const names[] = {"a.jsonl", "b.jsonl", "c.jsonl"};
    tm_machine_store list[3];
    tm_error err = {0};
    for (int i = 0; i < n; i++) list[i] = (tm_machine_store){names[i], &stores[i].records};
    if (tm_machines_make(list, n, out, &err) != TM_OK) fail_msg("%s", err.message);
}

static void drop(tm_machines *machines, sample_store *stores, int n)
{
    tm_machines_free(machines);
    for (int i = 0; i < n; i++) sample_free(&stores[i]);
}

static void near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-6 * fabs(wanted)))
        fail_msg("%.12g is not %.12g", value, wanted);
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" does not say \"%s\"", text, part);
}

/* The values of the ternary arm at a number of threads; 0: all cores. */
static void values_at(const tm_machines *machines, int threads, tm_machine_values *out)
{
    tm_machine_places places;
    tm_error err = {0};
    const tm_machine_arm arm = {.kind = TM_MACHINE_TERNARY};
    assert_int_equal(tm_machine_places_make(machines, &places, &err), TM_OK);
    int i = 0;
    while (i < places.n && places.items[i].threads != threads) i++;
    assert_true(i < places.n);
    tm_machines_values(machines, &places.items[i], &arm, out);
    tm_machine_places_free(&places);
}

static double value_of(const tm_machine_values *v, tm_machine_quantity quantity)
{
    if (!isfinite(v->figures[quantity].value.value)) fail_msg("%s", v->figures[quantity].missing);
    return v->figures[quantity].value.value;
}

/* 100 tokens/s of 0.1 GB at 4 GHz and 40 GB/s, 60 at 2 GHz and 20 GB/s. */
static void speed_is_divided_by_cores_clock_and_bandwidth(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    tm_machine_values v[2];
    (void)state;
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &small, 2, 60);
    make(stores, 2, &all);
    assert_int_equal(all.n, 2);
    values_at(&all, 2, v);
    near(value_of(&v[0], TM_MACHINE_SPEED), 100);
    near(value_of(&v[0], TM_MACHINE_PER_CORE), 50);
    near(value_of(&v[0], TM_MACHINE_PER_GHZ), 25);
    near(value_of(&v[0], TM_MACHINE_SHARE), 25);
    near(value_of(&v[1], TM_MACHINE_PER_CORE), 30);
    near(value_of(&v[1], TM_MACHINE_PER_GHZ), 30);
    near(value_of(&v[1], TM_MACHINE_SHARE), 30);
    /* The first is faster, the second uses its memory better. */
    const tm_machine_rank speed = tm_machines_rank(v, 2, TM_MACHINE_SPEED);
    assert_int_equal(speed.best, 0);
    assert_true(speed.is_clear);
    near(speed.ratio.value, 100.0 / 60);
    assert_int_equal(tm_machines_rank(v, 2, TM_MACHINE_SHARE).best, 1);
    assert_int_equal(tm_machines_rank(v, 2, TM_MACHINE_JOULES).best, -1);
    has(v[0].figures[TM_MACHINE_SPEEDUP].missing, "no baseline cell was run");
    drop(&all, stores, 2);
}

/* Machines of 2 and 4 cores also meet at all of them. */
static void whole_machines_meet(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    tm_machine_values v[2];
    (void)state;
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &small, 4, 200);
    make(stores, 2, &all);
    values_at(&all, 0, v);
    near(value_of(&v[0], TM_MACHINE_PER_CORE), 50);
    near(value_of(&v[1], TM_MACHINE_PER_CORE), 50);
    near(value_of(&v[1], TM_MACHINE_PER_GHZ), 125);
    near(value_of(&v[1], TM_MACHINE_SHARE), 50);
    values_at(&all, 4, v);
    assert_null(v[0].cell);
    assert_string_equal(v[0].figures[TM_MACHINE_SPEED].missing, "this machine ran no such cell");
    drop(&all, stores, 2);
}

/* The interval of one machine lies inside that of the other. */
static void overlapping_machines_are_not_told_apart(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    tm_machine_values v[2];
    (void)state;
    const double rates[] = {80, 90, 100, 110, 120};
    for (int s = 0; s < 2; s++) {
        add_run(&stores[s], s ? &small : &big);
        for (int i = 0; i < 5; i++)
            sample_add_process(&stores[s], model, fast, 2, 0, 16, i, 0, rates[i] + s, 1e8);
        own(&stores[s], 0, s ? &small : &big);
    }
    make(stores, 2, &all);
    values_at(&all, 2, v);
    const tm_machine_rank rank = tm_machines_rank(v, 2, TM_MACHINE_SPEED);
    assert_int_equal(rank.best, 1);
    assert_false(rank.is_clear);
    drop(&all, stores, 2);
}

/* Emulated times, those of a checked build and scripted ones get a value but no rank or ratio. */
static void only_real_times_count(void **state)
{
    sample_store stores[3] = {0};
    tm_machines all;
    tm_machine_values v[3];
    host emulated = small, checked = small;
    (void)state;
    emulated.emulated = "true";
    emulated.id = big.id, emulated.host = big.host; /* qemu on the same machine */
    checked.run = "r3", checked.id = "3", checked.host = "third", checked.mode = "asan";
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &emulated, 2, 900);
    add_machine(&stores[2], &checked, 2, 800);
    make(stores, 3, &all);
    assert_int_equal(all.n, 3);
    assert_string_equal(all.items[1].name, "emulated x on Small, big");
    values_at(&all, 2, v);
    near(value_of(&v[1], TM_MACHINE_SPEED), 900);
    has(v[1].figures[TM_MACHINE_SHARE].missing, "emulated");
    has(v[1].figures[TM_MACHINE_PER_GHZ].missing, "emulated");
    has(v[2].figures[TM_MACHINE_PER_CORE].missing, "asan");
    const tm_machine_rank rank = tm_machines_rank(v, 3, TM_MACHINE_SPEED);
    assert_int_equal(rank.best, 0);
    assert_int_equal(rank.next, -1);
    drop(&all, stores, 3);
}

static void joules_need_one_scope(void **state)
{
    static const sample_meter wall = {"meter", "system", "imported", false};
    static const sample_meter *const meters[] = {&sample_powercap, &wall, &sample_powercap};
    sample_store stores[3] = {0};
    tm_machines all;
    tm_machine_values v[3];
    host third = small;
    (void)state;
    third.run = "r3", third.id = "3", third.host = "third";
    const host *const hosts[] = {&big, &small, &third};
    for (int s = 0; s < 3; s++) {
        add_machine(&stores[s], hosts[s], 2, 100);
        const int from = stores[s].records.n;
        for (int i = 0; i < 5; i++)
            sample_add_window(&stores[s], model, fast, 2, 0, 16, i, 0, TM_PHASE_GENERATION,
                              meters[s], 100, s == 2 ? 30 : 20);
        own(&stores[s], from, hosts[s]);
    }
    make(stores, 3, &all);
    values_at(&all, 2, v);
    near(value_of(&v[0], TM_MACHINE_JOULES), 0.2);
    near(value_of(&v[2], TM_MACHINE_JOULES), 0.3);
    has(v[1].figures[TM_MACHINE_JOULES].missing, "of the scope system");
    const tm_machine_rank rank = tm_machines_rank(v, 3, TM_MACHINE_JOULES);
    assert_int_equal(rank.best, 0);
    near(rank.ratio.value, 1.5);
    drop(&all, stores, 3);
}

static void fake_joules_are_missing(void **state)
{
    sample_store store = {0};
    tm_machines all;
    tm_machine_values v[1];
    (void)state;
    add_machine(&store, &big, 2, 100);
    sample_add_window(&store, model, fast, 2, 0, 16, 0, 0, TM_PHASE_GENERATION, &sample_fake, 100,
                      20);
    own(&store, 0, &big);
    make(&store, 1, &all);
    values_at(&all, 2, v);
    has(v[0].figures[TM_MACHINE_JOULES].missing, "fake: 0.200 J/token");
    drop(&all, &store, 1);
}

/* Another kernel on the same machine, fewer instruction sets, and the same state again. */
static void states_of_one_machine_are_columns(void **state)
{
    sample_store store = {0};
    tm_machines all;
    host upgraded = big, restricted = big, again = big;
    (void)state;
    upgraded.run = "r2", upgraded.kernel = "6.12";
    restricted.run = "r3", restricted.isa = "avx2";
    again.run = "r4";
    add_machine(&store, &big, 2, 100);
    add_machine(&store, &upgraded, 2, 110);
    add_machine(&store, &restricted, 2, 70);
    add_machine(&store, &again, 2, 100);
    make(&store, 1, &all);
    assert_int_equal(all.n, 3);
    assert_string_equal(all.items[0].name, "Big on big");
    assert_string_equal(all.items[1].name, "Big on big, changed");
    assert_string_equal(all.items[2].name, "Big on big, avx2 only");
    assert_string_equal(all.items[1].changed, "kernel: 6.12, in the other column 6.1");
    assert_int_equal(all.items[0].family, all.items[2].family);
    assert_int_equal(all.items[0].summaries.items[0].n_processes, 10); /* two runs */
    drop(&all, &store, 1);
}

static void alike_machines_stay_apart(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    host twin = big;
    (void)state;
    twin.run = "r2", twin.host = "twin", twin.id = "2";
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &twin, 2, 100);
    make(stores, 2, &all);
    assert_int_equal(all.n, 2);
    assert_string_equal(all.items[1].name, "Big on twin");
    has(tm_text_string(&all.remarks), "same hardware and are two machines");
    drop(&all, stores, 2);
}

/* Without hosts, as older programs wrote them, two stores are two columns. */
static void unknown_hosts_stay_apart(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    host old = big;
    (void)state;
    old.host = old.id = "";
    add_machine(&stores[0], &old, 2, 100);
    old.run = "r2";
    add_machine(&stores[1], &old, 2, 100);
    make(stores, 2, &all);
    assert_int_equal(all.n, 2);
    assert_string_not_equal(all.items[0].name, all.items[1].name);
    has(tm_text_string(&all.remarks), "do not say whether they are one machine");
    drop(&all, stores, 2);
}

static void a_copied_run_counts_once(void **state)
{
    sample_store stores[2] = {0};
    tm_machines all;
    (void)state;
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &big, 2, 100);
    make(stores, 2, &all);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.items[0].summaries.items[0].n_processes, 5);
    assert_string_equal(all.items[0].stores, "a.jsonl, b.jsonl");
    has(tm_text_string(&all.remarks), "it counts once");
    drop(&all, stores, 2);
}

static void contradictions_are_refused_or_named(void **state)
{
    sample_store store = {0};
    tm_machine_store one = {"a.jsonl", &store.records};
    tm_machines all;
    tm_error err = {0};
    host other = big;
    (void)state;
    other.run = "r2", other.cpu = "Edited";
    add_machine(&store, &big, 2, 100);
    add_machine(&store, &other, 2, 100);
    assert_int_equal(tm_machines_make(&one, 1, &all, &err), TM_OK);
    assert_int_equal(all.n, 2);
    has(tm_text_string(&all.remarks), "describe different hardware");
    tm_machines_free(&all);
    other = big;
    other.fingerprint = "f9";
    add_machine(&store, &other, 2, 100);
    assert_int_equal(tm_machines_make(&one, 1, &all, &err), TM_FORMAT);
    has(err.message, "a.jsonl: run r1 has two fingerprints, f1 and f9");
    drop(&all, &store, 1);
}

static void empty_stores_are_left_out(void **state)
{
    sample_store stores[2] = {0};
    tm_machine_store one = {"a.jsonl", &stores[0].records};
    tm_machines all;
    tm_error err = {0};
    (void)state;
    add_machine(&stores[1], &big, 2, 100);
    make(stores, 2, &all);
    assert_int_equal(all.n, 1);
    has(tm_text_string(&all.remarks), "holds no record");
    tm_machines_free(&all);
    assert_int_equal(tm_machines_make(&one, 1, &all, &err), TM_ARG);
    has(err.message, "no store holds a cell");
    drop(&all, stores, 2);
}

/* 2410.16144: 700M on the i7-13700H, 2 threads (Table 5) and unlimited (Table 4). */
static void published_machines_need_model_test_and_threads(void **state)
{
    sample_store store = {0};
    tm_machines all;
    tm_machine_places places;
    tm_published published;
    tm_published_machines others;
    tm_error err = {0};
    (void)state;
    add_machine(&store, &big, 2, 100);
    make(&store, 1, &all);
    assert_int_equal(tm_published_load(&published, &err), TM_OK);
    assert_int_equal(tm_machine_places_make(&all, &places, &err), TM_OK);
    assert_int_equal(tm_published_machines_make(&published, &places, &others, &err), TM_OK);
    const tm_published_value *two = NULL, *joules = NULL;
    for (int i = 0; i < others.n; i++) {
        if (strcmp(others.items[i].paper, "2410.16144") != 0 ||
            !strstr(others.items[i].device, "i7-13700H"))
            continue;
        two = tm_published_machine_value(&published, &others.items[i], &places.items[0],
                                         TM_MACHINE_TERNARY, TM_MACHINE_SPEED);
        joules = tm_published_machine_value(&published, &others.items[i], &places.items[0],
                                            TM_MACHINE_BASELINE, TM_MACHINE_JOULES);
    }
    assert_non_null(two);
    assert_string_equal(two->table, "Table 5");
    assert_int_equal(tm_published_threads(two), 2);
    assert_non_null(joules);
    assert_int_equal(tm_published_threads(joules), 0); /* unlimited */
    assert_true(joules->value == 1.367);
    char text[96];
    assert_string_equal(tm_published_unstated(two, text, sizeof text),
                        "the source does not state prompt and output lengths");
    tm_published_machines_free(&others);
    tm_machine_places_free(&places);
    /* Three threads are in no source, and not all cores. */
    for (int i = 0; i < store.records.n; i++) store.records.items[i].cell.threads = 3;
    tm_machines_free(&all);
    make(&store, 1, &all);
    assert_int_equal(tm_machine_places_make(&all, &places, &err), TM_OK);
    assert_int_equal(tm_published_machines_make(&published, &places, &others, &err), TM_OK);
    assert_int_equal(others.n, 0);
    tm_published_machines_free(&others);
    tm_machine_places_free(&places);
    tm_published_free(&published);
    drop(&all, &store, 1);
}

/* Another file of the same name is not compared, and other tokens or builds are said. */
static void remarks_name_what_differs(void **state)
{
    sample_store stores[3] = {0};
    tm_machines all;
    tm_machine_places places;
    tm_machine_values v[3];
    tm_error err = {0};
    tm_text text = {0};
    host third = small;
    const tm_published_machines none = {0};
    const tm_published published = {0};
    (void)state;
    third.run = "r3", third.id = "3", third.host = "third";
    add_machine(&stores[0], &big, 2, 100);
    add_machine(&stores[1], &small, 2, 60);
    add_machine(&stores[2], &third, 2, 60);
    for (int s = 0; s < 3; s++)
        for (int i = 1; i < stores[s].records.n; i++) {
            tm_record *r = &stores[s].records.items[i];
            snprintf(r->cell.model_hash, sizeof r->cell.model_hash, "%s", s == 2 ? "m2" : "m1");
            snprintf(r->sample.tokens, sizeof r->sample.tokens, "%s", s == 1 ? "t2" : "t1");
        }
    make(stores, 3, &all);
    values_at(&all, 2, v);
    assert_int_equal(tm_machine_places_make(&all, &places, &err), TM_OK);
    const tm_machines_view view = {&all, &places, &published, &none};
    tm_machines_remarks(&view, &text);
    assert_int_equal(places.n, 2);
    assert_non_null(v[1].cell);
    assert_null(v[2].cell);
    has(tm_text_string(&text), "700M has another content or seed on Small on third");
    has(tm_text_string(&text), "Big on big and Small on small generated different tokens");
    has(tm_text_string(&text),
        "1 combination of model, test and threads is measured on one machine");
    tm_text_free(&text);
    tm_machine_places_free(&places);
    drop(&all, stores, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speed_is_divided_by_cores_clock_and_bandwidth),
        cmocka_unit_test(whole_machines_meet),
        cmocka_unit_test(overlapping_machines_are_not_told_apart),
        cmocka_unit_test(only_real_times_count),
        cmocka_unit_test(joules_need_one_scope),
        cmocka_unit_test(fake_joules_are_missing),
        cmocka_unit_test(states_of_one_machine_are_columns),
        cmocka_unit_test(alike_machines_stay_apart),
        cmocka_unit_test(unknown_hosts_stay_apart),
        cmocka_unit_test(a_copied_run_counts_once),
        cmocka_unit_test(contradictions_are_refused_or_named),
        cmocka_unit_test(empty_stores_are_left_out),
        cmocka_unit_test(remarks_name_what_differs),
        cmocka_unit_test(published_machines_need_model_test_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
