/* Floating tables with a booktabs tabular each; groups are headings across all columns. */
#include "reports/output/latex_layout.h"

#include <stdio.h>
#include <string.h>

void tm_latex_escape(const char *text, tm_text *out)
{
    for (const char *c = text; c && *c; c++) {
        switch (*c) {
        case '\\':
            tm_text_add(out, "\\textbackslash{}");
            break;
        case '~':
            tm_text_add(out, "\\textasciitilde{}");
            break;
        case '^':
            tm_text_add(out, "\\textasciicircum{}");
            break;
        case '<':
            tm_text_add(out, "\\textless{}");
            break;
        case '>':
            tm_text_add(out, "\\textgreater{}");
            break;
        case '|':
            tm_text_add(out, "\\textbar{}");
            break;
        case '"':
            tm_text_add(out, "\\textquotedbl{}");
            break;
        case '-': /* "--" would become a dash */
            tm_text_add(out, c[1] == '-' ? "-{}" : "-");
            break;
        case '[': /* behind \\ these would be read as its argument and its star */
        case '*':
            tm_text_format(out, "{%c}", *c);
            break;
        default:
            if (strchr("{}$&#_%", *c)) tm_text_add_char(out, '\\');
            tm_text_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
        }
    }
}

/* A cell or heading in which lines may end where the layout counts on it. */
static void put_wrapped(const char *text, tm_text *out)
{
    char letter[2] = "";
    int depth = 0;
    for (size_t i = 0; text && text[i]; i++) {
        letter[0] = text[i];
        depth += text[i] == '[';
        if (tm_latex_must_break_behind(text, i))
            tm_text_add(out, "\\linebreak{}");
        else if (text[i] == ' ' && depth > 0)
            tm_text_add_char(out, '~');
        else if (text[i] == '-' && text[i + 1] == '-')
            tm_text_add(out, "-{}");
        else
            tm_latex_escape(letter, out);
        depth -= text[i] == ']' && depth > 0;
        /* A hyphen ends a line by itself. */
        if (strchr("_/+", text[i]) && tm_latex_breaks_behind(text, i))
            tm_text_add(out, "\\allowbreak{}");
    }
}

static void put_text(const tm_latex_layout *layout, const char *text, tm_text *out)
{
    if (layout->is_wrapped)
        put_wrapped(text, out);
    else
        tm_latex_escape(text, out);
}

/* The next column of a part: its keys, then its own. */
static int next_column(const tm_latex_layout *layout, const tm_latex_part *part, int column)
{
    column++;
    return column >= layout->n_keys && column < part->column_begin ? part->column_begin : column;
}

static void put_row(const tm_latex_layout *layout, const tm_latex_part *part,
                    const tm_table_row *row, tm_text *out)
{
    for (int c = 0; c < part->column_end; c = next_column(layout, part, c)) {
        if (c) tm_text_add(out, " & ");
        if (c >= row->n_cells) continue;
        put_text(layout, row->cells[c].text, out);
        if (row->cells[c].note >= 0) {
            char mark[8];
            tm_table_note_mark(row->cells[c].note, mark);
            tm_text_format(out, "\\textsuperscript{%s}", mark);
        }
    }
    tm_text_add(out, " \\\\\n");
}

/* Returns how many columns the part has. */
static int put_head(const tm_table *table, const tm_latex_layout *layout, const tm_latex_part *part,
                    tm_text *out)
{
    int n = 0;
    tm_text_add(out, "\\begin{tabular}{@{}");
    for (int c = 0; c < part->column_end; c = next_column(layout, part, c), n++) {
        bool is_right = table->columns[c].align == TM_RIGHT;
        if (layout->is_wrapped)
            tm_text_format(out, ">{\\ragged%s\\arraybackslash}p{%.1fpt}",
                           is_right ? "left" : "right", layout->widths[c]);
        else
            tm_text_add_char(out, is_right ? 'r' : 'l');
    }
    tm_text_add(out, "@{}}\n\\toprule\n");
    for (int c = 0; c < part->column_end; c = next_column(layout, part, c)) {
        if (c) tm_text_add(out, " & ");
        put_text(layout, table->columns[c].heading, out);
    }
    tm_text_add(out, " \\\\\n\\midrule\n");
    return n;
}

