#!/usr/bin/env bash
# A process uses the memory that its model's layout predicts, whether the model is synthetic or read
# from a file: the file's pages are released while it is packed. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
. tests/harness/cli/tap.sh
if [ -n "$sanitized" ]; then
    echo "memory: with a sanitizer, shadow memory and freed blocks count as the process's memory"
    exit 77
fi

figure() { sed -nE "s/.*\"$1\":[[:space:]]*([0-9]+).*/\1/p" out | head -n 1; }
# holds TITLE ARGUMENT...: checks that the peak is at least the layout, and at most 5 % plus 50 MB
# above it. The prediction is the weights, the session, and 48 MiB for the rest of the process.
holds() {
    local title=$1 peak layout predicted
    shift
    timeout 500 "$program" bench -t 2 --oversubscribe -p 0 -n 2 -r 1 --processes 1 -q -o json "$@" \
        >out 2>err </dev/null
    peak=$(figure peak_rss_bytes) predicted=$(figure predicted_bytes)
    layout=$((${predicted:-0} - (48 << 20)))
    echo "peak ${peak:-missing}, layout $layout bytes" >>err
    [ -n "$peak" ] && [ $layout -gt 50000000 ] && [ "$peak" -ge $layout ] &&
        [ "$peak" -le $((layout + layout / 20 + 50000000)) ]
    verdict $? "$title"
}
make_file() { # TYPE
    timeout 500 "$program" model make 125M --type "$1" -o model.gguf >said 2>err
    verdict $? "model make writes type $1"
}

holds "synthetic weights" -m synth:125M --kernel i2r16
make_file i2_s
holds "an i2_s file, packed as trits" -m model.gguf --kernel i2r16
make_file tq2_0
holds "a tq2_0 file, copied" -m model.gguf --kernel tq2_0
make_file f16
holds "an f16 file of trits, packed as trits" -m model.gguf --kernel i2r16
holds "an f16 file of trits, packed as halves" -m model.gguf --kernel f16
echo "1..$n"
