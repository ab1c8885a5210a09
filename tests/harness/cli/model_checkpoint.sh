#!/usr/bin/env bash
# Hugging Face checkpoints: every command that takes a model takes their folder. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
golden=$(realpath tests/golden/hf_bitnet)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2
export XDG_CACHE_HOME=$work/cache

n=0
# expect STATUS TITLE PATTERN ARGUMENT...: checks the exit status, and that a line of stdout or stderr
# matches PATTERN
expect() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    n=$((n + 1))
    timeout 500 "$program" "$@" >out 2>err </dev/null
    got=$?
    if [ $got -eq "$wanted" ] && cat out err | grep -q -- "$pattern"; then
        echo "ok $n - $title"
    else
        echo "not ok $n - $title"
        echo "# exit status $got, wanted $wanted; looking for: $pattern"
        sed 's/^/# /' out err | tail -n 8
    fi
}
same() { # TITLE FILE FILE
    n=$((n + 1))
    if [ -s "$2" ] && cmp -s "$2" "$3"; then echo "ok $n - $1"; else echo "not ok $n - $1"; fi
}

# As the hub's cache lays it out.
hash=67a9b8b00464fce66686bdabc0f5d1fc2a63d8b8
repo=hub/models--ternmark--tiny-bitnet
mkdir -p $repo/blobs $repo/refs $repo/snapshots/$hash
i=0
for file in "$golden"/*; do
    i=$((i + 1))
    cp "$file" $repo/blobs/$i
    ln -s ../../blobs/$i "$repo/snapshots/$hash/$(basename "$file")"
done
printf %s $hash >$repo/refs/main

expect 0 "info reads a folder" "^architecture   bitnet-b1.58$" model info "$golden"
expect 0 "and shows what is stored" "^blk.0.attn_k.weight  *U8  *64  *128  *2048 .* 0.09375 " model info "$golden"
expect 0 "the name is that of the repository" "^name           tiny-bitnet$" model info $repo
expect 0 "a snapshot is a folder" "^name           tiny-bitnet$" model info $repo/snapshots/$hash
expect 0 "all are the same model" "^0 keys and 0 tensors differ" model diff $repo $repo/snapshots/$hash/model-00002-of-00002.safetensors
expect 0 "tokenize reads tokenizer.json" "^298 259 264 11 266 265 71 269 220 297 299$" \
    tokenize -m $repo -p "hello world, the thing <tool><|end_of_text|>" --special --bos
expect 0 "convert writes a GGUF file" "^wrote a.gguf$" model convert $repo a.gguf --type i2_s
expect 0 "with the same weights" "^0 tensors with different weights$" model diff $repo a.gguf --weights
"$program" tokenize -m a.gguf -p "hello world, the thing <tool><|end_of_text|>" --special --bos >ids
same "and the same vocabulary" ids <(echo "298 259 264 11 266 265 71 269 220 297 299")
"$program" logits -m $repo --tokens 1,5,9,17,290 -o repo.f32 2>/dev/null
"$program" logits -m a.gguf --tokens 1,5,9,17,290 -o file.f32 2>/dev/null
same "logits equal those of the file bit for bit" repo.f32 file.f32
expect 0 "convert keeps weights in every type" "^wrote b.gguf$" model convert a.gguf b.gguf --type f32 --embedding-type f32
expect 0 "and back" "^wrote c.gguf$" model convert b.gguf c.gguf --type i2_s --embedding-type bf16
expect 0 "to the same file" "^0 keys and 0 tensors differ" model diff a.gguf c.gguf
expect 0 "rows that no block divides become F16" "^6 matrices are F16: the rows are not a multiple of TQ2_0's blocks$" \
    model convert a.gguf d.gguf --type tq2_0
expect 0 "an I2_S file can have groups of 64" "^wrote e.gguf$" model convert a.gguf e.gguf --type i2_s --write-i2s-layout 64
expect 0 "which are read as such" "^0 tensors with different weights$" model diff $repo e.gguf --weights --i2s-layout 64
expect 1 "and only so" "tensor blk.0.ffn_up.weight: " model diff $repo e.gguf --weights
expect 0 "or four rows in a byte" "^wrote e.gguf$" model convert a.gguf e.gguf --type i2_s --write-i2s-layout rows
expect 0 "which are read so" "^0 tensors with different weights$" model diff $repo e.gguf --weights --i2s-layout rows
expect 0 "convert writes a type of ik_llama.cpp" "^wrote e.gguf$" model convert a.gguf e.gguf --type iq1_bn
expect 0 "as its tensors say" "^blk.0.ffn_up.weight .*IQ1_BN" model info e.gguf
expect 2 "Q1_0 holds no zeros" "cannot be written as Q1_0: weight 0 of row 0 is " model convert a.gguf f.gguf --type q1_0
expect 2 "convert needs a type" "--type is missing; it must be f32" model convert a.gguf f.gguf
expect 2 "a type that does not exist" '--type is "q9"; it must be' model convert a.gguf f.gguf --type q9
expect 2 "a type that matrices cannot have" 'matrices cannot be written as Q6_K' model convert a.gguf f.gguf --type q6_k
expect 2 "a synthetic model" 'synth:125M is synthetic; write it with make' model convert synth:125M f.gguf --type i2_s
expect 2 "a file that cannot be written" 'no/f.gguf' model convert a.gguf no/f.gguf --type i2_s
n=$((n + 1))
if [ -e f.gguf ]; then echo "not ok $n - an error leaves no file"; else echo "ok $n - an error leaves no file"; fi
expect 0 "convert may replace its input" "^wrote c.gguf$" model convert c.gguf c.gguf --type tq1_0
expect 0 "bench measures a folder" "tiny-bitnet" bench -m $repo -t 1 -p 4 -n 2 -r 1 --kernel trit
echo '{"name":"one","axes":{"model":["'$repo'"],"kernel":["trit"],"threads":[1],"test":["pp4","tg2"]}}' >suite.json
expect 0 "a sweep plans it" "tiny-bitnet" run suite.json --dry-run
rm $repo/snapshots/$hash/model-00002-of-00002.safetensors
expect 2 "a missing part is named" "model-00002-of-00002.safetensors is missing; download" model info $repo
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n' >$repo/snapshots/$hash/model-00002-of-00002.safetensors
expect 2 "a pointer of Git LFS is named" "model-00002-of-00002.safetensors is a Git LFS pointer" bench -m $repo -t 1 -p 4 -n 2
rm $repo/snapshots/$hash/*
expect 2 "an empty snapshot is named" "$hash is a folder without a GGUF file or a checkpoint" logits -m $repo --tokens 1 -o x
cp -r "$golden" plain && rm plain/tokenizer.json
expect 3 "a missing tokenizer is named" "plain has no tokenizer.json" tokenize -m plain -p a
"$program" logits -m plain --tokens 1,5,9,17,290 -o plain.f32 2>/dev/null
same "and hinders nothing else" plain.f32 repo.f32
echo "1..$n"
