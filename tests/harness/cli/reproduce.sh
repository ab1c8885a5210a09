#!/usr/bin/env bash
# ternmark reproduce: verdicts on the claims of papers from stores, its formats, exit statuses and
# errors. The stores come from scripted models, with times that this script sets. Prints TAP. check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need jq
reproduce() { # wanted status, arguments...
    local wanted=$1 status
    shift
    "$program" reproduce "$@" >"$work/stdout" 2>"$work/stderr"
    status=$?
    [ $status -eq "$wanted" ] || { echo "# status $status"; sed 's/^/# /' "$work/stderr"; }
    [ $status -eq "$wanted" ]
}
refused() { # title pattern arguments...
    local title=$1 pattern=$2
    shift 2
    reproduce 2 "$@" && [ ! -s "$work/stdout" ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] &&
        grep -q -- "$pattern" "$work/stderr"
    verdict $? "$title"
}

cat >"$work/suite.json" <<'END'
{"name": "scripted", "axes": {"model": ["null:1000"], "kernel": ["f16", "auto"], "threads": [1],
 "test": ["tg4"]}, "baseline": {"kernel": "f16"}, "processes": 5, "repetitions": 1, "warmup": 0}
END
"$program" run "$work/suite.json" --store "$work/null.jsonl" --no-roofline -q >"$work/log" 2>&1
verdict $? "a store of a scripted model is made"

# A store of 700M at 2 threads on an x86 machine, whose ternary kernel is RATIO times as fast.
store() { # ratio
    jq -c --argjson ratio "$1" '
        if .kind == "run" then .machine += {architecture: "x86_64", cpu_model: "Imaginary CPU",
            cores: 2, emulated: false} | .environment += {usable_cores: 2}
        elif .kind == "sample" then
            (100000 + 1000 * .process) as $fp16 |
            (if .role == "baseline" then $fp16 else ($fp16 / $ratio | floor) end) as $token |
            . + {engine: "ternmark", model: "synth:700M", model_shape: "700M", threads: 2,
                 elapsed_ns: (4 * $token), token_ns: [$token, $token, $token, $token],
                 spin_ns: 1000000}
        else . end' "$work/null.jsonl"
}
claim=2410.16144-table5-i7:700M # 4.32 at 2 threads

store 4.3 >"$work/good.jsonl"
reproduce 0 2410.16144 --from "$work/good.jsonl" --format json
verdict $? "a reproduced claim gives 0"
jq -e --arg id $claim '.[] | select(.id == $id) | .verdict == "reproduced" and
    (.published - 4.3175 | fabs) < 0.001 and (.measured.value - 4.3 | fabs) < 0.01 and
    .measured.low <= .measured.value and .measured.high >= .measured.value and
    (.over_f16.value - 4.3 | fabs) < 0.01 and .over_peer == null and
    (.published_baseline_gb_per_second - 27.05 | fabs) < 0.01' "$work/stdout" >"$work/log"
verdict $? "its values are in the JSON"
jq -e 'type == "array" and length > 90 and all(.[]; ([has("id", "paper", "source", "metric",
    "published", "measured", "verdict", "reason")] | all) and .paper == "2410.16144")' \
    "$work/stdout" >"$work/log"
verdict $? "JSON has the documented keys"
jq -e 'all(.[]; . as $row | to_entries | all(.[]; .value != null or
    ($row[.key + "_missing"] | type == "string" and length > 0)))' "$work/stdout" >"$work/log"
verdict $? "a missing value is null with a reason"
jq -e '[.[] | .verdict] | unique - ["reproduced", "same direction, smaller",
    "same direction, larger", "not reproduced", "not comparable", "not measured"] == []' \
    "$work/stdout" >"$work/log"
verdict $? "every verdict is one of the documented ones"

store 0.9 >"$work/slow.jsonl"
reproduce 1 bitnet.cpp --from "$work/slow.jsonl" && grep -q "$claim .*not reproduced" "$work/stdout"
verdict $? "a claim that is not reproduced gives 1"
store 2 >"$work/less.jsonl"
reproduce 0 arXiv:2410.16144 --from "$work/less.jsonl" &&
    grep -q "$claim .*same direction, smaller" "$work/stdout"
verdict $? "a smaller effect gives 0"
reproduce 3 2410.16144 --from "$work/null.jsonl"
verdict $? "a store of a scripted model judges nothing, which gives 3"
reproduce 0 all --from "$work/null.jsonl" "$work/good.jsonl" --format md &&
    grep -q 'FairyFuse' "$work/stdout" && grep -q "$claim" "$work/stdout"
verdict $? "all papers are judged by several stores"
reproduce 0 all --from "$work/null.jsonl,$work/good.jsonl" --format csv
verdict $? "stores are also separated by commas"

