#include "harness/base/sysfs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* cpuinfo of a large machine is long; its first processors and a whole status file fit. */
#define FILE_ROOM 65536

static int open_below(const char *root, const char *path)
{
    char name[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s%s%s", root,
                     root[0] && root[strlen(root) - 1] == '/' ? "" : "/", path);
    errno = ENAMETOOLONG;
    return n < (int)sizeof name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
}

bool tm_sysfs_text(const char *root, const char *path, char *text, size_t size)
{
    size_t n = 0;
    text[0] = 0;
    int fd = open_below(root, path);
    if (fd < 0) return false;
    while (n + 1 < size) {
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            close(fd);
            text[0] = 0;
            return false;
        }
        if (got == 0) break;
        n += (size_t)got;
    }
    close(fd);
    if (n > 0 && text[n - 1] == '\n') n--;
    text[n] = 0;
    return true;
}

/* Higher descriptors are not kept: the usual limit is 1024 per process, and a chip may have one
 * meter per core. */
#define KEPT_MAX 256

/* Keeping the file open saves 40 % of the cost of a read. A file that was removed or replaced has
 * no link any more and is opened again; the file of a device that is gone fails by itself. */
int tm_sysfs_read_int(const char *root, const char *path, int *kept,
                      char text[TM_SYSFS_NUMBER_SIZE], int64_t *out)
{
    char *end;
    struct stat st;
    int fd = kept ? *kept : -1;
    text[0] = 0;
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_nlink == 0)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) fd = open_below(root, path);
    ssize_t n = fd < 0 ? -1 : pread(fd, text, TM_SYSFS_NUMBER_SIZE - 1, 0);
    int why = errno;
    if (fd >= 0 && (!kept || n < 0 || fd > KEPT_MAX)) {
        close(fd);
        fd = -1;
    }
    if (kept) *kept = fd;
    if (n < 0) return why;
    if (n > 0 && text[n - 1] == '\n') n--;
    text[n] = 0;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno) return EINVAL;
    *out = value;
    return 0;
}

bool tm_sysfs_int(const char *root, const char *path, int64_t *out)
{
    char text[TM_SYSFS_NUMBER_SIZE];
    return tm_sysfs_read_int(root, path, NULL, text, out) == 0;
}

bool tm_sysfs_field(const char *root, const char *path, const char *key, char *text, size_t size)
{
    static _Thread_local char file[FILE_ROOM];
    size_t length = strlen(key);
    text[0] = 0;
    if (!tm_sysfs_text(root, path, file, sizeof file)) return false;
    for (char *line = file; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, length) != 0) continue;
        const char *value = line + length;
        if (*value != ':' && !isspace((unsigned char)*value)) continue;
        value += strspn(value, " \t");
        size_t n = strcspn(value, "\n");
        /* "model name : x" is not the field "model". */
        if (*value != ':' && memchr(value, ':', n)) continue;
        if (*value == ':') value++;
        value += strspn(value, " \t");
        n = strcspn(value, "\n");
        while (n > 0 && isspace((unsigned char)value[n - 1])) n--;
        if (n >= size) n = size - 1;
        memcpy(text, value, n);
        text[n] = 0;
        return true;
    }
    return false;
}

bool tm_sysfs_kb(const char *root, const char *path, const char *key, int64_t *bytes)
{
    char text[64], *end;
    if (!tm_sysfs_field(root, path, key, text, sizeof text)) return false;
    errno = 0;
    long long kb = strtoll(text, &end, 10);
    if (end == text || errno || strcmp(end, " kB") != 0 || kb < 0 || kb > INT64_MAX / 1024)
        return false;
    *bytes = kb * 1024;
    return true;
}

bool tm_sysfs_choice(const char *root, const char *path, char *text, size_t size)
{
    char all[256];
    if (!tm_sysfs_text(root, path, all, sizeof all)) return false;
    const char *open = strchr(all, '['), *close = open ? strchr(open, ']') : NULL;
    if (!close || (size_t)(close - open) > size) return false;
    memcpy(text, open + 1, (size_t)(close - open) - 1);
    text[close - open - 1] = 0;
    return true;
}

int tm_sysfs_cpu_list(const char *text, int *cpus, int max)
{
    int n = 0;
    while (n < max) {
        char *end;
        long low = strtol(text, &end, 10), high = low;
        if (end == text || low < 0 || low > 1 << 20) break;
        if (*end == '-') {
            high = strtol(text = end + 1, &end, 10);
            if (end == text || high < low || high > 1 << 20) break;
        }
        for (long c = low; c <= high && n < max; c++) cpus[n++] = (int)c;
        if (*end != ',') break;
        text = end + 1;
    }
    return n;
}

/* Hexadecimal digits, CPU 0 in the last one, with a comma between groups of 32 bits. */
static int cpus_of_mask(const char *text, int *cpus, int max)
{
    int n = 0, bit = 0;
    for (const char *c = text + strlen(text); c-- > text;) {
        if (!isxdigit((unsigned char)*c)) continue;
        char digit[2] = {*c, 0};
        long bits = strtol(digit, NULL, 16);
        for (int i = 0; i < 4 && n < max; i++)
            if (bits >> i & 1) cpus[n++] = bit + i;
        bit += 4;
    }
    return n;
}

int tm_sysfs_cpus(const char *root, const char *list, const char *mask, int *cpus, int max)
{
    char text[8192];
    if (tm_sysfs_text(root, list, text, sizeof text)) return tm_sysfs_cpu_list(text, cpus, max);
    if (tm_sysfs_text(root, mask, text, sizeof text)) return cpus_of_mask(text, cpus, max);
    return -1;
}
