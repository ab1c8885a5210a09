/* A main for fuzz targets that replays files, so that any compiler can run the corpus. With
 * -DTM_LIBFUZZER the fuzzer brings its own. Included once, by each fuzz_*.c. */
#ifndef TM_TESTS_FUZZ_REPLAY_H
#define TM_TESTS_FUZZ_REPLAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef TM_LIBFUZZER
/* Reads each file into a block of exactly its size, so that a sanitizer detects the first byte read
 * past its end. */
int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || fseek(file, 0, SEEK_END) != 0) {
            fprintf(stderr, "%s: cannot be read\n", argv[i]);
            failed = 1;
            if (file) fclose(file);
            continue;
        }
        long size = ftell(file);
        rewind(file);
        uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
        if (data && fread(data, 1, (size_t)size, file) == (size_t)size)
            LLVMFuzzerTestOneInput(data, (size_t)size);
        else
            failed = 1;
        free(data);
        fclose(file);
    }
    if (argc < 2) fprintf(stderr, "usage: %s FILE...\n", argv[0]);
    return argc < 2 || failed;
}
#endif

#endif
