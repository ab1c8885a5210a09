#!/usr/bin/env bash
# ternmark profile: its output adds up, jq can read it, and wrong usage is an error. No check depends on how
# long anything takes. The model has two layers: what is checked does not depend on its size. Prints TAP.
# check: long
# check: limit 1200
set -u
cd "$(dirname "$0")/../../.." || exit 2
tiny=$PWD/tests/golden/b158_g-I2_S.gguf # hidden size 512
. tests/harness/cli/tap.sh
unset TERNMARK_NO_ROOFLINE # limits are tested here
need jq

profile() { timeout 500 "$program" profile "$@" >out 2>err </dev/null; }
# refused TITLE PATTERN ARGUMENT...: exit status 2, nothing on stdout, PATTERN on stderr
refused() {
    local title=$1 pattern=$2 status
    shift 2
    profile "$@"
    status=$?
    [ $status -eq 2 ] && [ ! -s out ] && grep -q -- "$pattern" err
    verdict $? "$title"
}
await() { # PATTERN: waits until stderr has it, or the program has ended
    while kill -0 $pid 2>/dev/null && ! grep -q -- "$1" err; do sleep 0.1; done
}
cp "$tiny" tiny.gguf
kernel=i2r16_mad_scalar
few=(-m tiny.gguf --kernel "$kernel" -r 2)

profile "${few[@]}" -t 2 --oversubscribe -p 2 -n 2 --seconds 0.02 --layers -o json \
    --trace trace.json --folded stacks.txt --plot plots
verdict $? "profiles two cells on two threads"
cp out profile.json
jq -e --arg kernel "$kernel" 'length == 2 and [.[].test] == ["pp2", "tg2"] and all(.[]; .kernel == $kernel and .threads == 2 and
    .n_tokens == 2 and .run_shown == "median" and .overhead_percent.n == 2 and .stamp_ns > 0 and
    .limits.read_gb_per_second > 0 and .limits.int8_gmac_per_second > 0 and .limits.barrier_ns > 0)' profile.json >log
verdict $? "JSON says what ran, with the roofline of the same run"
jq -e 'def near($a; $b): ($a - $b | fabs) <= 1e-3 * $b;
    all(.[]; . as $c | ([.threads_time[].idle_ns] | add / 2) as $idle |
    near([.operations[] | .ns_per_token + .wait_ns_per_token] | add * 2 + $idle; $c.region_ns) and
    near([.layers[] | .ns_per_token + .wait_ns_per_token] | add * 2 + $idle; $c.region_ns) and
    near([.layers[].operations[].ns_per_token] | add; [$c.operations[].ns_per_token] | add) and
    all(.threads_time[]; near(.busy_ns + .barrier_ns + .idle_ns; $c.region_ns) and .barriers > 0))' profile.json >log
verdict $? "operations, layers and threads each add up to the region"
jq -e '.[1].operations | map({(.operation): .}) | add | .q.bytes_per_token > 2 * 512 * 512 / 4 and
    .q.macs_per_token == 2 * 512 * 512 and (.q.gb_per_second - .q.bytes_per_token / .q.ns_per_token | fabs) < 1e-6 and
    (.q.bound == "memory" or .q.bound == "int8") and .q.percent_of_limit > 0 and .attn_norm.percent_of_limit == null and
    (.attn_norm.percent_of_limit_missing | test("caches"))' profile.json >log
verdict $? "bytes and products follow from format and shape"
jq -e 'all(.[]; .operations | map(.operation) | index("embed") == 0 and index("down") and index("head") and
    index("rope") < index("attention"))' profile.json >log
verdict $? "operations are in the order of a pass"
jq -e 'all(.[].operations[]; .best_ns_per_token > 0 and .best_ns_per_token <= .ns_per_token * 1.00001)' profile.json >log
verdict $? "the best time of an operation is no slower than the one shown"
jq -e '[.. | objects | to_entries[] | select(.value == null) | .key] as $nulls | [.. | objects | select([to_entries[] |
    select(.value == null)] | length > 0) | . as $o | to_entries[] | select(.value == null) |
    $o[.key + "_missing"] | type] | all(. == "string") and length == ($nulls | length)' profile.json >log
