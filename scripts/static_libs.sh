#!/usr/bin/env bash
# The static libraries that `make static` links, and for musl the headers too.
#
#   scripts/static_libs.sh fetch [NAME...]     Debian's sources into build/source, by apt-get; default:
#                                              cjson hwloc pcre2 libzstd
#   scripts/static_libs.sh "COMPILER" DIR      DIR/lib/lib*.a, and DIR/include for musl
#
# A library that the compiler can link statically already is used as it is. Debian has no static
# libcjson, and nothing for musl: these are built from the sources that fetch has brought, which need
# network once. libudev has no static library either: hwloc asks it for the names of disks only, which
# ternmark does not want, so functions that know nothing take its place.
# Exit: 0 DIR is complete, 2 it is not.
set -u
cd "$(dirname "$0")/.." || exit 2
source=$PWD/build/source
die() {
    echo "static: $*" >&2
    exit 2
}

fetch() {
    local name release mirror missing=
    for name in "$@"; do [ -d "$source/$name" ] || missing+=" $name"; done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "apt-get not found: unpack the sources of$missing in $source"
    # Lists of its own: this machine's need no source packages. apt keeps its own rights.
    state=$(mktemp -d) || exit 2
    trap 'rm -rf "$state"' EXIT
    mkdir -p "$state/lists/partial" "$state/archives/partial" "$state/out" "$source" || exit 2
    # The first mirror in use, and the release without its updates.
    # shellcheck disable=SC1091 # of the system
    release=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
    mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb .*\(http[^ ]*\).*/\1/p' \
        /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -n 1)
    [ -n "$mirror" ] || die "apt has no mirror: unpack the sources of$missing in $source"
    echo "deb-src $mirror $release main" >"$state/debian.list"
    apt() {
        apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$state" -o Dir::State::lists="$state/lists" \
            -o Dir::Cache="$state" -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 "$@"
    }
    if ! apt update >"$state/log" 2>&1; then tail -n 3 "$state/log" >&2; die "apt-get update failed"; fi
    for name in $missing; do
        (cd "$state/out" && apt source --download-only "$name") >"$state/log" 2>&1 ||
            { tail -n 3 "$state/log" >&2; die "apt-get source $name failed"; }
        rm -rf "$source/$name.new" && mkdir -p "$source/$name.new" &&
            tar xf "$state"/out/"$name"_*.orig.tar.*[z2] -C "$source/$name.new" --strip-components 1 &&
            tar xf "$state"/out/"$name"_*.debian.tar.*[z2] -C "$source/$name.new" ||
            die "$name: its source cannot be unpacked" # [z2]: not its signature, .asc
        if [ -s "$source/$name.new/debian/patches/series" ]; then
            (cd "$source/$name.new" && while read -r patch _; do
                case $patch in '' | '#'*) continue ;; esac
                patch -s -p1 <"debian/patches/$patch" || exit 1
            done <debian/patches/series) || die "$name: Debian's patches do not apply"
        fi
        mv "$source/$name.new" "$source/$name" || exit 2
    done
}

if [ "${1:-}" = fetch ]; then
    shift
    [ $# -gt 0 ] || set -- cjson hwloc pcre2 libzstd
    fetch "$@"
    exit 0
fi
[ $# = 2 ] || die "usage: scripts/static_libs.sh fetch [NAME...] | \"COMPILER\" DIR"
read -r -a cc <<<"$1"
mkdir -p "$2/lib" "$2/include" || exit 2
out=$(realpath "$2")
target=$("${cc[@]}" -dumpmachine) || die "compiler ${cc[0]} not found"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
is_musl=no
echo '#include <features.h>' | "${cc[@]}" -E -dM -x c - 2>/dev/null | grep -q __GLIBC__ || is_musl=yes
ar='ar'
case $target in "$(uname -m)"-*) ;; *) ar=$target-ar ;; esac

