#!/usr/bin/env bash
# Every option that writes a file: a device, pipe or socket is written in place or refused, never
# removed or replaced; a symbolic link is followed; a command that fails or is interrupted leaves an
# earlier file as it was and no partial file. Prints TAP.
# check: limit 900
set -u
cd "$(dirname "$0")/../../.." || exit 2
tiny=$PWD/tests/golden/b158_g-I2_S.gguf
. tests/harness/cli/tap.sh
need mkfifo

cp "$tiny" model.gguf || exit 2
quick=(-m model.gguf -t 1 -p 0 -n 1 -r 1 -q)
"$program" bench "${quick[@]}" --processes 1 --store store.jsonl >/dev/null 2>&1

# The commands, with FILE where the path goes. The first word names the option in the titles.
declare -A good=(
    [logits]="logits -m model.gguf --tokens 1,5 -o FILE"
    [model]="model convert model.gguf FILE --type f16"
    [trace]="profile ${quick[*]} --seconds 0 --trace FILE"
    [folded]="profile ${quick[*]} --seconds 0 --folded FILE"
    [profile]="profile ${quick[*]} --seconds 0 --format json -o FILE"
    [bench]="bench ${quick[*]} --processes 1 --format json -o FILE"
    [kernels]="kernels --format json -o FILE"
    [list]="list models -o FILE"
    [help]="help -o FILE"
)
# The same, failing.
declare -A bad=(
    [logits]="logits -m nosuch.gguf --tokens 1,5 -o FILE"
    [logits-token]="logits -m model.gguf --tokens 99999999 -o FILE"
    [model]="model make nosuch -o FILE"
    [trace]="profile -m nosuch.gguf -t 1 -p 0 -n 1 -r 1 -q --seconds 0 --trace FILE"
    [folded]="profile -m nosuch.gguf -t 1 -p 0 -n 1 -r 1 -q --seconds 0 --folded FILE"
    [bench]="bench -m nosuch.gguf -t 1 -o FILE"
    [store]="bench -m nosuch.gguf -t 1 --store FILE"
    [kernels]="kernels bench --only nosuch -o FILE"
    [list]="list nosuch -o FILE"
    [help]="help nosuch -o FILE"
)

# run PATH COMMAND...: runs a command line with FILE replaced
run() {
    local path=$1 words
    shift
    read -ra words <<<"$*"
    timeout 300 "$program" "${words[@]/#FILE/$path}" >out 2>err </dev/null
}
# check TITLE COMMAND...: the command succeeds
check() {
    local title=$1
    shift
    "$@"
    verdict $? "$title"
}
no_parts() {
    local found
    found=$(find . -name '*.part' -o -name '*.tmp')
    [ -z "$found" ] || { echo "left behind: $found" >>err; return 1; }
}

writes_through_a_link() { # NAME
    rm -f real link
    echo precious >real
    ln -s real link
    # shellcheck disable=SC2086
    run link ${good[$1]} && [ -L link ] && [ -s real ] && ! grep -qs precious real && no_parts
}
# A FIFO gets the data or is refused; either way it stays.
keeps_a_pipe() { # NAME
    rm -f pipe
    mkfifo pipe
    cat pipe >got 2>/dev/null &
    # shellcheck disable=SC2086
    run pipe ${good[$1]}
    local status=$?
    [ -p pipe ] || return 1
    if [ $status -eq 0 ]; then wait $! && [ -s got ]; else kill $! 2>/dev/null; fi
}
keeps_the_null_device() { # NAME
    ln -sf /dev/null null
    # shellcheck disable=SC2086
    run null ${good[$1]}
    # shellcheck disable=SC2086
    run /dev/null ${bad[$1]:-list nosuch -o FILE}
    [ -c /dev/null ] && [ -L null ]
}
fails_and_keeps() { # NAME
    echo precious >kept
    rm -f fresh
    # shellcheck disable=SC2086
    run kept ${bad[$1]} && return 1
    # shellcheck disable=SC2086
    run fresh ${bad[$1]} && return 1
    [ "$(cat kept)" = precious ] && [ ! -e fresh ] && no_parts
}
# The titles say "is" and not "was": a device that is removed as root is gone for every program.
for name in logits model trace folded profile bench kernels list help; do
    check "$name: a symbolic link is followed" writes_through_a_link $name
    [ -z "$sanitized" ] || [ $name = logits ] || continue
    check "$name: a pipe stays a pipe" keeps_a_pipe $name
    [ "$(id -u)" -ne 0 ] || check "$name: a device stays a device" keeps_the_null_device $name
