#!/usr/bin/env bash
# ternmark run: suites, --dry-run, resumed stores, and the exit status of every error. Prints TAP.
# The fake engine replaces a model, so nothing here depends on speed.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh

suite() { # FILE MODELS TESTS
    cat >"$1" <<END
{ "name": "small", "axes": { "model": [$2], "kernel": ["f16", "auto"], "threads": [1], "test": [$3] },
  "baseline": { "kernel": "f16" }, "processes": 2, "repetitions": 2, "warmup": 0 }
END
}

echo 'event cycle' >bad.txt
suite good.json '"null:10000"' '"pp8", "tg4"'
expect 0 "a suite runs" "8 new samples\|16 new samples" run good.json --store s.jsonl
[ "$(grep -c '"kind":"sample"' s.jsonl)" -eq 16 ]
verdict $? "the store has a line for every repetition"
cp s.jsonl before
expect 0 "a second run measures nothing" " 0 new samples" run good.json --store s.jsonl
cmp -s s.jsonl before
verdict $? "a second run leaves the store unchanged"
expect 0 "--processes adds processes to a store" " 8 new samples" run good.json --store s.jsonl --processes 3
head -c -7 s.jsonl >torn && mv torn s.jsonl
expect 0 "a torn last line is measured again" " 1 new sample;" run good.json --store s.jsonl --processes 3
expect 0 "the default store is named after the suite" "results/runs/small.jsonl" run good.json
expect 0 "the last message names the report command" "ternmark report results/runs/small.jsonl" run good.json
expect 0 "-o json prints the outcome" '"cells_measured":' run good.json -o json

expect 0 "--counters counts events" " 16 new samples" run good.json --store c.jsonl --counters software
[ "$(grep -c '"counters":{"task_clock":{"value":' c.jsonl)" -eq 16 ]
verdict $? "every sample has the counters"
expect 2 "unknown group of counters" 'did you mean "software"' run good.json --counters sofware
expect 2 "unknown event in a file of counters" 'bad.txt:1: unknown event "cycle"' run good.json --counters ./bad.txt

expect 0 "dry run: cells, memory and time" "8 cells, 0 of them skipped" run quick --dry-run --threads 1,2 --oversubscribe
expect 0 "dry run as JSON" '"predicted_bytes":' run quick --dry-run -o json
expect 0 "dry run: --only selects cells" "1 cells" run good.json --dry-run --only "f16r16_fma_scalar 1 thread pp8" --kernel f16r16_fma_scalar
[ ! -e results/runs/quick.jsonl ]
verdict $? "a dry run writes no store"
TERNMARK_ISA=none "$program" run paper --dry-run >out 2>err
grep -q 'synth:100B .*pp128 .*\(GB\|skipped: needs\)' out
verdict $? "dry run predicts the memory of the largest model of the suite paper"

expect 2 "bench: missing model file" "bench: ./none.gguf cannot be opened" bench -m null:1000,./none.gguf
expect 2 "bench: a file that is not a model" "not with 47 47 55 46" bench -m good.json
[ ! -s out ]
verdict $? "bench prints no table after an error"
expect 0 "bench: several sequences at once" '"tg4@d2@b3"' bench -m null:1000 -p 0 -n 4 -d 2 --sequences 3 -r 1 --processes 1 -q -o json
expect 2 "bench: 0 sequences" 'sequences: "0" is not from 1 to 256' bench -m null:1000 --sequences 0
expect 2 "bench: unknown head kernel" 'did you mean "q6_k"' bench -m synth:125M --head-kernel q6_j

