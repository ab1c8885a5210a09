#!/usr/bin/env bash
# Tries the repository as a new user would: a Debian 12 root with only git and make, a fresh clone
# of HEAD, then make targets one after the other, each timed.
#
#   scripts/clean-room.sh ROOT [TARGET...]     default targets: check demo
#
# debootstrap creates ROOT if it does not exist, from the mirror that apt uses here. An existing
# ROOT is used as it is; remove it to start afresh. The clone is ROOT/root/ternmark. Fixtures
# ($TM_FIXTURES or ../shared/fixtures) are mounted read-only if this machine has them. All mounts
# are in a private mount namespace and end with this script. Needs root and debootstrap. Exit: the
# status of the first target that failed, 2 if the root cannot be set up.
set -u

fail() {
    echo "clean-room: $*" >&2
    exit 2
}

[ $# -ge 1 ] || fail "usage: scripts/clean-room.sh ROOT [TARGET...]"
[ "$(id -u)" -eq 0 ] || fail "needs root, for chroot and mounts"
if [ -z "${TM_CLEAN_ROOM:-}" ]; then
    exec env TM_CLEAN_ROOM=1 unshare --mount --propagation private "$0" "$@"
fi

source=$(cd "$(dirname "$0")/.." && pwd) || exit 2
root=$(realpath -m "$1")
shift
[ $# -gt 0 ] || set -- check demo

# "URI suite" of every Debian 12 suite among apt's sources.
suites() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
        awk '$2 ~ /^bookworm(-updates|-security)?$/' | sort -u
}

if [ ! -e "$root/etc/debian_version" ]; then
    command -v debootstrap >/dev/null 2>&1 || fail "debootstrap not found: apt-get install debootstrap"
    mirror=$(suites | awk '$2 == "bookworm" { print $1; exit }')
    [ -n "$mirror" ] || fail "apt has no Debian 12 (bookworm) source here, so there is no mirror to use"
    debootstrap --variant=minbase --include=git,make,ca-certificates bookworm "$root" "$mirror" ||
        fail "debootstrap could not make $root"
fi
suites | sed 's/.*/deb & main/' >"$root/etc/apt/sources.list"
apt-config dump Acquire >"$root/etc/apt/apt.conf.d/99host" || exit 2
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" || exit 2

for point in dev proc sys; do
    mount --rbind "/$point" "$root/$point" || fail "cannot mount /$point"
done
mkdir -p "$root/mnt/fixtures"
variables=(HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
fixtures=${TM_FIXTURES:-$source/../shared/fixtures}
if [ -d "$fixtures" ]; then
    mount --bind -o ro "$fixtures" "$root/mnt/fixtures" || fail "cannot mount $fixtures"
    variables+=(TM_FIXTURES=/mnt/fixtures)
fi
for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || variables+=("$name=${!name}")
done

inside() { env -i "${variables[@]}" chroot "$root" sh -c "$1" </dev/null; }

# From outside, because a linked worktree names folders that the root does not have.
rm -rf "$root/root/ternmark"
git clone -q --no-hardlinks "$source" "$root/root/ternmark" || fail "the clone failed"
echo "clean-room: $(inside 'cd ~/ternmark && git log -1 --format="%h %s"'), in $root/root/ternmark"
for target in "$@"; do
    start=$(date +%s)
    inside "cd ~/ternmark && make $target"
    status=$?
    echo "clean-room: make $target: exit $status after $(($(date +%s) - start)) s"
    [ $status -eq 0 ] || exit $status
done
