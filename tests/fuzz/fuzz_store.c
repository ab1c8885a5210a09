/* Any bytes as a store of records, and each of its lines as a record. */
#include "harness/record/store.h"
#include "tests/fuzz/replay.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("store", MFD_CLOEXEC);
    if (fd < 0) return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (size == 0 || write(fd, data, size) == (ssize_t)size) {
        tm_records records;
        tm_error err = {0};
        tm_status status = tm_records_read(path, &records, &err);
        if (status == TM_OK) {
            for (int i = 0; i < records.n; i++) {
                tm_json *json = tm_record_to_json(&records.items[i]);
                tm_record again;
                if (tm_record_from_json(json, &again, &err) != TM_OK) abort();
                tm_record_free(&again);
                tm_json_free(json);
            }
            tm_records_free(&records);
        } else if (!err.message[0]) {
            abort();
        }
    }
    close(fd);
    return 0;
}
