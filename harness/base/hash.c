#include "harness/base/hash.h"

#include "harness/base/user_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

uint64_t tm_hash(uint64_t hash, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

tm_status tm_build_hash(const char *path, char *text, size_t size, tm_error *err)
{
    unsigned char block[65536];
    const char *name = path ? path : "/proc/self/exe";
    uint64_t hash = TM_HASH_START;
    int fd;
    tm_status status = tm_user_file_open(name, 0, &fd, err);
    if (status != TM_OK) return status;
    for (;;) {
        ssize_t got = read(fd, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = tm_fail(err, TM_IO, "%s: %s", name, strerror(errno));
        if (got <= 0) break;
        hash = tm_hash(hash, block, (size_t)got);
    }
    close(fd);
    if (status == TM_OK) snprintf(text, size, "%016llx", (unsigned long long)hash);
    return status;
}
