# Shared by the command-line tests, which source it from the top of the checkout. Finds the program, enters
# a temporary folder that is removed at the end, and counts TAP lines. The test prints "1..$n" itself.
# shellcheck shell=bash
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
# Not empty under sanitizers, where a process takes 0.1 s: leave out repetitions that run no other code.
# shellcheck disable=SC2034
sanitized=$(grep -q __asan_init "$program" && echo yes)
work=$(mktemp -d) || exit 2
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 2
export XDG_CACHE_HOME=$work/cache # no autotuned choice outlives a test
# Measuring the machine takes seconds of each command; a test of limits unsets these.
export TERNMARK_NO_ROOFLINE=yes TERNMARK_PREFETCH=8192

# need COMMAND: skips the whole test if the command is not installed
need() { command -v "$1" >/dev/null || { echo "$1 is not installed"; exit 77; }; }

n=0
# verdict STATUS TITLE: one TAP line, with the output of a failed command
verdict() {
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        sed 's/^/# out: /' out 2>/dev/null | tail -n 12
        sed 's/^/# err: /' err 2>/dev/null | tail -n 12
    fi
}
# expect STATUS TITLE PATTERN ARGUMENT...: the program ends with STATUS, and a line of stdout or stderr
# matches PATTERN
expect() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    timeout 500 "$program" "$@" >out 2>err </dev/null
    got=$?
    echo "exit status $got, wanted $wanted; looking for: $pattern" >>err
    [ $got -eq "$wanted" ] && cat out err | grep -v 'looking for' | grep -q -- "$pattern"
    verdict $? "$title"
}
