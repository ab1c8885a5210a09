#!/usr/bin/env bash
# How the program explains itself: overview, help, version, man pages, shell completion; the spelling of
# formats and output files; exit statuses. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
source=$PWD
. tests/harness/cli/tap.sh

skip() { # title reason
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}
# The commands that `ternmark help` lists, without the headings.
commands=$("$program" help | sed -nE '/^Start here/q; s/^  ([a-z]+) +[^ ].*/\1/p')

"$program" >out 2>err </dev/null
[ $? -eq 2 ] && grep -q '^usage: ternmark COMMAND' out && [ ! -s err ]
verdict $? "without arguments: the overview on stdout, exit status 2"
for arguments in help --help -h; do
    expect 0 "$arguments: the overview" '^usage: ternmark COMMAND' $arguments
done
expect 0 "--version" '^ternmark [0-9]*\.[0-9]*\.[0-9]* (commit' --version
expect 2 "an unknown command suggests the nearest" 'did you mean "bench"' bnech
expect 2 "help for an unknown command" 'did you mean "bench"' help bnech
expect 2 "an unknown option suggests the nearest" 'did you mean .--threads.' bench --thread 2
expect 2 "a missing required option" '--model is missing' bench
expect 2 "a missing argument prints the usage" 'usage: ternmark run' run
expect 2 "one argument too many" 'unexpected argument "b".*usage: ternmark export' export a b
expect 2 "a value that is no number" '--processes is "x"; expected a whole number from 1 to 1000' \
    bench -m null:1000 --processes x
expect 2 "a flag with a value" '--quiet takes no value' bench -m null:1000 --quiet=yes
expect 2 "an option without its value" '--format needs a value: NAME' bench --format

[ "$(wc -w <<<"$commands")" -ge 16 ]
verdict $? "the overview lists the commands"
shown=$commands
[ -z "$sanitized" ] || shown="bench report" # --share below reads the options of every command
for command in $shown; do
    "$program" "$command" --help >long 2>err && "$program" help "$command" >out 2>>err && cmp -s out long &&
        [ ! -s err ] && grep -q "^usage: ternmark $command" out && ! grep -q '.\{81\}' out
    verdict $? "$command --help and help $command agree and fit into 80 columns"
    sed -nE "s/^ {2,6}(-[a-z]+, )?(--[a-z0-9-]+).*/$command \\2/p" out >>options
done
sort options | uniq -d >out
[ ! -s out ]
verdict $? "no command has an option twice"
"$program" bench --help >out 2>err
[ "$(grep -n '^Options:' out | cut -d: -f1)" -lt "$(grep -n '^Energy:' out | cut -d: -f1)" ]
verdict $? "common options come first"
expect 0 "--help wins over what is missing or wrong" '^usage: ternmark report' report --nonsense --help

# --format, -o FILE, and the old spelling -o FORMAT.
"$program" kernels --format json >new 2>err && "$program" kernels -o json >out 2>>err && cmp -s new out && [ ! -s err ]
verdict $? "-o json still names the format, without a message"
TERNMARK_FORMAT=json "$program" kernels >out 2>err && cmp -s new out
verdict $? "TERNMARK_FORMAT is the default of --format"
"$program" kernels --format json -o kernels.json >out 2>err && cmp -s new kernels.json && [ ! -s out ] && [ ! -s err ]
verdict $? "-o FILE writes the file and nothing to stdout"
"$program" list models -o models.txt >out 2>err && [ ! -s out ] && grep -q '^synth:125M' models.txt
verdict $? "also for a command with one format"
[ "$(ls -A | sort | tr '\n' ' ')" = "err kernels.json long models.txt new options out " ]
verdict $? "no temporary file is left"
expect 2 "a folder that does not exist" 'no/such/dir' list models -o no/such/dir/file
expect 2 "an unknown format" '--format is "yaml"; expected text, json or csv' kernels --format yaml
if [ -w /dev/full ]; then
    "$program" list models >/dev/full 2>err
    [ $? -eq 2 ] && grep -q 'standard output failed' err
    verdict $? "a full disk behind stdout: exit status 2"
else
    skip "a full disk behind stdout" "/dev/full is not writable"
fi

