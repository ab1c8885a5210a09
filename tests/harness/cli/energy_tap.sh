# What the energy tests share. Source it before tap.sh. They use the fake engine instead of a model.
# shellcheck shell=bash disable=SC2154,SC2034
fake=(-m null:200000 --kernel f16 -t 1 --processes 1 -r 1 -q)

skipped() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# Starts a run in the background. Its output goes to NAME.out and NAME.err, its exit status to NAME.status.
in_background() { # NAME ARGUMENT...
    local name=$1
    shift
    { timeout 200 "$program" "$@" >"$name.out" 2>"$name.err" </dev/null; echo $? >"$name.status"; } &
}
show_run() { # NAME: copies its output to out and err, and returns its exit status
    cp "$1.out" out
    cp "$1.err" err
    return "$(cat "$1.status")"
}
