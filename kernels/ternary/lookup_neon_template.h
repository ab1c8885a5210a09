/* Template: one token by table look-ups, prompts in panels, with NEON. The header of a layout
 * includes it last, after it has defined
 *   TM_MAD_BLOCK_BYTES       packed bytes of a block
 *   TM_LOOKUP_TABLE_BYTES    bytes of a block's tables
 *   TM_LOOKUP_GROUPS_MAX     2 or 4 row groups that share each load of the tables
 *   n_blocks_of(n_cols)      blocks of a row
 *   make_tables(x, tables, begin, end), decode_groups(data, group_bytes, tables, total, n_groups)
 *   ops                      for prompts
 * It defines the functions of a kernel row; all are static. */
#ifndef TM_KERNELS_TERNARY_LOOKUP_NEON_TEMPLATE_H
#define TM_KERNELS_TERNARY_LOOKUP_NEON_TEMPLATE_H

#if !defined TM_MAD_BLOCK_BYTES || !defined TM_LOOKUP_TABLE_BYTES || !defined TM_LOOKUP_GROUPS_MAX
#error "lookup_neon_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"
#include "kernels/ternary/trit_neon.h"

static size_t scratch_size(int n_cols, int n_tokens)
{
    return n_tokens == 1 ? n_blocks_of(n_cols) * TM_LOOKUP_TABLE_BYTES
                         : tm_panel_size(&ops, n_cols, n_tokens);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    int64_t n_blocks = (int64_t)n_blocks_of(x->n_cols);
    if (x->n_tokens == 1)
        make_tables(x, scratch, n_blocks * part / n_parts, n_blocks * (part + 1) / n_parts);
    else
        tm_panel_prepare(&ops, x, scratch, part, n_parts);
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

static void decode(const tm_weight *w, const tm_act *x, const int8_t *tables, int row_begin,
                   int row_end, float *y)
{
    size_t group_bytes = n_blocks_of(w->n_cols) * TM_MAD_BLOCK_BYTES;
    const uint8_t *data = (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * group_bytes;
    for (int row = row_begin; row < row_end;) {
        int32x4_t total[TM_LOOKUP_GROUPS_MAX][4];
        int n_groups = (row_end - row + TM_GROUP - 1) / TM_GROUP;
        n_groups = n_groups >= 4 && TM_LOOKUP_GROUPS_MAX >= 4 ? 4 : n_groups >= 2 ? 2 : 1;
        if (TM_LOOKUP_GROUPS_MAX >= 4 && n_groups == 4)
            decode_groups(data, group_bytes, tables, total, 4);
        else if (n_groups == 2)
            decode_groups(data, group_bytes, tables, total, 2);
        else
            decode_groups(data, group_bytes, tables, total, 1);
        data += (size_t)n_groups * group_bytes;
        for (int g = 0; g < n_groups; g++, row += TM_GROUP)
            store_rows(y + row, total[g], 0, w, x, row_end - row);
    }
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens == 1)
        decode(w, x, scratch, row_begin, row_end, y);
    else
        tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);
}

#endif
