#!/usr/bin/env bash
# Plants a violation of each rule of scripts/lint.sh and expects it at its file and line; a clean tree
# must pass. Prints TAP.
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

expect() { # title, finding (regular expression at a line's start)
    "$lint" . build >"$work/out" 2>&1
    status=$?
    grep -qE "^$2" "$work/out" && [ $status -eq 1 ]
    verdict $? "$1"
    grep -qE "^$2" "$work/out" || sed 's/^/# /' "$work/out"
}

fresh
compile
"$lint" . build >"$work/out" 2>&1
verdict $? "a clean tree passes"
grep -E '^not ok|: ' "$work/out" | sed 's/^/# /'

fresh
printf '#include "harness/base/json.h"\n' >>kernels/base.c
expect "a kernel includes the harness" 'kernels/base\.c:7: "harness/base/json\.h" is not for kernels to include'

fresh
printf '#include <stdio.h>\n\n#include "engine/pool.h"\n' >reports/output/table.c
expect "a report includes the engine" 'reports/output/table\.c:3: "engine/pool\.h"'

fresh
printf '#include "reports/output/table.h"\n' >harness/sweep/sweep.c
expect "the harness includes a report" 'harness/sweep/sweep\.c:1: "reports/output/table\.h"'

fresh
printf '#include "harness/cli/options.h"\n' >harness/sweep/sweep.c
expect "the harness includes the program" 'harness/sweep/sweep\.c:1: "harness/cli/options\.h"'

fresh
printf '#include "harness/sweep/suite.h"\n' >harness/machine/machine_cores.c
expect "a room includes a later room" 'harness/machine/machine_cores\.c:1: "harness/sweep/suite\.h" is not for harness/machine'

fresh
mkdir -p tests/harness/base
printf '#include "harness/machine/machine_hardware.h"\n' >tests/harness/base/test_json.c
expect "a test includes a room after its own" 'tests/harness/base/test_json\.c:1: "harness/machine/machine_hardware\.h"'

fresh
printf '/* %s */\n' "$(printf '%100s' '' | tr ' ' x)" >engine/wide.c
expect "a comment beyond 100 columns" 'engine/wide\.c:1: 106 columns'

fresh
printf '#ifndef TM_ENGINE_TORN_H\n#define TM_ENGINE_TORN_H\n\nstruct tm_torn {\n    int\n        *torn; /* x */\n};\n\n#endif\n' >engine/torn.h
expect "a struct member on another line than its type" 'engine/torn\.h:6: a struct member is separated'

fresh
printf '#ifndef TM_ENGINE_TWO_H\n#define TM_ENGINE_TWO_H\n\ntypedef struct tm_pair {\n    int a;\n} tm_pair;\n\n#endif\n' >engine/two.h
expect "a type that two headers define" '(engine/two\.h:6: tm_pair is also defined at kernels/base\.h|kernels/base\.h:6: tm_pair is also)'

fresh
printf 'int tm_null(const int *p);\nint tm_null(const int *p)\n{\n    return p == NULL;\n}\n' >engine/null.c
expect "a comparison with NULL" 'engine/null\.c:4: write !p or p'

fresh
printf '#include <stdio.h>\n\n#include "kernels/base.h"\n' >engine/order.c
expect "a project header after a system header" 'engine/order\.c:3: include this before'

fresh
rm engine/README.md
expect "a room without a README" 'engine/README\.md:1: this room has no README'

fresh
yes '' | head -n 131 >README.md
expect "a README of 131 lines" 'README\.md:130: more than 130 lines'

fresh
printf '/* What is missing can be men''ded. */\n' >engine/idiom.c
expect "an idiom of a translation" 'engine/idiom\.c:1: not plain English'

fresh
printf '#include "base.h"\n' >kernels/other.c
expect "an include that does not start at the root" 'kernels/other\.c:1: "base\.h"'

