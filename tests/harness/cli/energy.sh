#!/usr/bin/env bash
# Energy from the source to the record, without a live meter: the fake source in every format, suites, missing
# sources, and the import of a meter's log. Prints TAP. Uses the fake engine instead of a model.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
top=$PWD
. tests/harness/cli/energy_tap.sh
. tests/harness/cli/tap.sh
need python3
chmod 755 "$work"

# Evaluates a Python condition over the energy windows w and the samples s of a store.
windows() { # TITLE STORE CONDITION
    python3 - "$2" "$3" >out 2>err <<'PYTHON'
import json, sys

lines = [json.loads(line) for line in open(sys.argv[1])]
w = [line for line in lines if line["kind"] == "energy"]
s = [line for line in lines if line["kind"] == "sample"]
run = [line for line in lines if line["kind"] == "run"]

def near(value, expected, share):
    return abs(value - expected) <= share * expected

assert eval(sys.argv[2]), [{k: v for k, v in x.items() if not k.startswith("trace")} for x in w]
PYTHON
    verdict $? "$1"
}

short=(--energy-seconds 1 --idle 1)

# --- runs in the background -------------------------------------------------------------------------

suite() { # FILE ENERGY
    cat >"$1" <<END
{ "name": "small", "axes": { "model": ["null:200000"], "kernel": ["f16"], "threads": [1], "test": ["pp64", "tg16"] },
  "processes": 2, "repetitions": 2, "warmup": 0, "energy": $2 }
END
}
suite none.json '"none"'
suite fake.json '{ "source": "fake", "seconds": 1, "idle_seconds": 1 }'
suite wrong.json '{ "source": "fake", "second": 1 }'
suite short.json '{ "source": "fake", "seconds": 0.5 }'
run=(run --no-roofline -q)
expect 0 "a suite without energy" " 8 new samples" "${run[@]}" none.json --store small.jsonl
windows "has samples and no window" small.jsonl 'len(s) == 8 and not w'

for format in text md csv jsonl; do
    in_background $format bench "${fake[@]}" -p 64 -n 16 --energy=fake "${short[@]}" -o $format
done
in_background small "${run[@]}" fake.json --store small.jsonl
"$program" bench "${fake[@]}" -p 64 -n 16 --energy=fake --energy-seconds 60 --idle 0 \
    --store interrupted.jsonl >interrupted.out 2>interrupted.err </dev/null &
interrupted=$!
for ((i = 0; i < 1000; i++)); do # until both samples are stored and the window has begun
    [ "$(grep -c '"sample"' interrupted.jsonl 2>/dev/null)" = 2 ] && break
    sleep 0.05
done
sleep 0.5
kill -INT $interrupted
wait $interrupted
[ $? -eq 130 ]
verdict $? "an interrupt during a window: exit 130"
windows "and the samples are kept" interrupted.jsonl 'len(s) == 2 and not w'
"$program" bench "${fake[@]}" -p 64 -n 16 --meter-marker --store marker.jsonl >marker.out 2>marker.err </dev/null &
interrupted=$!
while [ ! -e marker.jsonl ] && kill -0 $interrupted; do sleep 0.02; done
sleep 0.5 # without the load pattern, which begins with 2.6 s of rest, there would be samples now
kill -INT $interrupted
wait $interrupted
[ $? -eq 130 ] && [ ! -s marker.jsonl ]
verdict $? "an interrupt during the load pattern: exit 130, and no sample"
wait

# In every format of bench, every fake row and value is labelled fake.
for format in text md; do
    show_run $format && grep -q 'fake [0-9.e-]*.*fake: fake, fake package, fake counter' out
    verdict $? "$format: fake joules in a row are labelled fake"
    grep 'null:200000' out | grep -v 'fake [0-9].*fake [0-9].*fake: fake' | grep -q .
    [ $? -eq 1 ] && [ "$(grep -c 'null:200000' out)" -eq 2 ]
    verdict $? "$format: so are joules, watts and source in every other row"
done
show_run csv && python3 - out >err 2>&1 <<'PYTHON'
import csv, sys

rows = list(csv.DictReader(open(sys.argv[1], newline="")))
assert len(rows) == 2, rows
for row in rows:
    assert not row["joules_per_token"] and not row["watts"], row
    assert float(row["fake_joules_per_token"]) > 0 and float(row["fake_watts"]) > 0, row
    assert row["energy_from"] == "fake: fake, fake package, fake counter", row
PYTHON
verdict $? "csv: fake joules and watts appear only in columns that say fake"
show_run jsonl && python3 - out >err 2>&1 <<'PYTHON'
import json, sys

for line in open(sys.argv[1]):
    row = json.loads(line)
    assert row["joules_per_token"] is None and row["joules_per_token_missing"], row
    assert row["fake_joules_per_token"]["value"] > 0, row
    assert all(phase["origin"] == "fake" for phase in row["energy"]), row
