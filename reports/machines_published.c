#include "reports/machines_published.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of a shape in sources, where they differ from the shape's label. */
static const struct {
    const char *printed, *label;
} aliases[] = {{"BitNet-3B", "bitnet_b1_58-3B"},
               {"BitNet-b1.58-3B", "bitnet_b1_58-3B"},
               {"Falcon3-7B-1.58", "Falcon3-7B"},
               {"Falcon3-10B-1.58", "Falcon3-10B"},
               {"TriLM 4B", "TriLM 3.9B"}};

static bool has_shape(const tm_published_value *v, const char *label)
{
    const char *printed = tm_shape_label(v->model);
    const size_t n = strlen(label);
    if (!n) return false;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcmp(printed, aliases[i].printed) == 0) printed = aliases[i].label;
    /* "BitNet-b1.58-2B-4T I2_S": the layout follows. */
    return strncasecmp(printed, label, n) == 0 &&
           (!printed[n] || (printed[n] == ' ' && strchr(printed + n, '_')));
}

/* Metrics of generation whose lengths the sources do not print. */
static bool is_generation_of_any_length(const char *metric)
{
    static const char *const names[] = {"inference speed", "token generation speed",
                                        "decode throughput", "tg throughput"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(metric, names[i]) == 0) return true;
    return false;
}

static bool has_test(const tm_published_value *v, const tm_machine_place *place,
                     tm_machine_quantity quantity)
{
    const tm_cell *cell = place->cell;
    const bool is_generation = cell->n_prompt == 0 && cell->depth == 0 && cell->n_sequences <= 1;
    const size_t n = strlen(cell->test);
    if (quantity == TM_MACHINE_JOULES)
        return is_generation && strcmp(v->unit, "J/token") == 0 &&
               (strcmp(v->metric, "energy") == 0 || strcmp(v->metric, "energy per token") == 0);
    if (strcmp(v->unit, "tokens/s") != 0) return false;
    if (is_generation_of_any_length(v->metric)) return is_generation;
    return strncmp(v->metric, cell->test, n) == 0 && strcmp(v->metric + n, " throughput") == 0;
}

/* Of a device's name up to its description: "Apple M2 Ultra" of "Apple M2 Ultra (64 GB)". */
static int device_length(const char *device)
{
    int length = (int)strcspn(device, "(,;");
    while (length > 0 && device[length - 1] == ' ') length--;
    return length > 60 ? 60 : length;
}

/* A source may describe one machine in two ways. */
static bool is_of(const tm_published_value *v, const char *paper, const char *device)
{
    const int n = device_length(device);
    return strcmp(v->paper, paper) == 0 && device_length(v->device) == n &&
           strncmp(v->device, device, (size_t)n) == 0;
}

int tm_published_threads(const tm_published_value *v)
{
    for (const char *c = v->conditions; *c; c++) {
        if (!isdigit((unsigned char)*c)) continue;
        char *end;
        const long n = strtol(c, &end, 10);
        if ((c == v->conditions || !isalnum((unsigned char)c[-1])) && n > 0 && n < 4096 &&
            (strncmp(end, " thread", 7) == 0 || strncmp(end, " core", 5) == 0))
            return (int)n;
        c = end - 1;
    }
    return 0;
}

/* "F16", "fp16", "Float16", "bf16", but not "f32". */
static bool is_baseline(const tm_published_value *v)
{
    static const char *const names[] = {"f16", "fp16", "float16", NULL};
    char system[96];
    size_t n = 0;
    for (; v->system[n] && n + 1 < sizeof system; n++)
        system[n] = (char)tolower((unsigned char)v->system[n]);
    system[n] = '\0';
    for (int i = 0; names[i]; i++)
        if (strstr(system, names[i])) return true;
    return false;
}

/* A program or layout of ternary weights: not floats, and not a layout of 2 bits and more. */
static bool is_ternary(const tm_published_value *v)
{
    const char *q = v->system;
    if (is_baseline(v) || strstr(v->system, "f32")) return false;
    for (q = strchr(q, 'Q'); q; q = strchr(q + 1, 'Q'))
        if ((q == v->system || q[-1] == ' ') && isdigit((unsigned char)q[1])) return false;
    return true;
}

