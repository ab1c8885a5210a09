#!/usr/bin/env bash
# Energy from the meter to the record: a live tree of counters that advances by known watts while a worker
# runs, and every way a source can fail. Prints TAP. The fake engine stands in for a model.
# check: long
# check: limit 300
set -u
cd "$(dirname "$0")/../.." || exit 2
. tests/cli/tap.sh
need python3
chmod 755 "$work"

skipped() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# A condition on the energy windows of a store: python over the list w of its lines, and the samples s.
windows() { # TITLE STORE CONDITION
    python3 - "$2" "$3" >out 2>err <<'PYTHON'
import bisect, json, sys

lines = [json.loads(line) for line in open(sys.argv[1])]
w = [line for line in lines if line["kind"] == "energy"]
s = [line for line in lines if line["kind"] == "sample"]
run = [line for line in lines if line["kind"] == "run"]

def near(value, expected, share):
    return abs(value - expected) <= share * expected

def shown(root, x, zones):
    """Joules that the tree showed over a window: also right where its writer was late."""
    rows = [[float(v) for v in line.split()] for line in open(root + "/log")]
    rows = [row for row in rows if len(row) > max(zones)]
    at = [bisect.bisect([r[0] for r in rows], x["begin_unix_seconds"] + t) - 1 for t in (0, x["window_seconds"])]
    return sum(rows[at[1]][z] - rows[at[0]][z] for z in zones)

def tight(value, x, expected):
    """To 1 %, and 20 ms on a machine so busy that the writer of the tree is late."""
    return abs(value - expected) <= (0.01 + 0.02 / x["window_seconds"]) * expected

assert eval(sys.argv[2]), [{k: v for k, v in x.items() if not k.startswith("trace")} for x in w]
PYTHON
    verdict $? "$1"
}

# Zones of powercap kept at watts: live.py ROOT RANGE_UJ ZONE=NAME=WATTS...; a file ROOT/break makes the
# first zone read as no number, ROOT/freeze stops all of them, ROOT/vanish takes the first counter away.
cat >live.py <<'PYTHON'
import os, sys, time

root, limit = sys.argv[1], int(sys.argv[2])
zones = []
for text in sys.argv[3:]:
    zone, name, watts = text.split("=")
    folder = os.path.join(root, "sys/class/powercap", zone)
    os.makedirs(folder, exist_ok=True)
    open(folder + "/name", "w").write(name + "\n")
    open(folder + "/max_energy_range_uj", "w").write("%d\n" % limit)
    zones.append((folder + "/energy_uj", float(watts)))
try:
    os.nice(-10)  # a writer that is late is a counter that stands still
except OSError:
    pass
log = open(root + "/log", "w")
begin = time.monotonic()
while True:
    shown = [0]
    for i, (path, watts) in enumerate(zones):
        if i == 0 and os.path.exists(root + "/vanish"):
            if os.path.exists(path):
                os.unlink(path)
            continue
        if os.path.exists(root + "/freeze"):
            continue
        broken = i == 0 and os.path.exists(root + "/break")
        total = int((time.monotonic() - begin) * watts * 1e6) % limit
        open(path + ".new", "w").write("nothing\n" if broken else "%d\n" % total)
        os.rename(path + ".new", path)
        shown.append((time.monotonic() - begin) * watts)
    shown[0] = time.time()
    print(*shown, file=log, flush=True)
    time.sleep(0.001)
PYTHON
live() { # ROOT ARGUMENTS...: $live is its process
    python3 live.py "$@" &
    live=$!
    while [ ! -e "$1/sys/class/powercap/intel-rapl:0/energy_uj" ]; do sleep 0.02; done
}
stop() {
    kill "$live"
    wait "$live" 2>/dev/null
}
fake=(-m null:200000 --kernel f16 -t 1 --processes 1 -r 1 -q)
short=(--energy-seconds 1 --idle 1)

# --- runs that look at nothing that moves, beside each other ------------------------------------------

# Their joules are made up or come later, and no assertion depends on how long something took: they wait
# side by side. The log of each is NAME.out, NAME.err; its exit status NAME.status.
beside() { # NAME ARGUMENT...
    local name=$1
    shift
    { timeout 200 "$program" "$@" >"$name.out" 2>"$name.err" </dev/null; echo $? >"$name.status"; } &
}
look() { # NAME: what it printed is now what the last command printed
    cp "$1.out" out
    cp "$1.err" err
    return "$(cat "$1.status")"
}
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
"$program" bench "${fake[@]}" -p 64 -n 16 --energy=fake --energy-seconds 60 --idle 1 \
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

