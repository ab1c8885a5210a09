#!/usr/bin/env bash
# ternmark kernels: the list, --bench and --gbench, with their rows, formats and errors. No result
# depends on the speed of a kernel or on how well the two timers agree. Prints TAP.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need jq

kernels() { timeout 500 "$program" kernels "$@" >out 2>err </dev/null; }
refused() { # title pattern arguments...
    local title=$1 pattern=$2 status
    shift 2
    kernels "$@"
    status=$?
    [ $status -eq 2 ] && [ ! -s out ] && grep -q -- "$pattern" err
    verdict $? "$title"
}
# Small, so that the whole script takes seconds.
few=(-m synth:125M --seconds 0.001 --tokens "1,3" --kernel "trit_mad_scalar,i2r16_mad_scalar,f16r16_fma_scalar")

kernels -o json && jq -e 'length > 5 and all(.[]; [has("name", "format", "isa", "bits_per_weight",
    "available", "reason")] | all)' out >log
verdict $? "the list as JSON"
kernels -o csv
[ $? -eq 2 ] && grep -q 'csv needs --bench' err
verdict $? "the list has no CSV"

kernels --bench "${few[@]}" -o json
verdict $? "--bench as JSON"
cp out bench.json
# 3 linear shapes x 3 kernels x 2 counts x 2 places, and the head of the kernel that is not ternary.
jq -e 'length == 3 * 3 * 2 * 2 + 2 * 2 and all(.[]; .status == "OK" and .rows_checked == 64 and
    .ns > 0 and .ns_low <= .ns and .ns <= .ns_high and .n_samples >= 3 and .passes_per_sample >= 1)' bench.json >log
verdict $? "every row was checked and timed"
jq -e 'all(.[]; . as $r | ($r.rows_timed * $r.n_cols * $r.tokens / $r.ns - $r.gmac_per_second | fabs) < 1e-6 * $r.gmac_per_second)' \
    bench.json >log
verdict $? "the rate is that of the timed rows"
jq -e 'all(.[]; if .kernel == "i2r16_mad_scalar" then .bits_per_weight >= 2 and .bits_per_weight < 2.2
    elif .kernel == "trit_mad_scalar" then .bits_per_weight == 8 else .bits_per_weight >= 16 and .bits_per_weight < 16.2 end)' \
    bench.json >log
verdict $? "bits per weight follow from the layout"
jq -e '[.[] | select(.used_by == "head") | .kernel] | unique == ["f16r16_fma_scalar"]' bench.json >log
verdict $? "only kernels that are not ternary get the head"
jq -e 'all(.[] | select(.weights_in == "dram"); .weight_bytes >= 4e7) and
    all(.[] | select(.weights_in == "cache"); .weight_bytes <= 1e7)' bench.json >log
verdict $? "few weights in cache, many from memory"
jq -e 'all(.[]; . as $row | to_entries | all(.[]; .value != null or ($row[.key + "_missing"] | type) == "string"))' \
    bench.json >log
verdict $? "a missing value is null with a reason"

kernels --bench "${few[@]}" --warm -o csv && [ "$(wc -l <out)" -eq $((3 * 3 * 2 + 2 + 1)) ] &&
    [ "$(awk -F'","' 'NR > 1 { print NF }' out | sort -u | wc -l)" -eq 1 ]
verdict $? "--bench --warm as CSV"
kernels --bench "${few[@]}" --cold && [ "$(grep -c ' dram ' out)" -eq $((3 * 3 * 2 + 2)) ] &&
    ! grep -q ' cache  ' out && grep -q '^Every row was checked against the reference first: ' out
verdict $? "--bench --cold as text, with what was checked"
[ ! -s err ]
verdict $? "nothing on stderr without a terminal"

# A kernel of the other architecture, which no machine can run.
foreign=$("$program" kernels -o json | jq -r '[.[] | select(.reason | test("this machine is"))][0].name')
kernels --bench -m synth:125M --tokens 1 --seconds 0.001 --warm --kernel "trit_mad_scalar,$foreign" &&
    [ "$(grep -c "^not timed: $foreign needs" out)" -eq 1 ]
verdict $? "an unavailable kernel has one line, with the reason"
kernels --bench -m synth:125M --tokens 1 --kernel "$foreign" -o json
[ $? -eq 3 ] && jq -e 'all(.[]; .ns == null and (.ns_missing | test("this machine is")))' out >log
verdict $? "only unavailable kernels: exit status 3"

# The program and, where the build has it, the plugin of Google Benchmark.
if [ -n "$sanitized" ]; then
    n=$((n + 1))
    echo "ok $n - the program needs no C++ library # SKIP the sanitizer's runtime needs one itself"
