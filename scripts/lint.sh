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
build=${2:-build}
self=scripts/lint.sh

existing() { for f in "$@"; do [ -e "$f" ] && echo "$f"; done; }
sources() { find kernels engine harness reports tests -name '*.[ch]' -o -name '*.cc' -o -name '*.def' 2>/dev/null | sort; }
library_sources() { find kernels engine harness reports -name '*.[ch]' -not -path 'harness/cli/*' | sort; }
# Everything that a person reads.
texts() {
    sources
    shell_scripts
    existing Makefile ./*.md .github/workflows/* workloads/*.json workloads/*/*
    find kernels engine harness reports workloads results/*.md results/published tests -name '*.md' 2>/dev/null
}
shell_scripts() { existing scripts/*.sh tests/*/*.sh tests/*/*/*.sh .ci/run; }

# The rooms of the Makefile, in their order, and the program after them.
rooms() { sed -n '/^ROOMS *:=/,/[^\\]$/{s/^ROOMS *:=//;s/\\$//;p}' Makefile | xargs -n1; echo harness/cli; }

# A file includes its own room and the rooms before it. Reports read records, not the engine. The
# tests of a room use what the room uses; fuzz targets use the whole library.
rule_includes_follow_the_rooms() {
    sources | xargs -r grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' /dev/null |
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
        sources | xargs -r grep -nE "#[[:space:]]*include[[:space:]]*[<\"]([a-z]+/)?${header}[>\"]" /dev/null |
            while IFS=: read -r file line _; do
                [ "$file" = "$door" ] || [ "$file" = "$library" ] || echo "$file:$line: <$header> belongs in $door only"
            done
    done <<'DOORS'
cJSON.h harness/base/json.c
hwloc.h engine/topology.c
pcre2.h engine/tokenizer_split.c
sensors.h harness/probe/sensor_library.c
papi.h harness/probe/papi_events.c tests/harness/probe/fake_papi.c
benchmark.h harness/measure/gbench.cc
DOORS
}

rule_include_guards_follow_the_path() {
    sources | grep '\.h$' | while read -r file; do
        guard=TM_$(echo "${file%.h}" | tr 'a-z/.-' 'A-Z___')_H
        line=$(grep -nm 1 '^#' "$file" | cut -d: -f1)
        [ "$(grep -m 2 '^#' "$file" | tr '\n' ' ')" = "#ifndef $guard #define $guard " ] ||
            echo "$file:${line:-1}: the guard of this file is $guard"
    done
}

rule_files_stay_under_600_lines() {
    { sources; shell_scripts; existing Makefile; } | while read -r file; do
        n=$(wc -l <"$file")
        [ "$n" -le 600 ] || echo "$file:$n: $n lines; over 600 is more than one purpose"
    done
}

rule_lines_stay_within_100_columns() {
    sources | xargs -r awk '
        length($0) > 100 { printf "%s:%d: %d columns; at most 100\n", FILENAME, FNR, length($0) }'
}

# `int` on one line and `member;` on the next: the formatter tears them apart when a comment behind
# the member is too long. The comment belongs above the member.
rule_members_stay_with_their_types() {
    sources | grep '\.h$' | xargs -r awk '
        FNR == 1 { type = 0 }
        type && /^[ \t]+\**[a-z_0-9]+(\[[^]]*\])?;/ {
            printf "%s:%d: a struct member is separated from its type; put its comment above\n", FILENAME, FNR }
        { type = /^[ \t]+(const |unsigned |struct )?[a-z_0-9]+$/ }'
}

# Two headers that define the same type or macro compile until one file includes both. Macros of
# kernel templates are private to the file that includes them.
rule_public_names_are_unique() {
    find kernels engine harness reports -name '*.h' | sort |
        xargs -r grep -nE '^\} tm_[a-z0-9_]+;|^typedef [^{]* tm_[a-z0-9_]+;|^# *define TM_[A-Z0-9_]+' /dev/null |
        grep -vE '_H$|^kernels/[a-z]+/[^:]*:[0-9]+:# *define' |
        sed -E 's/^([^:]*:[0-9]+):(# *define (TM_[A-Z0-9_]+).*|.*(tm_[a-z0-9_]+);)$/\1 \3\4/' |
        awk '{ if ($2 in at) printf "%s: %s is also defined at %s\n", $1, $2, at[$2]; else at[$2] = $1 }'
}

rule_pointers_are_tested_without_null() {
    sources | grep -v '^tests/' | xargs -r grep -nE '[!=]= *NULL' /dev/null | sed -E 's/^([^:]*:[0-9]+):.*/\1: write !p or p/'
}

