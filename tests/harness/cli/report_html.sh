#!/usr/bin/env bash
# The pages of report, compare, gate and reproduce: one file each, every link leads somewhere, names from a store cannot become
# markup, and in Chromium (if it is installed) the tables sort and filter without an error. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
skipped() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

missing() { # keys...: each null, with its reason
    for key in "$@"; do printf ',"%s":null,"%s_missing":"made by hand"' "$key" "$key"; done
}
sample() { # model cell_id kernel role process slot elapsed_ns
    printf '{"schema":1,"kind":"sample","run":"r1","cell_id":"%s","engine":"ternmark","model":"%s",' "$2" "$1"
    printf '"kernel":"%s","head_kernel":"f16_x","threads":2,"test":"tg4","n_prompt":0,"n_gen":4,"depth":0,' "$3"
    printf '"role":"%s","status":"ok","predicted_bytes":2000000,"process":%d,"repetition":0,"slot":%d,' "$4" "$5" "$6"
    printf '"elapsed_ns":%d,"n_tokens":4,"token_ns":[1,2,3,4],"load_ns":5,"bytes_per_token":1000,' "$7"
    printf '"macs_per_token":2000,"bits_per_weight":2,"marks":"","tokens":""'
    missing first_token_ns peak_rss_bytes rss_anonymous_bytes rss_file_bytes minor_faults major_faults \
        voluntary_switches involuntary_switches cpu_user_seconds cpu_system_seconds steal_percent \
        harness_ns_per_token
    printf '}\n'
}
store() { # ternary_ns: 8 models, the last with a name that is markup
    printf '{"schema":1,"kind":"run","run":"r1","fingerprint":"f","machine":{"cpu_model":"<b>Größe</b> & \\"co\\""},'
    printf '"environment":{"usable_cores":8}}\n'
    for m in 1 2 3 4 5 6 7 8; do
        name="model-$m.gguf"
        [ $m -eq 8 ] && name='model-8<script>document.title=1'
        for process in 0 1 2 3 4 5; do
            sample "$name" "a$m" f16_x baseline $process $((process % 2)) $((400000000 + m * 1000000 + process * 10000))
            sample "$name" "b$m" i2_x ternary $process $((1 - process % 2)) $(($1 + m * 1000000 + process * 10000))
        done
    done
}
store 100000000 >"$work/a.jsonl"
store 90000000 >"$work/b.jsonl"

"$program" report "$work/a.jsonl" --html "$work/report.html" >"$work/stdout" 2>"$work/stderr"
verdict $? "report writes a page"
[ ! -e "$work/a-report" ] && grep -q "report.html" "$work/stdout"
verdict $? "without --output and --format it writes nothing else"
"$program" report "$work/a.jsonl" -o "$work/folder" --format md --html "$work/other.html" >/dev/null 2>&1 &&
    [ -s "$work/folder/report.md" ] && cmp -s "$work/report.html" "$work/other.html"
verdict $? "with --output it writes both"
"$program" compare "$work/a.jsonl" "$work/b.jsonl" --html "$work/compare.html" >/dev/null 2>"$work/stderr"
verdict $? "compare writes a page"
"$program" gate --from "$work/a.jsonl" --budget 'tokens_per_second>=5' --html "$work/gate.html" >/dev/null 2>"$work/stderr"
verdict $? "gate writes a page"
grep -q '<p class="verdict good">gate: pass' "$work/gate.html"
verdict $? "the page of a gate begins with its outcome"
"$program" gate --from "$work/a.jsonl" --budget 'tokens_per_second>=1e9' --html "$work/failed.html" >/dev/null 2>"$work/stderr"
[ $? -eq 1 ] && grep -q '<p class="verdict bad">gate: regression' "$work/failed.html"
verdict $? "a gate that fails writes its page, too"

