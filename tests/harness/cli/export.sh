#!/usr/bin/env bash
# ternmark export: every format is read back by a reader that is not ours, and bad input gives one
# sentence and the documented exit status. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
top=$PWD
. tests/harness/cli/tap.sh
need jq
need python3
python3 "$top/tests/harness/cli/export_store.py" . || exit 2
unset GITHUB_STEP_SUMMARY

# check TITLE COMMAND...: the command succeeds
check() {
    local title=$1
    shift
    "$@" >out 2>err </dev/null
    verdict $? "$title"
}
# needs COMMAND COUNT: skips COUNT tests if the command is not installed
needs() {
    command -v "$1" >/dev/null && return
    local i
    for ((i = 0; i < $2; i++)); do
        n=$((n + 1))
        echo "ok $n - # SKIP $1 is not installed"
    done
    false
}
# Debian's Python packages belong to Debian's interpreter.
python_with() { # module
    local python
    for python in python3 /usr/bin/python3; do
        "$python" -c "import $1" 2>/dev/null && echo "$python" && return
    done
}
export_to() { # format store file
    "$program" export "$2" --to "$1" -o "$3" 2>notes </dev/null
}
# same EXPECTED COMMAND...: the command prints this
same() {
    local expected=$1 got
    shift
    got=$("$@") || return
    [ "$got" = "$expected" ] || { printf 'got:      %s\nexpected: %s\n' "$got" "$expected" >&2; return 1; }
}
export -f same

# --- JUnit -----------------------------------------------------------------------------------------

if needs xmllint 6; then
    schema=$top/tests/harness/cli/export_junit.xsd
    export_to junit store.jsonl junit.xml
    check "junit: the schema accepts it" xmllint --noout --schema "$schema" junit.xml
    check "junit: cells are counted" same "7 0 1 1" xmllint --xpath \
        'concat(//testsuite/@tests," ",//testsuite/@failures," ",//testsuite/@errors," ",//testsuite/@skipped)' junit.xml
    check "junit: a failed cell is an error, with its reason" same "the worker crashed: signal 11
50 % done" xmllint --xpath 'string(//testcase[@classname="synth:125M.tl1r16_lut_x"]/error/@message)' junit.xml
    check "junit: a skipped cell is skipped, with its reason" same "needs 14 GB, 8 GB available" \
        xmllint --xpath 'string(//testcase[@classname="synth:7B.i2r16_mad_x"]/skipped/@message)' junit.xml
    check "junit: any name survives, control characters are replaced" same $'we"ird, \'m\' </system-out> ]]> & a|b\n100%\xef\xbf\xbd \xf0\x9f\x90\x91.gguf.i2r16_mad_x' \
        xmllint --xpath 'string(//testcase[@name="pp4@2"]/@classname)' junit.xml
    export_to junit several.jsonl junit.xml && xmllint --noout --schema "$schema" junit.xml 2>/dev/null
    check "junit: a suite per machine, the newest build of each" same "2 1 1" xmllint --xpath \
        'concat(count(//testsuite)," ",count(//testsuite[1]/testcase)," ",count(//testsuite[2]/testcase))' junit.xml
fi

# --- GitHub ----------------------------------------------------------------------------------------

"$program" export store.jsonl --to github >annotations 2>notes
check "github: a failed cell is an escaped error" grep -qxF \
    '::error title=failed%3A synth%3A125M/tl1r16_lut_x/tg8/threads%3A2::the worker crashed: signal 11%0A50 %25 done' annotations
check "github: nothing but commands" bash -c '! grep -vE "^::(error|warning|notice) title=[^:,]*::" annotations'
echo "earlier step" >summary.md
GITHUB_STEP_SUMMARY=summary.md "$program" export store.jsonl --to github >annotations 2>notes
check "github: the summary is appended to the file of the environment" same "earlier step 7" bash -c \
    'echo "$(head -n 1 summary.md) $(grep -c "threads:2" summary.md)"'
check "github: every row of the table has seven cells" bash -c \
    '! grep "^|" summary.md | sed "s/\\\\|//g" | grep -vE "^(\|[^|]*){7}\|$"'

# --- github-action-benchmark ---------------------------------------------------------------------

