# What the tests of energy share, beside tap.sh. Sourced before it; the fake engine stands in for a model.
# shellcheck shell=bash disable=SC2154,SC2034
fake=(-m null:200000 --kernel f16 -t 1 --processes 1 -r 1 -q)

skipped() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# Runs that wait side by side: the log of each is NAME.out, NAME.err; its exit status NAME.status.
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
