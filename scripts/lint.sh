#!/usr/bin/env bash
# Checks the rules that a compiler does not know. Prints TAP. Findings precede each "not ok", one
# per line: file:line: what is wrong.
#
#   scripts/lint.sh [ROOT [BUILD]]     default: . build
#
# The rules about objects need a release build for this machine's architecture in BUILD.
# Exit: 0 no findings, 1 findings, 2 ROOT cannot be read.
set -u
export LC_ALL=C

cd "${1:-.}" || exit 2
exec </dev/null # for a command whose list of files is empty
build=${2:-build}
self=scripts/lint.sh
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

existing() { for f in "$@"; do [ -e "$f" ] && echo "$f"; done; }
matching() { # regular-expression files...
    local pattern=$1
    shift
    printf '%s\n' "$@" | grep -E "$pattern"
}
mapfile -t sources < <(find kernels engine harness reports tests -name '*.[ch]' -o -name '*.cc' -o -name '*.def' 2>/dev/null | sort)
mapfile -t headers < <(matching '\.h$' "${sources[@]}")
mapfile -t library < <(matching '\.(h|c|cc)$' "${sources[@]}" | grep -vE '^(tests|harness/cli)/')
mapfile -t shell_scripts < <(existing scripts/*.sh tests/*/*.sh tests/*/*/*.sh .ci/run)
# Everything that a person reads.
mapfile -t texts < <({
    printf '%s\n' "${sources[@]}" "${shell_scripts[@]}"
    existing Makefile ./*.md .github/workflows/* workloads/*.json workloads/*/*
    find kernels engine harness reports workloads results/*.md results/published tests -name '*.md' 2>/dev/null
} | sort -u)
# The library's objects.
mapfile -t objects < <(find "$build/obj/kernels" "$build/obj/engine" "$build/obj/harness" "$build/obj/reports" \
    -name '*.o' -not -path '*/harness/cli/*' 2>/dev/null | sort)

# The rooms of the Makefile, in their order, and the program after them.
rooms() { sed -n '/^ROOMS *:=/,/[^\\]$/{s/^ROOMS *:=//;s/\\$//;p}' Makefile | xargs -n1; echo harness/cli; }

# Each rule reads all its files in one pass: a process per file costs more than the check.

# A file includes its own room and the rooms before it. Reports read records, not the engine. The
# tests of a room use what the room uses; fuzz targets use the whole library.
rule_includes_follow_the_rooms() {
    grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null "${sources[@]}" |
        sed -E 's/^([^:]*):([0-9]+):[^"]*"([^"]*)".*/\1 \2 \3/' |
        awk -v rooms="$(rooms | xargs)" '
            BEGIN { n = split(rooms, names, " "); for (i = 1; i <= n; i++) order[names[i]] = i }
            function room(path) {
                sub(/\/[^\/]*$/, "", path)
                while (!(path in order) && path ~ /\//) sub(/\/[^\/]*$/, "", path)
                return path in order ? path : ""
            }
            {
                file = $1; header = $3; own = room(file); test = file ~ /^tests\//
                if (test) { own = room(substr(file, 7)); if (own == "") own = "reports" }
                if (test && header ~ /^tests\//) next
                other = room(header)
                bad = other == "" || order[other] > order[own]
                if (!test && own ~ /^reports/ && header !~ /^(reports\/|kernels\/base\.h$|harness\/(base|stats|record)\/)/)
                    bad = 1
                if (bad)
                    printf "%s:%s: \"%s\" is not for %s to include (or not written from the root)\n",
                        file, $2, header, own
            }'
}

rule_third_party_headers_have_one_door() {
    while read -r header door library; do # a test may play the library
        grep -nE "#[[:space:]]*include[[:space:]]*[<\"]([a-z]+/)?${header}[>\"]" /dev/null "${sources[@]}" |
            while IFS=: read -r file line _; do
                [ "$file" = "$door" ] || [ "$file" = "$library" ] || echo "$file:$line: <$header> belongs in $door only"
            done
    done <<'DOORS'
cJSON.h harness/base/json.c
hwloc.h engine/topology.c
pcre2.h engine/tokenizer_split.c harness/measure/peer_answer.c
zstd.h harness/record/pack.c
sensors.h harness/probe/sensor_library.c
papi.h harness/probe/papi_events.c tests/harness/probe/fake_papi.c
benchmark.h harness/measure/gbench.cc
DOORS
}

rule_include_guards_follow_the_path() {
    awk '
        function guard(path) {
            path = toupper(path); gsub(/[\/.-]/, "_", path)
            return "TM_" path
        }
        FNR == 1 { n = 0 }
        !/^#/ || ++n > 2 { next }
        n == 1 { at[FILENAME] = FNR; first = $0 }
        n == 2 { good[FILENAME] = first == "#ifndef " guard(FILENAME) && $0 == "#define " guard(FILENAME) }
        END {
            for (i = 1; i < ARGC; i++)
                if (!good[ARGV[i]])
                    printf "%s:%d: the guard of this file is %s\n", ARGV[i],
                        ARGV[i] in at ? at[ARGV[i]] : 1, guard(ARGV[i])
        }' "${headers[@]}"
}

rule_files_stay_under_600_lines() {
    wc -l "${sources[@]}" "${shell_scripts[@]}" Makefile |
        awk '$1 > 600 && $2 != "total" { printf "%s:%d: %d lines; over 600 is more than one purpose\n", $2, $1, $1 }'
}

rule_lines_stay_within_100_columns() {
    awk 'length($0) > 100 { printf "%s:%d: %d columns; at most 100\n", FILENAME, FNR, length($0) }' "${sources[@]}"
}

# `int` on one line and `member;` on the next: the formatter tears them apart when a comment behind
# the member is too long. The comment belongs above the member.
rule_members_stay_with_their_types() {
    awk '
        FNR == 1 { type = 0 }
        type && /^[ \t]+\**[a-z_0-9]+(\[[^]]*\])?;/ {
            printf "%s:%d: a struct member is separated from its type; put its comment above\n", FILENAME, FNR }
        { type = /^[ \t]+(const |unsigned |struct )?[a-z_0-9]+$/ }' "${headers[@]}"
}

# Two headers that define the same type or macro compile until one file includes both. Macros of
# kernel templates are private to the file that includes them.
rule_public_names_are_unique() {
    matching '^(kernels|engine|harness|reports)/' "${headers[@]}" |
        xargs -r grep -nE '^\} tm_[a-z0-9_]+;|^typedef [^{]* tm_[a-z0-9_]+;|^# *define TM_[A-Z0-9_]+' /dev/null |
        grep -vE '_H$|^kernels/[a-z]+/[^:]*:[0-9]+:# *define' |
        sed -E 's/^([^:]*:[0-9]+):(# *define (TM_[A-Z0-9_]+).*|.*(tm_[a-z0-9_]+);)$/\1 \3\4/' |
        awk '{ if ($2 in at) printf "%s: %s is also defined at %s\n", $1, $2, at[$2]; else at[$2] = $1 }'
}

rule_pointers_are_tested_without_null() {
    matching '^(kernels|engine|harness|reports)/' "${sources[@]}" | xargs -r grep -nE '[!=]= *NULL' /dev/null |
        sed -E 's/^([^:]*:[0-9]+):.*/\1: write !p or p/'
}

rule_project_headers_come_before_system_headers() {
    printf '%s\n' "${sources[@]}" | grep -vE '^kernels/|\.def$' | xargs -r awk '
        FNR == 1 { system_header = 0 }
        /^#include </ { system_header = 1 }
        /^#include "/ && system_header && !/"tests\/|cmocka|\.def"/ {
            printf "%s:%d: include this before the system headers\n", FILENAME, FNR }'
}

rule_rooms_have_a_short_readme() {
    { rooms; existing harness workloads; } | while read -r room; do
        [ -d "$room" ] || continue
        if [ ! -e "$room/README.md" ]; then
            echo "$room/README.md:1: this room has no README"
        elif [ "$(wc -l <"$room/README.md")" -gt 100 ]; then
            echo "$room/README.md:100: more than one page"
        fi
    done
    [ ! -e README.md ] || [ "$(wc -l <README.md)" -le 130 ] || echo "README.md:130: more than 130 lines"
}

# Idioms of a translation. The right-hand words are the field's.
rule_text_is_plain_english() {
    printf '%s\n' "${texts[@]}" | grep -vxE "$self|tests/scripts/lint\.sh" | xargs -r grep -niE \
        -e '\bmend(s|ed|ing)?\b' \
        -e '\b(of|from) before\b' \
        -e '\bfor (whom|who)\b' \
        -e '\bat will\b' \
        -e '\bso long\b( [^a]|[.,;:]|$)' \
        -e '\bis none (of|that|more)\b' \
        -e '\bnone is (waited|looked|asked|taken)\b' \
        -e '\bwaited for for\b' \
        -e '\bput aside\b' \
        -e '\bstands? beside\b' \
        -e '\bheld against\b|\bholds? (it |them )?against\b' \
        -e '\bwhat (the|this) machine allows\b' \
        -e '\btalk to (standard error|stderr)\b' \
        -e '\bis alive\b' \
        -e '\bwhat nothing counts\b' \
        -e '\bwhich nobody\b|\bnobody (asked|names|can choose)\b' \
        -e '\bminds? (it|a|the|no)\b' \
        /dev/null | sed -E 's/^([^:]*:[0-9]+):(.*)/\1: not plain English:\2/' | cut -c1-160
}

# A body in a header is emitted by every file that includes it, with that file's instruction set: of
# those with external linkage the linker would keep one copy for all.
rule_kernel_headers_hold_only_static_functions() {
    matching '^kernels/' "${headers[@]}" | xargs -r awk '
        FNR == 1 { text = "" }
        /^[ \t]*(\/\*|\*|\/\/|#)/ || /\\$/ { next }
        text == "" && (!/^[A-Za-z_]/ || /^[A-Z0-9_]+\(.*\)$/) { next }
        text == "" { at = FNR }
        { text = text " " $0 }
        /[;{]/ {
            open = index(text, "{"); stop = index(text, ";"); paren = index(text, "(")
            if (open && (!stop || open < stop) && paren && paren < open &&
                text !~ /^ (typedef|struct|union|enum|extern|static|TM_ALWAYS_INLINE) /)
                printf "%s:%d: a function in a kernel header must be static\n", FILENAME, at
            text = ""
        }'
}

rule_library_neither_prints_nor_exits() {
    awk '
        !/(print|put|perror|exit|abort|std(out|err))/ { next }
        { sub(/\/\*.*\*\//, ""); sub(/\/\*.*/, ""); sub(/^ *\*.*/, ""); sub(/\/\/.*/, "") }
        /(^|[^_A-Za-z0-9"%.>])(printf|vprintf|puts|putchar|perror|exit|abort)[ \t]*\(/ ||
            /(^|[^_A-Za-z0-9"])(stdout|stderr)[ \t]*[,);]/ {
            printf "%s:%d: the library never prints, exits or aborts; return a tm_status\n", FILENAME, FNR }' \
        "${library[@]}"
}

rule_no_words_of_unfinished_work_and_no_paths_of_one_machine() {
    local files
    mapfile -t files < <(printf '%s\n' "${texts[@]}" | grep -vx "$self" | grep -v '^tests/scripts/')
    grep -nwE 'TO[D]O|FI[X]ME|X[X]X' /dev/null "${files[@]}" | sed -E 's/^([^:]*:[0-9]+):.*/\1: a note of unfinished work/'
    grep -nE '(^|[^A-Za-z0-9_.*])/(home|root|work|Users)/[A-Za-z0-9]' /dev/null "${files[@]}" |
        sed -E 's/^([^:]*:[0-9]+):.*/\1: a path of one machine/'
}

# kernels.def and the files: a row without its file, or its symbol, does not link; a file without a
# row is a kernel nobody can choose.
rule_kernel_rows_and_files_match() {
    [ -e kernels/kernels.def ] || return 0
    {
        existing kernels/*/*.c
        grep -nE '^TM_KERNEL(_X86|_ARM)?\(' kernels/kernels.def /dev/null
        grep -nE '^const tm_kernel tm_kernel_' /dev/null kernels/*/*.c
    } | awk -F: '
        function stem(path) { gsub(/.*\/|\.c$/, "", path); return path }
        NF == 1 { have[stem($1)] = 1; next }
        /^kernels\/kernels\.def:/ { gsub(/.*\(|\).*/, "", $3); row[$3] = $2; next }
        !(stem($1) in row) { printf "%s:1: defines a kernel that kernels.def does not list\n", $1 }
        index($3, "tm_kernel_" stem($1) " ") == 0 { printf "%s:%d: the symbol of this kernel is tm_kernel_%s\n", $1, $2, stem($1) }
        END {
            for (name in row)
                if (!(name in have)) printf "kernels/kernels.def:%d: no file kernels/*/%s.c\n", row[name], name
        }'
}

# Prints "file.c" in front of each line of an object's disassembly.
disassemble() { # pattern: of the lines that matter, read after the objects from standard input
    xargs -r objdump -d --no-show-raw-insn 2>/dev/null | grep -E " file format |^[0-9a-f]+ <|$1" |
        awk -v folder="$build/obj/" '
            / file format / { file = substr($1, length(folder) + 1); sub(/\.o:$/, ".c", file); next }
            { print file, $0 }'
}

rule_wide_registers_only_in_objects_with_an_isa_suffix() {
    local isas
    isas=$(sed -nE 's/^(X86|ARM)_ISAS *:= *//p' Makefile | xargs | tr ' ' '|')
    printf '%s\n' "${objects[@]}" | grep -vE "_($isas)\.o$" | disassemble '%[yz]mm[0-9]' | awk '
        $3 ~ /^<.*>:$/ { name = $3; next }
        !($1 in told) { told[$1]
            printf "%s:1: uses a wide register in %s without an ISA suffix in its name\n", $1, name }'
}

rule_external_symbols_begin_with_tm() {
    nm -A -g --defined-only "${objects[@]}" 2>/dev/null | awk -v folder="$build/obj/" '
        $3 !~ /^(tm_|_Z|DW\.ref\.|__(odr_)?asan)/ {
            file = substr($1, length(folder) + 1); sub(/\.o:.*/, ".c", file)
            printf "%s:1: external symbol %s lacks the prefix tm_\n", file, $3 }'
}

# gcc 12 drops calls of a function that only prefetches, which no result shows.
rule_tiles_are_prefetched() {
    matching '/kernels/' "${objects[@]}" | xargs -r grep -lE 'tm_panel_(rows|step)' | disassemble '[[:space:]](prefetch|prfm)' | awk '
        $3 ~ /^<.*>:$/ { name = $3; if (name ~ /^<tm_panel_(rows|step)/) walks[$1] = name; next }
        name ~ /^<tm_panel_/ { asks[$1] }
        END { for (file in walks) if (!(file in asks)) printf "%s:1: %s asks for no weights ahead\n", file, walks[file] }'
}

rule_shell_scripts_pass_shellcheck() {
    command -v shellcheck >/dev/null 2>&1 || { echo "skip: shellcheck is not installed"; return; }
    printf '%s\n' "${shell_scripts[@]}" | xargs -r -n 8 -P "$(nproc)" shellcheck -x -S warning -f gcc
}

rule_files_are_formatted() {
    command -v clang-format >/dev/null 2>&1 || { echo "skip: clang-format is not installed"; return; }
    matching '\.([ch]|cc)$' "${sources[@]}" | xargs -r -n 40 -P "$(nproc)" clang-format --dry-run -Werror 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error:.*/\1: not as clang-format writes it/p' | sort -u -t: -k1,1
}

object_rules="wide_registers_only_in_objects_with_an_isa_suffix external_symbols_begin_with_tm"
object_rules="$object_rules tiles_are_prefetched"
rules=$(declare -F | sed -nE 's/^declare -f rule_//p')
for rule in $rules; do
    case " $object_rules " in
    *" $rule "*) [ ${#objects[@]} -gt 0 ] || { echo "skip: no objects in $build: run make" >"$work/$rule"; continue; } ;;
    esac
    "rule_$rule" >"$work/$rule" 2>&1 &
done
wait
n=0 bad=0
for rule in $rules; do
    n=$((n + 1))
    title=${rule//_/ }
    findings=$(cat "$work/$rule")
    case $findings in
    '') echo "ok $n - $title" ;;
    'skip: '*) echo "ok $n - $title # SKIP ${findings#skip: }" ;;
    *)
        echo "$findings"
        echo "not ok $n - $title"
        bad=$((bad + 1))
        ;;
    esac
done
echo "1..$n"
[ $bad -eq 0 ] || exit 1
