#include "reports/published/arithmetic.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define METRIC_MEMORY   "memory, non-embedding"
#define METRIC_ABSOLUTE "absolute energy" /* plotted, not printed */

static const struct {
    const char *name, *metric; /* metric: as results/published/tables.jsonl has it */
} quantities[] = {
    [TM_QUANTITY_ENERGY] = {"energy", "energy, estimated"},
    [TM_QUANTITY_ADD] = {"add", "ADD energy"},
    [TM_QUANTITY_MUL] = {"mul", "MUL energy"},
    [TM_QUANTITY_RATIO] = {"ratio", "end-to-end energy ratio"},
    [TM_QUANTITY_OPERATION_RATIO] = {"operation_ratio",
                                     "matrix-multiplication arithmetic energy ratio"},
};
enum { N_QUANTITIES = sizeof quantities / sizeof *quantities };

const char *tm_quantity_name(tm_quantity quantity)
{
    return quantities[quantity].name;
}

bool tm_estimate_is_comparable(const tm_estimate *estimate)
{
    return isfinite(estimate->computed.value) && isfinite(estimate->published.value);
}

double tm_estimate_difference(const tm_estimate *estimate)
{
    if (!tm_estimate_is_comparable(estimate)) return NAN;
    const double scale = pow(10.0, estimate->decimals);
    return (round(estimate->computed.value * scale) - round(estimate->published.value * scale)) /
           scale;
}

bool tm_estimate_matches(const tm_estimate *estimate)
{
    return tm_estimate_difference(estimate) == 0.0;
}

/* Which kinds of operations are counted. */
typedef struct kinds {
    bool add, mul;
} kinds;

static kinds kinds_of(tm_quantity quantity)
{
    return (kinds){.add = quantity != TM_QUANTITY_MUL, .mul = quantity != TM_QUANTITY_ADD};
}

/* Energy of one multiply-accumulate in pJ. The parser ensures that every step has an energy on
 * every node. */
static double mac_picojoules(const tm_arithmetic *data, const tm_mac *mac, int node_nm,
                             kinds wanted)
{
    double sum = 0.0;
    for (int k = 0; k < mac->n_steps; k++) {
        if (mac->steps[k].is_mul ? !wanted.mul : !wanted.add) continue;
        for (int i = 0; i < data->n_operations; i++) {
            const tm_operation *o = &data->operations[i];
            if (o->node_nm == node_nm && o->is_mul == mac->steps[k].is_mul &&
                strcmp(o->type, mac->steps[k].type) == 0)
                sum += o->picojoules;
        }
    }
    return sum;
}

/* The two terms of the formula in joules. */
typedef struct joules {
    double linear, attention;
} joules;

static joules compute_joules(const tm_arithmetic *data, const tm_arithmetic_shape *shape,
                             const tm_arithmetic_precision *precision, int node_nm, kinds wanted)
{
    const double n_tokens = (double)data->n_tokens;
    const double attention_macs =
        2.0 * n_tokens * (double)shape->attention_width * (double)shape->n_layers;
    return (joules){
        .linear = n_tokens * (double)shape->linear_weights *
                  mac_picojoules(data, &precision->linear, node_nm, wanted) * 1e-12,
        .attention = n_tokens * attention_macs *
                     mac_picojoules(data, &precision->attention, node_nm, wanted) * 1e-12,
    };
}

static double energy_ratio(const tm_arithmetic *data, const tm_arithmetic_shape *shape,
                           const tm_arithmetic_precision *precision, int node_nm)
{
    const tm_arithmetic_precision *baseline = &data->precisions[precision->baseline];
    const kinds all = {.add = true, .mul = true};
    joules over = compute_joules(data, shape, baseline, node_nm, all);
    joules under = compute_joules(data, shape, precision, node_nm, all);
    return (over.linear + over.attention) / (under.linear + under.attention);
}

