#!/usr/bin/env bash
# Hashes of object files: equal for equal code in another folder, changed by a change of code and not by
# debug information. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
script=$PWD/scripts/code_hashes.sh
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

n=0
verdict() { # STATUS TITLE
    n=$((n + 1))
    [ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}
# hashes FOLDER CODE: of an object made in that folder
hashes() {
    mkdir -p "$work/$1/room" && printf '%s\n' "$2" >"$work/$1/room/code.c" &&
        (cd "$work/$1" && ${CC:-cc} -O1 -g1 -c -o room/code.o room/code.c && "$script" objcopy room/code.o)
}
code='int twice(int x) { return 2 * x; }'
hashes a "$code" >"$work/a.c" && hashes b "$code" >"$work/b.c" && cmp -s "$work/a.c" "$work/b.c"
verdict $? "equal code in two folders has equal hashes"
grep -qE '^\{"code", 0x[0-9a-f]{16}\}, \\$' "$work/a.c"
verdict $? "the list names the object"
hashes c "// a comment
$code" | cmp -s - "$work/a.c"
verdict $? "a moved line changes nothing"
hashes d "${code/2/3}" >"$work/d.c" && ! cmp -s "$work/a.c" "$work/d.c"
verdict $? "other code has another hash"
"$script" no-such-objcopy "$work/a/room/code.o" | grep -q '^{0}$' && ! "$script" no-such-objcopy "$work/a/room/code.o" | grep -q "\"code\""
verdict $? "without objcopy no object is listed"
echo "1..$n"