"$program" help --share share >out 2>err && [ "$(find share -name '*.1' | wc -l)" -eq $(($(wc -w <<<"$commands") + 1)) ]
verdict $? "--share writes a page per command and one for the program"
"$program" help --man bench | cmp -s - share/man/man1/ternmark-bench.1
verdict $? "--man prints the same page"
if command -v mandoc >/dev/null; then
    for page in share/man/man1/*.1; do mandoc -T lint -W warning "$page"; done >out 2>&1
    [ ! -s out ]
    verdict $? "mandoc has no warnings about the pages"
    mandoc -T ascii share/man/man1/ternmark-bench.1 | sed 's/.\x08//g' >out && grep -q -- '-m, --model MODEL,...' out
    verdict $? "a page shows its options"
else
    skip "man pages" "mandoc is not installed"
fi

bash=share/bash-completion/completions/ternmark
bash -n $bash && bash -c ". ./$bash && complete -p ternmark" >out 2>err
verdict $? "bash loads its completion"
cat >complete.sh <<END
. ./$bash
compopt() { :; }
COMP_WORDS=("\$@") COMP_CWORD=\$((\$# - 1))
_ternmark
echo "\${COMPREPLY[*]}"
END
completes() { # result words...
    local wanted=$1
    shift
    bash complete.sh ternmark "$@" >out 2>err && [ "$(cat out)" = "$wanted" ]
    verdict $? "bash completes: ternmark $*"
}
completes bench ben
completes --format bench --form
completes 'json jsonl' bench --format js
completes 'json jsonl' bench --format = js
completes md,csv report --format md,c
completes models list mo
completes report help repo
cat >complete.zsh <<'END'
# complete.zsh FOLDER LINE: what an interactive zsh makes of LINE and a tab
zmodload zsh/zpty
zpty z zsh -fi
zpty -w z "fpath=($1 \$fpath); autoload -U compinit; compinit -D -u; bindkey '^I' complete-word;
    show() { print -r -- \"RES\"\"ULT=\$BUFFER=END\"; BUFFER=; zle accept-line }; zle -N show; bindkey '^X' show;
    RPS1=; PS1=PRO''MPT:"
zpty -r z out '*PROMPT:*'
zpty -w -n z "$2"$'\t\x18'
zpty -r z out '*RESULT=*=END*'
print -r -- "${${out##*RESULT=}%=END*}"
zpty -d z
END
if command -v zsh >/dev/null; then
    zsh -n share/zsh/site-functions/_ternmark 2>err && zsh -fc 'autoload -U compinit && compinit -D -u &&
        . ./share/zsh/site-functions/_ternmark && [ "$_comps[ternmark]" = _ternmark ]' >out 2>>err
    verdict $? "zsh loads its completion"
    zsh_completes() { # line result
        timeout 100 zsh -f complete.zsh "$PWD/share/zsh/site-functions" "$1" >out 2>err
        [ "$(tr -d '\r' <out | sed 's/ *$//')" = "$2" ]
        verdict $? "zsh completes: $1"
    }
    zsh_completes "ternmark ben" "ternmark bench"
    zsh_completes "ternmark list su" "ternmark list suites"
    zsh_completes "ternmark bench --energy-sec" "ternmark bench --energy-seconds="
else
    skip "zsh loads its completion" "zsh is not installed"
fi
if command -v fish >/dev/null; then
    fish_completes() { # line result
        fish --no-config -c "source share/fish/vendor_completions.d/ternmark.fish; complete -C '$1'" >out 2>err &&
            cut -f1 out | grep -qx -e "$2"
        verdict $? "fish completes: $1"
    }
    fish_completes "ternmark ben" bench
    fish_completes "ternmark list su" suites
    fish_completes "ternmark kernels --format j" json
    fish_completes "ternmark run --time-b" --time-budget
else
    skip "fish completes a command" "fish is not installed"
fi

# The environment: a wrong value names its variable, an unknown variable gets a warning.
TERNMARK_THREADS=4097 expect 2 "a wrong value from the environment names the variable" \
    '(from the environment: TERNMARK_THREADS=4097)' bench -m null:1000
TERNMARK_THREADS=4097 "$program" bench -m null:1000 -t 0 >out 2>err
! grep -q TERNMARK_THREADS err
verdict $? "but not if the command line overrides it"
TERNMARK_THREAD=2 expect 0 "an unknown variable gets the nearest name" \
    'TERNMARK_THREAD is not known; did you mean TERNMARK_THREADS?' list suites
TERNMARK_THREADS=2 TERNMARK_ISA=none "$program" list suites >out 2>err && [ ! -s err ]
verdict $? "a known variable of another command gets none"

# Suites, for those who have only the installed program.
expect 0 "help suite explains the format" 'time_budget_seconds' help suite
! grep -q '.\{81\}' out
verdict $? "in 80 columns"
suites=$("$program" list suites | cut -d' ' -f1)
[ -z "$sanitized" ] || suites="quick paper"
for suite in $suites; do
    "$program" list suites "$suite" >"$suite.json" 2>err && "$program" run "$suite.json" --dry-run >out 2>>err
    verdict $? "list suites $suite prints a suite that runs"
done
expect 2 "an unknown suite suggests the nearest" 'did you mean "quick"' list suites quik
expect 2 "a name where none belongs" 'only .list suites NAME. does' list models 125M
# The example of the help is a suite, once its model file is there.
"$program" help suite | sed -n '/^Example:/,$p' | tail -n +2 | sed 's/, "model.gguf"//' >mine.json
expect 0 "the example of help suite runs" '^8 cells' run mine.json --dry-run
# Every key of the program is explained.
keys=$(sed -n '/known\[\] = {"name"/,/NULL}/p' "$source/harness/sweep/suite.c" | grep -o '"[a-z_]*"' | tr -d '"')
"$program" help suite >explained
for key in $keys; do grep -q "^  ${key}[. ]" explained || echo "$key is not explained"; done >out
[ "$(echo "$keys" | wc -l)" -ge 14 ] || echo "only these keys were found: $keys" >>out
[ ! -s out ]
verdict $? "help suite explains every key"

# Threads are written alike everywhere.
for command in tune "logits --tokens 1 -o x.f32"; do
    # shellcheck disable=SC2086
    expect 2 "${command%% *}: threads are a number or all" 'expected all or a whole number' $command -m synth:125M -t x
done
"$program" logits -m synth:125M --tokens 1 -t all -o x.f32 >out 2>err && [ -s x.f32 ]
verdict $? "logits: all"
echo notes >notes.txt
expect 2 "a file that is no store" 'notes.txt: not a ternmark store' report notes.txt
echo "1..$n"
