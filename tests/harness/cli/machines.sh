#!/usr/bin/env bash
# ternmark report with several stores: columns, values worked out by hand, what gets no rank, bad stores. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need python3

# Three machines: 100 tokens/s at 40 GB/s and 4 GHz, 60 at 20 GB/s and 2 GHz, and 900 under emulation; 0.1 GB a token.
python3 - <<'PYTHON' || exit 2
import json

def missing(keys):
    return {k: v for key in keys.split() for k, v in ((key, None), (key + "_missing", "made by hand"))}

def store(path, run, host, cpu, rate, read, clock, **more):
    with open(path, "w") as out:
        environment = {"host": host, "host_id": more.get("id", host), "kernel": "6.1", "usable_cores": 2,
                       "isa_used": more.get("isa", "avx2+avx512"), "build_mode": "release", "date": "2026-12-01"}
        roofline = {"read_gb_per_second": [{"threads": 2, "value": read}], "clock_ghz": [{"threads": 2, "value": clock}]}
        print(json.dumps({"schema": 1, "kind": "run", "run": run, "fingerprint": more.get("fingerprint", cpu),
                          "machine": {"cpu_model": cpu, "architecture": "aarch64", "cores": 2,
                                      "emulated": more.get("emulated", False)},
                          "environment": environment, "roofline": roofline}, separators=(",", ":")), file=out)
        for process in range(5):
            r = {"schema": 1, "kind": "sample", "run": run, "cell_id": "b", "engine": "ternmark", "model": "synth:700M",
                 "kernel": "i2_x", "head_kernel": "f16_x", "threads": 2, "test": "tg4", "n_prompt": 0, "n_gen": 4,
                 "depth": 0, "role": "ternary", "status": "ok", "predicted_bytes": 9, "process": process,
                 "repetition": 0, "slot": 0, "elapsed_ns": int(4e9 / rate), "n_tokens": 4, "token_ns": [],
                 "load_ns": 5, "bytes_per_token": 100000000, "macs_per_token": 2000, "bits_per_weight": 2,
                 "marks": "", "tokens": ""}
            r.update(missing("first_token_ns peak_rss_bytes rss_anonymous_bytes rss_file_bytes minor_faults "
                             "major_faults voluntary_switches involuntary_switches cpu_user_seconds "
                             "cpu_system_seconds steal_percent harness_ns_per_token"))
            print(json.dumps(r, separators=(",", ":")), file=out)

store("big.jsonl", "r1", "big", "Big CPU", 100, 40, 4)
store("small.jsonl", "r2", "small", "Small CPU", 60, 20, 2)
store("arm.jsonl", "r3", "big", "Arm CPU", 900, 1, 1, emulated=True)
store("two.jsonl", "r1", "big", "Big CPU", 100, 40, 4, fingerprint="other")
PYTHON
cat big.jsonl two.jsonl >contra.jsonl
sed 's/"schema":1/"schema":99/' small.jsonl >newer.jsonl
: >empty.jsonl
: >other.jsonl
mkdir bin # no gnuplot: nothing is drawn

PATH=$work/bin "$program" report big.jsonl small.jsonl arm.jsonl empty.jsonl ./big.jsonl -o rep --html page.html >out.txt 2>err
verdict $? "several stores give a report over machines"
grep -q 'big.jsonl is given twice and counts once' err && grep -q 'empty.jsonl: the store holds no record yet' out.txt
verdict $? "a store given twice counts once, an empty one is left out, and both are said"
grep -q 'Big CPU on big, by a factor of 1.67 .* over Small CPU on small' out.txt &&
    grep -q 'Small CPU on small, by a factor of 1.20 .* over Big CPU on big' out.txt
verdict $? "the faster machine and the one that uses its memory better are named"
python3 - <<'PYTHON' >err 2>&1
import csv
rows = {(r["machine"], r["quantity"]): r for r in csv.DictReader(open("rep/values.csv", newline="")) if r["arm"] == "ternary"}
def value(machine, quantity): return float(rows[machine, quantity]["value"])
for machine, core, ghz, share in (("Big CPU on big", 50, 25, 25), ("Small CPU on small", 30, 30, 30)):
    for quantity, wanted in (("speed per core", core), ("speed per GHz", ghz), ("share of limit", share)):
        assert abs(value(machine, quantity) - wanted) < 1e-3 * wanted, (machine, quantity, value(machine, quantity))
arm = rows["emulated aarch64 on Arm CPU, big", "speed"]
assert arm["origin"] == "emulated" and arm["unranked"] and abs(float(arm["value"]) - 900) < 1, arm
share = rows["emulated aarch64 on Arm CPU, big", "share of limit"]
assert share["value"] == "" and "emulated" in share["missing"], share
published = [r for r in csv.DictReader(open("rep/values.csv", newline="")) if r["origin"] == "published"]
assert any("i7-13700H" in r["machine"] and r["value"] == "80.13" for r in published), published
names = [r["machine"] for r in csv.DictReader(open("rep/machines.csv", newline=""))]
assert names[:3] == ["Big CPU on big", "Small CPU on small", "emulated aarch64 on Arm CPU, big"], names
for row in rows.values(): assert (row["value"] == "") == (row["missing"] != ""), row
PYTHON
verdict $? "values per core, per GHz and of the bandwidth; emulated ones have no share"
! grep -q 'Arm CPU' rep/plots/machines-speed.dat && grep -q 'Left out: emulated aarch64 on Arm CPU, big' page.html &&
    grep -q 'No plot: Which machine needs fewer joules' rep/report.md
verdict $? "emulated times are in no plot, and a plot without values has a reason"
[ "$(grep -c '<figure' page.html)" -eq 2 ] && grep -q 'published: ' page.html && ! grep -qE '(src|href)="?https?:' page.html
verdict $? "the page has the plots and the published machines"
expect 2 "a run with two fingerprints is refused" 'contra.jsonl: run r1 has two fingerprints' report big.jsonl contra.jsonl
expect 3 "another schema is refused" 'newer.jsonl.*schema 99' report big.jsonl newer.jsonl
expect 2 "stores without a cell are refused" 'no store holds a cell' report empty.jsonl other.jsonl
echo "1..$n"