verdict $? "a missing value is null and has its reason"

jq -e '.traceEvents | [.[] | select(.ph == "M" and .name == "process_name").args.name] as $cells |
    ($cells | length) == 2 and ($cells[1] | test("2 threads tg2$")) and
    all(.[]; .pid >= 1 and .tid >= 0 and (.name | type) == "string" and (.ph == "M" or
        (.ph == "X" and .ts >= 0 and .dur >= 0)))' trace.json >log
verdict $? "the trace has valid events"
jq -e '[.traceEvents[] | select(.pid == 2 and .tid == 1)] as $t | ($t | map(select(.cat == "pass")) | length) == 2 and
    ($t | map(select(.cat == "layer")) | length) == 2 * 2 and
    ($t | map(select(.name == "down")) | length) == 2 * 2 and ($t | map(select(.name == "barrier")) | length) > 10 and
    all($t[] | select(.name == "down"); . as $d | any($t[] | select(.cat == "layer"); .name == "layer \($d.args.layer)" and
        .ts <= $d.ts + 1e-6 and .ts + .dur >= $d.ts + $d.dur - 1e-6))' trace.json >log
verdict $? "operations in the trace lie inside their layers"
[ "$(grep -cE "^tiny.gguf $kernel 2 threads (pp|tg)2(;[a-z0-9_ ]+)+ [0-9]+$" stacks.txt)" -eq "$(wc -l <stacks.txt)" ] &&
    grep -q 'tg2;layer 1;down;barrier [0-9]' stacks.txt
verdict $? "folded stacks have the expected frames"
want=$(jq '[.[] | .region_ns * 2] | add' profile.json)
awk -v want="$want" '{ sum += $NF } END { exit !(sum > 0.999 * want && sum < 1.001 * want) }' stacks.txt
verdict $? "folded stacks add up to the time of all threads"
[ -s plots/roofline-1.gp ] && [ -s plots/roofline-2.dat ] && grep -q 'int8 limit' plots/roofline-1.dat
verdict $? "a plot script and its data are written for each cell"
if command -v gnuplot >/dev/null; then
    head -c 8 plots/roofline-2.png | grep -q PNG && grep -q '<svg' plots/roofline-2.svg
    verdict $? "gnuplot draws the plots"
else
    n=$((n + 1))
    echo "ok $n - gnuplot draws the plots # SKIP gnuplot is not installed"
fi

profile "${few[@]}" -t 1 -p 0 -n 2 -d 3 --seconds 0 --fastest && grep -q '^tiny.gguf .* tg2@d3: 2 tokens .*fastest of 2 runs' out &&
    grep -q '^attention ' out && grep -q '^all ' out && grep -q '^Profiling overhead: ' out && grep -q '^Roofline: not measured' out &&
    ! grep -q '^Barriers' out && ! grep -q '^layer' out
verdict $? "text: one thread, a filled KV cache, no roofline"
profile "${few[@]}" -t 1 -p 2 -n 0 --seconds 0 -o md --layers && grep -q '^| head ' out && grep -q '^| layer 1 ' out
verdict $? "Markdown by layer"
profile "${few[@]}" -t 1 -p 2 -n 2 --seconds 0 -o csv --layers && [ "$(grep -c ',"\?down"\?,' out)" -eq 4 ] &&
    [ "$(awk -F, '{ print NF }' out | sort -u | wc -l)" -eq 1 ]
verdict $? "CSV by layer and operation"
profile "${few[@]}" -t 1 -p 2 -n 0 --seconds 0 --counters software && grep -q '^Counters (software)' out &&
    grep -qE '^  (task_clock +[0-9]|task_clock +-  .{9})' out