static void put_group(const tm_latex_layout *layout, const char *name, int n_columns, tm_text *out)
{
    if (layout->is_wrapped)
        tm_text_format(out, "\\multicolumn{%d}{@{}p{%.1fpt}@{}}{\\raggedright\\emph{", n_columns,
                       TM_LATEX_TEXT_WIDTH);
    else
        tm_text_format(out, "\\multicolumn{%d}{@{}l}{\\emph{", n_columns);
    tm_latex_escape(name, out);
    tm_text_add(out, "}} \\\\\n");
}

static void put_part(const tm_table *table, const tm_latex_layout *layout,
                     const tm_latex_part *part, tm_text *out)
{
    int n = put_head(table, layout, part, out), group = -1;
    for (int r = part->row_begin; r < part->row_end; r++) {
        const tm_table_row *row = &table->rows[r];
        if (row->group != group) {
            if (group >= 0) tm_text_add(out, "\\addlinespace\n");
            group = row->group;
            put_group(layout, table->groups[group], n, out);
        }
        put_row(layout, part, row, out);
    }
    tm_text_add(out, "\\bottomrule\n\\end{tabular}\n");
}

static void put_notes(const tm_table *table, tm_text *out)
{
    if (!table->n_notes) return;
    tm_text_add(out, "\n\\smallskip\n\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\n");
    for (int i = 0; i < table->n_notes; i++) {
        char mark[8];
        tm_table_note_mark(i, mark);
        if (tm_table_note_is_used(table, i)) tm_text_format(out, "\\textsuperscript{%s}~", mark);
        tm_latex_escape(table->notes[i], out);
        tm_text_add(out, "\\par\n");
    }
    tm_text_add(out, "\\end{minipage}\n");
}

/* Opens a float; `behind` follows the title, "" for none. */
static void begin_float(const tm_table *table, const char *style, const char *behind, tm_text *out)
{
    tm_text_format(out, "\\begin{table}\n\\centering%s\n", style);
    if (!table->title[0]) return;
    tm_text_add(out, "\\caption{");
    tm_latex_escape(table->title, out);
    tm_text_format(out, "%s}\n", behind);
}

tm_status tm_table_write_latex(const tm_table *table, tm_text *out, tm_error *err)
{
    tm_latex_layout layout;
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": no memory while it was filled",
                       table->title ? table->title : "");
    tm_status status = tm_latex_layout_make(table, &layout, err);
    if (status == TM_OK) {
        tm_text_format(out, "%% needs \\usepackage{booktabs}%s and \\usepackage[T1]{fontenc}\n",
                       layout.is_wrapped ? ", \\usepackage{array}" : "");
        for (int i = 0; i < layout.n_parts; i++) {
            char behind[64] = "";
            if (layout.n_parts > 1)
                snprintf(behind, sizeof behind, " (part %d of %d)", i + 1, layout.n_parts);
            begin_float(table,
                        layout.is_wrapped ? "\\footnotesize\\setlength{\\tabcolsep}{2.5pt}"
                                          : "\\small",
                        behind, out);
            put_part(table, &layout, &layout.parts[i], out);
            if (i == layout.n_parts - 1 && layout.has_notes_apart) {
                tm_text_add(out, "\\end{table}\n");
                begin_float(table, "", " (notes)", out);
            }
            if (i == layout.n_parts - 1) put_notes(table, out);
            tm_text_add(out, "\\end{table}\n");
        }
        status = tm_text_status(out, table->title, err);
    }
    tm_latex_layout_free(&layout);
    return status;
}
