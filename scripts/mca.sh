#!/usr/bin/env bash
# Predicts how many cycles a weight costs in the inner loops of the kernels, on CPUs that are not
# here, with llvm-mca. Prints Markdown. Nothing is measured.
#
#   scripts/mca.sh [gcc|clang|all [KERNEL]]      default: all. KERNEL is a regular expression.
#   scripts/mca.sh --loops OBJECT                every loop of an object file, to write a row below
#
# Builds the kernels with make and the flags of the Makefile, disassembles the objects and takes a loop
# from where a backward jump leads to that jump. Needs llvm-mca and llvm-objdump, LLVM 19 or newer
# (LLVM=-22 chooses one by its suffix). BUILD: where objects go, default build/mca.
# Exit: 0, 1 a loop was not found, 2 a tool is missing or a build failed.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 2

fail() { echo "mca: $*" >&2; exit 2; }

# name, -mcpu or -mcpu:dispatch width, what the column needs. LLVM gives Cortex-A76 the model of
# Cortex-A57, and Neoverse N1, which has the same core, 3 instructions a cycle instead of 4 to 8.
arm_cpus='
A53 cortex-a53   neon
A55 cortex-a55   neon,dotprod
A72 cortex-a72   neon
A76,N1 neoverse-n1:6 neon,dotprod
N2 neoverse-n2   neon,dotprod,i8mm,bf16,fhm
V1 neoverse-v1   neon,dotprod,i8mm,bf16,fhm
V2 neoverse-v2   neon,dotprod,i8mm,bf16,fhm
V3 neoverse-v3   neon,dotprod,i8mm,bf16,fhm'
# 512-bit vectors are left out: LLVM's costs for them are wrong by a factor of 2 on Zen 4.
x86_cpus='
Haswell    haswell   avx2
Skylake    skylake   avx2
Alder-Lake alderlake avx2,avxvnni
Zen2       znver2    avx2
Zen3       znver3    avx2
Zen4       znver4    avx2'

# kernel; 1: one token, p: a prompt's tile; an instruction (MUL: any of smull, smlal and their upper
# halves), how many of it an iteration has; weights, or products of a prompt, of an iteration; the
# function, if not decode or rows. A kernel that is compiled to another number of instructions is not
# found: then its row is to be changed too.
loops='
i2r16_mad_neon     1 MUL     32  256
i2r16_mad_dotprod  1 sdot    16  256
t3r16_tl2_neon     1 tbl     32  768
t3r16_tl2_dotprod  1 tbl     32  768
tl1r16_lut_neon    1 tbl     64 1024
tl1r16_lut_dotprod 1 tbl     64 1024
f32r16_fma_neon    1 fmla    16   64
f16r16_fma_neon    1 fmla    16   64
f16r16_fma_fhm     1 fmlal   32  128
bf16r16_fma_neon   1 fmla    16   64
bf16r16_dot_bf16   1 bfdot   16  128
q2r16_q80_neon     1 MUL     16  128 rows_of_16_for_1
q2r16_q80_dotprod  1 sdot     8  128 rows_of_16_for_1
q4_0_q80_neon      1 MUL     16  128
q4_0_q80_dotprod   1 sdot     8  128
q8_0_q80_neon      1 MUL     16  128
q8_0_q80_dotprod   1 sdot     8  128
q6_k_q8k_neon      1 MUL    128 1024
q6_k_q8k_dotprod   1 sdot    64 1024
tq1_0_q8k_neon     1 MUL    128 1024
tq1_0_q8k_dotprod  1 sdot    64 1024
tq2_0_q8k_neon     1 MUL    128 1024
tq2_0_q8k_dotprod  1 sdot    64 1024
i2r16_mad_neon     p MUL     64  512 micro_1_4_0
i2r16_mad_dotprod  p sdot    24  384 micro_1_12_0
i2r16_mad_i8mm     p smmla   24  768 micro_1_12_0
f16r16_fma_neon    p fmla    24   96 micro_1_12_0
bf16r16_dot_bf16   p bfdot   24  192 micro_1_12_1
q4_0_q80_dotprod   p sdot    32  512 rows(_by_tiles)?
q8_0_q80_dotprod   p sdot    32  512 rows(_by_tiles)?
q6_k_q8k_dotprod   p sdot    16  256 rows_by_tiles
tq2_0_q8k_dotprod  p sdot    32  512 rows(_by_tiles)?
i2r16_mad_avx2     1 vpmaddubsw  8  256
i2r16_mad_avxvnni  1 vpdpbusd    8  256
t3r16_tl2_avx2     1 vpshufb     8  384 decode
f32r16_fma_avx2    1 vfmadd231ps 8   64
f16r16_fma_avx2    1 vfmadd231ps 8   64
bf16r16_fma_avx2   1 vfmadd231ps 8   64
q2r16_q80_avx2     1 vpmaddubsw 16  512 rows_of_16_for_1
q4_0_q80_avx2      1 vpmaddubsw  8  256
q8_0_q80_avx2      1 vpmaddubsw  8  256
q6_k_q8k_avx2      1 vpmaddubsw 64 2048
tq1_0_q8k_avx2     1 vpmaddubsw 64 2048
tq2_0_q8k_avx2     1 vpmaddubsw 64 2048
i2r16_mad_avx2     p vpmaddubsw 32 1024 micro_1_4_0
i2r16_mad_avxvnni  p vpdpbusd   48 1536 micro_1_6_0
f16r16_fma_avx2    p vfmadd231ps 12 96  micro_1_6_0'

