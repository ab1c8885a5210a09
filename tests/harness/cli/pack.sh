#!/usr/bin/env bash
# ternmark pack: the commands that read stores read its packs, those that write refuse them. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
corpus=$PWD/tests/fuzz/corpus/pack
. tests/harness/cli/tap.sh
bench=(bench -m null:1000 -t 1 -p 4 -n 2 -r 1 --processes 2 --baseline f16 -q)
"$program" "${bench[@]}" --store q.jsonl >/dev/null 2>err </dev/null || { cat err; exit 2; }

expect 0 "a store is packed" "q.jsonl.zst: [0-9]* records, [0-9]* bytes packed into" pack q.jsonl -o q.jsonl.zst
"$program" export --to llama-bench-csv q.jsonl >csv 2>err && "$program" export --to llama-bench-csv q.jsonl.zst >out 2>>err
cmp csv out >>err && [ -s out ]
verdict $? "its export is that of the store"
expect 0 "report reads it" "^ *q-report/report.md" report q.jsonl.zst
expect 0 "gate reads it" "" gate --from q.jsonl.zst --budget "peak_rss<=100GiB"
expect 0 "compare reads it" "null:1000" compare q.jsonl.zst q.jsonl --format json
if command -v zstd >/dev/null; then
    zstd -q -dc q.jsonl.zst | tail -n +2 | cmp - q.jsonl >out 2>err
    verdict $? "zstd gives the store back"
    zstd -q -d q.jsonl.zst -o with_header.jsonl
    "$program" export --to llama-bench-csv with_header.jsonl >out 2>err
    cmp csv out >>err && [ ! -s err ]
    verdict $? "an unpacked file that kept its header is a store"
fi

cp q.jsonl.zst before
expect 2 "bench does not continue a pack" "a pack cannot be continued; get its store with" "${bench[@]}" --store q.jsonl.zst
expect 2 "import does not add to a pack" "a pack cannot be continued" import q.jsonl.zst --meter-csv q.jsonl
expect 2 "a pack is not packed again" "q.jsonl.zst: is a pack already" pack q.jsonl.zst -o twice.zst
expect 2 "a pack does not replace its store" "q.jsonl" pack q.jsonl -o q.jsonl
: >empty.jsonl
expect 2 "an empty store is refused" "empty.jsonl: holds no records" pack empty.jsonl -o q.jsonl.zst
echo "dear diary" >diary
expect 2 "a file that is no store is refused" "diary: not a ternmark store" pack diary -o q.jsonl.zst
expect 2 "a full disk is reported" "/dev/full: cannot write" pack q.jsonl -o /dev/full
expect 2 "a missing folder is reported" "no/such/file: cannot be written" pack q.jsonl -o no/such/file
cmp q.jsonl.zst before >err
verdict $? "the earlier pack is as it was"
head -c -5 q.jsonl >torn.jsonl
expect 0 "a torn last line is left out" "left out the last line, which is torn" pack torn.jsonl -o torn.zst
expect 0 "and the rest is packed" "" export --to llama-bench-csv torn.zst

head -c 100 q.jsonl.zst >cut.zst
expect 2 "a pack that was cut short is refused" "cut.zst: this pack is cut short" export --to junit cut.zst
expect 2 "an edited pack is refused" "edited.zst: this pack was changed" report "$corpus/edited.zst" -o tables2
expect 2 "a pack that holds too much is refused" "more bytes than the" reproduce 2410.16144 --from "$corpus/bomb.zst"
expect 3 "a newer pack is refused" "use a newer ternmark" export --to junit "$corpus/newer.zst"
echo "1..$n"
