/* Small reads of /proc and /sys below a root directory. Any file may be absent or malformed. */
#ifndef TM_HARNESS_BASE_SYSFS_H
#define TM_HARNESS_BASE_SYSFS_H

#include "kernels/base.h"

/* The first size - 1 bytes of root/path without a final newline, NUL-terminated. False if
 * unreadable. path does not begin with a slash. */
bool tm_sysfs_text(const char *root, const char *path, char *text, size_t size);
/* A file that holds one whole number in decimal. */
bool tm_sysfs_int(const char *root, const char *path, int64_t *out);

#define TM_SYSFS_NUMBER_SIZE 64
/* The same for a file that is read again and again. kept: a descriptor that stays open between
 * reads, -1 at first; NULL: none does. text: what the file holds, for messages. Returns 0 or an
 * errno; EINVAL: the file holds no whole number. */
int tm_sysfs_read_int(const char *root, const char *path, int *kept,
                      char text[TM_SYSFS_NUMBER_SIZE], int64_t *out);
/* The value after "key" and a colon or white space at the start of a line, trimmed: "model name" in
 * cpuinfo, "VmHWM" in status, "inactive_file" in memory.stat. */
bool tm_sysfs_field(const char *root, const char *path, const char *key, char *text, size_t size);
/* The same for a number of kB, returned in bytes. */
bool tm_sysfs_kb(const char *root, const char *path, const char *key, int64_t *bytes);
/* The bracketed word of "always [madvise] never". */
bool tm_sysfs_choice(const char *root, const char *path, char *text, size_t size);
/* Parses a CPU list as the kernel prints it, "0-3,8". Returns how many, at most max. */
int tm_sysfs_cpu_list(const char *text, int *cpus, int max);
/* Reads the list in root/list, or else the mask in root/mask ("ff,00000003"): Linux before
 * 2.6.25 and some records have only the mask. Returns -1 if neither is readable. */
int tm_sysfs_cpus(const char *root, const char *list, const char *mask, int *cpus, int max);

#endif
