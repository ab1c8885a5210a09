#!/usr/bin/env bash
# ternmark gate: outcomes, exit status, budgets, stored baselines and bad input. Prints TAP. Builds with
# given times replace real ones, so that nothing depends on speed. check: long
set -u
top=$(realpath "$(dirname "$0")/../../..")
fake=$top/tests/harness/cli/fake_build
cd "$top" || exit 2
. tests/harness/cli/tap.sh
need python3
export REAL_TERNMARK=$program

# build NAME SETTING...: a build of these settings
build() {
    local name=$1
    shift
    cp "$fake" "$name"
    printf '%s\n' "counter=$work/counter" "$@" >"$name.settings"
}
build base
build same
build slow factor=1.2
build fast factor=0.8
build crash crash=yes
build wrong factor=0.5 tokens=0123456789abcdef
build fat memory=1.5
build late pause=0.2 # 8 pairs take more than 1 s
cells="-m null:1000 --kernel i2r16_mad_scalar -t 1 -p 0 -n 4 -r 1"
# gate STATUS TITLE PATTERN ARGUMENT...
gate() {
    local wanted=$1 title=$2 pattern=$3
    shift 3
    # shellcheck disable=SC2086
    expect "$wanted" "$title" "$pattern" gate $cells "$@"
}

gate 0 "equal builds pass" "^gate: pass: 1 passed" --base ./base --head ./same
grep -q ", 8 pairs: the interval excludes a change beyond the threshold" out
verdict $? "at the first look"
gate 0 "a faster head passes" "faster" --base ./base --head ./fast
gate 1 "a slower head fails" "^REGRESSION" --base ./base --head ./slow
grep -q "17 % slower.*8 + 8 pairs: beyond the threshold in two independent batches" out
verdict $? "after a second batch"
gate 0 "a slow-down below the threshold passes" "^gate: pass" --base ./base --head ./slow --threshold 30%
gate 1 "a head that crashes fails" "the head failed: the worker was killed by SIGABRT" --base ./base --head ./crash
gate 3 "a base that crashes is inconclusive" "the base failed: the worker was killed" --base ./crash --head ./same
gate 1 "a faster head with other tokens fails" "greedy tokens.*differ" --base ./base --head ./wrong
gate 1 "more memory fails where it is compared" "peak memory: 50 % higher" --base ./base --head ./fat --threshold peak_rss=5%
gate 0 "and passes where it is not" "^gate: pass" --base ./base --head ./fat
gate 3 "too few pairs are inconclusive" "fewer than 8 valid pairs" --base ./late --head ./late --time-budget 1
gate 0 "--inconclusive=pass is exit status 0" "^gate: inconclusive" --base ./crash --head ./same --inconclusive=pass
gate 1 "--inconclusive=fail is exit status 1" "^gate: inconclusive" --base ./crash --head ./same --inconclusive=fail
build same_code code=00000000000000aa
build same_code_slow code=00000000000000aa factor=1.2
build other_code_slow code=00000000000000bb factor=1.2
golden=$top/tests/golden/bn_t-I2_S.gguf
gate 0 "a cell of unchanged code is skipped on request" "1 pair.*did not change" --base ./same_code --head ./same_code_slow --skip-unchanged
gate 1 "but not without the request" "^REGRESSION" --base ./same_code --head ./same_code_slow
gate 1 "nor a cell of changed code" "^REGRESSION" --base ./same_code --head ./other_code_slow --skip-unchanged
gate 1 "nor a cell of unknown code" "^REGRESSION" --base ./base --head ./slow --skip-unchanged
expect 0 "real workers report their code" "its engine and kernels did not change" gate --base "$program" --head "$program" \
    -m "$golden" --kernel ternary -t 1 -p 0 -n 2 -r 1 --skip-unchanged
gate 1 "JSON has the contract's keys" '"outcome":.*"regression"' --base ./base --head ./slow --format json --export junit:out.xml --store s.jsonl
python3 - out 2>err <<'PYTHON'
import json, sys