"$program" reproduce 2410.16144 --from "$work/a.jsonl" "$work/b.jsonl" --html "$work/reproduce.html" >/dev/null 2>"$work/stderr"
[ -s "$work/reproduce.html" ] && grep -q '<p class="verdict [a-z]*">[0-9]* claims: ' "$work/reproduce.html"
verdict $? "reproduce writes a page that begins with its verdicts"

for page in report compare gate reproduce; do
    file=$work/$page.html
    bad=0
    grep -qE '(src|href)="?(https?:|//)|url\(|@import' "$file" && bad=1
    [ "$(grep -c '<script' "$file")" -eq 1 ] || bad=1
    grep -q '<b>' "$file" && bad=1
    [ "$(wc -c <"$file")" -lt 1000000 ] || bad=1
    # Every link leads to an element of the page.
    grep -oE 'href="#[^"]*"' "$file" | sort -u | sed 's/href="#\(.*\)"/ id="\1"/' | while IFS= read -r id; do
        [ "$(grep -oF -- "$id" "$file" | wc -l)" -eq 1 ] || { echo "# $page: $id"; exit 1; }
    done || bad=1
    verdict $bad "$page: one file, no network, escaped names, whole links"
done

for command in "report $work/a.jsonl" "compare $work/a.jsonl $work/b.jsonl" \
    "gate --from $work/a.jsonl --budget peak_rss<=1GiB" "reproduce all --from $work/a.jsonl"; do
    # shellcheck disable=SC2086 # the words of a command
    "$program" $command --html "$work/none/page.html" >/dev/null 2>"$work/stderr"
    status=$?
    [ $status -eq 2 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -q "none/page.html" "$work/stderr"
    verdict $? "${command%% *}: a page that cannot be written is one sentence"
done

# In a browser: a script at the end of a copy sorts and filters, and leaves what it saw in the title.
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
title="Chromium renders, sorts, filters and opens samples without an error"
if [ -z "$browser" ]; then
    skipped "$title" "no chromium"
else
    {
        sed 's/<head>/<head><script>window.errors = []; addEventListener("error", e => errors.push(e.message));<\/script>/' \
            "$work/report.html"
        cat <<'SCRIPT'
<script>
const table = Array.from(document.querySelectorAll("table")).find(t => t.querySelector("th button"));
const column = Array.from(table.tHead.rows[0].cells).findIndex(c => c.textContent.startsWith("fp16"));
const names = () => Array.from(table.tBodies[0].rows).filter(r => !r.hidden).map(r => r.cells[0].textContent[6] || "-").join("");
const seen = [];
const button = table.tHead.rows[0].cells[column].querySelector("button");
button.click();
seen.push(names());
button.click();
seen.push(names());
const input = table.closest(".table").querySelector("input");
input.value = "model-3";
input.dispatchEvent(new Event("input"));
seen.push(names(), table.closest(".table").querySelector("[role=status]").textContent);
const point = document.querySelector("a.point");
point.focus();
seen.push(document.getElementById("tip").hidden ? "no tip" : "tip");
const link = table.querySelector("td a");
location.hash = link.getAttribute("href");
setTimeout(() => {
    seen.push(document.querySelector(location.hash).open ? "open" : "closed", "errors " + errors.length);
    document.title = seen.join("|");
}, 50);
</script>
SCRIPT
    } >"$work/copy.html"
    HOME=$work timeout 120 "$browser" --headless --no-sandbox --disable-gpu --user-data-dir="$work/profile" \
        --virtual-time-budget=5000 --dump-dom "file://$work/copy.html" >"$work/dom" 2>"$work/browser.err"
    if [ ! -s "$work/dom" ]; then
        skipped "$title" "chromium does not start here: $(tail -n 1 "$work/browser.err" | tr -d '#' | cut -c 1-100)"
    else
        grep -o '<title>[^<]*</title>' "$work/dom" | head -n 1 | sed 's/^/# /'
        grep -q '<title>87654321|12345678|3|1 of 8 rows|tip|open|errors 0</title>' "$work/dom"
        verdict $? "$title"
    fi
fi
echo "1..$n"
