/* LaTeX: one `longtable` with booktabs rules per table; groups are headings across all columns.
 *
 * longtable breaks between rows and repeats the heading on each page. A table wider than a line
 * gets columns of fixed shares of \linewidth, in which LaTeX breaks lines; the widest ones are set
 * in landscape. The shares follow the number of characters in each column.
 */
#include "reports/output/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Characters. A line of `article` (345 pt) holds about 72 at \small, gaps included. */
enum {
    GAP = 2,             /* what \tabcolsep on both sides takes */
    NATURAL_LINE = 72,   /* up to here columns are as wide as their widest cell */
    PORTRAIT_LINE = 76,  /* up to here wrapped columns fit in portrait */
    WRAPPED_COLUMN = 12, /* least width of a wrapped column with a cell as long as this */
};

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
        case '[': /* after \\ LaTeX would read these as its argument and its star */
        case '*':
            tm_text_format(out, "{%c}", *c);
            break;
        default:
            if (strchr("{}$&#_%", *c)) tm_text_add_char(out, '\\');
            tm_text_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
        }
    }
}

/* A cell of a wrapped column: an interval stays on one line below its value, and a long name may
 * break after an underscore or a slash. */
static void put_wrapped(const char *text, tm_text *out)
{
    char letter[3] = "";
    bool is_in_interval = false;
    for (size_t i = 0; text && text[i]; i++) {
        letter[0] = text[i];
        letter[1] = text[i] == '-' && text[i + 1] == '-' ? '-' : '\0';
        if (text[i] == '[') is_in_interval = true;
        if (text[i] == ' ' && text[i + 1] == '[')
            tm_text_add(out, "\\newline ");
        else if (text[i] == ' ' && is_in_interval)
            tm_text_add_char(out, '~');
        else if (letter[1])
            tm_text_add(out, "-{}");
        else
            tm_latex_escape(letter, out);
        if (text[i] == ']') is_in_interval = false;
        if ((text[i] == '_' || text[i] == '/') && text[i + 1]) tm_text_add(out, "\\allowbreak{}");
    }
}

/* Characters of the longest part of a text in which put_wrapped allows no break. */
static int longest_part(const char *text)
{
    int longest = 0, own = 0;
    bool is_in_interval = false;
    for (const char *c = text; c && *c; c++) {
        const bool is_blank = *c == ' ' && (!is_in_interval || c[1] == '[');
        if (*c == '[') is_in_interval = true;
        if (*c == ']') is_in_interval = false;
        own += !is_blank && ((unsigned char)*c & 0xc0) != 0x80;
        if (own > longest) longest = own;
        if (is_blank || *c == '_' || *c == '/') own = 0;
    }
    return longest;
}

typedef struct latex_layout {
    bool is_wrapped, is_landscape;
    int *characters; /* [n_columns] width of each column; owned */
    int total;       /* of the columns and the gaps */
} latex_layout;

/* The width of a column: that of its longest cell, or if it is wrapped, of its longest part. */
static int column_characters(const tm_table *table, int column, bool is_wrapped)
{
    int most = 1;
    for (int r = -1; r < table->n_rows; r++) {
        if (r >= 0 && column >= table->rows[r].n_cells) continue;
        const tm_table_cell *cell = r < 0 ? NULL : &table->rows[r].cells[column];
        const char *text = cell ? cell->text : table->columns[column].heading;
        const int mark = cell && cell->note >= 0; /* of a footnote */
        const int whole = text ? tm_text_columns(text) + mark : 0;
        int own = is_wrapped ? longest_part(text) + mark : whole;
        if (own < WRAPPED_COLUMN) own = whole < WRAPPED_COLUMN ? whole : WRAPPED_COLUMN;
        if (own > most) most = own;
    }
    return most;
}

static tm_status lay_out(const tm_table *table, latex_layout *out, tm_error *err)
{
    *out = (latex_layout){0};
    out->characters = calloc((size_t)table->n_columns + 1, sizeof *out->characters);
    if (!out->characters)
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory for %d columns", table->title,
                       table->n_columns);
    for (int i = 0; i < table->n_groups; i++)
        if (tm_text_columns(table->groups[i]) > NATURAL_LINE) out->is_wrapped = true;
    for (int pass = out->is_wrapped; pass < 2; pass++) {
        out->total = 0;
        for (int c = 0; c < table->n_columns; c++) {
            out->characters[c] = column_characters(table, c, pass == 1);
            out->total += out->characters[c] + GAP;
        }
        if (pass == 0 && out->total <= NATURAL_LINE) return TM_OK;
    }
    out->is_wrapped = true;
    out->is_landscape = out->total > PORTRAIT_LINE;
    return TM_OK;
}

