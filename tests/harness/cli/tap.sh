# What the command-line tests share. Sourced from the top of the checkout: finds the program, goes to a
# folder of its own that vanishes at the end, and counts TAP lines. The test prints "1..$n" itself.
# shellcheck shell=bash
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
work=$(mktemp -d) || exit 2
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 2
export XDG_CACHE_HOME=$work/cache # no choice of kernels is remembered from one test to the next

# Skips the whole test where a command is not installed.
need() { command -v "$1" >/dev/null || { echo "$1 is not installed"; exit 77; }; }

n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# out: /' out 2>/dev/null | tail -n 12
        sed 's/^/# err: /' err 2>/dev/null | tail -n 12
    fi
}
# expect STATUS TITLE PATTERN ARGUMENT...: exit status, and a line of either stream that has PATTERN
expect() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    timeout 500 "$program" "$@" >out 2>err </dev/null
    got=$?
    echo "exit status $got, wanted $wanted; looking for: $pattern" >>err
    [ $got -eq "$wanted" ] && cat out err | grep -v 'looking for' | grep -q -- "$pattern"
    verdict $? "$title"
}
