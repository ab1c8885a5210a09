#!/usr/bin/env bash
# ternmark verify: kernels and activations of small models, output and wrong input. Prints TAP.
set -u
cd "$(dirname "$0")/../../.." || exit 2
golden=$PWD/tests/golden
. tests/harness/cli/tap.sh
model=$golden/bn_t-I2_S.gguf

expect 0 "every kernel of this machine is right" '^[0-9]* kernels, 24 positions: 0 different, 0 skipped$' verify -m "$model" -t 1
grep -q '^trit_mad_scalar  *reference of the following$' out && grep -q '^i2r16_mad_scalar  *equal to trit_mad_scalar, bit for bit$' out
verdict $? "ternary kernels are compared with trit_mad_scalar"
grep -q '^int8 per token  *[0-9.e-]* ' out && grep -q '^int8 per block of 256  *[0-9.e-]* ' out
verdict $? "activations are compared"
expect 0 "weights that are not ternary: the kernels are skipped, and why" \
    '^i2r16_mad_scalar  *skipped: .*ternary' verify -m "$golden/bn_c-TQ2_0.gguf" -t 1 --kernel i2r16_mad_scalar
expect 0 "one kernel" '^1 kernel, 6 positions: 0 different' \
    verify -m "$model" -t 1 --kernel i2r16_mad_scalar -p abcdefgh --positions 4 -n 2
expect 0 "a synthetic model" '^1 kernel, 2 positions' verify -m synth:125M -t 1 --kernel t3r16_lut_scalar --positions 1 -n 1
"$program" verify -m "$model" -t 1 --kernel i2r16_mad_scalar,f32r16_fma_scalar --format json >out 2>err
[ "$(tr -d ' \n\t' <out | grep -o '"name":"[a-z0-9_]*","reference":"[a-z0-9_]*","status":"[a-z]*"' | tr '\n' ' ')" = \
    '"name":"i2r16_mad_scalar","reference":"trit_mad_scalar","status":"equal" "name":"f32r16_fma_scalar","reference":"f32r16_fma_scalar","status":"reference" ' ] &&
    tr -d ' \n\t' <out | grep -q '"first_difference":null'
verdict $? "--format json: a row for each kernel"
expect 2 "an unknown kernel" 'unknown kernel' verify -m "$model" --kernel nonsense
expect 2 "a text for a synthetic model" 'synth:125M has no vocabulary' verify -m synth:125M -p a
expect 2 "two texts" 'either --prompt or --file' verify -m "$model" -p a -f /dev/null
echo "1..$n"
