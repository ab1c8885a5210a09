/* llama-bench's JSON, CSV and SQL (llama.cpp, tools/llama-bench/llama-bench.cpp, test::get_fields),
 * for scripts/compare-llama-bench.py and whatever else reads them. The columns are those that
 * llama-bench writes and use_mmap, which the script still asks for.
 *
 * The script joins rows of two commits on most columns, and NULL equals nothing. So a setting of
 * llama.cpp that ternmark does not have holds llama-bench's value for "not set". What ternmark
 * could know and does not is null. llama-bench has no column for a kernel: it is in model_type. */
#include "reports/export_format.h"
#include "reports/output/table.h"

#include "harness/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum column_type { TEXT, BOOLEAN, INTEGER, REAL } column_type;

/* What fills a column. */
typedef enum column_source {
    FIXED, /* the row's text, NULL: not known */
    COMMIT,
    MACHINE,
    MODEL,
    MODEL_AND_KERNEL,
    BATCH,
    CACHE,
    THREADS,
    PROMPT,
    GENERATED,
    DEPTH,
    DATE,
    MEAN_NS,
    STDDEV_NS,
    MEAN_RATE,
    STDDEV_RATE
} column_source;

static const struct column {
    const char *name;
    column_type type;
    column_source source;
    const char *fixed;
} columns[] = {
    {"build_commit", TEXT, COMMIT, NULL},
    {"build_number", INTEGER, FIXED, NULL},
    {"cpu_info", TEXT, MACHINE, NULL},
    {"gpu_info", TEXT, FIXED, ""},
    {"backends", TEXT, FIXED, "CPU"},
    {"model_filename", TEXT, MODEL, NULL},
    {"model_type", TEXT, MODEL_AND_KERNEL, NULL},
    {"model_size", INTEGER, FIXED, NULL},
    {"model_n_params", INTEGER, FIXED, NULL},
    {"n_batch", INTEGER, BATCH, NULL},
    {"n_ubatch", INTEGER, BATCH, NULL},
    {"n_threads", INTEGER, THREADS, NULL},
    {"cpu_mask", TEXT, FIXED, "0x0"},
    {"cpu_strict", BOOLEAN, FIXED, "0"},
    {"poll", INTEGER, FIXED, "50"},
    {"type_k", TEXT, CACHE, NULL},
    {"type_v", TEXT, CACHE, NULL},
    {"n_gpu_layers", INTEGER, FIXED, "0"},
    {"n_cpu_moe", INTEGER, FIXED, "0"},
    {"split_mode", TEXT, FIXED, "none"},
    {"main_gpu", INTEGER, FIXED, "0"},
    {"no_kv_offload", BOOLEAN, FIXED, "0"},
    {"flash_attn", INTEGER, FIXED, "0"},
    {"devices", TEXT, FIXED, "none"},
    {"tensor_split", TEXT, FIXED, "0.00"},
    {"tensor_buft_overrides", TEXT, FIXED, "none"},
    {"use_mmap", BOOLEAN, FIXED, "1"},
    {"load_mode", TEXT, FIXED, "mmap"},
    {"embeddings", BOOLEAN, FIXED, "0"},
    {"no_op_offload", INTEGER, FIXED, "0"},
    {"no_host", BOOLEAN, FIXED, "0"},
    {"fit_target", INTEGER, FIXED, "0"},
    {"fit_min_ctx", INTEGER, FIXED, "0"},
    {"n_prompt", INTEGER, PROMPT, NULL},
    {"n_gen", INTEGER, GENERATED, NULL},
    {"n_depth", INTEGER, DEPTH, NULL},
    {"test_time", TEXT, DATE, NULL},
    {"avg_ns", INTEGER, MEAN_NS, NULL},
    {"stddev_ns", INTEGER, STDDEV_NS, NULL},
    {"avg_ts", REAL, MEAN_RATE, NULL},
    {"stddev_ts", REAL, STDDEV_RATE, NULL},
};
#define N_COLUMNS ((int)(sizeof columns / sizeof *columns))

const char *tm_export_llama_refuses(const tm_cell *cell)
{
    return cell->n_sequences > 1 ? "of several sequences decoded together" : NULL;
}

/* A cell and its samples. */
typedef struct row {
    const tm_export *e;
    const tm_cell_summary *cell;
    double *ns, *rate; /* [n]; ns owns the memory */
    int n;
} row;

static tm_status read_row(const tm_export *e, int index, row *out, tm_error *err)
{
    const tm_record **samples;
    *out = (row){.e = e, .cell = e->rows[index].cell};
    tm_status status = tm_export_samples(e, out->cell, &samples, &out->n, err);
    if (status != TM_OK) return status;
    out->ns = calloc((size_t)out->n * 2 + 1, sizeof *out->ns);
    out->rate = out->ns ? out->ns + out->n : NULL;
    for (int i = 0; i < out->n && out->ns; i++) {
        out->ns[i] = (double)samples[i]->sample.elapsed_ns;
        out->rate[i] = tm_record_rate(samples[i]);
    }
    free(samples);
    return out->ns ? TM_OK : tm_fail(err, TM_NOMEM, "out of memory for %d samples", out->n);
}

static double number_of(const row *r, column_source source)
{
    const tm_cell *c = &r->cell->cell;
    switch (source) {
    case BATCH: /* a prompt is one batch, a generated token is one of its own */
        return c->n_prompt > 0 ? c->n_prompt : 1;
    case THREADS:
        return c->threads;
    case PROMPT:
        return c->n_prompt;
    case GENERATED:
        return c->n_gen;
    case DEPTH:
        return c->depth;
    case MEAN_NS:
        return round(tm_mean(r->ns, r->n));
    case STDDEV_NS:
        return round(tm_standard_deviation(r->ns, r->n));
    case MEAN_RATE:
        return tm_mean(r->rate, r->n);
    case STDDEV_RATE:
        return tm_standard_deviation(r->rate, r->n);
    default:
        return NAN;
    }
}

