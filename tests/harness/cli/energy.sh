#!/usr/bin/env bash
# Energy from the meter to the record where nothing has to run beside the worker: the made-up source in every
# format, suites, sources that are not there, the log of a meter read later. Prints TAP. The fake engine stands in
# for a model.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/energy_tap.sh
. tests/harness/cli/tap.sh
need python3
chmod 755 "$work"

# A condition on the energy windows of a store: python over the list w of its lines, and the samples s.
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

# --- runs that look at nothing that moves, beside each other ------------------------------------------

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
    beside $format bench "${fake[@]}" -p 64 -n 16 --energy=fake "${short[@]}" -o $format
done
beside small "${run[@]}" fake.json --store small.jsonl
beside later bench "${fake[@]}" -p 64 -n 16 "${short[@]}" --energy-seconds 2 --meter-marker --store later.jsonl
"$program" bench "${fake[@]}" -p 64 -n 16 --energy=fake --energy-seconds 60 --idle 0 \
    --store interrupted.jsonl >interrupted.out 2>interrupted.err </dev/null &
interrupted=$!
for ((i = 0; i < 1000; i++)); do # until both samples are there and the process has gone on to the window
    [ "$(grep -c '"sample"' interrupted.jsonl 2>/dev/null)" = 2 ] && break
    sleep 0.05
done
sleep 0.5
kill -INT $interrupted
wait $interrupted
[ $? -eq 130 ]
verdict $? "interrupted in the middle of a window: exit 130"
windows "and the samples are kept" interrupted.jsonl 'len(s) == 2 and not w'
wait

# Every format of bench: each row and each figure that was not measured says so.
for format in text md csv; do
    look $format && grep -q 'fake [0-9.e-]*.*fake: fake, fake package, fake counter' out
    verdict $? "made-up joules in a row of $format"
    grep 'null:200000' out | grep -v 'fake [0-9].*fake [0-9].*fake: fake' | grep -q .
    [ $? -eq 1 ] && [ "$(grep -c 'null:200000' out)" -eq 2 ]
    verdict $? "and in every other: joules, watts and whose they are"
done
look jsonl && python3 - out >err 2>&1 <<'PYTHON'
import json, sys

for line in open(sys.argv[1]):
    row = json.loads(line)
    assert row["joules_per_token"] is None and row["joules_per_token_missing"], row
    assert row["fake_joules_per_token"]["value"] > 0, row
    assert all(phase["origin"] == "fake" for phase in row["energy"]), row
PYTHON
verdict $? "made-up joules in JSON: no key without fake holds a number"
expect 0 "not asked for: no columns, and JSON says so" '"joules_per_token_missing":"not asked for' bench "${fake[@]}" -p 64 -n 0 -o jsonl
expect 0 "not asked for: csv keeps its columns" 'J/token,W,energy from' bench "${fake[@]}" -p 64 -n 0 -o csv

# --- suites, resuming, interruption ------------------------------------------------------------------

look small && grep -q "4 windows of energy" out
verdict $? "a suite with energy on a store without"
windows "adds the windows alone" small.jsonl 'len(s) == 8 and len(w) == 4 and all(x["source"] == "fake" and x["fake"] for x in w)'
cp small.jsonl before
expect 0 "again: nothing is left" " 0 new samples" "${run[@]}" fake.json --store small.jsonl
cmp -s small.jsonl before
verdict $? "and the store keeps its bytes"
expect 0 "the command line wins over the suite" " 8 new samples" "${run[@]}" fake.json --store other.jsonl --energy=none
windows "so there is no window" other.jsonl 'len(s) == 8 and not w'
expect 0 "the plan counts the windows" "energy: fake, fake package, in windows of 1 s" run fake.json --dry-run
awk '/cells,/ { for (i = 1; i < NF; i++) if ($i == "about") exit !($(i + 1) >= 14) }' out
verdict $? "and their seconds: 2 processes of 2 windows and 3 idle times"
expect 2 "an unknown key of energy, its line and the nearest" 'line 2.*"second".*"seconds"' run wrong.json
expect 2 "a window below a second" 'from 1 to 3600' run short.json
expect 2 "a window below a second on the command line" 'energy-seconds' bench "${fake[@]}" --energy=fake --energy-seconds 0.2
expect 2 "an unknown source, and the nearest" 'did you mean "powercap"' bench "${fake[@]}" --energy=powercapp
expect 2 "a meter that is not the source" 'is named as well' bench "${fake[@]}" --energy=powercap --meter 'echo'
expect 2 "two meters" 'either a command or a file' bench "${fake[@]}" --meter a --meter-csv b
expect 2 "a meter without a meter" 'needs the command' bench "${fake[@]}" --energy=meter

