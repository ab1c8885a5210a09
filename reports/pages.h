/* Pages of other commands than `report`, and the sections that all pages share. */
#ifndef TM_REPORTS_PAGES_H
#define TM_REPORTS_PAGES_H

#include "harness/record/store.h"
#include "reports/arms.h"
#include "reports/gate.h"
#include "reports/output/page.h"
#include "reports/reproduce.h"

#define TM_PAGE_MACHINE "Machine and conditions"

/* Sections: the machine and conditions of every run, and the samples and energy windows of every
 * cell, both folded. Errors: NOMEM. */
tm_status tm_page_machine(tm_page *page, const char *heading, const tm_records *records,
                          tm_error *err) TM_MUST_USE;
tm_status tm_page_samples(tm_page *page, const tm_records *records, tm_error *err) TM_MUST_USE;

/* A comparison: verdict, rows, forest plot, the values of every pair, and the machine of each of
 * records[n]. Errors: IO, NOMEM. */
tm_status tm_arms_page(const tm_arms *arms, const tm_records *records, int n, const char *path,
                       tm_error *err) TM_MUST_USE;
/* A gate: outcome, rows, samples and machine. Errors: IO, NOMEM. */
tm_status tm_gate_page(const tm_gate *gate, const tm_records *records, const char *path,
                       tm_error *err) TM_MUST_USE;
/* Claims: how many have which verdict, each with its reason, samples and machines of records[n],
 * which are those of the stores. Errors: IO, NOMEM. */
tm_status tm_claims_page(const tm_claims *claims, const tm_claim_results *results,
                         const tm_records *records, int n, const char *path,
                         tm_error *err) TM_MUST_USE;

#endif
