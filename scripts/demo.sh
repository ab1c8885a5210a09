#!/usr/bin/env bash
# From a fresh clone to a speed-up table: installs what is missing, builds, measures the demo suite,
# writes the report; that prints the tables and names its files.
#
#   scripts/demo.sh [SUITE]     default: demo
#
# Records go to results/runs/SUITE.jsonl. An interrupted run of the same build goes on where it was; a
# finished one, or one of another build, is moved aside under its date and measured afresh.
# Exit: that of `ternmark run` where it is not 0, else that of `ternmark report`.
set -u
cd "$(dirname "$0")/.." || exit 2

suite=${1:-demo}
runs=results/runs
store=$runs/$suite.jsonl
begun=$runs/$suite.begun # version of the build that writes the store; absent when it has finished
report=$runs/$suite-report

say() { echo "demo: $*" >&2; }

scripts/deps.sh demo || exit
unset MAKEFLAGS MFLAGS MAKELEVEL
make -s -j "$(nproc)" BUILD=build MODE=release >&2 || exit

mkdir -p $runs || exit 2
version=$(build/ternmark --version) || exit
if [ -e "$store" ] && [ "$(cat "$begun" 2>/dev/null)" != "$version" ]; then
    aside=$runs/$suite-$(date -r "$store" +%Y%m%d-%H%M%S).jsonl
    say "an earlier run is kept as $aside"
    mv "$store" "$aside" || exit 2
fi
[ ! -e "$store" ] || say "going on with $store"
echo "$version" >"$begun" || exit 2

build/ternmark run "$suite" --store "$store"
status=$?
case $status in
130 | 143)
    say "interrupted; the same command goes on from here"
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
