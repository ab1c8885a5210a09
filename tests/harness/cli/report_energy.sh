#!/usr/bin/env bash
# Energy from a run to its report: one run with the fake source and one without a source, each as text,
# Markdown, CSV, LaTeX, JSON and plots. Uses the null engine instead of a model. Prints TAP. check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
need python3
mkdir no-meters

cat >small.json <<'JSON'
{ "name": "small",
  "axes": { "model": ["null:2000000"], "kernel": ["f16", "i2r16_mad_scalar"], "threads": [1], "test": ["pp4", "pp4+tg4"] },
  "baseline": { "kernel": "f16" }, "processes": 2, "repetitions": 1, "warmup": 0,
  "energy": { "source": "fake", "seconds": 1, "idle_seconds": 0 } }
JSON

"$program" run small.json --no-roofline --store fake.jsonl -q >out 2>err &&
    "$program" report fake.jsonl >report.txt 2>err
verdict $? "a run with the fake source gives a report"

# The report must follow from the windows: 10 W over the tokens of each, averaged over the processes.
python3 - >out 2>err <<'PYTHON'
import csv, json, math

windows = [r for r in map(json.loads, open("fake.jsonl")) if r["kind"] == "energy"]
rows = list(csv.DictReader(open("fake-report/cells.csv", newline="")))
assert len(windows) == 12 and len(rows) == 4, (len(windows), len(rows))

def per_token(cell, phase, process):
    of = [w for w in windows if (w["cell_id"], w["phase"], w["process"]) == (cell, phase, process)]
    assert len(of) == 1 and of[0]["n_prompt_tokens"] * of[0]["n_output_tokens"] == 0
    return of[0]["gross_joules"] / (of[0]["n_prompt_tokens"] + of[0]["n_output_tokens"])

def mean(cell, *phases):
    """Over the two processes; a test of both phases has as many prompt as output tokens."""
    of = [sum(per_token(cell, phase, process) for phase in phases) / len(phases) for process in (0, 1)]
    return math.sqrt(of[0] * of[1])

def shown(row, key):
    word, number = row[key].split()
    assert word == "fake", row
    return float(number)

for row in rows:
    prompt = mean(row["cell_id"], "prompt")
    assert abs(shown(row, "joules_per_prompt_token") / prompt - 1) < 1e-4
    assert abs(shown(row, "prompt_watts") / 10 - 1) < 0.01
    assert row["prompt_energy_source"] == "fake" and row["prompt_energy_windows"] == "2 ok"
    assert row["net_joules_per_prompt_token"] == "" and "no idle time was requested" in row["missing"]
    if row["test"] == "pp4":
        assert row["joules_per_output_token"] == "" and row["generation_energy_windows"] == ""
        assert row["joules_per_token"] == row["joules_per_prompt_token"]
    else:
        output = mean(row["cell_id"], "generation")
        assert abs(shown(row, "joules_per_output_token") / output - 1) < 1e-4
        both = mean(row["cell_id"], "prompt", "generation")
        assert abs(shown(row, "joules_per_token") / both - 1) < 1e-4

rows = list(csv.DictReader(open("fake-report/energy.csv", newline="")))
assert rows and all(r["origin"] == "fake" for r in rows)
saving = [r for r in rows if r["quantity"].startswith("saving")]
assert saving and all(r["value"] == "" and r["missing"].startswith("fake:") for r in saving)
PYTHON
verdict $? "its joules are those of the windows, are marked fake, and give no saving"

# Every line of every output that contains joules or watts must say fake.
python3 - >out 2>err <<'PYTHON'
import csv, glob, re

numbers = set()
for row in csv.DictReader(open("fake-report/cells.csv", newline="")):
    for value in row.values():
        if value.startswith("fake "):
            text = value.split()[1]
            numbers |= {text, "%#.3g" % float(text)} if "." in text and float(text) < 10 else set()
assert len(numbers) >= 8, numbers  # the tables write three digits, zeros too
seen = set()
files = [f for f in glob.glob("fake-report/**/*", recursive=True)
         if f.endswith((".md", ".csv", ".tex", ".txt", ".dat"))] + ["report.txt"]
for name in files:
    if "speed" in name.split("/")[-1] and "energy" not in name:
        continue  # rates only; their digits may be anything
    for line in open(name):
        for number in set(re.findall(r"[0-9]+\.[0-9]+", line)) & numbers:
            if "fake" in line.lower():
                seen.add(name)
            elif re.search(r"J/|joule|watt|\bW\b", line):
                raise SystemExit(f"{name}: {number} without fake: {line}")
for name in ("report.md", "cells.csv", "energy.csv", "energy.tex", "energy.txt"):
    assert "fake-report/" + name in seen, (name, seen)
assert "report.txt" in seen
for line in open("fake-report/plots/watts.dat"):
    assert line.startswith("#") or not line.strip() or line.endswith("# fake\n"), line
script = open("fake-report/plots/watts.gp").read()
assert 'set title "FAKE ' in script and "measured: " not in script
assert script.count("set object") == 6  # a window of each cell and phase, shaded
PYTHON
verdict $? "every output marks fake joules as fake"

"$program" bench -m null:2000000 --kernel f16 -t 1 -p 0 -n 4 -r 1 --processes 1 --energy fake \
    --energy-seconds 1 --idle 0 -o json >out 2>err && python3 - <<'PYTHON'
import json

cell, = json.load(open("out"))
phase, = cell["energy"]
assert phase["origin"] == "fake" and phase["scope"] == "fake package"
assert abs(phase["fake_gross_watts"]["value"] / 10 - 1) < 0.01
assert phase["fake_net_watts"] is None and phase["fake_net_watts_missing"]
assert not any(key.startswith(("gross", "net", "joules")) for key in phase)
PYTHON
verdict $? "bench --format json marks every key of fake joules as fake"

"$program" run small.json --no-roofline --energy auto --sysfs-root "$PWD/no-meters" --store none.jsonl -q \
    >out 2>err && "$program" report none.jsonl >report.txt 2>err && python3 - <<'PYTHON'
import csv, re

text = open("report.txt").read()
table = text[text.index("Energy by cell and phase"):]
lines = [line for line in table.splitlines() if line.startswith("  null:")]
assert len(lines) == 8, lines  # prompt; prompt, output and all: for each kernel
assert all(re.search(r" (prompt|output|all) .* - \(a\)", line) for line in lines), lines
assert "(a) powercap: " in table and "joules not measured" in table
for row in csv.DictReader(open("none-report/cells.csv", newline="")):
    assert row["joules_per_token"] == "" and row["prompt_watts"] == ""
    assert "joules_per_token: powercap: " in row["missing"]
assert "- no energy: powercap: " in open("none-report/report.md").read()
PYTHON
verdict $? "without a source every missing joule has a reason"

"$program" run energy --dry-run --sysfs-root "$PWD/no-meters" >out 2>err
status=$?
[ $status -eq 0 ] && grep -q '^synth:700M .*f16' out && grep -q '^synth:7B ' out &&
    grep -q '^synth:70B .*tg32' out && grep -q '^energy: no source is available' out
verdict $? "the suite of the published energy table can be planned"
echo "1..$n"