static void compute_ratio(const tm_arithmetic *data, const tm_arithmetic_precision *precision,
                          tm_arithmetic_row *row)
{
    const kinds all = {.add = true, .mul = true};
    tm_measured *ratio = &row->ratio.computed;
    if (precision->baseline < 0) {
        tm_measured_miss(ratio, "%s has no baseline to be compared with", precision->name);
    } else if (row->quantity == TM_QUANTITY_OPERATION_RATIO) {
        const tm_mac *over = &data->precisions[precision->baseline].linear;
        tm_measured_set(ratio, mac_picojoules(data, over, row->node_nm, all) /
                                   mac_picojoules(data, &precision->linear, row->node_nm, all));
    } else if (row->quantity == TM_QUANTITY_ENERGY || row->quantity == TM_QUANTITY_RATIO) {
        tm_measured_set(ratio, energy_ratio(data, row->shape, precision, row->node_nm));
    } else {
        tm_measured_miss(ratio, "this row is one kind of operation alone");
    }
}

/* Everything that follows from the data and the shape; published values are still missing. */
static tm_arithmetic_row compute(const tm_arithmetic *data, tm_quantity quantity, const char *model,
                                 const tm_arithmetic_shape *shape, int precision, int node_nm)
{
    const tm_arithmetic_precision *p = &data->precisions[precision];
    tm_arithmetic_row row = {.quantity = quantity,
                             .model = model,
                             .shape = shape,
                             .precision = p->name,
                             .baseline =
                                 p->baseline < 0 ? NULL : data->precisions[p->baseline].name,
                             .note = "",
                             .node_nm = node_nm};
    tm_estimate *const all[] = {&row.energy_joules, &row.memory_gb, &row.ratio};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        tm_measured_miss(&all[i]->published, "no published figure at hand for this row");
    if (shape) {
        joules e = compute_joules(data, shape, p, node_nm, kinds_of(quantity));
        tm_measured_set(&row.energy_joules.computed, e.linear + e.attention);
        tm_measured_set(&row.attention_fraction, e.attention / (e.linear + e.attention));
        tm_measured_set(&row.memory_gb.computed,
                        (double)shape->linear_weights * p->bits_per_weight / 8.0 / 1e9);
    } else {
        tm_measured_miss(&row.energy_joules.computed, "a ratio of operations, not of a model");
        row.attention_fraction = row.memory_gb.computed = row.energy_joules.computed;
    }
    compute_ratio(data, p, &row);
    return row;
}

/* "arithmetic model, 7 nm" -> 7; 0 without a node. */
static int node_of(const char *device)
{
    const char *unit = strstr(device, " nm");
    const char *digit = unit;
    while (digit && digit > device && isdigit((unsigned char)digit[-1])) digit--;
    return digit && digit < unit ? (int)strtol(digit, NULL, 10) : 0;
}

/* The quantity of a printed value; N_QUANTITIES: none of them. */
static int quantity_of(const tm_published_value *printed)
{
    for (int i = 0; i < N_QUANTITIES; i++)
        if (strcmp(printed->metric, quantities[i].metric) == 0) return i;
    return N_QUANTITIES;
}

static bool is_from(const tm_published_value *printed, const tm_arithmetic_subject *s)
{
    return strcmp(printed->paper, s->paper) == 0 && strcmp(printed->table, s->table) == 0;
}

static bool is_one_table(const tm_arithmetic_subject *a, const tm_arithmetic_subject *b)
{
    return strcmp(a->paper, b->paper) == 0 && strcmp(a->table, b->table) == 0;
}

static bool is_about(const tm_published_value *printed, const tm_arithmetic_subject *s)
{
    return is_from(printed, s) && strcmp(printed->model, s->model) == 0 &&
           (!s->system || strcmp(printed->system, s->system) == 0);
}

/* The number of decimals of a value. tables.jsonl holds numbers, which have no trailing zeros. */
static int decimals_needed(double value)
{
    int decimals = 0;
    for (double scaled = value; decimals < 9 && fabs(scaled - round(scaled)) > 1e-6; decimals++)
        scaled = value * pow(10.0, decimals + 1);
    return decimals;
}

