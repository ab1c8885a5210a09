#!/usr/bin/env bash
# Compares files that ternmark writes, and what it reads and computes, with programs of others: llama.cpp
# (node-llama-cpp), a reader of tokenizer.json and a GGUF parser, all from npm. Prints TAP.
#
#     scripts/oracles/run.sh [DIR]     DIR (default build/oracles) gets the packages, 1 GB
set -u
cd "$(dirname "$0")/../.." || exit 2
program=$(realpath "${TERNMARK:-build/ternmark}")
dir=${1:-build/oracles}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
command -v node >/dev/null && command -v npm >/dev/null || { echo "node or npm is not installed"; exit 77; }
mkdir -p "$dir" || exit 2
log=$dir/install.log
has() { [ -e "$dir/node_modules/$1/package.json" ]; }
has node-llama-cpp || scripts/peers/llama-npm.sh "$dir" >"$log" 2>&1 ||
    { echo "node-llama-cpp cannot be installed, see $log"; exit 77; }
has @huggingface/gguf && has @huggingface/tokenizers ||
    npm install --prefix "$dir" --save-exact --ignore-scripts --omit=optional --no-audit --no-fund \
        @huggingface/gguf@0.4.6 @huggingface/tokenizers@0.2.0 >"$log" 2>&1 ||
    { echo "the packages of @huggingface cannot be installed, see $log"; exit 77; }
cp scripts/oracles/compare.mjs "$dir/compare.mjs" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
node "$dir/compare.mjs" "$program" tests/golden "$work"
