/* What a reader must know about a comparison of machines besides its tables. */
#include "reports/machines_sheet.h"

#include <stdio.h>
#include <string.h>

static const char *build_of(const tm_machine_column *machine)
{
    return tm_machines_text(machine->run, "environment", "commit");
}

/* Another build is another program. */
static void note_builds(const tm_machines *machines, tm_text *out)
{
    for (int m = 1; m < machines->n; m++) {
        const tm_machine_column *first = &machines->items[0], *own = &machines->items[m];
        if (strcmp(build_of(first), build_of(own)) == 0) continue;
        tm_text_format(out, "- The newest runs have different builds, %.60s on ",
                       build_of(first)[0] ? build_of(first) : "not recorded");
        tm_markdown_escape(first->name, out);
        tm_text_format(out, " and %.60s on ", build_of(own)[0] ? build_of(own) : "not recorded");
        tm_markdown_escape(own->name, out);
        tm_text_add(out, ": a difference may come from the program.\n");
        return;
    }
}

static bool has_cell(const tm_machine_column *machine, const char *model_hash)
{
    for (int i = 0; i < machine->summaries.n; i++)
        if (strcmp(machine->summaries.items[i].cell.model_hash, model_hash) == 0) return true;
    return false;
}

/* Places of one name and different files, once per pair of files. */
static void note_models(const tm_machines_view *view, tm_text *out)
{
    const tm_machine_places *places = view->places;
    for (int i = 0; i < places->n; i++)
        for (int k = 0; k < i; k++) {
            const tm_cell *a = places->items[k].cell, *b = places->items[i].cell;
            bool is_known = strcmp(a->model_hash, b->model_hash) == 0 ||
                            strcmp(tm_model_label(a->model), tm_model_label(b->model)) != 0 ||
                            !a->model_hash[0] || !b->model_hash[0];
            for (int j = 0; j < i && !is_known; j++)
                for (int l = 0; l < j && !is_known; l++)
                    is_known = strcmp(places->items[l].cell->model_hash, a->model_hash) == 0 &&
                               strcmp(places->items[j].cell->model_hash, b->model_hash) == 0;
            if (is_known) continue;
            tm_text_add(out, "- ");
            tm_markdown_escape(tm_model_label(b->model), out);
            tm_text_add(out, " has another content or seed on ");
            for (int m = 0, n = 0; m < view->machines->n; m++) {
                if (!has_cell(&view->machines->items[m], b->model_hash)) continue;
                if (n++) tm_text_add(out, ", ");
                tm_markdown_escape(view->machines->items[m].name, out);
            }
            tm_text_add(out, ": only machines with the same content are compared.\n");
        }
}

/* Exact kernels generate the same tokens on every machine. */
static void note_tokens(const tm_machines_view *view, tm_text *out)
{
    for (int i = 0; i < view->places->n; i++) {
        const tm_machine_place *place = &view->places->items[i];
        const tm_machine_column *first = NULL;
        const char *tokens = NULL;
        for (int m = 0; m < view->machines->n; m++) {
            const tm_speedup *s = tm_machine_speedup(&view->machines->items[m], place);
            if (!s || !s->ternary || !s->ternary->tokens[0]) continue;
            if (tokens && strcmp(tokens, s->ternary->tokens) != 0) {
                tm_text_add(out, "- ");
                tm_markdown_escape(tm_model_label(place->cell->model), out);
                tm_text_format(out, ", %.47s: ", place->cell->test);
                tm_markdown_escape(first->name, out);
                tm_text_add(out, " and ");
                tm_markdown_escape(view->machines->items[m].name, out);
                tm_text_add(out, " generated different tokens, so they did not compute the same; "
                                 "run `ternmark check` on both.\n");
                break;
            }
            if (!tokens) first = &view->machines->items[m];
            tokens = s->ternary->tokens;
        }
    }
}

void tm_machines_remarks(const tm_machines_view *view, tm_text *out)
{
    const size_t before = out->length;
    int n = 0;
    tm_text_add(out, tm_text_string(&view->machines->remarks));
    note_builds(view->machines, out);
    note_models(view, out);
    note_tokens(view, out);
    for (int i = 0; i < view->places->n; i++)
        n += !tm_machines_is_shown(view, &view->places->items[i]);
    if (n > 0)
        tm_text_format(out,
                       "- %d combination%s of model, test and threads %s measured on one machine "
                       "only: values.csv and the report of its store have the values.\n",
                       n, tm_plural(n), n == 1 ? "is" : "are");
    if (out->length == before) tm_text_add(out, "None.\n");
}
