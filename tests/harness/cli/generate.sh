#!/usr/bin/env bash
# ternmark generate: text of a model whose continuation is known, chat, what ends a text, and wrong input.
# Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
golden=$PWD/tests/golden
. tests/harness/cli/tap.sh
model=$golden/chain.gguf # after each token one other: the alphabet, a space, two characters, a full stop
alphabet='abcdefghijklmnopqrstuvwxyz α😀.'

# prints TITLE TEXT ARGUMENT...: the command succeeds and prints exactly TEXT and a newline
prints() {
    local title=$1 wanted=$2
    shift 2
    timeout 100 "$program" generate -m "$model" -t 1 "$@" >out 2>err </dev/null &&
        cmp -s out <(printf '%s\n' "$wanted")
    verdict $? "$title"
}
# fails STATUS TITLE PATTERN ARGUMENT...: nothing on stdout, one line on stderr that matches PATTERN
fails() {
    local wanted=$1 title=$2 pattern=$3 got
    shift 3
    timeout 100 "$program" generate -m "$model" -t 1 -q "$@" >out 2>err </dev/null
    got=$?
    [ $got -eq "$wanted" ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q -- "$pattern" err
    verdict $? "$title"
}

prints "the continuation is the chain" "${alphabet#a}${alphabet}ab" -p a -n 69
prints "the same with two sequences of bytes and f32" "${alphabet#a}" -p a -n 33 --kv f32 --kernel f32
prints "an empty prompt begins with BOS" "abc" -p "" -n 3
prints "a token that ends texts" "!" -p '?'
prints "a token that ends replies, by its name" "2" -p 1
prints "a stop string is not printed" "bcde" -p a --stop fgh
prints "any of several stop strings, also with commas and newlines" "bcd" -p a --stop 'x,y' --stop $'\n' --stop ef
prints "-n 0 ends with the context" "bcde" -p a -n 0 -c 5
"$program" generate -m "$model" -p a -n 0 -c 5 >out 2>err
grep -q 'the context of 5 positions is full' err
verdict $? "and says so"
"$program" generate -m "$model" -p 1 -t 1 >out 2>err
grep -q '^prompt: 2 tokens, .* tokens/s, first token after .* ms$' err &&
    grep -q '^generated: 2 tokens, .* tokens/s, ended by "<|im_end|>" (.*, 1 thread)$' err
verdict $? "speeds are on stderr"
"$program" generate -m "$model" -p 1 -t 1 -q >out 2>err && [ ! -s err ]
verdict $? "but not with --quiet"
printf 'a\0b' >nul
prints "a NUL is a character" "c" -f nul -n 1
printf 'ab\n' >line
prints "the last newline of a file does not count" "cd" -f line -n 2
printf abc | "$program" generate -m "$model" -f - -n 2 -q >out 2>err && [ "$(cat out)" = de ]
verdict $? "-f - reads standard input"
"$program" generate -m "$model" -f <(printf abc) -n 2 -q >out 2>err && [ "$(cat out)" = de ]
verdict $? "and --file a pipe"
"$program" generate -m "$model" -p a -n 3 -q -o file >out 2>err && [ ! -s out ] && [ "$(cat file)" = bcd ]
verdict $? "-o writes a file"

"$program" generate -m "$model" -p z -n 4 -t 1 --format json >out 2>err
[ "$(tr -d '\n\t' <out | sed -E 's/[0-9.]+,"tokens_per/X,"tokens_per/; s/[0-9.]+,"first/X,"first/; s/"first_token_ms":[0-9.]+/"first_token_ms":X/; s/"kernel":"[a-z0-9_]+"/"kernel":K/')" = \
    '{"text":" α�","token_ids":[30, 31, 32, 33],"end":"length","stop":null,"prompt_tokens":2,"prompt_tokens_per_second":X,"tokens_per_second":X,"first_token_ms":X,"kernel":K,"threads":1,"kv":"f16"}' ]
verdict $? "--format json: text, ids and speeds"
"$program" generate -m "$model" -p z -n 1 --format json >out 2>err &&
    grep -q '"tokens_per_second_missing":.*"only one token was generated"' out
verdict $? "one token has no speed, and the reason"
"$program" generate -m "$model" -p '?' --format json >out 2>err && grep -q '"stop":.*"</s>"' out && grep -q '"end":.*"token"' out
verdict $? "what ended the text"

# Choosing: the next letter has the logit 4, the other 43 tokens 0.
prints "top-k 1 is greedy" "bcdef" -p a -n 5 --temp 5 --top-k 1
prints "a small top-p is greedy" "bcdef" -p a -n 5 --temp 5 --top-k 0 --top-p 0.1
prints "a large min-p is greedy" "bcdef" -p a -n 5 --temp 5 --top-k 0 --min-p 0.9
draw() { "$program" generate -m "$model" -p a -n 40 --temp 2 --top-k 0 --top-p 1 --min-p 0 -q --seed "$@" 2>err; }
draw 1 >first && draw 1 >again && draw 2 >out && cmp -s first again && ! cmp -s first out
verdict $? "a seed repeats its text, another gives another"
prints "a penalty avoids what came before" "bcdef" -p a -n 5 --repeat-penalty 2
"$program" generate -m "$model" -p a -n 1 --top-k 5 >out 2>err && grep -q 'no effect at temperature 0' err
verdict $? "filters without a temperature: a remark"

prints "--oversubscribe allows more threads than CPUs" "bcd" -p a -n 3 -t 64 --oversubscribe
fails 2 "no text" 'use --chat'
fails 2 "two texts" 'either --prompt or --file' -p a -f nul
printf 'ab\303' >bad
fails 2 "a text that is not UTF-8" 'bad: the text is not valid UTF-8: byte 0xC3 at offset 2' -f bad
fails 2 "a stop string that is not UTF-8" '--stop is not valid UTF-8' -p a --stop $'\303'
fails 2 "a prompt longer than the context" 'has 4 tokens, but the context has 3 positions' -p abc -c 3
head -c 1000000 /dev/zero | tr '\0' a >million
fails 2 "1 MB of one character" 'has 1000001 tokens, but the context has 256 positions' -f million
fails 3 "a KV cache that does not fit" 'a context of 2000000000 positions takes' -m "$golden/b158_g-I2_S.gguf" -p a -c 2000000000 --kv f32
fails 2 "a synthetic model" 'synth:125M has no vocabulary' -m synth:125M -p a
fails 2 "a missing file" 'none.gguf' -m none.gguf -p a
fails 2 "--system without --chat" '--system needs --chat' -p a --system b
fails 2 "an unknown layout" '--chat-template is "x"; expected chatml, llama3' --chat --chat-template x
fails 2 "an unknown template is quoted" 'its chat template is unknown ("{% for message in messages %}{{ message' --chat
fails 2 "a file without a template" 'has no chat template; use --chat-template' -m "$golden/bn_t-I2_S.gguf" --chat

# Chat: the marker after "assistant" is a newline, after which the chain begins with "a".
chat() { "$program" generate -m "$model" -t 1 --chat --chat-template chatml "$@" >out 2>err; }
printf 'x\n\ny\r\nz' | chat -n 3 && [ "$(cat out)" = $'abc\nabc\nabc' ] && grep -q '^generated: 9 tokens' err
verdict $? "chat: a reply to each line, empty ones are skipped"
printf 'x\ny\n' | chat -n 3 --format json && [ "$(tr -d ' \n\t' <out | grep -o '"text":"abc"' | wc -l)" = 2 ] && grep -q '^\[' out
verdict $? "chat: JSON is an array of replies"
# One message: 5 control tokens and texts of "user", "x", newlines, "assistant"; a second adds as much and the
# letter that was not evaluated, but not the system text. Nothing is evaluated twice.
count() { sed -n 's/^prompt: \([0-9]*\) token.*/\1/p' err; }
printf 'x\n' | chat -n 3 --system s; one=$(count)
printf 'x\n' | chat -n 3; without=$(count)
printf 'x\nx\n' | chat -n 3 --system s; two=$(count)
echo "$one $without $two" >out
[ "$two" -eq $((one + without + 2)) ] && [ "$one" -gt "$without" ]
verdict $? "chat: the KV cache is kept between messages"
chat -p x -n 3 </dev/null && [ "$(cat out)" = abc ]
verdict $? "chat: --prompt is the only message"
yes x | timeout 100 "$program" generate -m "$model" -t 1 --chat --chat-template chatml -c 60 >out 2>err
[ "${PIPESTATUS[1]}" -eq 0 ] && grep -q 'the context of 60 positions is full' err
verdict $? "chat: ends when the context is full"
# A template of the same length as the one in the file.
length=$(printf %s "{% for message in messages %}{{ message['content'] }}{% endfor %}" | wc -c)
template=$(printf "%-${length}s" "<|im_start|><|im_end|>")
LC_ALL=C sed "s/{% for message in messages %}{{ message\['content'\] }}{% endfor %}/$template/" "$model" >known.gguf
printf 'x\n' | "$program" generate -m known.gguf --chat -n 2 -q >out 2>err && [ "$(cat out)" = ab ]
verdict $? "chat: the layout of the file's template"

# An interrupt: what was printed stays. The context is never full.
mkfifo lines
rm -f out # of the test before
"$program" generate -m "$model" -t 1 --chat --chat-template chatml -n 3 <lines >out 2>err &
pid=$!
exec 9>lines
echo x >&9
while kill -0 $pid 2>/dev/null && ! { [ -e out ] && [ "$(wc -l <out)" -ge 1 ]; }; do :; done
kill -INT $pid
wait $pid
[ $? -eq 130 ] && [ "$(cat out)" = abc ] && grep -q interrupted err
verdict $? "an interrupt keeps what was printed and ends with 130"
exec 9>&-
echo "1..$n"