else
    ldd "$program" >log 2>&1
    ! grep -qE 'libstdc\+\+|libbenchmark' log
    verdict $? "the program needs no C++ library"
fi
mkdir -p bare
cp "$program" bare/
bare/ternmark kernels --gbench "${few[@]}" >out 2>err </dev/null
[ $? -eq 3 ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'plugin ternmark-gbench.so is neither in' err
verdict $? "--gbench without the plugin: one sentence, exit status 3"
echo broken >bare/ternmark-gbench.so
bare/ternmark kernels --gbench "${few[@]}" >out 2>err </dev/null
[ $? -eq 3 ] && [ ! -s out ] && [ "$(wc -l <err)" -eq 1 ] && grep -q 'Google Benchmark is not installed: ' err
verdict $? "--gbench with a plugin that cannot be loaded"

plugin=$(dirname "$program")/ternmark-gbench.so
if [ ! -e "$plugin" ]; then
    for title in "--gbench" "--gbench JSON file" "--gbench list" "--gbench JSON on stdout" "--gbench text" \
        "--gbench when installed"; do
        n=$((n + 1))
        echo "ok $n - $title # SKIP this build has no Google Benchmark plugin (GBENCH=no)"
    done
else
    kernels --gbench "${few[@]}" --warm -o json -- --benchmark_filter='768x3072.*/3/' --benchmark_out=g.json &&
        jq -e 'length == 3 and all(.[]; .gbench_ns > 0 and .ns_again > 0 and .gbench_ratio > 0 and
            .timers_agree == ((.gbench_ratio - 1 | fabs) <= 0.03))' out >log
    verdict $? "--gbench: the rows of its filter, and whether the timers agree"
    jq -e '[.benchmarks[] | select(.aggregate_name == "median")] | length == 3 and
        all(.[]; .run_name | test("^125M/768x3072/[a-z0-9_]+/3/cache/real_time$")) and
        all(.[]; .bytes_per_second > 0 and .items_per_second > 0)' g.json >log
    verdict $? "--gbench JSON file: names and counters"
    kernels --gbench "${few[@]}" -- --benchmark_list_tests &&
        [ "$(grep -c '^125M/\(head-\)\?[0-9]*x[0-9]*/[a-z0-9_]*/[13]/\(cache\|dram\)/real_time$' out)" -eq 40 ]
    verdict $? "--gbench list: each row once, and none runs"
    kernels --gbench "${few[@]}" --cold -- --benchmark_filter=/768x768/trit_mad_scalar/1 --benchmark_format=json &&
        jq -e '.benchmarks | length > 0' out >log && grep -q 'timers agree within 3 % on [01] of 1 rows' err
    verdict $? "--gbench JSON on stdout: only Google Benchmark writes there"
    kernels --gbench "${few[@]}" --cold -- --benchmark_filter=/768x768/trit_mad_scalar/1 &&
        grep -q 'timers agree within 3 % on [01] of 1 rows' out
    verdict $? "--gbench text: its table, then ours"
    mkdir -p installed/bin installed/lib/ternmark
    cp "$program" installed/bin/
    cp "$plugin" installed/lib/ternmark/
    installed/bin/ternmark kernels --gbench "${few[@]}" -- --benchmark_list_tests >out 2>err </dev/null &&
        grep -q '^125M/' out
    verdict $? "--gbench when installed: the plugin is in ../lib/ternmark"
    refused "--gbench with an unknown flag" 'unknown flag "--benchmark_fliter=1"' --gbench "${few[@]}" -- --benchmark_fliter=1
    refused "--gbench with an unknown format" 'use console, json or csv' --gbench "${few[@]}" -- --benchmark_format=xml
    refused "--gbench with a filter that matches no row" 'select none of' --gbench "${few[@]}" -- --benchmark_filter=nothing
    refused "--gbench with a file that cannot be written" 'No such file' --gbench "${few[@]}" -- --benchmark_out=no/such/file
fi

refused "flags without --gbench" 'only --gbench takes flags' --bench -- --benchmark_filter=x
refused "an unknown kernel" 'did you mean "trit_mad_scalar"' --bench --kernel trit_mad_skalar
refused "an unknown model" 'did you mean "125M"' --bench -m synth:125
refused "a model twice" 'names 125M twice' --bench -m synth:125M,synth:125M
refused "the fake engine" 'has no matrices to time' --bench -m null:1000
refused "no tokens" 'is not a whole number from 1' --bench --tokens 0
refused "tokens twice" 'names 8 twice' --bench --tokens 8,1,8
refused "no time" 'seconds is "0"' --bench --seconds 0
refused "an unknown format" 'expected text, json or csv' --bench --format yaml
refused "an unknown option" 'did you mean .--bench.' --bnech
echo "1..$n"
