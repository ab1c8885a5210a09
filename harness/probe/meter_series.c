#include "harness/probe/meter_series.h"

#include "harness/base/user_file.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SAMPLES (1 << 22)
#define MIN_SAMPLES 10

static bool grow(tm_meter_series *s)
{
    if (s->n < s->room) return true;
    int room = s->room ? 2 * s->room : 1024;
    if (room > MAX_SAMPLES) return false;
    double *time = realloc(s->time, (size_t)room * sizeof *time);
    if (time) s->time = time;
    double *value = realloc(s->value, (size_t)room * sizeof *value);
    if (value) s->value = value;
    if (!time || !value) return false;
    s->room = room;
    return true;
}

void tm_meter_series_free(tm_meter_series *s)
{
    free(s->time);
    free(s->value);
    memset(s, 0, sizeof *s);
}

#define BLANKS " \t\r"

/* What separates the fields of a file whose first line this is. A tab separates like a blank. */
static char find_separator(const char *line)
{
    return strchr(line, ';') ? ';' : strchr(line, ',') ? ',' : ' ';
}

static const char *skip_blanks(const char *text)
{
    return text + strspn(text, BLANKS);
}

/* The fields of a line, of which the first two are copied. Returns the number of all. */
static int split_fields(const char *line, char separator, char fields[2][40])
{
    char stops[] = {separator, separator == ' ' ? '\t' : 0, separator == ' ' ? '\r' : 0, 0};
    int n = 0;
    fields[0][0] = fields[1][0] = 0;
    for (const char *at = skip_blanks(line); *at; n++) {
        size_t length = strcspn(at, stops), used = length;
        while (used > 0 && strchr(BLANKS, at[used - 1])) used--;
        if (n < 2) snprintf(fields[n], 40, "%.*s", (int)(used < 39 ? used : 39), at);
        at += length;
        if (separator != ' ' && *at == separator) at++;
        at = skip_blanks(at);
    }
    return n;
}

/* "45,60" */
static bool has_decimal_comma(const char *text)
{
    const char *comma = strchr(text, ',');
    return comma && comma > text && isdigit((unsigned char)comma[-1]) &&
           isdigit((unsigned char)comma[1]);
}

static bool parse_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

/* Notes a line that cannot be read. */
TM_PRINTF(2, 3) static void leave_out(tm_meter_series *s, const char *fmt, ...)
{
    char why[sizeof s->bad[0].why];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (s->n > 0 && s->n_bad < TM_METER_SERIES_BAD_MAX) {
        s->bad[s->n_bad].before = s->n;
        memcpy(s->bad[s->n_bad++].why, why, sizeof why);
    } else {
        snprintf(s->broken, sizeof s->broken, "%s%s", why,
                 s->n > 0 ? ", and too many lines before it could not be read either" : "");
    }
}

static void add_sample(tm_meter_series *s, const char *value_text, double time, double value)
{
    if (s->n > 0 && time <= s->time[s->n - 1]) {
        leave_out(s, "sample %d at %.3f is not after the sample before it", s->n + 1, time);
        return;
    }
    if (!grow(s)) {
        snprintf(s->broken, sizeof s->broken, "more than %d samples, or not enough memory", s->n);
        return;
    }
    const char *point = strchr(value_text, '.');
    double digit = point ? pow(10, -(double)strspn(point + 1, "0123456789")) : 1;
    if (s->n == 0 || digit < s->digit) s->digit = digit;
    s->time[s->n] = time;
    s->value[s->n++] = value;
}

void tm_meter_series_add_line(tm_meter_series *s, const char *line, double offset)
{
    char fields[2][40];
    double time, value;
    while (isspace((unsigned char)*line)) line++;
    if (s->broken[0] || line[0] == 0 || line[0] == '#') return;
    if (!s->named) s->separator = find_separator(line);
    /* Some loggers name columns with commas and separate values with blanks. */
    int n = split_fields(line, strchr(line, s->separator) ? s->separator : ' ', fields);
    if (!s->named) {
        const char *unit = fields[1];
        s->named = n >= 2 && strcasecmp(fields[0], "time") == 0 &&
                   (strcasecmp(unit, "watts") == 0 || strcasecmp(unit, "joules") == 0);
        s->joules = s->named && strcasecmp(unit, "joules") == 0;
        s->n_fields = n;
        if (!s->named)
            snprintf(s->broken, sizeof s->broken,
                     "the first line is \"%.40s\", not \"time watts\" or \"time joules\"", line);
        return;
    }
    bool is_sample = n == s->n_fields && parse_number(fields[0], &time) &&
                     parse_number(fields[1], &value) && value >= 0;
    if (is_sample)
        add_sample(s, fields[1], time + offset, value);
    else if (has_decimal_comma(line) && (s->separator != ',' || n != s->n_fields))
        leave_out(s,
                  "sample %d, \"%.60s\", has a decimal comma or other columns than the first line; "
                  "write numbers with a decimal point",
                  s->n + 1, line);
    else if (n != s->n_fields)
        leave_out(s, "sample %d, \"%.60s\", has %d columns, but the first line has %d", s->n + 1,
                  line, n, s->n_fields);
    else
        leave_out(s, "sample %d, \"%.60s\", is not a time and %s", s->n + 1, line,
                  s->joules ? "joules" : "watts");
}

