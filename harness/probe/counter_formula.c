/* Evaluates the formulas of counter groups: + - * / and parentheses over words and numbers. */
#include "harness/probe/counter_group.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 32 /* of parentheses and signs; each level takes a few stack frames */

typedef struct parser {
    const char *formula, *at;
    tm_counter_lookup lookup;
    void *arg;
    char *missing; /* the first reason; "": none */
    size_t missing_size;
    int depth;
    tm_status status;
    tm_error *err;
} parser;

static double sum(parser *p);

static double fail_here(parser *p, const char *what)
{
    if (p->status == TM_OK)
        p->status = tm_fail(p->err, TM_FORMAT, "\"%.120s\": %s at column %d", p->formula, what,
                            (int)(p->at - p->formula) + 1);
    return NAN;
}

static void set_missing(parser *p, const char *why)
{
    if (!p->missing[0]) snprintf(p->missing, p->missing_size, "%s", why);
}

static char skip_blanks(parser *p)
{
    while (*p->at == ' ' || *p->at == '\t') p->at++;
    return *p->at;
}

static bool accept(parser *p, char c)
{
    if (p->status != TM_OK || skip_blanks(p) != c) return false;
    p->at++;
    return true;
}

static double word(parser *p)
{
    char name[48], text[120];
    const char *missing = NULL, *begin = p->at;
    double value = NAN;
    size_t n = 0;
    while (isalnum((unsigned char)*p->at) || *p->at == '_') {
        if (n < sizeof name - 1) name[n] = *p->at;
        n++;
        p->at++;
    }
    if (n >= sizeof name) {
        p->at = begin;
        return fail_here(p, "the word is longer than 47 characters");
    }
    name[n] = 0;
    if (!p->lookup(p->arg, name, &value, &missing)) {
        p->at = begin;
        snprintf(text, sizeof text, "\"%s\" is neither an event of the group nor a known word",
                 name);
        return fail_here(p, text);
    }
    if (missing) set_missing(p, missing);
    return value;
}

static double factor(parser *p)
{
    double value;
    if (p->status != TM_OK) return NAN;
    if (p->depth >= MAX_DEPTH) return fail_here(p, "nested too deeply");
    char c = skip_blanks(p);
    p->depth++;
    if (accept(p, '(')) {
        value = sum(p);
        if (!accept(p, ')')) value = fail_here(p, "a parenthesis is not closed");
    } else if (accept(p, '-')) {
        value = -factor(p);
    } else if (isalpha((unsigned char)c) || c == '_') {
        value = word(p);
    } else if (isdigit((unsigned char)c) || c == '.') {
        char *end;
        value = strtod(p->at, &end);
        if (end == p->at || !isfinite(value)) return fail_here(p, "not a number");
        p->at = end;
    } else {
        value = fail_here(p, c ? "expected a number, a word or (" : "the formula ends too early");
    }
    p->depth--;
    return value;
}

static double product(parser *p)
{
    double value = factor(p);
    for (;;) {
        if (accept(p, '*')) {
            value *= factor(p);
        } else if (accept(p, '/')) {
            double by = factor(p);
            if (by == 0) set_missing(p, "division by 0");
            value /= by;
        } else {
            return value;
        }
    }
}

static double sum(parser *p)
{
    double value = product(p);
    for (;;) {
        if (accept(p, '+'))
            value += product(p);
        else if (accept(p, '-'))
            value -= product(p);
        else
            return value;
    }
}

tm_status tm_counter_formula(const char *formula, tm_counter_lookup lookup, void *arg, double *out,
                             char *missing, size_t missing_size, tm_error *err)
{
    parser p = {.formula = formula,
                .at = formula,
                .lookup = lookup,
                .arg = arg,
                .missing = missing,
                .missing_size = missing_size,
                .err = err};
    missing[0] = 0;
    *out = sum(&p);
    if (p.status == TM_OK && skip_blanks(&p)) (void)fail_here(&p, "expected an operator");
    if (p.status == TM_OK && !missing[0] && !isfinite(*out))
        snprintf(missing, missing_size, "the result is not finite");
    if (missing[0] || p.status != TM_OK) *out = NAN;
    return p.status;
}