const tm_published_value *tm_published_machine_value(const tm_published *published,
                                                     const tm_published_machine *machine,
                                                     const tm_machine_place *place,
                                                     tm_machine_arm_kind arm,
                                                     tm_machine_quantity quantity)
{
    const tm_published_value *best = NULL;
    const char *label = tm_cell_shape(place->cell);
    bool is_exact = false;
    for (int i = 0; i < published->n; i++) {
        const tm_published_value *v = &published->items[i];
        if (!is_of(v, machine->paper, machine->device) || !isfinite(v->value) ||
            !has_shape(v, label) || !has_test(v, place, quantity) ||
            !(arm == TM_MACHINE_BASELINE ? is_baseline(v) : is_ternary(v)))
            continue;
        const int threads = tm_published_threads(v);
        const bool own = place->threads > 0 && threads == place->threads;
        if (!own && (is_exact || !place->is_all)) continue;
        const bool better = best && (quantity == TM_MACHINE_JOULES ? v->value < best->value
                                                                   : v->value > best->value);
        if (!best || (own && !is_exact) || better) best = v;
        is_exact |= own;
    }
    return best;
}

/* "Apple M2 Ultra (2410.16144)": the device and the source up to their descriptions. */
static void name_machine(tm_published_machine *m)
{
    snprintf(m->name, sizeof m->name, "%.*s (%.*s)", device_length(m->device), m->device,
             (int)strcspn(m->paper, " "), m->paper);
}

bool tm_published_is_at(const tm_published *published, const tm_published_machine *machine,
                        const tm_machine_place *place)
{
    for (int arm = TM_MACHINE_TERNARY; arm <= TM_MACHINE_BASELINE; arm++)
        if (tm_published_machine_value(published, machine, place, (tm_machine_arm_kind)arm,
                                       TM_MACHINE_SPEED) ||
            tm_published_machine_value(published, machine, place, (tm_machine_arm_kind)arm,
                                       TM_MACHINE_JOULES))
            return true;
    return false;
}

/* The same, after a look at one of its values. */
static bool is_at(const tm_published *published, int item, const tm_published_machine *machine,
                  const tm_machine_place *place)
{
    const tm_published_value *v = &published->items[item];
    return strncmp(v->device, "not labelled", 12) != 0 &&
           has_shape(v, tm_cell_shape(place->cell)) &&
           (has_test(v, place, TM_MACHINE_SPEED) || has_test(v, place, TM_MACHINE_JOULES)) &&
           tm_published_is_at(published, machine, place);
}

tm_status tm_published_machines_make(const tm_published *published, const tm_machine_places *places,
                                     tm_published_machines *out, tm_error *err)
{
    void *memory;
    *out = (tm_published_machines){0};
    tm_status status =
        tm_alloc(&memory, (size_t)published->n + 1, sizeof *out->items, "published machines", err);
    if (status != TM_OK) return status;
    out->items = memory;
    for (int i = 0; i < published->n; i++) {
        tm_published_machine own = {published->items[i].paper, published->items[i].device, ""};
        bool is_known = false, has_value = false;
        for (int k = 0; k < out->n && !is_known; k++)
            is_known = is_of(&published->items[i], out->items[k].paper, out->items[k].device);
        for (int p = 0; p < places->n && !is_known && !has_value; p++)
            has_value = is_at(published, i, &own, &places->items[p]);
        if (is_known || !has_value) continue;
        name_machine(&own);
        out->items[out->n++] = own;
    }
    return TM_OK;
}

void tm_published_machines_free(tm_published_machines *machines)
{
    tm_free(machines->items);
    *machines = (tm_published_machines){0};
}

const tm_published_value *tm_published_bandwidth(const tm_published *published,
                                                 const tm_published_machine *machine)
{
    for (int i = 0; i < published->n; i++) {
        const tm_published_value *v = &published->items[i];
        const size_t n = strlen(v->device);
        if (strcmp(v->metric, "max memory bandwidth") == 0 && isfinite(v->value) &&
            strncmp(machine->device, v->device, n) == 0 &&
            !isalnum((unsigned char)machine->device[n]))
            return v;
    }
    return NULL;
}

char *tm_published_unstated(const tm_published_value *value, char *text, size_t size)
{
    const bool has_length =
        !is_generation_of_any_length(value->metric) || strstr(value->conditions, " tokens");
    const bool has_threads =
        tm_published_threads(value) > 0 || strstr(value->conditions, "unlimited");
    snprintf(text, size, "%s%s%s%s", has_length && has_threads ? "" : "the source does not state ",
             has_length ? "" : "prompt and output lengths",
             !has_length && !has_threads ? " and " : "",
             has_threads ? "" : "the number of threads");
    return text;
}
