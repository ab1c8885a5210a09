#!/usr/bin/env bash
# Counts the tests of one program from its output.
#
#   scripts/tally.sh LOG SKIPS STATUS
#
# LOG holds stdout and stderr of the program, STATUS is its exit status. Prints "passed failed
# skipped" and writes the reason of each skip to SKIPS, one per line. In TAP each line is a test. A
# program without TAP is one test: status 0 passed, 77 skipped with its last line as the reason. An
# incomplete plan, or a non-zero status without a failed test, counts as one more failure.
set -u

awk -v status="$3" -v skips="$2" '
    function skip(reason) { n_skipped++; print reason >skips }
    /^1\.\.[0-9]+/ { n_planned += substr($0, 4); planned = 1; next }
    /^(not )?ok [0-9]+.*# SKIP/ {
        reason = $0; sub(/.*# SKIP */, "", reason)
        skip($0 ~ / - .*# SKIP/ || last == "" ? reason : last); last = ""; next }
    /^ok [0-9]+/ { n_passed++; last = ""; next }
    /^not ok [0-9]+/ { n_failed++; last = ""; next }
    /^#/ || /^[[:space:]]*$/ { next }
    { last = $0 }
    END {
        if (!planned && !(n_passed + n_failed + n_skipped)) {
            if (status == 0) n_passed = 1
            else if (status == 77) skip(last)
            else n_failed = 1
        } else {
            # The program ended early or failed outside its tests.
            if (planned && n_passed + n_failed + n_skipped < n_planned) n_failed++
            else if (status != 0 && !n_failed) n_failed = 1
        }
        print n_passed + 0, n_failed + 0, n_skipped + 0
    }' "$1"
