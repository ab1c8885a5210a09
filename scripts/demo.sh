#!/usr/bin/env bash
# From a fresh clone to a speed-up table: installs missing packages, builds, runs the demo suite and
# writes the report, which prints its tables and names its files.
#
#   scripts/demo.sh [SUITE]     default: demo
#
# Records go to results/runs/SUITE.jsonl. An interrupted run of the same build is resumed. A
# finished run, or a run of another build, is renamed with its date, and a new run starts. Exit: the
# status of `ternmark run` if it is not 0, else that of `ternmark report`.
set -u
cd "$(dirname "$0")/.." || exit 2

suite=${1:-demo}
runs=results/runs
store=$runs/$suite.jsonl
begun=$runs/$suite.begun # version of the build that writes the store; removed when the run has finished
report=$runs/$suite-report

say() { echo "demo: $*" >&2; }

scripts/deps.sh demo || exit
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -j "$(nproc)" BUILD=build MODE=release >&2 || exit

mkdir -p $runs || exit 2
version=$(build/ternmark --version) || exit
if [ -e "$store" ] && [ "$(cat "$begun" 2>/dev/null)" != "$version" ]; then
    aside=$runs/$suite-$(date -r "$store" +%Y%m%d-%H%M%S).jsonl
    say "the earlier run is kept as $aside"
    mv "$store" "$aside" || exit 2
fi
[ ! -e "$store" ] || say "resuming $store"
echo "$version" >"$begun" || exit 2

build/ternmark run "$suite" --store "$store"
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

build/ternmark report "$store" --output "$report"
reported=$?
say "records: $store; report: $report"
[ $status -ne 0 ] || status=$reported
exit $status
