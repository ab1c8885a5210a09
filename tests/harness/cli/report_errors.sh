#!/usr/bin/env bash
# ternmark report with a bad store or output: the message and the documented exit status.
# Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
n=0
refused() { # title expected-status pattern arguments...
    local title=$1 expected=$2 pattern=$3 status
    shift 3
    n=$((n + 1))
    "$program" report "$@" >"$work/stdout" 2>"$work/stderr"
    status=$?
    if [ $status -eq "$expected" ] && [ ! -s "$work/stdout" ] && grep -q -- "$pattern" "$work/stderr" &&
        [ "$(wc -l <"$work/stderr")" -eq 1 ]; then
        echo "ok $n - $title"
    else
        echo "not ok $n - $title"
        sed 's/^/# /' "$work/stderr"
        echo "# exit status $status, expected $expected"
    fi
}

run='{"schema":1,"kind":"run","run":"r1"}'
cell='{"schema":1,"kind":"cell","run":"r1","cell_id":"c","engine":"ternmark","model":"synth:125M","kernel":"i2_x","head_kernel":"f16_x","threads":1,"test":"tg4","n_prompt":0,"n_gen":4,"depth":0,"role":"ternary","status":"skipped","reason":"too large","predicted_bytes":9}'
echo "$run" >"$work/runs.jsonl"
printf '%s\n%s\n%s\n' "$run" "$cell" "${cell/125M/350M}" >"$work/cell.jsonl"
printf '{"schema":99,"kind":"run","run":"r1"}\n%s\n' "$run" >"$work/newer.jsonl"
printf 'not json\n' >"$work/garbage.jsonl"
: >"$work/file"

refused "a missing argument" 2 'STORE'
refused "a store that does not exist" 2 'nowhere.jsonl' "$work/nowhere.jsonl"
refused "a store without cells" 2 'runs.jsonl: the store holds no cell' "$work/runs.jsonl"
refused "another schema" 3 'schema 99' "$work/newer.jsonl"
refused "a file without any good line" 2 'line 1' "$work/garbage.jsonl"
refused "an unknown format" 2 'did you mean "latex"' "$work/cell.jsonl" --format latx
refused "an unknown option" 2 'did you mean .--format.' "$work/cell.jsonl" --fromat md
refused "a format as the folder" 2 'choose formats with --format' "$work/cell.jsonl" -o json
refused "a directory that is a file" 2 "$work/file" "$work/cell.jsonl" -o "$work/file"

n=$((n + 1))
if "$program" report "$work/cell.jsonl" >"$work/stdout" 2>"$work/stderr" && grep -q 'N/A' "$work/stdout" &&
    grep -q 'too large' "$work/stdout" &&
    grep -q 'predicted: ternary' "$work/cell-report/plots/memory.gp" &&
    ! grep -q 'measured' "$work/cell-report/plots/memory.gp"; then
    echo "ok $n - a store of skipped cells gives N/A and the reason"
else
    echo "not ok $n - a store of skipped cells gives N/A and the reason"
fi
echo "1..$n"
