#!/usr/bin/env bash
# Builds, runs the tests and counts them. The last line is "N passed, N failed"; ", N skipped"
# follows when tests were skipped, and their reasons are listed before it.
#
#   scripts/check.sh [STAGE...]     default: every stage but oracles, in this order
#
#   unit    the cmocka programs
#   lint    scripts/lint.sh
#   cli     tests/harness/cli and tests/scripts
#   fuzz    the fuzz targets over their corpus
#   x86     kernels and golden logits on older x86 CPUs, emulated
#   arm     the AArch64 build of the same on three ARM CPUs, emulated
#   asan    everything built with clang, and the tests under its address and undefined-behaviour
#           sanitizers, without the long ones
#   clang   kernels that clang optimizes
#   oracles programs of others on files that ternmark writes; only when named: needs Node and npm's packages
#
# A test is one TAP line, or a whole program that prints no TAP: exit 0 passed, 77 skipped with the
# reason on its last line. A crash, a missing line and a timeout are failures. Logs are in
# build/check/. A test file may contain "check: long" (skipped under sanitizers) and "check: limit
# SECONDS" (default 600; limits are for tests that hang, and a busy machine is slow). Installs
# nothing and needs no root. Exit: 0 nothing failed, 1 something did.
set -u
cd "$(dirname "$0")/.." || exit 2
unset MAKEFLAGS MFLAGS MAKELEVEL MODE ARCH CC CFLAGS LDFLAGS
top=${BUILD:-build}
unset BUILD
logs=$top/check
fixtures=${TM_FIXTURES:-../shared/fixtures}
jobs=${TM_CHECK_JOBS:-$(nproc)}
export CMOCKA_MESSAGE_OUTPUT=TAP

stages="${*:-unit lint cli fuzz x86 arm asan clang}"
wants() { case " $stages " in *" $1 "*) true ;; *) false ;; esac; }

rm -rf "$logs"
mkdir -p "$logs" || exit 2
mkdir -p "$logs/cache" || exit 2
XDG_CACHE_HOME=$(realpath "$logs")/cache # leaves the user's cache alone
export XDG_CACHE_HOME
# The python3 of pyenv is a script that takes half a second to find the interpreter.
python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)
[ -x "$python" ] && mkdir "$logs/bin" && ln -s "$python" "$logs/bin/python3" && PATH=$(realpath "$logs/bin"):$PATH
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 130' INT TERM

# --- counting ------------------------------------------------------------------------------------

ending() { # status -> how the program was ended; "" when it exited by itself
    case $1 in
    124 | 137) echo " (timeout)" ;;
    12[89] | 13? | 14? | 15?) echo " (signal $(($1 - 128)))" ;;
    esac
}

# A .time file holds elapsed, user and system seconds.
TIMEFORMAT='%R %U %S'
seconds() { awk 'NF == 3 { printf "%.1f s (CPU %.1f s)\n", $1, $2 + $3 }' "$1"; }