gate = json.load(open(sys.argv[1]))
assert gate["outcome"] == "regression", gate
(row,) = gate["rows"]
assert row["metric"] == "tokens_per_second" and row["outcome"] == "regression", row
assert abs(row["ratio"]["value"] - 1 / 1.2) < 0.005 and row["ratio"]["high"] < 1, row
assert row["pairs"] == 16 and row["confirming_pairs"] == 8, row
PYTHON
verdict $? "and the figures"
grep -q "<failure" out.xml
verdict $? "the export has the failure"
gate 3 "an export that has nothing to hold is named" "nothing to export as bencher" --base ./crash --head ./crash --export bencher:none.json --export junit:crash.xml
grep -q "<error" crash.xml
verdict $? "and the exports after it are written"
[ "$(grep -c '"kind":"sample"' s.jsonl)" -eq 32 ]
verdict $? "the store has every sample"
gate 0 "Markdown" "| PASS | " --base ./base --head ./same --format md

# Budgets.
gate 0 "a budget that is kept passes" "limit 900" --head ./same --budget "tokens_per_second>=900,peak_rss<=1MB,token_p50<=2ms"
gate 1 "a budget that is exceeded fails" "beyond the limit" --head ./slow --budget "tokens_per_second>=900"
gate 3 "a missing figure never passes" "energy was not measured" --head ./same --budget "joules_per_token<=3"
gate 3 "a figure that no cell has never passes" "no cell has this figure" --head ./same --budget "first_token<=2s"
gate 1 "a budget and a base are judged together" "beyond the limit" --base ./base --head ./same --budget "peak_rss<=0.5MB"
expect 0 "stored results are checked against a budget" "^gate: pass" gate --from s.jsonl --budget "peak_rss<=1GiB"
expect 2 "a wrong budget shows the position" "character 12" gate --from s.jsonl --budget "peak_rss<=1"

# Stored baselines: five runs of the same speed, then one that is slower.
for _ in 1 2 3 4 5; do
    # shellcheck disable=SC2086
    "$program" gate $cells --head ./same --budget "peak_rss<=1GiB" --processes 4 --store history.jsonl -q >/dev/null 2>&1
done
gate 0 "a stored baseline passes" "5 runs of history" --baseline history.jsonl --head ./same --processes 4
gate 1 "a slower head fails against it" "against the stored baseline" --baseline history.jsonl --head ./slow --processes 4
sed 's/"fingerprint":"[^"]*"/"fingerprint":"0000000000000000"/' history.jsonl >other.jsonl
gate 3 "a baseline of another machine is refused" "another machine" --baseline other.jsonl --head ./same
sed 's/null:1000/null:5/' history.jsonl >cells.jsonl
gate 3 "a baseline without the cell is inconclusive" "the baseline has no such cell" --baseline cells.jsonl --head ./same --processes 2
sed 's/"schema":1,/"schema":99,/' history.jsonl >future.jsonl
gate 2 "a baseline of another schema is refused" "schema 99" --baseline future.jsonl --head ./same

expect 2 "nothing to compare with is refused" "nothing to compare with" gate
gate 2 "a base that is no ternmark is refused" "not a usable ternmark" --base /bin/true
gate 2 "a base and a baseline are refused" "use one of them" --base ./base --baseline history.jsonl
gate 2 "a wrong threshold is refused" "0.1% to 100%" --base ./base --threshold 0
gate 2 "an export that cannot be written is refused before the work" "cannot be written" --base ./base --export junit:/nonexistent/x
gate 2 "an unknown export names the nearest" "junit" --base ./base --export junti:x
expect 2 "options of tests need a model" "need --model" gate --base ./base -n 4
expect 2 "a suite and a model are refused" "use one of them" gate --base ./base quick -m null:1
echo "1..$n"
