#!/usr/bin/env bash
# Checks ternmark doctor: its JSON agrees with /proc and /sys, and it changes no setting. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
command -v python3 >/dev/null || { echo "python3 is not installed"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
n=0
check() { # title command...
    local title=$1
    shift
    n=$((n + 1))
    if "$@" >"$work/said" 2>&1; then
        echo "ok $n - $title"
    else
        echo "not ok $n - $title"
        sed 's/^/# /' "$work/said"
    fi
}

before=$(cat /proc/sys/kernel/perf_event_paranoid /proc/sys/kernel/randomize_va_space \
    /sys/kernel/mm/transparent_hugepage/enabled /sys/devices/system/cpu/smt/control 2>/dev/null)
"$program" doctor -o json >"$work/doctor.json" 2>"$work/stderr"
status=$?
after=$(cat /proc/sys/kernel/perf_event_paranoid /proc/sys/kernel/randomize_va_space \
    /sys/kernel/mm/transparent_hugepage/enabled /sys/devices/system/cpu/smt/control 2>/dev/null)
check "doctor exits with 0 and an empty stderr" test $status -eq 0 -a ! -s "$work/stderr"
check "doctor changes no setting" test "$before" = "$after"

cat >"$work/check.py" <<'PYTHON'
import glob, json, os, re, sys

rows = json.load(open(sys.argv[1]))
by_name = {row["name"]: row for row in rows}
assert len(by_name) == len(rows), "a name occurs twice"
for row in rows:
    assert row["status"] in ("ok", "warn", "missing"), row
    assert isinstance(row["detail"], str) and isinstance(row["fix"], str), row
    if row["value"] is None:
        assert row["value_missing"], row
    else:
        assert isinstance(row["value"], str) and row["value"], row
    if row["status"] != "ok":
        assert row["detail"], row


def text(path):
    try:
        return open(path).read().strip()
    except OSError:
        return None


def same(name, path):
    found = text(path)
    row = by_name[name]
    assert row["value"] == found if found else row["status"] == "missing", (name, path, found, row)


def has_prefix(name, prefix):
    return (by_name[name]["value"] or "").startswith(prefix)


same("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid")
same("aslr", "/proc/sys/kernel/randomize_va_space")
same("kernel", "/proc/sys/kernel/osrelease")
same("governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
same("clock_source", "/sys/devices/system/clocksource/clocksource0/current_clocksource")
huge = text("/sys/kernel/mm/transparent_hugepage/enabled")
if huge:
    assert by_name["transparent_huge_pages"]["value"] == re.search(r"\[(\w+)\]", huge)[1]
meminfo = dict(line.split(":") for line in open("/proc/meminfo"))
assert has_prefix("huge_pages", meminfo["HugePages_Total"].strip() + " reserved")
assert has_prefix("cpus", "%d usable" % len(os.sched_getaffinity(0))), by_name["cpus"]
nodes = glob.glob("/sys/devices/system/node/node[0-9]*")
if nodes:
    assert by_name["numa_nodes"]["value"] == str(len(nodes)), by_name["numa_nodes"]
if not glob.glob("/sys/class/thermal/thermal_zone*/temp"):
    assert by_name["thermal"]["status"] == "missing"
if not glob.glob("/sys/class/powercap/intel-rapl*:*"):
    assert by_name["energy powercap"]["status"] == "missing"
    assert "no RAPL zone" in by_name["energy powercap"]["detail"]
if not os.path.exists("/sys/bus/event_source/devices/power"):
    assert by_name["energy perf"]["status"] == "missing"
if not os.path.exists("/sys/bus/event_source/devices/cpu") and not glob.glob(
    "/sys/bus/event_source/devices/arm*"
):
    assert by_name["counters hardware"]["status"] == "missing", by_name["counters hardware"]
same("isolated_cpus", "/sys/devices/system/cpu/isolated") if text(
    "/sys/devices/system/cpu/isolated"
) else None
clock = text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
assert (by_name["clock"]["value"] is None) == (clock is None), by_name["clock"]
throttle = text("/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count")
assert (by_name["throttling"]["value"] is None) == (throttle is None), by_name["throttling"]
assert has_prefix("memory_bandwidth", tuple("123456789")), by_name["memory_bandwidth"]
# PAPI and perf read the same PMU: without cycles in perf, PAPI has no presets.
if by_name["papi"]["value"] and by_name["counters hardware"]["status"] == "missing":
    assert ", 0 of " in by_name["papi"]["value"], by_name["papi"]
chips = len(glob.glob("/sys/class/hwmon/hwmon*/name"))
if chips == 0 and by_name["libsensors"]["value"]:
    assert by_name["libsensors"]["value"].endswith(" 0 chips"), by_name["libsensors"]
hypervisor = " hypervisor" in text("/proc/cpuinfo")
assert not hypervisor or by_name["virtual_machine"]["value"] == "yes"
available = any(
    row["status"] != "missing" for name, row in by_name.items() if name.startswith("energy ")
)
assert (by_name["energy"]["value"] == "measurable") == available
PYTHON
check "the JSON agrees with /proc and /sys" python3 "$work/check.py" "$work/doctor.json"

"$program" doctor --root tests/harness/machine/machines/laptop >"$work/text" 2>/dev/null
check "doctor prints a recorded machine as text" grep -q '^warn  *governor  *powersave$' "$work/text"
check "a warning has the command that fixes it" grep -q 'fix: sudo cpupower frequency-set -g performance' "$work/text"

"$program" doctor --root "$work/nowhere" >"$work/stdout" 2>"$work/stderr"
check "a root without a machine is an error" test $? -eq 2 -a ! -s "$work/stdout" -a -s "$work/stderr"
"$program" doctor --format yaml >"$work/stdout" 2>"$work/stderr"
check "an unknown format is an error" test $? -eq 2 -a ! -s "$work/stdout" -a -s "$work/stderr"
echo "1..$n"
