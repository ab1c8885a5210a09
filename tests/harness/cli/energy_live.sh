#!/usr/bin/env bash
# Energy from meters that run while a worker does: trees of counters that advance by known watts, sources that
# fail in the middle of a window, the real paths, a meter's command. Prints TAP.
#
# A machine that stands still for longer than a counter's range lasts spoils a window, and ternmark rightly
# refuses it. So each run is tried again with longer windows and wider ranges until none is refused; what the
# last try refuses must be true, and a witness must have seen the machine stand still. Every window that was not
# refused, of any try, must be right. Only what no window could show is skipped.
# check: long
# check: limit 600
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/energy_tap.sh
. tests/harness/cli/tap.sh
need python3

# A thread on each CPU that wakes 50 times a second: "end seconds" of each time it slept for more than 0.1 s.
cat >witness.py <<'PYTHON'
import os, threading, time

log = open("witness.log", "w", 1)

def watch(cpu):
    os.sched_setaffinity(0, {cpu})
    last = time.monotonic()
    while True:
        time.sleep(0.02)
        now = time.monotonic()
        if now - last > 0.1:
            print("%.3f %.3f" % (time.time(), now - last), file=log)
        last = now

for cpu in os.sched_getaffinity(0):
    threading.Thread(target=watch, args=(cpu,), daemon=True).start()
parent = os.getppid()
while os.getppid() == parent:
    time.sleep(0.5)
PYTHON
python3 witness.py &

# Zones of powercap kept at watts: live.py ROOT RANGE_UJ ZONE=NAME=WATTS...; a file ROOT/break makes the
# first zone read as no number, ROOT/vanish takes its counter away. ROOT/log holds of each time the files were
# written: when that began and ended, what became of the first, and the joules in each. Where this process stands
# still so do the counters: a counter that makes up for it would be refused.
cat >live.py <<'PYTHON'
import os, sys, time

STEP = 0.005  # the longest time that one writing advances by; two may come at once, and 10 ms more may be counted
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
parent = os.getppid()
seconds, last = 0, time.monotonic()
while os.getppid() == parent:
    now = time.monotonic()
    seconds, last = seconds + min(now - last, STEP), now
    state = "vanish" if os.path.exists(root + "/vanish") else "break" if os.path.exists(root + "/break") else "ok"
    begin = time.time()
    for i, (path, watts) in enumerate(zones):
        if i == 0 and state == "vanish":
            if os.path.exists(path):
                os.unlink(path)
            continue
        total = int(seconds * watts * 1e6) % limit
        open(path + ".new", "w").write("nothing\n" if i == 0 and state == "break" else "%d\n" % total)
        os.rename(path + ".new", path)
    print("%.6f %.6f" % (begin, time.time()), state, *("%.6f" % (seconds * watts) for path, watts in zones),
          file=log, flush=True)
    time.sleep(0.002)
PYTHON
# Trees lie in memory where possible: a disk that is slow to rename is a counter that stands still.
trees=$work
[ ! -w /dev/shm ] || trees=$(mktemp -d /dev/shm/tm_trees_XXXXXX) || exit 2
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$trees" "$work"' EXIT
live() { # ROOT ARGUMENTS...: $live is its process
    [ "$trees" = "$work" ] || { mkdir "$trees/$1" && ln -s "$trees/$1" "$1"; } || exit 2
    python3 live.py "$@" &
    live=$!
    while [ ! -e "$1/sys/class/powercap/intel-rapl:0/energy_uj" ]; do sleep 0.02; done
}
stop() {
    kill "$live"
    wait "$live" 2>/dev/null
}

# What the windows of the tries NAME-1, NAME-2 ... say beside what the tree NAME-1, ... showed.
cat >windows.py <<'PYTHON'
import bisect, glob, json, os, re, sys

last_try = os.environ.get("LAST_TRY") == "1"
STEP = 0.005  # as in live.py
STILL = 0.1  # a machine at rest never sleeps for that long

def near(value, expected, share):
    return abs(value - expected) <= share * expected

