#!/usr/bin/env bash
# Checks stores that the program writes and those of the fuzz corpus against the JSON Schema of a store,
# and the schema against what the program reads and writes. Prints TAP.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
top=$PWD
. tests/harness/cli/tap.sh
need python3
cpu=$(sed -n 's/^Cpus_allowed_list:[^0-9]*\([0-9]*\).*/\1/p' /proc/self/status)
"$program" bench -m null:1000 --cpus "$cpu" -t 1 -p 4 -n 2 --processes 1 -r 1 --store made_null.jsonl --energy=fake \
    --energy-seconds 1 --idle 0 --counters software >/dev/null 2>err </dev/null || { cat err; exit 2; }
"$program" bench -m "$top/tests/golden/bn_t-I2_S.gguf" --kernel i2r16_mad_scalar -t 1 -p 0 -n 2 -r 2 --profile --processes 1 \
    --store made_profile.jsonl >/dev/null 2>err </dev/null || { cat err; exit 2; }
"$program" compare kv=f16 kv=f32 -m "$top/tests/golden/bn_t-I2_S.gguf" --kernel i2r16_mad_scalar -t 1 -p 0 -n 2 -r 1 \
    --pairs 1 --store made_variant.jsonl >/dev/null 2>err </dev/null
[ -s made_variant.jsonl ] || { cat err; exit 2; }
# What would take long to measure: a run with a load pattern (15 s) and a model of a published shape.
sed -n '1s/}$/,"meter_marker":{"pattern":"idle spin idle spin idle","threads":1}}/p
    /"kind":"sample"/{s/"threads"/"model_shape":"125M",&/p;q}' made_null.jsonl >edited.jsonl
corpus=$top/tests/fuzz/corpus/store
python3 "$top/tests/harness/record/store_schema.py" "$top/harness/record/store.schema.json" "$program" \
    made_*.jsonl -- edited.jsonl "$corpus"/{profile,energy,counters,conditions,three_kinds}.jsonl