verdict $? "counters are printed"

profile "${few[@]}" -t 1 -p 0 -n 2 -d 3 --sequences 1,4 --head-kernel q8_0 --seconds 0 -o json && jq -e '[.[].test] ==
    ["tg2@d3", "tg2@d3@b4"] and .[1].n_tokens == 8 and .[1].n_passes == 2 and all(.[]; .head_kernel | test("q8")) and
    ([.[].operations | map({(.operation): .}) | add] | .[0].q.macs_per_token == .[1].q.macs_per_token and
    .[0].attention.macs_per_token == .[1].attention.macs_per_token and .[1].q.bytes_per_token < .[0].q.bytes_per_token / 3)' out >log
verdict $? "sequences that are decoded together read the weights once"

# Each signal arrives in the middle of a cell that would take half a minute or more, so it is never too late.
"$program" profile -m tiny.gguf --kernel "$kernel" -r 1000 -t 1 -p 32 -n 2,3 --seconds 0 >out 2>err </dev/null &
pid=$!
await 'threads\? pp32$'
kill -INT $pid
wait $pid
[ $? -eq 130 ] && [ ! -s out ] && grep -q 'interrupted; 0 of 3 cells were finished' err
verdict $? "^C before a cell is finished: exit status 130, no output"
"$program" profile -m tiny.gguf --kernel "$kernel" -r 50 -t 1 -p 1 -n 2,2000 --seconds 0 --trace i.json -o json >out 2>err </dev/null &
pid=$!
await ' tg2000$'
kill -TERM $pid
wait $pid
[ $? -eq 143 ] && grep -q 'interrupted; 2 of 3 cells were finished' err && jq -e '[.[].test] == ["pp1", "tg2"]' out >log &&
    [ ! -e i.json ]
verdict $? "SIGTERM later: exit status 143, finished cells are printed, no partial trace is written"
# The program must not wait for the end of a cell: then it would have finished both.
"$program" profile -m tiny.gguf --kernel "$kernel" -t 1 -p 0 -n 2,4000 -r 1 --seconds 0 --folded i.txt \
    -o json >out 2>err </dev/null &
pid=$!
await ' tg4000$'
kill -INT $pid
wait $pid
[ $? -eq 130 ] && grep -q 'interrupted; 1 of 2 cells were finished' err && jq -e '[.[].test] == ["tg2"]' out >log && [ ! -e i.txt ]
verdict $? "^C in a long cell: exit status 130, finished cells are printed at once"

# Profiles in a sweep: measured after the repetitions, kept in the store, shown by a report.
cat >suite.json <<END
{ "name": "profiled", "axes": { "model": ["tiny.gguf", "null:1000"], "kernel": ["$kernel"], "threads": [1],
  "test": ["pp2", "tg2@b2"] }, "processes": 1, "repetitions": 1, "warmup": 0, "profile": true }
END
expect 0 "run: a dry run mentions the additional runs" '4 more runs of every test in each process' run suite.json --dry-run
expect 0 "run: a suite with profiles" '^2 profiles$' run suite.json --store p.jsonl --no-roofline
grep -q '2 profiles missing, the last one because the fake engine has no operations' out
verdict $? "run: profiles of the fake engine are missing, with the reason"
jq -s -e '[.[] | select(.kind == "profile")] as $p | ($p | length) == 4 and ([.[].kind] | index("profile") > index("sample")) and
    all($p[] | select(.engine == "ternmark"); .status == "ok" and .n_pairs == 1 and .region_ns > 0 and
        ([.operations[].operation] | index("down") and index("head")) and
        ([.operations[] | .work_ns + .wait_ns] | add + 0) <= .region_ns * 1.05) and
    all($p[] | select(.engine == "null"); .status == "skipped" and (.operations | not) and .process == 0)' p.jsonl >log
