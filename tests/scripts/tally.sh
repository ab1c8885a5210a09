#!/usr/bin/env bash
# The counting of tests, against outputs whose counts are known: a runner that misses a failure would
# make every other test worthless. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

n=0
counts() { # title, exit status, expected counts, expected skip reasons; output on stdin
    n=$((n + 1))
    cat >"$work/log"
    : >"$work/skips"
    local got
    got="$(scripts/tally.sh "$work/log" "$work/skips" "$2") $(tr '\n' '|' <"$work/skips")"
    if [ "$got" = "$3 ${4:-}" ]; then
        echo "ok $n - $1"
    else
        echo "# got '$got', wanted '$3 ${4:-}'"
        echo "not ok $n - $1"
    fi
}

counts "all pass" 0 "2 0 0" <<'OUT'
1..2
ok 1 - a
ok 2 - b
# ok - tests
OUT
counts "one fails" 1 "1 1 0" <<'OUT'
1..2
not ok 1 - a
# 0x1 != 0x2
ok 2 - b
OUT
counts "cmocka's way to skip, the reason on standard error" 0 "1 0 1" "no fixture x: set TM_FIXTURES|" <<'OUT'
1..2
ok 1 - a
no fixture x: set TM_FIXTURES
not ok 2 # SKIP b
OUT
counts "TAP's way to skip" 0 "1 0 1" "no such processor|" <<'OUT'
ok 1 - a
ok 2 - b # SKIP no such processor
1..2
OUT
counts "exit in the middle, with status 0" 0 "1 1 0" <<'OUT'
1..3
ok 1 - a
OUT
counts "killed in the middle" 139 "1 1 0" <<'OUT'
1..3
ok 1 - a
OUT
counts "a failure and then killed" 139 "0 2 0" <<'OUT'
1..3
not ok 1 - a
OUT
counts "killed after the last test" 134 "1 1 0" <<'OUT'
1..1
ok 1 - a
OUT
counts "killed before the plan that comes last" 139 "1 1 0" <<'OUT'
ok 1 - a
OUT
counts "two groups" 0 "3 0 0" <<'OUT'
1..1
ok 1 - a
1..2
ok 1 - b
ok 2 - c
OUT
counts "no TAP, status 0" 0 "1 0 0" <<'OUT'
fine
OUT
counts "no TAP, status 1" 1 "0 1 0" <<'OUT'
bad
OUT
counts "no TAP, status 77" 77 "0 0 1" "jq is not installed|" <<'OUT'
looking
jq is not installed
OUT
counts "no TAP, a time-out" 124 "0 1 0" </dev/null
counts "nothing but comments, status 0" 0 "1 0 0" <<'OUT'
# a remark
OUT
echo "1..$n"