tools() {
    local at
    [ -n "${LLVM+set}" ] || for at in $(seq 40 -1 19); do
        command -v "llvm-mca-$at" >/dev/null && command -v "llvm-objdump-$at" >/dev/null && break
    done
    suffix=${LLVM-${at:+-$at}}
    if ! command -v "llvm-mca$suffix" >/dev/null || ! command -v "llvm-objdump$suffix" >/dev/null; then
        fail "no llvm-mca and llvm-objdump of LLVM 19 or newer: install the package llvm-19"
    fi
    version=$("llvm-mca$suffix" --version | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 19 ] ||
        fail "llvm-mca$suffix is LLVM ${version:-?}, which has no model of Neoverse: install llvm-19"
}

# disassemble OBJECT | find_loops LIST|FIND FUNCTION INSTRUCTION COUNT PREFETCH: loops, from the target
# of a backward jump to the jump. LIST names them; FIND prints the shortest one of a function with COUNT
# of INSTRUCTION, none of them in a loop inside it, without its jumps, as llvm-mca reads it.
disassemble() { "llvm-objdump$suffix" -d --no-show-raw-insn "$1"; }
find_loops() {
    awk -v mode="$1" -v wanted="^(${2:-})\$" -v key="${3:-}" -v count="${4:-0}" -v prefetch="${5:-0}" '
        function jump(op) { return op ~ /^(j[a-z]+|b|bl|ret[a-z]*|b\.[a-z]+|cbn?z|tbn?z|call.*)$/ }
        /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); n = 0; split("", at); split("", back); next }
        !/^ *[0-9a-f]+:/ { next }
        {
            address = $1; sub(/:/, "", address)
            text = $0; sub(/^ *[0-9a-f]+:[ \t]*/, "", text); sub(/[ \t]*(\/\/|#[ \t]|<).*/, "", text)
            at[address] = ++n; line[n] = text
            op = text; sub(/^\{[a-z]+\}[ \t]*/, "", op); sub(/[ \t].*/, "", op); ops[n] = op
            if (!jump(op) || !match(text, /0x[0-9a-f]+$/)) next
            target = substr(text, RSTART + 2)
            if (!(target in at)) next
            begin = back[n] = at[target]; size = n - begin + 1
            split("", seen); keys = fetches = 0
            inner = 0 # whether there is another loop inside that does part of the work
            for (i = begin; i <= n; i++) {
                if (i < n && back[i] >= begin && works[i]) inner = 1
                seen[ops[i]]++
                if (ops[i] == key || (key == "MUL" && ops[i] ~ /^sm(ul|la)l2?$/)) keys++
                if (ops[i] ~ /^prf|^prefetch/) fetches++
            }
            works[n] = keys > 0
            if (inner) next
            if (mode == "LIST") {
                printf "%s: %d instructions:", name, size
                for (op in seen) printf " %s x%d", op, seen[op]
                print ""
            } else if (name ~ wanted && keys == count && (fetches > 0 || !prefetch) &&
                       (best == 0 || size < best)) {
                best = size; m = 0
                for (i = begin; i <= n; i++) if (!jump(ops[i])) found[++m] = line[i]
            }
        }
        END { if (best) for (i = 1; i <= m; i++) print found[i] }'
}

# predict ARCH CPU[:WIDTH] ISAS: prints "row cycles" for each of the rows that the instruction sets allow;
# cycles are those of one iteration in a long run.
predict() {
    local options=("-mtriple=$1" "-mcpu=${2%:*}") mark='#' i name all=$work/all n
    [ "$2" = "${2%:*}" ] || options+=("-dispatch=${2#*:}")
    [ "$1" = x86_64 ] || mark=//
    [ "$1" = x86_64 ] || options+=("-mattr=+dotprod,+i8mm,+bf16,+fp16fml")
    for i in "${!rows[@]}"; do
        name=${rows[i]%% *}
        [[ -s $work/$i && ,$3, == *,${name##*_},* ]] || continue
        echo "$mark LLVM-MCA-BEGIN $i"
        cat "$work/$i"
        echo "$mark LLVM-MCA-END"
    done >"$all"
    [ -s "$all" ] || return 0
    for n in 100 200; do
        "llvm-mca$suffix" "${options[@]}" -iterations=$n -resource-pressure=0 -instruction-info=0 \
            "$all" || fail "llvm-mca refuses a loop for $2: see above"
    done | awk '
        / Code Region - / { row = $NF }
        /^Total Cycles:/ { if (row in first) print row, ($NF - first[row]) / 100; else first[row] = $NF }'
}

objects_of() { # ARCH BUILD COMPILER FILE...: sets objects
    local arch=$1 build=$2 compiler=$3
    shift 3
    objects=("${@/#/$build/obj/}")
    objects=("${objects[@]/%.c/.o}")
    local cc=()
    case $arch-$compiler in
    *-gcc) ;;
    aarch64-clang) cc=("CC=clang --target=aarch64-linux-gnu") ;;
    *) cc=(CC=clang) ;;
    esac
    # Objects need no library: PROBE=true looks for none.
    make -s ARCH="$arch" BUILD="$build" GBENCH=no PROBE=true ${cc[@]:+"${cc[@]}"} "${objects[@]}" >&2 ||
        fail "make failed: see above"
    compiler_line=$(sed -n 2p "$build/flags")
}

table() { # ARCH COMPILER CPUS
    local arch=$1 compiler=$2 cpus=$3 name what key count weights in files=() rows=()
    local build=${BUILD:-build/mca}/$arch-$compiler
    while read -r name what key count weights in; do
        case $name in *_avx*) [ "$arch" = x86_64 ] ;; *) [ "$arch" = aarch64 ] ;; esac || continue
        [[ $name =~ $pattern ]] || continue
        rows+=("$name $what $key $count $weights $in")
        files+=(kernels/*/"$name.c")
    done <<<"${loops:1}"
    [ ${#rows[@]} -gt 0 ] || return 0
    objects_of "$arch" "$build" "$compiler" "${files[@]}"
    printf '\n## %s, %s\n\n' "$arch" "$compiler_line"
    awk 'NF { head = head " " $1 " |"; rule = rule "---:|" } END { print "| loop |" head "\n|---|" rule }' \
        <<<"$cpus"
    local i cpu mcpu isas
    for i in "${!rows[@]}"; do
        read -r name what key count weights in <<<"${rows[i]}"
        # Of the loops for one token, only the one for many columns prefetches weights.
        disassemble "${objects[i]}" |
            find_loops FIND "${in:-(decode|rows)(_of_8)?}" "$key" "$count" $((${#in} == 0)) >"$work/$i"
        [ -s "$work/$i" ] && continue
        echo "mca: $compiler: $name, $what: no loop with $key x$count" >&2
        missing=1
    done
    while read -r cpu mcpu isas; do
        echo "cpu $cpu"
        predict "$arch" "$mcpu" "$isas" || return
    done <<<"${cpus:1}" >"$work/predicted" || exit 2
    printf '%s\n' "${rows[@]}" | awk '
        NR == FNR { if ($1 == "cpu") cpus[++n] = $2; else cycles[$1, n] = $2; next }
        {
            printf "| %s |", $1 ($2 == "p" ? ", prompt" : "")
            for (i = 1; i <= n; i++)
                printf " %s |", ((FNR - 1, i) in cycles) ? sprintf("%.4f", cycles[FNR - 1, i] / $5) : "-"
            print ""
        }' "$work/predicted" -
}

case ${1:-all} in
--loops)
    tools
    [ -r "${2:-}" ] || fail "--loops: cannot read '${2:-}': give an object file"
    disassemble "$2" | find_loops LIST
    exit 0
    ;;
gcc | clang) compilers=$1 ;;
all) compilers='gcc clang' ;;
*) fail "unknown compiler '$1': gcc, clang or all" ;;
esac
pattern=${2:-.}
grep -qE "$pattern" <<<"$(awk 'NF { print $1 }' <<<"$loops")" || fail "no kernel matches '$pattern'"
tools
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
missing=0
cat <<TEXT
# Cycles per weight, predicted by llvm-mca

Nothing here is measured. This is what llvm-mca of LLVM $version predicts for the inner loops of the
compiled kernels, with their data in the L1 cache and every jump taken as predicted. A prompt's figures
are per weight and token. "-": the CPU lacks the instructions, or the compiler made another loop of the
code. \`scripts/mca.sh\` makes this file; it says where LLVM's models are known to be wrong.
TEXT
for compiler in $compilers; do
    table aarch64 "$compiler" "$arm_cpus"
    [ "$(uname -m)" != x86_64 ] || table x86_64 "$compiler" "$x86_cpus"
done
exit $missing