/* The value of a column as text without quotes. Returns false if it is missing. */
static bool put_value(const row *r, const struct column *column, tm_text *out)
{
    const tm_cell *c = &r->cell->cell;
    const char *text = column->fixed;
    char number[64];
    tm_text made = {0};
    switch (column->source) {
    case FIXED:
        break;
    case COMMIT:
        text = tm_export_environment(r->e, r->cell, "commit");
        break;
    case DATE:
        text = tm_export_environment(r->e, r->cell, "date");
        break;
    case CACHE: /* that of the engine when it is timed; a peer's is not known */
        text = strcmp(c->engine, "ternmark") == 0 ? "f32" : NULL;
        break;
    case MODEL:
        text = c->model;
        break;
    case MACHINE:
        tm_export_machine(r->e, c->machine, &made);
        text = tm_text_string(&made);
        break;
    case MODEL_AND_KERNEL:
        tm_text_format(&made, "%s %s", c->model, c->kernel);
        tm_export_name_rest(r->e, r->cell, &made);
        text = tm_text_string(&made);
        break;
    default:
        text = tm_number_short(number_of(r, column->source), column->type == REAL ? 9 : 15, number,
                               sizeof number);
        if (!*text) text = NULL;
    }
    tm_export_put(out, text, NULL);
    out->failed |= made.failed;
    tm_text_free(&made);
    return text;
}

/* Calls put for the value of each column of each row; text: NULL if it is missing. */
typedef void put_column(void *to, int column, const char *text);
static void put_columns(const row *r, put_column *put, void *to)
{
    for (int i = 0; i < N_COLUMNS; i++) {
        tm_text text = {0};
        bool has_value = put_value(r, &columns[i], &text);
        put(to, i, has_value ? tm_text_string(&text) : NULL);
        tm_text_free(&text);
    }
}

/* --- JSON --- */

static void put_member(void *to, int column, const char *text)
{
    const char *name = columns[column].name;
    if (!text)
        tm_json_set(to, name, tm_json_null());
    else if (columns[column].type == TEXT)
        tm_json_put_string(to, name, text);
    else if (columns[column].type == BOOLEAN)
        tm_json_put_bool(to, name, text[0] == '1');
    else
        tm_json_put_number(to, name, strtod(text, NULL));
}

static tm_json *numbers(const double *values, int n)
{
    tm_json *out = tm_json_array();
    for (int i = 0; i < n; i++) tm_json_append(out, tm_json_number(values[i]));
    return out;
}

tm_status tm_export_write_llama_json(const tm_export *e, tm_text *out, tm_error *err)
{
    tm_json *rows = tm_json_array();
    tm_status status = TM_OK;
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) {
        row r;
        tm_json *json = tm_json_object();
        status = read_row(e, i, &r, err);
        if (status == TM_OK) {
            put_columns(&r, put_member, json);
            tm_json_set(json, "samples_ns", numbers(r.ns, r.n));
            tm_json_set(json, "samples_ts", numbers(r.rate, r.n));
        }
        tm_json_append(rows, json);
        free(r.ns);
    }
    if (status == TM_OK) return tm_text_put_json(out, rows, true, err);
    tm_json_free(rows);
    return status;
}

/* --- CSV and SQL --- */

static void put_field(void *to, int column, const char *text)
{
    if (column > 0) tm_text_add_char(to, ',');
    tm_csv_escape(text, to);
}

static const char *double_quotes(char c)
{
    return c == '\'' ? "''" : NULL;
}

static void put_literal(void *to, int column, const char *text)
{
    tm_text_add(to, column > 0 ? ", " : "");
    if (!text || columns[column].type != TEXT) {
        tm_text_add(to, text ? text : "NULL");
        return;
    }
    tm_text_add_char(to, '\'');
    tm_export_put(to, text, double_quotes);
    tm_text_add_char(to, '\'');
}

static void put_names(tm_text *out, const char *between)
{
    for (int i = 0; i < N_COLUMNS; i++)
        tm_text_format(out, "%s%s", i > 0 ? between : "", columns[i].name);
}

tm_status tm_export_write_llama_csv(const tm_export *e, tm_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    put_names(out, ",");
    tm_text_add(out, "\r\n");
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) {
        row r;
        status = read_row(e, i, &r, err);
        if (status == TM_OK) {
            put_columns(&r, put_field, out);
            tm_text_add(out, "\r\n");
        }
        free(r.ns);
    }
    return status;
}

tm_status tm_export_write_llama_sql(const tm_export *e, tm_text *out, tm_error *err)
{
    static const char *const types[] = {"TEXT", "INTEGER", "INTEGER", "REAL"};
    tm_status status = TM_OK;
    tm_text_add(out, "CREATE TABLE IF NOT EXISTS llama_bench (\n");
    for (int i = 0; i < N_COLUMNS; i++)
        tm_text_format(out, "  %s %s%s\n", columns[i].name, types[columns[i].type],
                       i < N_COLUMNS - 1 ? "," : "");
    tm_text_add(out, ");\n");
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) {
        row r;
        status = read_row(e, i, &r, err);
        if (status == TM_OK) {
            tm_text_add(out, "INSERT INTO llama_bench (");
            put_names(out, ", ");
            tm_text_add(out, ") VALUES (");
            put_columns(&r, put_literal, out);
            tm_text_add(out, ");\n");
        }
        free(r.ns);
    }
    return status;
}