compile() { # library sources...: into lib/lib$library.a
    local library=$1 file
    shift
    for file in "$@"; do
        (cd "$work" && "${cc[@]}" -O2 -w "${flags[@]}" -c "$file") || die "$file does not compile"
    done
    rm -f "$out/lib/lib$library.a" && $ar rcs "$out/lib/lib$library.a" "$work"/*.o && rm "$work"/*.o
}
has() { # library: a static program links with it as it is
    [ $is_musl = no ] && echo 'int main(void) { return 0; }' |
        "${cc[@]}" -static -x c - -Wl,--no-as-needed -Wl,--unresolved-symbols=ignore-all "-l$1" -o "$work/probe" 2>/dev/null
}
need() { # name
    [ -d "$source/$1" ] ||
        die "no static lib${1#lib} for $target: run scripts/deps.sh static (or cross: libcjson only), which fetches Debian's source of it"
}

if ! has cjson; then
    need cjson
    flags=()
    compile cjson "$source/cjson/cJSON.c"
    mkdir -p "$out/include/cjson" && cp "$source/cjson/cJSON.h" "$out/include/cjson/"
fi
if ! has pcre2-8; then
    need pcre2
    mkdir "$work/pcre2" && cp "$source"/pcre2/src/* "$work/pcre2/" 2>/dev/null
    cd "$work/pcre2" || exit 2
    cp pcre2.h.generic pcre2.h && cp config.h.generic config.h && cp pcre2_chartables.c.dist pcre2_chartables.c
    flags=(-DHAVE_CONFIG_H -DPCRE2_CODE_UNIT_WIDTH=8 -DPCRE2_STATIC -DSUPPORT_UNICODE -I"$work/pcre2")
    files=()
    for file in auto_possess chartables chkdint compile config context convert dfa_match error extuni find_bracket \
        jit_compile maketables match match_data newline ord2utf pattern_info script_run serialize string_utils \
        study substitute substring tables ucd valid_utf xclass; do
        [ ! -e pcre2_$file.c ] || files+=("$work/pcre2/pcre2_$file.c")
    done
    compile pcre2-8 "${files[@]}"
    cp pcre2.h "$out/include/"
fi
if ! has zstd; then
    need libzstd
    flags=(-DZSTD_DISABLE_ASM -DZSTD_LEGACY_SUPPORT=0)
    compile zstd "$source"/libzstd/lib/{common,compress,decompress}/*.c
    cp "$source"/libzstd/lib/{zstd,zstd_errors}.h "$out/include/"
fi
if ! has hwloc; then
    need hwloc
    cp -a "$source/hwloc" "$work/hwloc" && cd "$work/hwloc" || exit 2
    # Files made by automake get newer than their sources again, which Debian patches: else make calls it.
    {
        touch aclocal.m4 && touch configure && find . -name '*.in' -exec touch {} + &&
        ./configure --host="$target" CC="${cc[*]}" CFLAGS=-O2 AR="$ar" --prefix="$out" --disable-shared \
            --enable-static --disable-dependency-tracking --disable-plugins --disable-io --disable-libxml2 \
            --disable-cairo --disable-libudev --disable-readme &&
        make -C include && make -C hwloc -j2 && make -C hwloc install && make -C include install; } >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; die "hwloc does not build"; }
fi
if ! has udev; then
    {
        for name in udev_new udev_unref udev_device_new_from_subsystem_sysname udev_device_get_property_value \
            udev_device_unref; do
            echo "void *$name(void) { return 0; }"
        done
    } >"$work/udev.c"
    flags=()
    compile udev "$work/udev.c"
fi
if [ $is_musl = yes ]; then # the kernel's headers, and those of libraries that are opened at run time
    kernel=/usr/include
    [ ! -d "/usr/$target/include/linux" ] || kernel=/usr/$target/include
    asm=$kernel/asm
    [ -d "$asm" ] || asm=/usr/include/$target/asm
    ln -sfn "$kernel/linux" "$out/include/linux" && ln -sfn "$kernel/asm-generic" "$out/include/asm-generic" &&
        ln -sfn "$asm" "$out/include/asm" && ln -sfn /usr/include/papi.h "$out/include/papi.h" &&
        ln -sfn /usr/include/sensors "$out/include/sensors" || exit 2
fi
