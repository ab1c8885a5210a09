#!/usr/bin/env bash
# Plants violations of the rules of scripts/lint.sh in one tree and expects each at its file and line; a
# clean tree must pass. Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 2
lint=$PWD/scripts/lint.sh
makefile=$PWD/Makefile
style=$PWD/.clang-format
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

n=0
verdict() { # condition-status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# A small tree that breaks no rule.
fresh() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"/{kernels/ternary,engine,harness/{base,machine,sweep,cli},reports/output,scripts,tests/kernels,.ci,build}
    cd "$work/tree" || exit 2
    cp "$makefile" Makefile
    cp "$style" .clang-format
    cat >kernels/base.h <<'C'
#ifndef TM_KERNELS_BASE_H
#define TM_KERNELS_BASE_H

typedef struct tm_pair {
    int a, b;
} tm_pair;

static const int tm_steps[] = {1, 2};

int tm_sum(const tm_pair *pair);

static inline int tm_twice(int a)
{
    return 2 * a + tm_steps[0];
}

#endif
C
    cat >kernels/base.c <<'C'
#include "kernels/base.h"

int tm_sum(const tm_pair *pair)
{
    return tm_twice(pair->a) + pair->b;
}
C
    cat >kernels/ternary/sum_i8_scalar.c <<'C'
#include "kernels/base.h"

typedef int tm_kernel;
extern const tm_kernel tm_kernel_sum_i8_scalar;
const tm_kernel tm_kernel_sum_i8_scalar = 1;
C
    echo 'TM_KERNEL(sum_i8_scalar)' >kernels/kernels.def
    printf '#!/bin/sh\necho "$1"\n' >scripts/good.sh
    for room in kernels engine harness harness/{base,machine,sweep,cli} reports reports/output; do
        echo "# room" >$room/README.md
    done
}

compile() { # objects of every source file, as the Makefile names them
    find . -name '*.c' | sed 's,^\./,,' | while read -r file; do
        mkdir -p "build/obj/$(dirname "$file")"
        gcc -I. -O1 ${1:-} -c -o "build/obj/${file%.c}.o" "$file" || exit 2
    done
}

run_lint() {
    "$lint" . build >"$work/out" 2>&1
    status=$?
}
found() { # title, finding (regular expression at a line's start)
    grep -qE "^$2" "$work/out" && [ $status -eq 1 ]
    verdict $? "$1"
    grep -qE "^$2" "$work/out" || sed 's/^/# /' "$work/out"
}

fresh
compile
run_lint
verdict $status "a clean tree passes"
grep -E '^not ok|: ' "$work/out" | sed 's/^/# /'

# --- violations in source files -----------------------------------------------------------------

