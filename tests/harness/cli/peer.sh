#!/usr/bin/env bash
# --peer of bench and run: other engines as peers. Prints TAP. A script replaces llama-bench and the
# check: long
# fake engine replaces a model, so nothing here depends on speed.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need python3

# Reports 1 ms per token for every test; -x fails.
cat >llama-bench <<'END'
#!/usr/bin/env bash
while [ $# -gt 0 ]; do
    case $1 in
    -p) p=$2 ;; -n) g=$2 ;; -t) t=$2 ;; -r) r=$2 ;; -pg) p=${2%,*} g=${2#*,} ;;
    -x) echo "no model in this file" >&2; exit 1 ;;
    esac
    shift
done
samples=$(for ((i = 0; i < r; i++)); do printf '%s%d' "$([ $i -gt 0 ] && echo ,)" $(((p + g) * 1000000)); done)
echo "[ { \"build_commit\": \"abc123\", \"model_type\": \"bitnet 2B TQ2_0\", \"n_prompt\": $p, \"n_gen\": $g,"
echo "  \"n_threads\": $t, \"samples_ns\": [ $samples ] } ]"
END
chmod +x llama-bench
echo x >model.gguf
here="other=$work/llama-bench,$work/model.gguf"
bench="bench -m null:100000 -t 1 -p 8 -n 4 -r 2 --processes 2 -o json"
# shellcheck disable=SC2086
expect 0 "a peer runs in the same bench" '"kernel":.*"other"' $bench --peer "$here"
grep -A20 '"kernel":.*"other"' out | grep -Eq '"value":.*(1000|999\.99)'
verdict $? "the table has the rate that the peer reports"
grep -q 'timed by the peer itself (bitnet 2B TQ2_0, build abc123); results not checked' out
verdict $? "the output says that the peer timed itself"
grep -A40 '"kernel":.*"other"' out | grep -q '"bytes_per_token_missing"'
verdict $? "a value that the peer does not report is missing"
# shellcheck disable=SC2086
expect 0 "a peer can be the baseline" '"speedup_over_baseline"' $bench --peer "$here" --baseline other --store ratio.jsonl
# The fake engine spins for 100 us per token, longer if it is preempted, so the ratio is at most ten.
python3 - out ratio.jsonl 2>err <<'PYTHON'
import json, math, statistics, sys

ratios = {c["test"]: c["speedup_over_baseline"]["value"] for c in json.load(open(sys.argv[1])) if c["speedup_over_baseline"]}
lines = [line for line in map(json.loads, open(sys.argv[2])) if line["kind"] == "sample"]

def rate(test, kernel, process):
    of = [s for s in lines if s["test"] == test and (s["kernel"] == "other") == (kernel == "other") and s["process"] == process]
    assert len(of) == 2, of
    return statistics.median(1e9 * s["n_tokens"] / s["elapsed_ns"] for s in of)

assert sorted(ratios) == ["pp8", "tg4"], ratios
for test, ratio in ratios.items():
    pairs = [rate(test, "ours", process) / rate(test, "other", process) for process in (0, 1)]
    assert all(abs(rate(test, "other", process) - 1000) < 1e-6 for process in (0, 1))
    assert abs(ratio / math.sqrt(pairs[0] * pairs[1]) - 1) < 1e-9, (ratio, pairs)
    assert 0 < ratio <= 10 + 1e-9, ratio
PYTHON
verdict $? "the speed-up follows from the samples and is at most ten"
# shellcheck disable=SC2086
expect 4 "a failing peer is a failed cell with its message" "no model in this file" $bench --peer "$here,-x" --store s.jsonl
grep -q '"kind":"sample"' s.jsonl
verdict $? "cells other than the failed one are measured"
# shellcheck disable=SC2086
expect 2 "missing program of a peer" "no/such/program" $bench --peer "a=/no/such/program,$work/model.gguf"
# shellcheck disable=SC2086
expect 2 "two peers of one name" "two peers are named other" $bench --peer "$here;$here"
# shellcheck disable=SC2086
expect 2 "a peer named like a kernel family" "name of a kernel" $bench --peer "f16=$work/llama-bench,$work/model.gguf"
# shellcheck disable=SC2086
expect 2 "a peer without a file" "the file is missing" $bench --peer "a=$work/llama-bench"
# Some builds of llama-bench print other lines before and inside the JSON.
cat >chatty <<'END'
#!/usr/bin/env bash
echo "============ Repacked 210 tensors"
"$(dirname "$0")/llama-bench" "$@" | sed '1a ==== HAVE_FANCY_SIMD is defined'
END
cat >mute <<'END'
#!/usr/bin/env bash
echo "no table today"
END
chmod +x chatty mute
# shellcheck disable=SC2086
expect 0 "a peer's lines outside the JSON are ignored" '"kernel":.*"other"' \
    $bench --peer "other=$work/chatty,$work/model.gguf"
# shellcheck disable=SC2086
expect 4 "the error shows a peer's answer without JSON" 'is not JSON: "no table today"' \
    $bench --peer "other=$work/mute,$work/model.gguf"
cat >suite.json <<'END'
{ "name": "small", "axes": { "model": ["null:100000"], "kernel": ["auto"], "threads": [1], "test": ["pp8", "tg4"] },
  "baseline": { "kernel": "f16" }, "processes": 2, "repetitions": 2, "warmup": 0 }
END
expect 0 "run --peer adds cells to a suite" "6 cells" run suite.json --peer "$here" --dry-run
expect 0 "run measures the peer" "32 new samples" run suite.json --peer "$here" --store r.jsonl
expect 0 "run resumes with the peer" " 0 new samples" run suite.json --peer "$here" --store r.jsonl
expect 0 "a peer has no profile" "16 profiles missing" run suite.json --peer "$here" --store r.jsonl --profile
[ "$(grep '"kernel":"other"' r.jsonl | grep -c '"status":"skipped","reason":"the worker of this engine makes no profiles')" -eq 4 ]
verdict $? "the reason is recorded for each process"
expect 0 "the report shows the peer" "other" report r.jsonl
echo "1..$n"