def whole_lines(path):
    return [line for line in open(path) if line.endswith("\n")] if os.path.exists(path) else []

def still(begin, end):
    """The longest time that the machine stood still, as the witness saw it."""
    rows = [[float(v) for v in line.split()] for line in whole_lines("witness.log")]
    return max([gap for at, gap in rows if at > begin and at - gap < end], default=0)

class Tree:
    def __init__(self, root):
        self.root = root

    def __getattr__(self, name):  # read when something is asked of it first
        rows = [line.split() for line in whole_lines(self.root + "/log")]
        self.begin, self.end = [[float(row[i]) for row in rows] for i in (0, 1)]
        self.state = [row[2] for row in rows]
        self.joules = [[float(v) for v in row[3:]] for row in rows]
        self.range = 1e-6 * int(open(self.root + "/sys/class/powercap/intel-rapl:0/max_energy_range_uj").read())
        return self.__dict__[name]

    def at(self, times, time):
        return self.joules[max(0, bisect.bisect_right(times, time) - 1)]

    def between(self, begin, end, late, amount):
        """An amount of the joules in each zone, at least and at most: edges are uncertain by `late` seconds, and
        what was being written then may have been read or not."""
        edges = (self.end, end - late, self.begin, begin + late), (self.begin, end + late, self.end, begin - late)
        return [amount(self.at(a, x)) - amount(self.at(b, y)) for a, x, b, y in edges]

    def lost(self, begin, end):
        """Seconds that it stood still, at most; it may never have gone on."""
        next_begin = self.begin[1:] + [max(end, self.begin[-1])]
        return sum(max(0, b - a - STEP) for a, b in zip(self.begin, next_begin) if a < end and b > begin)

    def longest(self, end):
        """How long a count may have been shown: until the next writing, which may have stood still itself."""
        return max(b - a for a, b in zip(self.begin, self.end[1:] + [end]))

def shown(x, amount):
    """What the tree showed over a window whose edges are as uncertain as its error bound says: a millisecond of
    each is how often counters advance; the rest may be of one edge, and more than this of one domain."""
    uncertain = x["error_bound_joules"] / x["gross_joules"] * x["window_seconds"]
    return x["tree"].between(x["begin_unix_seconds"], x["end"], 0.001 + 2 * max(0, uncertain - 0.002), amount)

def joules_shown(x, zones):
    return shown(x, lambda joules: sum(joules[z] for z in zones))

