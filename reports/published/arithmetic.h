/* The energy of arithmetic as papers estimate it: the number of operations times the published
 * energy of one. Nothing here is measured.
 *
 *   energy = n_tokens x [ linear_weights x e_linear
 *                         + 2 x n_tokens x attention_width x n_layers x e_attention ]
 *
 * linear_weights excludes embedding and head; attention_width is heads x head_dim; e_linear and
 * e_attention are the energies of one multiply-accumulate in the given precision (ternary: one INT8
 * addition per weight, attention in FP16). The factor 2 stands for scores and weighted sums, and
 * every token attends to all n_tokens. No paper prints the formula: it reproduces the printed
 * values, and a row says where it does not. Source: results/published/energy_per_op.json (energies,
 * precisions and shapes of the papers) and results/published/tables.jsonl (printed values).
 */
#ifndef TM_REPORTS_PUBLISHED_ARITHMETIC_H
#define TM_REPORTS_PUBLISHED_ARITHMETIC_H

#include "reports/output/text.h"
#include "reports/published/published.h"

#define TM_ARITHMETIC_ORIGIN "estimate: operations x energy per operation"

/* Energy of one operation. Strings here and below are borrowed from tm_arithmetic.json. */
typedef struct tm_operation {
    const char *type;   /* "FP16" */
    bool is_mul;        /* else an addition */
    int node_nm;        /* of the process: 7, 45 */
    double picojoules;  /* > 0 */
    const char *source; /* where it was printed */
} tm_operation;

enum { TM_ARITHMETIC_MAX_STEPS = 4 };

/* The operations of one multiply-accumulate. */
typedef struct tm_mac {
    struct {
        const char *type;
        bool is_mul;
    } steps[TM_ARITHMETIC_MAX_STEPS];
    int n_steps;
} tm_mac;

typedef struct tm_arithmetic_precision {
    const char *name; /* "ternary" */
    const char *source;
    tm_mac linear, attention;
    double bits_per_weight;
    bool for_any_shape; /* also estimated for the shapes that a user names */
    int baseline;       /* index of the precision that ratios are over; -1: none */
} tm_arithmetic_precision;

/* The properties of a model that the formula uses. */
typedef struct tm_arithmetic_shape {
    const char *name;
    const char *source;      /* where the shape was printed */
    int64_t linear_weights;  /* without embedding and head */
    int64_t attention_width; /* heads x head_dim */
    int64_t n_layers;
} tm_arithmetic_shape;

/* The shape and precision behind a printed value. */
typedef struct tm_arithmetic_subject {
    const char *paper, *table, *model;
    const char *system; /* NULL: the model name is unique in the paper */
    const char *shape;  /* NULL: the value is about operations, not a model */
    const char *note;   /* "" if nothing */
    int precision;      /* index */
    int decimals;       /* of the energies in the table */
} tm_arithmetic_subject;

typedef struct tm_arithmetic {
    tm_json *json;    /* owned */
    int64_t n_tokens; /* of the prompt */
    const char *n_tokens_source;
    tm_operation *operations; /* owned, as the three below */
    tm_arithmetic_precision *precisions;
    tm_arithmetic_shape *shapes; /* not in the model list */
    tm_arithmetic_subject *subjects;
    int n_operations, n_precisions, n_shapes, n_subjects;
} tm_arithmetic;

/* Parses energy_per_op.json; `what` names the text in messages. Errors: FORMAT (the object, the
 * key, the limit; an energy that a precision needs on a node and that is absent; the same operation
 * twice), NOMEM. */
tm_status tm_arithmetic_parse(const char *text, size_t length, const char *what, tm_arithmetic *out,
                              tm_error *err) TM_MUST_USE;
/* Parses the embedded results/published/energy_per_op.json. Errors: UNSUPPORTED (this build has no
 * such file), FORMAT, NOMEM. */
tm_status tm_arithmetic_load(tm_arithmetic *out, tm_error *err) TM_MUST_USE;
void tm_arithmetic_free(tm_arithmetic *data);

/* A computed value and the printed one. */
typedef struct tm_estimate {
    tm_measured computed, published;
    const tm_published_value *printed; /* the printed value; borrowed; NULL: not printed */
    int decimals;                      /* of the printed value */
} tm_estimate;

/* Whether both values exist; whether the computed one, rounded, has the printed digits. */
bool tm_estimate_is_comparable(const tm_estimate *estimate);
bool tm_estimate_matches(const tm_estimate *estimate);
/* The computed value, rounded as printed, minus the printed one: 0 for a match, NaN if not
 * comparable. */
double tm_estimate_difference(const tm_estimate *estimate);

typedef enum tm_quantity {
    TM_QUANTITY_ENERGY,          /* of the whole prompt */
    TM_QUANTITY_ADD,             /* of its additions alone */
    TM_QUANTITY_MUL,             /* of its multiplications alone */
    TM_QUANTITY_RATIO,           /* energy over that of the baseline precision, whole prompt */
    TM_QUANTITY_OPERATION_RATIO, /* the same of one multiply-accumulate of a linear layer */
} tm_quantity;
/* "energy", "add", "mul", "ratio", "operation_ratio" */
const char *tm_quantity_name(tm_quantity quantity);

typedef struct tm_arithmetic_row {
    tm_quantity quantity;
    const char *model;                /* as the paper names it, or the shape's name; borrowed */
    const char *system;               /* as the paper names it, or NULL; borrowed */
    const tm_arithmetic_shape *shape; /* borrowed; NULL: no model */
    const char *precision, *baseline; /* borrowed; no baseline: NULL */
    const char *note;                 /* borrowed; "" if nothing */
    int node_nm;
    tm_estimate energy_joules;      /* of the quantity */
    tm_estimate memory_gb;          /* linear weights, 1e9 bytes */
    tm_estimate ratio;              /* baseline / this */
    tm_measured attention_fraction; /* of the energy, 0 to 1 */
} tm_arithmetic_row;

typedef struct tm_arithmetic_rows {
    tm_arithmetic_row *items; /* owned */
    int n;
} tm_arithmetic_rows;

/* One row per printed energy, in the order of the data. shapes: [n_shapes] of a model list; they
 * take precedence over the shapes in the data. Borrows from all of them. Errors: FORMAT (a printed
 * value without a subject, a subject without a shape), NOMEM. */
tm_status tm_arithmetic_compare(const tm_arithmetic *data, const tm_published *published,
                                const tm_arithmetic_shape *shapes, int n_shapes,
                                tm_arithmetic_rows *out, tm_error *err) TM_MUST_USE;
/* One row per shape, node and precision with for_any_shape, with the printed value if a subject has
 * this shape and precision. Borrows likewise. Errors: NOMEM. */
tm_status tm_arithmetic_estimate(const tm_arithmetic *data, const tm_published *published,
                                 const tm_arithmetic_shape *shapes, int n_shapes,
                                 tm_arithmetic_rows *out, tm_error *err) TM_MUST_USE;
void tm_arithmetic_rows_free(tm_arithmetic_rows *rows);

/* Appends the rows; every value has its origin. format: of TM_TABLE_FORMATS, or "json" (an array of
 * objects). Errors: ARG, NOMEM. */
tm_status tm_arithmetic_write(const tm_arithmetic *data, const tm_arithmetic_rows *rows,
                              const char *format, tm_text *out, tm_error *err) TM_MUST_USE;

#endif