# --- known watts -----------------------------------------------------------------------------------

live tree 500000000 intel-rapl:0=package-0=600 intel-rapl:0:0=dram=40 intel-rapl:1=psys=700
# A machine that stops for longer than half a second spoils a window, rightly: then once more.
for _ in 1 2 3 4 5; do
    rm -f live.jsonl
    timeout 100 "$program" bench "${fake[@]}" -p 64 -n 0 -pg 32,16 --energy=powercap --energy-seconds 2 --idle 1 \
        --sysfs-root tree -o json --store live.jsonl >out 2>err </dev/null
    status=$?
    grep -q "was not read for\|may draw" live.jsonl || break
done
[ $status -eq 0 ] && grep -q '"joules_per_token"' out
verdict $? "a run against a live tree"
windows "a prompt and the generation behind it are windows of their own" live.jsonl \
    '[(x["test"], x["phase"]) for x in w] == [("pp64", "prompt"), ("pp32+tg16", "prompt"), ("pp32+tg16", "generation")]'
windows "package and dram, without psys" live.jsonl \
    'all(x["scope"] == "package+dram" and x["method"] == "counter" and x["status"] == "ok" for x in w)'
windows "joules are what the tree showed over the window, to 1 %" live.jsonl \
    'all(tight(x["gross_joules"], x, shown("tree", x, [1, 2])) for x in w)'
windows "and that is its watts times the window" live.jsonl \
    'all(near(x["gross_joules"], 640 * x["window_seconds"], 0.05) for x in w)'
windows "through two wraps of a domain" live.jsonl 'all(x["wraps"] >= 2 for x in w)'
windows "windows are no shorter than asked for" live.jsonl \
    'all(2 <= x["window_seconds"] < 3 and x["idle_seconds"] >= 1 for x in w)'
windows "joules per token are watts by tokens per second" live.jsonl \
    'all(tight(x["joules_per_token"], x, shown("tree", x, [1, 2]) / (x["n_prompt_tokens"] + x["n_output_tokens"])) for x in w)'
windows "the tree idles as it works: net joules are none, or what its jitter leaves" live.jsonl \
    'all("idle" in x["net_joules_missing"] if x["net_joules"] is None else x["net_joules"] < 0.1 * x["gross_joules"] for x in w)'
windows "every domain is there with its joules" live.jsonl \
    'all([d["name"] for d in x["domains"]] == ["package-0", "dram package-0", "psys"] and tight(x["domains"][2]["joules"], x, shown("tree", x, [3])) for x in w)'
windows "the trace covers idle, window, idle" live.jsonl \
    'all(x["trace_seconds"][0] < -0.9 and x["trace_seconds"][-1] > x["window_seconds"] + 1 and near(sorted(v for v in x["trace_watts"] if v)[len(x["trace_watts"]) // 2], 640, 0.2) for x in w)'
windows "what stands in for / is called fake" live.jsonl 'all(x["fake"] is True and "stands in" in x["marks"] for x in w)'
windows "the run line says what was asked for and what answered" live.jsonl \
    'run[0]["energy"]["chosen"] == "powercap" and run[0]["energy"]["seconds"] == 2 and run[0]["energy"]["sources"][0]["status"] == "ok"'
windows "reading in the background is counted" live.jsonl 'all(0 < x["sampler_cpu_percent"] < 5 for x in w)'

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

touch tree/freeze
sleep 0.1
expect 0 "a stuck counter is no source: auto" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=auto --sysfs-root tree
expect 5 "a stuck counter is no source: require" "stayed at" bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root tree
rm tree/freeze

# Something fails in the middle of a window of 5 s, well behind the idle time before it, in a tree of its own.
during() { # FLAG OPTION...: FLAG.out, FLAG.err, FLAG.status, FLAG.jsonl
    local flag=$1 breaker
    shift
    live "in-$flag" 200000000000 intel-rapl:0=package-0=250
    (while ! grep -q '"sample"' "$flag.jsonl" 2>/dev/null; do sleep 0.05; done; sleep 4; touch "in-$flag/$flag"; sleep 0.3; rm "in-$flag/$flag") &
    breaker=$!
    timeout 100 "$program" bench "${fake[@]}" -p 64 -n 0 --energy-seconds 5 --idle 1 --sysfs-root "in-$flag" \
        --store "$flag.jsonl" "$@" >"$flag.out" 2>"$flag.err"
    echo $? >"$flag.status"
    kill $breaker 2>/dev/null
    stop
}
spoiled() { # FLAG STATUS TITLE REASON
    look "$1"
    [ $? -eq "$2" ]
    verdict $? "$3"
    windows "and the window says why" "$1.jsonl" \
        'len(w) == 1 and w[0]["status"] == "invalid" and w[0]["gross_joules"] is None and '"'$4'"' in w[0]["reason"]'
}
stop
during break --energy=auto &
breaking=$!
during vanish --energy=require=powercap &
wait $breaking $!
spoiled break 0 "a read that fails within a window spoils it: auto" "not a count"
spoiled vanish 5 "a source that vanishes within a window: require" "No such file"

