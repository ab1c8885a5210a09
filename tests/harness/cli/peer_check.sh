#!/usr/bin/env bash
# `ternmark peer`, and peers that are commands, misbehave or print other tokens. Prints TAP. Scripts that
# print what engines print take their place, so nothing here depends on speed.
set -u
cd "$(dirname "$0")/../../.." || exit 2
source=$PWD
. tests/harness/cli/tap.sh

# A llama-bench whose answer has the keys of $KEYS, at 1 us per token.
mkdir -p build/bin utils
cat >build/bin/llama-bench <<'END'
#!/bin/sh
while [ $# -gt 0 ]; do
    case $1 in -m) m=$2 ;; -p) p=$2 ;; -n) g=$2 ;; -t) t=$2 ;; -r) r=$2 ;; esac
    shift
done
each=${NS:-$((p * 100 + g * 1000))} all=$each
while [ "$r" -gt 1 ]; do all="$all, $each" r=$((r - 1)); done
echo "loading [1/2] {model}"
echo "[ { \"build_commit\": \"abc123\", \"model_type\": \"bitnet 2B TQ2_0\", \"model_filename\": \"$m\", ${KEYS:-}"
echo "  \"n_prompt\": $p, \"n_gen\": $g, \"n_threads\": $t, \"samples_ns\": [ $all ] } ]"
exit "${EXIT:-0}"
END
chmod +x build/bin/llama-bench
echo x >model.gguf
peer="x=build/bin/llama-bench,model.gguf"
KEYS='"backends": "CPU", "n_batch": 2048,' expect 0 "peer: a good one" '^No warnings' peer $peer
grep -q '^peer *x: llama-bench of llama.cpp$' out && grep -q '^build *abc123$' out && grep -q '^pp64 *1e+07 tokens/s' out &&
    grep -q '^tg16 *1e+06 tokens/s, which reads 0.002 GB/s' out && grep -q '^tokens *not compared: no llama-simple' out
verdict $? "it prints kind, build, speed, bytes read and that no tokens were compared"
KEYS='"mla_attn": 0, "n_batch": 1,' expect 1 "a batch of 1 is a warning" '^warning *its batch is 1 (-b 1)' peer --check $peer
grep -q 'of ik_llama.cpp$' out
verdict $? "ik_llama.cpp is recognised"
KEYS='"cuda": true,' EXIT=1 expect 1 "a GPU is a warning" 'not a CPU result: it uses a GPU (cuda' peer $peer --format json
tr -d ' \t\n' <out >flat
grep -q '"kind":"llama-bench"' flat && grep -q '"backend":"cuda"' flat && grep -q '"engine":null,"engine_missing":"' flat &&
    grep -q '"equal_tokens":null' flat && grep -q '{"test":"pp64","tokens_per_second":10000000,' flat &&
    grep -q '"warnings":\["notaCPUresult:[^"]*","exitedwith1afteritsanswer"\]' flat
verdict $? "JSON has the same, and an exit status of 1 after the answer is another warning"
NS=9000000000 expect 1 "an impossible time is a warning" 'reports more time than its process ran' peer $peer -p 0
for bad in NaN -5 '"5"'; do
    NS=$bad expect 4 "samples_ns of $bad" "llama-bench's answer" peer $peer
done
printf '#!/bin/sh\nsleep 600\n' >hangs && chmod +x hangs
expect 4 "a peer that hangs" 'the peer x: no answer for 0.2 s' peer x=./hangs,model.gguf --timeout 0.2
echo '{ "name": "s", "axes": { "model": ["null:1000"], "kernel": ["x"], "threads": [1], "test": ["tg4"] }, "processes": 1 }' >suite.json
printf '#!/bin/sh\nsleep 600 &\necho $! >pid\nwait\n' >hangs
expect 4 "a peer that hangs in a run" 'no answer for 1 s' run suite.json --store hangs.jsonl --no-roofline --timeout 1 --peer x=./hangs,model.gguf
for _ in $(seq 100); do kill -0 "$(cat pid)" 2>/dev/null || break; sleep 0.1; done
! kill -0 "$(cat pid)" 2>/dev/null
verdict $? "what it started is ended as well"
expect 2 "peer: nothing to do" 'are both 0' peer $peer -p 0 -n 0
expect 2 "peer: a missing program" 'no/such' peer "x=no/such,model.gguf"

# bitnet.cpp's script: a table, a batch of 1, exit status 1.
cat >utils/e2e_benchmark.py <<'END'
p=$4 g=$6 t=$8
echo "| model | size | params | backend | threads | n_batch | test | t/s |"
for test in pp$p tg$g; do
    case $test in ??0) continue ;; esac
    echo "| bitnet-25 2B I2_S - 2 bpw ternary |   1.71 GiB |     2.74 B | CPU        |       $t |       1 |         $test |      22222.15 ± 0.01 |"
done
printf '\nbuild: 1f86f05 (3871)\n'
exit 1
END
expect 1 "bitnet.cpp's e2e script" '^warning *prompts are as slow as generation' peer x=sh,model.gguf,utils/e2e_benchmark.py -t 2
grep -q '^peer *x: e2e_benchmark.py$' out && grep -q '^build *1f86f05$' out && grep -q '^warning *its batch is 1' out &&
    grep -q '^pp64 *2.222e+04 tokens/s' out
verdict $? "its table is read"

