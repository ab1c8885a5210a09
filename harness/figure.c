#include "harness/figure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void tm_figure_set(tm_figure *figure, double value)
{
    figure->value = value;
    figure->missing[0] = 0;
    if (!isfinite(value)) tm_figure_miss(figure, "the figure is not finite");
}

void tm_figure_miss(tm_figure *figure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    figure->value = NAN;
    vsnprintf(figure->missing, sizeof figure->missing, fmt, args);
    va_end(args);
}

void tm_figure_put(tm_json *object, const char *key, const tm_figure *figure)
{
    if (isfinite(figure->value))
        tm_json_put_number(object, key, figure->value);
    else
        tm_json_put_missing(object, key, figure->missing[0] ? figure->missing : "not measured");
}
