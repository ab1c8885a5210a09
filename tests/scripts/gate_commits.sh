#!/usr/bin/env bash
# scripts/gate.sh in a small repository whose commits "build" programs with given times, and the workflow
# files that run it. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
top=$PWD
. tests/harness/cli/tap.sh
need git
need make
unset GITHUB_ACTIONS GITHUB_STEP_SUMMARY
export TERNMARK=$program REAL_TERNMARK=$program
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t

mkdir -p repo/scripts
cp "$top/scripts/gate.sh" repo/scripts/
printf '#!/bin/sh\nexit 0\n' >repo/scripts/deps.sh
chmod +x repo/scripts/deps.sh
cp "$top/tests/harness/cli/fake_build" repo/fake
printf 'all:\n\tmkdir -p build\n\tcp fake build/ternmark\n\tcp fake.settings build/ternmark.settings\n' >repo/Makefile
git -C repo init -q
# tag NAME SETTING...: a commit whose build has these settings
tag() {
    local name=$1
    shift
    printf '%s\n' "counter=$work/counter" "$@" >repo/fake.settings
    git -C repo add . && git -C repo commit -q --allow-empty -m "$name" && git -C repo tag "$name"
}
tag base
tag slow factor=1.2
tag wrong factor=0.5 tokens=0123456789abcdef
printf 'all:\n\t@echo no such header >&2; false\n' >repo/Makefile
tag broken
git -C repo checkout -q -b same base
git -C repo commit -q --allow-empty -m same

# gate STATUS TITLE PATTERN ARGUMENT...
gate() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    timeout 300 repo/scripts/gate.sh "$@" >out 2>err </dev/null
    got=$?
    echo "exit status $got, wanted $wanted" >>err
    [ $got -eq "$wanted" ] && cat out err | grep -q -e "$pattern"
    verdict $? "$title"
}
cells="-m null:1000 --kernel i2r16_mad_scalar -t 1 -p 0 -n 4 -r 2"
# shellcheck disable=SC2086
{
    gate 0 "an equal commit passes" "^gate: pass" -o pass base -- $cells
    gate 1 "a slower commit fails" "^REGRESSION" -o report base slow -- $cells
    grep -q "^REGRESSION" report/gate.txt && grep -q "<failure" report/junit.xml &&
        grep -q "::error" report/annotations.txt && grep -q '"kind":"sample"' report/store.jsonl
    verdict $? "and leaves its report"
    gate 1 "a commit that computes something else fails" "greedy tokens.*differ" base wrong -- $cells
    gate 0 "options reach the gate" "^gate: pass" base slow -- $cells --threshold 30%
    gate 3 "a base that does not build is inconclusive" "the base does not build" -o report broken base -- $cells
    grep -q "the base does not build" report/gate.txt && grep -q "no such header" report/build-base.log &&
        [ ! -e report/store.jsonl ]
    verdict $? "and leaves its log and nothing of an earlier gate"
    gate 1 "a head that does not build fails" "the head does not build" base broken -- $cells
    GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=$work/summary gate 1 "a GitHub runner sees annotations" "^::error" base slow -- $cells
    grep -q "i2r16_mad_scalar" summary
    verdict $? "and the table"
}
gate 2 "an unknown commit is refused" "nowhere is not a commit" nowhere
gate 2 "no commit is refused" "0 commits are given"
gate 2 "three commits are refused" "3 commits are given" base slow wrong
gate 2 "an option without -- is refused" "go after --" --threshold 3% base
gate 2 "a folder that cannot be written is refused" "cannot be written" -o /dev/null/x base
[ "$(git -C repo worktree list | wc -l)" -eq 1 ]
verdict $? "no worktree is left"

cd "$top" || exit 2
git apply --check tests/scripts/slow_kernel.patch >"$work/out" 2>&1
verdict $? "the example's patch applies"
files=$(echo .github/workflows/*.yml .github/actions/*/action.yml scripts/*.yml)
for file in $files; do
    if python3 -c 'import yaml' 2>/dev/null; then
        python3 -c 'import sys, yaml; assert isinstance(yaml.safe_load(open(sys.argv[1])), dict)' "$file"
        verdict $? "$file is YAML"
    else
        n=$((n + 1))
        echo "ok $n - $file is YAML # SKIP python3-yaml is not installed"
    fi
done
# shellcheck disable=SC2086
for script in $(grep -hoE '(^|[^/A-Za-z])scripts/[a-z-]+\.sh' $files | grep -oE 'scripts/.*' | sort -u); do
    [ -x "$script" ]
    verdict $? "$script, which a workflow runs, exists"
done
# The steps of the gate are the script and what prepares an empty machine for it.
! sed -nE 's/^ *(- )?run: //p; /^  (before_)?script:/,/^  [a-z]*:$/s/^ *- //p' .github/workflows/gate.yml \
    .github/actions/gate/action.yml scripts/gate.gitlab-ci.yml |
    grep -vE '^(scripts/gate\.sh |apt-get update |git config --global --add safe\.directory )' >"$work/out"
verdict $? "the gate's jobs run only scripts/gate.sh"
echo "1..$n"
