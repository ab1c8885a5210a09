#!/usr/bin/env bash
# Prints a C macro with a hash of each object file, without debug information, so that `gate` can skip
# cells whose code did not change (harness/measure/code_hash.h). Without objcopy it lists no object, and
# no hash is known.
#
#   scripts/code_hashes.sh OBJCOPY OBJECT...
set -eu

objcopy=$1
shift
echo '#define TM_CODE_HASHES \'
if command -v "$objcopy" >/dev/null 2>&1; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    for object in "$@"; do "$objcopy" --strip-debug "$object" "$work/${object//\//@}"; done
    # Sorted, so that the same objects give the same list.
    (cd "$work" && LC_ALL=C sha256sum -- *) | sed -nE 's|^([0-9a-f]{16})[0-9a-f]* +(.*@)?([^@]*)\.o$|{"\3", 0x\1}, \\|p'
fi
echo '{0}'
