#!/usr/bin/env bash
# ternmark report on a store made by hand: the files it lists exist, the table is on stdout, and other programs
# read the LaTeX and the plots. Prints TAP. check: long
set -u
cd "$(dirname "$0")/../../.." || exit 2
program=${TERNMARK:-$PWD/build/ternmark}
[ -x "$program" ] || { echo "no program at $program: run make"; exit 77; }
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
store=$work/hand.jsonl
out=$work/hand-report
n=0
verdict() { # status title
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
skipped() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

missing() { # keys...: each null, with its reason
    for key in "$@"; do printf ',"%s":null,"%s_missing":"made by hand"' "$key" "$key"; done
}
sample() { # kernel role process slot elapsed_ns
    printf '{"schema":1,"kind":"sample","run":"r1","cell_id":"%s","engine":"ternmark","model":"synth:700M",' "$1"
    printf '"kernel":"%s","head_kernel":"f16_x","threads":2,"test":"tg4","n_prompt":0,"n_gen":4,"depth":0,' "$1"
    printf '"role":"%s","status":"ok","predicted_bytes":2000000,"process":%d,"repetition":0,"slot":%d,' "$2" "$3" "$4"
    printf '"elapsed_ns":%d,"n_tokens":4,"token_ns":[1,2,3,4],"load_ns":5000000,"check_ns":7%06d,"bytes_per_token":1000,' "$5" "$4"
    printf '"macs_per_token":2000,"bits_per_weight":2,"marks":"","tokens":""'
    missing first_token_ns peak_rss_bytes rss_anonymous_bytes rss_file_bytes minor_faults major_faults \
        voluntary_switches involuntary_switches cpu_user_seconds cpu_system_seconds steal_percent \
        harness_ns_per_token
    printf '}\n'
}
{
    printf '{"schema":1,"kind":"run","run":"r1","machine":{"cpu_model":"Hand_made & 100%% | CPU"},'
    printf '"environment":{"usable_cores":8}}\n'
    for process in 0 1 2 3 4 5 6; do
        sample f16_x baseline $process $((process % 2)) 400000000
        sample i2_x ternary $process $((1 - process % 2)) 100000000
    done
} >"$store"

"$program" report "$store" >"$work/stdout" 2>"$work/stderr"
verdict $? "a report is written, next to its store by default"
grep -q '^  Speed-up  *4.00 \[4.00, 4.00\]$' "$work/stdout"
verdict $? "the table is on stdout"
grep -q '^published: 1-bit AI Infra 1.1 (arXiv:2410.16144), Table 5, Intel Core i7-13700H, 2 threads$' "$work/stdout"
verdict $? "published values are in a separate group"

bad=0
while IFS= read -r file; do [ -s "$file" ] || { echo "# $file is missing or empty"; bad=1; }; done \
    < <(sed -n '/^files:$/,$p' "$work/stdout" | tail -n +2)
[ "$(sed -n '/^files:$/,$p' "$work/stdout" | wc -l)" -gt 10 ] || bad=1
verdict $bad "every listed file exists"

# Every value of this store is missing, so a 0 would be wrong.
awk -F, 'NR > 1 { for (i = 1; i <= NF; i++) if ($i == "0.0" || $i == "nan" || $i == "-nan") exit 1 }' "$out/cells.csv" &&
    ! grep -q '| 0\.0* |' "$out/report.md"
verdict $? "a missing value is not printed as 0"
grep -q 'took 0.005 to 0.005 s to load its model and 0.007 to 0.007 s to check its kernels' "$out/report.md"
verdict $? "what loading and checking took is said"
grep -q 'made by hand' "$out/report.md"
verdict $? "reasons are printed"

cp "$out/speedup.csv" "$work/first.csv"
"$program" report "$store" -o "$work/again/here" --format csv,md >/dev/null 2>&1 &&
    cmp -s "$work/first.csv" "$work/again/here/speedup.csv" && [ ! -e "$work/again/here/speedup.tex" ]
verdict $? "--output and --format work, and two reports have the same values"

printf '{"schema":1,"kind":"samp' >>"$store"
"$program" report "$store" >/dev/null 2>&1 && grep -q 'torn' "$out/report.md"
verdict $? "a torn last line is ignored with a warning"

sed '/"role":"ternary"/s/"n_tokens":4/"n_tokens":400/' "$store" >"$work/contra.jsonl"
"$program" report "$work/contra.jsonl" >/dev/null 2>&1 &&
    grep -q '^- 7 lines of the store were refused and left out: line 3: .*400 tokens.*; also 9, 11, 13, 15$' \
        "$work/contra-report/report.md" &&
    grep -q 'no speed-up: no ternary cell was run, or its records are among the 7 refused lines$' \
        "$work/contra-report/report.md" &&
    ! grep -qE 'no (ternary|such) cell (of this model )?in the store' "$work"/contra-report/* 2>/dev/null &&
    grep -q 'no ternary cell was run, or its records are among the 7 refused lines' "$work/contra-report/speedup.csv" &&
    grep -q 'no ternary cell was run, or its records are among the 7 refused' "$work/contra-report/speedup.txt"
verdict $? "refused lines are named, also as the reason of a speed-up that is missing"

cp "$store" "$work/newer.jsonl"
sed -i '2a {"schema":1,"kind":"dream","run":"r1"}' "$work/newer.jsonl"
"$program" report "$work/newer.jsonl" >"$work/stdout" 2>"$work/stderr" &&
    [ "$(grep -c 'their kind: 1, the first a "dream"' "$work/newer-report/report.md")" -eq 1 ] &&
    cmp -s "$work/newer-report/speedup.csv" "$out/speedup.csv"
verdict $? "a line of an unknown kind is ignored with one warning"

if command -v pdflatex >/dev/null; then
    printf '%s\n' '\documentclass{article}\usepackage[T1]{fontenc}\usepackage{array,booktabs,longtable,pdflscape}' \
        '\begin{document}' "\\input{$out/speedup.tex}" '\end{document}' >"$work/page.tex"
    (cd "$work" && pdflatex -draftmode -interaction=nonstopmode -halt-on-error page.tex >latex.log 2>&1) &&
        ! grep -q Overfull "$work/latex.log"
    verdict $? "LaTeX accepts speedup.tex, and it fits on the page"
else
    skipped "LaTeX accepts speedup.tex, and it fits on the page" "no pdflatex"
fi

if command -v gnuplot >/dev/null; then
    [ -s "$out/plots/decode-speedup.png" ] && grep -q '<svg' "$out/plots/decode-speedup.svg"
    verdict $? "gnuplot draws PNG and SVG"
    rm "$out"/plots/*.png
    (cd "$out/plots" && gnuplot ./*.gp 2>&1) && [ -s "$out/plots/decode-speedup.png" ]
    verdict $? "the scripts draw without ternmark"
else
    skipped "gnuplot draws PNG and SVG" "no gnuplot"
fi

mkdir "$work/bin"
PATH=$work/bin "$program" report "$store" >/dev/null 2>"$work/stderr"
status=$?
[ $status -eq 0 ] && grep -q 'gnuplot is not installed: install it and run `gnuplot \*.gp`' "$work/stderr" &&
    [ -s "$out/plots/decode-speedup.gp" ]
verdict $? "without gnuplot the scripts are written with a hint how to draw them"
echo "1..$n"
