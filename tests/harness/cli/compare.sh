#!/usr/bin/env bash
# ternmark compare: live arms, two stores, A/A runs and bad input. Prints TAP. Scripts replace
# llama-bench, so that both arms have given times and nothing here depends on speed.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need python3

# -x NS reports that many ns per token, for every repetition; -fail fails.
cat >llama-bench <<'END'
#!/bin/sh
ns=1000000
while [ $# -gt 0 ]; do
    case $1 in
    -p) p=$2 ;; -n) g=$2 ;; -t) t=$2 ;; -r) r=$2 ;; -pg) p=${2%,*} g=${2#*,} ;;
    -x) ns=$2 ;;
    -fail) echo "no model in this file" >&2; exit 1 ;;
    esac
    shift
done
each=$(((p + g) * ns)) all=$each
while [ "$r" -gt 1 ]; do all="$all, $each" r=$((r - 1)); done
echo "[ { \"build_commit\": \"abc123\", \"model_type\": \"fake\", \"n_prompt\": $p, \"n_gen\": $g,"
echo "  \"n_threads\": $t, \"samples_ns\": [ $all ] } ]"
END
chmod +x llama-bench
echo x >model.gguf
peers="one=$work/llama-bench,$work/model.gguf,-x,1000000;two=$work/llama-bench,$work/model.gguf,-x,800000"
cells="-m null:100000 -t 1 -p 0 -n 4 -r 1"

# shellcheck disable=SC2086
expect 0 "two arms run as pairs" '"verdict":.*"faster"' compare peer=one peer=two $cells -p 8 --peer "$peers" --pairs 8 --format json --store c.jsonl
python3 - out c.jsonl 2>err <<'PYTHON'
import json, sys

rows = json.load(open(sys.argv[1]))
assert sorted(r["test"] for r in rows) == ["pp8", "tg4"], rows
for r in rows:
    assert abs(r["ratio"]["value"] - 1.25) < 1e-9, r
    assert r["pairs"] == 8 and r["kernel_a"] == "one" and r["kernel_b"] == "two", r
samples = [line for line in map(json.loads, open(sys.argv[2])) if line["kind"] == "sample"]
order = [s["kernel"] for s in samples if s["test"] == "pp8"]
assert order == ["one", "two", "two", "one"] * 4, order
PYTHON
verdict $? "the ratio is exact and the order is AB BA"
# shellcheck disable=SC2086
expect 0 "without --pairs it ends when the interval decides" "8 pairs" compare peer=one peer=two $cells --peer "$peers"
# shellcheck disable=SC2086
expect 0 "--precision ends when the interval is narrow" "8 pairs" compare peer=one peer=two $cells --peer "$peers" --precision 2%
# shellcheck disable=SC2086
expect 0 "an arm is compared with itself" "no difference shown" compare --aa peer=one $cells --peer "$peers"
grep -q "noise floor of speed for 1 thread and generation: 1.00.*, kept for this machine" err
verdict $? "and says that the noise floor is kept"
# shellcheck disable=SC2086
expect 0 "fewer pairs are no noise floor" "no noise floor of speed was kept: it needs 10 pairs" compare --aa peer=one $cells --peer "$peers" --pairs 4
# shellcheck disable=SC2086
expect 2 "an A/A test is not exported" "leave out --export" compare --aa peer=one $cells --peer "$peers" --export junit:aa.xml
# shellcheck disable=SC2086
expect 0 "the noise floor of the A/A run is shown" "noise floor 1.00" compare peer=one peer=two $cells --peer "$peers" --pairs 4
# shellcheck disable=SC2086
expect 2 "equal arms are refused" "A and B are the same" compare peer=one peer=one $cells --peer "$peers"
# shellcheck disable=SC2086
expect 4 "a failing arm is a failed cell" "no model in this file" compare peer=one peer=bad $cells --peer "$peers;bad=$work/llama-bench,$work/model.gguf,-fail" --pairs 2
grep -q "not measured" out
verdict $? "its row is not measured"
expect 0 "another build runs as an arm" '"variant_b":.*"build=' compare kernel=auto "build=$program" -m null:100000 -t 1 -p 0 -n 4 -r 1 --pairs 2 --format json
cat >suite.json <<'END'
{"name": "s", "axes": {"model": ["null:100000"], "kernel": ["one"], "threads": [1], "test": ["tg4"]},
 "baseline": {"kernel": "one"}, "processes": 24, "repetitions": 1, "precision": 0.02}
END
expect 0 "run ends its pairs when they are narrow" " 16 new samples" run suite.json --peer "$peers" --kernel two --store narrow.jsonl --no-roofline
expect 0 "a narrower --precision is kept as well" " 0 new samples" run suite.json --peer "$peers" --kernel two --store narrow.jsonl --no-roofline --precision 1%

# Two stores: not pairs.
for arm in one two; do
    # shellcheck disable=SC2086
    "$program" bench $cells --kernel auto --peer "${peers//two=/skip=}" --processes 3 --store $arm.jsonl -q >/dev/null 2>&1
done
sed -i 's/"elapsed_ns":1000000\([0-9]*\),/"elapsed_ns":2000000\1,/' two.jsonl
expect 0 "two stores are compared" "not pairs" compare one.jsonl two.jsonl
expect 0 "as CSV" "^model_a,model_b,threads_a" compare one.jsonl two.jsonl --format csv
sed 's/null:100000/null:5/' one.jsonl >other.jsonl
expect 3 "disjoint stores are not comparable" "no cell is in both stores" compare one.jsonl other.jsonl
sed 's/"schema":1,/"schema":99,/' one.jsonl >future.jsonl
expect 2 "a store of another schema is refused" "schema 99" compare one.jsonl future.jsonl
expect 2 "a store and an arm are refused" "is a store and" compare one.jsonl kernel=f16

expect 2 "one arm is not enough" "two arms are needed" compare kernel=f16 -m null:1
expect 2 "an unknown key names the nearest" 'did you mean "kernel"' compare kernal=a kernel=b -m null:1
expect 2 "a part without a value is refused" "expected KEY=VALUE" compare kernel=auto,threads kernel=f16 -m null:1
expect 2 "a build that does not exist is refused" "No such file" compare build=/nonexistent kernel=auto -m null:1
expect 2 "a build that is no ternmark is refused" "not a usable ternmark" compare build=/bin/true kernel=auto -m null:1
printf '#!/bin/sh\necho "{\\"line\\":\\"hello\\",\\"protocol\\":99,\\"program\\":\\"ternmark 9\\"}"\nread x\n' >future
chmod +x future
expect 2 "a build of another protocol is refused by name" "ternmark 9.*protocol 99" compare build=./future kernel=auto -m null:1
expect 2 "an unknown metric lists those there are" "tokens_per_second" compare kernel=auto kernel=f16 -m null:1 --metric foo
expect 2 "a wrong precision is refused" "0.01% to 100%" compare kernel=auto kernel=f16 -m null:1 --precision 0
echo "1..$n"