bool tm_meter_series_read(const char *path, double offset, tm_meter_series *s)
{
    char line[256];
    tm_error err;
    struct stat about;
    int fd;
    if (tm_user_file_open(path, TM_USER_FILE_TIMEOUT_MS, &fd, &err) != TM_OK) {
        snprintf(s->broken, sizeof s->broken, "%.159s", err.message);
        return false;
    }
    FILE *f = fdopen(fd, "r");
    if (!f) {
        snprintf(s->broken, sizeof s->broken, "%.100s: %s", path, strerror(errno));
        close(fd);
        return false;
    }
    /* A file that became shorter was begun again, and a pipe has no beginning to go back to. */
    if (s->consumed > 0 && fstat(fd, &about) == 0 && about.st_size < s->consumed)
        tm_meter_series_free(s);
    if (s->consumed > 0 && fseeko(f, s->consumed, SEEK_SET) != 0) s->consumed = 0;
    while (!s->broken[0] && fgets(line, sizeof line, f)) {
        size_t length = strlen(line);
        if (length + 1 == sizeof line && line[length - 1] != '\n')
            snprintf(s->broken, sizeof s->broken, "line \"%.40s...\" is longer than %zu characters",
                     line, sizeof line - 2);
        if (length > 0 && line[length - 1] != '\n') break; /* still being written */
        s->consumed += (int64_t)length;
        if (length > 0) line[length - 1] = 0;
        tm_meter_series_add_line(s, line, offset);
    }
    fclose(f);
    if (!s->named && !s->broken[0])
        snprintf(s->broken, sizeof s->broken, "%.100s has no complete line", path);
    return s->named;
}

double tm_meter_offset_error(double offset)
{
    if (offset == 0) return 0;
    double digit = 1;
    while (digit > 1e-3 && fabs(offset / digit - round(offset / digit)) > 1e-6) digit /= 10;
    return 0.5 * digit;
}

TM_PRINTF(2, 3) static void invalidate(tm_probe_value *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->reason, sizeof v->reason, fmt, args);
    va_end(args);
    v->state = TM_PROBE_INVALID;
}

/* Interpolates the value at a time between samples i - 1 and i. */
static double interpolate(const tm_meter_series *s, int i, double time)
{
    double share = (time - s->time[i - 1]) / (s->time[i] - s->time[i - 1]);
    return s->value[i - 1] + share * (s->value[i] - s->value[i - 1]);
}

void tm_meter_series_integrate(const tm_meter_series *s, double begin, double end,
                               tm_probe_value *v)
{
    if (s->n < 2 || s->time[0] > begin || s->time[s->n - 1] < end) {
        if (s->broken[0])
            invalidate(v, "the meter's samples do not cover the window: %s", s->broken);
        else if (s->n == 0)
            invalidate(v, "the meter has no sample");
        else
            invalidate(
                v,
                "the window from 0 to %.3f s extends outside the samples, which cover %.3f s to "
                "%.3f s",
                end - begin, s->time[0] - begin, s->time[s->n - 1] - begin);
        return;
    }
    int i = 1, n_inside = 0;
    while (s->time[i] <= begin) i++;
    for (int k = 0; k < s->n_bad; k++)
        if (s->bad[k].before >= i && s->time[s->bad[k].before - 1] < end) {
            invalidate(v, "%s", s->bad[k].why);
            return;
        }
    double time = begin, value = interpolate(s, i, begin), first = value;
    double total = 0, wobble = 0, gap = 0, low = value, high = value;
    for (bool last = false; !last; i++) {
        last = s->time[i] >= end;
        double next_time = last ? end : s->time[i];
        double next = last ? interpolate(s, i, end) : s->value[i];
        if (s->joules && s->value[i] < s->value[i - 1]) {
            invalidate(v, "the meter's count fell from %g J to %g J", s->value[i - 1], s->value[i]);
            return;
        }
        total += 0.5 * (value + next) * (next_time - time);
        wobble += 0.5 * fabs(next - value) * (next_time - time);
        gap = fmax(gap, s->time[i] - s->time[i - 1]);
        n_inside += !last;
        low = fmin(low, next);
        high = fmax(high, next);
        time = next_time;
        value = next;
    }
    v->n_samples = n_inside;
    v->rate_hz = n_inside / (end - begin);
    v->largest_gap_seconds = gap;
    if (n_inside < MIN_SAMPLES)
        invalidate(v, "only %d samples of the meter in %.3g s; at least %d are required", n_inside,
                   end - begin, MIN_SAMPLES);
    else if (gap > TM_METER_SERIES_GAP_SECONDS)
        invalidate(v, "the meter was silent for %.3g s; the limit is %.3g s", gap,
                   TM_METER_SERIES_GAP_SECONDS);
    else {
        v->value = s->joules ? value - first : total;
        /* Each edge of a count is wrong by at most the joules of one gap. A power may be the mean
         * since the sample before, and then shows a change that much later. */
        v->error_bound = s->joules ? 2 * v->value * gap / (end - begin) + 2 * s->digit
                                   : wobble + s->digit * (end - begin) + (high - low) * gap;
        if (!(v->value > 0)) {
            invalidate(v, "the meter read 0 for the whole window");
            v->state = TM_PROBE_STUCK;
            v->value = v->error_bound = NAN;
        }
    }
}

int tm_meter_series_trace(const tm_meter_series *s, double begin, double end, tm_probe_point *out,
                          int room)
{
    int n = 0, first = 0, last;
    while (first < s->n && s->time[first] < begin) first++;
    for (last = first; last < s->n && s->time[last] <= end;) last++;
    int stride = (last - first) / room + 1;
    for (int i = first; i < last; i += stride) {
        if (s->joules && i < stride) continue;
        double watts = s->value[i];
        if (s->joules)
            watts = (s->value[i] - s->value[i - stride]) / (s->time[i] - s->time[i - stride]);
        if (watts >= 0) out[n++] = (tm_probe_point){s->time[i] - begin, watts};
    }
    return n;
}
