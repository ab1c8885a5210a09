#!/usr/bin/env bash
# ternmark bench: the columns of its table, the reasons of values that are missing, and a store that is used again.
# Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
bench() { "$program" bench -m null:1000 -t 1 -r 1 --processes 2 --kernel i2r16 "$@" 2>"$work/stderr"; }

bench -p 0 -n 2 >"$work/decode"
head -1 "$work/decode" >"$work/head"
grep -q 'Tokens/s \[within run\]' "$work/head" && ! grep -qE 'First token|p50|GB/s|Speed-up|Pairs' "$work/head"
verdict $? "a column without any value is left out"
grep -q '^Token p50, ms: not measured (4 times of single tokens; at least 6 are required)\.$' "$work/decode" &&
    grep -q '^Read, GB/s: not measured (' "$work/decode" && ! grep -q '^First token' "$work/decode"
verdict $? "columns that are left out have their reason, unless the test explains it"

bench -p 8 -n 4 --baseline f16 >"$work/both"
grep -q 'First token, ms .*Speed-up  Pairs' "$work/both" && ! grep -qE ' -( +[^ (]| *$)' "$work/both" &&
    grep -qE ' - \([a-z]\)' "$work/both" && grep -qE '^\([a-z]\) the test has no prompt$' "$work/both"
verdict $? "every value that is missing has its reason"

bench -p 0 -n 4 --baseline f16 --format json >"$work/json"
grep -q '"speedup_over_baseline_missing":[[:space:]]*"it is the baseline"' "$work/json" &&
    bench -p 0 -n 4 --format json | grep -q '"speedup_over_baseline_missing":[[:space:]]*"no baseline of this'
verdict $? "JSON has the reason of a speed-up that is missing"

bench -p 0 -n 4 --format csv | tr -d '\r' >"$work/csv"
sed -n 1p "$work/csv" | grep -q ',older_build,.*,older_model$' && sed -n 2p "$work/csv" | grep -q ',no$'
verdict $? "CSV says whether a cell is of an older build or model"

# Cells of an older build stay in the store and out of the table.
bench -p 0 -n 4 --store "$work/store.jsonl" >/dev/null &&
    sed -i 's/"build":"[0-9a-f]*"/"build":"00000000"/; s/"cell_id":"[0-9a-f]/"cell_id":"0/' "$work/store.jsonl" &&
    bench -p 0 -n 4 --store "$work/store.jsonl" >"$work/again" && [ "$(grep -c '^null:1000' "$work/again")" -eq 1 ] &&
    grep -qE '^null:1000 .* 2 ' "$work/again"
verdict $? "results of an older build in the store are not printed as results"
echo "1..$n"