PYTHON
verdict $? "JSON: fake joules appear only under keys that say fake"
expect 0 "without energy, JSON has the reason" '"joules_per_token_missing":"not requested' bench "${fake[@]}" -p 64 -n 0 -o jsonl
expect 0 "without energy, CSV keeps its columns" 'joules_per_token,' bench "${fake[@]}" -p 64 -n 0 -o csv

# --- suites, resuming, interruption ------------------------------------------------------------------

show_run small && grep -q "4 energy windows" out
verdict $? "a suite with energy continues a store without"
windows "it adds only the windows" small.jsonl 'len(s) == 8 and len(w) == 4 and all(x["source"] == "fake" and x["fake"] for x in w)'
cp small.jsonl before
expect 0 "again: nothing is left to do" " 0 new samples" "${run[@]}" fake.json --store small.jsonl
cmp -s small.jsonl before
verdict $? "and the store does not change"
# Windows that are invalid, too short or of another kind are measured again; only then is the meter's job done.
cat >one.json <<END
{ "name": "one", "axes": { "model": ["null:200000"], "kernel": ["f16"], "threads": [1], "test": ["pp64"] },
  "processes": 1, "repetitions": 1, "warmup": 0 }
END
one=("${run[@]}" one.json --idle 0 --store one.jsonl)
expect 0 "a required meter" "1 energy window$" "${one[@]}" --energy=require=fake --energy-seconds 1
python3 - <<'PYTHON'
import json

lines = [json.loads(line) for line in open("one.jsonl")]
for line in lines:
    if line["kind"] != "energy":
        continue
    line["status"] = "invalid"
    line["reason"] = "a read failed"
    for key in [key for key in line if "joules" in key and not key.endswith("_missing")]:
        line[key] = None
        line[key + "_missing"] = "a read failed"
    for domain in line.get("domains", []):
        domain.update(status="invalid", reason="a read failed", joules=None, joules_missing="a read failed")
with open("one.jsonl", "w") as f:
    f.writelines(json.dumps(line) + "\n" for line in lines)
PYTHON
cp one.jsonl invalid.jsonl
expect 0 "an invalid window is measured again" "1 energy window$" "${one[@]}" --energy=require=fake --energy-seconds 1
expect 0 "a window that is too short is measured again" "1 energy window$" \
    "${one[@]}" --energy=require=fake --energy-seconds 1.5
windows "all three are kept" one.jsonl '[x["status"] for x in w] == ["invalid", "ok", "ok"]'
expect 0 "a longer one suffices" " 0 new samples" "${one[@]}" --energy=require=fake --energy-seconds 1
windows "so nothing is added" one.jsonl 'len(w) == 3'
expect 0 "the command line overrides the suite" " 8 new samples" "${run[@]}" fake.json --store other.jsonl --energy=none
windows "there is no window" other.jsonl 'len(s) == 8 and not w'
expect 0 "the plan includes the windows" "energy: fake, fake package, in windows of 1 s" run fake.json --dry-run
awk '/cells,/ { for (i = 1; i < NF; i++) if ($i == "about") exit !($(i + 1) >= 14) }' out
verdict $? "and their time: 2 processes with 2 windows and 3 idle times each"
suite meter.json '{ "source": "meter", "meter": "touch ran; echo time watts" }'
expect 0 "a plan of a suite with a meter's command" "energy: meter" run meter.json --dry-run
[ ! -e ran ]
verdict $? "and it does not run the command"
expect 2 "an unknown key of energy, its line and the nearest" 'line 2.*"second".*"seconds"' run wrong.json
expect 2 "a window shorter than a second" 'from 1 to 3600' run short.json
expect 2 "a window shorter than a second on the command line" 'energy-seconds' bench "${fake[@]}" --energy=fake --energy-seconds 0.2
expect 2 "an idle time shorter than a second" 'at least 1 s' bench "${fake[@]}" --energy=fake --idle 0.5
expect 2 "an unknown source, and the nearest" 'did you mean "powercap"' bench "${fake[@]}" --energy=powercapp
expect 2 "a meter next to another source" 'belongs to the source meter' bench "${fake[@]}" --energy=powercap --meter 'echo'
expect 2 "two meters" 'both given' bench "${fake[@]}" --meter a --meter-csv b
expect 2 "a meter without a command or file" 'needs --meter, --meter-csv' bench "${fake[@]}" --energy=meter

# --- sources that fail -----------------------------------------------------------------------------

mkdir -p empty/sys/class
expect 0 "auto without a source continues" "no energy from powercap: .*no RAPL zone" bench "${fake[@]}" -p 64 -n 0 \
    --energy=auto --sysfs-root empty --store none.jsonl
[ "$(grep -c '^ternmark bench: no energy from' err)" -eq 5 ]
verdict $? "and reports the reason of each source"
windows "the run record has the reasons" none.jsonl \
    'len(s) == 1 and not w and run[0]["energy"]["chosen"] is None and len(run[0]["energy"]["sources"]) == 5'
expect 0 "a missing figure is -, with the reason below" '^([a-z]) powercap: .*no RAPL zone' bench "${fake[@]}" -p 64 -n 0 \
    --energy=auto --sysfs-root empty
