#!/usr/bin/env bash
# --cpus, --cores and --threads-batch: which CPUs a process really uses, which cells a plan has, and what the
# store keeps. Prints TAP. check: long
cd "$(dirname "$0")/../../.." || exit 2
golden=$PWD/tests/golden
. tests/harness/cli/tap.sh
need jq

# The last CPU that this process may use: threads go to another one first, if there is one.
last=$(sed -n 's/^Cpus_allowed_list:.*[^0-9]\([0-9]*\)$/\1/p' /proc/self/status)
expect 0 "a profile on one CPU" '"threads"' profile -m "$golden/bn_t-I2_S.gguf" --cpus "$last" -t all -p 2 -n 0 -r 1 \
    --seconds 0 -q --kernel i2r16_mad_scalar --format json
jq -e --argjson cpu "$last" '[.[0] | .. | .cpu? // empty] == [$cpu]' out >/dev/null
verdict $? "its only thread ran on that CPU"

cat >s.json <<END
{ "name": "s", "axes": { "model": ["null:1000"], "kernel": ["auto"], "threads": [1], "threads_batch": ["all"],
  "cpus": ["$last", "all"], "test": ["pp8", "tg4"] }, "repetitions": 1, "warmup": 0 }
END
cores=$("$program" doctor --format json | jq -r '.[] | select(.name == "cpus").value' | sed -n 's/.* \([0-9]*\) cores.*/\1/p')
expect 0 "a suite over two choices of CPUs" "4 new samples" run s.json --store s.jsonl --no-roofline -q
jq -s --arg last "$last" --argjson cores "$cores" -e 'map(select(.kind == "sample") | [.cpus // "", .test, .threads]) | sort ==
    ([["", "pp8", $cores], ["", "tg4", 1], [$last, "pp8", 1], [$last, "tg4", 1]] | sort)' s.jsonl >/dev/null
verdict $? "prompts and generation have their own thread counts, \"all\" counts the cores of the choice"
expect 0 "the same command measures nothing again" " 0 new samples" run s.json --store s.jsonl --no-roofline -q
jq '.baseline = {kernel: "f16"}' s.json >paired.json
"$program" run paired.json --store p.jsonl --no-roofline -q --test tg4 >/dev/null 2>err </dev/null
expect 0 "the report names the choice" "1 thread on CPUs $last, tg4" report p.jsonl -o p
[ "$(grep -c '1 thread.*, tg4$' out)" -ge 2 ] && grep '1 thread.*, tg4$' out | grep -qv ' on CPUs '
verdict $? "each choice has its own table of speed-ups"
expect 0 "--cpus replaces the axis" "2 cells" run s.json --cpus "$last" --dry-run
expect 0 "bench prints the choice" "1 of $last " bench -m null:1000 --cpus "$last" -p 0 -n 2 -r 1 --processes 1 -q
expect 2 "a CPU that does not exist" 'CPU 9999 does not exist' bench -m null:1000 --cpus 0,9999
expect 2 "not a list" 'expected performance, efficiency, all or CPU numbers' run s.json --cpus 1-x --dry-run
expect 2 "unknown kind of core" 'unknown kind of core "big"' bench -m null:1000 --cores big
expect 2 "more threads than CPUs of the choice" 'exceeds the 1 available CPU' bench -m null:1000 --cpus "$last" -t 2
echo "1..$n"
