#!/usr/bin/env bash
# ternmark model: writes, shows and compares models, and reports errors. Prints TAP.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
golden=$PWD/tests/golden
. tests/harness/cli/tap.sh
cp "$golden/b158_g-I2_S.gguf" tiny.gguf || exit 2
i2=$golden/bn_t-I2_S.gguf tq1=$golden/bn_t-TQ1_0.gguf # the same weights
other=$golden/bn_c-TQ2_0.gguf                         # the same shape, other weights

# model STATUS TITLE PATTERN ARGUMENT...: as expect
model() { expect "$1" "$2" "$3" model "${@:4}"; }
# prints TITLE PATTERN: the output of the command before has a line that matches PATTERN
prints() {
    grep -q -- "$2" out
    verdict $? "$1"
}

model 0 "make writes a file" "wrote a.gguf" make 125M -o a.gguf
model 0 "--arch writes another architecture" "wrote b.gguf" make 125M -o b.gguf --arch bitnet-b1.58 --type tq1_0
model 0 "the gate follows from the architecture" "gate           squared ReLU" show b.gguf
model 2 "an unknown architecture is an error" 'supported are bitnet, bitnet-25' make 125M -o c.gguf --arch bitnett
model 2 "an unknown type is an error" 'must be f32, f16' make 125M -o c.gguf --type q2
model 2 "an unknown shape is an error with the nearest name" '125M' make 125 -o c.gguf
model 2 "make without --output is an error" "--output is missing" make 125M
model 2 "an unknown action is an error" 'unknown action "move"' move 125M
model 2 "the number of models is checked" 'diff takes two models; 1 given' diff 125M
model 0 "info shows the keys" "^bitnet.block_count  *u32  *11$" info a.gguf
prints "the architecture of the shape" "architecture   bitnet$"
prints "the first items of arrays" "^tokenizer.ggml.tokens  *string\[32002\]  *'<unk>', '<s>', '</s>', \.\.\.$"
prints "the tensors" "^blk.10.ffn_down.weight  *I2_S  *768  *3072  *589856  *33\.[0-9]*  *0\.0"
prints "their sum" "^123 tensors, 128446464 weights, "
grep -E '^blk|^token_embd' out | sed 's/.* //' >a.hashes
model 0 "a synthetic model has no keys" "^blk.10.ffn_down.weight" info synth:125M
grep -E '^blk|^token_embd' out | sed 's/.* //' >synth.hashes
[ "$(wc -l <a.hashes)" -eq 122 ] && cmp -s a.hashes synth.hashes
verdict $? "its weights are those of the file that make writes"
for file in "$i2" "$tq1" "$other"; do "$program" model info "$file" | sed -nE 's/.*hash ([0-9a-f]{16})$/\1/p'; done >hashes
[ "$(sed -n 1p hashes)" = "$(sed -n 2p hashes)" ] && [ "$(sed -n 1p hashes)" != "$(sed -n 3p hashes)" ] &&
    [ "$(wc -l <hashes)" -eq 3 ]
verdict $? "equal weights have equal hashes in every type"

model 0 "diff finds no difference of a file from itself" "^0 keys and 0 tensors differ" diff tiny.gguf tiny.gguf
model 1 "diff names a key that differs" "^key general.file_type: value: 40 / 36$" diff "$i2" "$tq1"
prints "and types" "^tensor blk.0.attn_q.weight: type: I2_S / TQ1_0$"
model 0 "--weights ignores keys and types" "^0 tensors with different weights" diff "$i2" "$tq1" --weights
model 1 "diff counts the weights that differ" \
    "^tensor token_embd.weight: [0-9]* of 76800 weights differ, by up to 1\.[0-9]*$" diff "$i2" "$other"
model 1 "a key that one model lacks is missing" "^key bitnet.block_count: value: 1 / missing$" diff "$i2" "$golden/ll_d-TQ2_0.gguf"
prints "and so is a tensor" "^tensor blk.0.attn_sub_norm.weight: shape: 1 x 256 / missing$"
model 0 "diff prints JSON" '"equal_weights":.*true' diff "$i2" "$tq1" --weights --format json
model 0 "info prints JSON" '"zero_share_missing":.*"not a matrix of a layer"' info tiny.gguf --format json
"$program" model show tiny.gguf >shown
"$program" model show tiny.gguf -o file && [ -s file ] && cmp -s shown file
verdict $? "show writes to the file of --output"
model 2 "show cannot write into a missing folder" "no/such: cannot be written" show tiny.gguf -o no/such
model 0 "info tells the scaling of positions" "yarn, factor 4, original context 16, attention factor 1.138" \
    info "$golden/qw_y-Q2_0.gguf"
prints "the norms of q and k" "q, k norms     yes"
model 0 "the scales of minicpm" "embedding 12, residual 0.7, logits 1/2.5" info "$golden/mc_l-TQ2_0.gguf"
model 0 "show names the layout of I2_S" "groups of 128 (--i2s-layout 64 for files made on ARM)" show tiny.gguf
model 0 "which an option chooses" "groups of 64 " show tiny.gguf --i2s-layout 64
TERNMARK_I2S_LAYOUT=64 model 0 "or the environment" "groups of 64 " show tiny.gguf
TERNMARK_I2S_LAYOUT=64 model 0 "which the option overrides" "groups of 128 " show tiny.gguf --i2s-layout 128
TERNMARK_I2S_LAYOUT=32 model 2 "another layout is an error" "it must be 128, 64, 4 or rows" show tiny.gguf
model 0 "another packing has four rows in a byte" "four rows in a byte" show tiny.gguf --i2s-layout rows
for layout in 64 128; do "$program" logits -m tiny.gguf --i2s-layout $layout --tokens 1,5 -o $layout.f32; done
"$program" logits -m tiny.gguf --tokens 1,5 -o default.f32
cmp -s default.f32 128.f32 && [ -s 64.f32 ] && ! cmp -s 64.f32 128.f32
verdict $? "the layout changes the logits"
model 2 "a missing file is an error" 'none.gguf' show none.gguf
model 2 "an architecture that the engine lacks is an error" \
    '"gpt2"; supported are bitnet, bitnet-25, bitnet-b1.58, llama, qwen3 and minicpm' \
    make 125M --arch gpt2 -o c.gguf
[ ! -e c.gguf ]
verdict $? "an error leaves no file"
echo "1..$n"