static void put_column_types(const tm_table *table, const latex_layout *layout, tm_text *out)
{
    for (int c = 0; c < table->n_columns; c++) {
        const bool is_right = table->columns[c].align == TM_RIGHT;
        /* Thousandths of the line, rounded down, so that their sum is never wider than it. */
        const int share =
            1000 * (layout->characters[c] + GAP) / (layout->total ? layout->total : 1);
        if (layout->is_wrapped)
            tm_text_format(out,
                           ">{\\ragged%s\\arraybackslash}p{\\dimexpr.%03d\\linewidth"
                           "-2\\tabcolsep\\relax}",
                           is_right ? "left" : "right", share);
        else
            tm_text_add_char(out, is_right ? 'r' : 'l');
    }
}

static void put_text(const latex_layout *layout, const char *text, tm_text *out)
{
    if (layout->is_wrapped)
        put_wrapped(text, out);
    else
        tm_latex_escape(text, out);
}

static void put_headings(const tm_table *table, const latex_layout *layout, const char *end,
                         tm_text *out)
{
    tm_text_add(out, "\\toprule\n");
    for (int c = 0; c < table->n_columns; c++) {
        if (c) tm_text_add(out, " & ");
        put_text(layout, table->columns[c].heading, out);
    }
    tm_text_format(out, " \\\\\n\\midrule\n%s\n", end);
}

static void put_row(const tm_table *table, const latex_layout *layout, const tm_table_row *row,
                    tm_text *out)
{
    for (int c = 0; c < table->n_columns; c++) {
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

/* \nopagebreak keeps a group's name on the page of its first row. */
static void put_group(const tm_table *table, const latex_layout *layout, const char *name,
                      tm_text *out)
{
    if (layout->is_wrapped)
        tm_text_format(out,
                       "\\multicolumn{%d}{@{}p{\\dimexpr\\linewidth-2\\tabcolsep\\relax}@{}}"
                       "{\\raggedright\\emph{",
                       table->n_columns);
    else
        tm_text_format(out, "\\multicolumn{%d}{@{}l}{\\emph{", table->n_columns);
    tm_latex_escape(name, out);
    tm_text_add(out, "}} \\\\\n\\nopagebreak\n");
}

static void put_rows(const tm_table *table, const latex_layout *layout, tm_text *out)
{
    int group = -1;
    for (int r = 0; r < table->n_rows; r++) {
        const tm_table_row *row = &table->rows[r];
        if (row->group != group) {
            if (group >= 0) tm_text_add(out, "\\addlinespace\n");
            group = row->group;
            put_group(table, layout, table->groups[group], out);
        }
        put_row(table, layout, row, out);
    }
}

static void put_notes(const tm_table *table, tm_text *out)
{
    if (!table->n_notes) return;
    tm_text_add(out, "{\\footnotesize\\raggedright\n");
    for (int i = 0; i < table->n_notes; i++) {
        char mark[8];
        tm_table_note_mark(i, mark);
        tm_text_add(out, "\\noindent ");
        if (tm_table_note_is_used(table, i)) tm_text_format(out, "\\textsuperscript{%s}~", mark);
        tm_latex_escape(table->notes[i], out);
        tm_text_add(out, "\\par\n");
    }
    tm_text_add(out, "}\n");
}

tm_status tm_table_write_latex(const tm_table *table, tm_text *out, tm_error *err)
{
    latex_layout layout;
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory while it was filled",
                       table->title ? table->title : "");
    tm_status status = lay_out(table, &layout, err);
    if (status != TM_OK) return status;
    tm_text_format(out,
                   "%% needs \\usepackage{array,booktabs,longtable,pdflscape} and "
                   "\\usepackage[T1]{fontenc}\n%s{%s\n\\begin{longtable}{@{}",
                   layout.is_landscape ? "\\begin{landscape}\n" : "",
                   layout.is_landscape ? "\\scriptsize\\setlength{\\tabcolsep}{2pt}"
                   : layout.is_wrapped ? "\\footnotesize\\setlength{\\tabcolsep}{3pt}"
                                       : "\\small");
    put_column_types(table, &layout, out);
    tm_text_add(out, "@{}}\n");
    if (table->title[0]) {
        tm_text_add(out, "\\caption{");
        tm_latex_escape(table->title, out);
        tm_text_add(out, "} \\\\\n");
    }
    put_headings(table, &layout, "\\endfirsthead", out);
    put_headings(table, &layout, "\\endhead", out);
    tm_text_add(out, "\\bottomrule\n\\endfoot\n");
    put_rows(table, &layout, out);
    tm_text_add(out, "\\end{longtable}\n}\n");
    put_notes(table, out);
    if (layout.is_landscape) tm_text_add(out, "\\end{landscape}\n");
    free(layout.characters);
    return tm_text_status(out, table->title, err);
}
