#!/usr/bin/env bash
# `ternmark energy`: its sources, table, plot and JSON with simulated counters, with the fake source and without a
# source. Uses the null engine instead of a model. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/energy_tap.sh
. tests/harness/cli/tap.sh
need python3

energy=(energy -m null:2000000 --kernel f16 -t 1 -p 64 -n 16 --processes 1 -q --energy-seconds 1)

# A package of 10 W at work and at idle, and its memory of 2 W.
cat >live.py <<'PYTHON'
import os, time

root, zones = "live/sys/class/powercap/", []
for zone, name, watts in (("intel-rapl:0", "package-0", 10), ("intel-rapl:0:0", "dram", 2)):
    os.makedirs(root + zone)
    for file, text in (("name", name), ("max_energy_range_uj", "262143328850")):
        open(root + zone + "/" + file, "w").write(text + "\n")
    zones.append((root + zone + "/energy_uj", watts))
parent, begin = os.getppid(), time.monotonic()
while os.getppid() == parent:
    for path, watts in zones:
        open(path + ".new", "w").write("%d\n" % ((time.monotonic() - begin) * watts * 1e6))
        os.rename(path + ".new", path)
    time.sleep(0.02)
PYTHON
python3 live.py 2>/dev/null &
mkdir none stuck stuck/sys
in_background fake "${energy[@]}" --idle 0 --energy=fake --plot plots
while [ ! -e live/sys/class/powercap/intel-rapl:0:0/energy_uj ]; do sleep 0.02; done
in_background live "${energy[@]}" --idle 1 --sysfs-root live --format json --store live.jsonl

expect 5 "without a source: exit 5" "shows no energy counter" "${energy[@]}" --sysfs-root none
[ "$(wc -l <err)" -eq 3 ] && grep -q 'a wall meter works everywhere: --meter COMMAND' err && # the third is of expect
    grep -q '^powercap *missing' out && grep -q '^pmic *missing' out
verdict $? "two lines say what would give one, after the answer about each source"
mkdir -p stuck/sys/class/powercap/intel-rapl:0
(cd stuck/sys/class/powercap/intel-rapl:0 && echo package-0 >name && echo 2000000 >max_energy_range_uj && echo 12 >energy_uj)
expect 5 "a counter that is stuck: the reason and the fix" "stayed at 12.*; fix: measure on the machine itself" \
    "${energy[@]}" --sysfs-root stuck --format json
[ ! -s out ]
verdict $? "and no JSON"
expect 5 "a meter's command that fails" "nosuchcommand" "${energy[@]}" --meter nosuchcommand
expect 2 "--energy=none" "leaves nothing to measure" "${energy[@]}" --energy=none
expect 2 "a marker without a store" "needs --store" "${energy[@]}" --meter-marker
expect 2 "no model" "model" energy
expect 2 "a folder for the plot that cannot be made" "live.py: cannot make" "${energy[@]}" --energy=fake --plot live.py/file.txt
for name in fake live; do while [ ! -e $name.status ]; do sleep 0.05; done; done

show_run fake && grep -q '^Used: fake, scope fake package. It covers nothing: its joules are made up' out &&
    grep -q '^fake *ok *fake package' out && grep -q '^FAKE. Energy by cell and phase' out && grep -q '^  Tokens  *prompt  *output$' out &&
    grep -q '^  Energy, J/token  *fake [0-9.]*.*fake [0-9.]*' out && grep -q '^  Tokens/J  *fake [0-9.]*.*fake [0-9.]*' out &&
    grep -q '^  Idle power, W  *- (b)  *- (b)' out && grep -q '^  Windows  *1 ok  *1 ok' out
verdict $? "the fake source: one table, every joule labelled fake"
grep -q 'set title "FAKE ' plots/watts.gp && grep -q '# fake$' plots/watts.dat
verdict $? "and a plot of power over time, labelled fake"

show_run live
verdict $? "simulated counters: exit 0"
python3 - >out 2>err <<'PYTHON'
import json

got = json.load(open("live.out"))
windows = [r for r in map(json.loads, open("live.jsonl")) if r["kind"] == "energy"]
assert got["source"] == "powercap" and got["scope"] == "package+dram" and "their memory" in got["scope_covers"]
status = {s["name"]: s["status"] for s in got["sources"]}
assert status["energy powercap"] == "ok" and status["energy hwmon"] == "missing", status
assert [c["test"] for c in got["cells"]] == ["pp64", "tg16"] and len(windows) == 2
for cell, window, tokens, key in zip(got["cells"], windows, (64, 16), ("prompt", "output")):
    phase, = cell["energy"]
    assert phase["origin"] == "fake", "a tree in place of / is a simulation"
    assert phase["status"] in ("1 ok", "1 invalid"), phase
    if phase["status"] != "1 ok":
        continue  # this machine was too busy to read the counters in time, which the window says
    joules = phase[f"fake_gross_joules_per_{key}_token"]["value"]
    count = window[f"n_{key}_tokens"]
    assert abs(joules * count / window["gross_joules"] - 1) < 1e-6
    assert abs(window["gross_joules"] / window["window_seconds"] / 12 - 1) < 0.1
    assert abs(joules * phase[f"fake_{key}_tokens_per_joule"]["value"] - 1) < 1e-6
    idle = (window["idle_before_watts"] + window["idle_after_watts"]) / 2
    assert abs(phase["fake_idle_watts"]["value"] / idle - 1) < 1e-6
PYTHON
verdict $? "and its JSON follows from the windows: joules per prompt and output token, tokens/J, idle power"
echo "1..$n"
