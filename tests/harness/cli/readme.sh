#!/usr/bin/env bash
# Runs the commands found in README.md, in their order, in a folder that looks like the checkout, and
# holds its lists against the program. Prints TAP.
# check: long
# check: limit 1800
set -u
cd "$(dirname "$0")/../../.." || exit 2
top=$PWD
program=${TERNMARK:-$top/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/results/runs" "$work/build"
for entry in Makefile README.md LICENSE engine harness kernels reports scripts tests workloads; do
    ln -s "$top/$entry" "$work/$entry"
done
for entry in "$top"/results/*; do # runs/ takes what the commands write
    [ "${entry##*/}" = runs ] || ln -s "$entry" "$work/results/"
done
ln -s "$program" "$work/build/ternmark"
cd "$work" || exit 2

n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# The lines of ```sh blocks, continued lines joined, without remarks and empty lines.
commands() {
    awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' README.md |
        sed -e ':a' -e '/\\$/N; s/\\\n *//; ta' | sed -E 's/[[:space:]]+#.*$//; /^#/d; /^[[:space:]]*$/d'
}

n_run=0
while IFS= read -r command; do
    case $command in
    'git clone '*) continue ;; # needs a network
    'cd '*) continue ;;
    make | make\ * | 'sudo make '*)
        # Building and testing from inside a test would not end: the targets must exist.
        read -r -a words <<<"${command#sudo }"
        make -n -C "$top" "${words[@]:1}" BUILD="$work/none" >"$work/log" 2>&1
        verdict $? "$command (its recipe)"
        ;;
    scripts/deps.sh*)
        bash -n "${command%% *}" >"$work/log" 2>&1
        verdict $? "$command (its syntax)"
        ;;
    build/ternmark\ *)
        n_run=$((n_run + 1))
        timeout 500 bash -c "$command" >"$work/log" 2>&1 </dev/null
        status=$?
        verdict $status "$command"
        [ $status -eq 0 ] || sed 's/^/# /' "$work/log" | tail -n 20
        ;;
    *)
        verdict 1 "$command (README has a command this test does not know)"
        ;;
    esac
done < <(commands)
[ $n_run -ge 8 ]
verdict $? "README shows at least eight uses of the program ($n_run)"

# Every subcommand is described, and every one described exists.
sed -nE 's/^TM_COMMAND\(([a-z]+),.*/\1/p' harness/cli/commands.def | sort >"$work/have"
sed -nE 's/^\| `([a-z]+)[ `].*/\1/p' README.md | sort -u >"$work/told"
diff "$work/have" "$work/told" >"$work/log"
verdict $? "README lists the subcommands of the program"
sed 's/^/# /' "$work/log"

# Every file and folder it names exists.
absent=0
for path in $(grep -oE '`[A-Za-z0-9_./-]+`' README.md | tr -d '`' |
    grep -E '^(kernels|engine|harness|reports|workloads|scripts|tests|results)/' | sort -u); do
    case $path in results/runs* | *...*) continue ;; esac
    [ -e "$path" ] || { echo "# README names $path, which does not exist"; absent=1; }
done
verdict $absent "the paths README names exist"
echo "1..$n"
