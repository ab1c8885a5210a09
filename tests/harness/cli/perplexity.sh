#!/usr/bin/env bash
# ternmark perplexity: a model whose probabilities are known, output and wrong input. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
golden=$PWD/tests/golden
. tests/harness/cli/tap.sh
need awk
model=$golden/chain.gguf # a letter is followed by the next with the logit 3.99872, by the other 43 tokens with 0

# BOS and 79 letters: three windows of 20, of which the last 9 tokens are scored. The text ends with two
# newlines, of which the last is dropped.
{ printf 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxy\n\n'; } >text
# "z" to "a" is not predicted; neither is "y" to the newline.
awk 'BEGIN { l = 0.5 * sqrt(64 / (1 + 64e-5)); total = log(exp(l) + 43); letters = "abcdefghijklmnopqrstuvwxyz"
    for (i = 0; i < 78; i++) id[i + 1] = i % 26; id[78] = 100
    for (w = 0; w < 3; w++) for (i = 10; i < 19; i++) {
        nll = total - (id[20 * w + i + 1] == id[20 * w + i] + 1 ? l : 0); sum += nll; squares += nll * nll; n++ }
    mean = sum / n; printf "%.4f +- %.4f\n", exp(mean), exp(mean) * sqrt((squares / n - mean * mean) / (n - 1)) }' >wanted
"$program" perplexity -m "$model" -f text -c 20 -t 1 >out 2>err
[ $? -eq 0 ] && [ "$(sed -n 's/^perplexity  //p' out)" = "$(cat wanted)" ] &&
    grep -q '^scored      27 tokens, 9 in each of 3 windows of 20$' out
cat wanted >>err
verdict $? "perplexity and its standard error are those of the probabilities"
grep -q '^text        79 tokens, SentencePiece rule, each window begins with BOS$' out
verdict $? "the output says what was evaluated"
grep -q '^window 3 of 3: perplexity so far ' err
verdict $? "windows are progress on stderr"
"$program" perplexity -m "$model" -f - -c 20 -t 1 -q --format json <text >out 2>err
[ $? -eq 0 ] && [ ! -s err ] && [ "$(tr -d ' \n\t' <out | grep -o '"running":\[.*\]' | tr -cd , | wc -c)" = 2 ] &&
    grep -q '"scored_tokens":.*27' out && grep -q '"windows":.*3' out
verdict $? "--format json, from standard input"
"$program" perplexity -m "$model" -f text -c 20 -t 1 --windows 2 -q >out 2>err && grep -q 'of 2 windows' out
verdict $? "--windows"
expect 2 "a text that is too short" 'the text has 4 tokens; two windows of 512 need 1024' perplexity -m "$model" -p abc
expect 2 "no text" 'either --prompt or --file' perplexity -m "$model"
printf '\377' >bad
expect 2 "a text that is not UTF-8" 'bad: the text is not valid UTF-8' perplexity -m "$model" -f bad
expect 2 "a synthetic model" 'no vocabulary' perplexity -m synth:125M -p a
expect 2 "a window of 3 tokens" '-c is "3"; expected a whole number from 4' perplexity -m "$model" -p a -c 3
echo "1..$n"
