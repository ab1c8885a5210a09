#include "engine/gguf_private.h"

#include <stdio.h>
#include <stdlib.h>

/* The end of a part's name: "-00002-of-00003.gguf". */
#define NUMBER_DIGITS 5
#define SUFFIX_LENGTH 20

/* Reads the five digits at `text`; -1 if they are not digits. */
static int five_digits(const char *text)
{
    int value = 0;
    for (int i = 0; i < NUMBER_DIGITS; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

int tm_gguf_name_parts(const char *path, int *index)
{
    size_t length = strlen(path);
    if (index) *index = 0;
    if (length <= SUFFIX_LENGTH) return 1;
    const char *suffix = path + length - SUFFIX_LENGTH;
    if (suffix[0] != '-' || memcmp(suffix + 6, "-of-", 4) != 0 ||
        memcmp(suffix + 15, ".gguf", 5) != 0)
        return 1;
    int number = five_digits(suffix + 1), count = five_digits(suffix + 10);
    if (count < 2 || number < 1 || number > count) return 1;
    if (index) *index = number - 1;
    return count;
}

void tm_gguf_name_part(const char *path, int index, char *out)
{
    size_t length = strlen(path);
    char digits[16];
    memcpy(out, path, length + 1);
    snprintf(digits, sizeof digits, "%05d", index + 1);
    memcpy(out + length - SUFFIX_LENGTH + 1, digits, NUMBER_DIGITS);
}

/* A key that every part must have with the same value. */
static tm_status check_key(const tm_gguf *part, const char *key, uint32_t wanted, const char *why,
                           tm_error *err)
{
    uint32_t value = 0;
    tm_status status = tm_gguf_u32(part, key, &value, NULL, err);
    if (status) return tm_fail_in(err, "%s", part->path);
    if (value == wanted) return TM_OK;
    return tm_fail(err, TM_FORMAT,
                   "%s: key '%s' is %u, but %s %u; all parts must be of one split model",
                   part->path, key, value, why, wanted);
}

static int compare_names(const void *a, const void *b)
{
    return tm_gguf_compare_names((*(const tm_gguf_tensor *const *)a)->name,
                                 (*(const tm_gguf_tensor *const *)b)->name);
}

static tm_status check_twice(const tm_gguf_tensor *const *by_name, size_t n, tm_error *err)
{
    for (size_t i = 1; i < n; i++) {
        const tm_gguf_tensor *a = by_name[i - 1], *b = by_name[i];
        char quoted[TM_GGUF_QUOTED];
        if (tm_gguf_compare_names(a->name, b->name) == 0)
            return tm_fail(err, TM_FORMAT,
                           "%s: tensor %s is also in %s; all parts must be of one split model",
                           b->gguf->path, tm_gguf_quote(b->name, quoted), a->gguf->path);
    }
    return TM_OK;
}

static tm_status check_parts(tm_gguf *const *parts, int n, size_t *n_tensors, tm_error *err)
{
    uint32_t total = 0;
    tm_status status = tm_gguf_u32(parts[0], "split.tensors.count", &total, NULL, err);
    if (status) return tm_fail_in(err, "%s", parts[0]->path);
    *n_tensors = 0;
    for (int i = 0; i < n; i++) {
        status = check_key(parts[i], "split.no", (uint32_t)i, "by its name it must be", err);
        if (!status)
            status = check_key(parts[i], "split.count", (uint32_t)n, "by its name it must be", err);
        if (!status)
            status =
                check_key(parts[i], "split.tensors.count", total, "in the first part it is", err);
        if (status) return status;
        *n_tensors += (size_t)parts[i]->n_tensors;
    }
    if (*n_tensors != total || total > INT32_MAX)
        return tm_fail(err, TM_FORMAT,
                       "%s: key 'split.tensors.count' is %u, but the %d parts have %zu tensors",
                       parts[0]->path, total, n, *n_tensors);
    return TM_OK;
}

tm_status tm_gguf_join(tm_gguf **parts, int n, tm_error *err)
{
    tm_gguf *first = parts[0];
    tm_gguf_tensor *tensors = NULL;
    const tm_gguf_tensor **by_name = NULL;
    tm_gguf **others = NULL;
    size_t n_tensors = 0, at = 0;
    tm_status status = check_parts(parts, n, &n_tensors, err);
    if (!status && n_tensors == 0)
        status = tm_fail(err, TM_FORMAT, "%s: the %d parts have no tensors", first->path, n);
    if (status) return status;
    status = tm_alloc((void **)&tensors, n_tensors, sizeof *tensors, "GGUF tensors", err);
    if (!status)
        status = tm_alloc((void **)&by_name, n_tensors, sizeof *by_name, "GGUF tensor names", err);
    if (!status)
        status = tm_alloc((void **)&others, (size_t)n - 1, sizeof *others, "GGUF parts", err);
    for (int i = 0; i < n && !status; i++)
        for (int k = 0; k < parts[i]->n_tensors; k++, at++) {
            tensors[at] = parts[i]->tensors[k];
            by_name[at] = &tensors[at];
        }
    if (!status) qsort(by_name, n_tensors, sizeof *by_name, compare_names);
    if (!status) status = check_twice(by_name, n_tensors, err);
    if (status) {
        tm_free(tensors);
        tm_free(by_name);
        tm_free(others);
        return status;
    }
    tm_free(first->tensors);
    tm_free(first->by_name);
    first->tensors = tensors;
    first->by_name = by_name;
    first->n_tensors = (int)n_tensors;
    first->others = others;
    first->n_others = n - 1;
    memcpy(others, parts + 1, ((size_t)n - 1) * sizeof *others);
    return TM_OK;
}

static tm_status open_others(tm_gguf *named, tm_gguf **parts, int n, int index, tm_error *err)
{
    char *path = NULL;
    tm_status status = tm_alloc((void **)&path, strlen(named->path) + 1, 1, "a GGUF path", err);
    for (int i = 0; i < n && !status; i++) {
        if (i == index) continue;
        tm_gguf_name_part(named->path, i, path);
        status = tm_gguf_open_file(path, &parts[i], err);
        if (status)
            (void)tm_fail_in(err, "part %d of %d, which must be in the same folder", i + 1, n);
    }
    tm_free(path);
    return status;
}

tm_status tm_gguf_open_parts(tm_gguf *named, tm_gguf **out, tm_error *err)
{
    uint32_t count = 0;
    int index, n = tm_gguf_name_parts(named->path, &index);
    bool found;
    tm_gguf **parts = NULL;
    tm_status status = tm_gguf_u32(named, "split.count", &count, &found, err);
    if (!status && n == 1 && count > 1)
        status = tm_fail(err, TM_FORMAT,
                         "it is one of %u parts of a split model; its name must end in "
                         "-NNNNN-of-%05u.gguf, so that the others are found",
                         count, count);
    else if (!status && n > 1 && !found)
        status = tm_fail(err, TM_FORMAT,
                         "its name says %d parts, but key 'split.count' is missing; rename the "
                         "file if it holds a whole model",
                         n);
    else if (!status && n > 1 && count != (uint32_t)n)
        status = tm_fail(err, TM_FORMAT, "its name says %d parts, but key 'split.count' is %u", n,
                         count);
    if (status) {
        (void)tm_fail_in(err, "%s", named->path);
        tm_gguf_close(named);
        return status;
    }
    if (n == 1) {
        *out = named;
        return TM_OK;
    }
    status = tm_alloc((void **)&parts, (size_t)n, sizeof *parts, "GGUF parts", err);
    if (status) {
        tm_gguf_close(named);
        return status;
    }
    parts[index] = named;
    status = open_others(named, parts, n, index, err);
    if (!status) status = tm_gguf_join(parts, n, err);
    if (!status) *out = parts[0];
    for (int i = 0; i < n && status; i++) tm_gguf_close(parts[i]);
    tm_free(parts);
    return status;
}
