#!/usr/bin/env bash
# Installs a prebuilt llama.cpp from npm (node-llama-cpp, about 60 MB) and programs that take the options
# of llama-bench and llama-simple: an engine to compare with, without a build.
#
#     scripts/peers/llama-npm.sh DIR [VERSION]
#     ternmark peer llama=DIR/llama-bench,model.gguf
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
version=${2:-3.21.1}
case $(uname -m) in
x86_64) platform=linux-x64 ;;
aarch64) platform=linux-arm64 ;;
armv7l) platform=linux-armv7l ;;
*) echo "node-llama-cpp has no binaries for $(uname -m)" >&2; exit 3 ;;
esac
command -v node >/dev/null && command -v npm >/dev/null || { echo "install node (20 or later) and npm" >&2; exit 3; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ -f "$dir/package.json" ] || echo '{ "private": true }' >"$dir/package.json"
# Without scripts nothing is compiled; without optional packages no GPU back-end is downloaded.
npm install --prefix "$dir" --save-exact --ignore-scripts --omit=optional --no-audit --no-fund \
    "node-llama-cpp@$version" "@node-llama-cpp/$platform@$version"
cp "$here/llama.mjs" "$dir/llama.mjs"
for name in bench simple; do
    printf '#!/bin/sh\nexec node "$(dirname "$0")/llama.mjs" %s "$@"\n' $name >"$dir/llama-$name"
    chmod +x "$dir/llama-$name"
done
echo "installed $dir/llama-bench; try: ternmark peer llama=$dir/llama-bench,MODEL.gguf"