# BenchmarkResult of src/extract.ts: name, unit and optional texts, a value that is a number.
result='type == "array" and length > 0 and all(.[]; (.name | type) == "string" and (.unit | type) == "string" and
    (.value | type) == "number" and ((.range // "") | type) == "string" and ((.extra // "") | type) == "string")
    and (map(.name) | unique | length) == length'
export_to github-action-benchmark store.jsonl bench.json
check "github-action-benchmark: both files have its schema and unique names" \
    jq -es "all(.[]; $result)" bench-bigger.json bench-smaller.json
check "github-action-benchmark: one direction per file" same '["tokens/s"] ["J/token","bytes","ms"]' bash -c \
    'echo $(jq -c "map(.unit) | unique" bench-bigger.json bench-smaller.json)'
check "github-action-benchmark: value, range and meter" same '100 | 100.0 to 100.0 | 2 (powercap, package, counter)' bash -c '
    name="synth:125M/i2r16_mad_x/tg8/threads:2"
    a=$(jq -r --arg n "$name tokens_per_second" ".[] | select(.name == \$n) | \"\(.value | round) | \(.range)\"" bench-bigger.json)
    b=$(jq -r --arg n "$name joules" ".[] | select(.name | startswith(\$n)) | \"\(.value) \(.name | sub(\".*per_token \"; \"\"))\"" bench-smaller.json)
    echo "$a | $b"'
check "github-action-benchmark: marks are in extra" jq -e 'any(.[]; .extra | test("1 of 4 samples marked: 1.5 % stolen"))' bench-bigger.json
check "github-action-benchmark: fake energy is left out and noted" bash -c \
    'grep -q "left out fake energy of 1 cell" <<<"$0" && ! grep -q "fake.gguf.*joules" bench-smaller.json' "$(cat notes)"

# --- Bencher -----------------------------------------------------------------------------------------

export_to bencher store.jsonl bencher.json
check "bencher: benchmarks of measures of values, names within their limits" jq -e 'length == 5 and all(to_entries[];
    (.key | utf8bytelength) <= 1024 and all(.value | to_entries[]; (.key | utf8bytelength) <= 64 and
    (.value.value | type) == "number" and ((.value | keys) - ["value", "lower_value", "upper_value"]) == []))' bencher.json
check "bencher: the interval is around the value" jq -e \
    '."synth:125M/f16r16_fma_x/tg8/threads:2".throughput | .lower_value < .value and .value < .upper_value' bencher.json
check "bencher: what was left out is noted" grep -q 'left out 1 cell: failed' notes
check "bencher: one process has no interval" jq -e '."fake.gguf/i2r16_mad_x/tg8/threads:2".throughput | has("lower_value") | not' bencher.json

export_to bencher several.jsonl bencher.json
check "names state which of several machines, and that one is emulated" jq -e 'keys | length == 2 and
    all(.[]; test("/machine:Imaginary & Sons CPU [ef]1")) and (map(select(test("\\(emulated\\)$"))) | length) == 1' bencher.json

# --- Google Benchmark ----------------------------------------------------------------------------

export_to google-benchmark store.jsonl google.json
export_to google-benchmark slower.jsonl slower.json
check "google-benchmark: context, iterations and aggregates" jq -e '.context.json_schema_version == 1 and
    .context.num_cpus == 4 and (.context.caches | map(.num_sharing)) == [2, 2] and
    ([.benchmarks[] | select(.run_name == "synth:125M/i2r16_mad_x/tg8/threads:2")] |
        (map(select(.run_type == "iteration")) | length == 4 and all(.[]; .real_time == 80000 and (.tokens_per_second | round) == 100 and .threads == 2)) and
        (map(.aggregate_name // empty) == ["mean", "median", "stddev", "cv"]))' google.json
check "google-benchmark: a failed cell is an error without times" jq -e '[.benchmarks[] | select(.error_occurred)] |
    length == 1 and (.[0].error_message | startswith("the worker crashed")) and (.[0] | has("real_time") | not)' google.json
check "google-benchmark: joules with their meter" jq -e 'any(.benchmarks[]; .joules_per_token == 2 and .label == "powercap, package, counter")' google.json
compare=/usr/share/benchmark/compare.py
scipy=$(python_with scipy.stats)
if [ -e $compare ] && [ -n "$scipy" ]; then
    "$scipy" $compare --no-color -d diff.json benchmarks google.json slower.json >compared 2>&1
    check "google-benchmark: compare.py finds half the speed" jq -e 'any(.[]; .run_type == "iteration" and
        (.measurements | length == 4 and all(.[]; .time == 1)))' diff.json
    check "google-benchmark: compare.py passes over cells without times" bash -c '
        "$1" "$2" --no-color benchmarks google.json google.json >self && grep -q OVERALL_GEOMEAN self' - "$scipy" $compare
else
    for _ in 1 2; do
        n=$((n + 1))
        echo "ok $n - # SKIP Google Benchmark's compare.py needs libbenchmark-tools and python3-scipy"
    done
fi

# --- LNT ---------------------------------------------------------------------------------------------

export_to lnt store.jsonl lnt.json
# docs/importing_data.rst: texts in machine and run, the order field, metrics of the suite nts only.
check "lnt: format 2 with the fields and metrics of nts" jq -e '.format_version == "2" and
    all(.machine, .run; all(.[]; type == "string")) and (.machine.name | length) > 0 and .run.llvm_project_revision == "0123456789ab" and
    (.run.start_time | test("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d$")) and
    all(.tests[]; (keys - ["name", "score", "execution_time", "execution_status", "mem_bytes"]) == [])' lnt.json
check "lnt: the run has the marks of its samples" jq -e '.run.marks == "1.5 % stolen"' lnt.json
check "lnt: lists of samples, and a failed cell by its status" jq -e '(.tests | length) == 6 and
    any(.tests[]; .name == "synth:125M/i2r16_mad_x/tg8/threads:2" and (.score | map(round)) == [100, 100, 100, 100] and .execution_time == [0.08, 0.08, 0.08, 0.08]) and
    any(.tests[]; .execution_status == 1 and (has("score") | not))' lnt.json
export_to lnt several.jsonl lnt.json
check "lnt: a report has one machine and build, and the rest is noted" bash -c 'jq -e "(.tests | length) == 1 and .run.llvm_project_revision == \"bbbbbbbbbbbb\"" lnt.json &&
    grep -q "left out 1 cell: not of the machine of the newest run" notes && grep -q "left out 1 cell: of an older build" notes'

# --- llama-bench ---------------------------------------------------------------------------------

# Columns of llama-bench, and those that scripts/compare-llama-bench.py joins on.
keys='["cpu_info","gpu_info","backends","n_gpu_layers","n_cpu_moe","tensor_buft_overrides","model_filename","model_type","n_batch","n_ubatch","embeddings","cpu_mask","cpu_strict","poll","n_threads","type_k","type_v","use_mmap","no_kv_offload","split_mode","main_gpu","tensor_split","flash_attn","n_prompt","n_gen","n_depth","fit_target","fit_min_ctx","build_commit","test_time","avg_ts"]'
export_to llama-bench-json several.jsonl llama.json
check "llama-bench-json: no key of a join is null" jq -e --argjson keys "$keys" 'length == 3 and all(.[]; . as $row | all($keys[]; $row[.] != null))' llama.json
check "llama-bench-json: all builds, unknown values null, samples" jq -e '(map(.build_commit) | sort) == ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"] and
    all(.[]; .model_size == null and .build_number == null) and (.[2].samples_ns == [80000000, 80000000]) and (.[2].cpu_strict == false)' llama.json
export_to llama-bench-csv store.jsonl llama.csv
check "llama-bench-csv: Python's csv reads names with quotes, commas and line feeds" python3 -c '
import csv
rows = list(csv.DictReader(open("llama.csv", newline="", encoding="utf-8")))
assert len(rows) == 4, len(rows)
assert rows[2]["model_filename"].startswith("we\"ird, \x27m\x27 </system-out> ]]> & a|b\n100%"), rows[2]
assert rows[1]["avg_ns"] == "80000000" and rows[1]["model_size"] == "" and None not in rows[0]
assert rows[1]["model_type"] == "synth:125M i2r16_mad_x"'
if needs sqlite3 3; then
    "$program" export several.jsonl --to llama-bench-sql 2>notes | sqlite3 bench.db
    "$program" export store.jsonl --to llama-bench-sql 2>notes | sqlite3 bench.db
    check "llama-bench-sql: sqlite3 adds two stores to one table" same 7 sqlite3 bench.db 'SELECT count(*) FROM llama_bench'
    check "llama-bench-sql: rows of two commits join" same "80.0|100.0" sqlite3 bench.db "SELECT b.avg_ts, c.avg_ts FROM llama_bench b JOIN llama_bench c ON
        $(jq -r 'map(select(. != "build_commit" and . != "test_time" and . != "avg_ts") | "b.\(.) = c.\(.)") | join(" AND ")' <<<"$keys")
        AND b.build_commit = 'aaaaaaaaaaaa' AND c.build_commit = 'bbbbbbbbbbbb'"
    check "llama-bench-sql: quotes are doubled, missing values are NULL" same "1|1" sqlite3 bench.db \
        "SELECT model_filename LIKE 'we\"ird, ''m''%', model_size IS NULL FROM llama_bench WHERE n_prompt = 4"
fi

# --- OpenMetrics -----------------------------------------------------------------------------------

for store in store several; do export_to openmetrics $store.jsonl $store.prom; done
python=$(python_with prometheus_client)
if [ -n "$python" ]; then
    check "openmetrics: Prometheus' parsers of both formats read the same samples" "$python" -c '
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
for name in "store.prom", "several.prom":
    text = open(name, encoding="utf-8", newline="").read()
    a = [s for f in openmetrics(text) for s in f.samples]
    b = [s for f in prometheus(text) for s in f.samples]
    assert a == b and len(a) > 10
    keys = [(s.name, tuple(sorted(s.labels.items()))) for s in a]
    assert len(set(keys)) == len(keys)
    assert all(s.timestamp is None for s in a)
families = {f.name: f for f in openmetrics(open("store.prom", encoding="utf-8").read())}
joules = families["ternmark_joules_per_token"].samples
assert [(s.value, s.labels["source"], s.labels["scope"]) for s in joules] == [(2.0, "powercap", "package")], joules
assert families["ternmark_first_token_seconds"].samples[0].value == 0.005
assert families["ternmark_peak_rss_bytes"].unit == "bytes"
models = {s.labels["model"] for s in families["ternmark_tokens_per_second"].samples}
assert any(m.startswith("we\"ird, \x27m\x27 </system-out> ]]> & a|b\n100%") for m in models), models
states = {(s.labels["status"], s.labels.get("reason", "")[:5]) for s in families["ternmark_cell_status"].samples}
assert states == {("ok", ""), ("failed", "the w"), ("skipped", "needs")}, states'
else
    n=$((n + 1))
    echo "ok $n - # SKIP Prometheus' parser needs python3-prometheus-client"
fi
check "openmetrics: the last line is # EOF" same "# EOF" tail -n 1 store.prom

# --- run --export ---------------------------------------------------------------------------------

tiny=(run quick -m null:1000 --kernel i2r16_mad_scalar -t 1 --test tg2 --processes 1 -r 1 --no-roofline -q)
expect 0 "run: exports to several files" . "${tiny[@]}" --store run.jsonl --export junit:run.xml --export bencher:run.json
check "run: the exports hold the cells of the store" bash -c \
    'grep -q "null:1000.i2r16_mad_scalar" run.xml && jq -e "keys | any(startswith(\"null:1000/i2r16_mad_scalar/tg2\"))" run.json'
"$program" "${tiny[@]}" --store run.jsonl --export github:- >printed 2>err
check "run: annotations go to stdout after the text" grep -q '^::notice title=ternmark::' printed
expect 2 "run: an unknown format, before measuring" 'did you mean "junit"' "${tiny[@]}" --store new.jsonl --export juint:x
expect 2 "run: an export without a file" 'write junit:FILE' "${tiny[@]}" --store new.jsonl --export junit
expect 2 "run: an export over the store" 'would overwrite the store' "${tiny[@]}" --store run.jsonl --export junit:run.jsonl
expect 2 "run: two exports to one file" 'write the same file' "${tiny[@]}" --store new.jsonl --export junit:x,bencher:x
expect 2 "run: a file that cannot be written, before measuring" nofolder "${tiny[@]}" --store new.jsonl --export junit:nofolder/x
check "run: nothing was measured" test ! -e new.jsonl

# --- bad input -------------------------------------------------------------------------------------

expect 2 "an unknown format" 'did you mean "junit"' export store.jsonl --to juint
expect 2 "no format" '--to' export store.jsonl
expect 2 "no store" 'nowhere.jsonl' export nowhere.jsonl --to junit
expect 3 "a store without cells" 'empty.jsonl: nothing to export' export empty.jsonl --to junit
expect 3 "a store of another schema" 'schema 99' export newer.jsonl --to junit
expect 3 "a store of which the format can hold nothing" 'nothing to export as bencher' export skipped.jsonl --to bencher
expect 0 "a store of skipped cells" '<skipped message="too large"/>' export skipped.jsonl --to junit
expect 2 "two files on standard output" 'two files; name them with --output' export store.jsonl --to github-action-benchmark
expect 2 "a FILE that cannot be written" 'nofolder/out.xml' export store.jsonl --to junit -o nofolder/out.xml
expect 2 "a FILE that the command reads" 'would overwrite' export store.jsonl --to junit -o store.jsonl
echo precious >kept.json
expect 3 "a failing export" 'nothing to export' export skipped.jsonl --to bencher -o kept.json
check "an earlier FILE is untouched" same precious cat kept.json
if [ -w /dev/full ]; then
    expect 2 "a full disk" '/dev/full' export store.jsonl --to junit -o /dev/full
fi
cp store.jsonl own-bigger.json
expect 2 "two files of which one is the store" 'would overwrite the store' export own-bigger.json --to github-action-benchmark -o own.json
check "the store is untouched" cmp store.jsonl own-bigger.json
GITHUB_STEP_SUMMARY=nofolder/summary.md expect 2 "a summary that cannot be written" 'nofolder/summary.md: appending' export store.jsonl --to github
check "no partial file is left" bash -c '! ls -- *.part *.tmp 2>/dev/null'
echo "1..$n"
