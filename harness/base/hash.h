/* Hashes that name things: a machine, a cell, a build. They do not protect against an attacker. */
#ifndef TM_HARNESS_BASE_HASH_H
#define TM_HARNESS_BASE_HASH_H

#include "kernels/base.h"

/* FNV-1a, 64 bit (Fowler, Noll, Vo). Start with TM_HASH_START and pass each result on to hash data
 * that lies in several pieces. */
#define TM_HASH_START 0xcbf29ce484222325ull
uint64_t tm_hash(uint64_t hash, const void *data, size_t size);

/* The hash of a program's file as 16 hexadecimal digits, which tells two builds apart. path NULL:
 * this program. Errors: IO, ARG (not a regular file). */
tm_status tm_build_hash(const char *path, char *text, size_t size, tm_error *err) TM_MUST_USE;

#endif