def wraps_shown(x, zones):
    return shown(x, lambda joules: sum(joules[z] // x["tree"].range for z in zones))

def within(value, bracket):
    return bracket[0] - 1e-3 <= value <= bracket[1] + 1e-3

def worked(x, watts):
    """Whether the joules are watts by the window, or by what of it the tree did not stand still."""
    lost = x["tree"].lost(x["begin_unix_seconds"], x["end"])
    return 0.97 * watts * (x["window_seconds"] - lost) <= x["gross_joules"] <= 1.02 * watts * x["window_seconds"]

def idles(x, watts):
    """Whether idle drew these watts, less what the tree lost in at most that time, and net joules are none."""
    times = (x["idle_before_unix_seconds"], x["begin_unix_seconds"]), (x["idle_after_unix_seconds"], x["until"])
    lost = [x["tree"].lost(begin, end) / x["idle_seconds"] for begin, end in times]
    for drawn, share in zip((x["idle_before_watts"], x["idle_after_watts"]), lost):
        if not watts * (1 - share - 0.03) <= drawn <= watts * 1.03:
            return False
    net = x["net_joules"]
    return "idle" in x["net_joules_missing"] if net is None else net < (0.1 + max(lost)) * x["gross_joules"]

def traced(x):
    """Joules of the trace over the window."""
    points = [(0, None)] + [p for p in zip(x["trace_seconds"], x["trace_watts"]) if 0 < p[0] < x["window_seconds"] + 0.2]
    return sum(watts * (at - before) for (before, _), (at, watts) in zip(points, points[1:]))

class Try:
    def __init__(self, name):
        self.name = name
        self.begin, self.end = [float(v) for v in open(name + ".time").read().split()]
        records = [json.loads(line) for line in whole_lines(name + ".jsonl")]
        self.run = next((r for r in records if r["kind"] == "run"), None)
        self.windows = [r for r in records if r["kind"] == "energy"]
        self.tree = Tree(name) if os.path.exists(name + "/log") else None
        for x in self.windows:
            x["tree"], x["asked"], x["run"] = self.tree, self.run["energy"]["seconds"], self.run["energy"]
            x["end"], x["until"] = x["begin_unix_seconds"] + x["window_seconds"], self.end
            x["good"] = x["status"] == "ok" and all(d["status"] == "ok" for d in x["domains"])

    def still(self):
        return still(self.begin, self.end)

    def true(self, said):
        """Whether a machine that stood still is why this was said: by what was said, and by what was seen."""
        number = lambda pattern: float((re.search(pattern, said) or [0, -1])[1])
        gap = max(number(r"was not read for ([0-9.e+-]+) s"), number(r"silent for ([0-9.e+-]+) s"))
        of_tree = self.tree and (gap > 0.995 * self.tree.range / 1000
                                 or ("stayed at" in said and self.tree.longest(self.end) > 0.4))
        of_meter = 0 <= number(r"(\d+) samples of .* not a measurement") < 10 or "silent for" in said and gap >= 2 or \
            "do not cover the window" in said or "samples run from" in said or "10 s have passed" in said
        # Threads of one machine stand still for about as long, not at the same moment.
        return self.still() > max(STILL, 0.2 * gap) and \
            bool(of_tree or of_meter or "at both edges took so long" in said)

    def refusals(self):
        """Sentences in the place of joules, of every window and of the source when none began."""
        said = [x["reason"] for x in self.windows if x["status"] != "ok"]
        said += [d["joules_missing"] for x in self.windows for d in x["domains"] if d["joules"] is None]
        said += [x[key] for x in self.windows for key in ("idle_before_watts_missing", "idle_after_watts_missing")
                 if x["window_seconds"] > 0 and key in x and "no idle time was asked for" not in x[key]]
        if self.run and not self.windows:
            said += [s["reason"] for s in self.run["energy"]["sources"][:1] if s["status"] != "ok"]
        if not self.run:
            said += [line for line in open(self.name + ".err") if "stayed at" in line]
        return said

def tries(name):
    return [Try(path[:-5]) for path in sorted(glob.glob(name + "-[0-9].time"))]

def stood_still(name):
    longest = max(t.still() for t in tries(name))
    lost = max(t.tree.lost(t.begin, t.end) / (t.end - t.begin) if t.tree else 0 for t in tries(name))
    print("the machine stood still, once for %.2f s, and the tree for %.1f %% of a try: no window shows it" %
          (longest, 100 * lost))
    return longest > STILL or lost > 0.01

def refused_untruly(t, untrue):
    """What a try ends with whose refusals no witness explains. It may not see what keeps a single thread waiting
    for a moment, but longer windows bear that: only the last try has no excuse."""
    for said in untrue:
        print("refused, and the machine stood still for %.2f s at most: %s" % (t.still(), said))
    return 2 if last_try else 1

def judge(name):
    """0: nothing was refused; 1: something, truly; 2: otherwise."""
    t = Try(name)
    said = t.refusals()
    untrue = [s for s in said if not t.true(s)]
    if untrue:
        return refused_untruly(t, untrue)
    if not t.windows and not said:
        print("no window, and no reason")
        return 2
    idles = [x for x in t.windows if x["idle_before_watts"] and x["idle_after_watts"]]
    asked_for_idle = t.run and t.run["energy"]["idle_seconds"] > 0
    if t.windows and all(x["good"] for x in t.windows) and (idles or not asked_for_idle):
        return 0
    print("the machine stood still in each try, in the last one for %.2f s" % t.still())
    return 1

def judge_break(name, said):
    """The same of a source that failed while the second window ran; 0 when that window says so."""
    t = Try(name)
    at = next((i for i, state in enumerate(t.tree.state) if state != "ok"), len(t.tree.state))
    before, after = t.tree.begin[at] if at < len(t.tree.state) else t.end, (t.tree.end + [t.end])[at]
    second = t.windows[1] if len(t.windows) > 1 else None
    untrue = [s for s in t.refusals() if said not in s and not t.true(s)]
    if untrue:
        return refused_untruly(t, untrue)
    for x in t.windows:
        if x["status"] == "ok" and after < x["end"] - 0.01 or said in x.get("reason", "") and before > x["end"] + 0.01:
            print("broken at %.3f to %.3f, and a window to %.3f is %s" % (before, after, x["end"], x["status"]))
            return 2
    if second and t.windows[0]["good"] and second["status"] == "invalid" and said in second["reason"] \
            and second["begin_unix_seconds"] < before and second["gross_joules"] is None:
        return 0
    print("not broken within the second window, while the machine stood still for %.2f s" % t.still())
    return 1 if t.still() > STILL or not last_try else 2

def each(name, condition, where="True"):
    """The condition of every good window x where it applies; 77 when it applies to none."""
    n = 0
    for x in (x for t in tries(name) for x in t.windows if x["good"]):
        if not eval(where, {**globals(), "x": x}):
            continue
        n += 1
        assert eval(condition, {**globals(), "x": x}), \
            {k: v for k, v in x.items() if k not in ("tree", "run") and not k.startswith("trace")}
    return 0 if n else 77 if stood_still(name) else 1

def every(name, condition):
    """The condition of all windows w, refused or not, of each try that has any."""
    n = 0
    for t in (t for t in tries(name) if t.windows):
        n += 1
        assert eval(condition, {**globals(), "w": t.windows, "energy": t.run["energy"]}), (t.name, condition)
    return 0 if n else 77 if stood_still(name) else 1

sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
PYTHON

# Runs try_NAME NAME-1 SECONDS RANGE_UJ and so on; ends with 0 when a try was good, 1 when none was and
# the machine is why, 2 when something was wrong: NAME.verdict, and NAME.why.
tries() { # NAME "SECONDS..." JUDGE...: windows.py JUDGE NAME-1 ...
    local name=$1 windows=$2 seconds root i=0 verdict n_tries
    shift 2
    n_tries=$(wc -w <<<"$windows")
    for seconds in $windows; do
        i=$((i + 1)) root=$name-$i
        local from=$EPOCHREALTIME
        # Below range / 1000 W a gap between two reads is sure to hold no wrap: 0.5, 1.5 and 5 s.
        "try_$name" "$root" "$seconds" $((seconds * 250000000))
        echo "$from $EPOCHREALTIME" >"$root.time"
        LAST_TRY=$((i == n_tries)) python3 windows.py "$1" "$root" "${@:2}" >"$name.why" 2>&1
        verdict=$?
        [ $verdict -eq 1 ] || break
    done
    echo $verdict >"$name.verdict"
    echo "$root" >"$name.last"
}
bench() { # ROOT ARGUMENT...: ROOT.jsonl, ROOT.out, ROOT.err, ROOT.status
    local root=$1
    shift
    timeout 200 "$program" bench "${fake[@]}" "$@" --store "$root.jsonl" >"$root.out" 2>"$root.err" </dev/null
    echo $? >"$root.status"
}
try_live() {
    live "$1" "$3" intel-rapl:0=package-0=800 intel-rapl:0:0=dram=700 intel-rapl:1=psys=900
    bench "$1" -p 64 -n 0 -pg 32,16 --energy=powercap --energy-seconds "$2" --idle 1 --sysfs-root "$1" -o json
    stop
}
# The source fails when the first of two windows is in the store, so the second has begun, and stays so.
broken() { # ROOT SECONDS OPTION FLAG
    live "$1" 200000000000 intel-rapl:0=package-0=250
    (
        while ! grep -q '"kind":"energy"' "$1.jsonl" 2>/dev/null; do sleep 0.05; done
        sleep 0.3
        touch "$1/$4"
    ) &
    local breaker=$!
    bench "$1" -p 0 -n 0 -pg 32,16 --energy-seconds "$2" --idle 0 --sysfs-root "$1" "$3"
    kill $breaker 2>/dev/null
    stop
}
try_break() { broken "$1" "$2" --energy=auto break; }
try_vanish() { broken "$1" "$2" --energy=require=powercap vanish; }
cat >inside.sh <<'END'
mount -t tmpfs none /sys/class && mkdir /sys/class/powercap /sys/class/hwmon || exit 77
mount --bind "$1/sys/class/powercap" /sys/class/powercap || exit 77
shift
exec "$@"
END
cat >rail.sh <<'END'
mount -t tmpfs none /sys/class && mkdir -p /sys/class/hwmon/hwmon0 || exit 77
cd /sys/class/hwmon/hwmon0 || exit 77
echo ina3221 >name; echo VDD_IN >in1_label; echo 5000 >in1_input; echo 3000 >curr1_input
cd "$1" && shift && exec "$@"
END
apart() { # SCRIPT FOLDER: the program in a mount namespace where the script was
    printf '#!/bin/sh\nexec unshare -m bash "%s" "%s" "%s" "$@"\n' "$work/$1" "$2" "$ternmark" >"$1.program"
    chmod +x "$1.program"
    program=$work/$1.program
}
ternmark=$program
try_mounted() {
    live "$1" "$3" intel-rapl:0=package-0=100
    apart inside.sh "$work/$1"
    bench "$1" -p 64 -n 0 --energy=powercap --energy-seconds "$2" --idle 1 -o json
    stop
}
try_rail() {
    apart rail.sh "$work"
    bench "$1" -p 64 -n 0 --energy=auto --energy-seconds "$2" --idle 0
}
cat >meter.py <<'PYTHON'
import sys, time

print("time watts", flush=True)
while True:
    print("%.3f 42" % (time.time() - float(sys.argv[1])), flush=True)
    time.sleep(0.05)
PYTHON
try_meter() {
    bench "$1" -p 64 -n 0 --energy-seconds "$2" --idle 0 --meter "python3 $work/meter.py 60" --meter-offset 60 -o json
}

# --- the verdicts ------------------------------------------------------------------------------------

ran() { # STATUS TITLE NAME: its last try ended so, and what it refused it refused truly
    local last
    last=$(cat "$3.last")
    if [ "$(cat "$3.verdict")" -eq 1 ]; then
        skipped "$2" "$(tail -n 1 "$3.why" | grep . || echo "the machine stood still in each try")"
        return
    fi
    cat "$last.err" "$3.why" >err
    cp "$last.out" out
    [ "$(cat "$3.verdict")" -eq 0 ] && [ "$(cat "$last.status")" -eq "$1" ]
    verdict $? "$2"
}
of() { # each|every TITLE NAME CONDITION...
    python3 windows.py "$1" "${@:3}" >out 2>err
    local status=$?
    if [ $status -eq 77 ]; then
        skipped "$2" "$(cat out)"
    else
        verdict $status "$2"
    fi
}

# --- all of them, in three lanes -----------------------------------------------------------------------

apart=no
unshare -m bash -c 'mount -t tmpfs none /sys/class' 2>/dev/null && apart=yes
longer="2 6 20 20"
tries live "$longer" judge &
live_lane=$!
{
    tries break "$longer" judge_break "not a count"
    tries meter "2 2 2 2 2 2 2 2" judge # what a meter may be silent for is the same in every window
} &
break_lane=$!
{
    tries vanish "$longer" judge_break "No such file"
    [ $apart = no ] || { tries mounted "$longer" judge; tries rail "$longer" judge; }
} &
wait $live_lane $break_lane $!
echo "# last tries: $(cat ./*.last | paste -sd ' ')"

ran 0 "a run against a live tree" live
grep -q '"joules_per_token"' "$(cat live.last).out"
verdict $? "prints joules per token"
of every "a prompt and the generation behind it are windows of their own" live \
    '[(x["test"], x["phase"]) for x in w] == [("pp64", "prompt"), ("pp32+tg16", "prompt"), ("pp32+tg16", "generation")]'
of each "package and dram, without psys" live \
    'x["source"] == "powercap" and x["scope"] == "package+dram" and x["method"] == "counter"'
of each "joules are what the tree showed over the window, within their bound" live 'within(x["gross_joules"], joules_shown(x, [0, 1]))'
of each "which leaves no more than 1 % open" live 'True' \
    'max(*joules_shown(x, [0, 1])) - min(*joules_shown(x, [0, 1])) < 0.01 * x["gross_joules"]'
of each "and that is its watts times the window" live 'worked(x, 1500)'
of each "through as many wraps as the tree made" live 'within(x["wraps"], wraps_shown(x, [0, 1]))'
of each "two and more" live 'True' 'x["wraps"] >= 2'
of each "windows are no shorter than asked for" live 'x["window_seconds"] >= x["asked"] and x["idle_seconds"] >= 1'
of each "joules per token are joules by tokens" live \
    'near(x["joules_per_token"] * (x["n_prompt_tokens"] + x["n_output_tokens"]), x["gross_joules"], 1e-9)'
of each "and tokens those of whole repeats" live \
    'x["n_prompt_tokens"] + x["n_output_tokens"] == x["n_repeats"] * {"pp64": 64, "pp32+tg16": 32 if x["phase"] == "prompt" else 16}[x["test"]]'
of each "the tree idles as it works: net joules are none, or what its jitter leaves" live 'idles(x, 1500)' \
    'x["idle_before_watts"] and x["idle_after_watts"]'
of each "every domain is there with its joules" live \
    '[d["name"] for d in x["domains"]] == ["package-0", "dram package-0", "psys"] and within(x["domains"][2]["joules"], joules_shown(x, [2]))'
of each "the trace covers idle, window, idle" live \
    'x["trace_seconds"][0] <= -1 and x["trace_seconds"][-1] > x["window_seconds"] + 1' \
    'x["idle_before_watts"] and x["idle_after_watts"]'
of each "and has the window's joules" live 'abs(traced(x) - x["gross_joules"]) <= x["error_bound_joules"] + 0.01 * x["gross_joules"]'
of every "what stands in for / is called fake" live 'all(x["fake"] is True and "stands in" in x["marks"] for x in w)'
of every "the run line says what was asked for and what answered" live \
    'energy["chosen"] == "powercap" and energy["seconds"] in (2, 6, 20) and energy["sources"][0]["status"] == "ok"'
of each "reading in the background is counted" live \
    '0 < x["sampler_cpu_percent"] < 5 + 100 * still(x["begin_unix_seconds"], x["end"]) / x["window_seconds"]'

ran 0 "a read that fails within a window spoils that window and not the one before: auto" break
ran 5 "a source that vanishes within a window: require" vanish

ran 0 "a meter's command with a clock of its own" meter
grep -q '"joules_per_token"' "$(cat meter.last).out"
verdict $? "prints joules per token"
of each "its joules are imported and of the whole system" meter \
    'x["source"] == "meter" and x["scope"] == "system" and x["method"] == "imported" and near(x["gross_joules"], 42 * x["window_seconds"], 0.001)'

if [ $apart = no ]; then
    skipped "powercap and hwmon at their own places" "no mount namespace may be made here"
else
    ran 0 "powercap at its own place" mounted
    of each "measured, not fake" mounted 'x["fake"] is False and x["scope"] == "package" and within(x["gross_joules"], joules_shown(x, [0]))'
    ran 0 "hwmon at its own place, found by auto" rail
    of each "a rail of 5 V and 3 A, integrated" rail \
        'x["source"] in ("hwmon", "sensors") and x["scope"] == "rail VDD_IN" and x["method"] == "integrated" and near(x["gross_joules"], 15 * x["window_seconds"], 0.01)'
fi
echo "1..$n"
