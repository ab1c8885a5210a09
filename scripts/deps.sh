#!/usr/bin/env bash
# Installs missing dependencies with apt-get, through sudo when not root.
#
#   scripts/deps.sh [demo|check|cross|static]     default: demo
#
#   demo    to build, measure and draw plots
#   check   demo, and to run every native test
#   cross   check, and the arm64 libraries for the AArch64 build; also the source of libcjson, which
#           Debian does not have as a static library, in build/source
#   static  cross, and what `make static` needs for musl
#
# Does nothing and uses no network when everything is installed. Exit: 0 everything is installed, 2
# it cannot be.
set -u
cd "$(dirname "$0")/.." || exit 2

level=${1:-demo}

say() { echo "deps: $*" >&2; }
cannot() {
    say "$* (missing: ${missing[*]})"
    exit 2
}

# Level, Debian package, and how to find it when it was not installed as that package: the name of a
# command, lib:LIBRARY when a C program can be linked with it, - when only the package can tell.
packages() {
    cat <<'LIST'
demo   gcc                      gcc
demo   libc6-dev                lib:m
demo   make                     make
demo   libcjson-dev             lib:cjson
demo   libhwloc-dev             lib:hwloc
demo   libpcre2-dev             lib:pcre2-8
demo   libzstd-dev              lib:zstd
demo   libpapi-dev              lib:papi
demo   libsensors-dev           lib:sensors
demo   g++                      g++
demo   libbenchmark-dev         lib:benchmark
demo   gnuplot-nox              gnuplot
check  libcmocka-dev            lib:cmocka
check  binutils                 objdump
check  clang                    clang
check  clang-format             clang-format
check  libclang-rt-14-dev       -
check  shellcheck               shellcheck
check  jq                       jq
check  python3                  python3
check  mandoc                   mandoc
check  libxml2-utils            xmllint
check  sqlite3                  sqlite3
check  libbenchmark-tools       -
check  python3-scipy            -
check  python3-prometheus-client -
cross  patch                    patch
cross  xz-utils                 xz
static bzip2                    bzip2
static musl-dev                 -
LIST
    if [ "$(uname -m)" = x86_64 ]; then
        cat <<'LIST'
check  qemu-user-static         qemu-aarch64-static
check  gcc-aarch64-linux-gnu    aarch64-linux-gnu-gcc
check  libc6-dev-arm64-cross    -
cross  libcjson-dev:arm64       -
cross  libhwloc-dev:arm64       -
cross  libpcre2-dev:arm64       -
cross  libzstd-dev:arm64        -
cross  libcmocka-dev:arm64      -
static musl-dev:arm64           -
LIST
    fi
}

case $level in
demo) levels="demo" ;;
check) levels="demo check" ;;
cross) levels="demo check cross" ;;
static) levels="demo check cross static" ;;
*)
    say "unknown level '$level': demo, check, cross or static"
    exit 2
    ;;
esac

installed() { [ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }

links() {
    echo 'int main(void) { return 0; }' |
        "${CC:-gcc}" -x c - -Wl,--no-as-needed "-l$1" -o /dev/null 2>/dev/null
}

have() { # package probe
    installed "$1" && return 0
    case $2 in
    -) return 1 ;;
    lib:*) links "${2#lib:}" ;;
    *) command -v "$2" >/dev/null 2>&1 ;;
    esac
}

find_missing() { # sets missing
    missing=()
    while read -r at package probe; do
        case " $levels " in *" $at "*) have "$package" "$probe" || missing+=("$package") ;; esac
    done < <(packages)
}

# Without the sources only `make static` and its test are missing.
fetch_sources() {
    case $level in
    cross) scripts/static_libs.sh fetch cjson ;;
    static) scripts/static_libs.sh fetch ;;
    *) true ;;
    esac || [ "$level" = cross ]
}
done_with_packages() {
    fetch_sources || exit 2
    exit 0
}

find_missing
[ ${#missing[@]} -eq 0 ] && done_with_packages

command -v apt-get >/dev/null 2>&1 ||
    cannot "apt-get not found: install the equivalents of these Debian packages by hand"

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 ||
        cannot "installing needs root and sudo is not installed: ask your administrator for these packages"
    root=(sudo)
    [ -t 0 ] || root=(sudo -n) # without a terminal nobody can type a password
    "${root[@]}" true 2>/dev/null ||
        cannot "installing needs root and sudo refuses: ask your administrator for these packages"
fi
# Prints a line every few seconds, so that a slow mirror does not look like a hang.
show_apt() {
    local line n=0 next=0
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        case $line in 'Setting up '*) n=$((n + 1)) ;; esac
        [ "$SECONDS" -ge "$next" ] || continue
        say "apt, $n packages set up: ${line:0:60}"
        next=$((SECONDS + 4))
    done
}
apt() {
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 "$@" \
        2>&1 </dev/null | show_apt
    return "${PIPESTATUS[0]}"
}

log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
say "installing ${missing[*]}"

fresh=no # whether this run has updated the package lists
update() {
    fresh=yes
    apt update
}
case " ${missing[*]} " in
*:arm64*)
    if ! dpkg --print-foreign-architectures | grep -qx arm64; then
        "${root[@]}" dpkg --add-architecture arm64 || cannot "dpkg refuses to add the architecture arm64"
        update
    fi
    ;;
esac
if [ $fresh = no ] && ! ls /var/lib/apt/lists/*Packages* >/dev/null 2>&1; then update; fi
if ! apt install --no-install-recommends "${missing[@]}"; then
    if [ $fresh = yes ] || ! update || ! apt install --no-install-recommends "${missing[@]}"; then
        grep -E '^(E|W):' "$log" | tail -n 5 >&2
        cannot "apt-get could not install packages: no network, or not Debian 12"
    fi
fi

find_missing
[ ${#missing[@]} -eq 0 ] && done_with_packages
cannot "apt-get reported success, but these packages are still missing"
