#!/usr/bin/env bash
# Command lines and files as people have them: repeated and glued options, commas in paths, a suite
# with more threads than this machine. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
tiny=$PWD/tests/golden/b158_g-I2_S.gguf
. tests/harness/cli/tap.sh

plan="run quick --test tg8 --dry-run"
# planned TITLE PATTERN... -- ARGUMENT...: each pattern is in the plan
planned() {
    local title=$1 patterns=() pattern status=0
    shift
    while [ "$1" != -- ]; do patterns+=("$1"); shift; done
    shift
    # shellcheck disable=SC2086
    "$program" $plan "$@" >out 2>err </dev/null || status=1
    for pattern in "${patterns[@]}"; do grep -q -- "$pattern" out || status=1; done
    verdict $status "$title"
}
planned "a repeated -m adds a model" synth:125M synth:700M -- -m synth:125M -m synth:700M -t 1
planned "a repeated --kernel adds a kernel" i2r16 f16r16 -- -m synth:125M -t 1 --kernel i2r16 --kernel f16
planned "short options may be glued to their values" "synth:350M .* 1  tg8" -- -msynth:350M -t1
TERNMARK_MODEL=synth:700M planned "an option replaces its variable" synth:125M -- -m synth:125M -t 1
! grep -q 700M out
verdict $? "and adds nothing to it"
expect 2 "letters glued to a word are no option" 'unknown option' run quick -nonsense

mkdir 'a,b'
cp "$tiny" 'a,b/m,n.gguf'
expect 0 "a path may hold commas" 'a,b/m,n.gguf' run quick --dry-run -t 1 -m 'a,b/m,n.gguf'
expect 0 "also beside another model" 'a,b/m,n.gguf' run quick --dry-run -t 1 -m 'synth:125M,a,b/m,n.gguf'
grep -q synth:125M out
verdict $? "which is planned too"

planned "a model has one name, however it is written" "^synth:125M " -- -m synth:125m,synth:dummy\ 125M -t 1
! grep -Eq '125m|dummy' out
verdict $? "and is one model"
planned "a size in parentheses may be left out" "bitnet_b1_58-large (700M)" -- -m synth:bitnet_b1_58-large -t 1
expect 2 "a shape without its prefix is recognized" "use synth:125M" bench -m 125M -t 1 -p 0 -n 1

cache=models--microsoft--bitnet-b1.58-2B-4T-gguf/snapshots/67a9b8b00464fce66686bdabc0f5d1fc2a63d8b8
long=$work/home/user/.cache/huggingface/hub/$cache
mkdir -p "$long" && mv 'a,b/m,n.gguf' "$long/ggml-model-i2_s.gguf"
expect 0 "the path of a download cache is not too long" "ggml-model-i2_s.gguf" \
    bench -m "$long/ggml-model-i2_s.gguf" -t 1 -p 0 -n 1 -r 1 --processes 1 -q --store long.jsonl
grep -q "\"model\":\"$long/ggml-model-i2_s.gguf\"" long.jsonl
verdict $? "and is stored whole"

cat >threads.json <<'END'
{ "name": "threads", "axes": { "model": ["null:100000"], "kernel": ["auto"], "threads": [1, 4000], "test": ["tg4"] },
  "processes": 1, "repetitions": 1, "warmup": 0 }
END
expect 0 "a number of threads that this machine lacks is skipped" "4000 exceeds the" \
    run threads.json --store threads.jsonl
[ "$(grep -c '"kind":"sample"' threads.jsonl)" -eq 1 ]
verdict $? "and the others run"
expect 2 "unless no number fits" "exceeds the .* available CPU" run threads.json -t 4000 --dry-run
echo "1..$n"