fresh
printf '\n#include <cjson/cJSON.h>\n' >harness/machine/machine_hardware.c
expect "a second door to the JSON library" 'harness/machine/machine_hardware\.c:2: <cJSON\.h> belongs in harness/base/json\.c'

fresh
sed -i 's/BASE_H/OTHER_H/' kernels/base.h
expect "a guard that is not the path" 'kernels/base\.h:1: the guard of this file is TM_KERNELS_BASE_H'

fresh
yes '' | head -n 601 >engine/long.c
expect "a file of 601 lines" 'engine/long\.c:601: 601 lines'

fresh
sed -i 's/^static inline int tm_twice/int tm_twice/' kernels/base.h
expect "a function with a body in a kernel header" 'kernels/base\.h:12: a function in a kernel header'

fresh
sed -i 's/^static inline int tm_twice(int a)/inline int\ntm_twice(int a)/' kernels/base.h
expect "an inline function with external linkage in a kernel header" 'kernels/base\.h:12: a function in a kernel header'

fresh
printf '#include <stdio.h>\n\nvoid tm_talk(void);\nvoid tm_talk(void)\n{\n    printf("x");\n}\n' >engine/talk.c
expect "a library file that prints" 'engine/talk\.c:6: the library never prints'

fresh
printf 'void tm_end(void);\nvoid tm_end(void)\n{\n    if (1) exit(1);\n}\n' >engine/end.c
expect "a library file that exits" 'engine/end\.c:4: the library never prints, exits'

fresh
printf '/* TO''DO later */\n' >engine/later.c
expect "a note of unfinished work" 'engine/later\.c:1: a note of unfinished work'

fresh
printf '#!/bin/sh\ncat /ho''me/someone/file\n' >scripts/path.sh
expect "a path of one machine" 'scripts/path\.sh:2: a path of one machine'

fresh
echo 'TM_KERNEL_X86(sum_i8_avx2)' >>kernels/kernels.def
expect "a row without its file" 'kernels/kernels\.def:2: no file kernels/\*/sum_i8_avx2\.c'

fresh
: >kernels/kernels.def
expect "a kernel without its row" 'kernels/ternary/sum_i8_scalar\.c:1: defines a kernel that kernels\.def does not list'

fresh
printf 'int helper(void);\nint helper(void) { return 1; }\n' >engine/helper.c
compile
expect "an external symbol without the prefix" 'engine/helper\.c:1: external symbol helper'

if [ "$(uname -m)" = x86_64 ]; then
    fresh
    printf 'void tm_add(float *a);\nvoid tm_add(float *a)\n{\n    for (int i = 0; i < 8; i++) a[i] += 1;\n}\n' >kernels/add.c
    compile "-mavx2 -ftree-vectorize"
    expect "a wide register in an object without a suffix" 'kernels/add\.c:1: uses a wide register in <tm_add>'

    fresh
    printf 'void tm_add(float *a);\nvoid tm_add(float *a)\n{\n    for (int i = 0; i < 8; i++) a[i] += 1;\n}\n' >kernels/ternary/add_avx2.c
    compile "-mavx2 -ftree-vectorize"
    "$lint" . build 2>&1 | grep -q 'kernels/ternary/add_avx2\.c:1: uses a wide'
    verdict $((1 - $?)) "a wide register in an object with a suffix is fine"
fi

if command -v shellcheck >/dev/null 2>&1; then
    fresh
    printf '#!/bin/sh\ncd $1\n[ $a = b ]\nread x\n[ -z $* ]\n' >scripts/bad.sh
    expect "a script that shellcheck minds" 'scripts/bad\.sh:[0-9]+:'
fi
if command -v clang-format >/dev/null 2>&1; then
    fresh
    printf 'int tm_a( void );\n' >engine/style.c
    expect "a file that is not formatted" 'engine/style\.c:1: not as clang-format writes it'
fi
echo "1..$n"
