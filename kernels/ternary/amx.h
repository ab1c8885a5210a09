/* The AMX instructions that kernels use, by the number of the tile (a literal 0 .. 7). With
 * TM_AMX_EMULATED the includer defines them as functions (tests/kernels/ternary/test_amx.c), so
 * that a kernel's arithmetic runs on machines without AMX.
 *
 * Source: Intel SDM vol. 2, LDTILECFG, TILELOADD, TILESTORED, TDPBSUD. */
#ifndef TM_KERNELS_TERNARY_AMX_H
#define TM_KERNELS_TERNARY_AMX_H

#include <stdint.h>

/* Rows and bytes of a row, for each tile. Loading it clears all tiles. */
typedef struct tm_tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tm_tile_config;

#if defined(TM_AMX_EMULATED)

void tm_tile_configure(const tm_tile_config *config);
void tm_tile_release(void);
void tm_tile_zero(int tile);
void tm_tile_load(int tile, const void *from, long stride);
void tm_tile_store(int tile, void *to, long stride);
void tm_tile_dpbsud(int to, int a, int b);

#else

#include <immintrin.h>

#define tm_tile_configure(config)        _tile_loadconfig(config)
#define tm_tile_release()                _tile_release()
#define tm_tile_zero(tile)               _tile_zero(tile)
#define tm_tile_load(tile, from, stride) _tile_loadd(tile, from, stride)
#define tm_tile_store(tile, to, stride)  _tile_stored(tile, to, stride)
/* to[m][n] += sum over k < row bytes of a / 4 and i < 4 of a[m][4k + i] * b[k][4n + i], a signed
 * and b unsigned bytes, in 32 bits that wrap. */
#define tm_tile_dpbsud(to, a, b)         _tile_dpbsud(to, a, b)

#endif

#endif
