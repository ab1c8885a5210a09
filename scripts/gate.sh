#!/usr/bin/env bash
# Builds two commits and compares their speed with `ternmark gate`. CI runs this script and nothing else.
#
#   scripts/gate.sh [-o DIR] BASE_REF [HEAD_REF] [-- OPTIONS OF ternmark gate]
#
#   BASE_REF   the commit to compare with: main, HEAD^1, a tag
#   HEAD_REF   the commit that is judged (default: HEAD; uncommitted changes are not in it)
#   -o DIR     where the report goes (default: gate-report): gate.txt, junit.xml, annotations.txt,
#              store.jsonl and the logs of both builds
#
# TERNMARK names the program that measures (default: the head's). Exit: 0 pass, 1 regression or the head
# does not build, 2 wrong usage or a missing dependency, 3 inconclusive or the base does not build.
set -u
unset MAKEFLAGS MFLAGS MAKELEVEL MODE ARCH CC CFLAGS LDFLAGS BUILD

out=gate-report
fail() { # status sentence
    echo "gate: $2" >&2
    if [ -d "$out" ]; then echo "gate: $2" >"$out/gate.txt"; fi
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then echo "gate: $2" >>"$GITHUB_STEP_SUMMARY"; fi
    exit "$1"
}
usage="usage: scripts/gate.sh [-o DIR] BASE_REF [HEAD_REF] [-- OPTIONS OF ternmark gate]"

refs=()
while [ $# -gt 0 ]; do
    case $1 in
    -o)
        [ -n "${2:-}" ] || fail 2 "-o needs a folder; $usage"
        out=$2
        shift
        ;;
    --)
        shift
        break
        ;;
    -*) fail 2 "unknown option $1; options of ternmark gate go after --" ;;
    *) refs+=("$1") ;;
    esac
    shift
done
case ${#refs[@]} in 1 | 2) ;; *) fail 2 "${#refs[@]} commits are given, 1 or 2 are needed; $usage" ;; esac

mkdir -p "$out" 2>/dev/null && [ -w "$out" ] || fail 2 "the folder $out cannot be written; name another with -o"
out=$(realpath "$out")
rm -f "$out"/{gate.txt,junit.xml,annotations.txt,store.jsonl,build-base.log,build-head.log}
program=${TERNMARK:+$(realpath "$TERNMARK")}
cd "$(dirname "$0")/.." || exit 2

commit() { # ref: its commit
    git rev-parse --verify --quiet "$1^{commit}" ||
        fail 2 "$1 is not a commit of this repository; fetch it first (a shallow clone lacks most commits)"
}
base=$(commit "${refs[0]}") || exit 2
head=$(commit "${refs[1]:-HEAD}") || exit 2

scripts/deps.sh >&2 || fail 2 "dependencies are missing; scripts/deps.sh says which"

work=$(mktemp -d) || exit 2
remove() {
    for tree in "$work"/*; do git worktree remove --force "$tree" 2>/dev/null; done
    rm -rf "$work"
}
trap remove EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# build NAME COMMIT STATUS: STATUS is the exit status if it does not build
build() {
    echo "gate: building the $1, ${2:0:12}" >&2
    git worktree add --quiet --force --detach "$work/$1" "$2" >"$out/build-$1.log" 2>&1 &&
        make -C "$work/$1" -j "$(nproc)" all >>"$out/build-$1.log" 2>&1 </dev/null &&
        [ -x "$work/$1/build/ternmark" ] ||
        fail "$3" "the $1 does not build (${2:0:12}); see $out/build-$1.log"
}
build base "$base" 3
build head "$head" 1

"${program:-$work/head/build/ternmark}" gate --base "$work/base/build/ternmark" \
    --head "$work/head/build/ternmark" --store "$out/store.jsonl" --export "junit:$out/junit.xml" \
    --export "github:$out/annotations.txt" --skip-unchanged "$@" | tee "$out/gate.txt"
status=${PIPESTATUS[0]}
# Lines that a GitHub runner turns into annotations.
if [ -n "${GITHUB_ACTIONS:-}" ]; then cat "$out/annotations.txt"; fi
exit "$status"
