#!/usr/bin/env bash
# From a fresh clone to a speed-up table in ten minutes: installs missing packages, builds, runs the
# demo suite in the time that is left, and writes the report. Ends with the decode table, one line on
# how far it can be trusted, and the place of the report.
#
#   scripts/demo.sh [SUITE]     default: demo
#
# Records go to results/runs/SUITE.jsonl. An interrupted run of the same build is resumed. A
# finished run, or a run of another build, is renamed with its date, and a new run starts.
# TERNMARK_DEMO_SECONDS replaces the ten minutes. Exit: the status of `ternmark run` if it is not 0,
# else that of `ternmark report`.
set -u
SECONDS=0 # counts from here
cd "$(dirname "$0")/.." || exit 2

total=${TERNMARK_DEMO_SECONDS:-600}
suite=${1:-demo}
runs=results/runs
store=$runs/$suite.jsonl
begun=$runs/$suite.begun # version of the build that writes the store; removed when the run has finished
report=$runs/$suite-report

say() { echo "demo: $*" >&2; }

# Prints what make compiles: a line every few seconds, overwritten on a terminal.
show_build() { # number of files
    local line n=0 next=0 end='\n'
    trap '' INT # ^C ends make, which removes what is half written; it must still find a reader
    [ -t 2 ] && end='\033[K\r'
    while read -r line; do
        case $line in
        'CC '* | 'CXX '*) n=$((n + 1)) ;;
        'LD '*) continue ;;
        *) echo "$line" >&2 && continue ;; # of the compiler
        esac
        [ "$SECONDS" -ge "$next" ] || continue
        # shellcheck disable=SC2059 # end is a format
        printf "demo: building, file %d of %d: %s$end" "$n" "$1" "${line##*/obj/}" >&2
        next=$((SECONDS + 3))
    done
    [ ! -t 2 ] || printf '\033[K' >&2
}

say "1/4 packages"
scripts/deps.sh demo || exit
unset MAKEFLAGS MFLAGS MAKELEVEL
files=$(make -n BUILD=build MODE=release 2>/dev/null | grep -c -- ' -c -o ')
say "2/4 build, $files files"
make -j "$(nproc)" BUILD=build MODE=release 2>&1 | show_build "$files"
status=${PIPESTATUS[0]}
[ "$status" -eq 0 ] || exit "$status"

mkdir -p $runs || exit 2
version=$(build/ternmark --version) || exit
if [ -e "$store" ] && [ "$(cat "$begun" 2>/dev/null)" != "$version" ]; then
    aside=$runs/$suite-$(date -r "$store" +%Y%m%d-%H%M%S).jsonl
    say "the earlier run is kept as $aside"
    mv "$store" "$aside" || exit 2
fi
[ ! -e "$store" ] || say "resuming $store"
echo "$version" >"$begun" || exit 2

# Of what is left, the report takes a few seconds.
budget=$((total - SECONDS - 20))
[ $budget -ge 60 ] || budget=60
say "3/4 measuring for $budget s: first which kernel is fastest here, then every model against fp16"
outcome=$(build/ternmark run "$suite" --store "$store" --time-budget $budget)
status=$?
case $status in
130 | 143)
    say "interrupted; run the same command to resume"
    exit $status
    ;;
2)
    exit 2
    ;;
esac
rm -f "$begun"

say "4/4 report"
build/ternmark report "$store" --output "$report" >"$runs/$suite-report.log"
reported=$?
# The decode table of the most threads; the report has all tables.
awk '/^(Decode|Prompt) / { show = /^Decode/ && !/other models$/; if (show) table = "" }
     show { table = table $0 "\n" }
     END { printf "\n%s", table }' "$report/speedup.txt" 2>/dev/null
echo "$outcome" | grep '^Trust: ' | fold -s -w 100
echo "Report: $report/report.md (every table, plots, warnings); records: $store; $SECONDS s in all"
[ $status -ne 0 ] || status=$reported
exit $status
