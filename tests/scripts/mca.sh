#!/usr/bin/env bash
# The table of scripts/mca.sh: its rows are complete, a loop is found in a compiled kernel, and one that
# is not found is said to be missing. Needs LLVM 19 or newer, which the other tests do not. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export BUILD=$work/mca
unset MAKEFLAGS MAKELEVEL MODE ARCH CC CFLAGS

n=0
verdict() { # STATUS TITLE
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# /' "$work/out" "$work/err" | tail -n 12
    fi
}
run() { scripts/mca.sh "$@" >"$work/out" 2>"$work/err"; }

# Every kernel with a loop of its own has a row. i8mm decodes as dotprod does.
grep -oE '^TM_KERNEL_(X86|ARM)\([a-z0-9_]+' kernels/kernels.def | sed 's/.*(//' | grep -vE '_(avx512|amx)' |
    while read -r kernel; do grep -qE "^$kernel +[1p] " scripts/mca.sh || echo "$kernel"; done >"$work/out"
: >"$work/err"
[ ! -s "$work/out" ]
verdict $? "every kernel but those of AVX-512 and AMX has a row"

run cc
[ $? -eq 2 ] && grep -q "unknown compiler 'cc'" "$work/err"
verdict $? "an unknown compiler is refused"
run gcc no_such_kernel
[ $? -eq 2 ] && grep -q "no kernel matches 'no_such_kernel'" "$work/err"
verdict $? "a pattern without a kernel is refused"
LLVM=-none run gcc
[ $? -eq 2 ] && grep -q 'install the package' "$work/err"
verdict $? "a missing llvm-mca is named"

run --loops /dev/null
skip=
grep -q 'LLVM 19' "$work/err" && skip='no llvm-mca of LLVM 19 or newer'
[ "$(uname -m)" = aarch64 ] || command -v aarch64-linux-gnu-gcc >/dev/null || skip='no compiler for AArch64'
if [ -n "$skip" ]; then
    echo "1..$((n + 1))"
    echo "ok $((n + 1)) - a loop is found # SKIP $skip"
    exit 0
fi

run gcc '^f32r16_fma_neon$' && grep -q 'Nothing here is measured' "$work/out" &&
    grep -qE '^\| loop \| A53 \|' "$work/out" &&
    grep -qE '^\| f32r16_fma_neon \|( [0-9]\.[0-9]{4} \|){8}$' "$work/out"
verdict $? "a loop is found in a compiled kernel, on every CPU"

# 16 fused multiply-adds of 4 lanes, and 2 pipes for them on Neoverse N2.
awk -F' *[|] *' '/^\| f32r16/ { exit !($7 >= 0.125 && $7 < 0.25) }' "$work/out"
verdict $? "its cost is near the limit of the pipes"

CFLAGS=-fno-unroll-loops\ -O0 run gcc '^f32r16_fma_neon$'
[ $? -eq 1 ] && grep -q 'f32r16_fma_neon, 1: no loop with fmla x16' "$work/err" &&
    grep -qE '^\| f32r16_fma_neon \|( - \|){8}$' "$work/out"
verdict $? "a loop that is compiled otherwise is missing, and the script fails"
echo "1..$n"