# Starts a test in the background, at most $jobs at a time.
run() { # name limit command...
    local name=$1 limit=$2
    shift 2
    while [ "$(jobs -rp | grep -vxc "$builder")" -ge "$jobs" ]; do wait -n; done
    one "$name" "$limit" "$@" &
}
one() {
    local name=$1 limit=$2 log=$logs/${1//\//.} status counts
    shift 2
    if [ -e "$log.log" ]; then # it would hide the other's result
        name+=" (the name of another test)" log+=.again
        set -- false
    fi
    timeout -k 10 "$limit" "$@" >"$log.log" 2>&1 </dev/null &
    local pid=$!
    trap 'kill $pid 2>/dev/null; exit 130' TERM # timeout forwards it to its children
    { time wait $pid; } 2>"$log.time"
    status=$?
    counts=$(scripts/tally.sh "$log.log" "$log.skips" $status)
    echo "$counts" >"$log.count"
    set -- $counts
    local text="$1 passed"
    [ "$3" -eq 0 ] || text+=", $3 skipped"
    [ "$2" -eq 0 ] || text="FAILED: $2 failed, $text$(ending $status)"
    text=$(printf '%-44s %s, %s' "$name" "$text" "$(seconds "$log.time")")
    [ "$2" -eq 0 ] || text+=$'\n'$(grep -vE '^ok |TCG doesn.t support' "$log.log" | tail -n 40 | sed 's/^/    /')
    echo "$text" # one write: others print at the same time
}
skip_all() { # name reason: a stage that cannot run here counts as one skip
    echo "0 0 1" >"$logs/${1//\//.}.count"
    echo "$2" >"$logs/${1//\//.}.skips"
    printf '%-44s skipped: %s\n' "$1" "$2"
}

make_one() { # name make-arguments...: a build that fails is a failed test
    local name=$1 log=$logs/build-$1 status
    shift
    make -k -j "$(nproc)" "$@" >"$log.log" 2>&1 </dev/null &
    local pid=$!
    trap 'kill $pid 2>/dev/null; exit 130' TERM
    { time wait $pid; } 2>"$log.time"
    status=$?
    if [ $status -eq 0 ]; then
        printf '%-44s built, %s\n' "$name" "$(seconds "$log.time")"
    else
        printf '%-44s FAILED to build\n' "$name"
        grep -E -A 3 'error:|not found|undefined reference' "$log.log" | head -n 40 | sed 's/^/    /'
    fi
    echo "$((status == 0)) $((status != 0)) 0" >"$log.count"
    return $status
}
# Builds of later stages run behind the tests, so that no CPU idles while a test waits.
builder=none
ahead=()
later() { # name make-arguments...
    ahead+=("$(printf '%q ' "$@")")
}
build_ahead() {
    [ ${#ahead[@]} -gt 0 ] || return
    (
        renice -n 19 $BASHPID >/dev/null
        for arguments in "${ahead[@]}"; do eval "make_one $arguments"; done
    ) &
    builder=$!
}
is_built() { # name: waits for its build
    while [ ! -e "$logs/build-$1.count" ] && kill -0 "$builder" 2>/dev/null; do sleep 0.2; done
    grep -qs '^1 ' "$logs/build-$1.count"
}

finish() {
    wait
    local passed=0 failed=0 skipped=0 p f s
    while read -r p f s; do
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done < <(cat "$logs"/*.count)
    if [ $skipped -gt 0 ]; then
        echo
        echo "skipped:"
        sort "$logs"/*.skips | uniq -c | sort -rn
    fi
    if [ $failed -gt 0 ]; then
        echo
        echo "failed (logs in $logs):"
        awk '$2 > 0 { sub(/.*\//, "", FILENAME); sub(/\.count$/, "", FILENAME); print "    " FILENAME }' "$logs"/*.count
    fi
    echo
    echo "slowest (elapsed and CPU seconds):"
    awk 'NF == 3 { sub(/.*\//, "", FILENAME); sub(/\.time$/, "", FILENAME)
        printf "%8.1f %8.1f  %s\n", $1, $2 + $3, FILENAME }' "$logs"/*.time | sort -rn | head -n 10
    echo "CPU seconds of each stage:"
    awk 'NF == 3 { sub(/.*\//, "", FILENAME); sub(/[.].*/, "", FILENAME); sum[FILENAME] += $2 + $3; all += $2 + $3 }
        END { for (stage in sum) printf "%8.1f  %s\n", sum[stage], stage; printf "%8.1f  all\n", all }' \
        "$logs"/*.time | sort -rn
    echo
    local line="$passed passed, $failed failed"
    [ $skipped -eq 0 ] || line+=", $skipped skipped"
    echo "$line"
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
    exit $?
}

# --- the tests -----------------------------------------------------------------------------------

source_of() { echo "tests/$1.c"; }
long() { grep -q 'check: long' "$1"; }
limit() { # file factor
    local seconds
    seconds=$(sed -nE 's/.*check: limit ([0-9]+).*/\1/p' "$1" | head -n 1)
    echo $((${seconds:-600} * $2))
}
programs() { # layers...: "kernels/test_format" ...
    local layer
    for layer in "$@"; do
        find "tests/$layer" -name 'test_*.c' | LC_ALL=C sort | sed -E 's,^tests/(.*)\.c$,\1,'
    done
}
# The tests that depend on the architecture: kernels, and the engine's logits against golden files.
computing() {
    programs kernels
    programs engine | grep -E '/test_golden$'
}
# Those that another CPU of the same architecture can change: they run whatever it offers.
choosing() { computing | grep -vE '/test_(amx|base|check|format|half)$'; }

unit() { # label build factor programs...
    local label=$1 build=$2 factor=$3 program
    shift 3
    for program in "$@"; do
        run "$label/$program" "$(limit "$(source_of "$program")" "$factor")" "$build/tests/$program"
    done
}

emulated() { # label build emulator cpu tested-ISA programs...: kernels that need only these ISAs get few shapes
    local label=$1 build=$2 emulator=$3 cpu=$4 tested=$5 program
    if ! command -v "$emulator" >/dev/null 2>&1; then
        skip_all "$label" "$emulator is not installed"
        return
    fi
    shift 5
    for program in "$@"; do
        run "$label/$program" "$(limit "$(source_of "$program")" 5)" \
            env TM_TESTED_ISA="$tested" "$emulator" -cpu "$cpu" "$build/tests/$program"
    done
}

# One process per input, so that a crash names its input and the others still run.
replay() { # program folders...: TAP
    local program=$1 n=0 input
    shift
    while IFS= read -r input; do
        n=$((n + 1))
        if timeout -k 5 120 "$program" "$input"; then echo "ok $n - $input"; else echo "not ok $n - $input"; fi
    done < <(find "$@" -type f | sort)
    echo "1..$n"
}
export -f replay

fuzz() { # label build factor
    local label=$1 build=$2 factor=$3 file name inputs
    for file in tests/fuzz/fuzz_*.c; do
        [ -e "$file" ] || continue
        name=$(basename "$file" .c)
        inputs=()
        [ -d "tests/fuzz/corpus/${name#fuzz_}" ] && inputs+=("tests/fuzz/corpus/${name#fuzz_}")
        if [ "$name" = fuzz_gguf ]; then
            if [ -d "$fixtures/malformed" ]; then
                inputs+=("$fixtures/malformed")
            else
                skip_all "$label/$name-fixtures" "no fixtures in $fixtures"
            fi
        fi
        if [ -z "$(find "${inputs[@]:-/nonexistent}" -type f 2>/dev/null)" ]; then
            skip_all "$label/$name" "no corpus for $name"
        else
            run "$label/$name" "$(limit "$file" "$factor")" \
                bash -c 'replay "$@"' replay "$build/tests/fuzz/$name" "${inputs[@]}"
        fi
    done
}

cli() { # label build factor
    local label=$1 build=$2 factor=$3 file
    for file in tests/harness/cli/*.sh tests/scripts/*.sh; do
        case $file in *tap.sh) continue ;; esac # sourced by the others
        if [ "$label" != cli ] && { long "$file" || [[ $file == tests/scripts/* ]]; }; then continue; fi
        TERNMARK=$(realpath "$build/ternmark") run "$label/$(basename "$file" .sh)" "$(limit "$file" "$factor")" bash "$file"
    done
}

echo "check: $(git describe --always --dirty 2>/dev/null || echo unknown) on $(nproc) CPUs"

# Debian's libcjson is not static: scripts/deps.sh cross fetches its source.
static=
[ ! -d build/source/cjson ] || static=static
make_one release BUILD="$top" MODE=release all tests $static || finish
# Kernels that the unit stage tests in full on this processor get few shapes elsewhere: a guard page
# catches a read or write outside a buffer there too, so the sanitizers need no more shapes either.
native=$("$top/ternmark" doctor -o json | sed -nE '/"name":.*"isa"/,/"value"/s/.*"value":[^"]*"([^"]*)".*/\1/p')
native=${native:-none}
isas=$(sed -nE 's/^(X86|ARM)_ISAS *:= *//p' Makefile | xargs)
# The kernels of other instruction sets are only compiled.
not_run=$(tr ' ' '\n' <<<"$isas" | grep -vxF "$(tr + '\n' <<<"$native")" | xargs)

arm=no
if wants arm; then
    if [ "$(uname -m)" = aarch64 ]; then
        skip_all arm "this machine is AArch64: the unit stage runs these tests natively"
    elif ! scripts/probe.sh aarch64-linux-gnu-gcc cjson hwloc pcre2-8 zstd cmocka >"$logs/probe" 2>&1; then
        skip_all arm "$(head -n 1 "$logs/probe")"
    else
        arm=yes
        mapfile -t all < <(computing)
        later aarch64 BUILD="$top/aarch64" ARCH=aarch64 OPT_REST=-O0 all $static "${all[@]/#/$top/aarch64/tests/}"
    fi
fi
# One build serves clang's warnings and the sanitizers. Its kernels are not optimized: with sanitizers, clang
# would take over a minute for some of them. Those that can run here are compiled again, as users of clang do.
# gcc takes clang's place where clang's sanitizers are not installed.
sanitizing=gcc
echo 'int main(void) { return 0; }' | clang -fsanitize=address,undefined -x c -o "$logs/probe" - 2>/dev/null &&
    sanitizing=clang
wants asan && later asan BUILD="$top/asan" MODE=asan CC=$sanitizing OPT_REST=-O0 UNOPTIMIZED="$isas" all tests
if wants clang; then
    mapfile -t all < <(programs kernels)
    if command -v clang >/dev/null 2>&1; then
        later clang BUILD="$top/clang" CC=clang UNOPTIMIZED="$not_run" "${all[@]/#/$top/clang/tests/}"
    else
        skip_all clang "clang is not installed"
    fi
fi
build_ahead

if wants unit; then
    mapfile -t all < <(programs kernels engine harness reports)
    unit unit "$top" 1 "${all[@]}"
fi
wants lint && run lint 600 scripts/lint.sh . "$top"
wants cli && cli cli "$top" 1
wants fuzz && fuzz fuzz "$top" 1
wants oracles && TERNMARK=$top/ternmark run oracles 1800 bash scripts/oracles/run.sh
if wants x86; then
    if [ "$(uname -m)" = x86_64 ]; then
        mapfile -t some < <(choosing)
        for cpu in Nehalem Haswell; do
            emulated "x86-$cpu" "$top" qemu-x86_64-static $cpu "$native" "${some[@]}"
        done
    else
        skip_all x86 "this machine is not x86-64"
    fi
fi
if [ $arm = yes ] && is_built aarch64; then
    mapfile -t all < <(computing)
    mapfile -t some < <(choosing)
    TM_STATIC=$top/aarch64/ternmark-static run arm-static 600 bash tests/scripts/static.sh
    emulated arm-cortex-a53 "$top/aarch64" qemu-aarch64-static cortex-a53 none "${all[@]}"
    emulated arm-neoverse-n1 "$top/aarch64" qemu-aarch64-static neoverse-n1 neon "${some[@]}"
    emulated arm-max "$top/aarch64" qemu-aarch64-static max neon+dotprod "${some[@]}"
fi
if wants asan && is_built asan; then
    short=()
    for program in $(programs kernels engine harness reports); do
        long "$(source_of "$program")" || short+=("$program")
    done
    if wants unit; then export TM_TESTED_ISA=$native; fi
    unit asan "$top/asan" 3 "${short[@]}"
    unset TM_TESTED_ISA
    fuzz asan "$top/asan" 3
    cli asan-cli "$top/asan" 3
fi
if wants clang && is_built clang; then
    mapfile -t all < <(programs kernels)
    if wants unit; then export TM_TESTED_ISA=none; fi # as many shapes as on an emulated CPU
    unit clang "$top/clang" 1 "${all[@]}"
    unset TM_TESTED_ISA
fi
finish