expect 5 "require without a source" "energy is required" bench "${fake[@]}" -p 64 -n 0 --energy=require \
    --sysfs-root empty --store required.jsonl
[ ! -e required.jsonl ] && [ ! -s out ]
verdict $? "ends before any work"
for named in "--energy=perf --sysfs-root empty" "--meter nosuchcommand" "--meter-csv nosuch.csv"; do
    # shellcheck disable=SC2086
    expect 5 "a source that is named must work: $named" "does not work; with --energy=auto" \
        bench "${fake[@]}" -p 64 -n 0 $named --store named.jsonl
    [ ! -e named.jsonl ] && [ ! -s out ]
    verdict $? "or the run ends before any work"
done
expect 5 "require of one source" "no energy from perf" "${run[@]}" none.json --energy=require=perf --sysfs-root empty --store x.jsonl

# A zone whose counter is stuck.
zone() { # ROOT
    mkdir -p "$1/sys/class/powercap/intel-rapl:0"
    (cd "$1/sys/class/powercap/intel-rapl:0" && echo package-0 >name && echo 200000000 >max_energy_range_uj &&
        echo 12345678 >energy_uj)
}
zone stuck
expect 0 "auto does not use a stuck counter" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=auto --sysfs-root stuck
expect 5 "require fails with a stuck counter" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root stuck

if [ "$(id -u)" -ne 0 ]; then
    skipped "another user may not read the counter" "only root can become another user"
elif ! setpriv --reuid=65534 --regid=65534 --clear-groups "$program" --version >/dev/null 2>&1; then
    skipped "another user may not read the counter" "setpriv is missing, or that user may not run $program"
else
    zone denied
    chmod 400 denied/sys/class/powercap/intel-rapl:0/energy_uj
    as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$program" "$@"; }
    as_nobody bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root denied >out 2>err
    [ $? -eq 5 ] && grep -q 'Permission denied' err && grep -q 'fix: sudo groupadd' err
    verdict $? "another user may not read the counter: exit 5 and the fix"
fi

# --- a meter's log that is imported later ---------------------------------------------------------------

# The load pattern takes 15 s of every CPU, so the store is a recorded one, of
# bench -m null:200000 --kernel f16 -t 1 --processes 1 -r 1 -p 64 -n 16 --energy-seconds 2 --idle 1 --meter-marker
cp "$top/tests/harness/cli/meter_later.jsonl" later.jsonl
windows "a run for a meter whose log is imported later has windows with times and without joules" later.jsonl \
    'len(w) == 2 and all(x["status"] == "missing" and x["window_seconds"] >= 2 and "ternmark import" in x["reason"] for x in w)'
# The log of a meter whose clock is 37.25 s behind: 20 W idle, 60 W in the marker, 80 W at work.
cat >log.py <<'PYTHON'
import json, random, sys

random.seed(3)
lines = [json.loads(line) for line in open("later.jsonl")]
edges = [line["meter_marker"]["edge_unix_seconds"] for line in lines if line["kind"] == "run"][0]
busy = [(edges[1], edges[2], 60), (edges[3], edges[4], 60)]
for x in lines:
    if x["kind"] == "energy":
        busy.append((x["begin_unix_seconds"], x["begin_unix_seconds"] + x["window_seconds"], 80))
print("time,watts")
t = edges[0] - 20
while t < max(b[1] for b in busy) + 20:
    watts = 20 + sum(w - 20 for a, b, w in busy if a <= t < b)
    print("%.3f,%.2f" % (t - 37.25, watts + random.uniform(-0.5, 0.5)))
    t += 0.01
PYTHON
python3 log.py >log.csv
cp later.jsonl again.jsonl
cp later.jsonl flat.jsonl
expect 0 "its log is imported, with the offset from the marker" "clock offset of the meter: +37" import later.jsonl --meter-csv log.csv
windows "the joules are the log's, within their bound" later.jsonl \
    '(lambda m: len(m) == 2 and all(x["status"] == "ok" and x["method"] == "imported" and abs(x["gross_joules"] - 80 * x["window_seconds"]) < x["error_bound_joules"] and near(x["gross_joules"], 80 * x["window_seconds"], 0.03) and near(x["idle_before_watts"], 20, 0.1) and near(x["net_joules"], 60 * x["window_seconds"], 0.04) for x in m))([x for x in w if x["method"]])'
expect 0 "again: every window is measured already" "0 of 0 energy windows" import later.jsonl --meter-csv log.csv
expect 0 "with a given offset" "2 of 2 energy windows" import again.jsonl --meter-csv log.csv --meter-offset 37.25
sed '2,$s/,[0-9.]*$/,30/' log.csv >flat.csv
expect 3 "a log without the marker is refused" "the load pattern is not found" import flat.jsonl --meter-csv flat.csv
expect 2 "a file that is not a log" "is longer than" import again.jsonl --meter-csv later.jsonl
echo "1..$n"