# --- sources that fail -----------------------------------------------------------------------------

mkdir -p empty/sys/class
expect 0 "auto without a source goes on" "no energy from powercap: .*no RAPL zone" bench "${fake[@]}" -p 64 -n 0 \
    --energy=auto --sysfs-root empty --store none.jsonl
[ "$(grep -c '^ternmark bench: no energy from' err)" -eq 4 ]
verdict $? "and says of each source why not"
windows "the run line keeps the sentences" none.jsonl \
    'len(s) == 1 and not w and run[0]["energy"]["chosen"] is None and len(run[0]["energy"]["sources"]) == 4'
expect 0 "a missing figure is -, with the reason below" '(b) powercap: .*no RAPL zone' bench "${fake[@]}" -p 64 -n 0 \
    --energy=auto --sysfs-root empty
expect 5 "require without a source" "energy is required" bench "${fake[@]}" -p 64 -n 0 --energy=require \
    --sysfs-root empty --store required.jsonl
[ ! -e required.jsonl ] && [ ! -s out ]
verdict $? "ends before any work"
expect 5 "require of one source" "no energy from perf" "${run[@]}" none.json --energy=require=perf --sysfs-root empty --store x.jsonl

# A zone whose counter stands still.
zone() { # ROOT
    mkdir -p "$1/sys/class/powercap/intel-rapl:0"
    (cd "$1/sys/class/powercap/intel-rapl:0" && echo package-0 >name && echo 200000000 >max_energy_range_uj &&
        echo 12345678 >energy_uj)
}
zone stuck
expect 0 "a stuck counter is no source: auto" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=auto --sysfs-root stuck
expect 5 "a stuck counter is no source: require" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root stuck

if [ "$(id -u)" -ne 0 ]; then
    skipped "another user may not read the counter" "only root can become another user"
elif ! setpriv --reuid=65534 --regid=65534 --clear-groups "$program" --version >/dev/null 2>&1; then
    skipped "another user may not read the counter" "setpriv is missing, or that user may not run $program"
else
    zone denied
    chmod 400 denied/sys/class/powercap/intel-rapl:0/energy_uj
    as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$program" "$@"; }
    as_nobody bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root denied >out 2>err
    [ $? -eq 5 ] && grep -q 'Permission denied' err && grep -q 'to mend it: sudo groupadd' err
    verdict $? "another user may not read the counter: exit 5, and what would mend it"
fi

# --- a meter that is read later ----------------------------------------------------------------------

look later
verdict $? "a run for a meter that is read later"
windows "has windows with times and no joules" later.jsonl \
    'len(w) == 2 and all(x["status"] == "missing" and x["window_seconds"] >= 2 and "ternmark import" in x["reason"] for x in w)'
# What a meter with a clock 37.25 s behind would have written: 20 W idle, 60 W in the marker, 80 W at work.
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
expect 0 "its log is imported, the clocks matched by the marker" "+37.[0-9]* s to this machine" import later.jsonl --meter-csv log.csv
windows "the joules are those of the log, within their bound" later.jsonl \
    '(lambda m: len(m) == 2 and all(x["status"] == "ok" and x["method"] == "imported" and abs(x["gross_joules"] - 80 * x["window_seconds"]) < x["error_bound_joules"] and near(x["gross_joules"], 80 * x["window_seconds"], 0.03) and near(x["idle_before_watts"], 20, 0.1) and near(x["net_joules"], 60 * x["window_seconds"], 0.04) for x in m))([x for x in w if x["method"]])'
expect 0 "again: every window has its joules" "0 of 0 windows" import later.jsonl --meter-csv log.csv
expect 0 "with an offset that is known" "2 of 2 windows" import again.jsonl --meter-csv log.csv --meter-offset 37.25
sed '2,$s/,[0-9.]*$/,30/' log.csv >flat.csv
expect 3 "a log without the marker is refused" "looks like the marker" import flat.jsonl --meter-csv flat.csv
expect 2 "a log that is none" "is longer than" import again.jsonl --meter-csv later.jsonl
echo "1..$n"
