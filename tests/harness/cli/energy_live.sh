#!/usr/bin/env bash
# Energy from meters that run during a measurement: live counters, a source that fails in the middle of a
# window, the real paths under /sys, and a meter's command. Prints TAP. The tests in tests/harness/probe check
# the values with a fake clock; this one checks that the whole program uses the system's clock and threads.
#
# All runs begin together. If the machine is too busy, the program refuses a window; the run is then repeated
# with longer windows, and skipped if it fails again for that reason.
# check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/energy_tap.sh
. tests/harness/cli/tap.sh
need python3

# Counters that advance with the clock: live.py ROOT ZONE=NAME=WATTS... Break the first one with ROOT/break,
# remove it with ROOT/vanish.
cat >live.py <<'PYTHON'
import os, sys, time

root, zones = sys.argv[1], []
for text in sys.argv[2:]:
    zone, name, watts = text.split("=")
    folder = os.path.join(root, "sys/class/powercap", zone)
    os.makedirs(folder)
    open(folder + "/name", "w").write(name + "\n")
    open(folder + "/max_energy_range_uj", "w").write("262143328850\n")
    zones.append((folder + "/energy_uj", float(watts)))
parent, begin = os.getppid(), time.monotonic()
while os.getppid() == parent:
    for i, (path, watts) in enumerate(zones):
        text = "%d\n" % ((time.monotonic() - begin) * watts * 1e6)
        if i == 0 and os.path.exists(root + "/vanish"):
            if os.path.exists(path):
                os.unlink(path)
            continue
        if i == 0 and os.path.exists(root + "/break"):
            text = "nothing\n"
        open(path + ".new", "w").write(text)
        os.rename(path + ".new", path)
    time.sleep(0.002)
PYTHON
live() { # ROOT ZONE=NAME=WATTS...
    python3 live.py "$@" 2>/dev/null &
    while [ ! -e "$1/sys/class/powercap/intel-rapl:0/energy_uj" ]; do sleep 0.02; done
}
# A meter whose clock is 60 s behind.
cat >meter.py <<'PYTHON'
import sys, time

print("time watts", flush=True)
while True:
    print("%.3f 42" % (time.time() - 60), flush=True)
    time.sleep(0.02)
PYTHON

# Evaluates a condition over the energy windows w of a store. Status 77: a window was refused because the machine is
# too busy.
cat >windows.py <<'PYTHON'
import json, sys

lines = [json.loads(line) for line in open(sys.argv[1])]
w = [line for line in lines if line["kind"] == "energy"]
run = [line for line in lines if line["kind"] == "run"][0]

def near(value, expected, share):
    return value is not None and abs(value - expected) <= share * expected

if not eval("(" + sys.argv[2] + ")"):
    print([{k: v for k, v in x.items() if not k.startswith("trace")} for x in w])
    busy = ("was not read for", "both edges took too long", "was silent", "are required", "extends outside",
            "do not cover", "joules are missing")
    sys.exit(77 if any(b in x.get("reason", "") for x in w for b in busy) else 1)
PYTHON

# The arguments of each run.
declare -A arguments=(
    [live]="-p 64 -n 0 -pg 32,16 --energy=powercap --idle 1 --sysfs-root live -o json"
    [break]="-p 0 -n 0 -pg 32,16 --energy=auto --idle 0 --sysfs-root break"
    [vanish]="-p 0 -n 0 -pg 32,16 --energy=require=powercap --idle 0 --sysfs-root vanish"
    [meter]="-p 64 -n 0 --idle 0 --meter-offset 60 -o json"
    [powercap]="-p 64 -n 0 --energy=powercap --idle 0 -o json"
    [rail]="-p 64 -n 0 --energy=hwmon --idle 0"
)
run() { # NAME SECONDS: one run with windows of this length: NAME.jsonl, NAME.out, NAME.err, NAME.status
    local name=$1 program=$program more=()
    rm -f "$name.jsonl"
    case $name in
    break | vanish) fail_later "$name" ;;
    meter) more=(--meter "python3 $work/meter.py") ;;
    powercap | rail) program=$work/mounted.sh ;;
    esac
    # shellcheck disable=SC2086
    timeout 100 "$program" bench "${fake[@]}" --energy-seconds "$2" --store "$name.jsonl" ${arguments[$name]} \
        ${more[@]+"${more[@]}"} >"$name.out" 2>"$name.err" </dev/null
    echo $? >"$name.status"
}
# A live tree that fails when the first of two windows is in the store, so that the second one is open.
fail_later() { # NAME, which is also the name of the file that makes it fail
    rm -rf "$1"
    live "$1" intel-rapl:0=package-0=10
    (
        while [ -d "$1" ] && ! grep -q '"kind":"energy"' "$1.jsonl" 2>/dev/null; do sleep 0.02; done
        sleep 0.2
        touch "$1/$1"
    ) &
}
judge() { # STATUS NAME TITLE CONDITION
    local status verdict seconds
    for seconds in 1 5; do
        [ $seconds -eq 1 ] || run "$2" $seconds
        status=$(cat "$2.status")
        cp "$2.out" out
        cp "$2.err" err
        python3 windows.py "$2.jsonl" "$4" >>err 2>&1
        verdict=$?
        [ $verdict -ne 0 ] || [ "$status" -ne "$1" ] || { verdict 0 "$3"; return; }
    done
    [ $verdict -eq 77 ] && { skipped "$3" "this machine is too busy for a window of 5 s"; return; }
    echo "exit status $status, wanted $1" >>err
    verdict 1 "$3"
}

