/* The arithmetic of the AMX kernel on tiles emulated here by Intel's definition, so that it needs
 * no machine with AMX. The emulation rejects what the instructions reject. */
#include "tests/tm_test.h"

#define TM_AMX_EMULATED
#include "kernels/check.h"
#include "kernels/ternary/i2_amx.h"

#include <string.h>

static tm_tile_config config;
static bool is_configured;
static uint8_t tiles[8][16][64];
static long n_products;

/* Source: Intel SDM vol. 2, LDTILECFG: palette 1 has 8 tiles of at most 16 rows of 64 bytes; both 0
 * for a tile that is not used. */
void tm_tile_configure(const tm_tile_config *from)
{
    config = *from;
    is_configured = true;
    memset(tiles, 0, sizeof tiles);
    if (config.palette != 1 || config.start_row != 0) fail_msg("palette %d", config.palette);
    for (int i = 0; i < 16; i++) {
        bool used = config.rows[i] != 0;
        if (used != (config.row_bytes[i] != 0) || config.rows[i] > 16 || config.row_bytes[i] > 64 ||
            (used && i >= 8))
            fail_msg("tile %d: %d rows of %d bytes", i, config.rows[i], config.row_bytes[i]);
    }
}

void tm_tile_release(void)
{
    is_configured = false;
}

static void expect_used(int tile)
{
    if (!is_configured || tile < 0 || tile > 7 || config.rows[tile] == 0)
        fail_msg("tile %d is not configured", tile);
}

void tm_tile_zero(int tile)
{
    expect_used(tile);
    memset(tiles[tile], 0, sizeof tiles[tile]);
}

void tm_tile_load(int tile, const void *from, long stride)
{
    tm_tile_zero(tile);
    for (int r = 0; r < config.rows[tile]; r++)
        memcpy(tiles[tile][r], (const uint8_t *)from + r * stride, config.row_bytes[tile]);
}

void tm_tile_store(int tile, void *to, long stride)
{
    expect_used(tile);
    for (int r = 0; r < config.rows[tile]; r++)
        memcpy((uint8_t *)to + r * stride, tiles[tile][r], config.row_bytes[tile]);
}

/* Source: the same, TDPBSUD, with its conditions for #UD. */
void tm_tile_dpbsud(int to, int a, int b)
{
    expect_used(to);
    expect_used(a);
    expect_used(b);
    if (to == a || to == b || a == b || config.rows[to] != config.rows[a] ||
        config.row_bytes[to] != config.row_bytes[b] || config.row_bytes[a] != 4 * config.rows[b])
        fail_msg("tiles %d, %d, %d do not fit", to, a, b);
    for (int m = 0; m < config.rows[to]; m++)
        for (int k = 0; k < config.rows[b]; k++)
            for (int n = 0; n < config.row_bytes[to] / 4; n++) {
                uint32_t sum;
                memcpy(&sum, &tiles[to][m][4 * n], sizeof sum);
                for (int i = 0; i < 4; i++)
                    sum += (uint32_t)((int8_t)tiles[a][m][4 * k + i] * tiles[b][k][4 * n + i]);
                memcpy(&tiles[to][m][4 * n], &sum, sizeof sum);
            }
    n_products++;
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    (void)scratch;
    amx_rows(w, x, row_begin, row_end, y);
    assert_false(is_configured); /* released, so that context switches do not save the tiles */
}

static const tm_kernel emulated = {
    .name = "i2r16_mad_amxint8 on emulated tiles",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .rows = rows,
    .source = "the test",
};

/* Shorter tiles of tokens, columns and rows; more than a piece of columns; more than a chunk of
 * tokens. */
static void test_products_equal_the_reference(void **state)
{
    static const int shapes[][3] = {{1, 1, 1},     {16, 64, 16},  {32, 64, 32},  {33, 65, 33},
                                    {17, 513, 17}, {48, 512, 31}, {31, 528, 15}, {64, 1100, 40},
                                    {5, 48, 289},  {40, 15, 8},   {16, 2560, 9}, {35, 1024, 64}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        tm_error err = {0};
        const int *s = shapes[i];
        if (tm_check_kernel(&emulated, s[0], s[1], s[2], 1, &err) != TM_OK)
            fail_msg("%s", err.message);
    }
    assert_true(n_products > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products_equal_the_reference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
