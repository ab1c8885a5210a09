/* Any bytes as a pack, and any bytes as the store that is packed. */
#include "harness/record/pack.h"
#include "tests/fuzz/replay.h"

#include <string.h>

/* A pack is opened whole or refused with a sentence. */
static void open_it(const void *data, size_t size)
{
    char *text;
    size_t length;
    tm_error err = {0};
    tm_status status = tm_pack_open("pack", data, size, &text, &length, &err);
    if (status == TM_OK ? !text || text[length] : text || !err.message[0]) abort();
    free(text);
}

/* What was packed comes out again. */
static void pack_it(const char *store, size_t size)
{
    tm_records records = {0};
    tm_error err = {0};
    void *data;
    char *text;
    size_t packed, length;
    if (tm_records_parse("store", store, size, &records, &err) != TM_OK) return;
    if (tm_pack_make("store", store, size, &records, &data, &packed, &err) == TM_OK) {
        if (tm_pack_open("pack", data, packed, &text, &length, &err) != TM_OK) abort();
        if (length != size || (size > 0 && memcmp(text, store, size) != 0)) abort();
        free(text);
        free(data);
    }
    tm_records_free(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_it(data, size);
    pack_it((const char *)data, size);
    return 0;
}
