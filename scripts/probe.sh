#!/usr/bin/env bash
# Links an empty program with each library, and prints which were found or which Debian package to
# install.
#
#   scripts/probe.sh "COMPILER AND FLAGS" LIBRARY...
#
# It links because a header alone proves nothing: a cross compiler also finds this machine's headers.
# NAME.h stands for a library that is opened at run time, of which a build needs only the header.
# Exit status: 0 if all were found, 2 if one is missing.
set -u

cc=$1
shift
read -r -a command <<<"$cc"

package() {
    case $1 in
    cjson) echo libcjson-dev ;;
    hwloc) echo libhwloc-dev ;;
    pcre2-8) echo libpcre2-dev ;;
    cmocka) echo libcmocka-dev ;;
    *.h) echo "lib$(basename "$1" .h)-dev" ;;
    *) echo "lib$1-dev" ;;
    esac
}

if ! command -v "${command[0]}" >/dev/null 2>&1; then
    case ${command[0]} in
    g++) at="g++, or build with GBENCH=no, without \`kernels --gbench\`" ;;
    aarch64-linux-gnu-gcc) at="gcc-aarch64-linux-gnu, or run scripts/deps.sh cross" ;;
    *) at="${command[0]##*/}, or run scripts/deps.sh" ;;
    esac
    echo "compiler ${command[0]} not found: apt-get install $at" >&2
    exit 2
fi

target=$("${command[0]}" -dumpmachine 2>/dev/null)
suffix='' level=demo
case $target in
"$(uname -m)"-*) ;;
aarch64-*) suffix=:arm64 level=cross ;;
x86_64-*) suffix=:amd64 level=cross ;;
esac

work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
echo 'int main(void) { return 0; }' >"$work/probe.c"

found=()
status=0
for library in "$@"; do
    [ "$library" = cmocka ] && [ -z "$suffix" ] && level=check
    case $library in
    *.h)
        if echo "#include <$library>" | "${command[@]}" -x c -fsyntax-only - >"$work/log" 2>&1; then
            found+=("$library")
        else
            echo "$library not found for $target: apt-get install $(package "$library"), or run" \
                "scripts/deps.sh demo" >&2
            status=2
        fi
        continue
        ;;
    esac
    if "${command[@]}" -o "$work/probe" "$work/probe.c" -Wl,--no-as-needed "-l$library" \
        >"$work/log" 2>&1; then
        found+=("$library")
    elif "${command[@]}" -o "$work/probe" "$work/probe.c" >"$work/log" 2>&1; then
        extra=
        [ "$library" = benchmark ] && extra=", or build with GBENCH=no"
        echo "lib$library not found for $target: apt-get install $(package "$library")$suffix," \
            "or run scripts/deps.sh $level$extra" >&2
        status=2
    else
        echo "compiler '$cc' cannot link an empty program: $(tail -n 1 "$work/log")" >&2
        exit 2
    fi
done
[ ${#found[@]} -eq 0 ] || echo "found for $target: ${found[*]}"
exit $status