expect 2 "unknown suite" 'did you mean "quick"' run qick
expect 2 "missing suite file" "No such file" run ./none.json
expect 2 "unknown option" "did you mean .--processes." run quick --proceses 3
expect 2 "unknown key" 'line 1: unknown key "nmae"; did you mean "name"' run <(echo '{"nmae": 1}')
mkfifo pipe
expect 2 "reading a pipe without a writer times out" "run: pipe: no data from the pipe within 10 s" run pipe
cat good.json >pipe &
expect 0 "a suite is read from a pipe" "4 cells" run pipe --dry-run
wait $!
expect 2 "a folder" "is a folder, not a file" run .
# An invalid store is an error before kernels are tuned for it.
expect 2 "a pipe as a store" "run: pipe: not a regular file" run quick --store pipe
expect 2 "bench: a pipe as a store" "bench: pipe: not a regular file" bench -m synth:125M --store pipe
expect 2 "bench: a store in a missing folder" "no/such: cannot be written: No such file" bench -m synth:125M --store no/such
[ ! -e cache/ternmark ]
verdict $? "invalid stores are found before kernels are tuned"
expect 2 "a pipe as a peer's model" "bench: pipe: not a regular file" bench -m null:1000 --peer "a=$program,pipe"
echo '{"name": "x",' >broken.json
expect 2 "broken JSON" "broken.json: line" run broken.json
suite empty.json '' '"tg4"'
expect 2 "empty suite" '"model" must be a list of at least one value' run empty.json
expect 2 "0 threads" '"0" is not from 1 to' run good.json -t 0
expect 2 "thread count out of range" "is not from 1 to" run good.json -t 99999999
expect 2 "more threads than CPUs" "use --oversubscribe to allow it" run good.json -t 60000
expect 2 "unknown kernel" 'did you mean "trit_mad_scalar"' run good.json --kernel trit_mad_skalar
expect 2 "unknown model" 'did you mean "125M"' run good.json -m synth:125
expect 2 "bad output format" "expected text or json" run good.json --format yaml
expect 2 "unwritable store" "cannot be written" run good.json --store no/such/folder/s.jsonl
echo "dear diary" >diary
expect 2 "a file that is not a store" "diary" run good.json --store diary
[ "$(cat diary)" = "dear diary" ]
verdict $? "a file that is not a store stays unchanged"
sed 's/"fingerprint":"./"fingerprint":"x/' s.jsonl >foreign.jsonl
expect 2 "another machine's store" "another machine" run good.json --store foreign.jsonl
expect 0 "--allow-machine measures the cells of this machine" " 16 new samples" run good.json --store foreign.jsonl --allow-machine
sed 's/^{"schema":1/{"schema":9/' s.jsonl >newer.jsonl
sed '2a {"schema":1,"kind":"dream","run":"r1"}' s.jsonl >later.jsonl
expect 0 "lines of an unknown kind are skipped with a note" 'their kind: 1, the first a "dream"' run good.json --store later.jsonl
expect 2 "a store of another schema" "schema 9" run good.json --store newer.jsonl

suite crash.json '"null:1000:crash@3", "null:1000"' '"tg4"'
expect 4 "a crash is one failed cell" "was killed by SIGSEGV" run crash.json --store crash.jsonl
[ "$(grep -c '"kind":"sample"' crash.jsonl)" -eq 8 ]
verdict $? "cells other than the crashed one are measured"
suite hang.json '"null:1000:hang@3", "null:1000"' '"tg4"'
expect 4 "a hanging worker times out" "no answer for 0.5 s" run hang.json --store hang.jsonl --timeout 0.5
suite garbage.json '"null:1000:garbage@3"' '"tg4"'
expect 4 "an unreadable line of the worker is an error" "cannot read a line of the worker" run garbage.json --store garbage.jsonl
suite gone.json '"/no/such/model.gguf"' '"tg4"'
expect 3 "a run without measurable cells" "skipped" run gone.json --store gone.jsonl
expect 0 "--time-budget stops the run" "time budget of 0.2 s" run good.json -m null:30000000 --store b.jsonl --time-budget 0.2 --processes 20

trap '' XFSZ # a full disk: writes fail instead of ending the program
(ulimit -f 8 && "$program" run good.json --store full.jsonl) >out 2>err </dev/null
status=$?
[ $status -eq 2 ] && grep -q "earlier records are intact" err
verdict $? "a full disk is an error that says the store is intact"
trap - XFSZ
expect 0 "a store is resumed after a full disk" "new samples" run good.json --store full.jsonl
[ "$(grep -c '"kind":"sample"' full.jsonl)" -eq 16 ]
verdict $? "a store resumed after a full disk has every sample once"

interrupt() { # SIGNAL STATUS
    rm -f i.jsonl
    # Takes most of a minute, so that the run has not finished when the signal arrives.
    "$program" run good.json -m null:20000000 --store i.jsonl --processes 40 >out 2>err </dev/null &
    local pid=$! i=0
    until [ "$(grep -c '"kind":"sample"' i.jsonl 2>/dev/null || true)" -ge 2 ] 2>/dev/null || [ $i -gt 600 ]; do
        sleep 0.1
        i=$((i + 1))
    done
    kill -"$1" $pid
    wait $pid
    local status=$?
    [ $status -eq "$2" ] && grep -q "run the same command again to continue" err
    verdict $? "SIG$1: exit status $2 and how to resume"
}
interrupt INT 130
interrupt TERM 143
expect 0 "an interrupted run is resumed" "processes per cell" run good.json -m null:20000000 --store i.jsonl
grep '"kind":"sample"' i.jsonl | grep -o '"cell_id":"[0-9a-f]*"\|"process":[0-9]*,"repetition":[0-9]*' | paste - - | sort >samples
[ "$(grep -c '"process":[01],' samples)" -eq 16 ] && [ -z "$(uniq -d samples)" ]
verdict $? "a resumed run has every sample once"
NO_COLOR=1 "$program" run crash.json --store c2.jsonl >out 2>err </dev/null
! grep -q "$(printf '\033')" out err
verdict $? "no escape codes without a terminal"
echo "1..$n"