# Any command, in a table beside ours.
cat >engine <<'END'
#!/bin/sh
echo "$*" >>asked
echo "prefill: 20000.5 t/s, decode: 10000.25 t/s"
END
chmod +x engine
bench="bench -m null:100000 -t 1 -n 4 -r 2 --processes 1 -o json"
own="own=./engine,model.gguf,{model},{threads},{prompt},{gen}"
expect 0 "a command is a peer" '"kernel":.*"own"' $bench -p 8 --peer "$own" --peer-pattern 'prefill: (?<pp>\S+)|decode: (?<tg>\S+)'
tr -d ' \t\n' <out >flat
grep -Eq '"kernel":"own".*"test":"pp8".*"tokens_per_second":\{"value":(20000\.5|20000\.49)' flat &&
    grep -Eq '"kernel":"own".*"test":"tg4".*"tokens_per_second":\{"value":(10000\.25|10000\.24)' flat && [ "$(sort asked | uniq -c | tr -s ' ')" = " 2 model.gguf 1 0 4
 2 model.gguf 1 8 0" ]
verdict $? "its rates are in the table, from a process for each repetition"
expect 2 "a pattern that PCRE2 refuses" 'wrong at character' peer "$own" --peer-pattern '(a'
expect 2 "a pattern without a command" 'no peer is a command' peer "$peer" --peer-pattern '(a)'
expect 4 "a command that prints nothing" 'printed nothing' peer "own=/bin/true,model.gguf,{gen}"
expect 1 "what a command does not take is a warning" 'its command has no {threads}' peer -p 0 "own=./engine,model.gguf,{gen}"
TERNMARK_THREADS=1 TERNMARK_PEER_PATTERN='decode: (\S+)' expect 0 "the environment does not reach the worker" '"kernel":.*"own"' \
    bench -m null:100000 -p 0 -n 4 -r 1 --processes 1 -o json --peer "$own" --peer "$peer"

# Tokens: a program beside llama-bench continues a text.
cp "$source/tests/golden/chain.gguf" small.gguf
text="The capital of France is"
ours=$("$program" generate -m small.gguf -p "$text" -n 16 --temp 0 --format json 2>err | sed -n 's/.*"text":.*"\(.*\)",$/\1/p')
printf '#!/bin/sh\nprintf "<s> %s%%s\\n" "$(cat text)"\n' "$text" >build/bin/llama-simple
chmod +x build/bin/llama-simple
small="x=build/bin/llama-bench,small.gguf"
printf '%s' "$ours" >text
expect 0 "equal tokens" 'greedy ones equal ternmark' peer $small -p 0
printf '%s' "${ours:0:6} and so on" >text
# The two most likely third tokens of this model have logits that differ by 0.006: bytes 0xC0 and 0xBC.
cp "$source/tests/golden/ll_d-TQ2_0.gguf" tie.gguf
third='\300' # the one that we do not choose, which kernels may decide
"$program" generate -m tie.gguf -p "$text" -n 3 --temp 0 --format json 2>err | grep -q '333, 195' && third='\274'
printf "t425t333${third}t" >text
expect 0 "a near tie is no difference" 'the first 2 of 16 greedy ones equal.*up to a near tie' peer "x=build/bin/llama-bench,tie.gguf" -p 0
printf 't425t333\301t' >text
expect 1 "a token that is less likely is one" "tokens differ from ternmark's after 2 of 16" peer "x=build/bin/llama-bench,tie.gguf" -p 0
printf '%s' "${ours:0:6} and so on" >text
expect 1 "a file of another model is a warning" 'another model: its file has .* synth:125M has 11 of 768' peer -p 0 -m synth:125M $small
expect 1 "other tokens are a warning" "warning *tokens differ from ternmark's after" peer $small -p 0
expect 0 "and a mark in the table" "tokens differ from ternmark's after [0-9]* of" $bench -p 0 -r 1 --peer "$small"
expect 0 "compare warns of it" "x: timed by the peer itself.*tokens differ from ternmark's after" compare \
    kernel=auto peer=x -m null:100000 -t 1 -p 0 -n 4 -r 1 --pairs 1 -q --peer "$small" --format json
expect 0 "and so does a speed-up" "speedup_warning.*x: timed by the peer itself.*tokens differ" $bench -p 0 -r 1 --baseline x --peer "$small"
expect 0 "two peers with a file each" '"kernel":.*"x"' $bench -p 0 -r 1 --peer "$small" --peer "other=build/bin/llama-bench,model.gguf"
! grep -q '"older_model":.*true' out
verdict $? "neither file is an older model"
# Joules: windows of whole processes, from a source that makes them up.
printf '#!/bin/sh\nsleep 0.3\nNS=250000000 exec build/bin/llama-bench "$@"\n' >slow && chmod +x slow
expect 0 "joules of a peer" '"fake_joules_per_token":' bench -m null:1000 -t 1 -p 0 -n 4 -r 1 --processes 1 -o json --kernel slow \
    --energy=fake --energy-seconds 1 --idle 0 --peer "slow=./slow,model.gguf" --store joules.jsonl
grep '"kind":"energy"' joules.jsonl | grep '"kernel":"slow"' | grep '"status":"ok"' | grep -q 'includes loading and warm-up: [0-9]* % of the window'
verdict $? "the window says how much of it was loading"
echo "1..$n"