static void look_up_memory(const tm_published *published, const tm_arithmetic_subject *s,
                           tm_estimate *memory)
{
    const tm_published_query query = {
        .paper = s->paper, .table = s->table, .metric = METRIC_MEMORY, .model = s->model};
    memory->printed = tm_published_find(published, &query, &memory->published);
    if (memory->printed)
        memory->published = tm_published_figure(published, &query);
    else
        tm_measured_miss(&memory->published, "%s %s prints no memory of %s", s->paper, s->table,
                         s->model);
    if (isfinite(memory->published.value))
        memory->decimals = decimals_needed(memory->published.value);
}

/* Sets the printed value in a row. */
static void set_published(const tm_published *published, const tm_published_value *printed,
                          const tm_arithmetic_subject *s, tm_arithmetic_row *row)
{
    const tm_quantity quantity = (tm_quantity)quantity_of(printed);
    const bool is_ratio = quantity == TM_QUANTITY_RATIO || quantity == TM_QUANTITY_OPERATION_RATIO;
    tm_estimate *estimate = is_ratio ? &row->ratio : &row->energy_joules;
    estimate->printed = printed;
    estimate->decimals = s->decimals;
    if (isfinite(printed->value))
        tm_measured_set(&estimate->published, printed->value);
    else
        tm_measured_miss(&estimate->published, "%s",
                         printed->why_null ? printed->why_null
                                           : "printed as words, not as a number");
    if (quantity == TM_QUANTITY_RATIO && !row->energy_joules.printed) {
        const tm_published_query query = {
            .paper = s->paper, .table = s->table, .metric = METRIC_ABSOLUTE, .model = s->model};
        row->energy_joules.published = tm_published_figure(published, &query);
    }
    if (!is_ratio) look_up_memory(published, s, &row->memory_gb);
    row->note = s->note;
}

static const tm_arithmetic_shape *find_shape(const tm_arithmetic *data,
                                             const tm_arithmetic_shape *shapes, int n_shapes,
                                             const char *name)
{
    for (int i = 0; i < n_shapes; i++)
        if (strcasecmp(shapes[i].name, name) == 0) return &shapes[i];
    for (int i = 0; i < data->n_shapes; i++)
        if (strcasecmp(data->shapes[i].name, name) == 0) return &data->shapes[i];
    return NULL;
}

static bool has_node(const tm_arithmetic *data, int node_nm)
{
    for (int i = 0; i < data->n_operations; i++)
        if (data->operations[i].node_nm == node_nm) return true;
    return false;
}

/* Adds the row of one printed energy. */
static tm_status add_printed(const tm_arithmetic *data, const tm_published *published,
                             const tm_published_value *printed, const tm_arithmetic_shape *shapes,
                             int n_shapes, tm_arithmetic_rows *out, tm_error *err)
{
    const int quantity = quantity_of(printed);
    const tm_arithmetic_subject *subject = NULL;
    for (int i = 0; i < data->n_subjects && !subject; i++)
        if (is_about(printed, &data->subjects[i])) subject = &data->subjects[i];
    if (!subject)
        return tm_fail(err, TM_FORMAT, "published line %d: %s %s has no shape for %s, %s",
                       printed->line, printed->paper, printed->table, printed->model,
                       printed->system);
    const int node_nm = node_of(printed->device);
    if (!has_node(data, node_nm))
        return tm_fail(err, TM_FORMAT, "published line %d: device \"%s\" has no known node in nm",
                       printed->line, printed->device);
    const bool needs_shape = quantity != TM_QUANTITY_OPERATION_RATIO;
    const tm_arithmetic_shape *shape =
        needs_shape && subject->shape ? find_shape(data, shapes, n_shapes, subject->shape) : NULL;
    if (needs_shape && !shape)
        return tm_fail(err, TM_FORMAT, "%s %s, %s: no shape \"%s\"", subject->paper, subject->table,
                       subject->model, subject->shape ? subject->shape : "");
    tm_arithmetic_row *row = &out->items[out->n++];
    *row = compute(data, (tm_quantity)quantity, printed->model, shape, subject->precision, node_nm);
    row->system = printed->system;
    set_published(published, printed, subject, row);
    return TM_OK;
}