# The program in a mount namespace in which /sys/class is a test tree.
cat >mounted.sh <<END
#!/bin/sh
[ "\$IS_MOUNTED" = yes ] || IS_MOUNTED=yes exec unshare -m "$work/mounted.sh" "\$@"
[ -e /sys/class/test ] || {
    mount -t tmpfs none /sys/class && touch /sys/class/test && mkdir -p /sys/class/powercap /sys/class/hwmon/hwmon0 &&
        mount --bind "$work/mounted/sys/class/powercap" /sys/class/powercap || exit 77
    cd /sys/class/hwmon/hwmon0 || exit 77
    echo ina3221 >name; echo VDD_IN >in1_label; echo 5000 >in1_input; echo 3000 >curr1_input
    echo 70 >update_interval
    cd "$work"
}
exec "$program" "\$@"
END
chmod +x mounted.sh

names=(live break vanish meter)
live live intel-rapl:0=package-0=8 intel-rapl:0:0=dram=2 intel-rapl:1=psys=9
mounts=no
if unshare -m bash -c 'mount -t tmpfs none /sys/class' 2>/dev/null; then
    mounts=yes
    names+=(powercap rail)
    live mounted intel-rapl:0=package-0=10
fi
runs=()
for name in "${names[@]}"; do
    run "$name" 1 &
    runs+=($!)
done
wait "${runs[@]}"

judge 0 live "live counters: package and dram without psys, each phase in its own window" \
    '[(x["test"], x["phase"]) for x in w] == [("pp64", "prompt"), ("pp32+tg16", "prompt"), ("pp32+tg16", "generation")]
     and all(x["status"] == "ok" and x["scope"] == "package+dram" and x["method"] == "counter" for x in w)
     and all(near(x["gross_joules"], 10 * x["window_seconds"], 0.3) for x in w)
     and all(near(x["idle_before_watts"], 10, 0.5) and near(x["idle_after_watts"], 10, 0.5) for x in w)
     and all([d["name"] for d in x["domains"]] == ["package-0", "dram package-0", "psys"] for x in w)
     and all(x["window_seconds"] >= run["energy"]["seconds"] and x["idle_seconds"] >= 1 for x in w)
     and all(x["trace_seconds"][0] <= -1 and x["trace_seconds"][-1] > x["window_seconds"] for x in w)
     and all(0 < x["sampler_cpu_percent"] < 50 for x in w)
     and all(x["fake"] and "instead of /" in x["marks"] for x in w)
     and run["energy"]["chosen"] == "powercap" and run["energy"]["sources"][0]["status"] == "ok"'
grep -q '"fake_joules_per_token"' out
verdict $? "and the output has joules per token, labelled fake because of --sysfs-root"

first_ok='len(w) == 2 and w[0]["status"] == "ok" and w[1]["status"] == "invalid" and w[1]["gross_joules"] is None'
judge 0 break "auto: a failed read invalidates its window, not the one before" \
    "$first_ok and 'not a count' in w[1]['reason']"
judge 5 vanish "require: exit 5 if the source vanishes during a window" \
    "$first_ok and 'No such file' in w[1]['reason']"

judge 0 meter "a meter's command with its own clock: imported, of the whole system" \
    'w[0]["status"] == "ok" and w[0]["source"] == "meter" and w[0]["scope"] == "system" and w[0]["method"] == "imported"
     and near(w[0]["gross_joules"], 42 * w[0]["window_seconds"], 0.001)'
grep -q '"joules_per_token"' out
verdict $? "and the output has joules per token"

if [ $mounts = no ]; then
    skipped "powercap and hwmon at their real paths" "a mount namespace cannot be created here"
else
    judge 0 powercap "powercap at its real path: measured, not fake" \
        'w[0]["status"] == "ok" and w[0]["fake"] is False and w[0]["scope"] == "package"
         and near(w[0]["gross_joules"], 10 * w[0]["window_seconds"], 0.3)'
    judge 0 rail "hwmon at its real path: a rail of 5 V and 3 A" \
        'w[0]["status"] == "ok" and w[0]["scope"] == "rail VDD_IN" and w[0]["method"] == "integrated"
         and near(w[0]["gross_joules"], 15 * w[0]["window_seconds"], 0.01)'
fi
echo "1..$n"