if [ "$(id -u)" -ne 0 ]; then
    skipped "another user may not read the counter" "only root can become another user"
elif ! setpriv --reuid=65534 --regid=65534 --clear-groups "$program" --version >/dev/null 2>&1; then
    skipped "another user may not read the counter" "setpriv is missing, or that user may not run $program"
else
    live denied 200000000 intel-rapl:0=package-0=25
    stop
    chmod 400 denied/sys/class/powercap/intel-rapl:0/energy_uj
    as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$program" "$@"; }
    as_nobody bench "${fake[@]}" -p 64 -n 0 --energy=require=powercap --sysfs-root denied >out 2>err
    [ $? -eq 5 ] && grep -q 'Permission denied' err && grep -q 'to mend it: sudo groupadd' err
    verdict $? "another user may not read the counter: exit 5, and what would mend it"
fi

# --- the real paths, in a mount namespace ------------------------------------------------------------

live mounted 400000000 intel-rapl:0=package-0=100
cat >inside.sh <<'END'
mount -t tmpfs none /sys/class && mkdir /sys/class/powercap /sys/class/hwmon || exit 77
mount --bind "$1/mounted/sys/class/powercap" /sys/class/powercap || exit 77
shift
exec "$@"
END
if unshare -m bash -c 'mount -t tmpfs none /sys/class' 2>/dev/null; then
    cat >rail.sh <<'END'
mount -t tmpfs none /sys/class && mkdir -p /sys/class/hwmon/hwmon0 || exit 77
cd /sys/class/hwmon/hwmon0 || exit 77
echo ina3221 >name; echo VDD_IN >in1_label; echo 5000 >in1_input; echo 3000 >curr1_input
cd "$1" && shift && exec "$@"
END
    { # beside the other: its 15 W do not move
        unshare -m bash rail.sh "$work" timeout 60 "$program" bench "${fake[@]}" -p 64 -n 0 --energy=auto \
            "${short[@]}" --energy-seconds 2 --idle 2 --store rail.jsonl >rail.out 2>rail.err
        echo $? >rail.status
    } &
    rail=$!
    unshare -m bash inside.sh "$work" timeout 60 "$program" bench "${fake[@]}" -p 64 -n 0 --energy=powercap \
        "${short[@]}" --store mounted.jsonl -o json >out 2>err
    verdict $? "powercap at its own place"
    windows "measured, not fake" mounted.jsonl \
        'len(w) == 1 and w[0]["fake"] is False and w[0]["status"] == "ok" and tight(w[0]["gross_joules"], w[0], shown("mounted", w[0], [1])) and near(w[0]["gross_joules"], 100 * w[0]["window_seconds"], 0.1)'
    wait $rail
    look rail
    verdict $? "hwmon at its own place, found by auto"
    windows "a rail of 5 V and 3 A, integrated" rail.jsonl \
        'w[0]["source"] in ("hwmon", "sensors") and w[0]["scope"] == "rail VDD_IN" and w[0]["method"] == "integrated" and near(w[0]["gross_joules"], 15 * w[0]["window_seconds"], 0.01)'
else
    skipped "powercap and hwmon at their own places" "no mount namespace may be made here"
fi
stop

# --- external meters ---------------------------------------------------------------------------------

cat >meter.py <<'PYTHON'
import sys, time

print("time watts", flush=True)
while True:
    print("%.3f 42" % (time.time() - float(sys.argv[1])), flush=True)
    time.sleep(0.05)
PYTHON
expect 0 "a meter's command with a clock of its own" '"joules_per_token"' bench "${fake[@]}" -p 64 -n 0 "${short[@]}" \
    --meter "python3 $work/meter.py 60" --meter-offset 60 -o json --store meter.jsonl
windows "its joules are imported and of the whole system" meter.jsonl \
    'w[0]["source"] == "meter" and w[0]["scope"] == "system" and w[0]["method"] == "imported" and near(w[0]["gross_joules"], 42 * w[0]["window_seconds"], 0.001)'

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
    t += 0.05
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
