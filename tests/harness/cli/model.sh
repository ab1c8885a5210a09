#!/usr/bin/env bash
# ternmark model: writes, shows and compares models, and reports errors. Prints TAP.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
golden=$PWD/tests/golden
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
cp "$golden/b158_g-I2_S.gguf" tiny.gguf || exit 2

n=0
# expect STATUS TITLE PATTERN ARGUMENT...: checks the exit status, and that a line of stdout or stderr
# matches PATTERN
expect() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    n=$((n + 1))
    timeout 500 "$program" model "$@" >out 2>err </dev/null
    got=$?
    if [ $got -eq "$wanted" ] && cat out err | grep -q -- "$pattern"; then
        echo "ok $n - $title"
    else
        echo "not ok $n - $title"
        echo "# exit status $got, wanted $wanted; looking for: $pattern"
        sed 's/^/# /' out err | tail -n 8
    fi
}
expect 0 "make writes a file" "wrote a.gguf" make 125M -o a.gguf
expect 0 "the file has the architecture of the shape" "architecture   bitnet$" show a.gguf
expect 0 "--arch writes another architecture" \
    "wrote b.gguf" make 125M -o b.gguf --arch bitnet-b1.58
expect 0 "the gate follows from the architecture" "gate           squared ReLU" show b.gguf
expect 2 "an unknown architecture is an error" \
    'supported are bitnet, bitnet-25' make 125M -o c.gguf --arch bitnett
expect 2 "an unknown type is an error" 'must be f32, f16' make 125M -o c.gguf --type q2
expect 2 "an unknown shape is an error with the nearest name" '125M' make 125 -o c.gguf
expect 2 "make without --output is an error" "--output is missing" make 125M
expect 2 "an unknown action is an error" 'unknown action "move"' move 125M
expect 2 "the number of models is checked" 'diff takes two models; 1 given' diff 125M
expect 0 "info shows the keys" "^bitnet.block_count  *u32  *11$" info a.gguf
expect 0 "of arrays the first items" "^tokenizer.ggml.tokens  *string\[32002\]  *'<unk>', '<s>', '</s>', \.\.\.$" info a.gguf
expect 0 "info shows the tensors" "^blk.10.ffn_down.weight  *I2_S  *768  *3072  *589856  *33\.[0-9]*  *0\.0" info a.gguf
expect 0 "and their sum" "^123 tensors, 128446464 weights, " info a.gguf
expect 0 "a synthetic model has no keys" "^blk.10.ffn_down.weight" info synth:125M
"$program" model make 125M -o t.gguf --type tq2_0 2>/dev/null
"$program" model make 125M -o s.gguf --seed 2 2>/dev/null
for f in a t s synth:125M; do
    "$program" model info ${f/%[ats]/$f.gguf} | grep -E '^blk|^token_embd' | sed 's/.* //' >$f.hashes
done
n=$((n + 1))
if [ "$(wc -l <a.hashes)" -eq 122 ] && cmp -s a.hashes t.hashes && cmp -s a.hashes synth:125M.hashes &&
    ! cmp -s a.hashes s.hashes; then
    echo "ok $n - equal weights have equal hashes in every type"
else
    echo "not ok $n - equal weights have equal hashes in every type"
    paste a.hashes t.hashes s.hashes | sed 's/^/# /' | head -n 5
fi
expect 0 "diff finds no difference of a file from itself" "^0 keys and 0 tensors differ" diff tiny.gguf tiny.gguf
expect 1 "diff names a key that differs" "^key general.file_type: value: 40 / 37$" diff a.gguf t.gguf
expect 1 "and types" "^tensor blk.0.attn_q.weight: type: I2_S / TQ2_0$" diff a.gguf t.gguf
expect 0 "--weights ignores keys and types" "^0 tensors with different weights" diff a.gguf t.gguf --weights
expect 1 "diff counts the weights that differ" \
    "^tensor blk.0.attn_q.weight: [0-9]* of 589824 weights differ, by up to 0\.[0-9]*$" diff a.gguf s.gguf
expect 1 "a key that one model lacks is missing" "^key bitnet.block_count: value: 11 / missing$" diff a.gguf synth:125M
expect 1 "a layer that one model lacks is missing" \
    "^tensor blk.11.attn_q.weight: shape: missing / " diff synth:125M synth:350M --weights
expect 0 "diff prints JSON" '"equal_weights":.*true' diff a.gguf t.gguf --weights --format json
expect 0 "info prints JSON" '"zero_share_missing":.*"not a matrix of a layer"' info tiny.gguf --format json
n=$((n + 1))
"$program" model show tiny.gguf >shown
if "$program" model show tiny.gguf -o file && [ -s file ] && cmp -s shown file; then
    echo "ok $n - show writes to the file of --output"
else
    echo "not ok $n - show writes to the file of --output"
fi
expect 2 "show cannot write into a missing folder" "no/such: cannot be written" show tiny.gguf -o no/such
expect 0 "info tells the scaling of positions" "yarn, factor 4, original context 16, attention factor 1.138" \
    info "$golden/qw_y-Q2_0.gguf"
expect 0 "info tells the norms of q and k" "q, k norms     yes" info "$golden/qw_y-Q2_0.gguf"
expect 0 "info tells the scales of minicpm" "embedding 12, residual 0.7, logits 1/2.5" info "$golden/mc_l-TQ2_0.gguf"
expect 0 "show names the layout of I2_S" "groups of 128 (--i2s-layout 64 for files made on ARM)" show tiny.gguf
expect 0 "which an option chooses" "groups of 64 " show tiny.gguf --i2s-layout 64
TERNMARK_I2S_LAYOUT=64 expect 0 "or the environment" "groups of 64 " show tiny.gguf
TERNMARK_I2S_LAYOUT=64 expect 0 "which the option overrides" "groups of 128 " show tiny.gguf --i2s-layout 128
TERNMARK_I2S_LAYOUT=32 expect 2 "another layout is an error" "it must be 128, 64, 4 or rows" show tiny.gguf
expect 0 "another packing has four rows in a byte" "four rows in a byte" show tiny.gguf --i2s-layout rows
for layout in 64 128; do "$program" logits -m tiny.gguf --i2s-layout $layout --tokens 1,5 -o $layout.f32; done
"$program" logits -m tiny.gguf --tokens 1,5 -o default.f32
n=$((n + 1))
if cmp -s default.f32 128.f32 && [ -s 64.f32 ] && ! cmp -s 64.f32 128.f32; then
    echo "ok $n - the layout changes the logits"
else
    echo "not ok $n - the layout changes the logits"
fi
expect 2 "a missing file is an error" 'none.gguf' show none.gguf
expect 2 "an architecture that the engine lacks is an error" \
    '"gpt2"; supported are bitnet, bitnet-25, bitnet-b1.58, llama, qwen3 and minicpm' \
    make 125M --arch gpt2 -o c.gguf
n=$((n + 1))
if [ -e c.gguf ]; then echo "not ok $n - an error leaves no file"; else echo "ok $n - an error leaves no file"; fi
echo "1..$n"