mkdir -p tests/harness/base
printf '#include "harness/base/json.h"\n' >>kernels/base.c
printf '#include <stdio.h>\n\n#include "engine/pool.h"\n' >reports/output/table.c
printf '#include "reports/output/table.h"\n#include "harness/cli/options.h"\n' >harness/sweep/sweep.c
printf '#include "harness/sweep/suite.h"\n' >harness/machine/machine_cores.c
printf '#include "harness/machine/machine_hardware.h"\n' >tests/harness/base/test_json.c
printf '#include "base.h"\n' >kernels/other.c
printf '#include <stdio.h>\n\n#include "kernels/base.h"\n' >engine/order.c
printf '\n#include <cjson/cJSON.h>\n' >harness/machine/machine_hardware.c
printf '/* %s */\n' "$(printf '%100s' '' | tr ' ' x)" >engine/wide.c
printf '#ifndef TM_ENGINE_TORN_H\n#define TM_ENGINE_TORN_H\n\nstruct tm_torn {\n    int\n        *torn; /* x */\n};\n\n#endif\n' >engine/torn.h
printf '#ifndef TM_ENGINE_TWO_H\n#define TM_ENGINE_TWO_H\n\ntypedef struct tm_pair {\n    int a;\n} tm_pair;\n\n#endif\n' >engine/two.h
printf 'int tm_null(const int *p);\nint tm_null(const int *p)\n{\n    return p == NULL;\n}\n' >engine/null.c
printf '/* What is missing can be men''ded. */\n' >engine/idiom.c
printf '/* TO''DO later */\n' >engine/later.c
printf '#!/bin/sh\ncat /ho''me/someone/file\n' >scripts/path.sh
printf '#include <stdio.h>\n\nvoid tm_talk(void);\nvoid tm_talk(void)\n{\n    printf("x");\n}\n' >engine/talk.c
printf 'void tm_end(void);\nvoid tm_end(void)\n{\n    if (1) exit(1);\n}\n' >engine/end.c
printf 'int tm_a( void );\n' >engine/style.c
printf '#!/bin/sh\ncd $1\n[ $a = b ]\nread x\n[ -z $* ]\n' >scripts/bad.sh
yes '' | head -n 601 >engine/long.c
yes '' | head -n 131 >README.md
rm engine/README.md
sed 's/^static inline int tm_twice(int a)/inline int\ntm_twice(int a)/' kernels/base.h >kernels/twice.h
sed -i 's/BASE_H/OTHER_H/; s/^static inline int tm_twice/int tm_twice/' kernels/base.h
echo 'TM_KERNEL_X86(sum_i8_avx2)' >>kernels/kernels.def
sed 's/sum_i8/twice_i8/' kernels/ternary/sum_i8_scalar.c >kernels/ternary/twice_i8_scalar.c
run_lint
found "a kernel includes the harness" 'kernels/base\.c:7: "harness/base/json\.h" is not for kernels to include'
found "a report includes the engine" 'reports/output/table\.c:3: "engine/pool\.h"'
found "the harness includes a report" 'harness/sweep/sweep\.c:1: "reports/output/table\.h"'
found "the harness includes the program" 'harness/sweep/sweep\.c:2: "harness/cli/options\.h"'
found "a room includes a later room" 'harness/machine/machine_cores\.c:1: "harness/sweep/suite\.h" is not for harness/machine'
found "a test includes a room after its own" 'tests/harness/base/test_json\.c:1: "harness/machine/machine_hardware\.h"'
found "an include that does not start at the root" 'kernels/other\.c:1: "base\.h"'
found "a project header after a system header" 'engine/order\.c:3: include this before'
found "a second door to the JSON library" 'harness/machine/machine_hardware\.c:2: <cJSON\.h> belongs in harness/base/json\.c'
found "a comment beyond 100 columns" 'engine/wide\.c:1: 106 columns'
found "a struct member on another line than its type" 'engine/torn\.h:6: a struct member is separated'
found "a type that two headers define" '(engine/two\.h:6: tm_pair is also defined at kernels/base\.h|kernels/base\.h:6: tm_pair is also)'
found "a comparison with NULL" 'engine/null\.c:4: write !p or p'
found "an idiom of a translation" 'engine/idiom\.c:1: not plain English'
found "a note of unfinished work" 'engine/later\.c:1: a note of unfinished work'
found "a path of one machine" 'scripts/path\.sh:2: a path of one machine'
found "a library file that prints" 'engine/talk\.c:6: the library never prints'
found "a library file that exits" 'engine/end\.c:4: the library never prints, exits'
found "a file of 601 lines" 'engine/long\.c:601: 601 lines'
found "a README of 131 lines" 'README\.md:130: more than 130 lines'
found "a room without a README" 'engine/README\.md:1: this room has no README'
found "a guard that is not the path" 'kernels/base\.h:1: the guard of this file is TM_KERNELS_BASE_H'
found "a function with a body in a kernel header" 'kernels/base\.h:12: a function in a kernel header'
found "an inline function with external linkage in a kernel header" 'kernels/twice\.h:12: a function in a kernel header'
found "a row without its file" 'kernels/kernels\.def:2: no file kernels/\*/sum_i8_avx2\.c'
found "a kernel without its row" 'kernels/ternary/twice_i8_scalar\.c:1: defines a kernel that kernels\.def does not list'
command -v shellcheck >/dev/null 2>&1 && found "a script that shellcheck minds" 'scripts/bad\.sh:[0-9]+:'
command -v clang-format >/dev/null 2>&1 && found "a file that is not formatted" 'engine/style\.c:1: not as clang-format writes it'

# --- violations in objects -----------------------------------------------------------------------

fresh
printf 'int helper(void);\nint helper(void) { return 1; }\n' >engine/helper.c
printf 'void tm_add(float *a);\nvoid tm_add(float *a)\n{\n    for (int i = 0; i < 8; i++) a[i] += 1;\n}\n' >kernels/add.c
cp kernels/add.c kernels/ternary/add_avx2.c
if [ "$(uname -m)" = x86_64 ]; then compile "-mavx2 -ftree-vectorize"; else compile; fi
run_lint
found "an external symbol without the prefix" 'engine/helper\.c:1: external symbol helper'
if [ "$(uname -m)" = x86_64 ]; then
    found "a wide register in an object without a suffix" 'kernels/add\.c:1: uses a wide register in <tm_add>'
    grep -q 'kernels/ternary/add_avx2\.c:1: uses a wide' "$work/out"
    verdict $((1 - $?)) "a wide register in an object with a suffix is fine"
fi
echo "1..$n"
