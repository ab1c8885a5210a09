#!/usr/bin/env bash
# ternmark arithmetic: its formats, the keys of its JSON, and its errors. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
command -v jq >/dev/null || { echo "jq is not installed"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
refused() { # title pattern arguments...
    local title=$1 pattern=$2 status
    shift 2
    "$program" arithmetic "$@" >"$work/stdout" 2>"$work/stderr"
    status=$?
    [ $status -eq 2 ] && [ ! -s "$work/stdout" ] && grep -q -- "$pattern" "$work/stderr"
    verdict $? "$title"
}

"$program" arithmetic -o json >"$work/all.json" 2>"$work/stderr"
verdict $? "JSON has every printed estimate"
jq -e 'type == "array" and length == 48 and all(.[]; [has("model", "node_nm", "energy_joules",
    "published_joules", "memory_gb", "published_memory_gb")] | all)' "$work/all.json" >"$work/log"
verdict $? "JSON has the documented keys"
jq -e 'all(.[]; . as $row | to_entries | all(.[]; .value != null or ($row[.key + "_missing"] | type) == "string"))' \
    "$work/all.json" >"$work/log"
verdict $? "a missing value is null with a reason"
# 2504.12285 Table 1; this script rounds, not the program.
jq -e '[.[] | select(.quantity == "energy")] | length == 6 and all(.[];
    (.energy_joules * 1000 | round) == (.published_joules * 1000 | round))' "$work/all.json" >"$work/log"
verdict $? "six energies match to the last digit"
jq -e '[.[] | select(.published_memory_gb != null and (.memory_matches | not)) | .model] == ["MiniCPM 2B"]' \
    "$work/all.json" >"$work/log"
verdict $? "the memory of all models but MiniCPM matches"
jq -e '[.[] | select(.quantity == "add" or .quantity == "mul")] | length == 36 and
    ([.[] | select((.energy_joules * 100 | round) != (.published_joules * 100 | round)) |
      [.model, .node_nm, .quantity, .energy_matches]] ==
     [["6.7B", 7, "add", false], ["30B", 7, "add", false]])' "$work/all.json" >"$work/log"
verdict $? "34 of 36 entries match, and the other two are known"
jq -e '[.[] | select(.quantity == "operation_ratio")] | length == 1 and
    .[0].published_energy_ratio == 71.4 and .[0].energy_ratio_matches' "$work/all.json" >"$work/log"
verdict $? "the ratio per operation is 71.4"

"$program" arithmetic >"$work/text" && grep -q 'not measured' "$work/text" &&
    grep -q '^  MiniCPM 2B .* 4\.884 .* 4\.8  *differs by +0\.1' "$work/text" &&
    grep -q '^energy: 34 of 36 ' "$work/text" && grep -q '^  INT8 add  *7  *0\.007$' "$work/text"
verdict $? "text shows differences and constants"
"$program" arithmetic -o md >"$work/md" && grep -q '^| estimate: .*(arXiv:2504\.12285), Table 1 | MiniCPM 2B |' "$work/md"
verdict $? "every Markdown row has its origin"
"$program" arithmetic -o csv >"$work/csv" &&
    [ "$(grep -vc '^estimate: operations x energy per operation,' "$work/csv")" -eq 1 ] &&
    [ "$(wc -l <"$work/csv")" -eq 61 ]
verdict $? "CSV has one header, and every line has its origin"

"$program" arithmetic synth:2B-4T 125M -o json >"$work/asked.json" &&
    jq -e 'length == 12 and ([.[] | select(.published_joules != null)] | length == 1 and
        .[0].published_joules == 0.028 and .[0].precision == "ternary" and .[0].node_nm == 7)' \
        "$work/asked.json" >"$work/log"
verdict $? "shapes can be named with and without synth:"

refused "an unknown model" 'did you mean "125M"' 125MM
refused "an unknown model after synth:" 'did you mean "125M"' synth:125MM
refused "an unknown format" '--format is "xml"; expected text, ' --format xml
refused "an unknown option" 'did you mean .--output.' --outptu json
echo "1..$n"
