#!/usr/bin/env bash
# `make static`: the program in an empty root, without any library. Prints TAP.
#
#   TM_STATIC=PROGRAM   another program than build/ternmark-static; one for AArch64 runs under qemu on four CPUs
cd "$(dirname "$0")/../.." || exit 2
program=${TM_STATIC:-$(dirname "${TERNMARK:-build/ternmark}")/ternmark-static}
[ -x "$program" ] || { echo "no static program at $program: run scripts/deps.sh cross and make static"; exit 77; }
export TERNMARK=$program
. tests/harness/cli/tap.sh
need jq
machine=$(od -An -tu2 -j18 -N2 "$program") # e_machine: 183 is AArch64
cpus=host
if [ "$machine" -eq 183 ] && [ "$(uname -m)" != aarch64 ]; then
    cpus="cortex-a53 cortex-a76 neoverse-n1 max"
    need qemu-aarch64-static
fi
mkdir -p root/proc root/dev && cp "$program" root/ternmark || exit 2

# Workers are started by the kernel, which a registration of this namespace alone lets call qemu.
cat >enter <<'END'
mount -t proc proc root/proc || exit 77
if [ "$cpu" != host ]; then
    mount -t binfmt_misc none root/proc/sys/fs/binfmt_misc || exit 77
    printf ':tm:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:%s:F' \
        "$(command -v qemu-aarch64-static)" >root/proc/sys/fs/binfmt_misc/register || exit 77
fi
QEMU_CPU=$cpu exec chroot root /ternmark "$@"
END
inside() { cpu=$1 timeout 300 unshare -r -m -p --fork sh ./enter "${@:2}" >out 2>err </dev/null; }

inside "${cpus%% *}" --version
case $? in
0) ;;
77) echo "no namespace for an empty root: $(tail -n 1 err)"; exit 77 ;;
*) unshare -r -m -p --fork true 2>err || { echo "no namespace for an empty root: $(tail -n 1 err)"; exit 77; } ;;
esac
grep -q '^ternmark ' out
verdict $? "it runs in a root that holds nothing else"
for cpu in $cpus; do
    inside "$cpu" kernels --format json
    case $cpu in
    cortex-a53) has='["neon"]' kernel=i2r16_mad_neon ;;
    cortex-a76 | neoverse-n1) has='["dotprod","neon"]' kernel=i2r16_mad_dotprod ;;
    max) has='["bf16","dotprod","fhm","i8mm","neon"]' kernel=i2r16_mad_i8mm ;;
    host) has='[]' kernel=i2r16_mad_scalar ;; # at least the portable kernels
    esac
    jq -e --argjson has "$has" '[.[] | select(.available).isa | split("+")[]] | unique - ["none"] | if $has == [] then true else . == $has end' out >/dev/null
    verdict $? "$cpu: the kernels of its instruction sets are available"
    inside "$cpu" check --kernel "$kernel" --rows 48 --cols 257
    grep -q "^$kernel .* ok .*bit for bit" out
    verdict $? "$cpu: its kernel agrees with the reference"
done
inside "$cpu" bench -m null:1000 -t 1 -p 8 -n 2 -r 1 --processes 1 -q --format json
jq -e 'map(.test) | sort == ["pp8", "tg2"]' out >/dev/null && jq -e 'all(.tokens_per_second.n == 1)' out >/dev/null
verdict $? "bench starts its workers"
if [ "$cpu" = host ]; then # slow under emulation
    inside host doctor --format json
    jq -e '[.[] | select(.name == "papi" or .name == "libsensors") | .status == "missing" and (.detail | test("static build"))] == [true, true]' out >/dev/null
    verdict $? "doctor reports PAPI and libsensors as missing, and why"
fi
echo "1..$n"