verdict $? "run: the store has a profile line per cell and process, after the samples"
cp p.jsonl before
expect 0 "run: the same command again has nothing to do" ' 0 new samples' run suite.json --store p.jsonl
cmp -s p.jsonl before
verdict $? "run: it leaves the store unchanged"
grep -v '"kind":"profile"' before >p.jsonl
expect 0 "run: only profiles are added to a store without them" ' 0 new samples' run suite.json --store p.jsonl
[ "$(grep -c '"kind":"profile"' p.jsonl)" -eq 4 ] && [ "$(grep -c '"kind":"run"' p.jsonl)" -eq 2 ]
verdict $? "run: each profile is there once"
expect 0 "report: prints where the time goes" '^Where the time goes' report p.jsonl -o shown
grep -q "^tiny.gguf $kernel, 1 thread, tg2@b2" out && grep -qE '^  down +[0-9.]+ .*(memory|int8) +[0-9]' out &&
    grep -q '^## Where the time goes' shown/report.md && grep -q ',down,' shown/profile.csv &&
    grep -q '\\midrule' shown/profile.tex && grep -q 'int8 limit' shown/plots/operations-1.dat
verdict $? "report: profiles are in every format and plot, with the roofline of the run"
expect 0 "run: profiles without a roofline" '^1 profile$' run suite.json --store q.jsonl --no-roofline -m null:1000,tiny.gguf --test tg2 --profile
"$program" report q.jsonl -o shown >out 2>err
grep -q 'no limits: its run did not measure' shown/report.md
verdict $? "report: says that the roofline is missing"
"$program" bench "${few[@]}" -t 1 -p 0 -n 2 --processes 1 -q --profile -o json >out 2>err
jq -e '.[0].profile | .n_processes == 1 and .limits.read_gb_per_second > 0 and .overhead_percent.n == 2 and
    (.operations | map({(.operation): .}) | add | .q.macs_per_token == 2 * 512 * 512 and .q.percent_of_limit > 0 and
    .head.time_percent > 0)' out >log
verdict $? "bench: JSON has the profile, with the roofline of the same run"
expect 0 "bench: text has the profile below the cells" "^tiny.gguf $kernel, 1 thread, pp2" bench "${few[@]}" -t 1 -p 2 -n 0 --processes 1 --profile
"$program" bench -m null:1000 -t 1 -p 2 -n 0 -r 1 --processes 1 -q -o json >out 2>err && jq -e '.[0] | has("profile") | not' out >log
verdict $? "bench: no profile without --profile"

refused "a missing model" '--model is missing' -p 1
refused "an unknown format" '--format is "yaml"; expected text, ' "${few[@]}" --format yaml
refused "an unknown kernel" 'did you mean' -m synth:125M --kernel i2r16_mad_skalar
refused "zero sequences" 'sequences: "0" is not from 1 to 256' "${few[@]}" --sequences 0
refused "zero pairs" '-r is "0"' "${few[@]}" -r 0
refused "an unknown option" 'did you mean .--layers.' "${few[@]}" --layer
refused "a trace that cannot be written" 'No such file' "${few[@]}" -t 1 --trace no/such/trace.json
refused "folded stacks that cannot be written" 'No such file' "${few[@]}" -t 1 --folded no/such/file
profile "${few[@]}" -t 1 -p 0 -n 2 -r 1 --seconds 0 --trace /dev/full
[ $? -eq 2 ] && grep -q 'cannot write the whole .*: No space left' err
verdict $? "a trace on a full disk"
refused "a folder that cannot be created" 'a file is in its place' "${few[@]}" -t 1 --plot suite.json/folder
refused "an unknown counter group" 'nosuch' "${few[@]}" --counters nosuch
profile -m null:1000 -t 1 -p 2 -n 0 --seconds 0
[ $? -eq 4 ] && grep -q 'fake engine has no operations' err
verdict $? "the fake engine has no profile: exit status 4, with the reason"
echo "1..$n"
