#!/usr/bin/env bash
# ternmark model: files of synthetic models, and what is refused. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

n=0
# expect STATUS TITLE PATTERN ARGUMENT...: exit status, and a line of either stream that has PATTERN
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
expect 0 "a file of a shape" "wrote a.gguf" make 125M -o a.gguf
expect 0 "its own architecture" "architecture   bitnet$" show a.gguf
expect 0 "another, for programs that know no other" "wrote b.gguf" make 125M -o b.gguf --arch bitnet-b1.58
expect 0 "and what follows from it" "gate           squared ReLU" show b.gguf
expect 2 "an architecture nobody knows" 'not bitnet, bitnet-25' make 125M -o c.gguf --arch bitnett
expect 2 "a type nobody knows" 'not f32, f16' make 125M -o c.gguf --type q2
expect 2 "a shape nobody knows, with the nearest" '125M' make 125 -o c.gguf
expect 2 "no file to make" "--output is missing" make 125M
expect 2 "neither make nor show" '"mend" is neither' mend 125M
expect 2 "a file that is not there" 'none.gguf' show none.gguf
n=$((n + 1))
if [ -e c.gguf ]; then echo "not ok $n - a refusal leaves no file"; else echo "ok $n - a refusal leaves no file"; fi
echo "1..$n"
