/* The energy of every cell by phase: joules, watts, and the meter they come from. */
#include "reports/energy_sheet.h"
#include "reports/headings.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void add_interval(tm_table *out, const tm_interval *v, bool fake, const char *why)
{
    char text[160];
    if (isfinite(v->value))
        tm_table_add_cell(out, "%s", tm_energy_number(v, fake, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", why[0] ? why : "not measured");
}

static void begin_row(tm_table *out, const tm_cell_summary *s, const char *phase)
{
    char text[128];
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(s->cell.model));
    tm_report_add_kernel(s, out);
    tm_table_add_cell(out, "%d", s->cell.threads);
    tm_table_add_cell(out, "%s", s->cell.test);
    tm_table_add_cell(out, "%s", phase);
    tm_table_add_cell(out, "%s", tm_number_interval(&s->tokens_per_second, 3, text, sizeof text));
    tm_table_link(out, s->cell_id);
}

static void add_error(tm_table *out, double share, const char *missing)
{
    char text[64];
    if (isfinite(share))
        tm_table_add_cell(out, "%s", tm_number(100 * share, 2, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", missing[0] ? missing : TM_NO_READING_ERROR);
}

static void add_phase(tm_table *out, const tm_cell_summary *s, const tm_energy_phase *e)
{
    char text[160];
    begin_row(out, s, tm_energy_token_name(e->phase));
    add_interval(out, &e->joules_per_token, e->fake, e->missing);
    add_interval(out, &e->net_joules_per_token, e->fake, e->net_missing);
    const tm_interval tokens = tm_energy_tokens_per_joule(&e->joules_per_token);
    add_interval(out, &tokens, e->fake, e->missing);
    add_interval(out, &e->watts, e->fake, e->missing);
    add_interval(out, &e->idle_watts, e->fake, e->missing[0] ? e->missing : e->idle_missing);
    add_error(out, e->largest_error, e->missing);
    add_error(out, e->largest_net_error, e->missing[0] ? e->missing : e->net_error_missing);
    tm_table_add_cell(out, "%s", e->missing[0] ? "-" : tm_energy_origin(e, text, sizeof text));
    tm_energy_counts(e, text, sizeof text);
    if (e->warning[0])
        tm_table_add_cell_with_note(out, text, e->warning);
    else
        tm_table_add_cell(out, "%s", text[0] ? text : "-");
}

/* Both phases of a test together. */
static void add_both_phases(tm_table *out, const tm_cell_summary *s)
{
    begin_row(out, s, "all");
    add_interval(out, &s->energy.joules_per_token, s->energy.fake, s->energy.missing);
    tm_table_add_cell(out, "%s", ""); /* net: of each phase only */
    const tm_interval tokens = tm_energy_tokens_per_joule(&s->energy.joules_per_token);
    add_interval(out, &tokens, s->energy.fake, s->energy.missing);
    for (int i = 0; i < 6; i++) tm_table_add_cell(out, "%s", "");
}

tm_status tm_report_energy(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const struct {
        const char *heading;
        tm_align align;
    } columns[] = {
        {TM_HEADING_MODEL, TM_LEFT},
        {TM_HEADING_KERNEL, TM_LEFT},
        {TM_HEADING_THREADS, TM_RIGHT},
        {TM_HEADING_TEST, TM_LEFT},
        {"Tokens", TM_LEFT},
        {TM_HEADING_SPEED, TM_RIGHT},
        {TM_HEADING_JOULES, TM_RIGHT},
        {TM_HEADING_NET_JOULES, TM_RIGHT},
        {TM_HEADING_TOKENS, TM_RIGHT},
        {TM_HEADING_WATTS, TM_RIGHT},
        {TM_HEADING_IDLE_WATTS, TM_RIGHT},
        {TM_HEADING_ERROR, TM_RIGHT},
        {TM_HEADING_NET_ERROR, TM_RIGHT},
        {TM_HEADING_METER, TM_LEFT},
        {"Windows", TM_LEFT},
    };
    const tm_summaries *all = view->summaries;
    bool has_fake = false;
    for (int i = 0; i < all->n; i++)
        has_fake |= !all->items[i].superseded && all->items[i].energy.fake;
    tm_table_init(out, has_fake ? "FAKE. Energy by cell and phase" : "Energy by cell and phase");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        tm_table_add_column(out, columns[i].heading, columns[i].align);
    const char *origin = NULL;
    int last_machine = -1;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->superseded || !s->energy.is_asked) continue;
        const char *own = tm_sheet_origin(view->input, &s->cell);
        if (s->energy.phases[TM_PHASE_PROMPT].missing[0] &&
            s->energy.phases[TM_PHASE_GENERATION].missing[0])
            own = "joules not measured";
        else if (s->energy.fake)
            own = "fake joules and watts (not measured)";
        const int machine = s->cell.machine;
        if (!origin || strcmp(origin, own) != 0 || machine != last_machine) {
            if (all->n_machines > 1)
                tm_table_add_group(out, "%s: %s", own,
                                   tm_sheet_machine_of(view->input, &s->cell)->name);
            else
                tm_table_add_group(out, "%s", own);
        }
        origin = own;
        last_machine = machine;
        for (int phase = 0; phase < TM_PHASES; phase++)
            if ((phase == TM_PHASE_PROMPT ? s->cell.n_prompt : s->cell.n_gen) > 0)
                add_phase(out, s, &s->energy.phases[phase]);
        if (s->cell.n_prompt > 0 && s->cell.n_gen > 0) add_both_phases(out, s);
    }
    tm_table_add_note(
        out, "Tokens: those that the joules are divided by; all: prompt and output tokens of "
             "one repetition together. J/token, tokens/J and power are gross, with the within-run "
             "interval over processes (below 4 processes their range); net: above idle power, "
             "which is the mean of the idle times before and after. Reading "
             "error: the largest bound of a window, without that of the instrument; of net joules "
             "it includes the readings of idle power and half of what they differ by. Windows: "
             "one per process, by state.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "energy by cell: out of memory for %d rows", out->n_rows);
    return TM_OK;
}
