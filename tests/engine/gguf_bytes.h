/* GGUF files assembled in memory, so that any field can be wrong. */
#ifndef TM_TESTS_ENGINE_GGUF_BYTES_H
#define TM_TESTS_ENGINE_GGUF_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct gguf_bytes {
    uint8_t data[8192];
    size_t n;
} gguf_bytes;

static inline void add_bytes(gguf_bytes *b, const void *data, size_t n)
{
    if (n > sizeof b->data - b->n) abort();
    memcpy(b->data + b->n, data, n);
    b->n += n;
}
static inline void add_u32(gguf_bytes *b, uint32_t value)
{
    add_bytes(b, &value, 4);
}
static inline void add_u64(gguf_bytes *b, uint64_t value)
{
    add_bytes(b, &value, 8);
}
static inline void add_text(gguf_bytes *b, const char *text)
{
    add_u64(b, strlen(text));
    add_bytes(b, text, strlen(text));
}
static inline void add_header(gguf_bytes *b, uint64_t n_tensors, uint64_t n_keys)
{
    add_bytes(b, "GGUF", 4);
    add_u32(b, 3);
    add_u64(b, n_tensors);
    add_u64(b, n_keys);
}
/* A key of a fixed-size value: its bytes. */
static inline void add_key(gguf_bytes *b, const char *name, uint32_t type, const void *value,
                           size_t size)
{
    add_text(b, name);
    add_u32(b, type);
    add_bytes(b, value, size);
}
static inline void add_key_u32(gguf_bytes *b, const char *name, uint32_t value)
{
    add_key(b, name, 4, &value, 4);
}
/* A matrix of ne0 x ne1. */
static inline void add_info(gguf_bytes *b, const char *name, uint64_t ne0, uint64_t ne1,
                            uint32_t type, uint64_t offset)
{
    add_text(b, name);
    add_u32(b, 2);
    add_u64(b, ne0);
    add_u64(b, ne1);
    add_u32(b, type);
    add_u64(b, offset);
}
static inline void add_padding(gguf_bytes *b, size_t alignment)
{
    while (b->n % alignment) b->data[b->n++] = 0;
}
static inline void add_zeros(gguf_bytes *b, size_t n)
{
    if (n > sizeof b->data - b->n) abort();
    memset(b->data + b->n, 0, n);
    b->n += n;
}

#endif