# Scripted models replace those of the claims. On every machine some claim of 2410.16144 can be tested.
reproduce 3 2410.16144 -m null:1000 --store "$work/live.jsonl" -q && [ -s "$work/live.jsonl" ]
verdict $? "claims are measured into a store"
cp "$work/live.jsonl" "$work/before"
reproduce 3 2410.16144 -m null:1000 --store "$work/live.jsonl" -q &&
    cmp -s "$work/live.jsonl" "$work/before"
verdict $? "a finished store is judged again without measuring"
head -n -6 "$work/before" >"$work/live.jsonl"
reproduce 3 2410.16144 -m null:1000 --store "$work/live.jsonl" -q &&
    [ "$(grep -c '"kind":"sample"' "$work/live.jsonl")" -ge "$(grep -c '"kind":"sample"' "$work/before")" ]
verdict $? "an interrupted run continues"
reproduce 0 2410.16144 --dry-run --format json &&
    jq -e '.[0] | .axes.model[0] == "synth:125M" and .baseline.kernel == "f16" and .min_pairs == 4 and
        (.axes.threads | index(2) != null or index("all") != null)' "$work/stdout" >"$work/log"
verdict $? "a dry run prints the suite, smallest model first"
reproduce 0 2410.16144 --dry-run --full && grep -q 'tests tg128; 10 processes' "$work/stdout"
verdict $? "--full has the published lengths and more processes"
reproduce 3 2402.17764 --store "$work/gpu.jsonl" && [ ! -e "$work/gpu.jsonl" ] &&
    grep -q 'measured on GPUs' "$work/stdout"
verdict $? "a paper that no CPU can test is judged without measuring"

reproduce 0 --list && grep -q '^2410.16144 ' "$work/stdout" && grep -q Litespark "$work/stdout"
verdict $? "--list names the papers"
refused "a misspelt paper names the nearest" 'unknown paper "2410.16145"; did you mean "2410.16144"' \
    2410.16145 --from "$work/good.jsonl"
refused "no paper is an error" 'no paper' --from "$work/good.jsonl"
claims() { # shape kernel: one claim, whose published value is 4.32
    cat <<END
{"papers": [{"paper": "2410.16144", "title": "mine", "names": []}],
 "groups": [{"id": "mine", "paper": "2410.16144", "table": "Table 5", "device": "Intel",
  "machine": "x86_64", "metric": "speedup", "kernel": "$2", "baseline": "f16", "test": "tg",
  "threads": [2], "tolerance": 0.1, "models": {"700M": "$1"},
  "figure": {"metric": "inference speed", "system": "bitnet.cpp"},
  "over": {"metric": "inference speed", "system": "fp16"}}]}
END
}
claims 700M ternary >"$work/claims.json"
reproduce 0 2410.16144 --claims "$work/claims.json" --from "$work/good.jsonl" --format json &&
    jq -e 'length == 1 and .[0].id == "mine" and .[0].verdict == "reproduced"' "$work/stdout" >"$work/log"
verdict $? "claims of a file are judged"
claims 701M ternary >"$work/claims.json"
refused "a claim with an unknown model names the nearest" '"mine".*701M.*did you mean "700M"' all \
    --claims "$work/claims.json" --from "$work/good.jsonl"
claims 700M ternery >"$work/claims.json"
refused "a claim with an unknown kernel is an error" '"mine".*ternery' all \
    --claims "$work/claims.json" --from "$work/good.jsonl"
claims 700M ternary | sed 's/"test"/"tset"/' >"$work/claims.json"
refused "an unknown key names its line" 'claims.json: line 3.*tset.*"test"' all \
    --claims "$work/claims.json" --from "$work/good.jsonl"
refused "--quick and --full exclude each other" 'exclude' all --quick --full
refused "--from takes no --store" 'takes no --store' all --from "$work/good.jsonl" --store x.jsonl
refused "a store needs --from" 'good.jsonl: stores are read with --from' all "$work/good.jsonl"
refused "a peer needs one model" 'with -m MODEL' all --peer "x=$program,$work/good.jsonl"
refused "a store that cannot be written is an error" 'good.jsonl/x' all --store "$work/good.jsonl/x"
refused "a store that is not there is an error" 'none.jsonl' all --from "$work/none.jsonl"
: >"$work/empty.jsonl"
refused "an empty store is an error" 'empty.jsonl.*no cell' all --from "$work/empty.jsonl"
jq -c '.schema = 2' "$work/good.jsonl" >"$work/other.jsonl"
refused "a store of another schema is an error" 'schema 2' all --from "$work/other.jsonl"
refused "a file that is no store is an error" 'suite.json' all --from "$work/suite.json"
echo "1..$n"
