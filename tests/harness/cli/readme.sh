#!/usr/bin/env bash
# Runs the commands in README.md, in order, in a folder that looks like the checkout. Checks that every
# README's links and paths exist and that the table of commands is complete. Prints TAP.
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
for entry in Makefile README.md CONTRIBUTING.md CHANGELOG.md LICENSE engine harness kernels reports scripts \
    tests workloads; do
    ln -s "$top/$entry" "$work/$entry"
done
for entry in "$top"/results/*; do # the commands write to runs/
    [ "${entry##*/}" = runs ] || ln -s "$entry" "$work/results/"
done
ln -s "$program" "$work/build/ternmark"
cd "$work" || exit 2
# Whatever the commands leave open takes its smallest value: the test is that they work as written.
export TERNMARK_PROCESSES=1 TERNMARK_REPETITIONS=1 TERNMARK_THREADS=1 TERNMARK_NO_ROOFLINE=yes
export TERNMARK_PREFETCH=8192 XDG_CACHE_HOME=$work/cache

n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# The lines of ```sh blocks: continued lines joined, comments and empty lines removed.
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
        # A test cannot run make check, which runs this test: the targets must exist.
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
        verdict 1 "$command (unknown kind of command)"
        ;;
    esac
done < <(commands)
[ $n_run -ge 6 ]
verdict $? "README shows at least six uses of the program ($n_run)"

# Every command has a row in the room's README, and every row names a command.
sed -nE 's/^TM_COMMAND\(([a-z]+)[,)].*/\1/p' harness/cli/commands.def | sort >"$work/have"
sed -nE 's/^\| `([a-z]+)[ `].*/\1/p' harness/cli/README.md | sort -u >"$work/told"
diff "$work/have" "$work/told" >"$work/log"
verdict $? "harness/cli/README.md lists every command"
sed 's/^/# /' "$work/log"

# Links relative to the file, and `paths` of the tree relative to the root.
absent=0
while IFS= read -r page; do
    folder=$(dirname "$page")
    for path in $(grep -oE '\]\([^)#: ]+\)' "$page" | sed -E 's/^\]\((.*)\)$/\1/'); do
        [ -e "$folder/$path" ] || { echo "# $page links to $path, which does not exist"; absent=1; }
    done
    for path in $(grep -oE '`[A-Za-z0-9_./-]+`' "$page" | tr -d '`' |
        grep -E '^(kernels|engine|harness|reports|workloads|scripts|tests|results)/' | sort -u); do
        case $path in results/runs* | *...*) continue ;; esac
        [ -e "$path" ] || { echo "# $page names $path, which does not exist"; absent=1; }
    done
done < <(find -L . -name '*.md' -not -path './build/*' -not -path './results/runs/*' | sort)
verdict $absent "the paths that the READMEs name exist"
echo "1..$n"