tm_status tm_arithmetic_compare(const tm_arithmetic *data, const tm_published *published,
                                const tm_arithmetic_shape *shapes, int n_shapes,
                                tm_arithmetic_rows *out, tm_error *err)
{
    *out = (tm_arithmetic_rows){0};
    out->items = calloc((size_t)published->n + 1, sizeof *out->items);
    if (!out->items) return tm_fail(err, TM_NOMEM, "out of memory for %d rows", published->n);
    tm_status status = TM_OK;
    for (int s = 0; s < data->n_subjects; s++) {
        const tm_arithmetic_subject *first = &data->subjects[s];
        /* The subjects of one table are adjacent: the parser rejects a table that appears twice. */
        if (s > 0 && is_one_table(first, &data->subjects[s - 1])) continue;
        for (int i = 0; status == TM_OK && i < published->n; i++) {
            const tm_published_value *printed = &published->items[i];
            if (is_from(printed, first) && quantity_of(printed) != N_QUANTITIES)
                status = add_printed(data, published, printed, shapes, n_shapes, out, err);
        }
    }
    if (status != TM_OK) tm_arithmetic_rows_free(out);
    return status;
}

/* Sets the printed value of the subject with this shape and precision on this node. */
static void look_up(const tm_arithmetic *data, const tm_published *published, int precision,
                    tm_arithmetic_row *row)
{
    for (int i = 0; i < data->n_subjects; i++) {
        const tm_arithmetic_subject *s = &data->subjects[i];
        if (!s->shape || strcasecmp(s->shape, row->shape->name) != 0 || s->precision != precision)
            continue;
        for (int k = 0; k < published->n; k++) {
            const tm_published_value *printed = &published->items[k];
            const int quantity = quantity_of(printed);
            if ((quantity == TM_QUANTITY_ENERGY || quantity == TM_QUANTITY_RATIO) &&
                is_about(printed, s) && node_of(printed->device) == row->node_nm)
                set_published(published, printed, s, row);
        }
    }
}

tm_status tm_arithmetic_estimate(const tm_arithmetic *data, const tm_published *published,
                                 const tm_arithmetic_shape *shapes, int n_shapes,
                                 tm_arithmetic_rows *out, tm_error *err)
{
    *out = (tm_arithmetic_rows){0};
    size_t n, per_shape = (size_t)data->n_operations * (size_t)data->n_precisions;
    if (tm_mul_size((size_t)n_shapes, per_shape, &n))
        out->items = calloc(n + 1, sizeof *out->items);
    if (!out->items) return tm_fail(err, TM_NOMEM, "out of memory for rows of %d shapes", n_shapes);
    for (int s = 0; s < n_shapes; s++) {
        for (int o = 0; o < data->n_operations; o++) {
            const int node_nm = data->operations[o].node_nm;
            bool is_repeated = false;
            for (int i = 0; i < o; i++) is_repeated |= data->operations[i].node_nm == node_nm;
            for (int p = 0; !is_repeated && p < data->n_precisions; p++) {
                if (!data->precisions[p].for_any_shape) continue;
                tm_arithmetic_row *row = &out->items[out->n++];
                *row = compute(data, TM_QUANTITY_ENERGY, shapes[s].name, &shapes[s], p, node_nm);
                look_up(data, published, p, row);
            }
        }
    }
    return TM_OK;
}

void tm_arithmetic_rows_free(tm_arithmetic_rows *rows)
{
    free(rows->items);
    *rows = (tm_arithmetic_rows){0};
}
