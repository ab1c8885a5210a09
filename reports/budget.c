#include "reports/budget.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one of a unit is in the unit of a metric. */
static const struct {
    const char *name, *of;
    double factor;
} units[] = {
    {"tokens/s", "tokens/s", 1},
    {"us", "ms", 1e-3},
    {"ms", "ms", 1},
    {"s", "ms", 1e3},
    {"B", "bytes", 1},
    {"KiB", "bytes", 0x1p10},
    {"MiB", "bytes", 0x1p20},
    {"GiB", "bytes", 0x1p30},
    {"kB", "bytes", 1e3},
    {"MB", "bytes", 1e6},
    {"GB", "bytes", 1e9},
    {"mJ", "J/token", 1e-3},
    {"J", "J/token", 1},
};
#define N_UNITS (sizeof units / sizeof *units)

typedef struct parser {
    const char *text, *at;
    tm_error *err;
} parser;

static tm_status fail_at(const parser *p, const char *expected)
{
    return tm_fail(p->err, TM_ARG, "budget \"%.200s\", character %d: expected %s", p->text,
                   (int)(p->at - p->text) + 1, expected);
}

static void skip_blanks(parser *p)
{
    while (*p->at == ' ') p->at++;
}

static tm_status read_metric(parser *p, tm_budget *out)
{
    char name[64], message[256];
    tm_error why;
    size_t n = strspn(p->at, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (n == 0 || n >= sizeof name) return fail_at(p, "the name of a metric");
    memcpy(name, p->at, n);
    name[n] = 0;
    if (tm_metric_need(name, &out->metric, &why) != TM_OK) {
        snprintf(message, sizeof message, "the name of a metric: %.200s", why.message);
        return fail_at(p, message);
    }
    p->at += n;
    return TM_OK;
}

static tm_status read_operator(parser *p, tm_budget *out)
{
    if (*p->at != '>' && *p->at != '<') return fail_at(p, ">= or <=");
    out->at_least = *p->at++ == '>';
    if (*p->at == '=') p->at++;
    return TM_OK;
}

/* The unit's factor; without a unit the metric's own, but bytes and times must name one. */
static tm_status read_unit(parser *p, tm_budget *out)
{
    char expected[128];
    size_t n = strcspn(p->at, " ,");
    const char *unit = out->metric->unit;
    bool is_plain = strcmp(unit, "bytes") != 0 && strcmp(unit, "ms") != 0;
    if (n == 0 && is_plain) return TM_OK;
    for (size_t i = 0; i < N_UNITS; i++)
        if (strlen(units[i].name) == n && strncmp(units[i].name, p->at, n) == 0 &&
            strcmp(units[i].of, unit) == 0) {
            out->limit *= units[i].factor;
            p->at += n;
            return TM_OK;
        }
    int length = snprintf(expected, sizeof expected, "a unit of %s:", out->metric->name);
    for (size_t i = 0; i < N_UNITS; i++)
        if (strcmp(units[i].of, unit) == 0)
            length +=
                snprintf(expected + length, sizeof expected - (size_t)length, " %s", units[i].name);
    if (expected[strlen(expected) - 1] == ':')
        snprintf(expected, sizeof expected, "no unit: %s has none", out->metric->name);
    return fail_at(p, expected);
}

static tm_status read_number(parser *p, tm_budget *out)
{
    char *end;
    if (!isdigit((unsigned char)*p->at) && *p->at != '.') return fail_at(p, "a number");
    out->limit = strtod(p->at, &end);
    /* strtod follows the locale, which this program never sets: '.' is the decimal point. */
    if (end == p->at || !(out->limit > 0) || !isfinite(out->limit))
        return fail_at(p, "a number above 0");
    p->at = end;
    return TM_OK;
}

tm_status tm_budgets_parse(const char *text, tm_budgets *out, tm_error *err)
{
    parser p = {text, text, err};
    memset(out, 0, sizeof *out);
    do {
        if (out->n == TM_BUDGETS_MAX) return fail_at(&p, "at most 32 limits");
        tm_budget *b = &out->items[out->n++];
        skip_blanks(&p);
        const char *begin = p.at;
        tm_status status = read_metric(&p, b);
        skip_blanks(&p);
        if (status == TM_OK) status = read_operator(&p, b);
        skip_blanks(&p);
        if (status == TM_OK) status = read_number(&p, b);
        if (status == TM_OK) status = read_unit(&p, b);
        if (status != TM_OK) return status;
        snprintf(b->text, sizeof b->text, "%.*s", (int)(p.at - begin), begin);
        skip_blanks(&p);
        if (*p.at && *p.at != ',') return fail_at(&p, "a comma, or the end");
    } while (*p.at++ == ',');
    return TM_OK;
}
