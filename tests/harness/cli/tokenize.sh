#!/usr/bin/env bash
# ternmark tokenize: output, options and errors, with the vocabulary of a golden model. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
program=$(realpath "$program")
model=$PWD/tests/golden/bn_t-I2_S.gguf
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

n=0
ok() { # TITLE CONDITION...
    local title=$1
    shift
    n=$((n + 1))
    if "$@"; then echo "ok $n - $title"; else
        echo "not ok $n - $title"
        sed 's/^/# /' out err | tail -n 8
    fi
}
# prints TITLE TEXT ARGUMENT...: the command succeeds and prints exactly TEXT
prints() {
    local title=$1 wanted=$2
    shift 2
    timeout 100 "$program" tokenize "$@" >out 2>err </dev/null
    ok "$title" test "$? $(cat out)" = "0 $wanted"
}
failed() { [ "$1" -eq "$2" ] && [ ! -s out ] && grep -q -- "$3" err; }
# fails STATUS TITLE PATTERN ARGUMENT...: the command fails and stderr matches PATTERN
fails() {
    local wanted=$1 title=$2 pattern=$3
    shift 3
    timeout 100 "$program" tokenize "$@" >out 2>err </dev/null
    local got=$?
    ok "$title" failed "$got" "$wanted" "$pattern"
}

prints "ids are separated by blanks" "229 153 132 75 108" -m "$model" -p Hi
prints "--bos adds the BOS token" "1 229 153 132 75 108" -m "$model" -p Hi --bos
prints "an empty text has no ids" "" -m "$model" -p ""
prints "control tokens are ordinary text" "229 153 132 63 118 65" -m "$model" -p "<s>"
prints "--special recognises them" "1" -m "$model" -p "<s>" --special
printf 'a\0\n' >text
prints "every byte of a file counts" "229 153 132 100 3 13" -m "$model" -f text
printf Hi | "$program" tokenize -m "$model" -f - >out 2>err
ok "-f - reads standard input" test "$(cat out)" = "229 153 132 75 108"
"$program" tokenize -m "$model" -f <(printf Hi) >out 2>err
ok "--file may be a pipe" test "$(cat out)" = "229 153 132 75 108"
"$program" tokenize -m "$model" -p a --format json >out 2>err
ok "--format json is an object" \
    test "$(tr -d ' \n\t' <out)" = '{"token_ids":[229,153,132,100]}'
"$program" tokenize -m "$model" -p a -o file.ids >out 2>err
ok "-o writes a file" test "$(cat file.ids)" = "229 153 132 100"
printf 'ab\303' >bad
fails 2 "a text that is not UTF-8 is an error" "bad: the text is not valid UTF-8: byte 0xC3 at offset 2" \
    -m "$model" -f bad
fails 2 "a text is required" "either --prompt or --file" -m "$model"
fails 2 "two texts are an error" "either --prompt or --file" -m "$model" -p a -f text
fails 2 "a synthetic model has no vocabulary" "synth:125M has no vocabulary" -m synth:125M -p a
fails 2 "--pre does not apply to SentencePiece" "only for byte-level BPE" -m "$model" -p a --pre llama-bpe
fails 2 "a missing file is an error" "none.gguf" -m none.gguf -p a
fails 2 "a missing text file is an error" "none.txt" -m "$model" -f none.txt
echo "1..$n"
