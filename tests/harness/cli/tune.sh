#!/usr/bin/env bash
# ternmark tune, and what run and bench make of it: measured once, remembered, measured again when asked.
# Prints TAP. Nothing here depends on which kernel wins.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh

# Choices of kernels; how far ahead weights are asked for is remembered beside them.
remembered() { grep -rl '"family"' "$XDG_CACHE_HOME" 2>/dev/null | wc -l; }

expect 0 "one kernel of the family is chosen" "  chosen" tune -m synth:125M -t 1
[ "$(grep -c ' chosen' out)" -eq 1 ] && [ "$(remembered)" -eq 0 ]
verdict $? "exactly one, and tune itself remembers no choice"
expect 0 "the same as JSON" '"kernel"' tune -m synth:125M -t 1 -o json
expect 2 "a model is asked for" "--model is missing" tune
expect 2 "an unknown shape names the nearest" "125M" tune -m synth:125
expect 2 "an unknown family names the nearest" "ternary" tune -m synth:125M --family ternarry
expect 3 "layouts of files have a fixed order" "fixed order" tune -m synth:125M --family q8_0
expect 2 "an unknown format" "expected text or json" tune -m synth:125M --format yaml

bench="bench -m synth:125M -t 1 -p 0 -n 2 -r 1 --processes 1"
# shellcheck disable=SC2086
expect 0 "bench measures a choice it does not know" "times as fast as" $bench
count=$(remembered)
[ "$count" -gt 0 ]
verdict $? "and remembers it"
# shellcheck disable=SC2086
expect 0 "again" "synth:125M" $bench
! grep -q "times as fast as" err && [ "$(remembered)" -eq "$count" ]
verdict $? "nothing is measured twice"
# shellcheck disable=SC2086
expect 0 "--retune measures again" "times as fast as" $bench --retune
for file in "$XDG_CACHE_HOME"/ternmark/tune/*.json; do echo '{"schema":1' >"$file"; done
# shellcheck disable=SC2086
expect 0 "a spoiled memory is measured again" "times as fast as" $bench
rm -rf "$XDG_CACHE_HOME"
cat >suite.json <<'END'
{ "name": "small", "axes": { "model": ["synth:125M"], "kernel": ["auto"], "threads": [1], "test": ["tg2"] },
  "baseline": { "kernel": "f16" }, "processes": 1, "repetitions": 1, "warmup": 0 }
END
expect 0 "a dry run measures nothing" "2 cells" run suite.json --dry-run
[ "$(remembered)" -eq 0 ]
verdict $? "and remembers nothing"
echo "1..$n"
