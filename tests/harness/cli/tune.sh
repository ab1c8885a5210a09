#!/usr/bin/env bash
# ternmark tune, and kernel autotuning by run and bench: a choice is measured once, cached, and
# measured again on request. Prints TAP. Nothing here depends on which kernel wins.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
tiny=$PWD/tests/golden/b158_g-I2_S.gguf # each run of a candidate takes milliseconds
. tests/harness/cli/tap.sh
cp "$tiny" tiny.gguf

# Number of cached kernel choices. The same folder also caches the prefetch distance.
cached() { grep -rl '"family"' "$XDG_CACHE_HOME" 2>/dev/null | wc -l; }

expect 0 "tune chooses a kernel of the family, and says why" "^Chosen: [a-z0-9_]*" tune -m tiny.gguf -t 1
[ "$(grep -c '  chosen$' out)" -eq 1 ] && [ "$(cached)" -eq 0 ]
verdict $? "tune chooses exactly one and caches nothing"
expect 0 "tune prints JSON" '"kernel"' tune -m tiny.gguf -t all -o json
expect 2 "tune needs a model" "--model is missing" tune
expect 2 "an unknown shape suggests the nearest" "125M" tune -m synth:125
expect 2 "an unknown family suggests the nearest" "ternary" tune -m synth:125M --family ternarry
expect 3 "file layouts have a fixed kernel order" "fixed order" tune -m synth:125M --family q8_0
expect 2 "an unknown format" "expected text or json" tune -m synth:125M --format yaml

bench="bench -m tiny.gguf -t 1 -p 0 -n 2 -r 1 --processes 1"
# shellcheck disable=SC2086
expect 0 "bench tunes a choice that is not cached" "comparing ternary kernels on tiny.gguf, 1 thread (. of " $bench
count=$(cached)
[ "$count" -gt 0 ]
verdict $? "bench caches the choice"
# shellcheck disable=SC2086
expect 0 "a second bench uses the cache" "tiny.gguf" $bench
! grep -q "comparing" err && [ "$(cached)" -eq "$count" ]
verdict $? "a second bench tunes nothing"
# shellcheck disable=SC2086
expect 0 "--retune tunes again" "comparing ternary kernels on tiny.gguf, 1 thread (. of " $bench --retune
for file in "$XDG_CACHE_HOME"/ternmark/tune/*.json; do echo '{"schema":1' >"$file"; done
# shellcheck disable=SC2086
expect 0 "a damaged cache is tuned again" "comparing ternary kernels on tiny.gguf, 1 thread (. of " $bench
rm -rf "$XDG_CACHE_HOME"
cat >suite.json <<'END'
{ "name": "small", "axes": { "model": ["synth:125M"], "kernel": ["auto"], "threads": [1], "test": ["tg2"] },
  "baseline": { "kernel": "f16" }, "processes": 1, "repetitions": 1, "warmup": 0 }
END
expect 0 "a dry run tunes nothing" "2 cells" run suite.json --dry-run
[ "$(cached)" -eq 0 ]
verdict $? "a dry run caches nothing"
echo "1..$n"