rule_project_headers_come_before_system_headers() {
    sources | grep -vE '^kernels/|\.def$' | xargs -r awk '
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
    texts | grep -vxE "$self|tests/scripts/lint\.sh" | sort -u | xargs -r grep -niE \
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
    existing kernels/*.h kernels/*/*.h | while read -r file; do
        awk -v file="$file" '
            /^[ \t]*(\/\*|\*|\/\/|#)/ || /\\$/ { next }
            text == "" && (!/^[A-Za-z_]/ || /^[A-Z0-9_]+\(.*\)$/) { next }
            text == "" { at = FNR }
            { text = text " " $0 }
            /[;{]/ {
                open = index(text, "{"); stop = index(text, ";"); paren = index(text, "(")
                if (open && (!stop || open < stop) && paren && paren < open &&
                    text !~ /^ (typedef|struct|union|enum|extern|static|TM_ALWAYS_INLINE) /)
                    printf "%s:%d: a function in a kernel header must be static\n", file, at
                text = ""
            }' "$file"
    done
}

rule_library_neither_prints_nor_exits() {
    library_sources | while read -r file; do
        sed -e 's,/\*.*\*/,,; s,/\*.*,,; s,^ *\*.*,,; s,//.*,,' "$file" |
            grep -nE '(^|[^_A-Za-z0-9"%.>])(printf|vprintf|puts|putchar|perror|exit|abort)[[:space:]]*\(|(^|[^_A-Za-z0-9"])(stdout|stderr)[[:space:]]*[,);]' |
            while IFS=: read -r line _; do
            echo "$file:$line: the library never prints, exits or aborts; return a tm_status"
        done
    done
}

rule_no_words_of_unfinished_work_and_no_paths_of_one_machine() {
    texts | grep -vx "$self" | grep -v '^tests/scripts/' | while read -r file; do
        grep -nwE 'TO[D]O|FI[X]ME|X[X]X' "$file" | while IFS=: read -r line _; do
            echo "$file:$line: a note of unfinished work"
        done
        grep -nE '(^|[^A-Za-z0-9_.*])/(home|root|work|Users)/[A-Za-z0-9]' "$file" | while IFS=: read -r line _; do
            echo "$file:$line: a path of one machine"
        done
    done
}

# kernels.def and the files: a row without its file, or its symbol, does not link; a file without a
# row is a kernel nobody can choose.
rule_kernel_rows_and_files_match() {
    [ -e kernels/kernels.def ] || return 0
    sed -nE 's/^TM_KERNEL(_X86|_ARM)?\(([a-z0-9_]+)\).*/\2/p' kernels/kernels.def | while read -r name; do
        [ -n "$(existing kernels/*/"$name.c")" ] ||
            echo "kernels/kernels.def:$(grep -n "($name)" kernels/kernels.def | cut -d: -f1): no file kernels/*/$name.c"
    done
    grep -lE '^const tm_kernel tm_kernel_' kernels/*/*.c 2>/dev/null | while read -r file; do
        name=$(basename "$file" .c)
        grep -qE "^TM_KERNEL(_X86|_ARM)?\($name\)" kernels/kernels.def ||
            echo "$file:1: defines a kernel that kernels.def does not list"
        grep -nE '^const tm_kernel tm_kernel_' "$file" | grep -v "tm_kernel_$name " | while IFS=: read -r line _; do
            echo "$file:$line: the symbol of this kernel is tm_kernel_$name"
        done
    done
}

objects() { # those of the library
    find "$build/obj/kernels" "$build/obj/engine" "$build/obj/harness" "$build/obj/reports" \
        -name '*.o' -not -path '*/harness/cli/*' 2>/dev/null | sort
}

rule_wide_registers_only_in_objects_with_an_isa_suffix() {
    isas=$(sed -nE 's/^(X86|ARM)_ISAS *:= *//p' Makefile | tr '\n' ' ')
    objects | while read -r object; do
        stem=$(basename "$object" .o)
        case " $isas " in *" ${stem##*_} "*) continue ;; esac
        objdump -d "$object" 2>/dev/null | awk -v file="${object#"$build"/obj/}" '
            /^[0-9a-f]+ <.*>:$/ { name = $2 }
            /%[yz]mm[0-9]/ {
                sub(/\.o$/, ".c", file)
                printf "%s:1: uses a wide register in %s without an ISA suffix in its name\n", file, name
                exit
            }'
    done
}

rule_external_symbols_begin_with_tm() {
    objects | while read -r object; do
        file=${object#"$build"/obj/}
        nm -g --defined-only "$object" 2>/dev/null |
            awk -v file="${file%.o}.c" '$3 !~ /^(tm_|_Z|DW\.ref\.|__(odr_)?asan)/ {
                printf "%s:1: external symbol %s lacks the prefix tm_\n", file, $3 }'
    done
}

# gcc 12 drops calls of a function that only prefetches, which no result shows.
rule_tiles_are_prefetched() {
    objects | grep '/kernels/' | while read -r object; do
        objdump -d "$object" 2>/dev/null | awk -v file="${object#"$build"/obj/}" '
            /^[0-9a-f]+ <.*>:$/ { name = $2; if (name ~ /^<tm_panel_(rows|step)/) walks = name }
            name ~ /^<tm_panel_/ && /[ \t](prefetch|prfm)/ { asks = 1 }
            END {
                sub(/\.o$/, ".c", file)
                if (walks && !asks) printf "%s:1: %s asks for no weights ahead\n", file, walks
            }'
    done
}

rule_shell_scripts_pass_shellcheck() {
    command -v shellcheck >/dev/null 2>&1 || { echo "skip: shellcheck is not installed"; return; }
    shell_scripts | xargs -r shellcheck -x -S warning -f gcc
}

rule_files_are_formatted() {
    command -v clang-format >/dev/null 2>&1 || { echo "skip: clang-format is not installed"; return; }
    sources | grep -E '\.([ch]|cc)$' | xargs -r clang-format --dry-run -Werror 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error:.*/\1: not as clang-format writes it/p' | sort -u -t: -k1,1
}

object_rules="wide_registers_only_in_objects_with_an_isa_suffix external_symbols_begin_with_tm"
object_rules="$object_rules tiles_are_prefetched"
n=0 bad=0
for rule in $(declare -F | sed -nE 's/^declare -f rule_//p'); do
    n=$((n + 1))
    title=${rule//_/ }
    case " $object_rules " in
    *" $rule "*)
        if [ -z "$(objects)" ]; then
            echo "ok $n - $title # SKIP no objects in $build: run make"
            continue
        fi
        ;;
    esac
    findings=$("rule_$rule")
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
