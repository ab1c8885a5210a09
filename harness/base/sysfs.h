/* Small readings of /proc and /sys below a root directory: files of a few lines, never trusted to
 * be there or to say what they should. */
#ifndef TM_HARNESS_BASE_SYSFS_H
#define TM_HARNESS_BASE_SYSFS_H

#include "kernels/base.h"

/* The beginning of root/path, up to size - 1 bytes and NUL-terminated; false when unreadable. The
 * final newline is taken off. path has no slash in front. */
bool tm_sysfs_text(const char *root, const char *path, char *text, size_t size);
/* A file that holds one whole number in decimal. */
bool tm_sysfs_int(const char *root, const char *path, int64_t *out);

#define TM_SYSFS_NUMBER_SIZE 64
/* The same for a file that is read again and again. kept: a descriptor that stays open between
 * reads, -1 at first; NULL: none does. text: what the file holds, for messages. Returns 0 or an
 * errno; EINVAL: the file holds no whole number. */
int tm_sysfs_read_int(const char *root, const char *path, int *kept,
                      char text[TM_SYSFS_NUMBER_SIZE], int64_t *out);
/* The value behind "key" and a colon (or white space) at the start of a line, white space around it
 * taken off: "model name" in cpuinfo, "VmHWM" in status, "inactive_file" in memory.stat. */
bool tm_sysfs_field(const char *root, const char *path, const char *key, char *text, size_t size);
/* The same, a number of kB, in bytes. */
bool tm_sysfs_kb(const char *root, const char *path, const char *key, int64_t *bytes);
/* The bracketed word of "always [madvise] never". */
bool tm_sysfs_choice(const char *root, const char *path, char *text, size_t size);
/* The CPUs of a list as the kernel prints it, "0-3,8", in its order; how many, at most max. */
int tm_sysfs_cpu_list(const char *text, int *cpus, int max);
/* The same of root/list, or of root/mask ("ff,00000003", all there is before Linux 2.6.25 and in
 * some records); -1 when neither is readable. */
int tm_sysfs_cpus(const char *root, const char *list, const char *mask, int *cpus, int max);

#endif
