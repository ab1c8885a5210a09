#!/usr/bin/env bash
# bench --format jsonl: a line is out as soon as its cell has ended, and names what measured it.
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need jq

# The first test ends at once; the second would take 100 s.
"$program" bench -m null:100000000 -t 1 -p 0 -n 1,1000 -r 1 --processes 1 --no-warmup -q --format jsonl >out 2>err </dev/null &
pid=$!
while [ ! -s out ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -KILL $pid
wait $pid 2>/dev/null
[ "$(wc -l <out)" = 1 ] && jq -e '.test == "tg1" and .status == "ok"' out >/dev/null
verdict $? "a killed bench leaves the lines of the cells that had ended"

expect 0 "two kernels and two tests" '"tg2"' bench -m null:1000 -t 1 -p 0 -n 1,2 -r 1 --kernel i2r16 --baseline f16 -q --format jsonl
jq -se 'map(.test + .role) | sort == ["tg1baseline", "tg1ternary", "tg2baseline", "tg2ternary"]' out >/dev/null
verdict $? "one line per cell"
jq -se 'map(select(.role == "ternary")) | all(.speedup_over_baseline.n == 4)' out >/dev/null
verdict $? "no line is out before all its pairs have run"
jq -se 'all(.machine and (.version | test("^[0-9]")) and .compiler and (.date | test("^20..-.*Z$")) and has("commit"))' out >/dev/null
verdict $? "every line names machine, version, commit, compiler and date"
echo "1..$n"
