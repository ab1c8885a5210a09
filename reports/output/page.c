#include "reports/output/page.h"

#include "harness/base/embedded.h"

#include <stdio.h>
#include <string.h>

void tm_page_begin(tm_page *page, const char *title)
{
    *page = (tm_page){0};
    snprintf(page->title, sizeof page->title, "%s", title);
}

void tm_page_free(tm_page *page)
{
    tm_text_free(&page->contents);
    tm_text_free(&page->body);
}

static void close_section(tm_page *page)
{
    if (!page->is_open) return;
    tm_text_add(&page->body, page->is_folded ? "</details>\n</section>\n" : "</section>\n");
    page->is_open = false;
}

void tm_page_verdict(tm_page *page, tm_tone tone, const char *text)
{
    static const char *const classes[] = {"good", "bad", "unsure"};
    tm_text_format(&page->body, "<p class=\"verdict %s\">", classes[tone]);
    tm_html_escape(text, &page->body);
    tm_text_add(&page->body, "</p>\n");
}

void tm_page_section(tm_page *page, const char *heading, bool is_folded)
{
    const int n = ++page->n_sections;
    close_section(page);
    tm_text_format(&page->contents, "<li><a href=\"#section-%d\">", n);
    tm_html_escape(heading, &page->contents);
    tm_text_add(&page->contents, "</a></li>\n");
    tm_text_format(&page->body, "<section id=\"section-%d\">\n%s<h2>", n,
                   is_folded ? "<details>\n<summary>" : "");
    tm_html_escape(heading, &page->body);
    tm_text_add(&page->body, is_folded ? "</h2></summary>\n" : "</h2>\n");
    page->is_open = true;
    page->is_folded = is_folded;
}

tm_status tm_page_table(tm_page *page, const tm_table *table, tm_error *err)
{
    return tm_table_write_html(table, &page->body, err);
}

void tm_page_plots_begin(tm_page *page)
{
    tm_text_add(&page->body, "<div class=\"plots\">\n");
}

void tm_page_plot(tm_page *page, const tm_plot *plot)
{
    tm_plot_write_html(plot, &page->body);
}

void tm_page_plots_end(tm_page *page)
{
    tm_text_add(&page->body, "</div>\n");
}

void tm_page_note(tm_page *page, const char *text)
{
    tm_text_add(&page->body, "<p>");
    tm_html_escape(text, &page->body);
    tm_text_add(&page->body, "</p>\n");
}

void tm_page_cell_begin(tm_page *page, const char *cell_id, const char *label)
{
    tm_text_add(&page->body, "<details class=\"cell\" id=\"cell-");
    tm_html_escape(cell_id, &page->body);
    tm_text_add(&page->body, "\">\n<summary>");
    tm_html_escape(label, &page->body);
    tm_text_add(&page->body, "</summary>\n");
}

void tm_page_cell_end(tm_page *page)
{
    tm_text_add(&page->body, "</details>\n");
}

/* Inline Markdown up to the end of the line. */
static void put_inline(const char *text, size_t n, tm_text *out)
{
    bool is_strong = false, is_em = false, is_code = false;
    for (size_t i = 0; i < n; i++) {
        char one[2] = {text[i], '\0'};
        if (text[i] == '\\' && !is_code && i + 1 < n) {
            one[0] = text[++i];
            tm_html_escape(one, out);
        } else if (text[i] == '`') {
            tm_text_add(out, is_code ? "</code>" : "<code>");
            is_code = !is_code;
        } else if (text[i] == '*' && !is_code && i + 1 < n && text[i + 1] == '*') {
            tm_text_add(out, is_strong ? "</strong>" : "<strong>");
            is_strong = !is_strong;
            i++;
        } else if (text[i] == '*' && !is_code) {
            tm_text_add(out, is_em ? "</em>" : "<em>");
            is_em = !is_em;
        } else if (strncmp(text + i, "&lt;", 4) == 0 || strncmp(text + i, "&amp;", 5) == 0) {
            tm_text_add_char(out, '&'); /* tm_markdown_escape wrote it */
        } else
            tm_html_escape(one, out);
    }
    if (is_code) tm_text_add(out, "</code>");
    if (is_em) tm_text_add(out, "</em>");
    if (is_strong) tm_text_add(out, "</strong>");
}

typedef enum block { BLOCK_NONE, BLOCK_PARAGRAPH, BLOCK_LIST, BLOCK_HTML } block;

static void close_block(block *open, tm_text *out)
{
    if (*open == BLOCK_PARAGRAPH) tm_text_add(out, "</p>\n");
    if (*open == BLOCK_LIST) tm_text_add(out, "</li>\n</ul>\n");
    *open = BLOCK_NONE;
}

void tm_page_prose(tm_page *page, const char *markdown)
{
    tm_text *out = &page->body;
    block open = BLOCK_NONE;
    for (const char *line = markdown; *line;) {
        const size_t n = strcspn(line, "\n");
        if (n == 0) {
            close_block(&open, out);
        } else if (open == BLOCK_HTML || (open == BLOCK_NONE && line[0] == '<')) {
            open = BLOCK_HTML;
            tm_text_format(out, "%.*s\n", (int)n, line);
        } else if (strncmp(line, "# ", 2) == 0) {
            close_block(&open, out);
        } else if (strncmp(line, "## ", 3) == 0) {
            char heading[160];
            close_block(&open, out);
            snprintf(heading, sizeof heading, "%.*s", (int)n - 3, line + 3);
            tm_page_section(page, heading, false);
        } else if (strncmp(line, "- ", 2) == 0) {
            if (open != BLOCK_LIST) close_block(&open, out);
            tm_text_add(out, open == BLOCK_LIST ? "</li>\n<li>" : "<ul>\n<li>");
            open = BLOCK_LIST;
            put_inline(line + 2, n - 2, out);
        } else {
            tm_text_add(out, open == BLOCK_NONE ? "<p>" : " ");
            if (open == BLOCK_NONE) open = BLOCK_PARAGRAPH;
            put_inline(line, n, out);
        }
        line += n + (line[n] == '\n');
    }
    close_block(&open, out);
}

static void put_asset(const char *path, const char *tag, tm_text *out)
{
    const tm_embedded *file = tm_embedded_find(path);
    tm_text_format(out, "<%s>\n%s</%s>\n", tag, file ? file->text : "", tag);
}

tm_status tm_page_save(tm_page *page, const char *path, tm_error *err)
{
    tm_text whole = {0};
    close_section(page);
    tm_text_add(&whole,
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n"
                /* Nothing is fetched, even by mistake. */
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n"
                "<link rel=\"icon\" href=\"data:,\">\n<title>");
    tm_html_escape(page->title, &whole);
    tm_text_add(&whole, "</title>\n");
    put_asset("reports/output/page.css", "style", &whole);
    tm_text_add(&whole, "</head>\n<body>\n<header>\n<h1>");
    tm_html_escape(page->title, &whole);
    tm_text_add(&whole, "</h1>\n<nav aria-label=\"Sections\">\n<ul>\n");
    tm_text_add(&whole, tm_text_string(&page->contents));
    tm_text_add(&whole, "</ul>\n</nav>\n</header>\n<main>\n");
    tm_text_add(&whole, tm_text_string(&page->body));
    tm_text_add(&whole, "</main>\n");
    put_asset("reports/output/page.js", "script", &whole);
    tm_text_add(&whole, "</body>\n</html>\n");
    whole.failed |= page->contents.failed || page->body.failed;
    tm_status status = tm_text_save(&whole, path, err);
    tm_text_free(&whole);
    return status;
}
