/* A floating table with a booktabs tabular; groups are headings across all columns. */
#include "reports/table.h"

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

static void put_cell(tm_text *out, const tm_table_row *row, int column)
{
    if (column) tm_text_add(out, " & ");
    if (column >= row->n_cells) return;
    tm_latex_escape(row->cells[column].text, out);
    if (row->cells[column].note >= 0) {
        char mark[8];
        tm_table_note_mark(row->cells[column].note, mark);
        tm_text_format(out, "\\textsuperscript{%s}", mark);
    }
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

tm_status tm_table_write_latex(const tm_table *table, tm_text *out, tm_error *err)
{
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": no memory while it was filled",
                       table->title ? table->title : "");
    tm_text_add(out, "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}\n"
                     "\\begin{table}\n\\centering\\small\n");
    if (table->title[0]) {
        tm_text_add(out, "\\caption{");
        tm_latex_escape(table->title, out);
        tm_text_add(out, "}\n");
    }
    tm_text_add(out, "\\begin{tabular}{@{}");
    for (int c = 0; c < table->n_columns; c++)
        tm_text_add_char(out, table->columns[c].align == TM_RIGHT ? 'r' : 'l');
    tm_text_add(out, "@{}}\n\\toprule\n");
    for (int c = 0; c < table->n_columns; c++) {
        if (c) tm_text_add(out, " & ");
        tm_latex_escape(table->columns[c].heading, out);
    }
    tm_text_add(out, " \\\\\n\\midrule\n");
    int group = -1;
    for (int r = 0; r < table->n_rows; r++) {
        const tm_table_row *row = &table->rows[r];
        if (row->group != group) {
            if (group >= 0) tm_text_add(out, "\\addlinespace\n");
            group = row->group;
            tm_text_format(out, "\\multicolumn{%d}{@{}l}{\\emph{", table->n_columns);
            tm_latex_escape(table->groups[group], out);
            tm_text_add(out, "}} \\\\\n");
        }
        for (int c = 0; c < table->n_columns; c++) put_cell(out, row, c);
        tm_text_add(out, " \\\\\n");
    }
    tm_text_add(out, "\\bottomrule\n\\end{tabular}\n");
    put_notes(table, out);
    tm_text_add(out, "\\end{table}\n");
    return tm_text_status(out, table->title, err);
}