done
for name in $(printf '%s\n' "${!bad[@]}" | sort); do
    check "$name: an error leaves the earlier file and no other" fails_and_keeps "$name"
done

# An interrupted command: the earlier file stays.
declare -A long=(
    [logits]="logits -m synth:700M --tokens 1,2,3,4,5,6,7,8 --one-by-one -o FILE"
    [model]="model make 3.8B --type f16 -o FILE"
    [trace]="profile -m model.gguf -t 1 -p 0 -n 200 -r 1000 -q --seconds 0 --trace FILE"
    [folded]="profile -m model.gguf -t 1 -p 0 -n 200 -r 1000 -q --seconds 0 --folded FILE"
    [bench]="bench -m null:1000000 -t 1 -p 0 -n 4096 -r 1000 -q --format json -o FILE"
)
waits_for_signals() { # pid: whether the program has replaced the default action of SIGINT
    local status
    status=$(cat "/proc/$1/status" 2>/dev/null)
    [[ $status =~ ^Name:[[:space:]]ternmark.*SigBlk:[[:space:]]*([0-9a-f]+) ]] && ((0x${BASH_REMATCH[1]} & 2))
}
is_interrupted_and_keeps() { # NAME SIGNAL STATUS
    local words status pid
    echo precious >kept
    # shellcheck disable=SC2206
    words=(${long[$1]})
    # A shell starts background jobs with SIGINT ignored.
    (trap - INT; exec env --default-signal=INT "$program" "${words[@]/#FILE/kept}") >out 2>err </dev/null &
    pid=$!
    while kill -0 $pid 2>/dev/null && ! waits_for_signals $pid; do sleep 0.02; done
    kill -"$2" $pid 2>>err
    wait $pid
    status=$?
    echo "exit status $status, wanted $3" >>err
    [ $status -eq "$3" ] && [ "$(cat kept)" = precious ] && no_parts
}
for name in logits model trace folded bench; do
    check "$name: SIGINT leaves the earlier file and no other" is_interrupted_and_keeps $name INT 130
    [ -z "$sanitized" ] || [ $name = logits ] || continue
    check "$name: SIGTERM leaves the earlier file and no other" is_interrupted_and_keeps $name TERM 143
done

# A store and the folder of a report.
check "a store is followed through a link" bash -c "ln -s store.jsonl store.link &&
    '$program' bench ${quick[*]} -n 2 --processes 1 --store store.link >out 2>err &&
    [ -L store.link ] && [ \$(wc -l <store.jsonl) -gt 3 ]"
mkfifo store.pipe
expect 2 "a store must be a regular file" "regular file" bench "${quick[@]}" --store store.pipe
expect 2 "a device is no store" "regular file" bench "${quick[@]}" --store /dev/null
check "a report follows a link in its folder" bash -c "mkdir rep && echo old >elsewhere.md &&
    ln -s ../elsewhere.md rep/report.md && '$program' report store.jsonl -o rep >out 2>err &&
    [ -L rep/report.md ] && ! grep -qx old elsewhere.md"
cp store.jsonl before.jsonl
expect 2 "a store is not overwritten by a table" "same file" \
    bench "${quick[@]}" --store store.jsonl -o ./store.jsonl
expect 2 "a model is not overwritten by its logits" "same file" \
    logits -m model.gguf --tokens 1 -o ./model.gguf
expect 2 "two outputs do not share a file" "same file" \
    profile "${quick[@]}" --trace both --folded both
check "the store is as it was" cmp store.jsonl before.jsonl

full() { "$program" "$@" >/dev/full 2>err </dev/null; [ $? -eq 2 ] && grep -q 'standard output' err; }
check "help on a full disk is an error" full --help
check "help of a command on a full disk is an error" full bench --help
check "the version on a full disk is an error" full --version
check "nothing partial is left" no_parts
echo "1..$n"
